//! Every load that readers and strangers can cause, together and repeatedly: an isolate stays within its memory.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::clock::{now_whole_s, past_hour};
use crate::crowd::{Count, match_expressions, query, read_events, read_socket, send_large_messages, upload};
use crate::frame::{Turn, attack_time};
use crate::honest::{Course, Honest, wait_until};
use crate::http::{agent, encoded};
use crate::report::Report;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// The most wasm memory that the isolate may ever use.
const MAX_BYTES: u64 = 96 << 20;
/// The first two runs of 3 s fill the runtime's own pools (kj, `SQLite`), which free nothing: 400 to 750 MB are then
/// resident, of which V8 holds at most 15 MB after a collection. From the third run on this stays the same.
const RUNS: [&str; 4] = ["first", "second", "third", "fourth"];
/// The resident memory after the last run is at most this percentage of that after the one before it.
const MAX_GROWTH_PERCENT: u64 = 120;
/// The most series that a stream may have.
const SERIES: u64 = 100_000;
/// As many of these points as a body may have.
const BATCH: u64 = 7_500;
/// Idempotency keys, each with a list of errors.
const KEYS: u64 = 1_000;
/// Series of the page that everybody watches.
const PAGE_SERIES: u64 = 150;
const EVENT_READERS: u64 = 40;
const SOCKETS: u64 = 64;
const UPLOADS: usize = 300;
const WRITERS: u64 = 16;
/// What key holders read meanwhile.
const READS: [&str; 3] = ["/metrics", "/rollup?from=-2h&step=1h&by=*&agg=sum,count&top=10000", "/labels/a?limit=10000"];
const LOOK: Duration = Duration::from_millis(200);
/// The time that unfinished work may take afterwards.
const AFTERWARDS: Duration = Duration::from_mins(4);

/// A point whose label has 85 bytes, most of them the same in all points.
fn point(series: u64, rest: &str) -> String {
    format!("{{\"n\":1{rest},\"v\":{{\"a\":\"{}{series:06}\"}}}}", "a".repeat(79))
}

/// Writes as the owner until the write is accepted.
fn write(stream: &Stream, body: &str) {
    let (agent, deadline) = (agent(), Instant::now() + AFTERWARDS);
    loop {
        let answer = stream.owned("POST", "/points").body(body).send_over(&agent).expect("answers");
        if answer.status == 202 {
            return;
        }
        assert!(Instant::now() < deadline, "{} {}", answer.status, answer.text());
        wait_until(Instant::now() + LOOK);
    }
}

/// Fills a stream to its limits of series and keys.
fn fill_to_limits(stream: &Stream) {
    let t = format!(",\"t\":{}", past_hour());
    for first in (0..SERIES).step_by(usize::try_from(BATCH).expect("a small number")) {
        let points: Vec<String> = (first..SERIES.min(first + BATCH)).map(|series| point(series, &t)).collect();
        write(stream, &format!("[{}]", points.join(",")));
    }
    let errors = format!("[{{\"n\":1}}{}]", format!(",{{\"{}\":1}}", "x".repeat(40)).repeat(20));
    for key in 0..KEYS {
        stream.owned("POST", &format!("/points?batch={key}")).body(&errors[..]).send().expect(202);
    }
}

