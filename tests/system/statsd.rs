//! statsd lines over HTTP: what becomes of each, and that every rule of points holds for them.

use serde_json::{Value, json};

use crate::gzip::gzip;
use crate::http::Answer;
use crate::server::Server;
use crate::stream::{Stream, added, assert_close};

fn send(stream: &Stream, lines: impl Into<Vec<u8>>) -> Answer {
    stream.call("POST", "/statsd").body(lines).send()
}

#[track_caller]
fn assert_accepted(answer: Answer, points: usize) {
    assert_eq!(answer.expect(202).json(), json!({"accepted": points, "rejected": 0, "errors": []}));
}

/// An aggregate of the series that a matcher selects, over all steps.
fn total(stream: &Stream, matcher: &str, aggregate: &str) -> f64 {
    let rollup = stream.rollup(&format!("from=-2h&step=1d&where={matcher}&agg={aggregate}"));
    rollup["series"].as_array().expect("a list").iter().map(|series| added(&series[aggregate])).sum()
}

#[test]
fn each_statsd_type_counts_what_it_means() {
    let stream = Stream::create(Server::shared(), json!({"name": "test", "distinct": ["member"]}));
    let lines = "hits:2|c\nhits:1|c|@0.1\ntook:100|ms\ntook:300|ms|@0.5\nsize:10:20:60|h\ndepth:7|g\ndepth:-3|g\nload:+2|g\n\
                 load:-5|g\nusers:ann|s\nusers:bob|s\nusers:ann|s\n";
    assert_accepted(send(&stream, lines), 14);
    assert_close(total(&stream, "metric%3Dhits", "sum"), 12.0, "the counted points");
    assert_close(total(&stream, "metric%3Dhits", "ratio"), 12.0 / 11.0, "the mean increment");
    assert_close(total(&stream, "metric%3Dtook", "ratio"), 700.0 / 3.0, "the mean of all that were timed");
    assert_close(total(&stream, "metric%3Dsize", "ratio"), 30.0, "the mean");
    assert_close(total(&stream, "metric%3Dsize", "max"), 60.0, "the largest");
    assert!((total(&stream, "metric%3Dsize", "p50") - 20.0).abs() <= 0.2, "the median within 1 %");
    assert_close(total(&stream, "metric%3Ddepth", "max"), 7.0, "the gauge as it was set");
    assert_close(total(&stream, "metric%3Ddepth", "min"), 4.0, "the gauge as it was changed");
    assert_close(total(&stream, "type%3Dgauge_delta", "sum"), -3.0, "changes of a gauge that nobody set");
    assert_close(total(&stream, "metric%3Dusers", "distinct:member"), 2.0, "different members");
    assert_close(total(&stream, "type%3Dset", "count"), 3.0, "members");
}

#[test]
fn tags_are_labels_to_group_by() {
    let stream = Stream::new();
    assert_accepted(send(&stream, "hits;site=a:1|c\nhits,site=b:2|c\nhits:4|c|#site:c,beta,type:x\n"), 3);
    let rollup = stream.rollup("from=-2h&step=1d&by=*");
    let mut seen: Vec<(Value, f64)> = rollup["series"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|series| (series["labels"].clone(), added(&series["sum"])))
        .collect();
    seen.sort_by(|one, other| one.1.total_cmp(&other.1));
    let labels = |site: &str| json!({"metric": "hits", "type": "counter", "site": site});
    let mut tagged = labels("c");
    (tagged["beta"], tagged["tag_type"]) = ("true".into(), "x".into());
    assert_eq!(seen, [(labels("a"), 1.0), (labels("b"), 2.0), (tagged, 4.0)]);
}

#[test]
fn bad_lines_are_named_by_number_and_good_ones_kept() {
    let stream = Stream::new();
    let answer = send(&stream, "a:1|c\n\nb:x|c\n_sc|db|0\na:2|c\r\na:1:y:3|ms\na:1|c|@7\na:1|c|T1\na:4|c");
    assert_eq!(answer.header("Content-Type"), "application/json");
    let answer = answer.expect(202).json();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(3), &json!(5)));
    let errors: Vec<_> = answer["errors"].as_array().expect("a list").iter().collect();
    let places: Vec<_> = errors.iter().map(|error| (error["index"].as_u64(), error["field"].as_str())).collect();
    assert_eq!(
        places,
        [(Some(2), Some("n")), (Some(3), None), (Some(5), Some("n")), (Some(6), Some("d")), (Some(7), Some("t"))]
    );
    assert_eq!(errors[0]["message"], "a value must be a number, not \"x\"");
    assert_close(stream.total("sum"), 7.0, "sum");
    let rejected = stream.read("/status").json()["rejected"].clone();
    assert_eq!(
        (&rejected["n"], &rejected["syntax"], &rejected["d"], &rejected["t"]),
        (&json!(2), &json!(1), &json!(1), &json!(1))
    );
}

#[test]
fn a_line_with_colons_in_its_name_counts_under_no_name() {
    let stream = Stream::new();
    let lines = "jobs.A::Mail.perform:23|ms\nweb:8080:up|c\nnet.fe80::1:5|c\nA::B:1|c:2|c\na:1:2:x|c\ngood:1|c";
    let answer = send(&stream, lines).expect(202).json();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &json!(5)));
    let rollup = stream.rollup("from=-2h&step=1d&by=metric&agg=count");
    assert_eq!(rollup["series"].as_array().map(Vec::len), Some(1), "{rollup}");
    assert_eq!(rollup["series"][0]["labels"]["metric"], "good");
}

