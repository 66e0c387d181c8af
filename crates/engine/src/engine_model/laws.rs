//! The laws of the engine, tested through the model.

use super::*;
use crate::randomness::Randomness;
use protocol::command::Page;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn acknowledged_points_count_once_and_nothing_else_counts(
        steps in proptest::collection::vec(any_step(), 1..14),
        open_cells in prop::sample::select(vec![3usize, 40, 100_000]),
        unsealed_bytes in prop::sample::select(vec![100usize, 100_000]),
        open_pieces in prop::sample::select(vec![30usize, 100_000]),
        sketch_bytes in prop::sample::select(vec![500usize, 1 << 20]),
        unsealed_answers in prop::sample::select(vec![2usize, 100_000]),
        series in prop::sample::select(vec![24usize, 100_000]),
        step_s in prop::sample::select(vec![10i64, 60, 90, 600, 3600, 86_400]),
    ) {
        // With 24, the dictionary is so full that idle series leave it.
        let dictionary = DictionaryLimits { series, ..DictionaryLimits::DEFAULT };
        let limits = Limits {
            open_cells, unsealed_bytes, open_pieces, unsealed_answers, sketch_bytes, dictionary, ..Limits::DEFAULT
        };
        let mut model = Model::new(limits);
        for step in &steps {
            model.take(step);
        }
        model.check(step_s, By::All);
        model.check_totals(&By::All);
        model.crash();
        model.check(step_s, By::All);
        model.check_totals(&By::All);
        prop_assert_eq!(model.engine.totals().accepted, model.points.len() as u64);
        prop_assert_eq!(model.engine.totals().overflow_points, 0);
    }

    #[test]
    fn overflowing_points_are_in_the_sums_and_count_once(
        steps in proptest::collection::vec(any_step(), 1..14),
        open_cells in prop::sample::select(vec![3usize, 40, 100_000]),
        bucket_series in prop::sample::select(vec![1usize, 2, 100]),
        series in prop::sample::select(vec![0usize, 2, 100]),
        names in prop::sample::select(vec![0usize, 1]),
        step_s in prop::sample::select(vec![10i64, 90, 3600, 86_400]),
        has_periods in any::<bool>(),
        class in prop::sample::select(vec![Class::Open, Class::Keyed]),
    ) {
        let dictionary = DictionaryLimits { series, names, ..DictionaryLimits::DEFAULT };
        let mut model = Model::new(Limits { open_cells, bucket_series, dictionary, ..Limits::DEFAULT });
        model.has_periods = has_periods;
        (model.class, model.may_refuse) = (class, true);
        for step in &steps {
            model.take(step);
        }
        model.check(step_s, By::Names(Vec::new()));
        model.check_totals(&By::Names(Vec::new()));
        let totals = model.engine.totals().clone();
        let counted = model.counted_in_overflow();
        model.crash();
        model.check(step_s, By::Names(Vec::new()));
        model.check_totals(&By::Names(Vec::new()));
        prop_assert_eq!(model.engine.totals(), &totals);
        prop_assert_eq!(model.counted_in_overflow(), counted);
        prop_assert!(totals.overflow_points <= totals.accepted);
        // Long idle times are part of it too.
        if !steps.iter().any(|step| matches!(step, Step::Idle { .. })) {
            prop_assert!(counted <= totals.overflow_points);
            if !has_periods || series.min(names) == 0 {
                prop_assert_eq!(counted, totals.overflow_points);
            }
        }
    }
}

#[test]
fn a_stream_that_was_never_created_leaves_no_trace() {
    let sql = Rc::new(TestSql::new());
    assert!(Engine::open(Rc::clone(&sql), Limits::DEFAULT, Randomness::FIXED).expect("opens").is_none());
    assert_eq!(sql.tables(), "");
}

#[test]
fn sealing_empties_the_log_and_answers_expire() {
    let mut model = Model::new(Limits::DEFAULT);
    model.keep_no_messages();
    model.take(&Step::Write(vec![vec![((1, 1), 5, None, 0)]]));
    assert_eq!(model.sql.count("log"), 1);
    model.take(&Step::Seal);
    assert_eq!((model.sql.count("log"), model.sql.count("answers")), (0, 1));
    assert_eq!(model.sql.count("totals"), 1, "a row has a few thousand series");
    model.retry();
    model.crash();
    model.retry();
    assert_eq!(model.engine.tidy(START_MS + 600_000), Ok(Some(START_MS + 600_001)));
    let next_ms = model.engine.tidy(START_MS + 600_001).expect("tidies").expect("chunks expire");
    assert!(next_ms > START_MS + 86_400_000, "only chunks are left, which expire in days");
    assert_eq!(model.sql.count("answers"), 0);
    model.check(10, By::All);
    model.take(&Step::Write(vec![vec![((1, 1), 5, None, 0)]]));
    model.crash();
    model.check(10, By::All);
}

