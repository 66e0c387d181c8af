//! The engine against a model that keeps every point. Points are written, retried, sealed and tidied, and the engine
//! crashes or fails at any statement: what was acknowledged counts once, and nothing else counts, in sums, counts,
//! quantiles and distinct counts.

mod checks;
mod laws;
mod live;
mod removal;
mod rules;
mod series;
mod slices;

use crate::randomness::Randomness;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::prelude::*;

use config::stream_patch::StreamPatch;
use config::who::KeyHash;
use ingest::frame::{FrameBuilder, FramedBatch, NewLabels};
use ingest::outcome::WriteOutcome;
use model::batch_key::BatchKey;
use model::cell::Cell;
use model::class::Class;
use model::labels::Labels;
use model::matcher::Matcher;
use model::open::SeriesId;
use model::point::Point;
use model::quantiles::Percent;
use model::query::{By, Query};
use model::retention::Retention;
use model::sketches::Wanted;
use model::tier::{Layer, Tier, floor_to};
use model::total::Total;
use model::window::Window;
use store::testing::TestSql;
use store::testing::fill;

use super::dictionary::DictionaryLimits;
use super::engine::{Ack, Engine, Incoming, Limits, Record, Writing};
use crate::engine::record::Untold;

use rules::{Given, Rule, any_rule};

const START_MS: i64 = 1_792_540_800_000;
const CLIENT: &str = "client";

/// A point as proptest draws it: series and client, n, period, age in seconds.
type Drawn = ((u8, u8), i16, Option<u16>, u16);

/// A point, its writer's labels and, if the rules accept it, what is kept of it and its labels.
type Written = (Point, Given, Option<(Kept, Given)>);

/// A point that was acknowledged.
#[derive(Clone, Debug)]
struct Kept {
    /// The n and d of its series.
    labels: String,
    /// The value of the counted label, if it was counted.
    client: Option<u8>,
    point: Point,
    /// The parts of the time that are not removed.
    alive: Vec<(f64, f64)>,
}

impl Kept {
    fn is_alive(&self) -> bool {
        self.alive.iter().any(|(from, to)| (*from..*to).contains(&self.point.t))
    }

    /// The number of seconds of a time range that are not removed.
    fn alive_s(&self, from: f64, to: f64) -> f64 {
        self.alive.iter().map(|(start, end)| (to.min(*end) - from.max(*start)).max(0.0)).sum()
    }

    /// The share of the point that is not removed.
    fn share(&self) -> f64 {
        match self.point.p {
            Some(p) => self.alive_s(self.point.t - p, self.point.t) / p,
            None => f64::from(u8::from(self.is_alive())),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Batches that one commit takes.
    Write(Vec<Vec<Drawn>>),
    /// Repeats the last acknowledged key, with other points.
    Retry,
    Seal,
    /// Fills places of chunks, as earlier versions left them.
    Fill,
    /// Merges some of what is crowded.
    Compact,
    /// Starts or stops counting the values of the clients' label; possibly with a failing statement.
    List {
        is_counted: bool,
        fails_at: Option<u8>,
    },
    /// Moves on in time; the alarm fires.
    Tidy {
        after_s: u16,
    },
    /// Nobody writes for this many hours; the alarm fires whenever it is due.
    Idle {
        hours: u16,
    },
    /// Sets who writes from now on.
    As(Class),
    /// Sets the owner's rules from now on.
    Rule(Rule),
    /// Sets how commits are done from now on.
    Commit(slices::How),
    /// Does this many slices of a seal, of this many cells, and leaves the rest.
    SealSome {
        slices: u8,
        cells: u8,
    },
    /// A slice of a query, or of the one in progress.
    Ask {
        units: u8,
    },
    /// Memory is lost.
    Crash,
    /// The nth statement from here fails, and the work in progress is lost.
    FailAndCrash {
        nth: u8,
        write: Vec<Drawn>,
    },
}

fn any_batch() -> impl Strategy<Value = Vec<Drawn>> {
    proptest::collection::vec(((0u8..4, 0u8..4), any::<i16>(), proptest::option::of(1u16..40_000), 0u16..40_000), 1..8)
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::collection::vec(any_batch(), 1..4).prop_map(Step::Write),
        1 => Just(Step::Retry),
        1 => Just(Step::Seal),
        1 => Just(Step::Fill),
        1 => Just(Step::Compact),
        1 => (any::<bool>(), proptest::option::of(0u8..40))
            .prop_map(|(is_counted, fails_at)| Step::List { is_counted, fails_at }),
        1 => (0u16..1200).prop_map(|after_s| Step::Tidy { after_s }),
        1 => (1u16..120).prop_map(|hours| Step::Idle { hours }),
        1 => prop::sample::select(vec![Class::Open, Class::Keyed, Class::Owner]).prop_map(Step::As),
        1 => any_rule().prop_map(Step::Rule),
        2 => slices::any_how().prop_map(Step::Commit),
        1 => (1u8..9, 1u8..99).prop_map(|(slices, cells)| Step::SealSome { slices, cells }),
        3 => (1u8..20).prop_map(|units| Step::Ask { units }),
        1 => Just(Step::Crash),
        2 => (0u8..40, any_batch()).prop_map(|(nth, write)| Step::FailAndCrash { nth, write }),
    ]
}

/// A stream that counts the values of these labels.
pub(super) fn record(distinct: &[&str]) -> Record {
    let body = serde_json::json!({ "name": "model", "distinct": distinct }).to_string();
    let config = StreamPatch::parse(body.as_bytes()).and_then(|patch| patch.into_config(0)).expect("valid");
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
    limits: Limits,
    engine: Engine<Rc<TestSql>>,
    now_ms: i64,
    points: Vec<Kept>,
    /// The number of points that were ever acknowledged.
    accepted: u64,
    next_key: u8,
    acknowledged: Option<(BatchKey, WriteOutcome, i64)>,
    /// What an edge knows that has learned series numbers, and their labels; by the rules under which labels were read.
    told: BTreeMap<(Rule, Vec<u8>), (SeriesId, Given)>,
    /// Whether points have periods.
    has_periods: bool,
    /// The class of the writer.
    class: Class,
    how: slices::How,
    asked: Option<slices::Asked>,
    rule: Rule,
    /// Whether limits may refuse series.
    may_refuse: bool,
    /// When each series was last written to.
    written_ms: BTreeMap<String, i64>,
}

impl Model {
    fn new(limits: Limits) -> Self {
        let sql = Rc::new(TestSql::new());
        let engine = Engine::create(Rc::clone(&sql), limits, Randomness::FIXED, &record(&[CLIENT])).expect("creates");
        let (points, told) = (Vec::new(), BTreeMap::new());
        let (next_key, acknowledged, has_periods) = (0, None, true);
        let (now_ms, class, written_ms) = (START_MS, Class::Owner, BTreeMap::new());
        Self {
            sql,
            limits,
            engine,
            now_ms,
            points,
            accepted: 0,
            next_key,
            acknowledged,
            told,
            has_periods,
            class,
            how: slices::How::AtOnce,
            asked: None,
            rule: Rule::None,
            may_refuse: false,
            written_ms,
        }
    }