#[test]
fn a_line_with_several_values_is_several_points() {
    let stream = Stream::new();
    assert_accepted(send(&stream, "a:5664|ms:6176|ms\nb:1|c:2|c|@0.1:3|g|#k:v:w"), 5);
    assert_close(total(&stream, "metric%3Da", "sum"), 11_840.0, "both values");
    assert_close(total(&stream, "metric%3Da", "count"), 2.0, "each a point");
    assert_close(total(&stream, "type%3Dcounter&where=k%3Dv%3Aw", "sum"), 21.0, "each by its own rate");
    assert_close(total(&stream, "type%3Dgauge&where=k%3Dv%3Aw", "max"), 3.0, "of its own type");
}

#[test]
fn a_signed_gauge_is_changed_or_set_as_the_writer_asks() {
    let stream = Stream::new();
    let thrice = |room: &str| format!("temp:0|g|#room:{room}\n{}", format!("temp:-3|g|#room:{room}\n").repeat(3));
    let write = |query: &str, room: &str| {
        stream.call("POST", &format!("/statsd{query}")).body(thrice(room)).send().expect(202);
        total(&stream, &format!("room%3D{room}"), "min")
    };
    assert_close(write("", "a"), -9.0, "as statsd has it");
    assert_close(write("?signed_gauges=change", "b"), -9.0, "as statsd has it");
    assert_close(write("?signed_gauges=set", "c"), -3.0, "as DogStatsD has it");
    assert_close(write("?batch=1&signed_gauges=set", "d"), -3.0, "as DogStatsD has it");
    for bad in ["?signed_gauges=yes", "?signed_gauges=", "?signed_gauges=set&signed_gauges=change"] {
        let answer = stream.call("POST", &format!("/statsd{bad}")).body("a:1|c").send();
        assert_eq!(answer.problem(400), "invalid-request", "{bad}");
    }
}

#[test]
fn without_a_valid_line_nothing_is_stored() {
    let stream = Stream::new();
    for body in ["", "\n\n", "hello", r#"{"n":1}"#] {
        assert_eq!(send(&stream, body).problem(400), "invalid-points", "{body:?}");
    }
    assert_eq!(stream.read("/status").json()["accepted"], 0);
}

#[test]
fn a_body_of_any_type_is_lines_and_may_be_gzipped() {
    let stream = Stream::new();
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream"] {
        assert_accepted(stream.call("POST", "/statsd").header("Content-Type", media_type).body("a:1|c").send(), 1);
    }
    let packed = stream.call("POST", "/statsd").header("Content-Encoding", "gzip").body(gzip(b"a:1|c\nb:2|c\n"));
    assert_accepted(packed.send(), 2);
    assert_accepted(stream.call("POST", "/statsd").body("a:1|c").send_chunked(), 1);
    assert_eq!(
        stream.call("POST", "/statsd").header("Content-Encoding", "br").body("a:1|c").send().problem(415),
        "unsupported-media-type"
    );
}

#[test]
fn a_repeated_batch_counts_once() {
    let stream = Stream::new();
    for (path, key) in [("/statsd", Some("one")), ("/statsd?batch=two", None), ("/statsd?batch=%E2%9C%93", None)] {
        let call = || {
            let call = stream.call("POST", path).body("a:1|c\nb:x|c");
            if let Some(key) = key { call.header("Idempotency-Key", key) } else { call }.send().expect(202).json()
        };
        assert_eq!(call(), call());
    }
    assert_close(stream.total("sum"), 3.0, "each once");
}

#[test]
fn too_many_lines_are_refused_as_a_whole() {
    let stream = Stream::new();
    assert_accepted(send(&stream, "a:1|c\n".repeat(10_000)), 10_000);
    assert_accepted(send(&stream, format!("a:1{}|h", ":1".repeat(9_999))), 10_000);
    assert_eq!(send(&stream, "a:1|c\n".repeat(10_001)).problem(413), "too-large");
    assert_eq!(send(&stream, format!("a:1|c{}", "\n".repeat(1 << 20))).problem(413), "too-large");
    assert_eq!(stream.read("/status").json()["accepted"], 20_000);
}

#[test]
fn pages_write_lines_with_or_without_a_preflight() {
    let (open, listed) =
        (Stream::new(), Stream::create(Server::shared(), json!({"name": "test", "origins": ["https://shop.example"]})));
    let from = |stream: &Stream, method, origin: &str| {
        stream
            .call(method, "/statsd")
            .header("Origin", origin)
            .header("Content-Type", "text/plain")
            .body("a:1|c")
            .send()
    };
    let answer = from(&open, "POST", "https://any.example").expect(202);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), "*");
    let preflight = from(&open, "OPTIONS", "https://any.example").expect(204);
    assert_eq!(preflight.header("Access-Control-Allow-Methods"), "POST, OPTIONS");
    assert_eq!(
        from(&listed, "POST", "https://shop.example").expect(202).header("Access-Control-Allow-Origin"),
        "https://shop.example"
    );
    for method in ["POST", "OPTIONS"] {
        assert_eq!(from(&listed, method, "https://evil.example").problem(403), "origin-not-allowed");
    }
    assert_eq!(open.call("GET", "/statsd").send().problem(405), "method-not-allowed");
}

#[test]
fn statsd_and_json_labels_name_the_same_series() {
    let stream = Stream::new();
    for round in 1..=3 {
        assert_accepted(send(&stream, "hits:1|c|#b:2,a:1\nhits;a=1;b=2:1|c"), 2);
        stream.write(r#"{"n":1,"v":{"metric":"hits","type":"counter","a":"1","b":"2"}}"#);
        let rollup = stream.rollup("from=-2h&step=1d&by=*");
        assert_eq!(rollup["series"].as_array().map(Vec::len), Some(1), "{rollup}");
        assert_close(stream.total("sum"), 3.0 * f64::from(round), "sum");
    }
}
