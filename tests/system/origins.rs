//! CORS: which pages may write, and who may read the answers.

use serde_json::json;

use crate::gzip::gzip;
use crate::http::{Answer, call};
use crate::server::Server;
use crate::stream::Stream;

const OURS: &str = "https://shop.example";
const THEIRS: &str = "https://evil.example";
const POINT: &str = r#"{"n":1}"#;

fn listed() -> Stream {
    Stream::create(Server::shared(), json!({"name": "test", "origins": [OURS, "http://localhost:3000"]}))
}

fn write_from(stream: &Stream, origin: &str) -> Answer {
    stream.call("POST", "/points").header("Origin", origin).body(POINT).send()
}

fn preflight(stream: &Stream, path: &str, origin: &str) -> Answer {
    let call = stream.call("OPTIONS", path).header("Origin", origin);
    call.header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type,idempotency-key")
        .send()
}

/// The origins that browsers allow to read an answer.
fn allowed(answer: &Answer) -> &str {
    answer.header("Access-Control-Allow-Origin")
}

fn lists(answer: &Answer, header: &str, wanted: &str) -> bool {
    answer.header(header).split(',').any(|item| item.trim().eq_ignore_ascii_case(wanted))
}

#[test]
fn a_preflight_is_answered_for_two_hours() {
    let stream = Stream::new();
    let answer = preflight(&stream, "/points", THEIRS).expect(204);
    assert!(answer.body.is_empty());
    assert_eq!((allowed(&answer), answer.header("Access-Control-Max-Age")), ("*", "7200"));
    assert!(lists(&answer, "Access-Control-Allow-Methods", "POST"));
    for header in ["Content-Type", "Content-Encoding", "Idempotency-Key"] {
        assert!(lists(&answer, "Access-Control-Allow-Headers", header), "{header}");
    }
}

#[test]
fn reads_answer_preflights_too() {
    let stream = Stream::new();
    for path in ["/rollup", "/labels", "/labels/country", "/status", "", "/read-key", "/pixel.gif"] {
        let answer = preflight(&stream, path, THEIRS).expect(204);
        assert_eq!((allowed(&answer), answer.header("Access-Control-Max-Age")), ("*", "7200"), "{path}");
        assert!(lists(&answer, "Access-Control-Allow-Headers", "Authorization"), "{path}");
    }
    let streams = call("OPTIONS", format!("{}/v1/streams", stream.url)).header("Origin", THEIRS).send().expect(204);
    assert!(lists(&streams, "Access-Control-Allow-Methods", "POST"));
}

/// The paths with a preflight, each with the method that needs one.
fn preflighted(stream: &Stream) -> Vec<(&'static str, String)> {
    let own = format!("{}/v1/streams/{}", stream.url, stream.id);
    let posts = ["/points", "/statsd", "/otlp/v1/metrics", "/read-key", "/graphite/render", "/prometheus/api/v1/query"];
    let gets = ["/rollup", "/labels", "/status", "/live", "/deltas", "/metrics", "/pixel.gif"];
    let paths = posts.map(|path| ("POST", path)).into_iter().chain(gets.map(|path| ("GET", path)));
    let mut all: Vec<_> = paths.map(|(method, path)| (method, format!("{own}{path}"))).collect();
    all.push(("POST", format!("{}/stream/0/channels/{}/messages", stream.url, stream.id)));
    all.push(("PATCH", own));
    all
}

#[test]
fn every_header_that_a_page_adds_is_allowed() {
    let stream = Stream::new();
    for (method, url) in preflighted(&stream) {
        for asked in [
            "traceparent",
            "content-type,traceparent,tracestate",
            "baggage, sentry-trace",
            "x-datadog-origin,x-datadog-parent-id,x-datadog-sampling-priority,x-datadog-trace-id",
            "b3",
            "newrelic,x-b3-traceid",
            "elastic-apm-traceparent",
        ] {
            let call = call("OPTIONS", &url).header("Origin", THEIRS).header("Access-Control-Request-Method", method);
            let answer = call.header("Access-Control-Request-Headers", asked).send().expect(204);
            for header in asked.split(',').map(str::trim) {
                assert!(lists(&answer, "Access-Control-Allow-Headers", header), "{url}: {:?}", answer.headers);
            }
            assert!(lists(&answer, "Access-Control-Allow-Headers", "Authorization"), "{url}");
            assert!(lists(&answer, "Access-Control-Allow-Headers", "Content-Type"), "{url}");
            assert!(lists(&answer, "Vary", "Access-Control-Request-Headers"), "{url}: {:?}", answer.headers);
        }
    }
}

#[test]
fn only_names_of_headers_are_echoed() {
    let stream = Stream::new();
    let plain = preflight(&stream, "/points", THEIRS).header("Access-Control-Allow-Headers").to_owned();
    for asked in ["*", "a b", "traceparent;x=1", "<script>", "\"x\"", "x: y", "(x)", &"x".repeat(1_025)] {
        let call = stream.call("OPTIONS", "/points").header("Origin", THEIRS);
        let answer = call.header("Access-Control-Request-Headers", asked).send().expect(204);
        assert_eq!(answer.header("Access-Control-Allow-Headers"), plain, "{asked}");
    }
}