#[test]
fn sealed_points_kept_in_the_log_for_a_day_count_once() {
    let mut model = Model::new(Limits::DEFAULT);
    for _ in 0..3 {
        model.take(&Step::Write(vec![vec![((1, 0), 5, None, 0)], vec![((2, 0), 6, None, 0), ((2, 0), 7, None, 0)]]));
        model.take(&Step::Tidy { after_s: 600 });
        model.crash();
    }
    model.check(10, By::All);
    assert_eq!(model.sql.count("log"), 3);
    let ids = |since, before, count| {
        let page = Page { since, before, count, machine: true };
        let json = model.engine.messages_json(&page).expect("reads");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let ids = json["messages"].as_array().expect("a list").iter();
        (
            ids.map(|message| message["id"].as_str().expect("a text").parse().expect("a number")).collect(),
            json["more"] == true,
        )
    };
    let all: Vec<u64> = vec![8, 7, 5, 4, 2, 1];
    assert_eq!(ids(None, None, 20), (all.clone(), false));
    assert_eq!(ids(None, None, 6), (all, false));
    assert_eq!(ids(None, None, 3), (vec![8, 7, 5], true));
    assert_eq!(ids(Some(2), Some(8), 2), (vec![7, 5], true));
    assert_eq!(ids(Some(2), Some(8), -2), (vec![5, 4], true));
    assert_eq!(ids(Some(3), None, -20), (vec![8, 7, 5, 4], false));
    assert_eq!(ids(Some(4), Some(6), 1), (vec![5], false));
    assert_eq!((ids(Some(2), Some(4), 9), ids(Some(8), None, -9)), ((vec![], false), (vec![], false)));
    model.now_ms += 86_400_000 - 1_200_000;
    model.engine.tidy(model.now_ms).expect("tidies");
    assert_eq!(model.sql.count("log"), 1, "two rows are older than a day");
    model.check(10, By::All);
}

#[test]
fn too_many_answers_to_keys_are_sealed_early() {
    let mut model = Model::new(Limits { unsealed_answers: 2, ..Limits::DEFAULT });
    model.keep_no_messages();
    for commits in 1..=3 {
        model.take(&Step::Write(vec![vec![((1, 0), 5, None, 0)]]));
        assert_eq!(model.sql.count("log"), if commits == 3 { 0 } else { commits });
    }
    assert_eq!(model.sql.count("answers"), 1);
    model.retry();
}

#[test]
fn too_many_bytes_in_the_log_are_sealed_early() {
    let mut model = Model::new(Limits { unsealed_bytes: 500, ..Limits::DEFAULT });
    model.keep_no_messages();
    let log_bytes = |model: &Model| {
        let status: serde_json::Value = serde_json::from_str(&model.engine.status_json()).expect("JSON");
        status["log"]["bytes"].as_u64().expect("a number")
    };
    let mut bytes = Vec::new();
    while bytes.len() < 100 && bytes.last() != Some(&0) {
        model.take(&Step::Write(vec![vec![((1, 0), 5, None, 0)]]));
        bytes.push(log_bytes(&model));
    }
    let [before @ .., _] = &bytes[..] else { panic!("no writes") };
    assert!(before.len() > 1 && before.is_sorted_by(|a, b| a < b), "{bytes:?}");
    assert!(before.iter().all(|bytes| *bytes <= 500) && before.iter().any(|bytes| *bytes > 400), "{bytes:?}");
    assert_eq!(model.sql.count("log"), 0);
}

#[test]
fn a_kept_window_is_complete_even_when_it_is_widened() {
    let mut model = Model::new(Limits::DEFAULT);
    let points: Vec<Drawn> = (0..360).map(|index| ((1, 1), 1, None, index * 10)).collect();
    model.take(&Step::Write(vec![points]));
    model.take(&Step::Seal);
    // Two days later, half of the points are older than the retention of the 10 s buckets.
    model.now_ms += (2 * 86_400 - 1800) * 1000;
    model.engine.tidy(model.now_ms).expect("tidies");
    for step_s in [10, 70, 90, 3590] {
        let from_ms = model.now_ms - 2 * 86_400_000;
        let window = Window::new(from_ms, from_ms + 1_800_000, Some(step_s), model.now_ms, &Retention::default())
            .expect("is kept");
        let query = Query { window, matchers: Vec::new(), by: By::All, sketches: Wanted::default() };
        let rows = model.engine.query(&query).expect("answers");
        let count: u64 = rows.iter().flat_map(|(_, cells)| cells).map(|(_, cell)| cell.count).sum();
        let wanted: u64 = model.wanted(&query).values().map(|bucket| bucket.count).sum();
        assert_eq!(count, wanted, "steps of {step_s} s");
    }
}

