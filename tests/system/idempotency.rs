//! Idempotency: a batch that is sent again with its key is answered like the first time and counted once.

use std::sync::Barrier;

use crate::clock::now_s;
use crate::http::Answer;
use crate::stream::{Stream, assert_close};

const MAX_KEY_BYTES: usize = 200;

fn keyed(stream: &Stream, key: &str, body: &str) -> Answer {
    stream.call("POST", "/points").header("Idempotency-Key", key).body(body).send()
}

fn in_url(stream: &Stream, key: &str, body: &str) -> Answer {
    stream.call("POST", &format!("/points?batch={key}")).body(body).send()
}

#[test]
fn the_same_key_counts_once() {
    let stream = Stream::new();
    for _ in 0..3 {
        keyed(&stream, "once", r#"{"n":5}"#).expect(202);
    }
    keyed(&stream, "another", r#"{"n":7}"#).expect(202);
    stream.write(r#"{"n":11}"#);
    stream.write(r#"{"n":11}"#);
    assert_close(stream.total("sum"), 34.0, "5 + 7 + 11 + 11");
    assert_close(stream.total("count"), 4.0, "count");
}

#[test]
fn the_second_answer_is_that_of_the_first_with_its_errors() {
    let stream = Stream::new();
    let body = r#"[{"n":1},{"n":"two"},{"n":3,"x":0},7]"#;
    let first = keyed(&stream, "k", body).expect(202);
    let second = keyed(&stream, "k", body).expect(202);
    assert_eq!(first.text(), second.text());
    assert_eq!(first.json()["errors"].as_array().map(Vec::len), Some(3));
    let other_body = keyed(&stream, "k", r#"{"n":100}"#).expect(202);
    assert_eq!(first.text(), other_body.text());
    assert_close(stream.total("sum"), 1.0, "sum");
}

#[test]
fn the_same_key_from_8_writers_at_once_counts_once() {
    let stream = Stream::new();
    let barrier = Barrier::new(8);
    let write = || {
        barrier.wait();
        keyed(&stream, "k", r#"[{"n":1},{"n":null}]"#).expect(202).text().to_owned()
    };
    let answers: Vec<String> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8).map(|_| scope.spawn(write)).collect();
        writers.into_iter().map(|writer| writer.join().expect("is answered")).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_close(stream.total("count"), 1.0, "count");
}

#[test]
fn a_key_may_stand_in_the_url() {
    let stream = Stream::new();
    let first = in_url(&stream, "a%20key", r#"[{"n":1},7]"#).expect(202);
    let second = in_url(&stream, "a%20key", r#"[{"n":1},7]"#).expect(202);
    assert_eq!(first.text(), second.text());
    let in_header = keyed(&stream, "a key", r#"{"n":1}"#).expect(202);
    assert_eq!(first.text(), in_header.text(), "the same key in the header");
    assert_close(stream.total("count"), 1.0, "count");
}

#[test]
fn a_pixel_has_a_key_too() {
    let stream = Stream::new();
    for _ in 0..2 {
        stream.call("GET", "/pixel.gif?n=1&batch=mail-7").send().expect(200);
    }
    assert_close(stream.total("count"), 1.0, "count");
}

#[test]
fn each_stream_has_its_own_keys() {
    let (one, two) = (Stream::new(), Stream::new());
    keyed(&one, "k", r#"{"n":1}"#).expect(202);
    keyed(&two, "k", r#"[{"n":2},{"n":3}]"#).expect(202);
    assert_close(one.total("sum"), 1.0, "one");
    assert_close(two.total("sum"), 5.0, "two");
}

#[test]
fn a_key_has_1_to_200_bytes() {
    let stream = Stream::new();
    let (longest, too_long) = ("k".repeat(MAX_KEY_BYTES), "k".repeat(MAX_KEY_BYTES + 1));
    for key in ["k", &longest] {
        keyed(&stream, key, r#"{"n":1}"#).expect(202);
        in_url(&stream, key, r#"{"n":1}"#).expect(202);
    }
    for key in ["", &too_long] {
        assert_eq!(keyed(&stream, key, r#"{"n":1}"#).problem(400), "invalid-request", "{key:?}");
        assert_eq!(in_url(&stream, key, r#"{"n":1}"#).problem(400), "invalid-request", "{key:?}");
    }
    assert_eq!(in_url(&stream, &"%C3%A9".repeat(MAX_KEY_BYTES / 2 + 1), r#"{"n":1}"#).problem(400), "invalid-request");
    assert_close(stream.total("count"), 2.0, "the header's and the URL's key are the same");
}

#[test]
fn a_batch_of_which_nothing_was_stored_may_be_corrected() {
    let stream = Stream::new();
    assert_eq!(keyed(&stream, "k", r#"{"n":"1"}"#).problem(400), "invalid-points");
    keyed(&stream, "k", r#"{"n":1}"#).expect(202);
    assert_close(stream.total("count"), 1.0, "count");
}

#[test]
fn a_retry_is_answered_like_the_first_time_also_when_its_points_have_become_too_old() {
    let stream = Stream::new();
    let t = now_s() - 86_397.0;
    let body = format!(r#"{{"n":1,"t":{t}}}"#);
    let first = keyed(&stream, "k", &body).expect(202);
    while now_s() - t <= 86_401.0 {
        assert_eq!(keyed(&stream, "k", &body).expect(202).text(), first.text());
    }
    assert_eq!(keyed(&stream, "k", &body).expect(202).text(), first.text());
}
