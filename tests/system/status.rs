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
    assert_eq!((&status["overflow"], &status["bounds"]), (&json!({"points": 0}), &json!([])));
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
fn status_reports_the_rows_and_bytes_of_the_log() {
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
fn a_batch_without_a_valid_point_never_reaches_the_stream() {
    let stream = Stream::new();
    stream.refused(r#"[{"n":"1"},{"n":null}]"#);
    assert_eq!(total(&status(&stream)["rejected"]), 0, "{}", status(&stream));
}

#[test]
fn new_series_beyond_4000_overflow_and_the_sum_is_exact() {
    const SERIES: u32 = 6_000;
    let limits = json!({ "new_series_per_hour": 100_000, "network_new_series_per_hour": 100_000 });
    let stream = Stream::create(Server::shared(), json!({ "name": "test", "limits": limits }));
    let t = past_hour() + 1800;
    let points = |series: std::ops::Range<u32>| {
        let point = |index: u32| format!("{{\"n\":{index},\"t\":{t},\"v\":{{\"i\":\"{index}\"}}}}");
        format!("[{}]", series.map(point).collect::<Vec<_>>().join(","))
    };
    assert_eq!(stream.write_as_owner(points(0..100))["overflow"], json!(null));
    assert_eq!(stream.write(points(100..SERIES / 2))["overflow"], json!(null));
    assert_eq!(stream.write(points(SERIES / 2..SERIES))["overflow"], json!(1_900));
    // The owner's series were there first.
    assert_eq!(stream.write(points(0..100))["overflow"], json!(null));
    let seen = status(&stream);
    assert_eq!((&seen["overflow"], &seen["series"]), (&json!({"points": 1_900}), &json!(SERIES + 1)), "{seen}");
    let sum = |parameters: &str| {
        let rollup = stream.rollup(&format!("from={t}&to={}&step=10s&{parameters}", t + 10));
        added(&rollup["series"][0]["sum"])
    };
    let (all, of_owner) = (f64::from((0..SERIES).sum::<u32>()), f64::from((0..100).sum::<u32>()));
    assert_eq!(sum("agg=sum"), all + of_owner);
    assert_eq!(sum("agg=sum&where=overflow%3Dtrue"), f64::from((4_100..SERIES).sum::<u32>()));
    Server::shared().evict(&stream.object());
    assert_eq!((&status(&stream)["overflow"], sum("agg=sum")), (&json!({"points": 1_900}), all + of_owner));
}

#[test]
fn a_flood_of_new_series_counts_and_leaves_room_for_others() {
    let stream = Stream::new();
    assert_eq!(stream.write_as_owner(r#"{"n":1,"v":{"known":"1"}}"#)["overflow"], json!(null));
    for batch in 0..4 {
        let point = |index: u32| format!("{{\"n\":1,\"v\":{{\"i\":\"{batch}-{index}\"}}}}");
        let body = format!("[{}]", (0..5_000).map(point).collect::<Vec<_>>().join(","));
        let answer = stream.write(body);
        let overflow = answer["overflow"].as_u64().expect("a number");
        let wanted = if batch == 0 { 4_000 } else { 5_000 };
        // A minute admits ten more.
        assert!((wanted - 50..=wanted).contains(&overflow), "{answer}");
    }
    assert_eq!(stream.write(r#"{"n":1,"v":{"known":"1"}}"#)["overflow"], json!(null));
    assert_eq!(stream.write_as_owner(r#"{"n":1,"v":{"new":"1"}}"#)["overflow"], json!(null));
    assert_eq!(stream.total("sum"), 20_003.0);
    let series = status(&stream)["series"].as_u64().expect("a number");
    assert!((1_003..1_053).contains(&series), "{series}");
    let known = stream.rollup("from=-1h&step=1h&agg=sum&where=known%3D1");
    assert_eq!(added(&known["series"][0]["sum"]), 2.0, "{known}");
}

#[test]
fn names_of_one_request_do_not_use_up_those_of_others() {
    let stream = Stream::new();
    let point = |set: u32| {
        let labels: Vec<String> = (0..16).map(|name| format!("\"n{:03}\":\"1\"", set * 16 + name)).collect();
        format!("{{\"n\":1,\"v\":{{{}}}}}", labels.join(","))
    };
    let answer = stream.write(format!("[{}]", (0..62).map(point).collect::<Vec<_>>().join(",")));
    assert_eq!(answer["overflow"], json!(58), "{answer}");
    assert_eq!(stream.write_as_owner(r#"{"n":1,"v":{"mine":"1"}}"#)["overflow"], json!(null));
    let names = stream.read("/labels").json()["labels"].as_array().expect("a list").len();
    assert_eq!(names, 64 + 1 + 1, "including the overflow series");
}

#[test]
fn a_batch_sent_twice_is_counted_once() {
    let stream = Stream::new();
    for _ in 0..2 {
        stream.call("POST", "/points?batch=k").body(r#"[{"n":1},7]"#).send().expect(202);
    }
    let status = status(&stream);
    assert_eq!((&status["accepted"], total(&status["rejected"])), (&json!(1), 1), "{status}");
}

#[test]
fn even_a_public_streams_status_needs_the_owner_or_a_reader() {
    let stream = Stream::create(Server::shared(), json!({"name": "x", "public_read": true}));
    stream.call("GET", "/rollup").send().expect(200);
    assert_eq!(stream.call("GET", "/status").send().problem(401), "unauthorized");
    assert_eq!(stream.call("GET", "/status").bearer("wrong").send().problem(401), "unauthorized");
    stream.call("GET", &format!("/status?key={}", stream.read_key)).send().expect(200);
    stream.owned("GET", "/status").send().expect(200);
    assert_eq!(stream.read("/status").expect(200).header("Cache-Control"), "no-store");
    assert_eq!(stream.read("/status?since=1").problem(400), "invalid-request");
}
