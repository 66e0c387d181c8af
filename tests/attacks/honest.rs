//! A client that writes as documented: a point every 50 ms to series that are hours old, each point with a key.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use ureq::Agent;

use crate::attacker::{FORWARDED_FOR, array};
use crate::clock::now_whole_s;
use crate::http::{Call, agent, encoded};
use crate::stream::{Stream, added};

/// The time between two points: 20 points per second.
const PACE: Duration = Duration::from_millis(50);
/// Connections that take turns, so that a slow answer does not delay the next point.
const CONNECTIONS: u64 = 8;
/// Series of each writer.
const SERIES: u64 = 50;
/// A series with points in this many different hours is established.
const HOURS: u64 = 3;

/// A writer of established series.
pub(crate) struct Honest {
    /// The value of its label `writer`, and the prefix of its idempotency keys.
    pub(crate) name: &'static str,
    network: &'static str,
    write_key: Option<String>,
    /// How many points it has sent.
    next: AtomicU64,
    /// The numbers of its points that were not acknowledged.
    pending: Mutex<Vec<u64>>,
}

/// What happened to the points of a few seconds.
#[derive(Default)]
pub(crate) struct Course {
    /// The latency of each point, from when it was due.
    latencies: Vec<Duration>,
    pub(crate) acknowledged: u64,
    /// How often each other status was answered; 0 means no answer.
    pub(crate) others: BTreeMap<u16, u64>,
}

impl Course {
    pub(crate) fn sent(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// The latency that this many per mille do not exceed.
    pub(crate) fn per_mille(&self, share: usize) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * share).div_ceil(1_000).max(1) - 1;
        sorted.get(at).copied().unwrap_or_default()
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.acknowledged += other.acknowledged;
        for (status, count) in other.others {
            *self.others.entry(status).or_default() += count;
        }
    }
}

impl Honest {
    pub(crate) fn new(name: &'static str, network: &'static str, write_key: Option<String>) -> Self {
        Self { name, network, write_key, next: AtomicU64::new(0), pending: Mutex::default() }
    }

    fn call(&self, stream: &Stream) -> Call {
        let call = stream.call("POST", "/points").header(FORWARDED_FOR, self.network);
        match &self.write_key {
            Some(key) => call.bearer(key),
            None => call,
        }
    }

    /// A point of one of its series.
    fn point(&self, series: u64, n: u64, rest: &str) -> String {
        format!("{{\"n\":{n}{rest},\"v\":{{\"writer\":\"{}\",\"page\":\"/{series}\"}}}}", self.name)
    }

    /// Writes to all of its series in each of the last hours, with a write key if it has one, which establishes them
    /// either way.
    pub(crate) fn establish(&self, stream: &Stream, write_key: Option<&str>) {
        for hour in 1..=HOURS {
            let t = format!(",\"t\":{}", now_whole_s() - hour * 3_600);
            let call = stream.call("POST", "/points").header(FORWARDED_FOR, self.network);
            let call = write_key.into_iter().fold(call, Call::bearer);
            let answer = call.body(array((0..SERIES).map(|series| self.point(series, 1, &t)))).send();
            assert_eq!(answer.expect(202).json()["accepted"], SERIES);
        }
    }

    /// Writes for a while at its own pace, whatever the answers are.
    pub(crate) fn write_for(&self, stream: &Stream, time: Duration) -> Course {
        let (start, first) = (Instant::now(), self.next.load(Ordering::Relaxed));
        let count = u64::try_from(time.as_millis() / PACE.as_millis()).expect("a short time");
        let writes = |connection: u64| {
            let (agent, mut course) = (agent(), Course::default());
            for number in (connection..count).step_by(usize::try_from(CONNECTIONS).expect("a small number")) {
                let due = start + PACE * u32::try_from(number).expect("a short time");
                wait_until(due);
                let status = self.send(stream, &agent, first + number);
                course.latencies.push(due.elapsed());
                if status == 202 {
                    course.acknowledged += 1;
                } else {
                    *course.others.entry(status).or_default() += 1;
                    self.pending.lock().expect("no writer panics here").push(first + number);
                }
            }
            course
        };
        let mut course = Course::default();
        std::thread::scope(|scope| {
            let writes = &writes;
            let all: Vec<_> = (0..CONNECTIONS).map(|connection| scope.spawn(move || writes(connection))).collect();
            for one in all {
                course.extend(one.join().expect("a writer ends"));
            }
        });
        self.next.store(first + count, Ordering::Relaxed);
        course
    }

    /// Sends or resends a point, and returns the status, 0 if no answer came.
    fn send(&self, stream: &Stream, agent: &Agent, number: u64) -> u16 {
        let body = self.point(number % SERIES, value_of(number), "");
        let call = self.call(stream).header("Idempotency-Key", format!("{}-{number}", self.name)).body(body);
        call.send_over(agent).map_or(0, |answer| answer.status)
    }

    /// Resends unacknowledged points under their keys until all are acknowledged; returns how many are left.
    pub(crate) fn send_again(&self, stream: &Stream, deadline: Instant) -> usize {
        let (mut pending, agent) = (self.pending.lock().expect("no writer panics here"), agent());
        while !pending.is_empty() && Instant::now() < deadline {
            pending.retain(|number| self.send(stream, &agent, *number) != 202);
            wait_until(Instant::now() + PACE);
        }
        pending.len()
    }

    /// The differences from what was written: each series must have its own points and sum, except for pending ones.
    pub(crate) fn differences(&self, stream: &Stream) -> Result<Vec<String>, String> {
        let pending = self.pending.lock().expect("no writer panics here").clone();
        let mut wanted: BTreeMap<String, (u64, u64)> =
            (0..SERIES).map(|series| (format!("/{series}"), (HOURS, HOURS))).collect();
        for number in (0..self.next.load(Ordering::Relaxed)).filter(|number| !pending.contains(number)) {
            let (count, sum) = wanted.get_mut(&format!("/{}", number % SERIES)).expect("is there");
            *count += 1;
            *sum += value_of(number);
        }
        let is_own = encoded(&format!("writer={}", self.name));
        let query = format!("/rollup?from=-6h&step=1h&by=*&agg=sum,count&top=10000&where={is_own}");
        let answer = stream.call("GET", &query).bearer(&stream.read_key).send_over(&agent());
        let answer = answer.map_err(|error| format!("rollup: {error}"))?;
        if answer.status != 200 {
            return Err(format!("rollup: {} {}", answer.status, answer.text()));
        }
        let mut differences = Vec::new();
        for series in answer.json()["series"].as_array().expect("a list") {
            let page = series["labels"]["page"].as_str().unwrap_or("?").to_owned();
            let found = [&series["count"], &series["sum"]].map(added);
            let Some(wanted) = wanted.remove(&page) else {
                differences.push(format!("{}: {page} is not a series of it", self.name));
                continue;
            };
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let wanted = [wanted.0 as f64, wanted.1 as f64];
            if found != wanted {
                differences.push(format!("{}: {page} has count and sum {found:?} instead of {wanted:?}", self.name));
            }
        }
        differences.extend(wanted.keys().map(|page| format!("{}: {page} is missing", self.name)));
        Ok(differences)
    }
}

/// The value of a point.
fn value_of(number: u64) -> u64 {
    number % 97 + 1
}

/// Lets time pass, as a writer does that keeps its pace.
pub(crate) fn wait_until(moment: Instant) {
    let (_nobody_sends, silence) = channel::<()>();
    silence.recv_timeout(moment.saturating_duration_since(Instant::now())).ok();
}
