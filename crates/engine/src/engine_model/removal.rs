//! Removing points from the engine: whatever is written, sealed, crashed or made to fail before it, between its steps
//! and after it, the selected points are gone, later ones are not, and the rest is unchanged.

mod freed;
mod full;

use super::*;
use crate::engine::RemoveError;
use model::removal::Span;
use protocol::command::Page;
use protocol::removal::{Remove, Removed};

#[derive(Clone, Debug)]
pub(super) enum Action {
    Step(Step),
    Remove {
        series: Option<u8>,
        /// How long ago the range begins, and its length, in seconds.
        time: Option<(u16, u16)>,
        fails_at: Option<u8>,
    },
    /// Continues it.
    GoOn {
        fails_at: Option<u8>,
    },
}

pub(super) fn any_action() -> impl Strategy<Value = Action> {
    let time = proptest::option::of((0u16..60_000, 1u16..60_000));
    let fails_at = proptest::option::of(0u8..60);
    prop_oneof![
        5 => any_step().prop_map(Action::Step),
        2 => (proptest::option::of(0u8..4), time, fails_at.clone())
            .prop_map(|(series, time, fails_at)| Action::Remove { series, time, fails_at }),
        1 => fails_at.prop_map(|fails_at| Action::GoOn { fails_at }),
    ]
}

fn limits(removal_bytes: i64) -> Limits {
    Limits { removal_bytes, ..Limits::DEFAULT }
}

fn of_series(series: u8) -> Remove {
    Remove { matchers: vec![format!("series={series}")], ..Remove::default() }
}

impl Model {
    pub(super) fn act(&mut self, action: &Action) {
        match action {
            Action::Step(step) => {
                // An edge whose number is unknown sends the labels.
                let engine = &self.engine;
                self.told.retain(|_, (number, _)| engine.knows(*number));
                self.take(step);
            }
            Action::Remove { series, time, fails_at } => {
                let now_s = self.now_ms / 1000;
                let from_s = time.map(|(ago_s, _)| (now_s - i64::from(ago_s)) / 10 * 10);
                let to_s = from_s.zip(*time).map(|(from_s, (_, width_s))| from_s + i64::from(width_s) * 10);
                let ask = Remove { from_s, to_s, ..series.map_or_else(|| of_series(9), of_series) };
                let ask = if series.is_none() && time.is_some() { Remove { matchers: Vec::new(), ..ask } } else { ask };
                self.remove(&ask, *fails_at);
            }
            Action::GoOn { fails_at } => {
                self.fail(*fails_at);
                let gone_on = self.engine.removal_step();
                self.sql.heal();
                if gone_on.is_err() {
                    self.crash();
                }
            }
        }
    }

    fn fail(&self, fails_at: Option<u8>) {
        if let Some(nth) = fails_at {
            self.sql.fail_at(u64::from(nth));
        }
    }

    fn remove(&mut self, ask: &Remove, fails_at: Option<u8>) -> Option<Removed> {
        let before = self.engine.removals();
        self.fail(fails_at);
        let removed = self.engine.remove(ask, self.now_ms);
        self.sql.heal();
        if let Err(RemoveError::UnderWay(_)) = removed {
            self.finish();
            return self.remove(ask, None);
        }
        assert!(removed.is_ok() || fails_at.is_some(), "{removed:?}");
        if removed.is_err() {
            self.crash();
        }
        let points = self.points.iter().filter(|kept| kept.is_alive()).count();
        if self.engine.removals() > before {
            self.forget(ask);
        }
        let left = self.points.iter().filter(|kept| kept.is_alive()).count();
        if let Ok(removed) = &removed {
            assert_eq!(removed.points, (points - left) as u64);
        }
        removed.ok()
    }

    pub(super) fn finish(&mut self) {
        for _ in 0..10_000 {
            if !self.engine.is_removing() {
                return;
            }
            self.engine.removal_step().expect("goes on");
        }
        panic!("it does not come to an end");
    }

