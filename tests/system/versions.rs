//! During a deployment the edge and the objects have two versions for a few seconds. What one side does not know of
//! the other is done later, and nothing is half done.

use serde_json::json;

use crate::http::{Answer, Call, call};
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

fn start() -> Server {
    let secrets = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key")];
    Server::start_with(State::new(), &[&secrets[..], &[("HEARTBEAT_AROUND", "tests/doubles/versions.js")]].concat())
}

/// Sets the mode of the double: what the other side has and this one lacks.
fn set_mode(server: &Server, mode: &str) {
    call("POST", format!("{}/double/versions?mode={mode}", server.url)).send().expect(204);
}

#[track_caller]
fn assert_unavailable(what: &str, answer: &Answer) {
    assert_eq!((answer.status, answer.header("Retry-After")), (503, "5"), "{what}: {}", answer.text());
}

fn read(stream: &Stream, path: &str) -> Call {
    stream.call("GET", path).bearer(&stream.read_key)
}

/// Reads in every form.
fn reads(stream: &Stream) -> Vec<(&'static str, Call)> {
    let paths = [
        "/rollup?from=-1h",
        "/rollup?from=-1h&agg=p50&format=csv",
        "/labels",
        "/labels/a",
        "/status",
        "/deltas",
        "/live",
        "/metrics",
        "/graphite/render?target=constantLine(1)&target=seriesByTag('a=b')&format=json",
        "/graphite/metrics/find?query=*",
        "/prometheus/api/v1/query?query=heartbeat_n_total",
    ];
    paths.into_iter().map(|path| (path, read(stream, path))).collect()
}

fn face(stream: &Stream) -> Call {
    call("GET", format!("{}/stream/0/channels/{}/messages", stream.url, stream.id)).bearer(&stream.read_key)
}

fn writes(stream: &Stream) -> Vec<(&'static str, Call)> {
    vec![
        ("points", stream.call("POST", "/points").header("Idempotency-Key", "k").body(r#"{"n":1}"#)),
        ("statsd", stream.call("POST", "/statsd").body("a:1|c")),
        ("pixel", stream.call("GET", "/pixel.gif?n=1")),
    ]
}

#[test]
fn an_unknown_command_is_unavailable_and_does_nothing() {
    let server = start();
    let stream = Stream::create(&server, json!({ "name": "x" }));
    let other = Stream::create(&server, json!({ "name": "other" }));
    stream.write(r#"{"n":1,"v":{"a":"b"}}"#);
    set_mode(&server, "command");
    for (path, call) in reads(&stream).into_iter().chain([("messages", face(&stream))]) {
        assert_unavailable(path, &call.send());
    }
    let key = stream.owned("POST", "/read-key").send();
    assert_eq!(key.problem(503), "unavailable");
    for (what, call) in [
        ("rename", stream.owned("PATCH", "").body(r#"{"name":"y"}"#)),
        ("describe", stream.owned("GET", "")),
        ("delete", other.owned("DELETE", "")),
        ("retry", stream.owned("POST", "/forward/retry")),
        ("create", call("POST", format!("{}/v1/streams", server.url)).bearer(OWNER_TOKEN).body(r#"{"name":"z"}"#)),
    ] {
        assert_unavailable(what, &call.send());
    }
    set_mode(&server, "same");
    stream.read("/status").expect(200);
    assert_eq!(stream.owned("GET", "").send().expect(200).json()["name"], "x");
    other.owned("GET", "").send().expect(200);
}

#[test]
fn a_request_with_an_unknown_field_is_unavailable() {
    let server = start();
    let stream = Stream::create(&server, json!({ "name": "x" }));
    stream.write(r#"{"n":1,"v":{"a":"b"}}"#);
    set_mode(&server, "field");
    for path in ["/rollup?from=-1h", "/labels/a", "/deltas", "/metrics"] {
        assert_unavailable(path, &read(&stream, path).send());
    }
    assert_unavailable("rename", &stream.owned("PATCH", "").body(r#"{"name":"y"}"#).send());
    let create = call("POST", format!("{}/v1/streams", server.url)).bearer(OWNER_TOKEN).body(r#"{"name":"z"}"#);
    assert_unavailable("create", &create.send());
    set_mode(&server, "same");
    assert_eq!(stream.owned("GET", "").send().expect(200).json()["name"], "x");
}

#[test]
fn a_write_in_an_unknown_form_is_resent_and_counts_once() {
    let server = start();
    let stream = Stream::create(&server, json!({ "name": "x" }));
    for mode in ["frame", "write"] {
        set_mode(&server, mode);
        for (what, call) in writes(&stream) {
            assert_unavailable(what, &call.send());
        }
    }
    set_mode(&server, "same");
    for (_, call) in writes(&stream) {
        call.send();
    }
    assert_eq!(stream.read("/status").json()["accepted"], 3);
}

#[test]
fn a_write_retried_across_a_roll_out_counts_once() {
    let server = start();
    let stream = Stream::create(&server, json!({ "name": "x" }));
    let keyed = |key: &str, body: &str| {
        stream.call("POST", "/points").header("Idempotency-Key", key).body(body).send().expect(202).json()["accepted"]
            .clone()
    };
    set_mode(&server, "before");
    assert_eq!((keyed("a", r#"{"n":1}"#), keyed("a", r#"[{"n":1},{"n":2}]"#)), (json!(1), json!(1)), "the key alone");
    set_mode(&server, "same");
    assert_eq!(keyed("a", r#"{"n":1}"#), 1);
    for (n, points) in [(2, 1), (2, 1), (3, 2), (3, 2)] {
        assert_eq!(keyed("b", &format!("[{}]", vec![format!("{{\"n\":{n}}}"); points].join(","))), points);
    }
    assert_eq!(stream.read("/status").json()["accepted"], 4);
}

#[test]
fn an_answer_in_an_unknown_form_is_unavailable() {
    let server = start();
    let stream = Stream::create(&server, json!({ "name": "x" }));
    stream.write(r#"{"n":1,"v":{"a":"b"}}"#);
    for mode in ["answer", "nothing", "refusal"] {
        set_mode(&server, mode);
        for (path, call) in reads(&stream).into_iter().chain(writes(&stream)).chain([("messages", face(&stream))]) {
            assert_unavailable(path, &call.send());
        }
        let rename = stream.owned("PATCH", "").body(r#"{"name":"y"}"#);
        assert_unavailable("rename", &rename.send());
    }
    set_mode(&server, "same");
    assert_eq!(stream.owned("PATCH", "").body(r#"{"name":"y"}"#).send().expect(200).json()["name"], "y");
}

#[test]
fn a_new_key_is_shown_though_its_object_is_misunderstood() {
    let server = start();
    let stream = Stream::create(&server, json!({ "name": "x" }));
    set_mode(&server, "answer");
    let answer = stream.owned("POST", "/read-key").send().expect(200).json();
    set_mode(&server, "same");
    stream.read("/status").problem(401);
    stream.call("GET", "/status").bearer(answer["read_key"].as_str().expect("a key")).send().expect(200);
}

#[test]
fn an_unknown_live_request_is_unavailable_for_a_moment() {
    let server = start();
    let stream = Stream::create(&server, json!({ "name": "x" }));
    for mode in ["join", "refusal"] {
        set_mode(&server, mode);
        let call = read(&stream, "/live").header("Upgrade", "websocket").header("Connection", "Upgrade");
        let call = call.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==");
        assert_unavailable(mode, &call.send());
    }
}
