//! Errors: each problem once, in the form of RFC 9457, with its helpful headers.
//!
//! `internal` (500) is left out, as it stands for failures that cannot be provoked from outside.

use std::collections::BTreeSet;

use serde_json::json;

use crate::http::{Answer, Call, call};
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

const POINT: &str = r#"{"n":1}"#;

/// A point of more than a KiB.
fn large_point() -> String {
    let labels: serde_json::Map<_, _> = (0..8).map(|index| (format!("l{index}"), "x".repeat(250).into())).collect();
    json!({"n": 1, "v": labels}).to_string()
}

/// A server that takes few and small writes.
fn narrow_server(setting: (&str, &str)) -> Server {
    Server::start_with(State::new(), &[("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key"), setting])
}

fn streams(server: &Server, method: &'static str) -> Call {
    call(method, format!("{}/v1/streams", server.url))
}

/// A problem with its status and the last part of its type.
type Provoked = (&'static str, u16, Answer);

/// The problems that a stream on a well-configured server returns.
fn of_a_stream() -> Vec<Provoked> {
    let stream = Stream::new();
    let listed = Stream::create(Server::shared(), json!({"name": "x", "origins": ["https://a.example"]}));
    let sharded = Stream::create(Server::shared(), json!({"name": "x", "shards": 2}));
    let blocking =
        Stream::create(Server::shared(), json!({"name": "x", "blocked": {"origins": ["https://spam.example"]}}));
    let blocked = blocking.call("POST", "/points").header("Origin", "https://spam.example").body(POINT).send();
    let elsewhere = listed.call("POST", "/points").header("Origin", "https://b.example").body(POINT).send();
    let image = stream.call("POST", "/points").header("Content-Type", "image/png").body("PNG").send();
    vec![
        ("invalid-request", 400, stream.read("/rollup?step=1s")),
        ("invalid-points", 400, stream.post("{}")),
        ("unauthorized", 401, stream.call("GET", "/rollup").send()),
        ("origin-not-allowed", 403, elsewhere),
        ("blocked", 403, blocked),
        ("not-found", 404, stream.call("GET", "/nothing").send()),
        ("method-not-allowed", 405, stream.call("GET", "/points").send()),
        ("conflict", 409, sharded.owned("PATCH", "").body(r#"{"shards":1}"#).send()),
        ("too-large", 413, stream.post("{}\n".repeat(10_001))),
        ("unsupported-media-type", 415, image),
        ("query-too-large", 422, stream.read("/rollup?from=-40h&step=10s")),
    ]
}

/// The problems of servers that are configured narrowly or not at all.
fn of_a_server() -> Vec<Provoked> {
    let unconfigured = Server::start_with(State::new(), &[]);
    let stranger = call("POST", format!("{}/v1/streams/{}/points", unconfigured.url, "0".repeat(32))).body(POINT);
    let limited = narrow_server(("HEARTBEAT_WRITE_LIMIT", "1"));
    let full = narrow_server(("HEARTBEAT_PENDING_KIB", "1"));
    vec![
        ("creating-disabled", 403, streams(&unconfigured, "POST").bearer("x").body(r#"{"name":"x"}"#).send()),
        ("not-configured", 503, stranger.send()),
        ("rate-limited", 429, written_until_limited(&Stream::on(&limited))),
        ("overloaded", 503, Stream::on(&full).post(large_point())),
    ]
}

/// The first write over a limit of one per period: one that is in the same period as the one before.
fn written_until_limited(stream: &Stream) -> Answer {
    (0..20).map(|_| stream.post(POINT)).find(|answer| answer.status != 202).expect("the limit is one")
}

/// The problems that the documentation explains: the anchors of its page.
fn explained() -> BTreeSet<String> {
    let page = call("GET", format!("{}/problems", Server::shared().url)).send().expect(200);
    let sections = page.text().split("<section id=\"").skip(1);
    sections.filter_map(|section| section.split_once('"')).map(|(slug, _)| slug.to_owned()).collect()
}

#[test]
fn every_documented_problem_can_be_provoked() {
    // The last one takes 10 s and a socket: see `the_server_ends_an_idle_or_crawling_upload`.
    let mut provoked = BTreeSet::from(["internal", "unavailable", "request-timeout"].map(str::to_owned));
    for (slug, status, answer) in of_a_stream().into_iter().chain(of_a_server()) {
        assert_eq!(answer.problem(status), slug);
        let allowed = if slug == "origin-not-allowed" { "" } else { "*" };
        assert_eq!(answer.header("Access-Control-Allow-Origin"), allowed, "{slug}");
        assert_eq!(answer.header("Cache-Control"), "no-store", "{slug}");
        let help = answer.json()["type"].as_str().expect("a URL").to_owned();
        assert!(help.ends_with(&format!("/problems#{slug}")), "{help}");
        if let 429 | 503 = status {
            let wait_s = answer.header("Retry-After").parse::<u32>();
            assert!(wait_s.as_ref().is_ok_and(|wait_s| (1..=600).contains(wait_s)), "{slug}: {wait_s:?}");
        }
        provoked.insert(slug.to_owned());
    }
    assert_eq!(provoked, explained());
}

#[test]
fn a_limit_is_per_stream() {
    let server = narrow_server(("HEARTBEAT_WRITE_LIMIT", "1"));
    let (loud, quiet) = (Stream::on(&server), Stream::on(&server));
    written_until_limited(&loud).problem(429);
    quiet.write(POINT);
    loud.read("/rollup").expect(200);
}

#[test]
fn an_overloaded_request_stores_nothing() {
    let server = narrow_server(("HEARTBEAT_PENDING_KIB", "1"));
    let stream = Stream::on(&server);
    let keyed = |body: &str| stream.call("POST", "/points").header("Idempotency-Key", "k").body(body).send();
    assert_eq!(keyed(&large_point()).problem(503), "overloaded");
    stream.call("GET", "/pixel.gif?n=1").send().expect(200);
    keyed(POINT).expect(202);
    assert_eq!(stream.read("/status").json()["accepted"], 2);
}

#[test]
fn without_an_owner_token_owner_routes_are_off() {
    let server = Server::start_with(State::new(), &[("SIGNING_KEY", "k")]);
    for token in ["", "x", OWNER_TOKEN] {
        for method in ["GET", "POST"] {
            let answer = streams(&server, method).bearer(token).body(r#"{"name":"x"}"#).send();
            assert_eq!(answer.problem(403), "creating-disabled", "{method}");
            assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains("OWNER_TOKEN")));
        }
    }
}

#[test]
fn without_a_signing_key_every_call_is_not_configured() {
    let server = Server::start_with(State::new(), &[("OWNER_TOKEN", OWNER_TOKEN)]);
    let path = format!("{}/v1/streams/{}", server.url, Stream::new().id);
    let create = streams(&server, "POST").bearer(OWNER_TOKEN).body(r#"{"name":"x"}"#);
    let calls = [create, call("POST", format!("{path}/points")).body(POINT), call("GET", format!("{path}/rollup"))];
    for answer in calls.map(Call::send) {
        assert_eq!(answer.problem(503), "not-configured");
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains("SIGNING_KEY")));
    }
}

#[test]
fn a_wrong_method_is_answered_with_the_allowed_ones() {
    let stream = Stream::new();
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    for (path, right) in [
        ("", &["GET", "PATCH", "DELETE"][..]),
        ("/points", &["POST", "DELETE"]),
        ("/read-key", &["POST"]),
        ("/pixel.gif", &["GET"]),
        ("/rollup", &["GET"]),
        ("/labels", &["GET"]),
        ("/labels/country", &["GET"]),
        ("/status", &["GET"]),
    ] {
        for method in methods.into_iter().filter(|method| !right.contains(method)) {
            let answer = stream.owned(method, path).send();
            assert_eq!(answer.problem(405), "method-not-allowed", "{method} {path}");
            let allow: Vec<_> = answer.header("Allow").split(", ").collect();
            assert!(right.iter().all(|right| allow.contains(right)), "{method} {path}: {allow:?}");
            assert!(!allow.contains(&method), "{method} {path}: {allow:?}");
        }
    }
    for method in ["PUT", "PATCH", "DELETE"] {
        let answer = streams(Server::shared(), method).bearer(OWNER_TOKEN).send();
        assert_eq!(answer.problem(405), "method-not-allowed", "{method}");
        assert!(answer.header("Allow").contains("POST"));
    }
}

#[test]
fn an_unknown_api_path_is_not_found() {
    let server = Server::shared();
    let stream = Stream::new();
    for path in ["/v1", "/v1/", "/v1/nothing", "/v1//streams", "/v1/streams/x/y/z", "/v1/index.html"] {
        for method in ["GET", "POST"] {
            let answer = call(method, format!("{}{path}", server.url)).header("Accept", "text/html").send();
            assert_eq!(answer.problem(404), "not-found", "{method} {path}");
            assert_eq!(answer.header("Access-Control-Allow-Origin"), "*");
        }
    }
    call("GET", format!("{}/v1/streams/", server.url)).bearer(OWNER_TOKEN).send().problem(404);
    for path in ["/", "/nothing", "/points/", "/points/x", "/labels/a/b", "/Rollup", "/pixel.png"] {
        assert_eq!(stream.owned("GET", path).send().problem(404), "not-found", "{path}");
    }
}

#[test]
fn validation_errors_name_index_field_and_reason() {
    let answer = Stream::new().post(r#"[{"n":"1"},{"n":1,"value":2}]"#);
    assert_eq!(answer.problem(400), "invalid-points");
    let errors = answer.json()["errors"].as_array().cloned().expect("a list");
    assert_eq!((&errors[0]["index"], &errors[0]["field"]), (&json!(0), &json!("n")));
    assert_eq!((&errors[1]["index"], &errors[1]["field"]), (&json!(1), &json!("value")));
}

#[test]
fn the_detail_of_an_error_names_what_is_wrong() {
    let stream = Stream::new();
    for (query, word) in [
        ("form=-1h", "form"),
        ("from=x", "from"),
        ("to=x", "to"),
        ("step=15s", "step"),
        ("where=x", "where"),
        ("by=a,,b", "by"),
        ("agg=p950", "p950"),
        ("agg=distinct:x", "distinct:x"),
        ("top=0", "top"),
        ("format=xml", "xml"),
    ] {
        let answer = stream.read(&format!("/rollup?{query}"));
        answer.problem(400);
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains(word)), "{}", answer.text());
    }
}
