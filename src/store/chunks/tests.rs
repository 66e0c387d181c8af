//! What holds of sealing and reading.

use super::*;
use crate::domain::cell::Cover;
use crate::store::{schema, testing::TestSql};

const HOUR: i64 = 1_792_540_800;
const LAYER: Layer = Layer::Total(Tier::S10);

fn ready() -> TestSql {
    let sql = TestSql::new();
    schema::migrate(&sql).expect("migrates");
    sql
}

fn counted(count: u64) -> Cell {
    Cell::plain(count, None)
}

fn refs(cells: &[(i64, SeriesId, Cell)]) -> Vec<(i64, SeriesId, &Cell)> {
    cells.iter().map(|(start_s, series, cell)| (*start_s, *series, cell)).collect()
}

fn read(sql: &TestSql, layer: Layer, from_s: i64, to_s: i64) -> Vec<(i64, SeriesId, u64)> {
    let mut seen = Vec::new();
    each::<StoreError>(
        sql,
        layer,
        from_s,
        to_s,
        |_| true,
        Wanted::ALL,
        |start_s, series, cell| {
            seen.push((start_s, series, cell.count));
            Ok(())
        },
    )
    .expect("reads");
    seen
}

#[test]
fn the_numbers_of_chunks_are_pinned() {
    assert_eq!(first_id(LAYER, HOUR), 179_254_080 << 14);
    assert_eq!(first_id(Layer::Spread(Tier::D1), HOUR), ((12 << 34) + 179_254_080) << 14);
    let place = Place { layer: Layer::Spread(Tier::D1), span_start_s: HOUR, block: 24 };
    assert_eq!(place.id(), first_id(Layer::Spread(Tier::D1), HOUR) + 24 * 512);
    assert_eq!(start_of(place.layer, place.id() + 511), floor_to(HOUR, 32 * 86_400));
    assert_eq!(start_of(LAYER, first_id(LAYER, HOUR) + 24 * 512 + 511), HOUR);
    assert!(first_id(Layer::Spread(Tier::D1), i64::MAX / 2) < 1 << 53, "numbers pass through JavaScript");
    assert!(
        first_id(LAYER, i64::MAX / 2) < first_id(Layer::Total(Tier::M1), 0),
        "however late, a layer keeps to itself"
    );
}

#[test]
fn what_is_sealed_is_read_by_layer_and_time() {
    let sql = ready();
    let cells = [(HOUR - 10, 1, counted(1)), (HOUR, 5000, counted(2)), (HOUR + 3600, 3, counted(3))];
    seal(&sql, LAYER, refs(&cells)).expect("seals");
    seal(&sql, Layer::Spread(Tier::S10), refs(&[(HOUR, 9, counted(9))])).expect("seals");
    assert_eq!(read(&sql, LAYER, HOUR - 10, HOUR + 3601), [(HOUR - 10, 1, 1), (HOUR, 5000, 2), (HOUR + 3600, 3, 3)]);
    assert_eq!(read(&sql, LAYER, HOUR + 50, HOUR + 3600), [(HOUR, 5000, 2)]);
    assert_eq!(read(&sql, LAYER, HOUR + 7200, HOUR + 9000), []);
}

#[test]
fn any_number_that_a_series_may_get_has_a_place_in_its_span() {
    let sql = ready();
    let last = 360 * 32 * BLOCK_SERIES - 1;
    let numbers = [0, 131_071, 131_072, 1_000_000, last];
    let cells = numbers.map(|series| (HOUR, series, counted(1)));
    seal(&sql, LAYER, refs(&cells)).expect("seals");
    seal(&sql, LAYER, refs(&[(HOUR + 3600, 5, counted(7))])).expect("seals");
    let seen: Vec<_> = numbers.map(|series| (HOUR, series, 1)).to_vec();
    for to_s in [HOUR + 1, HOUR + 3599, HOUR + 3600] {
        assert_eq!(read(&sql, LAYER, HOUR, to_s), seen);
    }
    assert_eq!(read(&sql, LAYER, HOUR + 3600, HOUR + 3601), [(HOUR + 3600, 5, 7)]);
    remove_before(&sql, LAYER, HOUR + 3599).expect("removes");
    assert_eq!((sql.count("chunks"), oldest_end_s(&sql, LAYER)), (6, Ok(Some(HOUR + 3600))));
    remove_before(&sql, LAYER, HOUR + 3600).expect("removes");
    assert_eq!(sql.count("chunks"), 1);
}

