//! Formats, zones and consolidation of `render`.

use serde_json::json;

use super::{get, visits};

#[test]
fn each_format_has_its_type_and_no_format_has_nan() {
    let (stream, end_s) = visits();
    let (from, until) = ((end_s - 60).to_string(), (end_s - 1).to_string());
    let ask = |format: &str| {
        let pairs = [
            ("target", "visits.sum"),
            ("target", "invert(offsetToZero(visits.sum))"),
            ("from", &from),
            ("until", &until),
        ];
        get(&stream, "render", &[&pairs[..], &[("format", format)]].concat()).expect(200)
    };
    for (format, media_type) in [
        ("json", "application/json"),
        ("csv", "text/csv"),
        ("raw", "text/plain"),
        ("dygraph", "application/json"),
        ("rickshaw", "application/json"),
        ("msgpack", "application/x-msgpack"),
    ] {
        let answer = ask(format);
        assert_eq!(answer.header("Content-Type"), media_type);
        assert_eq!(answer.header("Cache-Control"), "no-store");
        let text = String::from_utf8_lossy(&answer.body).to_lowercase();
        assert!(!text.contains("nan") && !text.contains("inf"), "{format}: {text}");
    }
    assert_eq!(ask("json").json().as_array().map(Vec::len), Some(2));
    assert!(ask("raw").text().starts_with(&format!("visits.sum,{},{},10|", end_s - 50, end_s)));
    let jsonp = get(&stream, "render", &[("target", "constantLine(1)"), ("jsonp", "a.b")]).expect(200);
    assert!(jsonp.text().starts_with("a.b([") && jsonp.header("Content-Type") == "text/javascript");
}

#[test]
fn times_follow_the_time_zone() {
    let (stream, _) = visits();
    let first = |zone: &str, from: &str| {
        let pairs = [
            ("target", "timeFunction('t', 3600)"),
            ("from", from),
            ("until", "20261021"),
            ("tz", zone),
            ("format", "csv"),
        ];
        let answer = get(&stream, "render", &pairs).expect(200);
        answer.text().lines().next().expect("a row").to_owned()
    };
    assert_eq!(first("", "noon_20261020"), "t,2026-10-20 12:00:00,1792497600.0");
    assert_eq!(first("Europe/Berlin", "noon_20261020"), "t,2026-10-20 12:00:00,1792490400.0");
    assert_eq!(first("America/New_York", "noon_20261020"), "t,2026-10-20 12:00:00,1792512000.0");
    // An unknown zone is UTC, as in graphite-web.
    assert_eq!(first("Mars/Olympus", "noon_20261020"), "t,2026-10-20 12:00:00,1792497600.0");
}

#[test]
fn aggregates_of_all_kinds_have_series() {
    let (stream, end_s) = visits();
    let (from, until) = ((end_s - 60).to_string(), (end_s - 1).to_string());
    for name in ["sum", "ratio", "rate", "count", "min", "max", "p50", "p95", "p99.9"] {
        let target = format!("seriesByTag('name=visits.{name}','country=US','status=200')");
        let answer =
            get(&stream, "render", &[("target", &target), ("from", &from), ("until", &until)]).expect(200).json();
        assert_eq!(
            answer[0]["tags"],
            json!({"name": format!("visits.{name}"), "country": "US", "status": "200"}),
            "{name}"
        );
        assert!(answer[0]["datapoints"].as_array().expect("a list").iter().any(|point| point[0].is_number()), "{name}");
    }
}
