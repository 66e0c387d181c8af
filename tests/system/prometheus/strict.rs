//! Strict parsers read the whole scrape, whatever strangers write.

use serde_json::{Value, json};

use super::scraping::OPEN_METRICS;
use super::tools::{Sample, lint, parsed};
use crate::server::Server;
use crate::stream::Stream;

/// The samples, which are the same in both formats except for types; empty if no parser is available.
#[track_caller]
fn scraped(stream: &Stream, parameters: &str) -> Vec<Sample> {
    let call = || stream.call("GET", &format!("/metrics{parameters}")).bearer(&stream.read_key);
    let open = call().header("Accept", OPEN_METRICS).send().expect(200);
    let text = call().send().expect(200);
    let Some(open_samples) = parsed("openmetrics", open.text()) else { return Vec::new() };
    let open_samples = open_samples.unwrap_or_else(|why| panic!("refused: {why}\n{}", open.text()));
    let text_samples = parsed("text", text.text()).expect("it is there").expect("text 0.0.4");
    let values = |samples: &[Sample]| -> Vec<(String, Value, String)> {
        samples.iter().map(|(_, name, labels, value)| (name.clone(), labels.clone(), value.to_string())).collect()
    };
    assert_eq!(values(&open_samples), values(&text_samples));
    if let Some(said) = lint(text.text()) {
        assert!(!said.contains("error"), "{said}");
    }
    open_samples
}

/// Type and value of the sample of a metric with these labels.
#[track_caller]
fn sample<'a>(samples: &'a [Sample], metric: &str, labels: &Value) -> (&'a str, f64) {
    let mut all = samples.iter().filter(|(_, name, its, _)| name == metric && its == labels);
    let (kind, _, _, value) = all.next().unwrap_or_else(|| panic!("{metric} {labels} is not in {samples:?}"));
    assert!(all.next().is_none(), "{metric} {labels} is there twice");
    (kind, *value)
}

