//! Series that come and go: which ones keep their places, get one, or leave.

use super::removal::{Action, any_action};
use super::*;

impl Model {
    /// From now on, folded series are part of the overflow; only series that were idle for long are folded.
    pub(super) fn follow_folds(&mut self) {
        let before_ms = self.now_ms - 47 * 3_600_000;
        for Kept { labels, .. } in self.points.iter_mut().filter(|kept| kept.is_alive() || kept.share() > 0.0) {
            if labels != Labels::overflow().as_str() && !self.engine.has_series(labels) {
                assert!(self.may_refuse || self.written_ms[labels] < before_ms, "{labels} was folded too soon");
                *labels = Labels::overflow().as_str().to_owned();
            }
        }
    }

    /// The number of points that count in the overflow series.
    pub(super) fn counted_in_overflow(&self) -> u64 {
        let now_s = self.now_ms / 1000;
        let day = Window::aligned((now_s / 86_400 - 3) * 86_400, (now_s / 86_400 + 1) * 86_400, 86_400).expect("valid");
        let matchers = vec![Matcher::parse("overflow=true").expect("valid")];
        let rows = self
            .engine
            .query(&Query { window: day, matchers, by: By::All, sketches: Wanted::default() })
            .expect("answers");
        rows.iter().flat_map(|(_, cells)| cells).map(|(_, cell)| cell.count).sum()
    }

    pub(super) fn idle(&mut self, hours: u16) {
        let until_ms = self.now_ms + i64::from(hours) * 3_600_000;
        let mut alarms = 0;
        while let Some(due_ms) = self.engine.tidy_due().filter(|due_ms| *due_ms <= until_ms) {
            self.now_ms = self.now_ms.max(due_ms);
            self.engine.tidy(self.now_ms).expect("tidies");
            alarms += 1;
            assert!(alarms < 200, "the alarm comes again and again");
        }
        self.now_ms = until_ms;
    }
}

/// A point with a series of its own.
fn point_of(labels: &str) -> (Point, &str) {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let t = (START_MS / 1000) as f64;
    (Point { n: 1.0, d: 1.0, p: None, t }, labels)
}

/// Writes a point of each of these series at once; returns how many overflow.
fn write_all(model: &mut Model, class: Class, network: u64, labels: impl Iterator<Item = String>) -> u64 {
    let mut builder = FrameBuilder::new(model.now_ms.unsigned_abs(), [0; 16], |_| None);
    for (index, labels) in labels.enumerate() {
        let (mut point, labels) = point_of(&labels);
        point.t = builder.now();
        builder.push(index, Ok((point, labels)));
    }
    let frame = builder.finish(None).frame;
    let incoming = Incoming { frame, class, networks: [Some(network), None] };
    let told = model.engine.commit(&[incoming], model.now_ms).remove(0).expect("is stored");
    told.overflow
}

fn status(model: &Model) -> serde_json::Value {
    serde_json::from_str(&model.engine.status_json()).expect("JSON")
}

fn numbered(name: &str, numbers: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    numbers.map(move |number| format!("{name}\u{1f}{number}\u{1e}"))
}

#[test]
fn a_flood_of_new_series_costs_known_series_no_point() {
    let mut model = Model::new(Limits::DEFAULT);
    for _ in 0..3 {
        assert_eq!(write_all(&mut model, Class::Open, 1, numbered("known", 0..50)), 0);
        model.now_ms += 3_600_000;
    }
    for batch in 0..10 {
        write_all(&mut model, Class::Open, 2, numbered("flood", batch * 10_000..(batch + 1) * 10_000));
        assert_eq!(write_all(&mut model, Class::Open, 1, numbered("known", 0..50)), 0, "batch {batch}");
    }
    let series = |model: &Model| status(model)["series"].as_u64().expect("a number");
    assert_eq!(series(&model), 50 + 1_000 + 1, "with what overflows");
    assert_eq!(
        write_all(&mut model, Class::Open, 3, numbered("page", 0..200)),
        0,
        "an honest page in its first minute"
    );
    assert_eq!(write_all(&mut model, Class::Open, 3, std::iter::once("a\u{1f}1\u{1e}b\u{1f}2\u{1e}".into())), 0);
    model.crash();
    assert_eq!(series(&model), 50 + 1_000 + 200 + 2);
    assert_eq!(write_all(&mut model, Class::Open, 1, numbered("known", 0..50)), 0);
}

#[test]
fn new_series_do_not_displace_established_ones_in_next_buckets() {
    let mut model = Model::new(Limits::DEFAULT);
    assert_eq!(write_all(&mut model, Class::Owner, 1, numbered("known", 0..1_200)), 0);
    model.now_ms += 3_600_000;
    // As many as a stranger could add before, and more than a bucket accepts.
    for (network, series) in (10..16).zip(1..) {
        write_all(&mut model, Class::Open, network, numbered("flood", 0..series * 1_000));
    }
    let later_ms = model.now_ms + 10_000;
    for now_ms in [model.now_ms, later_ms] {
        model.now_ms = now_ms;
        let overflow = write_all(&mut model, Class::Open, 9, numbered("flood", 0..6_000));
        assert!(overflow >= 2_000, "{overflow}: 4,000 have a place in a bucket");
        assert_eq!(write_all(&mut model, Class::Open, 1, numbered("known", 0..1_200)), 0);
    }
}