    /// By definition, what is written so far has no share in the removed time.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    fn forget(&mut self, ask: &Remove) {
        let matchers: Vec<Matcher> = ask.matchers.iter().map(|text| Matcher::parse(text).expect("valid")).collect();
        let Span { from_s, to_s } = ask.span().unwrap_or(Span::ALL);
        let (from, to) = (from_s as f64, to_s as f64);
        for kept in &mut self.points {
            let labels = Labels::from_canonical(&kept.labels);
            if matchers.iter().all(|matcher| matcher.accepts(&labels)) {
                let outside = |(start, end): &(f64, f64)| [(*start, end.min(from)), (start.max(to), *end)];
                kept.alive = kept.alive.iter().flat_map(outside).filter(|(start, end)| start < end).collect();
            }
        }
    }

    fn check_all(&self, step_s: i64) {
        self.check(step_s, By::All);
        self.check(step_s, By::Names(Vec::new()));
        self.check_totals(&By::All);
    }

    fn messages(&self) -> serde_json::Value {
        let page = Page { since: None, before: None, count: 200, machine: true };
        serde_json::from_str(&self.engine.messages_json(&page).expect("reads")).expect("JSON")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn exactly_what_was_selected_is_removed_whatever_happens(
        actions in proptest::collection::vec(any_action(), 1..14),
        removal_bytes in prop::sample::select(vec![1i64, 400, 1 << 20]),
        step_s in prop::sample::select(vec![10i64, 60, 90, 600, 3600, 86_400]),
    ) {
        let mut model = Model::new(limits(removal_bytes));
        for action in &actions {
            model.act(action);
        }
        model.check_all(step_s);
        model.crash();
        model.check_all(step_s);
        model.finish();
        model.check_all(step_s);
        prop_assert_eq!(model.sql.count("removing"), 0);
        model.check_tiers();
    }
}

fn point(series: u8, n: i16, p: Option<u16>, age_s: u16) -> Drawn {
    ((series, 0), n, p, age_s)
}

/// A stream with points of two series, some of them sealed.
fn some(removal_bytes: i64) -> Model {
    let mut model = Model::new(limits(removal_bytes));
    let of = |series: u8| (0..15u16).map(move |at| point(series, 3, Some(4_000), at * 2_800)).collect::<Vec<_>>();
    model.take(&Step::Write(vec![of(1), of(2)]));
    model.take(&Step::Seal);
    model.take(&Step::Write(vec![vec![point(1, 5, None, 3), point(2, 7, None, 3)]]));
    model
}

#[test]
fn a_removal_killed_at_any_statement_resumes() {
    for ask in [
        of_series(1),
        Remove { from_s: Some(START_MS / 1000 - 10_010), to_s: Some(START_MS / 1000 - 70), ..of_series(1) },
    ] {
        for nth in (0..40).chain((40..2_000).step_by(9)) {
            let mut model = some(2_000);
            let before = model.engine.removals();
            model.sql.fail_at(nth);
            let mut removed = model.engine.remove(&ask, model.now_ms).map(drop);
            while removed.is_ok() && model.engine.is_removing() {
                removed = model.engine.removal_step().map_err(RemoveError::from);
            }
            let is_beyond = !model.sql.has_failed();
            model.sql.heal();
            model.crash();
            if model.engine.removals() > before {
                model.forget(&ask);
            }
            model.check_all(600);
            // What arrives later stays, even for the removed time.
            model.told.clear();
            model.take(&Step::Write(vec![vec![point(1, 11, Some(3_000), 600), point(1, 2, None, 9_000)]]));
            model.check_all(600);
            model.take(&Step::Seal);
            model.check_all(3600);
            model.finish();
            model.check_all(600);
            model.check_all(86_400);
            if is_beyond {
                assert!(removed.is_ok() && nth > 40, "only {nth} statements");
                break;
            }
            assert!(nth < 1_980, "there are more statements than that");
        }
    }
}

