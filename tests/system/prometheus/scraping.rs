//! `metrics`: what Prometheus scrapes.

use std::collections::BTreeMap;

use serde_json::json;

use super::tools::lint;
use crate::clock::now_whole_s;
use crate::graphite::grafana::base64;
use crate::http::Answer;
use crate::server::{Server, State};
use crate::stream::Stream;

pub(super) const OPEN_METRICS: &str =
    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// The only warning promtool may give: it takes the denominator for days.
const LINT: &str = "heartbeat_d_total metric names should not contain abbreviated units\nfailed";

/// The value of each sample, by its name and labels.
pub(super) fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a sample");
        (name.to_owned(), value.parse().expect("a number"))
    };
    lines.map(sample).collect()
}

#[track_caller]
fn scraped(stream: &Stream, parameters: &str) -> BTreeMap<String, f64> {
    samples(stream.read(&format!("/metrics{parameters}")).expect(200).text())
}

fn open_metrics(stream: &Stream) -> Answer {
    stream.call("GET", "/metrics").bearer(&stream.read_key).header("Accept", OPEN_METRICS).send().expect(200)
}

#[test]
fn promtool_accepts_the_totals_of_each_label_set() {
    let stream = Stream::new();
    let empty = stream.read("/metrics").expect(200);
    assert_eq!(samples(empty.text()), [("heartbeat_series_folded".to_owned(), 0.0)].into());
    stream.write(
        r#"[{"n":1.5,"v":{"country":"US","page path":"/\"a\\"}},{"n":2,"d":4,"v":{"country":"DE"}},{"n":3,"p":3600,"v":{"country":"DE"}},{"n":7}]"#,
    );
    let text = stream.read("/metrics").expect(200);
    assert_eq!(text.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!((text.header("Cache-Control"), text.header("Vary")), ("no-store", "Accept"));
    let seen = samples(text.text());
    assert_eq!(seen[r#"heartbeat_n_total{country="US",U__page_20_path="/\"a\\"}"#], 1.5);
    assert_eq!(seen[r#"heartbeat_n_total{country="DE"}"#], 5.0);
    assert_eq!(seen[r#"heartbeat_d_total{country="DE"}"#], 5.0);
    assert_eq!(seen[r#"heartbeat_points_total{country="DE"}"#], 2.0);
    assert_eq!(seen["heartbeat_n_total"], 7.0);
    let open = open_metrics(&stream);
    assert_eq!(open.header("Content-Type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!(samples(open.text()), seen);
    assert!(open.text().ends_with("\n# EOF\n"));
    for exposition in [empty.text(), text.text(), open.text()] {
        // promtool reads OpenMetrics as text format, where a counter's family has the full name.
        let as_text = exposition.replace("# EOF\n", "");
        let as_text = ["n", "d", "points"].iter().fold(as_text, |text, name| {
            ["HELP", "TYPE"].iter().fold(text, |text, kind| {
                text.replace(&format!("# {kind} heartbeat_{name} "), &format!("# {kind} heartbeat_{name}_total "))
            })
        });
        let Some(said) = lint(&as_text) else { return };
        assert!(said == LINT || (said.is_empty() && as_text.lines().count() == 9), "{said}");
        assert!(
            lint(&format!("{as_text}heartbeat {{a=b}} 8\n")).is_some_and(|said| said.contains("error")),
            "it checks"
        );
    }
}

#[test]
fn metrics_are_narrowed_and_grouped_like_rollups() {
    let stream = Stream::new();
    stream.write(r#"[{"n":1,"v":{"a":"1","b":"x"}},{"n":2,"v":{"a":"2","b":"x"}},{"n":4,"v":{"a":"3","b":"y"}}]"#);
    let n = |parameters: &str| -> Vec<(String, f64)> {
        scraped(&stream, parameters).into_iter().filter(|(name, _)| name.starts_with("heartbeat_n_")).collect()
    };
    assert_eq!(n("?by="), [("heartbeat_n_total".to_owned(), 7.0)]);
    let by_b = [(r#"heartbeat_n_total{b="x"}"#.to_owned(), 3.0), (r#"heartbeat_n_total{b="y"}"#.to_owned(), 4.0)];
    assert_eq!(n("?by=b"), by_b);
    assert_eq!(n("?where=a!%3D2&by=b"), [("heartbeat_n_total{b=\"x\"}".to_owned(), 1.0), by_b[1].clone()]);
    assert_eq!(stream.read("/metrics?step=10s").problem(400), "invalid-request");
}

#[test]
fn only_readers_scrape_by_bearer_parameter_or_password() {
    let stream = Stream::new();
    let basic = |password: &str| {
        let text = format!("any:{password}");
        format!("Basic {}", text.as_bytes().chunks(3).map(base64).collect::<String>())
    };
    let call = || stream.call("GET", "/metrics");
    call().header("Authorization", basic(&stream.read_key)).send().expect(200);
    stream.call("GET", &format!("/metrics?key={}", stream.read_key)).send().expect(200);
    for answer in [call().send(), call().bearer("rk_wrong").send(), call().header("Authorization", basic("x")).send()] {
        assert_eq!(answer.problem(401), "unauthorized");
    }
    assert_eq!(stream.call("POST", "/metrics").send().problem(405), "method-not-allowed");
    assert_eq!(stream.owned("HEAD", "/metrics").send().expect(200).body.len(), 0);
}

#[test]
fn totals_survive_sealing_eviction_kill_9_and_more_shards() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let write = |stream: &Stream, key: &str, n: u32| {
        let body = format!(r#"[{{"n":{n},"v":{{"a":"1"}}}},{{"n":1,"v":{{"a":"{key}"}}}}]"#);
        stream.call("POST", "/points").header("Idempotency-Key", key).body(body).send().expect(202);
    };
    write(&stream, "k1", 5);
    let a1 = |stream: &Stream| scraped(stream, "?by=a")[r#"heartbeat_n_total{a="1"}"#];
    assert_eq!(a1(&stream), 5.0);
    // A change of `distinct` seals the stream.
    stream.owned("PATCH", "").body(r#"{"distinct":["visitor"]}"#).send().expect(200);
    assert_eq!(a1(&stream), 5.0);
    server.evict(&stream.object());
    assert_eq!(a1(&stream), 5.0);
    write(&stream, "k2", 7);
    let server = Server::start(server.kill_9());
    let stream = stream.moved_to(&server);
    assert_eq!(a1(&stream), 12.0);
    stream.owned("PATCH", "").body(json!({"shards": 4}).to_string()).send().expect(200);
    for key in 3..12 {
        write(&stream, &format!("k{key}"), 1);
    }
    assert_eq!(a1(&stream), 21.0);
    let all = scraped(&stream, "");
    assert_eq!((all.len(), all[r#"heartbeat_points_total{a="k7"}"#]), (12 * 3 + 1, 1.0));
    write(&stream, "k3", 1);
    assert_eq!(a1(&stream), 21.0, "a retried batch counts once");
    stream.owned("DELETE", "").send().expect(204);
    assert_eq!(stream.read("/metrics").problem(404), "not-found");
}

#[test]
fn excess_series_are_folded_and_no_total_falls() {
    let stream = Stream::new();
    // Each batch has another time, as a bucket has at most 10,000 series.
    let write = |from: u32, to: u32| {
        let t = now_whole_s() - u64::from(from) / 100;
        let point = |id: u32| format!(r#"{{"n":2,"t":{t},"v":{{"id":"{id}"}}}}"#);
        stream.write_as_owner((from..to).map(point).collect::<Vec<_>>().join("\n"));
    };
    write(0, 9_999);
    assert_eq!(scraped(&stream, "")["heartbeat_series_folded"], 0.0);
    write(9_999, 10_010);
    let first = scraped(&stream, "");
    assert_eq!(first["heartbeat_series_folded"], 10.0);
    assert_eq!(first[r#"heartbeat_n_total{heartbeat_folded="true"}"#], 20.0);
    write(0, 2);
    write(10_005, 10_020);
    let then = scraped(&stream, "");
    assert!(first.iter().all(|(name, value)| then[name] >= *value), "a counter fell");
    assert_eq!(then["heartbeat_series_folded"], 20.0);
    assert_eq!(then[r#"heartbeat_n_total{heartbeat_folded="true"}"#], 50.0);
    let text = stream.read("/metrics").expect(200);
    assert!(text.text().ends_with("`where` and `by` to narrow them.\n"));
    assert!(lint(text.text()).is_none_or(|said| said == LINT), "{:?}", lint(text.text()));
}
