//! What surrounds every attack: honest writers before and during it, and checks of the stream afterwards.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::attacker::{Attacker, FORWARDED_FOR, Tally};
use crate::honest::{Course, Honest, wait_until};
use crate::http::{Answer, agent, encoded};
use crate::report::Report;
use crate::scrape;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::{Stream, added};

/// How long an attack takes, unless `ATTACK_SECONDS` sets it.
const SHORT: Duration = Duration::from_secs(3);
/// An attack of at least this length gives enough latencies: 800 points per writer.
const TELLS_LATENCY: Duration = Duration::from_secs(40);
/// At least this many per mille of the honest writers' points are acknowledged at the first attempt.
const ACKNOWLEDGED_PER_MILLE: u64 = 999;
/// The 99th percentile of their latency is at most this many times that without the attack.
const MAX_LATENCY_RATIO: f64 = 3.0;
/// A new series of another network gets its own place within this time, whatever strangers did.
const NEW_SERIES_WITHIN: Duration = Duration::from_mins(1);
/// The time that work may take after an attack: sealing, a removal, retries of unacknowledged points.
const AFTERWARDS: Duration = Duration::from_mins(4);
/// What open writers may add to the disk per day, including the burst.
const DISK_BUDGET_BYTES: u64 = 1_000_000_000;
/// Sealed long points take at most this many times their bytes, on top of an empty stream.
const MAX_DISK_RATIO: u64 = 7;
/// Pages that every stream has, plus the rows of the honest writers.
const DISK_BASE_BYTES: u64 = 2 << 20;
/// The time between two polls of something slow.
const LOOK: Duration = Duration::from_millis(200);
/// The networks of the owner's visitors who come after the attack.
const VISITOR: &str = "198.51.100.200";

/// An attack.
pub(crate) struct Attack<'a> {
    pub(crate) name: &'static str,
    /// The stream's configuration, without its name.
    pub(crate) config: Value,
    /// How many connections strike concurrently.
    pub(crate) connections: u64,
    /// What each connection repeats.
    pub(crate) strike: &'a (dyn Fn(&mut Attacker<'_>) + Sync),
    /// What the owner removes afterwards: the `where` of a removal.
    pub(crate) undo: &'a str,
}

/// A stream that was attacked.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) stream: Stream,
    pub(crate) tally: Tally,
    pub(crate) report: Report,
    honest: [Honest; 2],
    undo: String,
}

impl Attack<'_> {
    /// Attacks a stream while honest writers continue, and checks the result. Failures go into the report, which the
    /// caller must [finish](Report::finish).
    pub(crate) fn run(self) -> Scene {
        let turn = Turn::wait();
        let scene = self.begin();
        let scene = scene.attacked(&self);
        drop(turn);
        scene
    }

    fn begin(&self) -> Scene {
        let secrets = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key"), ("TRUSTED_PROXIES", "1")];
        let server = Server::start_with(State::new(), &secrets);
        let mut config = self.config.clone();
        config["name"] = json!("attacked");
        let stream = Stream::create(&server, config);
        let mut report = Report::new(self.name);
        let created = stream.owned("POST", "/write-keys").body(r#"{"name":"agent"}"#).send();
        let key = (created.status == 201).then(|| created.json()["write_key"].as_str().map(str::to_owned)).flatten();
        report.check(key.is_some(), || format!("no write key: {}", created.status));
        let honest = [Honest::new("keyed", "192.0.2.1", key.clone()), Honest::new("open", "198.51.100.7", None)];
        for writer in &honest {
            writer.establish(&stream, key.as_deref());
        }
        Scene { server, stream, tally: Tally::default(), report, honest, undo: self.undo.to_owned() }
    }
}

