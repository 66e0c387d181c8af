//! Status: what the owner and the readers see of a stream's health.

use serde_json::{Value, json};

use crate::clock::{now_s, past_hour};
use crate::server::Server;
use crate::stream::{Stream, added};

fn status(stream: &Stream) -> Value {
    stream.read("/status").expect(200).json()
}

fn total(counts: &Value) -> u64 {
    counts.as_object().expect("by reason").values().filter_map(Value::as_u64).sum()
}

#[test]
fn a_new_stream_has_an_empty_status() {
    let status = status(&Stream::new());
    assert_eq!((&status["accepted"], &status["series"]), (&json!(0), &json!(0)));
    assert_eq!((total(&status["rejected"]), &status["last_write"]), (0, &Value::Null));
    assert_eq!(status["overflow"], json!({"points": 0}));
    assert!(status["storage_bytes"].is_u64() && status["log"].is_object(), "{status}");
    assert!(status.as_object().expect("an object").contains_key("forward"), "{status}");
}

#[test]
fn points_series_and_the_last_write_are_counted() {
    let stream = Stream::new();
    let before = now_s();
    stream.write(r#"[{"n":1,"v":{"a":"1"}},{"n":1,"v":{"a":"1"}},{"n":1,"v":{"a":"2"}},{"n":1}]"#);
    stream.write(r#"{"n":1,"v":{"a":""}}"#);
    let status = status(&stream);
    assert_eq!((&status["accepted"], &status["series"]), (&json!(5), &json!(3)), "an empty label is none: {status}");
    let last_write = status["last_write"].as_f64().expect("Unix seconds");
    assert!(last_write >= before - 0.001 && last_write <= now_s(), "{last_write}");
    assert!(status["storage_bytes"].as_u64() > Some(0), "{status}");
}

#[test]
fn the_log_has_what_no_rollup_has_taken_in_yet() {
    let stream = Stream::new();
    stream.write(r#"{"n":1}"#);
    let log = status(&stream)["log"].clone();
    assert!(log["rows"].is_u64() && log["bytes"].is_u64(), "{log}");
}

#[test]
fn rejected_points_are_counted_by_reason() {
    let stream = Stream::new();
    stream.write(r#"[{"n":1},{"n":"1"},{"n":null},{"n":1,"d":-1},{"n":1,"t":1},{"n":1,"kv":{}},7]"#);
    let rejected = status(&stream)["rejected"].clone();
    assert_eq!(total(&rejected), 6, "{rejected}");
    assert_eq!((&rejected["n"], &rejected["d"], &rejected["t"]), (&json!(2), &json!(1), &json!(1)), "{rejected}");
    assert_eq!((&rejected["unknown_field"], &rejected["syntax"]), (&json!(1), &json!(1)), "{rejected}");
}

#[test]
fn a_batch_without_a_good_point_never_reaches_the_stream() {
    let stream = Stream::new();
    stream.refused(r#"[{"n":"1"},{"n":null}]"#);
    assert_eq!(total(&status(&stream)["rejected"]), 0, "{}", status(&stream));
}

#[test]
fn beyond_ten_thousand_series_in_a_bucket_new_ones_overflow_and_the_sum_is_exact() {
    const SERIES: u32 = 12_000;
    let stream = Stream::new();
    let t = past_hour() + 1800;
    for first in [0, SERIES / 2] {
        let point = |index: u32| format!("{{\"n\":{index},\"t\":{t},\"v\":{{\"i\":\"{index}\"}}}}");
        let points: Vec<String> = (first..first + SERIES / 2).map(point).collect();
        stream.write(format!("[{}]", points.join(",")));
    }
    let seen = status(&stream);
    assert_eq!((&seen["overflow"], &seen["series"]), (&json!({"points": 2_000}), &json!(SERIES + 1)), "{seen}");
    let sum = |parameters: &str| {
        let rollup = stream.rollup(&format!("from={t}&to={}&step=10s&{parameters}", t + 10));
        added(&rollup["series"][0]["sum"])
    };
    assert_eq!(sum("agg=sum"), f64::from((0..SERIES).sum::<u32>()));
    assert_eq!(sum("agg=sum&where=overflow%3Dtrue"), f64::from((10_000..SERIES).sum::<u32>()));
    Server::shared().evict(&stream.object());
    assert_eq!((&status(&stream)["overflow"], sum("agg=sum")), (&json!({"points": 2_000}), 71_994_000.0));
}

#[test]
fn a_batch_that_was_sent_twice_is_counted_once() {
    let stream = Stream::new();
    for _ in 0..2 {
        stream.call("POST", "/points?batch=k").body(r#"[{"n":1},7]"#).send().expect(202);
    }
    let status = status(&stream);
    assert_eq!((&status["accepted"], total(&status["rejected"])), (&json!(1), 1), "{status}");
}

#[test]
fn status_is_for_the_owner_and_readers_also_of_a_public_stream() {
    let stream = Stream::create(Server::shared(), json!({"name": "x", "public_read": true}));
    stream.call("GET", "/rollup").send().expect(200);
    assert_eq!(stream.call("GET", "/status").send().problem(401), "unauthorized");
    assert_eq!(stream.call("GET", "/status").bearer("wrong").send().problem(401), "unauthorized");
    stream.call("GET", &format!("/status?key={}", stream.read_key)).send().expect(200);
    stream.owned("GET", "/status").send().expect(200);
    assert_eq!(stream.read("/status").expect(200).header("Cache-Control"), "no-store");
    assert_eq!(stream.read("/status?since=1").problem(400), "invalid-request");
}