#[test]
fn expired_data_is_removed_even_from_an_idle_stream() {
    let mut model = Model::new(Limits::DEFAULT);
    model.take(&Step::Write(vec![vec![((1, 0), 5, None, 0), ((2, 0), 7, Some(30_000), 0)]]));
    model.engine.tidy(START_MS).expect("tidies");
    assert!(model.sql.count("chunks") > 5);
    let Record { config, .. } = model.engine.record().clone();
    let patch = br#"{"retention":{"10s":"1h","1m":"1h","10m":"2h","1h":"3h","1d":"40d"}}"#;
    let patch = StreamPatch::parse(patch).expect("valid");
    let config = patch.applied(config, u64::try_from(START_MS).expect("after 1970")).expect("valid");
    model.engine.set_record(Record { config, ..model.engine.record().clone() }, START_MS).expect("is kept");
    let (mut now_ms, mut rounds) = (START_MS, 0);
    while let Some(next_ms) = model.engine.tidy(now_ms).expect("tidies") {
        assert!(next_ms > now_ms && rounds < 100, "{rounds} alarms, the next at {next_ms}");
        (now_ms, rounds) = (next_ms, rounds + 1);
    }
    assert_eq!(model.sql.count("chunks"), 0);
    model.crash();
    model.check_totals(&By::All);
    assert!((START_MS + 40 * 86_400_000..START_MS + 75 * 86_400_000).contains(&now_ms), "a chunk of days spans 32");
}

#[test]
fn a_stream_with_full_places_accepts_writes_and_recovers() {
    let mut model = Model::new(Limits::DEFAULT);
    model.fill();
    let write = Step::Write(vec![vec![((1, 1), 5, None, 0), ((2, 0), 7, Some(30_000), 0)]]);
    for _ in 0..3 {
        model.take(&write);
        model.take(&Step::Seal);
    }
    let parts = model.engine.fullest_place().expect("reads");
    assert!((400..=512).contains(&parts), "{parts} parts: not all at once");
    model.crash();
    model.take(&Step::List { is_counted: false, fails_at: None });
    model.take(&write);
    model.take(&Step::Tidy { after_s: 600 });
    assert!(model.engine.is_crowded() && model.engine.soon_due(7) == Some(7));
    let mut steps = 0;
    while model.engine.is_crowded() {
        model.take(&Step::Compact);
        steps += 1;
        assert!(steps < 1_000, "does not end");
    }
    let parts = model.engine.fullest_place().expect("reads");
    assert!(parts <= 16, "{parts} parts");
    model.check(10, By::All);
    model.check(3600, By::All);
}

#[test]
fn expired_data_goes_first_even_when_sealing_fails() {
    let mut model = Model::new(Limits::DEFAULT);
    model.take(&Step::Write(vec![vec![((1, 1), 5, None, 0)]]));
    model.take(&Step::Seal);
    let chunks = model.sql.count("chunks");
    model.now_ms += 4 * 86_400_000;
    model.take(&Step::Write(vec![vec![((1, 1), 5, None, 0)]]));
    model.sql.fail_if(|sql, _| sql.starts_with("INSERT INTO chunks"));
    assert!(model.engine.seal(model.now_ms).is_err() && model.engine.tidy(model.now_ms).is_err());
    assert_eq!(model.sql.count("chunks"), chunks - 1, "of ten seconds");
    model.take(&Step::Write(vec![vec![((1, 1), 5, None, 0)]]));
    model.sql.heal();
    model.engine.tidy(model.now_ms).expect("tidies");
    model.points.remove(0);
    model.check(10, By::All);
}

#[test]
fn failing_seals_stop_open_writers_first_and_the_owner_last() {
    // By cells and by sketches.
    for limits in [Limits { open_cells: 20, ..Limits::DEFAULT }, Limits { sketch_bytes: 4_000, ..Limits::DEFAULT }] {
        let mut model = Model::new(limits);
        model.sql.fail_if(|sql, _| sql.starts_with("INSERT INTO chunks"));
        let (mut stopped_at, mut classes) = (Vec::new(), vec![Class::Open, Class::Keyed, Class::Owner]);
        for age in 0..200 {
            while classes.first().is_some_and(|class| model.engine.is_behind(*class)) {
                stopped_at.push(age);
                classes.remove(0);
            }
            model.take(&Step::Write(vec![vec![((1, 1), 5, None, age * 10)]]));
        }
        let [open, keyed, owner] = stopped_at[..] else { panic!("{stopped_at:?} of {limits:?}") };
        assert!(open < keyed && keyed < owner, "{stopped_at:?}");
        // What is open when sealing fails is not yet too much for any class.
        assert!(open >= owner / 2 - 1, "{stopped_at:?}");
        model.sql.heal();
        model.engine.seal(model.now_ms).expect("seals");
        assert!([Class::Open, Class::Keyed, Class::Owner].into_iter().all(|class| !model.engine.is_behind(class)));
        model.check(10, By::All);
    }
}
