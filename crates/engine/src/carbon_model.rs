//! Pushing against an idealised carbon, which keeps the last value of each name and time. Points may be late or sealed,
//! lines sent or lost, the configuration changed, and the object may crash or fail at any statement. In the end each
//! closed bucket has the value that its points determine, and buckets are sent in the order of their times.

mod cases;

use crate::randomness::Randomness;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::prelude::*;

use config::stream_patch::StreamPatch;
use config::who::KeyHash;
use ingest::frame::FrameBuilder;
use model::point::Point;
use store::testing::TestSql;

use super::engine::{Batch, Engine, Incoming, Limits, Lines, Record, Writing};
use crate::engine::record::Untold;

const START_MS: i64 = 1_792_540_800_000;
const INTERVAL_S: i64 = 30;
const INTERVAL_MS: i64 = INTERVAL_S * 1000;

/// A point as proptest draws it: series, n, period, and age in seconds.
type Drawn = (u8, i16, Option<u16>, u16);

/// What the carbon, or the connection to it, does with a batch.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Takes,
    /// The carbon has received it, but the object does not learn of that.
    TakesAndFails,
    /// The carbon has received the beginning.
    TakesHalf,
    Fails,
    /// The object dies before it learns anything.
    TakesAndCrash,
    /// The object dies before anything arrives.
    Crash,
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Drawn>),
    /// While lines are being sent, points may arrive and then buckets be sealed; a statement may fail.
    Push {
        answer: Answer,
        meanwhile: Vec<Drawn>,
        fails_at: Option<u8>,
    },
    Later {
        s: u16,
    },
    Seal,
    Change,
    Crash,
}

fn any_points(least: usize) -> impl Strategy<Value = Vec<Drawn>> {
    let age = prop_oneof![3 => 0u16..40, 1 => 0u16..2_000];
    proptest::collection::vec((0u8..3, any::<i16>(), proptest::option::of(1u16..300), age), least..6)
}

fn any_step() -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        6 => Just(Answer::Takes),
        1 => Just(Answer::TakesAndFails),
        1 => Just(Answer::TakesHalf),
        2 => Just(Answer::Fails),
        1 => Just(Answer::TakesAndCrash),
        1 => Just(Answer::Crash),
    ];
    let meanwhile = prop_oneof![3 => Just(Vec::new()), 1 => any_points(1)];
    prop_oneof![
        6 => any_points(1).prop_map(Step::Write),
        8 => (answer, meanwhile, proptest::option::weighted(0.2, 0u8..6))
            .prop_map(|(answer, meanwhile, fails_at)| Step::Push { answer, meanwhile, fails_at }),
        6 => (1u16..200).prop_map(|s| Step::Later { s }),
        1 => Just(Step::Seal),
        1 => Just(Step::Change),
        1 => Just(Step::Crash),
    ]
}

/// The configuration of a stream called `model`, with additional fields in `carbon`.
fn record(more: &serde_json::Value) -> Record {
    let mut carbon = serde_json::json!({ "host": "carbon.example", "port": 2003, "interval_s": INTERVAL_S });
    carbon.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let body = serde_json::json!({ "name": "model", "distinct": ["client"], "carbon": carbon }).to_string();
    let created_ms = u64::try_from(START_MS).expect("after 1970");
    let config = StreamPatch::parse(body.as_bytes()).and_then(|patch| patch.into_config(created_ms)).expect("valid");
    Record {
        config,
        read_key_hash: KeyHash::from_bytes([0; 32]),
        version: 1,
        is_closed: false,
        forward_token: None,
        writing: Writing::default(),
        untold: Untold::default(),
    }
}

struct Model {
    sql: Rc<TestSql>,
    engine: Engine<Rc<TestSql>>,
    now_ms: i64,
    written: Vec<(u8, Point)>,
    /// What the carbon has, by name and time.
    carbon: BTreeMap<(String, i64), f64>,
    /// The end of the last bucket that is known to have arrived.
    sent_s: i64,
    /// Buckets that were touched before their turn and are not known to have arrived.
    waiting: BTreeSet<i64>,
}

