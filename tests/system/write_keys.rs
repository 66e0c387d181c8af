//! Write keys: a key holder may write through every path, even if nobody else may.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::channel::{TIMESERIES, error, messages};
use crate::eviction::alarm_in_ns;
use crate::http::{Answer, Call, call, encoded};
use crate::objects::Object;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::{Stream, assert_close};

const POINT: &str = r#"{"n":1}"#;
const OURS: &str = "https://shop.example";

/// The id of a key, and the key.
pub(crate) fn new_key(stream: &Stream, name: &str) -> (String, String) {
    let made = stream.owned("POST", "/write-keys").body(json!({ "name": name }).to_string()).send().expect(201);
    let made = made.json();
    let text = |field: &str| made[field].as_str().expect("a string").to_owned();
    (text("id"), text("write_key"))
}

pub(crate) fn keyed(config: &Value) -> Stream {
    let mut config = config.clone();
    (config["name"], config["writers"]) = (json!("test"), json!("keyed"));
    Stream::create(Server::shared(), config)
}

fn keys(stream: &Stream) -> Value {
    stream.owned("GET", "/write-keys").send().expect(200).json()["write_keys"].clone()
}

/// A write of one point through each path, with this query string.
fn writes(stream: &Stream, query: &str) -> Vec<(&'static str, Call)> {
    // Different points, as the same bytes would count once.
    static NEXT_NS: AtomicU64 = AtomicU64::new(0);
    let time_ns = crate::clock::now_whole_s() * 1_000_000_000 + NEXT_NS.fetch_add(1, Relaxed);
    let point = json!({"asInt": "1", "timeUnixNano": time_ns.to_string()});
    let metric = json!({"name": "a", "gauge": {"dataPoints": [point]}});
    let metric = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]});
    let message = json!({"machine_only": true, "annotations": [{"type": TIMESERIES, "value": {"n": 1}}]});
    let post = |path: &str| stream.call("POST", &format!("{path}?{query}"));
    vec![
        ("points", post("/points").body(POINT)),
        ("form", post("/points").header("Content-Type", "application/x-www-form-urlencoded").body("n=1")),
        ("pixel", stream.call("GET", &format!("/pixel.gif?n=1&{query}"))),
        ("statsd", post("/statsd").body("a:1|c")),
        ("otlp", post("/otlp/v1/metrics").header("Content-Type", "application/json").body(metric.to_string())),
        ("app.net", messages(stream, "POST", &format!("?{query}")).body(message.to_string())),
    ]
}

fn basic(token: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("user:{token}");
    let mut out = String::from("Basic ");
    for three in text.as_bytes().chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(*three.get(at).unwrap_or(&0)));
        let digit = |at: usize| DIGITS[(bits >> (18 - 6 * at) & 63) as usize] as char;
        (0..4).for_each(|at| out.push(if at <= three.len() { digit(at) } else { '=' }));
    }
    out
}

/// Writes through each path, with a credential in each place.
fn with_credential(stream: &Stream, key: &str) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    for header in [format!("Bearer {key}"), format!("bearer {key} "), format!("Token {key}"), basic(key)] {
        for (name, call) in writes(stream, "") {
            answers.push((format!("{name}, {header}"), call.header("Authorization", &header).send()));
        }
    }
    let query = format!("key={}", encoded(key));
    answers.extend(writes(stream, &query).into_iter().map(|(name, call)| (format!("{name}, {query}"), call.send())));
    for (name, call) in writes(stream, &query) {
        // A credential that a proxy or an agent adds means nothing here.
        answers.push((format!("{name} behind a proxy"), call.bearer("of-a-proxy").send()));
    }
    let query = format!("access_token={}", encoded(key));
    let app_net = writes(stream, &query).pop().expect("is the last").1;
    answers.push(("app.net, access_token".to_owned(), app_net.send()));
    answers
}

/// Checks that an answer is a refusal in the form of its path, readable by every page.
#[track_caller]
fn assert_refused(name: &str, answer: &Answer, status: u16, said: &str) {
    assert_eq!(answer.status, status, "{name}: {}", String::from_utf8_lossy(&answer.body));
    if status == 401 {
        assert!(answer.header("WWW-Authenticate").starts_with("Bearer"), "{name}");
    }
    assert_eq!(answer.header("Access-Control-Allow-Origin"), "*", "{name}");
    let message = match name {
        _ if name.starts_with("otlp") => {
            let message = answer.json();
            assert_eq!(message["code"], if status == 401 { 16 } else { 7 }, "{name}");
            message["message"].as_str().expect("a string").to_owned()
        }
        _ if name.starts_with("app.net") => error(answer, status).0,
        _ => {
            answer.problem(status);
            answer.json()["detail"].as_str().expect("a string").to_owned()
        }
    };
    assert!(message.contains(said), "{name}: {message}");
}

