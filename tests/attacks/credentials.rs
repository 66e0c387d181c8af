//! What each credential allows and forbids, and what is kept about writers.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::json;

use crate::attacker::{FORWARDED_FOR, NETWORK};
use crate::http::{Answer, Call, call};
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

const POINT: &str = r#"{"n":1,"v":{"a":"1"}}"#;
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

fn start(state: State) -> Server {
    let secrets = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key"), ("TRUSTED_PROXIES", "1")];
    Server::start_with(state, &secrets)
}

fn server() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| start(State::new()))
}

/// A new write key of a stream, and its id.
fn write_key(stream: &Stream) -> (String, String) {
    let created = stream.owned("POST", "/write-keys").body(r#"{"name":"agent"}"#).send().expect(201).json();
    let text = |field: &str| created[field].as_str().expect("a string").to_owned();
    (text("write_key"), text("id"))
}

fn write(stream: &Stream, credential: Option<&str>) -> Answer {
    let call = stream.call("POST", "/points").header(FORWARDED_FOR, NETWORK).body(POINT);
    credential.into_iter().fold(call, Call::bearer).send()
}

/// A write by each face that takes points.
fn faces(stream: &Stream) -> [(&'static str, Call); 6] {
    let value = json!({"datapoints": [{"n": 1}], "n": 1});
    let message = json!({"annotations": [{"type": "net.app.contrib.timeseries", "value": value}]});
    let channel = format!("{}/stream/0/channels/{}/messages", stream.url, stream.id);
    let t = format!("{}000000000", crate::clock::now_whole_s());
    let metric = json!({"name": "m", "gauge": {"dataPoints": [{"timeUnixNano": t, "asDouble": 1.0}]}});
    let metrics = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]});
    [
        ("points", stream.call("POST", "/points").body(POINT)),
        ("form", stream.call("POST", "/points").header("Content-Type", FORM).body("n=1")),
        ("pixel", stream.call("GET", "/pixel.gif?n=1")),
        ("statsd", stream.call("POST", "/statsd").body("a:1|c")),
        ("otlp", stream.call("POST", "/otlp/v1/metrics").header("Content-Type", JSON).body(metrics.to_string())),
        ("app.net", call("POST", channel).header("Content-Type", JSON).body(message.to_string())),
    ]
}

#[test]
fn a_write_key_only_writes_and_only_until_it_is_revoked() {
    let (stream, other) = (Stream::on(server()), Stream::on(server()));
    let (key, id) = write_key(&stream);
    write(&stream, Some(&key)).expect(202);
    write(&other, Some(&key)).expect(401);
    for path in ["/rollup", "/labels", "/status", "/metrics", "/writers", "/write-keys", ""] {
        stream.call("GET", path).bearer(&key).send().expect(401);
        stream.call("GET", &format!("{path}?key={key}")).send().expect(401);
    }
    stream.call("PATCH", "").bearer(&key).body("{}").send().expect(401);
    stream.call("DELETE", "/points?where=a%3D1").bearer(&key).send().expect(401);
    stream.call("POST", "/write-keys").bearer(&key).body(r#"{"name":"more"}"#).send().expect(401);
    stream.owned("DELETE", &format!("/write-keys/{id}")).send().expect(204);
    write(&stream, Some(&key)).expect(401);
    write(&stream, None).expect(202);
}

#[test]
fn every_face_of_a_keyed_stream_requires_a_key() {
    let stream = Stream::create(server(), json!({"name": "test", "writers": "keyed"}));
    let (key, _) = write_key(&stream);
    for (face, call) in faces(&stream) {
        assert_eq!(call.send().status, 401, "{face}");
    }
    // A read key does not write either.
    write(&stream, Some(&stream.read_key)).expect(401);
    assert_eq!(stream.read("/status").json()["accepted"], 0);
    for (face, call) in faces(&stream) {
        let status = call.bearer(&key).send().status;
        assert!(matches!(status, 200 | 202 | 204), "{face}: {status}");
    }
    assert_eq!(stream.read("/status").json()["accepted"], 6);
}

#[test]
fn a_read_key_changes_nothing() {
    let stream = Stream::on(server());
    for (method, path) in [
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/read-key"),
        ("POST", "/write-keys"),
        ("GET", "/write-keys"),
        ("GET", "/writers"),
        ("DELETE", "/points?where=a%3D1"),
    ] {
        let call = stream.call(method, path).bearer(&stream.read_key);
        assert_eq!(call.body(r#"{"name":"x"}"#).send().status, 401, "{method} {path}");
    }
}

#[test]
fn a_blocked_writer_writes_only_with_a_key() {
    let blocked = json!({"networks": ["203.0.113.0/24", "2001:db8::/48"], "origins": ["https://spam.example"]});
    let stream = Stream::create(server(), json!({"name": "test", "blocked": blocked}));
    let (key, _) = write_key(&stream);
    for (network, status) in [(NETWORK, 403), ("2001:db8::1", 403), ("2001:db8:1::1", 202), ("203.0.112.1", 202)] {
        let call = || stream.call("POST", "/points").header(FORWARDED_FOR, network).body(POINT);
        call().send().expect(status);
        call().bearer(&key).send().expect(202);
    }
    for (origin, status) in [("https://spam.example", 403), ("https://spam.example.org", 202)] {
        let call = stream.call("POST", "/points").header(FORWARDED_FOR, "192.0.2.1").header("Origin", origin);
        call.body(POINT).send().expect(status);
    }
    for (face, call) in faces(&stream) {
        assert_eq!(call.header(FORWARDED_FOR, NETWORK).send().status, 403, "{face}");
    }
}

#[test]
fn neither_addresses_nor_keys_are_stored_logged_or_listed() {
    let server = start(State::new());
    let stream = Stream::on(&server);
    let (key, _) = write_key(&stream);
    write(&stream, Some(&key)).expect(202);
    write(&stream, None).expect(202);
    let listed = stream.owned("GET", "/writers?window=1h").send().expect(200);
    assert!(listed.text().contains("\"n_"), "{}", listed.text());
    let described = stream.owned("GET", "").send().expect(200);
    let keys = stream.owned("GET", "/write-keys").send().expect(200);
    let shown = [listed.text(), described.text(), keys.text(), &server.log()].concat();
    stream.owned("PATCH", "").body("{}").send().expect(200);
    let state = server.kill_9();
    for secret in [NETWORK, &key, &stream.read_key, OWNER_TOKEN] {
        assert!(!shown.contains(secret), "{secret} is shown or logged");
        assert!(!holds(state.path(), secret.as_bytes()), "{secret} is stored");
    }
}

/// Whether any file below a folder contains these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("readable").any(|entry| {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        std::fs::read(&path).is_ok_and(|content| content.windows(bytes.len()).any(|window| window == bytes))
    })
}
