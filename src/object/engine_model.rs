//! The engine against a model that keeps every point: whatever is written, retried, sealed, tidied, crashed or made to
//! fail at any statement, what was acknowledged counts once and nothing else counts.

use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;

use crate::domain::labels::Labels;
use crate::domain::matcher::Matcher;
use crate::domain::point::Point;
use crate::domain::query::{By, Query};
use crate::domain::retention::Retention;
use crate::domain::window::Window;
use crate::store::testing::TestSql;
use crate::wire::frame::{BatchKey, FrameBuilder};
use crate::wire::outcome::Outcome;
use crate::wire::stream::StreamPatch;

use super::dictionary::DictionaryLimits;
use super::engine::{Engine, Limits, Record};

const START_MS: i64 = 1_792_540_800_000;

/// A point as proptest draws it: series, n, period, age in seconds.
type Drawn = (u8, i16, Option<u16>, u16);

#[derive(Clone, Debug)]
enum Step {
    /// Batches that one commit takes.
    Write(Vec<Vec<Drawn>>),
    /// The last acknowledged key again, with other points.
    Retry,
    Seal,
    /// Later, the alarm.
    Tidy {
        after_s: u16,
    },
    /// Memory is lost.
    Crash,
    /// The nth statement from here fails, and what was in hand is lost.
    FailAndCrash {
        nth: u8,
        write: Vec<Drawn>,
    },
}

fn any_batch() -> impl Strategy<Value = Vec<Drawn>> {
    proptest::collection::vec((0u8..5, any::<i16>(), proptest::option::of(1u16..40_000), 0u16..40_000), 1..8)
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::collection::vec(any_batch(), 1..4).prop_map(Step::Write),
        1 => Just(Step::Retry),
        1 => Just(Step::Seal),
        1 => (0u16..1200).prop_map(|after_s| Step::Tidy { after_s }),
        1 => Just(Step::Crash),
        2 => (0u8..40, any_batch()).prop_map(|(nth, write)| Step::FailAndCrash { nth, write }),
    ]
}

struct Model {
    sql: Rc<TestSql>,
    limits: Limits,
    engine: Engine<Rc<TestSql>>,
    now_ms: i64,
    points: Vec<(String, Point)>,
    next_key: u8,
    acknowledged: Option<(BatchKey, Outcome, i64)>,
    /// Whether points have periods.
    has_periods: bool,
}