impl Model {
    fn new() -> Self {
        Self::with(&serde_json::json!({}))
    }

    /// Starts with additional fields in `carbon`.
    fn with(more: &serde_json::Value) -> Self {
        let sql = Rc::new(TestSql::new());
        let engine =
            Engine::create(Rc::clone(&sql), Limits::DEFAULT, Randomness::FIXED, &record(more)).expect("creates");
        let (written, carbon, waiting) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        Self { sql, engine, now_ms: START_MS, written, carbon, sent_s: START_MS / 1000, waiting }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Write(points) => self.write(points),
            Step::Push { answer, meanwhile, fails_at } => self.push(*answer, meanwhile, *fails_at),
            Step::Later { s } => self.now_ms += i64::from(*s) * 1000,
            Step::Seal => self.engine.seal(self.now_ms).expect("seals"),
            Step::Change => {
                let mut record = self.engine.record().clone();
                record.config.name = "model".into();
                self.engine.set_record(record, self.now_ms).expect("sets");
            }
            Step::Crash => self.crash(),
        }
    }

    fn crash(&mut self) {
        let limits = Limits::DEFAULT;
        self.engine = Engine::open(Rc::clone(&self.sql), limits, Randomness::FIXED).expect("opens").expect("is there");
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "whole seconds since 1970")]
    fn write(&mut self, points: &[Drawn]) {
        let mut frame = FrameBuilder::new(u64::try_from(self.now_ms).expect("after 1970"), [0; 16], |_| None);
        for (index, (series, n, p, age)) in points.iter().enumerate() {
            let t = (self.now_ms / 1000 - i64::from(*age)) as f64;
            let point = Point { n: f64::from(*n), d: 1.0, p: p.map(f64::from), t };
            frame.push(index, Ok((point, &format!("series\u{1f}{series}\u{1e}"))));
            self.written.push((*series, point));
            let from_s = (point.t - point.p.unwrap_or_default()) as i64 / INTERVAL_S * INTERVAL_S;
            let touched = (from_s..=point.t as i64).step_by(usize::try_from(INTERVAL_S).expect("small"));
            self.waiting.extend(touched.filter(|at_s| *at_s >= self.sent_s));
        }
        let committed = self.engine.commit(&[Incoming::of_owner(frame.finish(None).frame)], self.now_ms);
        assert!(committed.iter().all(Result::is_ok));
    }

    fn next_lines(&mut self) -> Option<Lines> {
        loop {
            match self.engine.next_lines(self.now_ms).expect("reads") {
                Batch::Send(lines) => return Some(*lines),
                Batch::Again => {}
                Batch::Rest => return None,
            }
        }
    }

    fn push(&mut self, answer: Answer, meanwhile: &[Drawn], fails_at: Option<u8>) {
        let Some(mut lines) = self.next_lines() else { return };
        let waiting = self.waiting.clone();
        let mut text = String::new();
        while let Some(piece) = lines.next_piece() {
            text.push_str(&piece);
        }
        let all: Vec<(String, f64, i64)> = text.lines().map(parsed).collect();
        assert!(!all.is_empty() && all.iter().map(|line| line.2).is_sorted(), "{text}");
        assert!(all.iter().all(|line| (line.2 + INTERVAL_S) * 1000 < self.now_ms), "a bucket is not closed: {text}");
        let arrived = match answer {
            Answer::Fails | Answer::Crash => 0,
            Answer::TakesHalf => all.len() / 2,
            Answer::Takes | Answer::TakesAndFails | Answer::TakesAndCrash => all.len(),
        };
        for (name, value, at_s) in &all[..arrived] {
            self.carbon.insert((name.clone(), *at_s), *value);
        }
        if !meanwhile.is_empty() {
            self.write(meanwhile);
            self.engine.seal(self.now_ms).expect("seals");
        }
        if let Some(nth) = fails_at {
            self.sql.fail_at(u64::from(nth));
        }
        let failure = (!matches!(answer, Answer::Takes)).then_some("nobody knows");
        let settled = match answer {
            Answer::TakesAndCrash | Answer::Crash => Ok(()),
            _ => self.engine.settle_lines(&lines, failure, 0.5, self.now_ms),
        };
        self.sql.heal();
        if settled.is_ok() && matches!(answer, Answer::Takes) {
            self.check_order(&all, &waiting);
        }
        if settled.is_err() || matches!(answer, Answer::TakesAndCrash | Answer::Crash) {
            self.crash();
        }
    }

    /// A bucket is first sent after all earlier ones that were there in time, and after those in `waiting`.
    fn check_order(&mut self, all: &[(String, f64, i64)], waiting: &BTreeSet<i64>) {
        let sent: BTreeSet<i64> = all.iter().map(|line| line.2).collect();
        let last = all[all.len() - 1].2;
        let passed: Vec<&i64> =
            waiting.range(self.sent_s..last.max(self.sent_s)).filter(|at| !sent.contains(at)).collect();
        assert!(passed.is_empty(), "{passed:?} are passed by {sent:?}");
        self.sent_s = self.sent_s.max(last + INTERVAL_S);
        self.waiting.retain(|at_s| *at_s >= self.sent_s);
    }

    /// Runs until everything written is closed and sent.
    fn drain(&mut self) {
        for _ in 0..2_000 {
            let Some(due_ms) = self.engine.carbon_due() else { return };
            self.now_ms = self.now_ms.max(due_ms);
            self.push(Answer::Takes, &[], None);
        }
        panic!("it never ends");
    }

    fn check(&self) {
        let mut wanted: BTreeMap<(String, i64), f64> = BTreeMap::new();
        for (series, point) in &self.written {
            let mut add = |kind: &str, at_s: i64, value: f64| {
                if at_s * 1000 >= START_MS {
                    *wanted.entry((format!("model.{kind};series={series}"), at_s)).or_default() += value;
                }
            };
            each_share(point, |at_s, share, count| {
                if let Some(share) = share {
                    add("sum", at_s, share);
                }
                add("count", at_s, count);
            });
        }
        assert_eq!(self.carbon.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
        for (place, value) in wanted {
            assert!((self.carbon[&place] - value).abs() <= 1e-6, "{} is not {value}: {place:?}", self.carbon[&place]);
        }
    }
}