    fn keep_no_messages(&mut self) {
        let mut record = self.engine.record().clone();
        record.config.messages_s = 0;
        self.engine.set_record(record, self.now_ms).expect("sets");
    }

    fn take(&mut self, step: &Step) {
        self.take_step(step);
        self.follow_folds();
    }

    fn take_step(&mut self, step: &Step) {
        match step {
            Step::Write(batches) => assert!(self.write(batches).iter().all(|is_committed| *is_committed)),
            Step::Retry => self.retry(),
            Step::Seal => self.engine.seal(self.now_ms).expect("seals"),
            Step::Fill => self.fill(),
            Step::Compact => self.engine.compact(),
            Step::List { is_counted, fails_at } => self.list(*is_counted, *fails_at),
            Step::Tidy { after_s } => {
                self.now_ms += i64::from(*after_s) * 1000;
                self.engine.tidy(self.now_ms).expect("tidies");
            }
            Step::Idle { hours } => self.idle(*hours),
            Step::As(class) => self.class = *class,
            Step::Rule(rule) => self.have_rule(*rule),
            Step::Commit(how) => self.how = *how,
            Step::SealSome { slices, cells } => self.seal_some(*slices, *cells),
            Step::Ask { units } => self.ask(*units),
            Step::Crash => self.crash(),
            Step::FailAndCrash { nth, write } => {
                self.sql.fail_at(u64::from(*nth));
                self.write(std::slice::from_ref(write));
                let _may_fail = self.engine.tidy(self.now_ms);
                self.engine.compact();
                self.sql.heal();
                self.crash();
            }
        }
    }

    /// Only the engine changes its open buckets, so places were filled before it began.
    fn fill(&mut self) {
        for layer in [Layer::Total(Tier::FINEST), Layer::Total(Tier::H1), Layer::Spread(Tier::M10)] {
            fill(&self.sql, layer, floor_to(self.now_ms / 1000, layer.tier().span_s()), &[]);
        }
        self.crash();
    }

    fn crash(&mut self) {
        self.engine =
            Engine::open(Rc::clone(&self.sql), self.limits, Randomness::FIXED).expect("opens").expect("is there");
    }

    fn list(&mut self, is_counted: bool, fails_at: Option<u8>) {
        let names: &[&str] = if is_counted { &[CLIENT] } else { &[] };
        if let Some(nth) = fails_at {
            self.sql.fail_at(u64::from(nth));
        }
        let mut record = record(names);
        record.config.accept = self.rule.accept();
        let changed = self.engine.set_record(record, self.now_ms);
        self.sql.heal();
        assert!(changed.is_ok() || fails_at.is_some());
        if changed.is_err() {
            self.crash();
        }
    }

