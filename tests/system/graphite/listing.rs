//! The tags of a stream for clients other than Grafana, and labels that are not valid in Graphite.

use serde_json::json;

use super::{get, visits};
use crate::server::Server;
use crate::stream::Stream;

#[test]
fn tags_are_the_labels_and_the_name() {
    let (stream, _) = visits();
    let tags = get(&stream, "tags", &[]).expect(200).json();
    assert_eq!(tags, json!([{"tag": "country"}, {"tag": "name"}, {"tag": "status"}]));
    assert_eq!(get(&stream, "tags", &[("filter", "c")]).expect(200).json(), json!([{"tag": "country"}]));
    let values = get(&stream, "tags/status", &[]).expect(200).json();
    assert_eq!((&values["tag"], values["values"].as_array().map(Vec::len)), (&json!("status"), Some(2)));
    assert_eq!(values["values"][0]["value"], "200");
    assert_eq!(get(&stream, "tags/nothing", &[]).expect(200).json(), json!(null));
}

#[test]
fn series_are_found_by_their_tags() {
    let (stream, _) = visits();
    let found =
        get(&stream, "tags/findSeries", &[("expr", "name=visits.sum"), ("expr", "country=US")]).expect(200).json();
    assert_eq!(found, json!(["visits.sum;country=US;status=200", "visits.sum;country=US;status=500"]));
    for (pairs, detail) in [
        (&[][..], "no tag expressions specified"),
        (&[("expr", "country!=x")], "At least one tagspec must not match the empty string"),
        (&[("expr", "country")], "Invalid tagspec country"),
    ] {
        let answer = get(&stream, "tags/findSeries", pairs);
        assert_eq!(answer.problem(400), "invalid-request");
        assert_eq!(answer.json()["detail"], detail);
    }
}

#[test]
fn labels_unfit_for_graphite_are_found_by_other_names() {
    let stream = Stream::create(Server::shared(), json!({"name": "my shop"}));
    stream.write(r#"[{"n":1,"v":{"a b":"x;y","name":"~z"}},{"n":2,"v":{"a b":"q"}}]"#);
    let ask = |target: &str| {
        get(&stream, "render", &[("target", target), ("from", "-10min"), ("until", "+10s")]).expect(200).json()
    };
    let all = ask("seriesByTag('name=my_shop.sum')");
    let names: Vec<&str> = all.as_array().expect("a list").iter().filter_map(|one| one["target"].as_str()).collect();
    assert_eq!(names, ["my_shop.sum;_name=_z;a_b=x_y", "my_shop.sum;a_b=q"]);
    for target in [
        "seriesByTag('name=my_shop.sum','a_b=x_y')",
        "seriesByTag('name=my_shop.sum','_name=~_')",
        "my_shop.sum;_name=_z;a_b=x_y",
    ] {
        assert_eq!(ask(target)[0]["target"], names[0], "{target}");
    }
    assert_eq!(ask("my_shop.sum.a_b.x_y")[0]["target"], "my_shop.sum.a_b.x_y");
    let values = get(&stream, "tags/autoComplete/values", &[("tag", "a_b")]).expect(200).json();
    assert_eq!(values, json!(["q", "x_y"]));
}
