//! Queries that Prometheus refuses are refused here too: a list of queries with the verdict of the real one on each.

use serde_json::json;

use super::real::Prometheus;
use super::{data, get};
use crate::stream::Stream;

fn verdicts() -> impl Iterator<Item = (String, String)> {
    let lines = include_str!("../../prometheus/verdicts.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).expect("a verdict and a query"))
}

#[test]
fn the_recorded_verdicts_are_those_of_the_real_prometheus() {
    let Some(prometheus) = Prometheus::idle() else { return };
    let faults: Vec<String> = verdicts()
        .filter_map(|(verdict, query)| {
            let said = prometheus.verdict(&query);
            (said != verdict).then(|| format!("{query}: {verdict} is recorded, but Prometheus answers {said}"))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn queries_refused_by_prometheus_are_bad_data_here() {
    let stream = Stream::new();
    stream.write(r#"[{"n":1,"v":{"path":"foo.bar"}},{"n":2,"v":{"city":"Zürich"}}]"#);
    let refused = verdicts().filter(|(verdict, _)| verdict == "bad_data").map(|(_, query)| query);
    // All queries are tried without a server.
    for query in refused.step_by(11) {
        let body = get(&stream, "query", &[("query", &query)]).expect(400).json();
        assert_eq!((&body["status"], &body["errorType"]), (&json!("error"), &json!("bad_data")), "{query}: {body}");
    }
    for (query, part) in [
        (
            r#"{path=~"foo\.bar"}"#,
            r#"parse error: unknown escape: write a backslash twice, or once between backticks, where nothing is escaped, in: \.bar"}"#,
        ),
        (r#"{path="C:\dir"}"#, r"unknown escape"),
        (r#"{path='it\"s'}"#, r"unknown escape"),
        (r#"{x!="a"}"#, "parse error: a selector must have a matcher that does not match the empty string: {x"),
        (r#"{x!~".+"}"#, "does not match the empty string"),
        (r#"{x=~"a*",y!="b"}"#, "does not match the empty string"),
        ("x == on(bar) 10", "on and ignoring are allowed only between instant vectors, in: == on(bar) 10"),
        ("x[5m] offset 1d1d", "neither a number nor a duration: 1d1d"),
        ("stddev by (c) (x)", "not supported here: this aggregation, in: stddev by (c) (x)"),
        ("quantile(0.9, x)", "not supported here: this aggregation, in: quantile(0.9, x)"),
        ("label_replace(x, \"a\", \"b\", \"c\", \"d\")", "not supported here: this function, in: label_replace("),
        ("x and on (a) y", "not supported here: and, in: and on (a) y"),
        ("x @ end()", "not supported here: the modifier @, in: @ end()"),
        ("max_over_time(rate(x[1m])[1h:])", "not supported here: this function, in: max_over_time("),
    ] {
        let body = get(&stream, "query", &[("query", query)]).expect(400).json();
        assert!(body["error"].as_str().is_some_and(|text| text.contains(part)), "{query}: {body}");
    }
}

#[test]
fn escapes_are_read_as_in_go() {
    let stream = Stream::new();
    stream.write(r#"[{"n":1,"v":{"path":"foo.bar"}},{"n":2,"v":{"path":"fooxbar"}},{"n":4,"v":{"city":"Zürich"}},{"n":8,"v":{"city":"a\\b\"c'd"}}]"#);
    for (matchers, n) in [
        (r#"path=~"foo\\.bar""#, "1"),
        ("path=~`foo\\.bar`", "1"),
        (r#"path=~"foo\x5c.bar""#, "1"),
        (r"path=~'foo\134.b\u0061r'", "1"),
        (r#"path=~"foo.bar""#, "3"),
        (r#"city="Z\u00fcrich""#, "4"),
        (r#"city="Z\xc3\xbcrich""#, "4"),
        (r"city='Z\303\274\U00000072ich'", "4"),
        (r#"city="a\\b\"c'd""#, "8"),
        (r#"city='a\\b"c\'d'"#, "8"),
    ] {
        let query = format!("sum(heartbeat_n_total{{{matchers}}})");
        let data = data(get(&stream, "query", &[("query", &query)]));
        assert_eq!(data["result"][0]["value"][1], *n, "{query}");
    }
}