/// Fills a page's stream. Its snapshot of six hours is 4.6 MB; a point in each step would make it too large.
fn fill_page(stream: &Stream) {
    let now = now_whole_s();
    for first in (0..6 * 3_600).step_by(3_600) {
        let one = |series: u64, at: u64| format!(r#"{{"n":{at},"t":{},"v":{{"c":"c{series}"}}}}"#, now - at - 10);
        let points: Vec<String> = (first..first + 3_600)
            .step_by(60)
            .flat_map(|at| (0..PAGE_SERIES).map(move |series| one(series, at)))
            .collect();
        write(stream, &format!("[{}]", points.join(",")));
    }
}

fn memory(stream: &Stream) -> Option<u64> {
    let answer = stream.owned("GET", "/status").send_over(&agent()).ok()?;
    (answer.status == 200).then(|| answer.json()["memory_bytes"].as_u64()).flatten()
}

/// What everybody does concurrently.
struct Storm<'a> {
    large: &'a Stream,
    page: &'a Stream,
    honest: [&'a (Honest, Stream); 2],
    most: AtomicU64,
    looks: AtomicU64,
}

impl Storm<'_> {
    fn run(&self, time: Duration, report: &mut Report, run: &str) {
        let end = Instant::now() + time;
        let [events, sockets, uploads, large_messages, expressions, queries, writes] =
            [(); 7].map(|()| Count::default());
        let is_over = AtomicBool::new(false);
        let mut course = Course::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    self.look();
                    wait_until(Instant::now() + LOOK);
                }
            });
            for reader in 0..EVENT_READERS {
                let (events, network) = (&events, format!("203.0.{}.1", reader % 20));
                scope.spawn(move || read_events(self.page, "by=c&window=6h", &network, end, events));
            }
            for reader in 0..SOCKETS {
                let (sockets, network) = (&sockets, format!("203.1.{}.1", reader % 8));
                let query = format!("by=c&window=6h&where={}", encoded(&format!("c!=x{reader}")));
                scope.spawn(move || read_socket(self.page, &query, &network, end, sockets));
            }
            scope.spawn(|| upload(self.page, UPLOADS, end, &uploads));
            scope.spawn(|| send_large_messages(self.page, "by=c", "203.2.0.1", end, &large_messages));
            scope.spawn(|| match_expressions(self.large, "a", end, &expressions));
            for path in READS {
                let queries = &queries;
                scope.spawn(move || query(self.large, path, Some(&self.large.read_key), end, queries));
            }
            for writer in 0..WRITERS {
                let writes = &writes;
                scope.spawn(move || self.write_much(writer, end, writes));
            }
            scope.spawn(|| {
                // The change makes the alarm due, which seals.
                while Instant::now() < end {
                    self.large.owned("PATCH", "").body("{}").send_over(&agent()).ok();
                    wait_until(end.min(Instant::now() + Duration::from_secs(2)));
                }
            });
            let both: Vec<_> = self
                .honest
                .iter()
                .map(|(writer, stream)| scope.spawn(move || writer.write_for(stream, time)))
                .collect();
            for one in both {
                course.extend(one.join().expect("a writer ends"));
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let ms = |share| course.per_mille(share).as_secs_f64() * 1e3;
        report.figure(&format!("{run}: honest p50, p99 (ms)"), format!("{:.1}, {:.1}", ms(500), ms(990)));
        report.figure(
            &format!("{run}: honest at once"),
            format!("{} of {}, else {:?}", course.acknowledged, course.sent(), course.others),
        );
        for (name, count) in [
            ("events", &events),
            ("sockets", &sockets),
            ("uploads", &uploads),
            ("large messages", &large_messages),
            ("expressions", &expressions),
            ("queries", &queries),
            ("large bodies", &writes),
        ] {
            report.figure(&format!("{run}: {name}"), count.all());
        }
        self.look();
        report.figure(&format!("{run}: most wasm memory"), self.most.load(Ordering::Relaxed));
    }

    fn look(&self) {
        if let Some(bytes) = memory(&self.honest[1].1) {
            self.most.fetch_max(bytes, Ordering::Relaxed);
            self.looks.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The owner's largest bodies, of long points and of short ones.
    fn write_much(&self, writer: u64, end: Instant, count: &Count) {
        let (agent, rest) = (agent(), if writer.is_multiple_of(2) { "" } else { ",\"p\":86000" });
        for first in (writer * BATCH..).step_by(usize::try_from(BATCH).expect("a small number")) {
            if Instant::now() >= end {
                return;
            }
            let points: Vec<String> = (first..first + BATCH).map(|series| point(series % SERIES, rest)).collect();
            let body = format!("[{}]", points.join(","));
            let status = self.large.owned("POST", "/points").body(body).send_over(&agent).map_or(0, |it| it.status);
            if status == 202 { &count.answered } else { &count.refused }.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn configured(server: &Server, name: &str) -> (Stream, String) {
    let stream = Stream::create(server, json!({ "name": name, "public_read": true }));
    let created = stream.owned("POST", "/write-keys").body(r#"{"name":"agent"}"#).send().expect(201).json();
    (stream, created["write_key"].as_str().expect("a key").to_owned())
}

/// Checks that everybody gets an answer again.
fn answers(report: &mut Report, streams: [&Stream; 3]) {
    let paths = [
        "/rollup?from=-2h&step=1h&agg=sum,count",
        "/rollup?from=-2h&step=1h&agg=sum,count&format=csv",
        "/labels",
        "/metrics",
        "/deltas?window=10m",
        "/status",
    ];
    for stream in streams {
        for path in paths {
            let deadline = Instant::now() + AFTERWARDS;
            let status = || {
                let answer = stream.call("GET", path).bearer(&stream.read_key).send_over(&agent());
                answer.map_or(0, |answer| answer.status)
            };
            while status() != 200 && Instant::now() < deadline {
                wait_until(Instant::now() + LOOK);
            }
            let last = status();
            report.check(last == 200, || format!("{path} answers {last} afterwards"));
        }
    }
}

#[test]
fn all_loads_together_stay_within_memory_and_lose_nothing() {
    let _alone = Turn::alone();
    let mut report = Report::new("everything_at_once");
    let secrets = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key"), ("TRUSTED_PROXIES", "1")];
    let server = Server::start_with(State::new(), &secrets);
    let ((large, key), (page, _), (other, other_key)) =
        (configured(&server, "large"), configured(&server, "page"), configured(&server, "other"));
    let on = |name, key: &str, stream: &Stream| {
        let writer = Honest::new(name, "192.0.2.1", Some(key.to_owned()));
        writer.establish(stream, Some(key));
        (writer, stream.clone())
    };
    let honest = [on("large", &key, &large), on("other", &other_key, &other)];
    fill_to_limits(&large);
    fill_page(&page);
    report.figure("memory before", memory(&other));
    let most = AtomicU64::new(0);
    let storm = Storm { large: &large, page: &page, honest: [&honest[0], &honest[1]], most, looks: AtomicU64::new(0) };
    let mut resident = Vec::new();
    for run in RUNS {
        storm.run(attack_time(), &mut report, run);
        for (writer, stream) in &honest {
            let left = writer.send_again(stream, Instant::now() + AFTERWARDS);
            report.check(left == 0, || format!("{}: {left} points are not accepted after the {run} run", writer.name));
        }
        answers(&mut report, [&large, &page, &other]);
        resident.push(server.resident_bytes());
    }
    for (writer, stream) in &honest {
        let differences = writer.differences(stream);
        for difference in report.check_step("sums", differences).unwrap_or_default().into_iter().take(3) {
            report.check(false, || difference);
        }
    }
    let (most, looks) = (storm.most.load(Ordering::Relaxed), storm.looks.load(Ordering::Relaxed));
    report.figure("looks", looks);
    report.figure("resident", resident.iter().map(|bytes| bytes.map_or(Value::Null, Value::from)).collect::<Vec<_>>());
    report.check(looks > 0, || "status never answered".to_owned());
    report.check(most <= MAX_BYTES, || format!("{most} bytes of wasm memory"));
    if let [.., Some(before), Some(last)] = resident[..] {
        let is_stable = last <= before / 100 * MAX_GROWTH_PERCENT;
        report.check(is_stable, || {
            format!("{last} bytes are resident after the last run, {before} after that before it")
        });
    }
    report.finish();
}
