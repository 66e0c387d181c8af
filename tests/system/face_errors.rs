//! The app.net face: every page can read errors in app.net's envelope.

use serde_json::json;

use crate::channel::{channel, error, face, messages, point, post};
use crate::http::{Answer, call};
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

const ORIGIN: &str = "https://old.example";

fn lists(answer: &Answer, header: &str, wanted: &str) -> bool {
    answer.header(header).split(',').any(|item| item.trim().eq_ignore_ascii_case(wanted))
}

fn narrow_server(setting: (&str, &str)) -> Server {
    Server::start_with(State::new(), &[("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key"), setting])
}

fn body() -> String {
    json!({"annotations": [point(json!({"n": 1}))]}).to_string()
}

#[test]
fn unsupported_app_net_paths_are_not_found() {
    let id = channel().id;
    let channel = |rest: &str| format!("/channels/{id}{rest}");
    for path in ["", "/", "/posts", "/users/me/files", "/channels//", "/channels/messages", "/streams"] {
        error(&face("GET", path).send(), 404);
    }
    for path in ["/subscribe", "/messages//", "/messages/x", "/messages/1/x", "/points"].map(channel) {
        error(&face("GET", &path).bearer(OWNER_TOKEN).send(), 404);
    }
    error(&face("DELETE", "/posts/1").send(), 404);
    error(&call("GET", format!("{}/stream/1/channels", Server::shared().url)).send(), 404);
}

#[test]
fn a_forged_channel_is_not_found() {
    let id = "a".repeat(32);
    for id in [&*id, "1", "..", "%2e%2e", "é"] {
        error(&face("GET", &format!("/channels/{id}")).send(), 404);
        error(&face("POST", &format!("/channels/{id}/messages")).body(body()).send(), 404);
        error(&face("GET", &format!("/channels/{id}/messages")).bearer(OWNER_TOKEN).send(), 404);
    }
}

#[test]
fn a_wrong_method_is_answered_with_the_allowed_ones() {
    let id = channel().id;
    for (path, right) in [
        ("/channels".to_owned(), "GET, HEAD, POST, OPTIONS"),
        ("/channels/search".to_owned(), "GET, HEAD, OPTIONS"),
        ("/users/me".to_owned(), "GET, HEAD, OPTIONS"),
        (format!("/channels/{id}"), "GET, HEAD, OPTIONS"),
        (format!("/channels/{id}/messages"), "GET, HEAD, POST, OPTIONS"),
        (format!("/channels/{id}/messages/1"), "GET, HEAD, OPTIONS"),
        ("/config".to_owned(), "GET, HEAD, OPTIONS"),
        ("/token".to_owned(), "GET, HEAD, OPTIONS"),
    ] {
        for method in ["PUT", "DELETE", "PATCH"] {
            let answer = face(method, &path).send();
            error(&answer, 405);
            assert_eq!(answer.header("Allow"), right, "{method} {path}");
        }
    }
    let head = face("HEAD", "/config").send().expect(200);
    assert!(head.body.is_empty());
}

#[test]
fn every_page_may_call_and_read_every_answer() {
    let channel = channel();
    let path = format!("/channels/{}/messages", channel.id);
    for path in ["/channels", &path, "/config", "/nothing"] {
        let call = face("OPTIONS", path).header("Origin", ORIGIN).header("Access-Control-Request-Method", "POST");
        let answer = call.send().expect(204);
        assert_eq!(answer.header("Access-Control-Allow-Origin"), "*", "{path}");
        for header in ["Authorization", "Content-Type", "X-ADN-Migration-Overrides", "X-ADN-Pretty-JSON"] {
            assert!(lists(&answer, "Access-Control-Allow-Headers", header), "{path} {header}");
        }
    }
    assert!(lists(&face("OPTIONS", &path).send(), "Access-Control-Allow-Methods", "POST"));
    for answer in [face("GET", "/config").header("Origin", ORIGIN).send(), post(&channel, &[])] {
        assert_eq!(answer.header("Access-Control-Allow-Origin"), "*");
        for header in ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After"] {
            assert!(lists(&answer, "Access-Control-Expose-Headers", header), "{header}");
        }
    }
}

#[test]
fn an_unlisted_origin_can_read_that_it_was_refused() {
    let listed = Stream::create(Server::shared(), json!({"name": "test", "origins": ["https://ours.example"]}));
    let from = |origin: &str| messages(&listed, "POST", "").header("Origin", origin).body(body()).send();
    assert_eq!(error(&from(ORIGIN), 403).1.as_deref(), Some("not-authorized"));
    from("https://ours.example").expect(200);
    assert_eq!(listed.read("/status").json()["accepted"], 1);
}

#[test]
fn server_limits_come_with_a_time_to_retry() {
    let post_to = |stream: &Stream, body: String| {
        call("POST", format!("{}/stream/0/channels/{}/messages", stream.url, stream.id)).body(body).send()
    };
    let limited = narrow_server(("HEARTBEAT_WRITE_LIMIT", "1"));
    let stream = Stream::on(&limited);
    let answer =
        (0..20).map(|_| post_to(&stream, body())).find(|answer| answer.status != 200).expect("the limit is one");
    error(&answer, 429);
    assert_eq!(answer.header("Retry-After"), "10");
    let full = narrow_server(("HEARTBEAT_PENDING_KIB", "1"));
    let labels: serde_json::Map<_, _> = (0..8).map(|index| (format!("l{index}"), "x".repeat(250).into())).collect();
    let large = json!({"annotations": [point(json!({"n": 1, "v": labels}))]}).to_string();
    let answer = post_to(&Stream::on(&full), large);
    error(&answer, 503);
    assert_eq!(answer.header("Retry-After"), "1");
    let unconfigured = Server::start_with(State::new(), &[("OWNER_TOKEN", OWNER_TOKEN)]);
    let answer = call("GET", format!("{}/stream/0/channels/x", unconfigured.url)).send();
    assert!(error(&answer, 503).0.contains("SIGNING_KEY"));
}

#[test]
fn anyone_reads_config_but_only_the_owner_reads_token() {
    let config = face("GET", "/config").send().expect(200).json();
    assert_eq!(config["data"]["message"], json!({"annotation_max_bytes": 8192, "text_max_length": 2048}));
    for call in [face("GET", "/token").bearer(OWNER_TOKEN), face("GET", &format!("/token?access_token={OWNER_TOKEN}"))]
    {
        let answer = call.send().expect(200);
        assert!(!answer.text().contains(OWNER_TOKEN));
        let token = &answer.json()["data"];
        for field in ["app", "scopes", "user", "limits"] {
            assert!(token.get(field).is_some(), "{token}");
        }
    }
    assert_eq!(error(&face("GET", "/token").send(), 401).1.as_deref(), Some("not-authorized"));
    assert_eq!(error(&face("GET", "/token").bearer("x").send(), 401).1.as_deref(), Some("invalid-token"));
}