impl Scene {
    fn attacked(mut self, attack: &Attack<'_>) -> Self {
        self.sealed("sealing before the attack");
        let disk_before = self.storage_bytes();
        let time = attack_time();
        let before = self.course(time / 3);
        let meanwhile = std::thread::scope(|scope| {
            for number in 0..attack.connections {
                let mut attacker = Attacker::new(&self.stream, &self.tally, number);
                let end = Instant::now() + time;
                scope.spawn(move || attacker.strike_until(end, attack.strike));
            }
            self.course(time)
        });
        self.compare(&before, &meanwhile);
        let deadline = Instant::now() + AFTERWARDS;
        for writer in &self.honest {
            let left = writer.send_again(&self.stream, deadline);
            self.report
                .check(left == 0, || format!("{}: {left} points are not accepted after the attack", writer.name));
        }
        self.answers("after the attack");
        self.new_visitor_gets_a_series();
        self.sealed("sealing after the attack");
        self.disk(disk_before);
        self.check_honest_points("after the attack");
        self = self.restarted();
        self.check_honest_points("after a crash");
        self.removed(disk_before);
        self.visited("new right after the removal", Duration::ZERO);
        self.check_honest_points("after the removal");
        self
    }

    /// Records what both honest writers experience for a while.
    fn course(&self, time: Duration) -> Course {
        let mut course = Course::default();
        std::thread::scope(|scope| {
            let both: Vec<_> =
                self.honest.iter().map(|writer| scope.spawn(|| writer.write_for(&self.stream, time))).collect();
            for one in both {
                course.extend(one.join().expect("a writer ends"));
            }
        });
        course
    }

    fn compare(&mut self, before: &Course, meanwhile: &Course) {
        let ms = |course: &Course, share| course.per_mille(share).as_secs_f64() * 1e3;
        let ratio = ms(meanwhile, 990) / ms(before, 990);
        for (name, value) in [
            ("p50_ms_before", ms(before, 500)),
            ("p99_ms_before", ms(before, 990)),
            ("p50_ms", ms(meanwhile, 500)),
            ("p99_ms", ms(meanwhile, 990)),
            ("p99_ratio", ratio),
        ] {
            self.report.figure(name, value);
        }
        self.report.figure("honest_sent", meanwhile.sent());
        self.report.figure("honest_acknowledged", meanwhile.acknowledged);
        self.report.figure("honest_else", format!("{:?}", meanwhile.others));
        self.report.figure("attack_answers", format!("{:?}", self.tally.statuses()));
        self.report.figure("attack_accepted_bytes", self.tally.accepted_bytes());
        self.report.figure("attack_sent_bytes", self.tally.sent_bytes());
        let is_acknowledged = meanwhile.acknowledged * 1_000 >= meanwhile.sent() * ACKNOWLEDGED_PER_MILLE;
        let (acknowledged, sent) = (meanwhile.acknowledged, meanwhile.sent());
        self.report.check(is_acknowledged, || {
            format!("{acknowledged} of {sent} honest points acknowledged, else {:?}", meanwhile.others)
        });
        let is_telling = attack_time() >= TELLS_LATENCY;
        self.report.check(!is_telling || ratio <= MAX_LATENCY_RATIO, || format!("p99 is {ratio:.1} times as long"));
        let internal = self.tally.answered(500);
        self.report.check(internal == 0, || format!("{internal} answers 500"));
    }

    /// Makes the alarm seal everything that is open.
    fn sealed(&mut self, when: &str) {
        let start = Instant::now();
        let sealed = self.owned_call("PATCH", "", "{}").and_then(|answer| {
            let deadline = Instant::now() + AFTERWARDS;
            loop {
                if status(&self.stream)?["log"]["rows"] == 0 {
                    return Ok(());
                }
                if answer.status != 200 || Instant::now() > deadline {
                    return Err(format!("{}, the log is not sealed: {}", answer.status, status(&self.stream)?["log"]));
                }
                wait_until(Instant::now() + LOOK);
            }
        });
        self.report.figure(&format!("{when}, s"), start.elapsed().as_secs_f64());
        self.report.check_step(when, sealed);
    }

    fn owned_call(&self, method: &'static str, path: &str, body: &str) -> Result<Answer, String> {
        let call = self.stream.owned(method, path);
        let call = if body.is_empty() { call } else { call.body(body) };
        call.send_over(&agent()).map_err(|error| error.to_string())
    }

