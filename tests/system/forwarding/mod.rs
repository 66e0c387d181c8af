//! Forwarding to an upstream that is as hostile as each test wants it.

mod chain;
mod channel;
mod crashes;
mod delivery;
mod hanging;
mod million;
mod offender;
mod pausing;
mod pnut;
mod roots;
mod secrets;
mod sharing;
mod texts;
mod waiting;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::Answer;
use crate::peer::{Peer, Sums, sums_of};
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// How long a short operation may take on a busy machine.
const SOON: Duration = Duration::from_mins(3);
/// The time between two polls of status.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A server that may forward to this machine.
fn start(state: State) -> Server {
    let environment = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key"), ("HEARTBEAT_DEV", "1")];
    Server::start_with(state, &environment)
}

/// The server that most of these tests share.
fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| start(State::new()))
}

/// A stream on the shared server with this forwarding configuration.
fn forwarding(forward: &Value) -> Stream {
    forwarding_on(shared(), forward)
}

fn forwarding_on(server: &Server, forward: &Value) -> Stream {
    Stream::create(server, json!({ "name": "test", "forward": forward }))
}

/// A configuration with one field changed.
fn with(forward: &Value, field: &str, value: impl Into<Value>) -> Value {
    let mut changed = forward.clone();
    changed[field] = value.into();
    changed
}

fn without(forward: &Value, field: &str) -> Value {
    let mut changed = forward.clone();
    changed.as_object_mut().expect("an object").remove(field);
    changed
}

/// Changes, as the owner, how a stream forwards.
fn patch(stream: &Stream, forward: &Value) -> Answer {
    stream.owned("PATCH", "").body(json!({ "forward": forward }).to_string()).send()
}

/// Asks, as the owner, for an immediate retry.
fn retry(stream: &Stream) -> Answer {
    stream.owned("POST", "/forward/retry").send()
}

/// The status of forwarding.
fn forward_status(stream: &Stream) -> Value {
    stream.read("/status").expect(200).json()["forward"].clone()
}