impl Model {
    fn new(limits: Limits) -> Self {
        let sql = Rc::new(TestSql::new());
        let config = StreamPatch::parse(br#"{"name":"model"}"#).and_then(|patch| patch.into_config(0)).expect("valid");
        let record = Record { config, read_key_hash: [0; 32] };
        let engine = Engine::create(Rc::clone(&sql), limits, &record).expect("creates");
        Self {
            sql,
            limits,
            engine,
            now_ms: START_MS,
            points: Vec::new(),
            next_key: 0,
            acknowledged: None,
            has_periods: true,
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Write(batches) => assert!(self.write(batches).iter().all(|is_committed| *is_committed)),
            Step::Retry => self.retry(),
            Step::Seal => self.engine.seal(self.now_ms).expect("seals"),
            Step::Tidy { after_s } => {
                self.now_ms += i64::from(*after_s) * 1000;
                self.engine.tidy(self.now_ms).expect("tidies");
            }
            Step::Crash => self.crash(),
            Step::FailAndCrash { nth, write } => {
                self.sql.fail_at(u64::from(*nth));
                self.write(std::slice::from_ref(write));
                let _may_fail = self.engine.tidy(self.now_ms);
                self.sql.heal();
                self.crash();
            }
        }
    }

    fn crash(&mut self) {
        self.engine = Engine::open(Rc::clone(&self.sql), self.limits).expect("opens").expect("is there");
    }

    /// Which batches were committed.
    fn write(&mut self, batches: &[Vec<Drawn>]) -> Vec<bool> {
        let mut frames = Vec::new();
        let mut written = Vec::new();
        for batch in batches {
            self.next_key = self.next_key.wrapping_add(1);
            let key = [self.next_key; 16];
            let mut builder = FrameBuilder::new(u64::try_from(self.now_ms).expect("after 1970"));
            let points = self.points_of(batch);
            for (index, (labels, point)) in points.iter().enumerate() {
                builder.push(index, Ok((*point, labels)));
            }
            written.push((key, builder.outcome(), points));
            frames.push(builder.finish(Some(&key)));
        }
        let committed: Vec<bool> = self.engine.commit(&frames, self.now_ms).iter().map(Result::is_ok).collect();
        for ((key, outcome, points), is_committed) in written.into_iter().zip(&committed) {
            if *is_committed {
                self.acknowledged = Some((key, outcome, self.now_ms));
                self.points.extend(points);
            }
        }
        committed
    }

    fn points_of(&self, batch: &[Drawn]) -> Vec<(String, Point)> {
        let point = |(series, n, p, age): &Drawn| {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
            let t = (self.now_ms / 1000 - i64::from(*age)) as f64;
            let point = Point { n: f64::from(*n), d: 2.0, p: p.map(f64::from).filter(|_| self.has_periods), t };
            (format!("series\u{1f}{series}\u{1e}"), point)
        };
        batch.iter().map(point).collect()
    }

    fn retry(&mut self) {
        let Some((key, outcome, at_ms)) = &self.acknowledged else { return };
        let answered = self.engine.answered(key, self.now_ms).expect("reads");
        let is_recent = *at_ms >= self.now_ms - super::answers::KEY_WINDOW_MS;
        assert_eq!(answered.as_ref(), Some(outcome).filter(|_| is_recent));
    }

    /// Compares all that the engine knows with what the points say.
    fn check(&self, step_s: i64, by: By) {
        let now_s = self.now_ms / 1000;
        let (from_ms, to_ms) = ((now_s - 90_000) * 1000, (now_s + 10) * 1000);
        let window = Window::new(from_ms, to_ms, Some(step_s), self.now_ms, &Retention::default()).expect("valid");
        let query = Query { window, matchers: Vec::new(), by };
        let mut seen: BTreeMap<(Labels, i64), (f64, u64)> = BTreeMap::new();
        for (labels, cells) in self.engine.query(&query).expect("answers") {
            for (step, cell) in cells {
                let at_s = window.from_s() + i64::from(step) * step_s;
                seen.insert((labels.clone(), at_s), (cell.cover.map_or(0.0, |cover| cover.n), cell.count));
            }
        }
        let wanted = self.wanted(&query);
        assert_eq!(seen.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
        for (place, (n, count)) in &wanted {
            let (seen_n, seen_count) = seen[place];
            assert_eq!(seen_count, *count, "count at {place:?}");
            assert!((seen_n - n).abs() <= 1e-6, "{seen_n} is not {n} at {place:?}");
        }
    }

    /// How many points are counted in the overflow series.
    fn counted_in_overflow(&self) -> u64 {
        let now_s = self.now_ms / 1000;
        let day = Window::aligned((now_s / 86_400 - 3) * 86_400, (now_s / 86_400 + 1) * 86_400, 86_400).expect("valid");
        let matchers = vec![Matcher::parse("overflow=true").expect("valid")];
        let rows = self.engine.query(&Query { window: day, matchers, by: By::All }).expect("answers");
        rows.iter().flat_map(|(_, cells)| cells).map(|(_, cell)| cell.count).sum()
    }

    /// By the definition: each second of a period has the same share.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "whole seconds since 1970")]
    fn wanted(&self, query: &Query) -> BTreeMap<(Labels, i64), (f64, u64)> {
        let window = &query.window;
        let mut wanted: BTreeMap<(Labels, i64), (f64, u64)> = BTreeMap::new();
        for (labels, point) in &self.points {
            let group = query.group_of(&Labels::from_canonical(labels)).expect("there are no matchers");
            let (from, to) = (point.t - point.p.unwrap_or_default(), point.t);
            for at_s in window.times() {
                let overlap = to.min((at_s + window.step_s()) as f64) - from.max(at_s as f64);
                let holds_t = (at_s..at_s + window.step_s()).contains(&(to as i64));
                let share = match point.p {
                    Some(p) if overlap > 0.0 => Some(point.n * overlap / p),
                    None if holds_t => Some(point.n),
                    _ => None,
                };
                if share.is_some() || holds_t {
                    let place = wanted.entry((group.clone(), at_s)).or_default();
                    place.0 += share.unwrap_or_default();
                    place.1 += u64::from(holds_t);
                }
            }
        }
        wanted
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn acknowledged_counts_once_and_nothing_else_counts(
        steps in proptest::collection::vec(any_step(), 1..14),
        open_cells in prop::sample::select(vec![3usize, 40, 100_000]),
        unsealed_bytes in prop::sample::select(vec![100usize, 100_000]),
        open_pieces in prop::sample::select(vec![30usize, 100_000]),
        unsealed_answers in prop::sample::select(vec![2usize, 100_000]),
        step_s in prop::sample::select(vec![10i64, 60, 90, 600, 3600, 86_400]),
    ) {
        let limits = Limits { open_cells, unsealed_bytes, open_pieces, unsealed_answers, ..Limits::DEFAULT };
        let mut model = Model::new(limits);
        for step in &steps {
            model.take(step);
        }
        model.check(step_s, By::All);
        model.crash();
        model.check(step_s, By::All);
        prop_assert_eq!(model.engine.totals().accepted, model.points.len() as u64);
        prop_assert_eq!(model.engine.totals().overflow_points, 0);
    }

    #[test]
    fn what_overflows_is_in_the_sums_and_is_counted_once(
        steps in proptest::collection::vec(any_step(), 1..14),
        open_cells in prop::sample::select(vec![3usize, 40, 100_000]),
        bucket_series in prop::sample::select(vec![1usize, 2, 100]),
        series in prop::sample::select(vec![0usize, 2, 100]),
        names in prop::sample::select(vec![0usize, 1]),
        step_s in prop::sample::select(vec![10i64, 90, 3600, 86_400]),
        has_periods in any::<bool>(),
    ) {
        let dictionary = DictionaryLimits { series, names, ..DictionaryLimits::DEFAULT };
        let mut model = Model::new(Limits { open_cells, bucket_series, dictionary, ..Limits::DEFAULT });
        model.has_periods = has_periods;
        for step in &steps {
            model.take(step);
        }
        model.check(step_s, By::Names(Vec::new()));
        let totals = model.engine.totals().clone();
        let counted = model.counted_in_overflow();
        model.crash();
        model.check(step_s, By::Names(Vec::new()));
        prop_assert_eq!(model.engine.totals(), &totals);
        prop_assert_eq!(model.counted_in_overflow(), counted);
        prop_assert!(counted <= totals.overflow_points && totals.overflow_points <= totals.accepted);
        if !has_periods || series.min(names) == 0 {
            prop_assert_eq!(counted, totals.overflow_points);
        }
    }
}

#[test]
fn a_stream_that_was_never_made_is_none_and_leaves_no_trace() {
    let sql = Rc::new(TestSql::new());
    assert!(Engine::open(Rc::clone(&sql), Limits::DEFAULT).expect("opens").is_none());
    assert_eq!(sql.tables(), "");
}

#[test]
fn the_log_is_empty_when_all_is_sealed_and_answers_go_after_their_time() {
    let mut model = Model::new(Limits::DEFAULT);
    model.take(&Step::Write(vec![vec![(1, 5, None, 0)]]));
    assert_eq!(model.sql.count("log"), 1);
    model.take(&Step::Seal);
    assert_eq!((model.sql.count("log"), model.sql.count("answers")), (0, 1));
    model.retry();
    model.crash();
    model.retry();
    assert_eq!(model.engine.tidy(START_MS + 600_000), Ok(Some(START_MS + 600_001)));
    let next_ms = model.engine.tidy(START_MS + 600_001).expect("tidies").expect("chunks expire");
    assert!(next_ms > START_MS + 86_400_000, "only chunks are left, which expire in days");
    assert_eq!(model.sql.count("answers"), 0);
    model.check(10, By::All);
    model.take(&Step::Write(vec![vec![(1, 5, None, 0)]]));
    model.crash();
    model.check(10, By::All);
}

#[test]
fn many_answers_to_keys_are_sealed_before_their_time() {
    let mut model = Model::new(Limits { unsealed_answers: 2, ..Limits::DEFAULT });
    for commits in 1..=3 {
        model.take(&Step::Write(vec![vec![(1, 5, None, 0)]]));
        assert_eq!(model.sql.count("log"), if commits == 3 { 0 } else { commits });
    }
    assert_eq!(model.sql.count("answers"), 1);
    model.retry();
}

#[test]
fn a_window_that_is_kept_is_whole_also_where_it_is_widened() {
    let mut model = Model::new(Limits::DEFAULT);
    let points: Vec<Drawn> = (0..360).map(|index| (1, 1, None, index * 10)).collect();
    model.take(&Step::Write(vec![points]));
    model.take(&Step::Seal);
    // Two days later, half of the points are older than the 10 s buckets are promised.
    model.now_ms += (2 * 86_400 - 1800) * 1000;
    model.engine.tidy(model.now_ms).expect("tidies");
    for step_s in [10, 70, 90, 3590] {
        let from_ms = model.now_ms - 2 * 86_400_000;
        let window = Window::new(from_ms, from_ms + 1_800_000, Some(step_s), model.now_ms, &Retention::default())
            .expect("is kept");
        let query = Query { window, matchers: Vec::new(), by: By::All };
        let rows = model.engine.query(&query).expect("answers");
        let count: u64 = rows.iter().flat_map(|(_, cells)| cells).map(|(_, cell)| cell.count).sum();
        let wanted: u64 = model.wanted(&query).values().map(|(_, count)| count).sum();
        assert_eq!(count, wanted, "steps of {step_s} s");
    }
}

#[test]
fn what_the_owner_does_not_want_any_more_goes_also_from_an_idle_stream() {
    let mut model = Model::new(Limits::DEFAULT);
    model.take(&Step::Write(vec![vec![(1, 5, None, 0), (2, 7, Some(30_000), 0)]]));
    model.engine.tidy(START_MS).expect("tidies");
    assert!(model.sql.count("chunks") > 5);
    let Record { config, read_key_hash } = model.engine.record().clone();
    let patch = br#"{"retention":{"10s":"1h","1m":"1h","10m":"2h","1h":"3h","1d":"40d"}}"#;
    let patch = StreamPatch::parse(patch).expect("valid");
    let config = patch.applied(config, u64::try_from(START_MS).expect("after 1970")).expect("valid");
    model.engine.set_record(Record { config, read_key_hash }).expect("is kept");
    let (mut now_ms, mut rounds) = (START_MS, 0);
    while let Some(next_ms) = model.engine.tidy(now_ms).expect("tidies") {
        assert!(next_ms > now_ms && rounds < 100, "{rounds} alarms, the next at {next_ms}");
        (now_ms, rounds) = (next_ms, rounds + 1);
    }
    assert_eq!(model.sql.count("chunks"), 0);
    assert!((START_MS + 40 * 86_400_000..START_MS + 75 * 86_400_000).contains(&now_ms), "a chunk of days spans 32");
}
