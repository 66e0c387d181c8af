//! Memory: an isolate with one stream at its limits stays well below what the platform allows.
//!
//! The test measures the linear memory of the whole isolate, which runs the edge too. It never shrinks, so it is the
//! peak.

use std::thread;
use std::time::{Duration, Instant};

use ureq::Agent;

use crate::clock::past_hour;
use crate::http::agent;
use crate::server::{Server, State};
use crate::stream::Stream;

/// Half of the 128 MB that an isolate may have including JavaScript.
const MAX_BYTES: u64 = 64_000_000;
/// The most series that a stream may have.
const SERIES: u64 = 100_000;
/// The number of series in a bucket.
const BUCKET_SERIES: u64 = 10_000;
/// This many of these points are just below the largest body.
const BATCH: u64 = 8_000;
const WRITERS: usize = 16;

/// A point with labels of 72 bytes.
fn point(series: u64, rest: &str) -> String {
    let (host, path) = (series / 1000, series % 1000);
    let labels = format!(r#""host":"web-{host:03}.europe-west.example","path":"/blog/entry-{path:04}","status":"200""#);
    format!("{{\"n\":1{rest},\"v\":{{{labels}}}}}")
}

/// Does jobs, many of them concurrently.
fn in_parallel(jobs: u64, job: impl Fn(&Agent, u64) + Sync) {
    let job = &job;
    thread::scope(|scope| {
        for first in (0..).take(WRITERS) {
            scope.spawn(move || {
                let agent = agent();
                (first..jobs).step_by(WRITERS).for_each(|number| job(&agent, number));
            });
        }
    });
}

/// Writes as the owner, who may bring any number of series, in bodies as large as allowed.
fn write(stream: &Stream, points: u64, point: impl Fn(u64) -> String + Sync) {
    in_parallel(points.div_ceil(BATCH), |agent, batch| {
        let points: Vec<String> = (batch * BATCH..points.min((batch + 1) * BATCH)).map(&point).collect();
        let body = format!("[{}]", points.join(","));
        // A full queue refuses writes, which is one of the limits.
        let deadline = Instant::now() + Duration::from_mins(5);
        while stream.owned("POST", "/points").body(&body[..]).send_over(agent).expect("answers").status != 202 {
            assert!(Instant::now() < deadline, "the queue stays full");
        }
    });
}

fn memory_bytes(stream: &Stream) -> u64 {
    stream.read("/status").expect(200).json()["memory_bytes"].as_u64().expect("wasm reports its memory")
}

#[test]
fn an_isolate_at_a_streams_limits_uses_less_than_64_mb() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let hour = past_hour();
    // Every series, in the buckets of 100 s.
    write(&stream, SERIES, |index| point(index, &format!(",\"t\":{}", hour + index / BUCKET_SERIES * 10)));
    // Full buckets, again and again.
    write(&stream, 80_000, |index| {
        point(index % BUCKET_SERIES, &format!(",\"t\":{}", hour + index / BUCKET_SERIES * 10))
    });
    // Periods of a day, each cut into some 60 pieces.
    write(&stream, 16_000, |index| point(index * 6, &format!(",\"t\":{},\"p\":86399.5", hour + index % 3600)));
    // Keys, each with a list of errors.
    let errors = format!("[{{\"n\":1}}{}]", format!(",{{\"{}\":1}}", "x".repeat(40)).repeat(20));
    in_parallel(5_000, |agent, key| {
        let call = stream.owned("POST", &format!("/points?batch={key}")).body(&errors[..]);
        assert_eq!(call.send_over(agent).expect("answers").status, 202);
    });
    let status = stream.read("/status").expect(200).json();
    assert!(status["series"].as_u64() >= Some(SERIES), "{status}");
    // A hundred thousand groups, and then half a million numbers.
    let window = format!("from={}&to={}", hour - 3600, hour + 3600);
    stream.read(&format!("/rollup?{window}&step=1h&by=*&agg=sum,count,min,max&top=10000")).expect(200);
    stream.read("/rollup?from=-1d&step=1m&by=host&agg=sum,count,min,max").expect(200);
    stream.read("/labels").expect(200);
    stream.read("/labels/path?limit=10000").expect(200);
    // The change makes the alarm due, which seals everything.
    stream.owned("PATCH", "").body("{}").send().expect(200);
    let deadline = Instant::now() + Duration::from_mins(5);
    while stream.read("/status").expect(200).json()["log"]["rows"] != 0 {
        assert!(Instant::now() < deadline, "the alarm does not come");
    }
    // An evicted stream comes back.
    server.evict(&stream.object());
    let bytes = memory_bytes(&stream);
    eprintln!("{bytes} bytes, of at most {MAX_BYTES}");
    assert!(bytes < MAX_BYTES, "{bytes} bytes");
}
