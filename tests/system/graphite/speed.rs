//! A week of two hundred series: the time that functions over it take.

use std::fmt::Write;
use std::process::Command;
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
/// The fastest request takes at most so many times the CPU time of a fixed program, which a slow machine needs more for
/// as well. Elapsed time would depend on what runs beside it.
const MAX_RATIO: f64 = 4.0;
/// That program, which prints its CPU time in hundredths of a second.
const PROGRAM: &str = "
const begun = process.cpuUsage();
let seed = 1;
const next = () => (seed = (seed * 48271) % 2147483647);
for (let round = 0; round < 4; round += 1) {
  const sums = new Map();
  const numbers = Float64Array.from({ length: 200_000 }, next).sort();
  for (const number of numbers) sums.set(number % 1009, (sums.get(number % 1009) ?? 0) + number);
  if (JSON.stringify([...sums]).length === 0) throw new Error();
}
const { user, system } = process.cpuUsage(begun);
console.log((user + system) / 1e4);
";

/// The memory that an isolate may use at a stream's limits.
const MAX_BYTES: u64 = 64 << 20;

/// The least CPU time of the fixed program, in hundredths of a second.
fn yardstick() -> f64 {
    let once = |_| {
        let program = ["-e", PROGRAM];
        let ran = Command::new("node_modules/.bin/node")
            .args(program)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("node is installed by `make setup`");
        String::from_utf8_lossy(&ran.stdout).trim().parse::<f64>().unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    };
    (0..3).map(once).fold(f64::INFINITY, f64::min)
}

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
    let (mut slow, yardstick) = (Vec::new(), yardstick());
    eprintln!("{yardstick:.1} hundredths of a second for the fixed program");
    for (target, series) in [
        (format!("summarize({leaf},'1h','sum')"), 200),
        (format!("groupByTags({leaf},'sum','country')"), 20),
        (format!("movingAverage({leaf},'6h')"), 200),
        (format!("aliasByTags(groupByTags(movingAverage(summarize({leaf},'1h'),'6h'),'sum','country'),'country')"), 20),
    ] {
        let pairs = [("target", target.as_str()), ("from", "-7d"), ("until", "now"), ("maxDataPoints", "1000")];
        let mut times: Vec<Duration> = Vec::new();
        let mut least: Option<u64> = None;
        for _ in 0..7 {
            let (begun, ticks) = (Instant::now(), server.cpu_ticks());
            let answer = get(&stream, "render", &pairs).expect(200);
            times.push(begun.elapsed());
            let taken = server.cpu_ticks().zip(ticks).map(|(after, before)| after - before);
            least = [least, taken].into_iter().flatten().min();
            assert_eq!(answer.text().matches(r#""target":"#).count(), series, "{target}");
        }
        times.sort();
        let (usual, quickest) = (times[3].as_millis(), times[0].as_millis());
        eprintln!("{usual} ms (least {quickest}; {least:?} hundredths of a second of the CPU): {target}");
        #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
        if least.is_some_and(|ticks| ticks as f64 > MAX_RATIO * yardstick) {
            slow.push(target);
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
    let memory = stream.read("/status").expect(200).json()["memory_bytes"].as_u64().expect("a number");
    eprintln!("{} MiB", memory >> 20);
    assert!(memory < MAX_BYTES, "{memory}");
}
