//! Where a stream may forward to: roots that the deployer lists, over TLS, and nothing inside a private network.

use serde_json::{Value, json};

use super::{forward_status, shared};
use crate::http::{Answer, call};
use crate::peer::TOKENS_BEGIN;
use crate::server::{OWNER_TOKEN, Server, State};

fn create(server: &Server, forward: &Value) -> Answer {
    let call = call("POST", format!("{}/v1/streams", server.url)).bearer(OWNER_TOKEN);
    call.body(json!({ "name": "test", "forward": forward }).to_string()).send()
}

fn to(root: &str) -> Value {
    json!({ "dialect": "app.net", "api_root": root, "token": TOKENS_BEGIN })
}

/// The detail of the refusal.
#[track_caller]
fn refused(server: &Server, forward: &Value) -> String {
    let answer = create(server, forward);
    assert_eq!(answer.problem(400), "invalid-request", "{forward}");
    answer.json()["detail"].as_str().expect("a detail").to_owned()
}

#[test]
fn unlisted_roots_are_refused_and_the_field_is_named() {
    for root in [
        "https://upstream.example/stream/0",
        "https://alpha-api.app.net",
        "https://alpha-api.app.net/stream/1",
        "https://alpha-api.app.net/stream/0/../../x",
        "https://alpha-api.app.net/stream/0?x=1",
        "https://alpha-api.app.net/stream/0#x",
        "https://alpha-api.app.net:8443/stream/0",
        "https://user@alpha-api.app.net/stream/0",
        "https://alpha-api.app.net@127.0.0.1/stream/0",
        "https://alpha-api.app.net.evil.example/stream/0",
        "https://alpha-api.app.net\\@evil.example/stream/0",
        "https://alpha-api.app.net./stream/0",
        "http://alpha-api.app.net/stream/0",
        "http://10.0.0.1/stream/0",
        "http://169.254.169.254/stream/0",
        "http://127.0.0.1.nip.example/stream/0",
        "http://127.0.0.2:80/stream/0",
        "http://2130706433/stream/0",
        "http://0x7f.1/stream/0",
        "http://user@127.0.0.1/stream/0",
        "http://127.0.0.1:80@evil.example/stream/0",
        "http://localhost.example/stream/0",
        "http://[::ffff:10.0.0.1]/stream/0",
        "https://127.0.0.1/stream/0",
        "https://[::1]/stream/0",
        "ftp://127.0.0.1/stream/0",
        "//127.0.0.1/stream/0",
        "stream/0",
        "",
        " https://alpha-api.app.net/stream/0",
        "https://alpha-api.app.net/stream/0\n",
    ] {
        let detail = refused(shared(), &to(root));
        assert!(detail.contains("api_root"), "{root:?}: {detail}");
    }
}

#[test]
fn loopback_roots_are_allowed_only_in_development() {
    let server = Server::start(State::new());
    for root in ["http://127.0.0.1:80/stream/0", "http://localhost/stream/0", "http://[::1]:8080/stream/0"] {
        assert!(refused(&server, &to(root)).contains("api_root"), "{root}");
        create(shared(), &to(root)).expect(201);
    }
    let pnut = json!({ "dialect": "pnut", "api_root": "https://api.pnut.io/v1", "token": TOKENS_BEGIN });
    for forward in [to("https://alpha-api.app.net/stream/0"), to("https://ALPHA-API.app.net:443/stream/0/"), pnut] {
        create(&server, &forward).expect(201);
    }
}

#[test]
fn the_deployer_can_list_other_roots() {
    let environment = [
        ("OWNER_TOKEN", OWNER_TOKEN),
        ("SIGNING_KEY", "test-signing-key"),
        ("FORWARD_ROOTS", "https://upstream.example/stream/0, https://other.example"),
    ];
    let server = Server::start_with(State::new(), &environment);
    for root in ["https://upstream.example/stream/0", "https://upstream.example/stream/0/", "https://other.example"] {
        create(&server, &to(root)).expect(201);
    }
    for root in ["https://alpha-api.app.net/stream/0", "https://upstream.example/stream"] {
        assert!(refused(&server, &to(root)).contains("api_root"), "{root}");
    }
}

#[test]
fn each_invalid_field_is_named() {
    let good = to("http://127.0.0.1:80/stream/0");
    let wrong = [
        ("dialect", json!("adn"), "dialect"),
        ("dialect", Value::Null, "dialect"),
        ("api_root", json!(7), "api_root"),
        ("token", json!(""), "token"),
        ("token", json!("a b"), "token"),
        ("token", json!("a\r\nX-Evil: 1"), "token"),
        ("token", json!("x".repeat(1_025)), "token"),
        ("token", json!("é"), "token"),
        ("channel", json!("../1"), "channel"),
        ("channel", json!("1?x=1"), "channel"),
        ("channel", json!(""), "channel"),
        ("channel", json!("1".repeat(65)), "channel"),
        ("policy", json!({ "max_delay": "9s" }), "max_delay"),
        ("policy", json!({ "max_delay": "2d" }), "max_delay"),
        ("policy", json!({ "max_delay": 60 }), "max_delay"),
        ("policy", json!({ "writes_per_minute": 0 }), "writes_per_minute"),
        ("policy", json!({ "writes_per_minute": 6_001 }), "writes_per_minute"),
        ("policy", json!({ "speed": 1 }), "speed"),
        ("policy", json!(7), "policy"),
        ("tokn", json!("x"), "tokn"),
    ];
    for (field, value, named) in wrong {
        let mut forward = good.clone();
        forward[field] = value;
        let detail = refused(shared(), &forward);
        assert!(detail.contains(named), "{forward}: {detail}");
    }
    for forward in [json!(7), json!("x"), json!([])] {
        assert!(refused(shared(), &forward).contains("forward"), "{forward}");
    }
    let mut hasty = to("https://alpha-api.app.net/stream/0");
    hasty["policy"] = json!({ "writes_per_minute": 21 });
    assert!(refused(shared(), &hasty).contains("writes_per_minute"));
}

#[test]
fn a_token_is_kept_only_with_the_same_root_and_dialect() {
    let stream = super::forwarding(&to("http://127.0.0.1:80/stream/0"));
    let patched = |forward: Value| super::patch(&stream, &forward);
    patched(json!({ "dialect": "app.net", "api_root": "http://127.0.0.1:80/stream/0" })).expect(200);
    for forward in [
        json!({ "dialect": "app.net", "api_root": "http://127.0.0.1:81/stream/0" }),
        json!({ "dialect": "pnut", "api_root": "http://127.0.0.1:80/stream/0" }),
    ] {
        let answer = patched(forward);
        assert_eq!(answer.problem(400), "invalid-request");
        assert!(answer.text().contains("token"), "{}", answer.text());
    }
    assert_eq!(forward_status(&stream)["api_root"], "http://127.0.0.1:80/stream/0");
    let bare = Server::shared();
    let answer = create(bare, &json!({ "dialect": "app.net", "api_root": "https://alpha-api.app.net/stream/0" }));
    assert_eq!(answer.problem(400), "invalid-request");
}