#[test]
fn a_key_is_shown_once_and_listed_by_its_name() {
    let stream = Stream::new();
    let made = stream.owned("POST", "/write-keys").body(r#"{"name":"ci of Ann"}"#).send().expect(201);
    assert_eq!(made.header("Cache-Control"), "no-store");
    let made = made.json();
    let key = made["write_key"].as_str().expect("a key").to_owned();
    let is_base32 = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte));
    assert!(key.strip_prefix("wk_").is_some_and(|text| text.len() == 32 && is_base32(text)), "{key}");
    assert!(made["created"].as_f64().is_some_and(|created_s| created_s > 1.7e9));
    let (other, _) = new_key(&stream, "phone");
    let listed = stream.owned("GET", "/write-keys").send().expect(200);
    assert!(!listed.text().contains(&key) && listed.header("Cache-Control") == "no-store");
    let entry = json!({"id": made["id"], "name": "ci of Ann", "created": made["created"], "last_used": null});
    assert_eq!((&keys(&stream)[0], keys(&stream)[1]["id"].as_str()), (&entry, Some(&*other)));
    stream.owned("DELETE", &format!("/write-keys/{other}")).send().expect(204);
    assert_eq!(keys(&stream), json!([entry]));
    assert_eq!(stream.owned("DELETE", &format!("/write-keys/{other}")).send().problem(404), "not-found");
    for body in ["", "{}", r#"{"name":""}"#, r#"{"name":"a","scope":"b"}"#] {
        assert_eq!(stream.owned("POST", "/write-keys").body(body).send().problem(400), "invalid-request", "{body}");
    }
    let described = stream.owned("GET", "").send().expect(200);
    assert!(!described.text().contains("hash") && !described.text().contains("ci of Ann"), "{}", described.text());
}

