//! Writing from pages without JavaScript: forms.

use serde_json::json;

use crate::gzip::gzip;
use crate::http::{Answer, Call};
use crate::server::Server;
use crate::stream::{Stream, added, assert_close};

fn form(stream: &Stream, path: &str) -> Call {
    stream.call("POST", path).header("Content-Type", "application/x-www-form-urlencoded")
}

fn submit(stream: &Stream, fields: &str) -> Answer {
    form(stream, "/points").body(fields).send()
}

#[test]
fn a_form_writes_a_point_and_the_page_stays() {
    let stream = Stream::new();
    let answer = submit(&stream, "n=6&d=4&p=10&t=&v.country=US&v.page=%2Fa+b%2Bc&v.comment=").expect(204);
    assert_eq!((answer.body.len(), answer.header("Access-Control-Allow-Origin")), (0, "*"));
    let rollup = stream.rollup("from=-2m&step=1h&by=*&agg=ratio,count");
    assert_eq!(rollup["series"][0]["labels"], json!({"country": "US", "page": "/a b+c"}));
    assert_close(stream.total("sum"), 6.0, "sum");
    assert_close(stream.total("count"), 1.0, "count");
}

#[test]
fn a_send_beacon_body_is_a_form_too() {
    let stream = Stream::new();
    let media_type = "application/x-www-form-urlencoded;charset=UTF-8";
    let beacon = |body: Vec<u8>| stream.call("POST", "/points").header("Content-Type", media_type).body(body);
    beacon(b"n=1&v.event=leave".to_vec()).send().expect(204);
    beacon(gzip(b"n=2&v.event=leave")).header("Content-Encoding", "gzip").send().expect(204);
    assert_close(stream.total("sum"), 3.0, "sum");
}

#[test]
fn json_labelled_as_a_form_by_curl_stays_json() {
    let stream = Stream::new();
    assert_eq!(submit(&stream, r#" [{"n":1},{"n":2}]"#).expect(202).json()["accepted"], 2);
}

#[test]
fn a_form_obeys_the_rules_of_a_point() {
    let stream = Stream::new();
    for (fields, field) in [
        ("", "n"),
        ("n=", "n"),
        ("n=x", "n"),
        ("n=1&n=2", "n"),
        ("n=1&d=-1", "d"),
        ("n=1&p=0", "p"),
        ("n=1&t=1", "t"),
        ("n=1&country=US", "country"),
        ("n=1&v.a=1&v.a=2", "v"),
        ("n=1&v.a=%00", "v"),
        ("hello", "hello"),
    ] {
        let answer = submit(&stream, fields);
        assert_eq!(answer.problem(400), "invalid-points", "{fields}");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{fields}");
    }
    assert_eq!(submit(&stream, &format!("n=1&v.a={}", "a".repeat(64 << 10))).problem(413), "too-large");
    assert_eq!(stream.read("/status").json()["accepted"], 0);
}

#[test]
fn a_form_sent_twice_with_its_batch_counts_once() {
    let stream = Stream::new();
    for (path, fields) in
        [("/points", "n=1&batch=one"), ("/points?batch=two", "n=1"), ("/points?batch=three", "n=1&batch=x")]
    {
        for _ in 0..2 {
            form(&stream, path).body(fields).send().expect(204);
        }
    }
    submit(&stream, "n=1&batch=x").expect(204);
    assert_close(stream.total("sum"), 4.0, "each once");
    assert_eq!(submit(&stream, "n=1&batch=").problem(400), "invalid-request");
}

#[test]
fn a_form_redirects_only_to_its_own_site() {
    let stream = Stream::create(Server::shared(), json!({"name": "test", "origins": ["https://shop.example"]}));
    let from = |origin: &str, fields: &str| form(&stream, "/points").header("Origin", origin).body(fields).send();
    let answer = from("https://shop.example", "n=1&then=%2Fthanks%3Fvote%3D1").expect(303);
    assert_eq!(answer.header("Location"), "https://shop.example/thanks?vote=1");
    for elsewhere in [
        "https%3A%2F%2Fevil.example%2F",
        "%40evil.example",
        ".evil.example",
        "javascript%3Aalert(1)",
        "%2Fa%0D%0AX%3A+b",
    ] {
        let answer = from("https://shop.example", &format!("n=1&then={elsewhere}"));
        assert_eq!((answer.problem(400).as_str(), answer.header("Location")), ("invalid-request", ""), "{elsewhere}");
    }
    let answer = from("https://evil.example", "n=1&then=%2Fthanks");
    assert_eq!((answer.problem(403).as_str(), answer.header("Location")), ("origin-not-allowed", ""));
    assert_eq!(submit(&stream, "n=1&then=%2Fthanks").expect(204).header("Location"), "");
    let open = Stream::new();
    let answer = form(&open, "/points").header("Origin", "null").body("n=1&then=%2Fthanks").send().expect(204);
    assert_eq!(answer.header("Location"), "");
    assert_close(stream.total("sum"), 2.0, "refused points are not stored");
}

#[test]
fn every_vote_of_a_poll_counts() {
    let stream = Stream::new();
    for answer in ["yes", "no", "yes"] {
        submit(&stream, &format!("n=1&v.answer={answer}")).expect(204);
    }
    let rollup = stream.rollup("from=-2h&step=1d&by=answer");
    let votes: Vec<_> = rollup["series"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|series| (&series["labels"]["answer"], added(&series["sum"])))
        .collect();
    assert_eq!(votes, [(&json!("yes"), 2.0), (&json!("no"), 1.0)]);
}