    /// Bytes on disk, as reported by `status`.
    fn storage_bytes(&self) -> u64 {
        status(&self.stream).ok().and_then(|status| status["storage_bytes"].as_u64()).unwrap_or_default()
    }

    fn disk(&mut self, before: u64) {
        self.report.figure("disk_before_bytes", before);
        let grown = self.storage_bytes().saturating_sub(before);
        self.report.figure("disk_grown_bytes", grown);
        let accepted = self.tally.accepted_bytes();
        self.report.figure("disk_per_accepted_byte", format!("{:.2}", ratio(grown, accepted)));
        self.report.check(grown <= DISK_BUDGET_BYTES, || format!("the disk grew by {grown} bytes"));
        let most = DISK_BASE_BYTES + MAX_DISK_RATIO * accepted;
        self.report.check(grown <= most, || format!("the disk grew by {grown} bytes for {accepted} accepted bytes"));
    }

    /// Readers get answers, and a scrape is valid.
    fn answers(&mut self, when: &str) {
        for path in
            ["/rollup?by=*&step=1h", "/labels", "/metrics", "/metrics?by=writer", "/rollup?by=*&step=1h&format=csv"]
        {
            let answer = self.stream.call("GET", path).bearer(&self.stream.read_key).send_over(&agent());
            let sound = answer.map_err(|error| error.to_string()).and_then(|answer| match answer.status {
                200 if path.starts_with("/metrics") => scrape::check(answer.text()),
                200 => Ok(()),
                status => Err(format!("{status} {}", answer.text())),
            });
            self.report.check_step(&format!("{path} {when}"), sound);
        }
        let status = status(&self.stream);
        if let Some(status) = self.report.check_step("status", status) {
            for name in ["series", "overflow", "rejected", "bounds", "memory_bytes", "storage_bytes"] {
                self.report.figure(name, status[name].clone());
            }
        }
    }

    /// A visitor with a new label set gets its own series without the owner's help.
    fn new_visitor_gets_a_series(&mut self) {
        self.visited("new without help", NEW_SERIES_WITHIN);
    }

    /// A visitor with a new label set gets its own series if it retries for long enough.
    fn visited(&mut self, what: &'static str, within: Duration) {
        let start = Instant::now();
        for visit in 0.. {
            let label = format!("{what} {visit}");
            let visited = visit_once(&self.stream, &label);
            let is_over = start.elapsed() >= within;
            match visited {
                Err(fault) if is_over => return self.report.check(false, || format!("a series {what}: {fault}")),
                Err(_) => wait_until(Instant::now() + LOOK),
                Ok(()) => return self.report.figure(&format!("{what}, s"), start.elapsed().as_secs_f64()),
            }
        }
    }

    fn check_honest_points(&mut self, when: &str) {
        for writer in &self.honest {
            let differences = writer.differences(&self.stream);
            for difference in self.report.check_step(when, differences).unwrap_or_default().into_iter().take(3) {
                self.report.check(false, || format!("{when}: {difference}"));
            }
        }
    }

    /// The same stream after kill -9.
    fn restarted(mut self) -> Self {
        self.server = Server::start_with(
            self.server.kill_9(),
            &[("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key"), ("TRUSTED_PROXIES", "1")],
        );
        self.stream = self.stream.moved_to(&self.server);
        self
    }