#[test]
fn a_dry_run_counts_the_same_and_removes_nothing() {
    let hour = START_MS / 1000 - 7_200;
    for ask in [
        of_series(1),
        Remove { from_s: Some(hour), ..of_series(1) },
        Remove { from_s: Some(hour + 50), ..Remove::default() },
    ] {
        let mut model = some(i64::from(u32::MAX));
        let dry = model.engine.remove(&Remove { dry_run: true, ..ask.clone() }, model.now_ms).expect("counts");
        model.check_all(60);
        assert_eq!(model.engine.removals(), 0);
        let wet = model.remove(&ask, None).expect("removes");
        assert_eq!(Removed { call: 0, ..wet }, dry);
        assert!(wet.points > 0 && wet.bytes > 100 && wet.is_done, "{wet:?}");
        assert_eq!(wet.series, if ask.matchers.is_empty() { 2 } else { 1 });
        model.check_all(60);
        let again = model.remove(&ask, None).expect("removes");
        assert_eq!((again.points, again.series), (0, 0));
    }
}

#[test]
fn a_removed_series_frees_its_names_and_restarts_at_zero() {
    let mut model = some(1 << 20);
    assert_eq!(model.sql.count("series"), 3);
    model.remove(&of_series(1), None).expect("removes");
    assert_eq!(model.sql.count("series"), 2);
    model.told.clear();
    model.take(&Step::Write(vec![vec![point(1, 9, None, 0)]]));
    model.check_all(10);
    model.crash();
    model.check_all(10);
    let labels = model.engine.labels_json();
    model.remove(&Remove { matchers: vec!["series!=".into()], ..Remove::default() }, None).expect("removes");
    assert_eq!((labels.contains("series"), model.engine.labels_json().contains("series")), (true, false));
    assert_eq!(model.sql.count("chunks"), 0);
}

#[test]
fn messages_lose_removed_points_and_keep_their_numbers() {
    let mut model = Model::new(limits(1));
    model.take(&Step::Write(vec![
        vec![point(1, 3, None, 0), point(2, 4, None, 50), point(1, 5, None, 90)],
        vec![point(2, 6, None, 0)],
    ]));
    model.take(&Step::Seal);
    let before = model.messages().to_string();
    assert!(before.contains("\"id\":\"1\"") && before.contains("\"id\":\"4\""), "{before}");
    model.engine.remove(&of_series(1), model.now_ms).expect("removes");
    for _ in 0..2 {
        let after = model.messages();
        let ids: Vec<_> =
            after["messages"].as_array().expect("a list").iter().map(|message| message["id"].clone()).collect();
        assert_eq!(ids, ["4", "2"], "{after}");
        assert!(!after.to_string().contains("\"1\""), "{after}");
        model.forget(&of_series(1));
        model.finish();
    }
    // No row of the log contains it either.
    let row = store::log::row(&model.sql, 1).expect("reads").expect("is there");
    assert!(!row.windows(8).any(|bytes| bytes == b"series\x1f1"));
    model.points.retain(Kept::is_alive);
    model.crash();
    model.check_all(10);
    model.told.clear();
    model.take(&Step::Write(vec![vec![point(1, 3, None, 0)]]));
    assert_eq!(model.messages()["messages"][0]["id"], "5");
}

#[test]
fn the_overflow_series_can_be_emptied() {
    let dictionary = DictionaryLimits { series: 1, ..DictionaryLimits::DEFAULT };
    let mut model = Model::new(Limits { dictionary, ..Limits::DEFAULT });
    model.may_refuse = true;
    model.take(&Step::Write(vec![vec![point(1, 3, None, 0), point(2, 4, None, 0), point(3, 5, None, 0)]]));
    let overflow = Remove { matchers: vec!["overflow=true".into()], ..Remove::default() };
    let removed = model.engine.remove(&overflow, model.now_ms).expect("removes");
    assert_eq!((removed.points, removed.series), (2, 1));
    model.points.truncate(1);
    model.check_all(10);
    // It still exists, and there is room for one more when the other one leaves.
    model.engine.remove(&of_series(1), model.now_ms).expect("removes");
    model.told.clear();
    model.points.clear();
    model.take(&Step::Write(vec![vec![point(3, 5, None, 0)]]));
    model.check_all(10);
    assert_eq!(model.counted_in_overflow(), 0);
}