#[test]
fn a_request_with_a_thousand_names_only_takes_64() {
    let mut model = Model::new(Limits::DEFAULT);
    let name = |number: u32| format!("n{number:03}\u{1f}1\u{1e}");
    let sets = (0..62).map(|set| (0..16).map(|index| name(set * 16 + index)).collect::<Vec<_>>().concat());
    assert_eq!(write_all(&mut model, Class::Open, 1, sets), 58);
    assert_eq!(write_all(&mut model, Class::Open, 2, std::iter::once("new\u{1f}1\u{1e}".into())), 0);
    assert_eq!(write_all(&mut model, Class::Keyed, 3, numbered("keyed", 0..5)), 0);
}

#[test]
fn a_full_dictionary_has_room_again_within_three_days() {
    let dictionary = DictionaryLimits { series: 1_000, ..DictionaryLimits::DEFAULT };
    let mut model = Model::new(Limits { dictionary, ..Limits::DEFAULT });
    for _ in 0..3 {
        assert_eq!(write_all(&mut model, Class::Open, 1, numbered("known", 0..50)), 0);
        model.now_ms += 3_600_000;
    }
    assert_eq!(write_all(&mut model, Class::Open, 2, numbered("flood", 0..900)), 100, "850 for open writers");
    assert_eq!(write_all(&mut model, Class::Open, 3, numbered("new", 0..1)), 1);
    assert_eq!(write_all(&mut model, Class::Keyed, 3, numbered("keyed", 0..100)), 0);
    let begun_ms = model.now_ms;
    let mut hours = 0;
    while write_all(&mut model, Class::Open, 3, numbered("new", 0..1)) == 1 {
        assert_eq!(write_all(&mut model, Class::Open, 1, numbered("known", 0..50)), 0);
        model.idle(1);
        hours = (model.now_ms - begun_ms) / 3_600_000;
        assert!(hours <= 72, "{hours} h");
    }
    assert!(hours >= 48, "{hours} h");
    let status = status(&model);
    assert!(status["series"].as_u64().expect("a number") < 250, "{status}");
    assert_eq!(write_all(&mut model, Class::Open, 1, numbered("known", 0..50)), 0);
    model.crash();
    assert_eq!(write_all(&mut model, Class::Open, 1, numbered("known", 0..50)), 0);
    let total: u64 = model.engine.totals().accepted;
    let window = Window::aligned(0, 10, 10).expect("one step");
    let query = Query { window, matchers: Vec::new(), by: By::Names(Vec::new()), sketches: Wanted::default() };
    assert_eq!(model.engine.shown(&query).expect("few").rows[0].1.points, total, "folding moves, and loses nothing");
}

#[test]
fn established_series_are_folded_only_when_room_is_needed() {
    let dictionary = DictionaryLimits { series: 100, ..DictionaryLimits::DEFAULT };
    let mut model = Model::new(Limits { dictionary, ..Limits::DEFAULT });
    assert_eq!(write_all(&mut model, Class::Keyed, 1, numbered("known", 0..40)), 0);
    model.idle(200 * 24);
    let series = |model: &Model| status(model)["series"].as_u64().expect("a number");
    assert_eq!(series(&model), 40, "there is room for all");
    assert_eq!(write_all(&mut model, Class::Keyed, 1, numbered("more", 0..40)), 0);
    model.idle(3 * 24);
    assert!(series(&model) < 44, "{}: half of what open writers may have", series(&model));
    assert!((0..40).all(|number| model.engine.has_series(&format!("more\u{1f}{number}\u{1e}"))));
}

/// The number of steps is `HEARTBEAT_MODEL_STEPS`, for a release build: `make test` takes fewer, above.
#[test]
#[ignore = "takes minutes"]
fn no_state_in_a_million_steps_blocks_all_writes() {
    const STEPS_A_LIFE: u32 = 100;
    let steps: u32 = std::env::var("HEARTBEAT_MODEL_STEPS").map_or(1_000_000, |steps| steps.parse().expect("a number"));
    let config = ProptestConfig { cases: steps / STEPS_A_LIFE, failure_persistence: None, ..ProptestConfig::default() };
    let lives = proptest::collection::vec(any_action(), STEPS_A_LIFE as usize);
    let small = prop::sample::select(vec![(3usize, 24usize), (40, 24), (100_000, 100_000)]);
    let run = proptest::test_runner::TestRunner::new(config).run(&(lives, small), |(steps, (open_cells, series))| {
        let dictionary = DictionaryLimits { series, ..DictionaryLimits::DEFAULT };
        let limits = Limits { open_cells, dictionary, removal_bytes: 400, ..Limits::DEFAULT };
        let mut model = Model::new(limits);
        for action in &steps {
            model.act(action);
        }
        model.finish();
        model.have_rule(Rule::None);
        for class in [Class::Open, Class::Keyed, Class::Owner] {
            model.class = class;
            model.act(&Action::Step(Step::Write(vec![vec![((1, 1), 1, None, 0)]])));
        }
        model.check(3600, By::All);
        model.check_totals(&By::All);
        model.crash();
        model.check_totals(&By::All);
        model.check_tiers();
        Ok(())
    });
    run.expect("holds");
}
