//! The forwarder against an upstream that keeps every message. Points are written, packed, coarsened, refused, retried,
//! answered or not, the owner changes things, and the object crashes or fails at any statement: what was acknowledged
//! arrives once, under the ids of its batches, or is set aside.

mod steps;

use crate::randomness::Randomness;
use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;
use serde_json::Value;

use appnet::channel::Audience;
use config::forward::Token;
use config::stream_patch::StreamPatch;
use ingest::frame::FrameBuilder;
use model::delivery::Outcome;
use model::point::Point;
use store::sql::StoreError;
use store::testing::TestSql;

use self::steps::{Answer, Meanwhile, Step, any_step};
use super::engine::{Engine, Incoming, Limits, Packed, Parcel, Record};

const START_MS: i64 = 1_792_540_800_000;
const POINTS: &str = "net.app.contrib.timeseries";
/// The series whose messages the upstream refuses, and the one whose labels fit no message.
const REFUSED: u8 = 3;
const TOO_LARGE: u8 = 4;

/// n, d and number of points of each label set.
type Sums = BTreeMap<String, (f64, f64)>;

struct Model {
    sql: Rc<TestSql>,
    engine: Engine<Rc<TestSql>>,
    now_ms: i64,
    /// What was acknowledged since forwarding began.
    written: Sums,
    accepted: u64,
    /// The body of each id that was ever sent.
    sent: BTreeMap<String, String>,
    /// The ids that the upstream has, in order of arrival.
    taken: Vec<String>,
    /// The number of them from before forwarding began.
    taken_before: usize,
    /// The ids of batches that were sent since then.
    numbers: Vec<u64>,
    /// Whether the upstream refuses messages with points of one series...
    refuses: bool,
    /// ...by failing at them.
    errs: bool,
}

fn patched(mut record: Record, patch: &Value) -> Record {
    let patch = StreamPatch::parse(patch.to_string().as_bytes()).expect("valid");
    record.config = patch.applied(record.config, 0).expect("valid");
    record
}

fn forward(max_delay_s: i64) -> Value {
    let policy = serde_json::json!({ "max_delay": format!("{max_delay_s}s"), "writes_per_minute": 6 });
    serde_json::json!({ "forward": { "dialect": "app.net", "api_root": "https://up.example", "channel": "7",
        "token": "geheim", "policy": policy } })
}

/// The labels of a series; long, so that few points fit a message.
fn labels_of(series: u8) -> Vec<(String, String)> {
    let pad = ("pad".to_owned(), "x".repeat(250));
    let more = (0..15).filter(|_| series == TOO_LARGE).map(|at| (format!("q{at:02}"), "\"".repeat(256)));
    std::iter::once(pad).chain(more).chain([("series".to_owned(), series.to_string())]).collect()
}

/// What arrives, in the model's terms.
fn name_of(series: u8) -> String {
    if series == TOO_LARGE { "overflow".into() } else { series.to_string() }
}

fn add(sums: &mut Sums, name: String, n: f64, d: f64) {
    let sum = sums.entry(name).or_default();
    *sum = (sum.0 + n, sum.1 + d);
}

fn add_value(sums: &mut Sums, value: &Value) {
    let labels = &value["v"];
    let name = labels["series"].as_str().or_else(|| labels["overflow"].as_str().map(|_| "overflow"));
    let name = name.expect("a series or the overflow").to_owned();
    add(sums, name, value["n"].as_f64().expect("a number"), value["d"].as_f64().unwrap_or(1.0));
}

fn annotations(body: &str) -> Vec<Value> {
    let body: Value = serde_json::from_str(body).expect("JSON");
    body["annotations"].as_array().expect("a list").clone()
}