#[test]
fn a_negative_n_does_not_break_the_scrape() {
    for points in [
        r#"{"n":-5,"v":{"a":"1"}}"#,
        r#"[{"n":3,"v":{"a":"1"}},{"n":-8,"v":{"a":"1"}}]"#,
        r#"{"n":-5,"d":0,"v":{"a":"1"}}"#,
    ] {
        let stream = Stream::new();
        stream.write(points);
        stream
            .write(r#"[{"n":7,"v":{"a":"2"}},{"n":-0.0,"v":{"a":"3"}},{"n":9,"v":{"a":"4"}},{"n":-2,"v":{"a":"4"}}]"#);
        let samples = scraped(&stream, "");
        if samples.is_empty() {
            return;
        }
        let n = |a: &str| sample(&samples, "heartbeat_n_total", &json!({ "a": a }));
        assert_eq!([n("1"), n("2"), n("3"), n("4")], [("gauge", -5.0), ("gauge", 7.0), ("gauge", 0.0), ("gauge", 7.0)]);
        for metric in ["heartbeat_d_total", "heartbeat_points_total"] {
            assert_eq!(sample(&samples, metric, &json!({"a": "2"})), ("counter", 1.0));
        }
        let without = scraped(&stream, "?where=a!%3D1");
        assert_eq!(sample(&without, "heartbeat_n_total", &json!({"a": "2"})), ("counter", 7.0));
    }
}

#[test]
fn no_sum_in_a_scrape_is_infinite() {
    // Nobody can write such sums: points that would cause them are rejected, and at the limits 1e116 are needed.
    let stream = Stream::create(Server::shared(), json!({"name": "test", "shards": 4}));
    for (key, n) in (0..16).map(|key| (key, if key < 8 { "1e100" } else { "-1e100" })) {
        let body = format!(
            r#"[{{"n":{n},"d":1e100,"v":{{"a":"1"}}}},{{"n":{n},"d":1e100,"v":{{"a":"1"}}}},{{"n":1e99,"v":{{"a":"2"}}}},{{"n":1e300}},{{"n":1.7e308}},{{"n":-1e308,"d":1e308}}]"#
        );
        let write = stream.owned("POST", "/points").header("Idempotency-Key", format!("k{key}")).body(body).send();
        assert_eq!(write.expect(202).json()["rejected"], 3);
    }
    let samples = scraped(&stream, "");
    if samples.is_empty() {
        return;
    }
    let (kind, sum) = sample(&samples, "heartbeat_n_total", &json!({"a": "2"}));
    assert!(kind == "gauge" && (sum / 16e99 - 1.0).abs() < 1e-9, "{kind} {sum}");
    assert!(sample(&samples, "heartbeat_n_total", &json!({"a": "1"})).1.abs() <= 1e90, "they cancel but for rounding");
    assert_eq!(sample(&samples, "heartbeat_d_total", &json!({"a": "1"})).0, "counter");
    assert!(samples.iter().all(|(.., value)| value.is_finite()));
    scraped(&stream, "?by=");
}

#[test]
fn no_label_name_or_value_breaks_or_changes_a_scrape() {
    let stream = Stream::new();
    let empty = scraped(&stream, "");
    if empty.is_empty() {
        return;
    }
    assert_eq!(empty.len(), 1, "an empty stream has how many series are folded");
    let values = [
        "\"",
        "\\",
        "\\\\",
        "\\\"",
        "\\n",
        "a\\",
        "a\\\"",
        "{",
        "}",
        "{a=\"b\"}",
        "# EOF",
        " # ",
        "# {a=\"b\"} 1",
        " 1 2",
        ",",
        "=",
        "\",x=\"",
        "ü",
        "\u{2028}",
        "\u{feff}",
        "\u{fffd}",
        "\u{10ffff}",
        "\u{a0}",
        " ",
        "NaN",
        "+Inf",
        "'",
        "`",
        "a,b",
        "a b 1.5",
        "\u{202e}",
    ];
    let names = [
        "le",
        "quantile",
        "__name__",
        "__x",
        "_",
        "a b",
        "a.b",
        "a-b",
        "a_b",
        "1a",
        "ü",
        "U__a",
        "U__",
        "job",
        "heartbeat_folded",
        "\"",
        "\\",
        "{",
        "}",
        "#",
        "a=b",
        "a,b",
        "heartbeat_n",
        "A",
        "\u{2028}",
        "name",
        "overflow",
        "_total",
        "__",
        "U__a_20_b",
        "a:b",
        "😀",
    ];
    let mut lines = Vec::new();
    for value in values {
        lines.push(json!({"n": 1, "v": {"value": value, "other": value}}));
    }
    for name in names {
        lines.push(json!({"n": 1, "v": {name: "x"}}));
        lines.push(json!({"n": 1, "v": {name: "0.5"}}));
        lines.push(json!({"n": 1, "v": {name: "+Inf"}}));
    }
    lines.push(json!({"n": 1, "v": {"n".repeat(64): "v".repeat(256), "\"".repeat(64): "\"".repeat(256)}}));
    lines.push(json!({"n": 1}));
    let all: serde_json::Map<String, Value> =
        names.iter().take(16).map(|name| ((*name).to_owned(), json!("\\\""))).collect();
    lines.push(json!({"n": 1, "v": all}));
    for some in lines.chunks(50) {
        stream.write(some.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"));
    }
    let samples = scraped(&stream, "");
    for value in values {
        let labels = json!({"value": value, "other": value});
        assert_eq!(sample(&samples, "heartbeat_n_total", &labels), ("counter", 1.0), "{value:?}");
    }
    assert_eq!(samples.len(), lines.len() * 3 + 1, "no two sets of labels become one");
    for parameters in ["?by=le", "?by=quantile,value", "?where=value%3D~.%2B", "?where=value%3Dnothing"] {
        scraped(&stream, parameters);
    }
}
