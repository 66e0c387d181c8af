//! Requests that are too expensive or wrong get a 400 that says what is wrong.

use serde_json::json;

use super::{form, get, post, visits};
use crate::server::Server;
use crate::stream::Stream;

#[test]
fn an_invalid_request_is_answered_with_the_reason() {
    let (stream, _) = visits();
    for (pairs, detail) in [
        (&[("target", "nothing(visits.sum)")][..], "Received request for unknown function: nothing"),
        (&[("target", "scale(visits.sum)")], "Missing required parameter \"factor\" for function \"scale\""),
        (&[("target", "sumSeries(visits.sum")], "invalid target at byte 20: expected `)` before its end"),
        (&[("target", "visits.sum"), ("from", "never")], "Unknown day reference: never"),
        (&[("target", "visits.sum"), ("from", "now"), ("until", "now")], "Invalid empty time range"),
        (
            &[("target", "visits.sum"), ("format", "png")],
            "unknown format \"png\"; supported are json, csv, raw, dygraph, rickshaw and msgpack, but not images",
        ),
        (&[("target", "grep(visits.sum, '(')")], "function grep: \"(\" is not a regular expression"),
        (&[("target", "seriesByTag('country=')")], "At least one tagspec must not match the empty string"),
        (&[("target", "identity('a')"), ("from", "19700102"), ("format", "raw")], "the request is too expensive"),
        (&[("target", "timeFunction('a',1)"), ("from", "-1mon")], "the response would have 2592000 points"),
    ] {
        let answer = get(&stream, "render", pairs);
        assert_eq!(answer.problem(400), "invalid-request", "{pairs:?}");
        let seen = answer.json()["detail"].as_str().expect("a string").to_owned();
        assert!(seen.starts_with(detail), "{seen}");
    }
    let nested = format!("{}visits.sum{}", "scale(".repeat(40), ",1)".repeat(40));
    assert_eq!(get(&stream, "render", &[("target", &nested)]).problem(400), "invalid-request");
    // Each level asks twice: once for now and once for then.
    let shifted = format!("{}visits.sum{}", "timeShift(".repeat(30), ",'1min')".repeat(30));
    assert_eq!(get(&stream, "render", &[("target", &shifted)]).problem(400), "invalid-request");
    let many = vec![("target", "visits.sum"); 65];
    assert_eq!(post(&stream, "render", &form(&many)).problem(400), "invalid-request");
    let large = form(&[("target", &"x".repeat(1 << 20))]);
    assert_eq!(post(&stream, "render", &large).problem(413), "too-large");
}

#[test]
fn paths_and_methods_match_the_table() {
    let (stream, _) = visits();
    for path in ["", "rendering", "metrics", "tags/a/b", "render/x"] {
        assert_eq!(get(&stream, path, &[]).problem(404), "not-found", "{path}");
    }
    assert_eq!(stream.call("DELETE", "/graphite/render").send().problem(405), "method-not-allowed");
    assert_eq!(stream.call("GET", "/graphite/functions/nothing").send().problem(404), "not-found");
    assert_eq!(get(&stream, "render", &[]).expect(200).json(), json!([]), "no target, no series");
    assert_eq!(get(&stream, "render", &[("target", "other.sum")]).expect(200).json(), json!([]));
}

#[test]
fn sums_by_tags_cost_tags_and_not_series() {
    let stream = Stream::create(Server::shared(), json!({"name": "visits"}));
    let point = |id: u32| format!(r#"{{"n":100,"p":1000,"v":{{"country":"c{}","id":"{id}"}}}}"#, id % 3);
    stream.write_as_owner((0..3_000).map(point).collect::<Vec<_>>().join("\n"));
    let ask = |target: &str| get(&stream, "render", &[("target", target), ("from", "-20min"), ("until", "+10s")]);
    // 3,000 series in 100 steps are more cells than one read allows.
    let all = ask("averageSeries(seriesByTag('name=visits.sum'))");
    assert_eq!(all.problem(400), "invalid-request");
    assert!(all.json()["detail"].as_str().is_some_and(|detail| detail.contains("200000")), "{}", all.text());
    let grouped = ask("groupByTags(seriesByTag('name=visits.sum'),'sum','country')").expect(200).json();
    let total = |series: &serde_json::Value| -> f64 {
        series["datapoints"].as_array().expect("a list").iter().filter_map(|point| point[0].as_f64()).sum()
    };
    let totals: Vec<f64> = grouped.as_array().expect("a list").iter().map(total).collect();
    assert_eq!(totals.len(), 3);
    assert!(totals.iter().all(|total| (total - 100_000.0).abs() < 1e-6), "{totals:?}");
}