/// The status of forwarding, once it is as wanted.
#[track_caller]
fn until(peer: &Peer, stream: &Stream, patience: Duration, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + patience;
    loop {
        let status = forward_status(stream);
        if is_wanted(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {status}; writes: {}", peer.writes());
        peer.until_something_happens(LOOK_EVERY);
    }
}

fn is_in(state: &str) -> impl Fn(&Value) -> bool {
    move |status| status["state"] == state
}

/// Whether nothing is waiting.
fn is_done(status: &Value) -> bool {
    status["pending"]["points"] == 0 && status["state"] == "forwarding"
}

/// The message of the last error.
#[track_caller]
fn last_error(status: &Value) -> &str {
    status["last_error"]["message"].as_str().unwrap_or_else(|| panic!("status shows an error: {status}"))
}

/// A point with one of `sets` label sets, whose strings JSON must escape.
fn point(index: usize, sets: usize) -> Value {
    let set = index % sets;
    let mut point = json!({ "n": index, "v": { "set": format!("{set}"), "é\"": "\u{1F600}\\" } });
    if index.is_multiple_of(3) {
        point["d"] = json!(index % 7 + 2);
    }
    point
}

fn points(count: usize, sets: usize) -> Vec<Value> {
    (0..count).map(|index| point(index, sets)).collect()
}

/// Writes points, in requests of at most a thousand.
fn write(stream: &Stream, points: &[Value]) {
    for points in points.chunks(1_000) {
        let answer = stream.write(json!(points).to_string());
        assert_eq!(answer["accepted"], points.len(), "{answer}");
    }
}

#[track_caller]
fn assert_sums(peer: &Peer, written: &[Value]) {
    assert_same_sums(&peer.sums(), &sums_of(written));
}

/// Checks that sums are the same; reports only those that differ.
#[track_caller]
fn assert_same_sums(actual: &Sums, wanted: &Sums) {
    let wrong: Vec<_> = wanted.iter().filter(|(labels, sums)| actual.get(*labels) != Some(sums)).take(3).collect();
    assert!(wrong.is_empty(), "{wrong:?} is not {:?}", actual.iter().take(3).collect::<Vec<_>>());
    assert_eq!(actual.len(), wanted.len(), "there are labels that nobody wrote");
}

#[test]
fn points_arrive_unchanged_each_with_its_time() {
    let peer = Peer::generous();
    let stream = forwarding(&peer.forward());
    let written = [
        json!({ "n": 1234, "d": 3, "p": 10, "v": { "country": "US" }, "t": crate::clock::now_whole_s() }),
        json!({ "n": -0.5 }),
        json!({ "n": 9e15, "d": 0, "v": { "a": "", "b": "\u{1F600}" } }),
    ];
    write(&stream, &written);
    let status = until(&peer, &stream, SOON, is_done);
    let arrived: Vec<Value> = peer.batches().into_iter().flat_map(|batch| batch.points).collect();
    let expected = [
        written[0].clone(),
        json!({ "n": -0.5, "t": arrived[1]["t"] }),
        json!({ "n": 9e15, "d": 0, "t": arrived[2]["t"], "v": { "b": "\u{1F600}" } }),
    ];
    assert_eq!(arrived, expected);
    assert!((arrived[1]["t"].as_f64().expect("a time") - crate::clock::now_s()).abs() < 60.0);
    assert_eq!((&status["delivered"]["points"], &status["set_aside"]["points"]), (&json!(3), &json!(0)), "{status}");
    assert_eq!(status["delivered"]["messages"], peer.stored(), "{status}");
    assert_eq!((&status["pending"], &status["last_error"]), (&json!({ "points": 0, "messages": 0 }), &Value::Null));
    let batch = &peer.batches()[0];
    let nonce = batch.source().strip_prefix(&format!("{}/0-", stream.id)).expect("begins with the shard");
    assert!(nonce.len() == 16 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()), "strangers guess it: {nonce}");
}

#[test]
fn forwarding_is_shown_without_its_token_and_null_ends_it() {
    let peer = Peer::generous();
    let stream = forwarding(&peer.forward());
    let shown = stream.owned("GET", "").send().expect(200).json()["forward"].clone();
    assert_eq!((&shown["dialect"], &shown["api_root"]), (&json!("app.net"), &json!(peer.root())), "{shown}");
    assert_eq!(shown["policy"], json!({ "max_delay": "1m", "writes_per_minute": 6_000 }));
    assert!(shown.get("token").is_none(), "{shown}");
    write(&stream, &points(10, 2));
    until(&peer, &stream, SOON, is_done);
    patch(&stream, &Value::Null).expect(200);
    assert_eq!(forward_status(&stream), Value::Null);
    assert!(stream.owned("GET", "").send().expect(200).json()["forward"].is_null());
    assert_eq!(retry(&stream).problem(409), "conflict");
    write(&stream, &points(10, 2));
    // Points written without a configuration are never forwarded; later ones are.
    let stored = peer.stored();
    let again = Peer::generous();
    patch(&stream, &again.forward()).expect(200);
    let after = [json!({ "n": 7, "v": { "set": "after" } })];
    write(&stream, &after);
    until(&again, &stream, SOON, |status| is_done(status) && again.stored() > 0);
    assert_sums(&again, &after);
    assert_eq!(peer.stored(), stored);
}

#[test]
fn only_the_owner_may_retry_now() {
    let peer = Peer::generous();
    let stream = forwarding(&peer.forward());
    assert_eq!(stream.call("POST", "/forward/retry").send().problem(401), "unauthorized");
    assert_eq!(stream.call("POST", "/forward/retry").bearer(&stream.read_key).send().problem(401), "unauthorized");
    retry(&stream).expect(202);
    assert_eq!(stream.owned("GET", "/forward/retry").send().problem(405), "method-not-allowed");
    assert_eq!(retry(&Stream::on(shared())).problem(409), "conflict");
}
