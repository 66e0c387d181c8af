//! Writing: the forms of a body, its limits, and what becomes of each point.

use serde_json::{Value, json};

use crate::gzip::gzip;
use crate::http::Answer;
use crate::stream::{Stream, assert_close};

const MAX_BODY_BYTES: usize = 1 << 20;
const MAX_POINTS: usize = 10_000;

/// One good point in a body of exactly this many bytes.
fn padded(bytes: usize) -> String {
    let point = r#"{"n":1}"#;
    format!("{point}{}", " ".repeat(bytes - point.len()))
}

/// That many good points as an array.
fn array(points: usize) -> String {
    format!("[{}]", vec![r#"{"n":1}"#; points].join(","))
}

/// That many good points as NDJSON.
fn lines(points: usize) -> String {
    "{\"n\":1}\n".repeat(points)
}

fn typed(stream: &Stream, media_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    stream.call("POST", "/points").header("Content-Type", media_type).body(body).send()
}

fn packed(stream: &Stream, body: &[u8]) -> Answer {
    stream.call("POST", "/points").header("Content-Encoding", "gzip").body(gzip(body)).send()
}

#[track_caller]
fn assert_accepted(answer: Answer, points: usize) {
    assert_eq!(answer.header("Content-Type"), "application/json");
    assert_eq!(answer.expect(202).json(), json!({"accepted": points, "rejected": 0, "errors": []}));
}

/// The number of points of the stream, according to its status.
fn accepted_in_all(stream: &Stream) -> Value {
    stream.read("/status").expect(200).json()["accepted"].clone()
}

#[test]
fn the_rollup_reads_what_the_example_curl_command_wrote() {
    let stream = Stream::new();
    let body = r#"{"n":1234,"d":3,"p":10,"v":{"country":"US"}}"#;
    assert_accepted(typed(&stream, "application/x-www-form-urlencoded", body), 1);
    let rollup = stream.rollup("from=-2m&step=10m&by=country&agg=sum,ratio,count");
    let series = rollup["series"].as_array().expect("a list");
    assert_eq!(series.len(), 1, "{rollup}");
    assert_eq!(series[0]["labels"], json!({"country": "US"}));
    let numbers = |name: &str| -> Vec<f64> {
        series[0][name].as_array().expect("a list").iter().filter_map(Value::as_f64).collect()
    };
    assert_close(numbers("sum").iter().sum(), 1234.0, "sum");
    assert_close(numbers("ratio")[0], 1234.0 / 3.0, "ratio");
    assert_close(numbers("count").iter().sum(), 1.0, "count");
}

#[test]
fn a_body_is_a_point_or_an_array_or_lines() {
    let stream = Stream::new();
    for (media_type, body, points) in [
        ("application/json", r#"{"n":1}"#, 1),
        ("application/json", " \r\n\t{\"n\":1}\n", 1),
        ("application/json", "{\n  \"n\": 1\n}", 1),
        ("application/json", r#"[{"n":1}]"#, 1),
        ("application/json; charset=utf-8", r#"[{"n":1},{"n":2}]"#, 2),
        ("Application/JSON", "[\n{\"n\":1},\n{\"n\":2}\n]\n", 2),
        ("application/x-ndjson", r#"{"n":1}"#, 1),
        ("application/x-ndjson", "{\"n\":1}\n{\"n\":2}", 2),
        ("application/x-ndjson", "{\"n\":1}\r\n\r\n\n{\"n\":2}\n\n", 2),
        ("text/plain", r#"{"n":1}"#, 1),
        ("text/plain;charset=UTF-8", r#"[{"n":1},{"n":2}]"#, 2),
        ("text/plain", "{\"n\":1}\n{\"n\":2}\n", 2),
    ] {
        assert_accepted(typed(&stream, media_type, body), points);
    }
}

#[test]
fn the_body_decides_when_the_type_does_not() {
    let stream = Stream::new();
    for media_type in ["application/x-www-form-urlencoded", "application/octet-stream", "multipart/form-data", "x"] {
        assert_accepted(typed(&stream, media_type, r#"{"n":1}"#), 1);
        assert_accepted(typed(&stream, media_type, array(2)), 2);
        assert_accepted(typed(&stream, media_type, lines(3)), 3);
    }
    assert_accepted(stream.post(r#"{"n":1}"#), 1);
}

#[test]
fn a_type_and_body_that_are_not_json_are_unsupported() {
    let stream = Stream::new();
    for (media_type, body) in [
        ("multipart/form-data; boundary=x", "--x\r\n"),
        ("image/png", "\u{89}PNG"),
        ("application/xml", "<n>1</n>"),
        ("text/csv", "n\n1\n"),
    ] {
        assert_eq!(typed(&stream, media_type, body).problem(415), "unsupported-media-type", "{media_type}");
    }
}

#[test]
fn a_body_has_at_most_1_mib() {
    let stream = Stream::new();
    assert_accepted(stream.post(padded(MAX_BODY_BYTES)), 1);
    assert_eq!(stream.post(padded(MAX_BODY_BYTES + 1)).problem(413), "too-large");
    assert_eq!(accepted_in_all(&stream), 1);
}

#[test]
fn a_client_that_sends_first_still_learns_it_sent_too_much() {
    let stream = Stream::new();
    assert_eq!(stream.post(padded(4 * MAX_BODY_BYTES)).problem(413), "too-large");
}

#[test]
fn a_body_without_a_length_has_at_most_1_mib() {
    let stream = Stream::new();
    let chunked = |bytes: usize| stream.call("POST", "/points").body(padded(bytes)).send_chunked();
    assert_accepted(chunked(10), 1);
    assert_accepted(chunked(MAX_BODY_BYTES), 1);
    assert_eq!(chunked(MAX_BODY_BYTES + 1).problem(413), "too-large");
    assert_eq!(accepted_in_all(&stream), 2);
}

#[test]
fn a_gzipped_body_has_at_most_1_mib_once_unpacked() {
    let stream = Stream::new();
    assert_accepted(packed(&stream, padded(MAX_BODY_BYTES).as_bytes()), 1);
    assert_eq!(packed(&stream, padded(MAX_BODY_BYTES + 1).as_bytes()).problem(413), "too-large");
    let chunked = stream.call("POST", "/points").header("Content-Encoding", "gzip");
    assert_accepted(chunked.body(gzip(padded(MAX_BODY_BYTES).as_bytes())).send_chunked(), 1);
    assert_eq!(accepted_in_all(&stream), 2);
}

#[test]
fn every_form_of_body_may_be_gzipped() {
    let stream = Stream::new();
    assert_accepted(packed(&stream, array(2).as_bytes()), 2);
    assert_accepted(packed(&stream, lines(3).as_bytes()), 3);
    for (encoding, media_type) in [("gzip", "application/x-ndjson"), ("x-gzip", "text/plain"), ("GZIP", "text/plain")] {
        let call = stream.call("POST", "/points").header("Content-Encoding", encoding);
        assert_accepted(call.header("Content-Type", media_type).body(gzip(lines(2).as_bytes())).send(), 2);
    }
    let identity = stream.call("POST", "/points").header("Content-Encoding", "identity");
    assert_accepted(identity.body(r#"{"n":1}"#).send(), 1);
}

#[test]
fn other_encodings_are_unsupported() {
    let stream = Stream::new();
    for encoding in ["deflate", "br", "zstd", "gzip, gzip", "rot13"] {
        let call = stream.call("POST", "/points").header("Content-Encoding", encoding).body(gzip(br#"{"n":1}"#));
        assert_eq!(call.send().problem(415), "unsupported-media-type", "{encoding}");
    }
}

#[test]
fn a_request_has_at_most_10_000_points() {
    let stream = Stream::new();
    assert_accepted(stream.post(array(MAX_POINTS)), MAX_POINTS);
    assert_accepted(stream.post(lines(MAX_POINTS)), MAX_POINTS);
    for body in [array(MAX_POINTS + 1), lines(MAX_POINTS + 1)] {
        assert_eq!(stream.post(body).problem(413), "too-large");
    }
    assert_eq!(accepted_in_all(&stream), 2 * MAX_POINTS);
}

#[test]
fn bad_points_count_towards_the_10_000() {
    let stream = Stream::new();
    let bad = |points: usize| format!("[{}]", vec!["7"; points].join(","));
    assert_eq!(stream.refused(bad(MAX_POINTS)).len(), 20);
    assert_eq!(stream.post(bad(MAX_POINTS + 1)).problem(413), "too-large");
}

#[test]
fn good_points_are_kept_when_others_are_bad() {
    let stream = Stream::new();
    let mut points = vec![json!({"n": 1}); 10];
    points[3] = json!({"n": "1"});
    let answer = stream.write(Value::from(points).to_string());
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(9), &json!(1)));
    let errors = answer["errors"].as_array().expect("a list");
    assert_eq!(errors.len(), 1);
    assert_eq!((&errors[0]["index"], &errors[0]["field"]), (&json!(3), &json!("n")));
    assert!(errors[0]["message"].as_str().is_some_and(|message| !message.is_empty()));
    assert_close(stream.total("count"), 9.0, "count");
}

#[test]
fn a_bad_line_is_rejected_alone() {
    let stream = Stream::new();
    let body = "{\"n\":1}\n{\"n\":\nnonsense\n{\"n\":2}\n{\"n\":1,\"x\":1}";
    let answer = typed(&stream, "application/x-ndjson", body).expect(202).json();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(3)));
    let indices: Vec<_> = answer["errors"].as_array().expect("a list").iter().map(|error| &error["index"]).collect();
    assert_eq!(indices, [1, 2, 4]);
}

#[test]
fn at_most_20_errors_are_listed() {
    let stream = Stream::new();
    for (bad, listed) in [(20, 20), (21, 20), (500, 20)] {
        let points = format!("[{}{{\"n\":1}}]", "{\"n\":true},".repeat(bad));
        let answer = stream.write(points);
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &json!(bad)));
        let errors = answer["errors"].as_array().expect("a list");
        assert_eq!((errors.len(), &errors[listed - 1]["index"]), (listed, &json!(listed - 1)));
        let all_bad = format!("[{}7]", "{\"n\":true},".repeat(bad - 1));
        assert_eq!(stream.refused(all_bad).len(), listed);
    }
}

#[test]
fn a_body_without_a_valid_point_is_refused() {
    let stream = Stream::new();
    assert_eq!(stream.refused(r#"[{"n":null},7]"#).len(), 2);
    for (media_type, body) in
        [("application/json", "[]"), ("application/json", ""), ("application/x-ndjson", "\n\n"), ("text/plain", " ")]
    {
        assert_eq!(typed(&stream, media_type, body).problem(400), "invalid-points", "{media_type} {body:?}");
    }
    assert_eq!(accepted_in_all(&stream), 0);
}

#[test]
fn a_pixel_writes_a_point_with_labels() {
    let stream = Stream::new();
    let answer = stream.call("GET", "/pixel.gif?n=6&d=4&p=10&v.country=US&v.page=%2Fa%20b%2Bc").send().expect(200);
    assert_eq!((answer.header("Content-Type"), answer.header("Cache-Control")), ("image/gif", "no-store"));
    assert!(answer.body.starts_with(b"GIF89a\x01\0\x01\0") && answer.body.ends_with(b";"), "{:?}", answer.body);
    let rollup = stream.rollup("from=-2m&step=1h&by=*&agg=ratio,count");
    assert_eq!(rollup["series"][0]["labels"], json!({"country": "US", "page": "/a b+c"}));
    assert_close(stream.total("sum"), 6.0, "sum");
    assert_close(stream.total("count"), 1.0, "count");
}

#[test]
fn a_pixel_obeys_the_rules_of_a_point() {
    let stream = Stream::new();
    let (key, value) = ("k".repeat(64), "x".repeat(256));
    stream.call("GET", &format!("/pixel.gif?n=-1.5e3&v.{key}={value}")).send().expect(200);
    for (query, field) in [
        ("", "n"),
        ("d=1", "n"),
        ("n=", "n"),
        ("n=x", "n"),
        ("n=NaN", "n"),
        ("n=1e999", "n"),
        ("n=1&n=2", "n"),
        ("n=1&d=-1", "d"),
        ("n=1&p=0", "p"),
        ("n=1&p=86401", "p"),
        ("n=1&t=1", "t"),
        ("n=1&value=2", "value"),
        ("n=1&country=US", "country"),
        ("n=1&v.=x", "v"),
        ("n=1&v.a=1&v.a=2", "v"),
        ("n=1&v.a=%00", "v"),
        (&format!("n=1&v.{key}k=x"), "v"),
        (&format!("n=1&v.k={value}x"), "v"),
    ] {
        let answer = stream.call("GET", &format!("/pixel.gif?{query}")).send();
        assert_eq!(answer.problem(400), "invalid-points", "{query}");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{query}");
    }
    assert_eq!(accepted_in_all(&stream), 1);
}
