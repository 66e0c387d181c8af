//! Blocked networks and origins: open writers from there are refused, and nobody else.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Answer, Call};
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::{Stream, assert_close};
use crate::write_keys::new_key;

const POINT: &str = r#"{"n":1}"#;
const SPAM: &str = "https://spam.example";

fn blocking(blocked: &Value) -> Stream {
    Stream::create(Server::shared(), json!({"name": "test", "blocked": blocked}))
}

fn patch(stream: &Stream, blocked: &Value) -> Answer {
    stream.owned("PATCH", "").body(json!({ "blocked": blocked }).to_string()).send()
}

/// A write from an address, as named by this machine's proxy.
fn from(stream: &Stream, address: &str) -> Call {
    stream.call("POST", "/points").header("X-Forwarded-For", address).body(POINT)
}

#[test]
fn open_writers_are_blocked_by_network_and_by_origin() {
    let networks = ["192.0.2.0/24", "203.0.113.9", "2001:db8:0:1::/64", "2001:db8:7::/48"];
    let stream = blocking(&json!({"networks": networks, "origins": [SPAM]}));
    let addresses =
        ["192.0.2.1", "192.0.2.255:4711", "203.0.113.9", "::ffff:192.0.2.7", "2001:db8:0:1::9", "[2001:db8:7:8::1]:80"];
    for address in addresses {
        let answer = from(&stream, address).header("Origin", "https://a.example").send();
        assert_eq!(answer.problem(403), "blocked", "{address}");
        assert_eq!(answer.header("Access-Control-Allow-Origin"), "*");
    }
    for path in ["/points", "/statsd"] {
        let answer = stream.call("POST", path).header("X-Forwarded-For", "198.51.100.1").header("Origin", SPAM);
        assert_eq!(answer.body(POINT).send().problem(403), "blocked");
    }
    let pixel = stream.call("GET", "/pixel.gif?n=1").header("X-Forwarded-For", "192.0.2.1").send();
    assert_eq!(pixel.problem(403), "blocked");
    for address in ["192.0.3.1", "203.0.113.10", "2001:db8:0:2::1", "unknown", ""] {
        from(&stream, address).header("Origin", "http://spam.example").send().expect(202);
    }
    assert_close(stream.total("count"), 5.0, "only writes that were not blocked");
}

#[test]
fn keyed_writers_and_the_owner_are_never_blocked() {
    let stream = blocking(&json!({"networks": ["0.0.0.0/0", "::/0"], "origins": [SPAM]}));
    let (_, key) = new_key(&stream, "a");
    from(&stream, "192.0.2.1").header("Origin", SPAM).send().problem(403);
    from(&stream, "192.0.2.1").header("Origin", SPAM).bearer(&key).send().expect(202);
    from(&stream, "192.0.2.1").header("Origin", SPAM).bearer(OWNER_TOKEN).send().expect(202);
    from(&stream, "192.0.2.1").bearer("wk_wrong").send().problem(401);
}

#[test]
fn blocks_take_effect_immediately_at_every_shard() {
    let stream = Stream::create(Server::shared(), json!({"name": "test", "shards": 8}));
    let statuses = || (0..40).map(|_| from(&stream, "192.0.2.1").send().status).collect::<Vec<u16>>();
    for _ in 0..2 {
        assert!(statuses().iter().all(|status| *status == 202));
        patch(&stream, &json!({"networks": ["192.0.2.1"]})).expect(200);
        assert!(statuses().iter().all(|status| *status == 403));
        patch(&stream, &Value::Null).expect(200);
    }
    assert_close(stream.total("count"), 80.0, "all that was acknowledged");
}

#[test]
fn a_change_keeps_unnamed_blocks_and_names_invalid_ones() {
    let stream = blocking(&json!({"networks": ["192.0.2.0/24", "n_3f9a0b1c2d"]}));
    let described = || stream.owned("GET", "").send().expect(200).json()["blocked"].clone();
    assert_eq!(described(), json!({"networks": ["192.0.2.0/24", "n_3f9a0b1c2d"], "origins": []}));
    patch(&stream, &json!({"origins": [SPAM]})).expect(200);
    assert_eq!(described(), json!({"networks": ["192.0.2.0/24", "n_3f9a0b1c2d"], "origins": [SPAM]}));
    for (blocked, said) in [
        (json!({"networks": ["192.0.2.1/24"]}), "192.0.2.0"),
        (json!({"networks": ["192.0.2.0/33"]}), "0 to 32"),
        (json!({"networks": ["2001:db8::/65"]}), "0 to 64"),
        (json!({"networks": ["localhost"]}), "localhost"),
        (json!({"networks": ["n_3F9A0B1C2D"]}), "n_3F9A0B1C2D"),
        (json!({"networks": [1]}), "expected a string"),
        (json!({"networks": vec!["192.0.2.1"; 101]}), "101"),
        (json!({"origins": ["spam.example"]}), "spam.example"),
        (json!({"origins": vec![SPAM; 101]}), "101"),
        (json!({"agents": []}), "agents"),
        (json!([]), "blocked"),
    ] {
        let answer = patch(&stream, &blocked);
        assert_eq!(answer.problem(400), "invalid-request", "{blocked}");
        let detail = answer.json()["detail"].as_str().expect("a string").to_owned();
        assert!(detail.contains(said) && detail.contains("blocked"), "{blocked}: {detail}");
    }
    patch(&stream, &Value::Null).expect(200);
    assert_eq!(described(), json!({"networks": [], "origins": []}));
}

#[test]
fn readers_see_neither_keys_nor_blocks() {
    let stream = Stream::create(
        Server::shared(),
        json!({"name": "test", "public_read": true, "blocked": {"networks": ["192.0.2.77"]}}),
    );
    let (id, key) = new_key(&stream, "name of a key");
    stream.call("POST", "/points").bearer(&key).body(POINT).send().expect(202);
    let channel = format!("{}/stream/0/channels/{}?include_annotations=1", stream.url, stream.id);
    let texts = [
        stream.read("/rollup"),
        stream.read("/labels"),
        stream.read("/status"),
        stream.read("/deltas"),
        crate::http::call("GET", channel).bearer(&stream.read_key).send(),
    ];
    for answer in texts {
        let text = answer.text();
        for secret in ["192.0.2.77", "name of a key", &id, &key] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn a_block_is_checked_before_the_body_and_home_decides() {
    let server = Server::start(State::new());
    let stream = Stream::create(&server, json!({"name": "test", "blocked": {"networks": ["192.0.2.1"]}}));
    let not_a_body = stream.call("POST", "/points").header("X-Forwarded-For", "192.0.2.1");
    assert_eq!(not_a_body.header("Content-Encoding", "none such").body("x").send().problem(403), "blocked");
    let state = server.kill_9();
    let directory = state.copy_of_directory();
    let server = Server::start(state);
    let stream = stream.moved_to(&server);
    patch(&stream, &json!({"networks": ["192.0.2.2"]})).expect(200);
    let state = server.kill_9();
    state.restore_directory(&directory);
    let server = Server::start(state);
    let stream = stream.moved_to(&server);
    from(&stream, "192.0.2.2").send().problem(403);
    // An edge asks home about what its copy refuses, every few seconds.
    let deadline = Instant::now() + Duration::from_mins(3);
    while from(&stream, "192.0.2.1").send().status == 403 {
        assert!(Instant::now() < deadline, "home is never asked");
    }
}
