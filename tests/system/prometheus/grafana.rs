//! What Grafana's Prometheus data source sends, byte for byte, and the fields of answers that it reads. From its
//! sources: `packages/grafana-prometheus` and `pkg/promlib/{healthcheck,heuristics,querydata,resource}`.

use serde_json::{Value, json};

use super::{data, form, get};
use crate::clock::now_whole_s;
use crate::http::Answer;
use crate::stream::Stream;

fn visits() -> Stream {
    let stream = Stream::new();
    let t = now_whole_s() - 30;
    stream.write(format!(
        r#"[{{"n":3,"t":{t},"v":{{"country":"US","page path":"/a"}}}},{{"n":4,"t":{t},"v":{{"country":"DE"}}}},{{"n":5,"t":{t}}}]"#
    ));
    stream
}

/// A POST as the backend sends it.
fn post(stream: &Stream, path: &str, pairs: &[(&str, &str)]) -> Answer {
    stream
        .call("POST", &format!("/prometheus/api/v1/{path}"))
        .bearer(&stream.read_key)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form(pairs))
        .send()
}

#[test]
fn save_and_test_asks_for_a_sum_and_the_build() {
    let stream = visits();
    let sum = data(post(&stream, "query", &[("query", "1+1"), ("time", "4")]));
    assert_eq!(sum, json!({"resultType": "scalar", "result": [4, "2"]}));
    let build = data(get(&stream, "status/buildinfo", &[]));
    assert!(build["version"].as_str().is_some_and(|version| version.starts_with("2.")), "{build}");
    assert_eq!(data(get(&stream, "rules", &[])), json!({"groups": []}));
    assert_eq!(data(post(&stream, "query_exemplars", &[("query", "x"), ("start", "1"), ("end", "2")])), json!([]));
}

#[test]
fn a_panel_is_drawn_from_a_range() {
    let stream = visits();
    let end = now_whole_s() / 15 * 15;
    let (start, end) = ((end - 3600).to_string(), end.to_string());
    let pairs = [
        ("query", r#"sum by(country) (rate(heartbeat_n_total{country=~".+"}[1m0s]))"#),
        ("start", &start),
        ("end", &end),
        ("step", "15"),
        ("timeout", "60s"),
    ];
    let matrix = data(post(&stream, "query_range", &pairs));
    assert_eq!(matrix["resultType"], "matrix");
    let series = matrix["result"].as_array().expect("a list");
    assert_eq!(series.iter().map(|one| &one["metric"]["country"]).collect::<Vec<_>>(), ["DE", "US"]);
    for one in series {
        let values = one["values"].as_array().expect("a list");
        assert_eq!(values.len(), 241);
        assert!(values.iter().all(|pair| pair[0].is_u64() && pair[1].is_string()), "{one}");
    }
    // The form of the stat panel and of alerts, with milliseconds.
    let time = format!("{}.123", now_whole_s());
    let instant = data(post(&stream, "query", &[("query", "sum(increase(heartbeat_n_total[5m]))"), ("time", &time)]));
    let value = &instant["result"][0]["value"];
    assert_eq!((value[0].as_f64().map(|at| at.to_string()), &value[1]), (Some(time), &json!("12")));
}

#[test]
fn the_builder_lists_metrics_labels_values_and_series() {
    let stream = visits();
    let (start, end) = ((now_whole_s() - 3600).to_string(), now_whole_s().to_string());
    let time = [("start", start.as_str()), ("end", end.as_str())];
    let names = data(get(&stream, "label/__name__/values", &time));
    assert_eq!(names, json!(["heartbeat_d_total", "heartbeat_n_total", "heartbeat_points_total"]));
    let narrowed =
        [time[0], time[1], ("match[]", "{__name__=\"heartbeat_n_total\",country=\"US\"}"), ("limit", "40000")];
    assert_eq!(data(post(&stream, "labels", &narrowed)), json!(["U__page_20_path", "__name__", "country"]));
    assert_eq!(data(get(&stream, "labels", &time)), json!(["U__page_20_path", "__name__", "country"]));
    assert_eq!(data(get(&stream, "label/country/values", &time)), json!(["DE", "US"]));
    assert_eq!(data(get(&stream, "label/U__page_20_path/values", &narrowed)), json!(["/a"]));
    assert_eq!(data(get(&stream, "label/nothing/values", &time)), json!([]));
    let series =
        data(post(&stream, "series", &[time[0], time[1], ("match[]", "heartbeat_points_total{country!=\"\"}")]));
    assert_eq!(
        series,
        json!([
            {"__name__": "heartbeat_points_total", "U__page_20_path": "/a", "country": "US"},
            {"__name__": "heartbeat_points_total", "country": "DE"},
        ])
    );
    let cut: Value = get(&stream, "label/country/values", &[("limit", "1")]).expect(200).json();
    assert_eq!((&cut["data"], cut["warnings"].as_array().map(Vec::len)), (&json!(["DE"]), Some(1)));
    let metadata = data(get(&stream, "metadata", &[("limit", "20000")]));
    assert_eq!(metadata["heartbeat_n_total"][0]["type"], "counter");
    assert_eq!(metadata.as_object().map(serde_json::Map::len), Some(3));
}
