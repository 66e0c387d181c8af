//! How long a write of one point waits while another stream of the same isolate works as hard as it may.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::http::{Connection, request};
use crate::load::percentile_ms;
use crate::report::Report;
use crate::server::{OWNER_TOKEN, Server};
use crate::stream;

const RUN: Duration = Duration::from_secs(10);
const PACE: Duration = Duration::from_millis(5);
/// Points per large batch.
const POINTS: u64 = 10_000;
const SERIES: u64 = 4_000;
const DAY_S: u64 = 86_390;

/// Measures twice: in quiet, and while batches of long points, the seals they cause and the widest query alternate.
pub(crate) fn measure(server: &Server, report: &mut Report) {
    let [busy, other] = ["busy", "other"].map(|name| stream::create(server, name));
    let write = &stream::writes(&other, &[r#"{"n":1}"#.to_owned()])[0];
    let is_over = AtomicBool::new(true);
    let (batches, queries) = (AtomicU32::new(0), AtomicU32::new(0));
    report_waits(report, "quiet_stream", &waits(server, write, Duration::from_secs(2)));
    is_over.store(false, Ordering::Relaxed);
    scope(|scope| {
        scope.spawn(|| {
            for batch in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                stream::write_all(server, &busy, std::iter::once(long_points(batch)));
                batches.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            let path = format!("/v1/streams/{busy}/rollup?from=-24h&step=1m");
            let (query, mut body) = (request("GET", &path, Some(OWNER_TOKEN), ""), Vec::new());
            let mut connection = Connection::open(&server.address);
            while !is_over.load(Ordering::Relaxed) {
                // A query that reads more cells than allowed is refused after the work was done.
                let status = connection.send(&query, &mut body);
                assert!([200, 422].contains(&status), "{status} {}", String::from_utf8_lossy(&body));
                queries.fetch_add(1, Ordering::Relaxed);
            }
        });
        report_waits(report, "other_stream", &waits(server, write, RUN));
        is_over.store(true, Ordering::Relaxed);
    });
    // What the other stream did meanwhile. Each of these alone would do more.
    report.set("busy_stream_batches", f64::from(batches.into_inner()));
    report.set("busy_stream_queries", f64::from(queries.into_inner()));
}

fn report_waits(report: &mut Report, name: &str, waits: &[Duration]) {
    for percent in [50, 99, 100] {
        report.set(&format!("{name}_write_p{percent}_ms"), percentile_ms(waits, percent));
    }
}

/// The latencies of sequential writes, in ascending order.
fn waits(server: &Server, write: &[u8], time: Duration) -> Vec<Duration> {
    let (mut connection, mut body) = (Connection::open(&server.address), Vec::new());
    let (begun, mut waits) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let sent = Instant::now();
        assert_eq!(connection.send(write, &mut body), 202, "{}", String::from_utf8_lossy(&body));
        waits.push(sent.elapsed());
        sleep(PACE);
    }
    waits.sort_unstable();
    waits
}

/// Points of up to a day that end at any time of the last day, in many series; no two batches are the same.
fn long_points(batch: u64) -> String {
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970").as_secs();
    let mut random = 0x9e37_79b9_7f4a_7c15 ^ (batch + 1);
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    let points: Vec<String> = (0..POINTS)
        .map(|_| {
            let (a, t) = (below(SERIES), now_s - 60 - below(DAY_S - 120));
            format!(r#"{{"n":1,"p":{},"t":{t},"v":{{"a":"{a}"}}}}"#, DAY_S - below(400))
        })
        .collect();
    format!("[{}]", points.join(","))
}