impl Model {
    fn new() -> Self {
        let sql = Rc::new(TestSql::new());
        let mut record = patched(super::engine_model::record(&[]), &forward(60));
        record.forward_token = Some(Token("sealed".into()));
        let mut engine = Engine::create(Rc::clone(&sql), Limits::DEFAULT, Randomness::FIXED, &record).expect("creates");
        engine.mark_checked(Audience::Nobody).expect("marks");
        let (written, sent, taken, numbers) = (Sums::new(), BTreeMap::new(), Vec::new(), Vec::new());
        let (now_ms, accepted, taken_before, refuses) = (START_MS, 0, 0, true);
        Self { sql, engine, now_ms, written, accepted, sent, taken, taken_before, numbers, refuses, errs: false }
    }

    fn take(&mut self, step: &Step) {
        self.now_ms += 7_000;
        match step {
            Step::Write(points) => self.write(points),
            Step::Send { answer, fails_at, meanwhile } => self.send(*answer, *fails_at, *meanwhile),
            Step::Coarsen { fails_at, meanwhile } => {
                self.failing(*fails_at, |model| model.coarsen(*meanwhile));
            }
            Step::Seal => self.engine.seal(self.now_ms).expect("seals"),
            Step::Tidy { after_s } => {
                self.now_ms += i64::from(*after_s) * 1_000;
                self.engine.tidy(self.now_ms).expect("tidies");
            }
            Step::Retry { fails_at } => self.failing(*fails_at, |model| model.engine.retry_forward().map(|_| ())),
            Step::Policy { max_delay_s } => self.change(&forward(*max_delay_s)),
            Step::EndAndBegin => self.happens(Meanwhile::EndAndBegin),
            Step::Crash => self.crash(),
        }
    }

    fn happens(&mut self, meanwhile: Meanwhile) {
        if !matches!(meanwhile, Meanwhile::Nothing) {
            // It does not fail because of another failure.
            self.sql.heal();
        }
        match meanwhile {
            Meanwhile::Nothing => (),
            Meanwhile::Write => self.write(&[(0, 1, 1), (1, 2, 1)]),
            Meanwhile::Change => self.change(&forward(60)),
            Meanwhile::EndAndBegin => {
                self.change(&serde_json::json!({ "forward": null }));
                self.change(&forward(60));
                self.engine.mark_checked(Audience::Nobody).expect("marks");
                (self.written, self.accepted) = (Sums::new(), 0);
                (self.taken_before, self.numbers) = (self.taken.len(), Vec::new());
            }
            Meanwhile::Crash => self.crash(),
        }
    }