#[test]
fn removing_huge_values_restores_the_other_sums() {
    for n in [f64::MAX, 1e300, -1e300] {
        let mut model = Model::new(limits(1 << 20));
        model.take(&Step::Write(vec![vec![point(1, 3, None, 7_300), point(1, 4, None, 0)]]));
        model.take(&Step::Seal);
        let mut frame = FrameBuilder::new(START_MS.unsigned_abs(), [0; 16], |_| None);
        for _ in 0..2 {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
            let t = (START_MS / 1000 - 3_605) as f64;
            frame.push(0, Ok((Point { n, d: 1.0, p: None, t }, "series\u{1f}1\u{1e}")));
        }
        assert!(model.engine.commit(&[Incoming::of_owner(frame.finish(None).frame)], START_MS)[0].is_ok());
        let from_s = Some(START_MS / 1000 - 3_610);
        let ask = Remove { from_s, to_s: from_s.map(|from_s| from_s + 10), ..Remove::default() };
        assert_eq!(model.engine.remove(&ask, START_MS).expect("removes").points, 2);
        model.check_all(10);
        model.check_all(86_400);
    }
}

#[test]
fn a_removal_must_end_where_stored_buckets_can_be_split() {
    let mut model = some(1);
    model.now_ms += 20 * 86_400_000;
    model.engine.tidy(model.now_ms).expect("tidies");
    let from_s = START_MS / 1000 - 6_000;
    let refused = model.engine.remove(&Remove { from_s: Some(from_s + 60), ..Remove::default() }, model.now_ms);
    let Err(RemoveError::Unaligned(error)) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("a multiple of 600 seconds"), "{error}");
    let ask = Remove { from_s: Some(from_s), ..Remove::default() };
    model.remove(&ask, None).expect("removes");
    model.finish();
    model.check_totals(&By::All);
}

#[test]
fn a_second_removal_is_refused_until_the_first_is_done() {
    let mut model = some(1);
    let first = model.engine.remove(&of_series(1), model.now_ms).expect("begins");
    assert!(!first.is_done && model.engine.removal_due() == Some(0));
    assert_eq!(model.engine.remove(&of_series(2), model.now_ms), Err(RemoveError::UnderWay(first.call)));
    let ask = Remove { call: Some(first.call), resumes: true, ..of_series(1) };
    let mut last = first;
    while !last.is_done {
        let next = model.engine.remove(&ask, model.now_ms).expect("goes on");
        assert!(next.bytes >= last.bytes && next.points == first.points);
        last = next;
    }
    assert_eq!(model.engine.remove(&ask, model.now_ms), Ok(last));
    let unknown = Remove { call: Some(first.call + 1), ..ask };
    assert_eq!(model.engine.remove(&unknown, model.now_ms), Err(RemoveError::Unknown));
    // The matchers are not kept.
    let state = store::removal::last(&model.sql).expect("reads").expect("is there").state;
    assert!(!state.contains("series=1"), "{state}");
    // A shard that is told of the next one begins it, and does so once.
    let told = Remove { call: Some(first.call + 7), ..of_series(2) };
    model.engine.remove(&told, model.now_ms).expect("begins");
    model.finish();
    model.told.clear();
    model.points.clear();
    model.take(&Step::Write(vec![vec![point(2, 5, None, 0)]]));
    model.engine.remove(&told, model.now_ms).expect("is done");
    model.check_all(10);
}

#[test]
fn removing_the_overflow_removes_series_folded_into_it() {
    let dictionary = DictionaryLimits { series: 4, ..DictionaryLimits::DEFAULT };
    let mut model = Model::new(Limits { dictionary, ..Limits::DEFAULT });
    model.class = Class::Open;
    model.take(&Step::Write(vec![vec![point(1, 3, None, 0), point(2, 4, None, 0)]]));
    model.take(&Step::Seal);
    let written = model.sql.count("series");
    model.now_ms += 49 * 3_600_000;
    model.engine.tidy(model.now_ms).expect("tidies");
    assert!(written > 1 && model.sql.count("series") < written, "some have left");
    let folded = model.counted_in_overflow();
    assert!(folded > 0);
    let overflow = Remove { matchers: vec!["overflow=true".into()], ..Remove::default() };
    assert_eq!(model.engine.remove(&overflow, model.now_ms).expect("removes").points, folded);
    assert_eq!(model.counted_in_overflow(), 0);
    model.finish();
    assert_eq!(model.counted_in_overflow(), 0);
}
