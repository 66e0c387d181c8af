//! More large streams than an isolate's memory holds: the coldest sleep, and no acknowledged point is lost.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::clock::past_hour;
use crate::http::Answer;
use crate::server::{Server, State};
use crate::stream::Stream;

const STREAMS: usize = 7;
/// The most series that a stream may have.
const SERIES: usize = 100_000;
const BATCH: usize = 8_000;
const MAX_BYTES: u64 = 96 << 20;
/// A refused write is accepted within this time.
const PATIENCE: Duration = Duration::from_mins(5);

/// Resends until it is no longer refused for lack of room, waiting as `Retry-After` says. A slow machine may also
/// answer that the outcome is unknown, so a write needs a key.
fn send_until_admitted(send: impl Fn() -> Answer) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = send();
        if answer.status != 503 {
            return answer;
        }
        let problem = answer.problem(503);
        assert!(["overloaded", "unavailable"].contains(&&*problem), "{}", answer.text());
        let wait_s: u64 = answer.header("Retry-After").parse().expect("seconds");
        assert!(Instant::now() < deadline, "still no room after {PATIENCE:?}");
        let (_nobody_sends, silence) = channel::<()>();
        silence.recv_timeout(Duration::from_secs(wait_s)).ok();
    }
}

#[test]
fn seven_full_streams_share_an_isolate_and_lose_nothing() {
    let server = Server::start(State::new());
    let t = past_hour();
    let streams: Vec<Stream> = (0..STREAMS).map(|_| Stream::on(&server)).collect();
    for stream in &streams {
        for first in (0..SERIES).step_by(BATCH) {
            let point = |series: usize| {
                format!(
                    "{{\"n\":1,\"t\":{t},\"v\":{{\"host\":\"web-{series:06}.europe-west.example\",\"status\":\"200\"}}}}"
                )
            };
            let points: Vec<String> = (first..SERIES.min(first + BATCH)).map(point).collect();
            let body = format!("[{}]", points.join(","));
            let write = || stream.owned("POST", "/points").header("Idempotency-Key", first.to_string());
            send_until_admitted(|| write().body(&*body).send()).expect(202);
        }
    }
    for stream in &streams {
        let write = || stream.call("POST", "/points").header("Idempotency-Key", "last");
        send_until_admitted(|| write().body(format!(r#"{{"n":10,"t":{t}}}"#)).send()).expect(202);
    }
    for stream in &streams {
        let answer = send_until_admitted(|| stream.read("/rollup?from=-3h&step=1h&agg=sum,count")).expect(200).json();
        let total = |agg: &str| {
            answer["series"].as_array().expect("a list").iter().map(|one| crate::stream::added(&one[agg])).sum::<f64>()
        };
        assert_eq!((total("sum"), total("count")), (100_010.0, 100_001.0));
    }
    let status = send_until_admitted(|| streams[0].read("/status")).expect(200).json();
    let (bytes, state) = (status["memory_bytes"].as_u64(), status["memory"]["state"].as_u64());
    eprintln!("{bytes:?} bytes, of at most {MAX_BYTES}");
    assert!(bytes.is_some_and(|bytes| bytes < MAX_BYTES), "{status}");
    assert!(state.is_some_and(|state| state > 10_000_000), "memory in use is not counted: {status}");
}
