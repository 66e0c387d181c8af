//! Databases of earlier versions open and answer exactly: a roll-out converts nothing except by migrations.

use crate::randomness::Randomness;
use std::rc::Rc;

use model::batch_key::BatchKey;
use model::point::DEFAULT_LATENESS_S;
use model::query::{By, Query};
use model::retention::Retention;
use model::sketches::Wanted;
use model::window::Window;
use store::testing::TestSql;

use super::engine::{Engine, Limits};

const DAY_S: i64 = 86_400;
/// When the scripts' points were written: the start of a day.
const NOW_S: i64 = 1_792_540_800;

/// Label `series`, start of the hour relative to now, sums of n and d, smallest and largest n/d, count.
type Seen = (String, i64, Option<(f64, f64)>, Option<(f64, f64)>, u64);

fn hours(engine: &Engine<Rc<TestSql>>) -> Vec<Seen> {
    let window = Window::aligned(NOW_S - DAY_S, NOW_S + DAY_S, 3600).expect("valid");
    let rows = engine
        .query(&Query { window, matchers: Vec::new(), by: By::All, sketches: Wanted::default() })
        .expect("answers");
    let cells = rows.into_iter().flat_map(|(labels, cells)| {
        cells.into_iter().map(move |(step, cell)| (labels.value("series").to_owned(), step, cell))
    });
    let seen = cells.map(|(series, step, cell)| {
        let extent = cell.cover.and_then(|cover| cover.extent).map(|extent| (extent.min, extent.max));
        (series, i64::from(step) - 24, cell.cover.map(|cover| (cover.n, cover.d)), extent, cell.count)
    });
    seen.collect()
}

fn wanted() -> Vec<Seen> {
    let (b, of_b) = ("b".to_owned(), Some((3600.0, 3600.0)));
    vec![
        (String::new(), -1, Some((1.5, 0.0)), None, 1),
        ("a".into(), -1, Some((23.0, 4.0)), Some((3.5, 11.0)), 3),
        (b.clone(), -3, Some((25.0, 25.0 / 3600.0)), of_b, 0),
        (b.clone(), -2, Some((1800.0, 0.5)), of_b, 0),
        (b, -1, Some((1775.0, 1775.0 / 3600.0)), of_b, 1),
        ("c".into(), -1, Some((2.0, 1.0)), Some((2.0, 2.0)), 0),
        ("c".into(), 0, None, None, 1),
    ]
}

fn assert_answers(engine: &mut Engine<Rc<TestSql>>) {
    let (seen, wanted) = (hours(engine), wanted());
    assert_eq!(seen.len(), wanted.len(), "{seen:?}");
    for (seen, wanted) in seen.iter().zip(&wanted) {
        assert_eq!((&seen.0, seen.1, seen.3, seen.4), (&wanted.0, wanted.1, wanted.3, wanted.4));
        let is_close = |(a, b): ((f64, f64), (f64, f64))| (a.0 - b.0).abs() < 1e-9 && (a.1 - b.1).abs() < 1e-9;
        assert!(seen.2.is_some() == wanted.2.is_some() && seen.2.zip(wanted.2).is_none_or(is_close), "{seen:?}");
    }
    let totals = engine.totals();
    assert_eq!((totals.accepted, totals.rejected.iter().sum(), totals.overflow_points), (6, 1u64, 0));
    let window = Window::aligned(0, 10, 10).expect("one step");
    let query = Query { window, matchers: Vec::new(), by: By::All, sketches: Wanted::default() };
    let mut shown = engine.shown(&query).expect("few").rows;
    shown.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let series_totals: Vec<_> =
        shown.iter().map(|(labels, total)| (labels.value("series"), total.n, total.points)).collect();
    assert_eq!(series_totals, [("", 1.5, 1), ("a", 23.0, 3), ("b", 3600.0, 1), ("c", 2.0, 1)]);
    let mut told = |key: u8| {
        engine.answered(&BatchKey::from_bytes([key; 16]), NOW_S * 1000).expect("reads").map(|outcome| outcome.to_json())
    };
    let first = r#"{"accepted":4,"rejected":1,"errors":[{"index":4,"field":"n","message":"n is required"}]}"#;
    assert_eq!(told(1).as_deref(), Some(first));
    assert_eq!(told(2).as_deref(), Some(r#"{"accepted":2,"rejected":0,"errors":[]}"#));
    assert_eq!(told(3), None);
}

#[test]
fn a_stream_of_the_first_version_opens_and_answers_exactly() {
    let sql = Rc::new(TestSql::from_script(include_str!("first_version.sql")));
    let open = || Engine::open(Rc::clone(&sql), Limits::DEFAULT, Randomness::FIXED).expect("opens").expect("is there");
    let mut engine = open();
    let schema = include_str!("../../store/src/schema.sql");
    assert_eq!(sql.tables(), schema, "a migration that was changed, and not appended, is missing here");
    let config = &engine.record().config;
    assert_eq!((config.name.as_str(), config.retention), ("model", Retention::default()));
    assert_eq!(config.lateness_s, DEFAULT_LATENESS_S);
    assert_answers(&mut engine);
    engine.seal(NOW_S * 1000).expect("seals");
    assert_answers(&mut engine);
    assert_answers(&mut open());
}
