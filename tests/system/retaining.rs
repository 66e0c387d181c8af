//! How long each tier is kept and how late points may be, as the owner sets it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::clock::now_whole_s;
use crate::http::Answer;
use crate::server::Server;
use crate::stream::Stream;

const DAY_S: u64 = 86_400;

fn stream(config: &Value) -> Stream {
    let mut config = config.clone();
    config["name"] = "x".into();
    Stream::create(Server::shared(), config)
}

fn patch(stream: &Stream, body: &Value) -> Answer {
    stream.owned("PATCH", "").body(body.to_string()).send()
}

/// The detail of a problem.
fn detail(answer: &Answer, status: u16, kind: &str) -> String {
    assert_eq!(answer.problem(status), kind);
    answer.json()["detail"].as_str().expect("a string").to_owned()
}

#[test]
fn the_owner_sees_how_long_each_tier_is_kept() {
    let defaults = json!({"10s": "2d", "1m": "14d", "10m": "60d", "1h": "730d", "1d": null, "messages": "1d"});
    let plain = Stream::new().owned("GET", "").send().expect(200).json();
    assert_eq!((&plain["retention"], &plain["lateness"]), (&defaults, &json!("1d")));
    let stream = stream(&json!({"retention": {"10s": "36h", "1h": null}, "lateness": "90m"}));
    let seen = stream.owned("GET", "").send().expect(200).json();
    let wanted = json!({"10s": "36h", "1m": "14d", "10m": "60d", "1h": null, "1d": null, "messages": "1d"});
    assert_eq!((&seen["retention"], &seen["lateness"]), (&wanted, &json!("90m")));
}

#[test]
fn a_change_replaces_only_the_tiers_that_it_names() {
    let stream = stream(&json!({"retention": {"10s": "1d"}, "lateness": "2d"}));
    let seen = patch(&stream, &json!({"retention": {"1m": "2w", "1d": "1000d"}})).expect(200).json();
    let wanted = json!({"10s": "1d", "1m": "14d", "10m": "60d", "1h": "730d", "1d": "1000d", "messages": "1d"});
    assert_eq!((&seen["retention"], &seen["lateness"]), (&wanted, &json!("2d")));
    assert_eq!(stream.owned("GET", "").send().expect(200).json()["retention"], wanted);
}

#[test]
fn a_conflicting_retention_is_refused_and_changes_nothing() {
    let stream = stream(&json!({"retention": {"1m": "3d"}}));
    let too_long = patch(&stream, &json!({"name": "y", "retention": {"10s": "4d"}}));
    let message = detail(&too_long, 400, "invalid-request");
    assert!(message.contains("`1m`") && message.contains("`10s`"), "{message}");
    let too_short = patch(&stream, &json!({"retention": {"10m": "3d", "1h": "3d", "1d": "3d"}, "lateness": "3d"}));
    assert!(detail(&too_short, 400, "invalid-request").contains("`lateness`"));
    let seen = stream.owned("GET", "").send().expect(200).json();
    assert_eq!(
        (&seen["name"], &seen["retention"]["10s"], &seen["lateness"]),
        (&json!("x"), &json!("2d"), &json!("1d"))
    );
}

#[test]
fn an_expired_window_is_refused_with_a_step_that_works() {
    let stream = stream(&json!({"retention": {"10s": "1h", "1m": "2h", "1d": "800d"}}));
    let refused = stream.read("/rollup?from=-3h&step=10s");
    let message = detail(&refused, 422, "query-too-large");
    assert!(message.contains("3600 s ago") && message.contains("multiple of 600 s"), "{message}");
    assert_eq!(stream.rollup("from=-3h&step=10m")["step"], 600);
    assert_eq!(stream.rollup("from=-3h")["step"], 600, "the default step is one that is kept");
    assert_eq!(stream.rollup("from=-90m")["step"], 60);
    assert_eq!(stream.rollup("from=-50m")["step"], 10);
    let gone = detail(&stream.read("/rollup?from=-801d&step=1d"), 422, "query-too-large");
    assert!(gone.contains("later `from`"), "{gone}");
}

#[test]
fn longer_retention_restores_nothing() {
    let long = stream(&json!({"retention": {"10s": "10d"}}));
    long.read("/rollup?from=-9d&to=-8d&step=10s").expect(200);
    let raised = Stream::new();
    patch(&raised, &json!({"retention": {"10s": "10d"}})).expect(200);
    detail(&raised.read("/rollup?from=-9d&to=-8d&step=10s"), 422, "query-too-large");
    raised.read("/rollup?from=-2d&to=-1d&step=10s").expect(200);
    assert_eq!(raised.rollup("from=-9d&to=-8d")["step"], 300, "minutes are there");
}

#[test]
fn a_configuration_change_brings_the_alarm_forward() {
    let stream = Stream::new();
    stream.write(r#"{"n":1}"#);
    let rows = || stream.read("/status").expect(200).json()["log"]["rows"].clone();
    assert_eq!(rows(), 1);
    patch(&stream, &json!({"retention": {"10s": "1h"}})).expect(200);
    let deadline = Instant::now() + Duration::from_mins(5);
    while rows() != 0 {
        assert!(Instant::now() < deadline, "the points are not sealed");
    }
    assert_eq!(stream.total("sum"), 1.0);
}

#[test]
fn points_may_be_as_late_as_the_owner_allows() {
    let at = |ago_s: u64| format!("{{\"n\":1,\"t\":{}}}", now_whole_s() - ago_s);
    let patient = stream(&json!({"lateness": "7d"}));
    patient.write(at(7 * DAY_S - 60));
    let message = patient.refused(at(7 * DAY_S + 60))[0]["message"].to_string();
    assert!(message.contains("604800 seconds"), "{message}");
    let strict = stream(&json!({"lateness": "1h"}));
    strict.write(at(3540));
    strict.refused(at(3660));
    assert_eq!(strict.call("GET", &format!("/pixel.gif?n=1&t={}", now_whole_s() - 3660)).send().status, 400);
    patch(&strict, &json!({"lateness": "2h"})).expect(200);
    strict.write(at(3660));
    assert_eq!(strict.total("sum"), 2.0);
}

#[test]
fn a_window_closes_when_no_late_point_can_reach_it() {
    let cached = |stream: &Stream, ago_s: u64| {
        // The next whole minute, so that a window has not closed meanwhile.
        let to = now_whole_s().next_multiple_of(60) - ago_s;
        let answer = stream.read(&format!("/rollup?from={}&to={to}&step=1m", to - 3600)).expect(200);
        answer.header("Cache-Control").contains("max-age")
    };
    let plain = Stream::new();
    assert!(cached(&plain, 2 * DAY_S + 120) && !cached(&plain, 2 * DAY_S - 60));
    let patient = stream(&json!({"lateness": "3d"}));
    assert!(cached(&patient, 4 * DAY_S + 120) && !cached(&patient, 4 * DAY_S - 60));
    let strict = stream(&json!({"lateness": "1h"}));
    assert!(cached(&strict, DAY_S + 3720) && !cached(&strict, DAY_S + 3540));
}