#[test]
fn a_stream_has_at_most_50_keys() {
    let stream = Stream::new();
    let ids: Vec<String> = (0..50).map(|number| new_key(&stream, &number.to_string()).0).collect();
    let more = || stream.owned("POST", "/write-keys").body(r#"{"name":"more"}"#).send();
    assert_eq!(more().problem(409), "conflict");
    stream.owned("DELETE", &format!("/write-keys/{}", ids[7])).send().expect(204);
    more().expect(201);
    assert_eq!(keys(&stream).as_array().map(Vec::len), Some(50));
}

#[test]
fn only_the_owner_manages_write_keys() {
    let stream = Stream::new();
    let (id, key) = new_key(&stream, "a");
    let one = format!("/write-keys/{id}");
    for (method, path) in [("GET", "/write-keys"), ("POST", "/write-keys"), ("DELETE", &one), ("GET", "/writers")] {
        for token in ["", &key, &stream.read_key, "wrong"] {
            let answer = stream.call(method, path).bearer(token).body(r#"{"name":"b"}"#).send();
            assert_eq!(answer.problem(401), "unauthorized", "{method} {path}");
            let in_url = stream.call(method, &format!("{path}?key={token}")).body(r#"{"name":"b"}"#);
            in_url.send().problem(401);
        }
    }
    for path in ["/rollup", "/labels", "/status"] {
        assert_eq!(
            stream.call("GET", path).bearer(&key).send().problem(401),
            "unauthorized",
            "a write key reads nothing"
        );
    }
    assert_eq!(keys(&stream).as_array().map(Vec::len), Some(1));
    assert_eq!(stream.call("PUT", "/write-keys").send().problem(405), "method-not-allowed");
}

#[test]
fn a_keyed_stream_requires_a_key_on_every_path() {
    let stream = keyed(&json!({}));
    let (id, key) = new_key(&stream, "a");
    for (name, call) in writes(&stream, "") {
        assert_refused(name, &call.header("Origin", OURS).send(), 401, "write key");
    }
    for token in ["rk_a", &stream.read_key, &OWNER_TOKEN[1..], "", "wk", "WK_a"] {
        for (name, answer) in with_credential(&stream, token) {
            assert_refused(&name, &answer, 401, "write key");
        }
    }
    assert_close(stream.total("count"), 0.0, "nothing was written");
    let answers = with_credential(&stream, &key);
    let count = answers.len();
    for (name, answer) in answers {
        assert!((200..300).contains(&answer.status), "{name}: {}", String::from_utf8_lossy(&answer.body));
    }
    assert_close(stream.total("count"), f64::from(u32::try_from(count).expect("few")), "each once");
    stream.owned("DELETE", &format!("/write-keys/{id}")).send().expect(204);
    for (name, answer) in with_credential(&stream, &key) {
        assert_refused(&name, &answer, 401, "not a write key of this stream");
    }
}

#[test]
fn the_owner_may_always_write() {
    let stream = keyed(&json!({}));
    for (name, call) in writes(&stream, "") {
        let answer = call.bearer(OWNER_TOKEN).send();
        assert!((200..300).contains(&answer.status), "{name}: {}", String::from_utf8_lossy(&answer.body));
    }
    assert_close(stream.total("count"), 6.0, "each once");
    let in_url = stream.call("POST", &format!("/points?key={OWNER_TOKEN}")).body(POINT).send();
    assert_eq!(in_url.problem(401), "unauthorized", "URLs end up in logs");
}

#[test]
fn an_open_stream_refuses_a_wrong_key_too() {
    let (stream, other) = (Stream::new(), Stream::new());
    let (_, foreign) = new_key(&other, "a");
    new_key(&stream, "of its own");
    for key in ["wk_", "wk_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &foreign] {
        for (name, answer) in with_credential(&stream, key) {
            assert_refused(&name, &answer, 401, "not a write key of this stream");
        }
        for body in [r#"{"n":"x"}"#, "[]"] {
            assert_eq!(stream.call("POST", "/points").bearer(key).body(body).send().problem(401), "unauthorized");
        }
    }
    assert_close(stream.total("count"), 0.0, "nothing was written");
    stream.call("POST", "/points").bearer("rk_a").body(POINT).send().expect(202);
}

#[test]
fn changing_writers_takes_effect_immediately() {
    let stream = Stream::new();
    let (_, key) = new_key(&stream, "a");
    let patch = |writers: &str| stream.owned("PATCH", "").body(json!({ "writers": writers }).to_string()).send();
    assert_eq!(stream.owned("GET", "").send().json()["writers"], "open");
    for _ in 0..3 {
        assert_eq!(patch("keyed").expect(200).json()["writers"], "keyed");
        stream.post(POINT).problem(401);
        stream.call("POST", "/points").bearer(&key).body(POINT).send().expect(202);
        patch("open").expect(200);
        stream.post(POINT).expect(202);
    }
    assert_eq!(patch("nobody").problem(400), "invalid-request");
}

#[test]
fn a_batch_key_can_be_reused_after_a_refusal() {
    let stream = keyed(&json!({}));
    let (_, key) = new_key(&stream, "a");
    let write = |token: &str, body: &str| {
        stream.call("POST", "/points").header("Idempotency-Key", "k").bearer(token).body(body).send()
    };
    write("", r#"{"n":5}"#).problem(401);
    write("wk_wrong", r#"{"n":5}"#).problem(401);
    write(&key, r#"{"n":5}"#).expect(202);
    write(&key, r#"{"n":5}"#).expect(202);
    write("wk_wrong", r#"{"n":5}"#).problem(401);
    assert_close(stream.total("sum"), 5.0, "it counts once");
}

#[test]
fn allowed_pages_write_with_a_key_and_read_refusals() {
    let stream = keyed(&json!({"origins": [OURS]}));
    let (_, key) = new_key(&stream, "intranet");
    for path in ["/points", "/statsd", "/otlp/v1/metrics", "/pixel.gif"] {
        let ask = stream.call("OPTIONS", path).header("Origin", OURS).header("Access-Control-Request-Method", "POST");
        let allowed = ask.header("Access-Control-Request-Headers", "authorization").send().expect(204);
        assert!(allowed.header("Access-Control-Allow-Headers").contains("Authorization"), "{path}");
    }
    let write = |token: &str| stream.call("POST", "/points").header("Origin", OURS).bearer(token).body(POINT).send();
    for answer in [write(&key).expect(202), write("none"), write("wk_wrong")] {
        assert_eq!(answer.header("Access-Control-Allow-Origin"), OURS, "{}", answer.status);
    }
    write("none").problem(401);
    write("wk_wrong").problem(401);
}

#[test]
fn the_hour_of_a_keys_last_use_survives_a_crash() {
    let server = Server::start(State::new());
    let stream = Stream::create(&server, json!({"name": "test", "shards": 4}));
    let (_, key) = new_key(&stream, "a");
    let _never = new_key(&stream, "b");
    let hour = || crate::clock::now_whole_s() / 3_600 * 3_600;
    let before = hour();
    for _ in 0..20 {
        stream.call("POST", "/points").bearer(&key).body(POINT).send().expect(202);
    }
    let used = |stream: &Stream| {
        let keys = keys(stream);
        (keys[0]["last_used"].as_u64().expect("was used"), keys[1]["last_used"].clone())
    };
    let (first, never) = used(&stream);
    assert!((before..=hour()).contains(&first) && never.is_null(), "{first}");
    // The alarm that follows a change stores it; then each object waits for something much later.
    stream.owned("PATCH", "").body("{}").send().expect(200);
    let deadline = Instant::now() + Duration::from_mins(5);
    while alarm_in_ns(&server).is_none_or(|next_ns| next_ns < 3_600_000_000_000) {
        assert!(Instant::now() < deadline, "the alarm is not over");
    }
    let server = Server::start(server.kill_9());
    let (again, never) = used(&stream.moved_to(&server));
    assert!(again == first && never.is_null());
}

/// Writes with a key until each of several shards has almost certainly been asked.
fn statuses(stream: &Stream, key: &str, count: usize) -> Vec<u16> {
    (0..count).map(|_| stream.call("POST", "/points").bearer(key).body(POINT).send().status).collect()
}

#[test]
fn write_keys_start_and_end_immediately_at_every_shard() {
    let stream = Stream::create(Server::shared(), json!({"name": "test", "shards": 8, "writers": "keyed"}));
    for _ in 0..3 {
        let (id, key) = new_key(&stream, "a");
        assert!(statuses(&stream, &key, 60).iter().all(|status| *status == 202));
        stream.owned("DELETE", &format!("/write-keys/{id}")).send().expect(204);
        assert!(statuses(&stream, &key, 60).iter().all(|status| *status == 401));
    }
    assert!(statuses(&stream, "none", 60).iter().all(|status| *status == 401));
    assert_close(stream.total("count"), 180.0, "all that was acknowledged");
}

#[test]
fn a_stale_shard_learns_of_new_and_revoked_write_keys() {
    let server = Server::start(State::new());
    let stream = Stream::create(&server, json!({"name": "test", "shards": 2}));
    let (_, kept) = new_key(&stream, "kept");
    assert!(statuses(&stream, &kept, 30).iter().all(|status| *status == 202));
    let mut state = server.kill_9();
    // The state of a shard that missed the key: home lacks it here, and the other shard asks home.
    let mut others = Vec::new();
    for index in 0..2 {
        let object = Object::all(&state).swap_remove(index);
        let whole = object.bytes();
        object.run("UPDATE meta SET value = json_set(value, '$.writing.keys', json('[]'), '$.version', 1) WHERE key = 'stream'");
        let server = Server::start(state);
        let taken = statuses(&stream.moved_to(&server), &kept, 30);
        state = server.kill_9();
        others.push(taken.iter().all(|status| *status == 202));
        object.restore(&whole);
    }
    assert!(others[0] != others[1], "one of two is home: {others:?}");
    let home = usize::from(others[0]);
    // The state after home revoked the key and was killed before it could inform the other shard.
    Object::all(&state).swap_remove(home).run(
        "UPDATE meta SET value = json_set(value, '$.writing.keys', json('[]'), '$.version', 9, '$.untold', json('{\"shards\":true,\"directory\":false}')) WHERE key = 'stream'",
    );
    let server = Server::start(state);
    let stream = stream.moved_to(&server);
    // The first event at home informs the others, without the owner.
    stream.owned("GET", "").send().expect(200);
    let deadline = Instant::now() + Duration::from_mins(5);
    while statuses(&stream, &kept, 30).contains(&202) {
        assert!(Instant::now() < deadline, "the other shard never learns of it");
    }
    assert!(statuses(&stream, &kept, 30).iter().all(|status| *status == 401));
}

#[test]
fn a_write_key_is_stored_only_as_its_hash() {
    let server = Server::start(State::new());
    let stream = Stream::create(&server, json!({"name": "test"}));
    let (_, key) = new_key(&stream, "a");
    call("POST", format!("{}/v1/streams/{}/points?key={key}", stream.url, stream.id)).body(POINT).send().expect(202);
    assert!(!server.log().contains(&key));
    let state = server.kill_9();
    let files =
        std::process::Command::new("grep").args(["-rlaF", &key]).arg(state.path()).output().expect("grep is installed");
    assert_eq!(String::from_utf8_lossy(&files.stdout), "");
}