#[test]
fn added_headers_do_not_let_an_unlisted_origin_in() {
    let stream = listed();
    let ask = |origin: &str| {
        let call = stream.call("OPTIONS", "/points").header("Origin", origin);
        call.header("Access-Control-Request-Headers", "traceparent").send()
    };
    let ours = ask(OURS).expect(204);
    assert_eq!(allowed(&ours), OURS);
    assert!(lists(&ours, "Access-Control-Allow-Headers", "traceparent"));
    assert!(lists(&ours, "Vary", "Origin") && lists(&ours, "Vary", "Access-Control-Request-Headers"));
    let theirs = ask(THEIRS);
    assert_eq!((theirs.problem(403), allowed(&theirs)), ("origin-not-allowed".to_owned(), ""));
    assert_eq!(theirs.header("Access-Control-Allow-Headers"), "");
}

#[test]
fn a_page_may_write_to_a_server_in_a_private_network() {
    let stream = listed();
    let ask = |origin: &str, asked: &str| {
        let call = stream.call("OPTIONS", "/points").header("Origin", origin);
        let answer = call.header("Access-Control-Request-Private-Network", asked).send();
        answer.header("Access-Control-Allow-Private-Network").to_owned()
    };
    assert_eq!(
        (ask(OURS, "true"), ask(OURS, "false"), ask(THEIRS, "true")),
        ("true".into(), String::new(), String::new())
    );
}

#[test]
fn without_an_allow_list_every_page_may_write() {
    let stream = Stream::new();
    for origin in [OURS, THEIRS, "null", "http://localhost:8080", "capacitor://localhost"] {
        assert_eq!(allowed(&write_from(&stream, origin).expect(202)), "*", "{origin}");
    }
    assert_eq!(allowed(&stream.post(POINT).expect(202)), "*");
}

#[test]
fn a_simple_request_of_a_page_needs_no_preflight() {
    let stream = Stream::new();
    let call = stream.call("POST", "/points").header("Origin", OURS).header("Content-Type", "text/plain;charset=UTF-8");
    assert_eq!(allowed(&call.body(POINT).send().expect(202)), "*");
}

#[test]
fn an_origin_on_the_list_is_echoed() {
    let stream = listed();
    for origin in [OURS, "http://localhost:3000"] {
        for answer in [write_from(&stream, origin).expect(202), preflight(&stream, "/points", origin).expect(204)] {
            assert_eq!(allowed(&answer), origin);
            assert!(lists(&answer, "Vary", "Origin"), "{:?}", answer.headers);
        }
    }
}

#[test]
fn an_unlisted_origin_is_refused_and_cannot_read_the_answer() {
    let stream = listed();
    for origin in [THEIRS, "null", "http://shop.example", "https://shop.example:8443", "https://a.shop.example"] {
        let pixel = stream.call("GET", "/pixel.gif?n=1").header("Origin", origin).send();
        for answer in [write_from(&stream, origin), preflight(&stream, "/points", origin), pixel] {
            assert_eq!(answer.problem(403), "origin-not-allowed", "{origin}");
            assert_eq!(allowed(&answer), "", "{origin}");
            assert!(lists(&answer, "Vary", "Origin"), "{:?}", answer.headers);
        }
    }
    assert_eq!(stream.read("/status").json()["accepted"], 0);
}

#[test]
fn a_client_without_an_origin_is_not_a_page_and_may_write() {
    let stream = listed();
    stream.post(POINT).expect(202);
    stream.call("GET", "/pixel.gif?n=1").send().expect(200);
}

#[test]
fn only_a_listed_origin_can_read_errors() {
    let stream = listed();
    let send = |origin: &str, encoding: &str, body: &[u8]| {
        let call = stream.call("POST", "/points").header("Origin", origin).header("Content-Encoding", encoding);
        call.body(body).send()
    };
    for (encoding, body, status) in [
        ("identity", br#"{"n":"1"}"#.to_vec(), 400),
        ("gzip", b"no gzip".to_vec(), 400),
        ("gzip", gzip(&vec![b' '; (1 << 20) + 1]), 413),
        ("identity", b"n=1".to_vec(), 415),
    ] {
        let to_ours = send(OURS, encoding, &body);
        to_ours.problem(status);
        assert_eq!(allowed(&to_ours), OURS, "{status}");
        assert_ne!(allowed(&send(THEIRS, encoding, &body)), "*", "{status}");
        assert_eq!(allowed(&send(THEIRS, encoding, &body)), "", "{status}");
    }
}

#[test]
fn a_changed_list_takes_effect() {
    let stream = Stream::new();
    write_from(&stream, THEIRS).expect(202);
    let patch = |origins: &[&str]| {
        stream.owned("PATCH", "").body(json!({"origins": origins}).to_string()).send().expect(200);
    };
    patch(&[OURS]);
    write_from(&stream, THEIRS).problem(403);
    assert_eq!(allowed(&write_from(&stream, OURS).expect(202)), OURS);
    patch(&[THEIRS]);
    assert_eq!(allowed(&write_from(&stream, THEIRS).expect(202)), THEIRS);
    write_from(&stream, OURS).problem(403);
    patch(&[]);
    assert_eq!(allowed(&write_from(&stream, OURS).expect(202)), "*");
}