    /// The batches that were committed; a batch without an allowed point is not sent.
    fn write(&mut self, batches: &[Vec<Drawn>]) -> Vec<bool> {
        let mut frames = Vec::new();
        let mut written = Vec::new();
        let (rule, mut values) = (self.rule_for_writer(), self.values());
        for batch in batches {
            self.next_key = self.next_key.wrapping_add(1);
            let key = BatchKey::from_bytes([self.next_key; 16]);
            // An object reports numbers that it does not know, and the edge forgets them.
            let told = |written: &[u8]| {
                let (number, _) = self.told.get(&(rule, written.to_vec()))?;
                Some(*number).filter(|number| self.engine.knows(*number))
            };
            let now_ms = u64::try_from(self.now_ms).expect("after 1970");
            let mut builder = FrameBuilder::new(now_ms, [0; 16], told).bound(self.binding());
            let points = self.points_of(batch, &mut values);
            for (index, (point, given, _)) in points.iter().enumerate() {
                builder.push(index, Ok((*point, &given.text())));
            }
            if self.next_key.is_multiple_of(2) {
                builder.keep_posted(r#"{"machine_only":true,"annotations":[]}"#.into());
            }
            let FramedBatch { frame, outcome, new_labels, .. } = builder.finish(Some(&key));
            let labels: BTreeMap<Vec<u8>, Given> = points
                .iter()
                .filter_map(|(_, given, kept)| Some((given.text().into_bytes(), kept.as_ref()?.1)))
                .collect();
            let kept: Vec<Kept> = points.into_iter().filter_map(|(.., kept)| Some(kept?.0)).collect();
            assert_eq!(outcome.accepted, kept.len() as u64, "accepted by {rule:?}");
            if !kept.is_empty() {
                frames.push(Incoming { frame, class: self.class, networks: [None; 2] });
                written.push((key, outcome, new_labels, labels, kept));
            }
        }
        if frames.is_empty() {
            return Vec::new();
        }
        let committed = self.commit(&frames);
        for ((key, outcome, new_labels, labels, points), told) in written.into_iter().zip(&committed) {
            if let Ok(told) = told {
                assert!(told.as_ref().is_none_or(|told| told.first == self.accepted + 1));
                self.accepted += points.len() as u64;
                self.acknowledged = Some((key, outcome, self.now_ms));
                self.written_ms.extend(points.iter().map(|kept| (kept.labels.clone(), self.now_ms)));
                self.points.extend(points);
                if let Some(Ack { numbers, .. }) = told {
                    self.learn(rule, &new_labels, &labels, numbers);
                }
            }
        }
        committed.iter().map(Result::is_ok).collect()
    }

    fn learn(
        &mut self,
        rule: Rule,
        new_labels: &NewLabels,
        labels: &BTreeMap<Vec<u8>, Given>,
        numbers: &[Option<SeriesId>],
    ) {
        assert_eq!(new_labels.iter().len(), numbers.len());
        for (text, number) in new_labels.iter().zip(numbers) {
            if let Some(number) = number {
                assert!(self.engine.knows(*number));
                self.told.insert((rule, text.to_vec()), (*number, labels[text]));
            }
        }
    }

    /// The points of a batch.
    fn points_of(&self, batch: &[Drawn], values: &mut BTreeSet<u8>) -> Vec<Written> {
        let is_counted = !self.engine.record().config.distinct.is_empty();
        let point = |((series, client), n, p, age): &Drawn| {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
            let t = (self.now_ms / 1000 - i64::from(*age)) as f64;
            let point = Point { n: f64::from(*n), d: 2.0, p: p.map(f64::from).filter(|_| self.has_periods), t };
            // One of the clients means no client.
            let given = Given { series: Some(*series), client: Some(*client).filter(|client| *client > 0) };
            let kept = self.ruled(&point, given, values).map(|ruled| {
                let labels = if is_counted { Given { client: None, ..ruled } } else { ruled }.text();
                let client = ruled.client.filter(|_| is_counted);
                (Kept { labels, client, point, alive: vec![(f64::NEG_INFINITY, f64::INFINITY)] }, ruled)
            });
            (point, given, kept)
        };
        batch.iter().map(point).collect()
    }

    fn retry(&mut self) {
        let Some((key, outcome, at_ms)) = &self.acknowledged else { return };
        let answered = self.engine.answered(key, self.now_ms).expect("reads");
        let is_recent = *at_ms >= self.now_ms - super::answers::KEY_WINDOW_MS;
        assert_eq!(answered.as_ref(), Some(outcome).filter(|_| is_recent));
    }
}