#[test]
fn cells_in_any_order_make_one_part_a_place_and_those_of_one_bucket_and_series_merge() {
    let sql = ready();
    let all = [(HOUR, 1), (HOUR + 3600, 1), (HOUR, 2), (HOUR, 5000), (HOUR + 3600, 2), (HOUR, 1)];
    let cells = all.map(|(start_s, series)| (start_s, series, counted(1)));
    seal(&sql, LAYER, refs(&cells)).expect("seals");
    assert_eq!(sql.count("chunks"), 3, "two spans, and two blocks in one of them");
    let seen = read(&sql, LAYER, HOUR, HOUR + 7200);
    assert_eq!(seen, [(HOUR, 1, 2), (HOUR, 2, 1), (HOUR, 5000, 1), (HOUR + 3600, 1, 1), (HOUR + 3600, 2, 1)]);
}

#[test]
fn reading_stops_at_the_first_error() {
    let sql = ready();
    seal(&sql, LAYER, refs(&[(HOUR, 1, counted(1)), (HOUR, 2, counted(1))])).expect("seals");
    let mut calls = 0;
    let stopped = each(
        &sql,
        LAYER,
        HOUR,
        HOUR + 10,
        |_| true,
        Wanted::ALL,
        |_, _, _| {
            calls += 1;
            Err(StoreError::Column("enough"))
        },
    );
    assert_eq!((stopped, calls), (Err(StoreError::Column("enough")), 1));
}

#[test]
fn however_often_a_bucket_is_sealed_its_parts_are_few_and_its_sum_is_right() {
    const SEALS: u32 = 1_500;
    let sql = ready();
    let layer = Layer::Total(Tier::D1);
    let cover = Some(Cover { n: 0.1, d: 0.3, extent: None });
    let cells: Vec<_> = (0..300).map(|series| (HOUR, series * 30, Cell::plain(1, cover))).collect();
    for _ in 0..SEALS {
        seal(&sql, layer, refs(&cells)).expect("seals");
    }
    let parts = sql.count("chunks");
    assert!(parts <= 3 * 8 * 3, "{parts} parts: at most 3 of 8 sizes in each of 3 blocks");
    let seen = read(&sql, layer, HOUR, HOUR + 1);
    assert_eq!(seen.iter().map(|(_, _, count)| count).sum::<u64>(), u64::from(SEALS) * 300);
    assert!(seen.iter().all(|(start_s, _, _)| *start_s == HOUR));
}

#[test]
fn a_span_without_free_numbers_is_an_error_and_no_other_span() {
    let sql = ready();
    let place = Place { layer: LAYER, span_start_s: HOUR, block: 0 };
    let taken: Vec<(i64, usize)> = (place.id()..place.id() + 512).map(|id| (id, FINAL_WEIGHT)).collect();
    assert_eq!(place.insert(&sql, &taken, &[vec![1]]), Err(StoreError::Full));
    assert_eq!(sql.count("chunks"), 0);
}

#[test]
fn a_large_span_is_cut_into_parts_between_series() {
    let sql = ready();
    let cells: Vec<(i64, SeriesId, Cell)> =
        (0..3000).flat_map(|series| (0..100).map(move |bucket| (HOUR + bucket * 10, series, counted(1)))).collect();
    seal(&sql, LAYER, refs(&cells)).expect("seals");
    assert_eq!(read(&sql, LAYER, HOUR, HOUR + 3600).len(), 300_000);
    assert_eq!(sql.count("chunks"), 8);
}

#[test]
fn old_spans_go_and_others_stay() {
    let sql = ready();
    seal(&sql, LAYER, refs(&[(HOUR - 3600, 1, counted(1)), (HOUR, 1, counted(1))])).expect("seals");
    seal(&sql, Layer::Total(Tier::M1), refs(&[(HOUR - 36_000, 1, counted(1))])).expect("seals");
    assert_eq!(oldest_end_s(&sql, LAYER), Ok(Some(HOUR)));
    remove_before(&sql, LAYER, HOUR + 1800).expect("removes");
    assert_eq!(oldest_end_s(&sql, LAYER), Ok(Some(HOUR + 3600)));
    assert_eq!(oldest_end_s(&sql, Layer::Total(Tier::H1)), Ok(None));
    assert_eq!(read(&sql, LAYER, 0, HOUR + 3600), [(HOUR, 1, 1)]);
    assert_eq!(read(&sql, Layer::Total(Tier::M1), 0, HOUR).len(), 1);
}