/// By definition, each second of a period has the same share, and the bucket that contains `t` counts the point.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "whole seconds since 1970")]
fn each_share(point: &Point, mut put: impl FnMut(i64, Option<f64>, f64)) {
    let from = point.t - point.p.unwrap_or_default();
    let mut at_s = from as i64 / INTERVAL_S * INTERVAL_S;
    while at_s as f64 <= point.t {
        let end = (at_s + INTERVAL_S) as f64;
        let overlap = point.t.min(end) - from.max(at_s as f64);
        let share = match point.p {
            Some(p) => (overlap > 0.0).then(|| point.n * overlap / p),
            None => Some(point.n),
        };
        put(at_s, share, f64::from(u8::from(point.t < end)));
        at_s += INTERVAL_S;
    }
}

fn parsed(line: &str) -> (String, f64, i64) {
    let fields: Vec<&str> = line.split(' ').collect();
    let [name, value, at_s] = fields[..] else { panic!("{line:?}") };
    (name.to_owned(), value.parse().expect("a number"), at_s.parse().expect("a time"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn the_carbon_gets_the_final_value_of_every_closed_bucket(
        steps in proptest::collection::vec(any_step(), 1..40),
    ) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
        }
        model.drain();
        model.check();
        model.crash();
        model.drain();
        model.check();
        prop_assert_eq!(model.engine.carbon_due(), None);
    }
}