    /// Removes, as the owner, what the attack wrote.
    fn removed(&mut self, disk_before: u64) {
        let (start, deadline) = (Instant::now(), Instant::now() + AFTERWARDS);
        let path = format!("/points?where={}", encoded(&self.undo));
        let (mut after, mut steps) = (String::new(), 0);
        let removed = loop {
            steps += 1;
            match self.owned_call("DELETE", &format!("{path}{after}"), "") {
                Ok(answer) if answer.status == 200 => break Ok(answer.json()),
                Ok(answer) if answer.status == 202 && Instant::now() < deadline => {
                    after = format!("&after={}", encoded(answer.json()["cursor"].as_str().unwrap_or_default()));
                }
                Ok(answer) => break Err(format!("{} {}", answer.status, answer.text())),
                Err(error) => break Err(error),
            }
        };
        if let Some(removed) = self.report.check_step("removal", removed) {
            self.report.figure("removed", removed);
            self.report.figure("removal, s", start.elapsed().as_secs_f64());
            self.report.figure("removal, steps", steps);
            let left = self.matching();
            self.report.check(left == Ok(0.0), || format!("after the removal there are {left:?} points"));
            // Disk space may be freed step by step.
            let most = DISK_BASE_BYTES + self.tally.kept_bytes() + disk_before + disk_before / 5;
            while self.storage_bytes() > most && Instant::now() < deadline {
                wait_until(Instant::now() + LOOK);
            }
            let bytes = self.storage_bytes();
            self.report.figure("disk_after_removal_bytes", bytes);
            self.report
                .check(bytes <= most, || format!("after the removal it takes {bytes} bytes, {disk_before} before"));
        }
    }

    /// How many points still match the removal.
    fn matching(&self) -> Result<f64, String> {
        let query = format!("/rollup?from=-25h&step=1h&agg=count&where={}", encoded(&self.undo));
        let answer = self.stream.call("GET", &query).bearer(&self.stream.read_key).send_over(&agent());
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("{} {}", answer.status, answer.text()));
        }
        Ok(total(&answer.json(), "count"))
    }
}

/// An aggregate over all steps and series of a rollup.
pub(crate) fn total(rollup: &Value, aggregate: &str) -> f64 {
    rollup["series"].as_array().expect("a list").iter().map(|series| added(&series[aggregate])).sum()
}

/// Writes one point of a new label set, and returns why it has no series of its own, if it has none.
fn visit_once(stream: &Stream, label: &str) -> Result<(), String> {
    let body = json!({"n": 1, "v": {"visitor": label}}).to_string();
    let call = stream.call("POST", "/points").header(FORWARDED_FOR, VISITOR).body(body);
    let answer = call.send_over(&agent()).map_err(|error| error.to_string())?;
    if answer.status != 202 || answer.json()["overflow"].is_u64() {
        return Err(format!("{} {}", answer.status, answer.text()));
    }
    let query = format!("/rollup?from=-10m&step=10s&agg=count&where={}", encoded(&format!("visitor={label}")));
    let found = stream.call("GET", &query).bearer(&stream.read_key).send_over(&agent());
    let found = found.map_err(|error| error.to_string())?;
    match found.status {
        200 if total(&found.json(), "count") == 1.0 => Ok(()),
        200 => Err("its point is in another series".to_owned()),
        status => Err(format!("{status} {}", found.text())),
    }
}

fn status(stream: &Stream) -> Result<Value, String> {
    let answer = stream.owned("GET", "/status").send_over(&agent()).map_err(|error| error.to_string())?;
    if answer.status == 200 { Ok(answer.json()) } else { Err(format!("{} {}", answer.status, answer.text())) }
}

/// How long each attack takes.
pub(crate) fn attack_time() -> Duration {
    let seconds = std::env::var("ATTACK_SECONDS").ok();
    seconds.map_or(SHORT, |text| Duration::from_secs(text.parse().expect("ATTACK_SECONDS is a number")))
}

#[expect(clippy::cast_precision_loss, reason = "read by people only")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}

/// The right to attack: one attack at a time if latencies are checked, else two.
pub(crate) struct Turn(usize);

static TURNS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Turn {
    fn most() -> usize {
        if attack_time() >= TELLS_LATENCY { 1 } else { 2 }
    }

    fn wait() -> Self {
        Self::take(1)
    }

    /// Waits until no other attack runs, and keeps others out.
    pub(crate) fn alone() -> Self {
        Self::take(Self::most())
    }

    fn take(count: usize) -> Self {
        let running = TURNS.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = TURNS
            .1
            .wait_while(running, |running| *running + count > Self::most())
            .unwrap_or_else(PoisonError::into_inner);
        *running += count;
        Self(count)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TURNS.0.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        TURNS.1.notify_all();
    }
}
