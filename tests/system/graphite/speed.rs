//! A week of two hundred series: the time that functions over it take.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use super::get;
use crate::clock::now_whole_s;
use crate::server::{Server, State};
use crate::stream::Stream;

const SERIES: u64 = 200;
const WEEK_S: u64 = 7 * 86_400;
/// A point every ten minutes: 10 s data are kept for steps of that width.
const STEP_S: u64 = 600;
/// How long the fastest request may take: 300 ms alone, and a multiple of that while all tests run beside it.
const MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1_500 } else { 300 });

/// The memory that an isolate may use at a stream's limits.
const MAX_BYTES: u64 = 64 << 20;

#[test]
fn a_week_of_200_series_is_fast_and_stays_within_memory() {
    let server = Server::start(State::new());
    let stream = Stream::create(&server, json!({"name": "visits", "lateness": "7d"}));
    let end_s = now_whole_s() / STEP_S * STEP_S;
    let (mut body, mut count) = (String::new(), 0);
    for at_s in (end_s - WEEK_S + STEP_S..end_s).step_by(usize::try_from(STEP_S).expect("small")) {
        for series in 0..SERIES {
            let (n, t) = (1 + (at_s / STEP_S * 7 + series) % 13, at_s + 5);
            writeln!(body, r#"{{"n":{n},"t":{t},"v":{{"country":"c{}","path":"/{series}"}}}}"#, series % 20)
                .expect("a string");
            count += 1;
            if count % 8_000 == 0 {
                stream.write_as_owner(std::mem::take(&mut body));
            }
        }
    }
    stream.write_as_owner(body);
    let leaf = "seriesByTag('name=visits.sum')";
    let mut slow = Vec::new();
    for (target, series) in [
        (format!("summarize({leaf},'1h','sum')"), 200),
        (format!("groupByTags({leaf},'sum','country')"), 20),
        (format!("movingAverage({leaf},'6h')"), 200),
        (format!("aliasByTags(groupByTags(movingAverage(summarize({leaf},'1h'),'6h'),'sum','country'),'country')"), 20),
    ] {
        let pairs = [("target", target.as_str()), ("from", "-7d"), ("until", "now"), ("maxDataPoints", "1000")];
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..7 {
            let begun = Instant::now();
            let answer = get(&stream, "render", &pairs).expect(200);
            times.push(begun.elapsed());
            assert_eq!(answer.text().matches(r#""target":"#).count(), series, "{target}");
        }
        times.sort();
        eprintln!("{} ms (least {}): {target}", times[3].as_millis(), times[0].as_millis());
        if times[0] > MAX {
            slow.push(target);
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
    let memory = stream.read("/status").expect(200).json()["memory_bytes"].as_u64().expect("a number");
    eprintln!("{} MiB", memory >> 20);
    assert!(memory < MAX_BYTES, "{memory}");
}
