//! Idempotency: a batch resent under its key gets the first answer and counts once.

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
fn a_retry_gets_the_first_answer_with_its_errors() {
    let stream = Stream::new();
    let body = r#"[{"n":1},{"n":"two"},{"n":3,"x":0},7]"#;
    let first = keyed(&stream, "k", body).expect(202);
    let second = keyed(&stream, "k", body).expect(202);
    assert_eq!(first.text(), second.text());
    assert_eq!(first.json()["errors"].as_array().map(Vec::len), Some(3));
    assert_close(stream.total("sum"), 1.0, "sum");
}

#[test]
fn a_reused_key_with_other_bytes_is_another_batch() {
    let stream = Stream::new();
    let first = keyed(&stream, "7f3a", r#"[{"n":1},{"n":"secret"}]"#).expect(202);
    for _ in 0..2 {
        let other = keyed(&stream, "7f3a", r#"[{"n":100},{"n":200}]"#).expect(202);
        assert_eq!(other.text(), r#"{"accepted":2,"rejected":0,"errors":[]}"#);
        assert_eq!(keyed(&stream, "7f3a", r#"[{"n":1},{"n":"secret"}]"#).expect(202).text(), first.text());
    }
    // The bytes differ even if their meaning is the same.
    keyed(&stream, "7f3a", r#"[{"n":100}, {"n":200}]"#).expect(202);
    assert_close(stream.total("sum"), 601.0, "1 + 300 + 300");
    // A batch that is rejected as a whole gets its own errors.
    assert_eq!(keyed(&stream, "7f3a", r#"{"n":"x"}"#).problem(400), "invalid-points");
}

#[test]
fn a_batch_gzipped_again_is_the_same_batch() {
    let stream = Stream::new();
    for level in [0, 1, 9] {
        let body = crate::gzip::gzip_at(br#"[{"n":5},7]"#, level);
        let call = stream.call("POST", "/points").header("Idempotency-Key", "k").header("Content-Encoding", "gzip");
        assert_eq!(call.body(body).send().expect(202).json()["rejected"], 1);
    }
    assert_eq!(keyed(&stream, "k", r#"[{"n":5},7]"#).expect(202).json()["rejected"], 1);
    assert_close(stream.total("sum"), 5.0, "sum");
}

#[test]
fn every_path_binds_a_key_to_its_content() {
    let stream = Stream::new();
    let statsd = |key: &str, n: u32| {
        stream.call("POST", "/statsd").header("Idempotency-Key", key).body(format!("a:{n}|c")).send().expect(202);
    };
    let form = |n: u32| {
        let call = stream.call("POST", "/points").header("Content-Type", "application/x-www-form-urlencoded");
        call.body(format!("n={n}&batch=form")).send().expect(204);
    };
    let pixel = |n: u32| drop(stream.call("GET", &format!("/pixel.gif?n={n}&batch=pixel")).send().expect(200));
    let time = format!("{}000000000", crate::clock::now_whole_s());
    let otlp = |n: u32| {
        let point = serde_json::json!({"asInt": n, "timeUnixNano": time});
        let gauge = serde_json::json!({"gauge": {"dataPoints": [point]}, "name": "g"});
        let body = serde_json::json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [gauge]}]}]});
        let call = stream.call("POST", "/otlp/v1/metrics").header("Content-Type", "application/json");
        call.header("Idempotency-Key", "otlp").body(body.to_string()).send().expect(200);
    };
    for n in [1, 1, 10, 10, 1] {
        statsd("statsd", n);
        form(n);
        pixel(n);
        otlp(n);
        assert!(in_url(&stream, "url", &format!("{{\"n\":{n}}}")).expect(202).text().contains("\"accepted\":1"));
    }
    assert_close(stream.total("sum"), 55.0, "11 on each of five paths");
}

#[test]
fn two_writers_with_the_same_keys_lose_no_point() {
    const BATCHES: u32 = 60;
    let stream = Stream::new();
    let barrier = Barrier::new(8);
    // Two of the writers send each body, so everything is sent concurrently, joined, gathered and resent.
    let write = |writer: usize| {
        barrier.wait();
        for batch in 0..BATCHES {
            let n = 1 + writer % 4;
            let answer =
                keyed(&stream, &format!("{}", batch / 2), &format!(r#"[{{"n":{n}}},{{"bad{n}":1}}]"#)).expect(202);
            assert!(answer.text().contains(&format!("bad{n}")), "{}", answer.text());
        }
    };
    std::thread::scope(|scope| (0..8).for_each(|writer| drop(scope.spawn(move || write(writer)))));
    assert_close(stream.total("sum"), 10.0 * f64::from(BATCHES) / 2.0, "each body once for each key");
    assert_close(stream.total("count"), 4.0 * f64::from(BATCHES) / 2.0, "count");
}

#[test]
fn a_key_from_8_concurrent_writers_counts_once() {
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
fn a_key_may_be_in_the_url() {
    let stream = Stream::new();
    let first = in_url(&stream, "a%20key", r#"[{"n":1},7]"#).expect(202);
    let second = in_url(&stream, "a%20key", r#"[{"n":1},7]"#).expect(202);
    assert_eq!(first.text(), second.text());
    let in_header = keyed(&stream, "a key", r#"[{"n":1},7]"#).expect(202);
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
fn a_batch_that_stored_nothing_may_be_corrected() {
    let stream = Stream::new();
    assert_eq!(keyed(&stream, "k", r#"{"n":"1"}"#).problem(400), "invalid-points");
    keyed(&stream, "k", r#"{"n":1}"#).expect(202);
    assert_close(stream.total("count"), 1.0, "count");
}

#[test]
fn a_retry_of_expired_points_gets_the_first_answer() {
    let stream = Stream::new();
    // The first writes of a slow machine may be too late themselves.
    let (t, body, first) = [86_397.0, 86_394.0, 86_388.0, 86_370.0]
        .into_iter()
        .find_map(|ago_s| {
            let t = now_s() - ago_s;
            let body = format!(r#"{{"n":1,"t":{t}}}"#);
            let first = keyed(&stream, "k", &body);
            (first.status == 202).then_some((t, body, first))
        })
        .expect("the last one is half a minute early");
    while now_s() - t <= 86_401.0 {
        assert_eq!(keyed(&stream, "k", &body).expect(202).text(), first.text());
    }
    assert_eq!(keyed(&stream, "k", &body).expect(202).text(), first.text());
}