    /// Does something that may fail: afterwards the object continues with its memory.
    fn failing<T: Default>(
        &mut self,
        fails_at: Option<u8>,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> T {
        if let Some(nth) = fails_at {
            self.sql.fail_at(u64::from(nth));
        }
        let done = work(self);
        self.sql.heal();
        assert!(done.is_ok() || fails_at.is_some(), "{:?}", done.err());
        done.unwrap_or_default()
    }

    fn crash(&mut self) {
        self.engine =
            Engine::open(Rc::clone(&self.sql), Limits::DEFAULT, Randomness::FIXED).expect("opens").expect("is there");
    }

    fn change(&mut self, patch: &Value) {
        let mut record = patched(self.engine.record().clone(), patch);
        record.version += 1;
        self.engine.set_record(record, self.now_ms).expect("sets");
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    fn write(&mut self, points: &[(u8, i8, u8)]) {
        let now = u64::try_from(self.now_ms).expect("after 1970");
        let mut builder = FrameBuilder::new(now, [0; 16], |_: &[u8]| None);
        for (index, (series, n, d)) in points.iter().enumerate() {
            let point = Point { n: f64::from(*n), d: f64::from(*d), p: None, t: (self.now_ms / 1_000) as f64 };
            let labels: String =
                labels_of(*series).iter().map(|(name, value)| [name, "\u{1f}", value, "\u{1e}"].concat()).collect();
            builder.push(index, Ok((point, &labels)));
            add(&mut self.written, name_of(*series), point.n, point.d);
        }
        self.accepted += points.len() as u64;
        let told = self.engine.commit(&[Incoming::of_owner(builder.finish(None).frame)], self.now_ms);
        assert!(told.iter().all(Result::is_ok));
    }

    fn coarsen(&mut self, meanwhile: Meanwhile) -> Result<(), StoreError> {
        let mut coarsening = self.engine.begin_coarsening([0; 16])?;
        self.engine.coarsen_row(&mut coarsening)?;
        if matches!(meanwhile, Meanwhile::Crash) {
            // The coarsening in progress is lost with the memory.
            self.happens(meanwhile);
            return Ok(());
        }
        self.happens(meanwhile);
        while self.engine.coarsen_row(&mut coarsening)? {}
        self.engine.finish_coarsening(coarsening)
    }

    fn next_parcel(&mut self) -> Result<Option<Parcel>, StoreError> {
        if self.engine.pack()? == Packed::Backlog {
            self.coarsen(Meanwhile::Nothing)?;
        }
        self.engine.parcel("s/0", self.now_ms)
    }

    fn send(&mut self, answer: Answer, fails_at: Option<u8>, meanwhile: Meanwhile) {
        if self.engine.forward_due().is_none() {
            return;
        }
        let Some(parcel) = self.failing(fails_at, Self::next_parcel) else { return };
        let outcome = self.outcome(&parcel, answer);
        self.happens(meanwhile);
        if matches!(meanwhile, Meanwhile::Crash) {
            return;
        }
        // The upstream is healthy, as the driver would find.
        let outcome = match outcome {
            Outcome::Erred(reason) if self.engine.is_suspect(&Outcome::Erred(reason.clone())) => {
                Outcome::Refused(reason)
            }
            other => other,
        };
        let now = self.now_ms;
        self.failing(fails_at, |model| model.engine.settle(&parcel, &outcome, 0.5, now));
    }

    /// What the upstream does; it remembers what it accepts.
    fn outcome(&mut self, parcel: &Parcel, answer: Answer) -> Outcome {
        let mut annotations = annotations(&parcel.body);
        let batch = annotations.pop().expect("its batch is last");
        let id = batch["value"]["id"].as_str().expect("a batch has an id").to_owned();
        self.numbers.push(number_of(&id));
        let before = self.sent.insert(id.clone(), parcel.body.clone());
        let is_same = |before: &String| self::annotations(before) == self::annotations(&parcel.body);
        assert!(before.as_ref().is_none_or(is_same), "{id} has other points now");
        assert!(parcel.body.len() <= 8_192 + 100 && annotations.iter().all(|point| point["type"] == POINTS));
        let refused = REFUSED.to_string();
        let is_refused = |point: &Value| point["value"]["v"]["series"] == *refused;
        match answer {
            Answer::Takes | Answer::TakesAndFails if self.refuses && annotations.iter().any(is_refused) => {
                if self.errs { Outcome::Erred("Internal Server Error".into()) } else { Outcome::Refused("no".into()) }
            }
            Answer::Takes | Answer::TakesAndFails => {
                if !self.taken.contains(&id) {
                    self.taken.push(id);
                }
                let is_heard = matches!(answer, Answer::Takes);
                if is_heard { Outcome::Delivered } else { Outcome::Failed("nobody knows".into()) }
            }
            Answer::Fails => Outcome::Failed("down".into()),
            Answer::Holds => Outcome::Held { for_ms: 1_000 },
            Answer::Denies => Outcome::Denied("who are you?".into()),
        }
    }

    /// Lets everything arrive.
    fn drain(&mut self) {
        if self.status()["state"] == "paused" {
            self.change(&forward(60));
        }
        for _ in 0..10_000 {
            if self.engine.forward_due().is_none() {
                return;
            }
            self.now_ms += 1_000;
            self.send(Answer::Takes, None, Meanwhile::Nothing);
        }
        panic!("it never ends");
    }

    fn status(&self) -> Value {
        serde_json::from_str::<Value>(&self.engine.status_json()).expect("JSON")["forward"].clone()
    }

    /// What arrived since forwarding began, together with what is set aside.
    fn check(&self) {
        let mut seen = Sums::new();
        let taken = &self.taken[self.taken_before..];
        for id in taken {
            let points = annotations(&self.sent[id]);
            points
                .iter()
                .filter(|point| point["type"] == POINTS)
                .for_each(|point| add_value(&mut seen, &point["value"]));
        }
        let status = self.status();
        let number = |path: &str| status.pointer(path).and_then(Value::as_u64).expect(path);
        let aside = number("/set_aside/points");
        assert_eq!(number("/pending/points"), 0);
        assert_eq!(number("/delivered/points") + aside, self.accepted, "{status}");
        let mut wanted = self.written.clone();
        if aside > 0 {
            // Only points that the upstream refuses may be set aside.
            let refused = REFUSED.to_string();
            for sums in [&mut seen, &mut wanted] {
                sums.remove(&refused);
            }
        }
        assert_eq!(seen, wanted);
        let is_next = |pair: &[u64]| pair[1] == pair[0] || pair[1] == pair[0] + 1;
        assert!(self.numbers.windows(2).all(is_next), "{:?}", self.numbers);
    }
}

#[test]
fn a_point_that_fails_upstream_is_set_aside_and_blocks_nothing() {
    for at in [0, 17, 39] {
        let mut model = Model::new();
        model.errs = true;
        let mut points: Vec<(u8, i8, u8)> = (0..40).map(|n| (0, n, 1)).collect();
        points[at].0 = REFUSED;
        model.write(&points);
        let mut requests = 0;
        while model.engine.forward_due().is_some() {
            model.now_ms += 1_000;
            model.send(Answer::Takes, None, Meanwhile::Nothing);
            requests += 1;
            assert!(requests < 60, "{}", model.status());
        }
        let status = model.status();
        assert_eq!((&status["delivered"]["points"], &status["set_aside"]["points"]), (&39.into(), &1.into()), "{at}");
        assert!(status["set_aside"]["recent"][0]["reason"].as_str().is_some_and(|reason| reason.contains("Internal")));
        model.check();
    }
}

#[test]
fn a_single_500_after_earlier_failures_sets_nothing_aside() {
    let mut model = Model::new();
    model.write(&[(0, 1, 1)]);
    let erred = Outcome::Erred("Internal Server Error".into());
    let ends: [&dyn Fn(&mut Model); 3] = [
        // It failed at the channel.
        &|model| model.engine.mark_checked(Audience::Nobody).expect("marks"),
        // The owner has fixed it.
        &|model| model.change(&forward(60)),
        &|model| assert!(model.engine.retry_forward().expect("retries")),
    ];
    for end in ends {
        for _ in 0..20 {
            model.engine.settle_channel(&erred, 0.5, model.now_ms).expect("settles");
        }
        assert!(model.engine.is_suspect(&erred));
        end(&mut model);
        assert!(!model.engine.is_suspect(&erred), "{}", model.status());
    }
    model.drain();
    model.check();
}

/// The id of the batch.
fn number_of(id: &str) -> u64 {
    let (_, number) = id.rsplit_once('-').expect("an id has a number");
    number.split('.').next().expect("a part").parse().expect("a number")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn acknowledged_points_arrive_once_or_are_set_aside(steps in proptest::collection::vec(any_step(), 1..30)) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
        }
        model.drain();
        model.check();
        model.crash();
        model.check();
        // Points that were set aside arrive too, once the upstream accepts them.
        model.refuses = false;
        model.engine.retry_forward().expect("retries");
        model.drain();
        model.check();
        prop_assert_eq!(model.status()["set_aside"]["points"].as_u64(), Some(0));
        model.change(&serde_json::json!({ "retention": { "messages": "0s" } }));
        model.engine.tidy(model.now_ms + 86_400_000).expect("tidies");
        prop_assert_eq!(model.sql.count("log"), 0);
    }
}
