//! Tests of what is taken out of parts, and what places get instead.

use super::*;
use crate::chunks;
use crate::schema;
use crate::testing::TestSql;
use model::cell::{Cover, Extent};

/// The start of a day.
const DAY: i64 = 1_792_540_800;
const LAYER: Layer = Layer::Total(Tier::S10);

fn ready() -> TestSql {
    let sql = TestSql::new();
    schema::migrate(&sql).expect("migrates");
    sql
}

fn scope(series: &[SeriesId], span: Span) -> Scope {
    let mut numbers = Numbers::default();
    for series in series {
        numbers.push(*series, series + 1);
    }
    Scope { series: numbers, span }
}

fn counted(count: u64) -> Cell {
    Cell::plain(count, None)
}

fn seal(sql: &TestSql, layer: Layer, cells: &[(i64, SeriesId, Cell)]) {
    let cells = cells.iter().map(|(start_s, series, cell)| (*start_s, *series, cell)).collect();
    chunks::seal(sql, layer, cells, &mut Sealed::default()).expect("seals");
}

fn counts(sql: &TestSql, layer: Layer) -> Vec<(i64, SeriesId, u64)> {
    let mut seen = Vec::new();
    let each = |start_s, series, cell: &Cell| {
        seen.push((start_s - DAY, series, cell.count));
        Ok::<_, StoreError>(())
    };
    chunk_read::each(sql, layer, 0, i64::MAX / 2, |_| true, Wanted::ALL, each).expect("reads");
    seen
}

#[test]
fn only_parts_with_removed_cells_are_rewritten() {
    let sql = ready();
    seal(&sql, LAYER, &[(DAY, 1, counted(1)), (DAY + 10, 1, counted(2)), (DAY, 2, counted(3))]);
    seal(&sql, LAYER, &[(DAY, 7, counted(4))]);
    let [place, _] = places_of(LAYER, DAY, 1);
    let scope = scope(&[1, 9], Span { from_s: DAY + 10, to_s: DAY + 20 });
    let mut dry = Rewriting::new(place, None, i64::MAX);
    assert_eq!(dry.take_out(&sql, &scope, false), Ok(true));
    assert_eq!(counts(&sql, LAYER).len(), 4);
    // The second part's number follows the first one's.
    let mut wet = Rewriting::new(place, None, 2);
    assert_eq!((wet.take_out(&sql, &scope, true), wet.next()), (Ok(false), place + 1), "the budget is used");
    let mut rest = Rewriting::new(place, Some(wet.next()), 100);
    sql.fail_at(1);
    assert_eq!(
        rest.take_out(&sql, &scope, true),
        Err(StoreError::Sql("the double fails here".into())),
        "it ends there"
    );
    assert_eq!(counts(&sql, LAYER), [(0, 1, 1), (0, 2, 3), (0, 7, 4)]);
    assert!(wet.lost > 0 && wet.lost == dry.lost && rest.lost == 0);
}

#[test]
fn replacements_are_read_once_before_and_after_rewriting() {
    let sql = ready();
    seal(&sql, LAYER, &[(DAY, 1, counted(1))]);
    let scope = scope(&[1], Span { from_s: DAY, to_s: DAY + 10 });
    let added = Added::from([(LAYER, CellMap::from([((1, DAY + 3600), counted(5)), ((1, DAY + 20), counted(6))]))]);
    let row = Row { id: 1, state: "{}".into(), series: scope.series.to_bytes() };
    begin(&sql, &row, &scope.places(&sql).expect("reads"), &added).expect("begins");
    assert_eq!(last(&sql), Ok(Some(row)));
    let read_added = || {
        let mut seen = Vec::new();
        let mut each = |start_s, series, cell: &Cell| {
            seen.push((start_s - DAY, series, cell.count));
            Ok::<_, StoreError>(())
        };
        each_added(&sql, LAYER, (0, i64::MAX / 2), &|_| true, Wanted::ALL, &mut each).expect("reads");
        seen
    };
    assert_eq!(read_added(), [(20, 1, 6), (3600, 1, 5)]);
    let places = pending(&sql).expect("reads");
    assert_eq!(places.len(), 2, "one of them has no chunk yet");
    for place in places {
        let mut rewriting = Rewriting::new(place, None, 100);
        assert_eq!(rewriting.take_out(&sql, &scope, true), Ok(true));
        rewriting.put_in(&sql).expect("puts in");
    }
    assert_eq!(read_added(), []);
    assert_eq!((counts(&sql, LAYER), sql.count("removing")), (vec![(20, 1, 6), (3600, 1, 5)], 0));
}

#[test]
fn a_spread_keeps_the_rest_in_the_widest_buckets() {
    let sql = ready();
    let cover = Cover { n: 3600.0, d: 36.0, extent: Some(Extent { min: 100.0, max: 100.0 }) };
    let spread = Cell::plain(0, Some(cover));
    let totals = [Tier::H1, Tier::D1].map(Layer::Total);
    for layer in totals.into_iter().chain([Layer::Spread(Tier::H1)]) {
        seal(&sql, layer, &[(DAY, 1, spread.clone())]);
    }
    // Everything except 21 minutes and 10 s at its start.
    let rest = scope(&[1], Span { from_s: DAY + 1270, to_s: DAY + 3600 }).rest(&sql, 1000).expect("few");
    let n_of = |layer| {
        let cells: &CellMap = rest.get(&layer).expect("some");
        cells.iter().map(|((_, start_s), cell)| (start_s - DAY, cell.cover.expect("a cover").n)).collect::<Vec<_>>()
    };
    assert_eq!(n_of(Layer::Spread(Tier::M10)), [(0, 600.0), (600, 600.0)]);
    assert_eq!(n_of(Layer::Spread(Tier::M1)), [(1200, 60.0)]);
    assert_eq!(n_of(Layer::Total(Tier::S10)), [(1260, 10.0)]);
    assert_eq!(n_of(Layer::Total(Tier::H1)), [(0, 1270.0)]);
    assert_eq!(n_of(Layer::Total(Tier::D1)), [(0, 1270.0)]);
    assert!(!rest.contains_key(&Layer::Spread(Tier::H1)));
    let share = rest[&Layer::Total(Tier::D1)][&(1, DAY)].cover.expect("a cover");
    assert_eq!(share.extent, cover.extent);
    assert!((share.d - 12.7).abs() < 1e-9);
    assert_eq!(scope(&[1], Span { from_s: DAY + 1270, to_s: DAY + 3600 }).rest(&sql, 3), Err(StoreError::Full));
}
