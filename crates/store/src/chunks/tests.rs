//! Tests of sealing and reading.

use super::*;
use crate::chunk_read::each;
use crate::schema;
use crate::testing::{TestSql, earlier_part, fill};
use model::cell::Cover;

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

fn put(sql: &TestSql, layer: Layer, cells: Vec<(i64, SeriesId, &Cell)>) -> Result<Sealed, StoreError> {
    let mut sealed = Sealed::default();
    seal(sql, layer, cells, &mut sealed).map(|()| sealed)
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
    let day = Layer::Spread(Tier::D1);
    assert_eq!(first_id(LAYER, HOUR), 179_254_080 << 14);
    assert_eq!(first_id(day, HOUR), ((13 << 34) + 179_254_080) << 14);
    let all = Tier::ALL.map(|tier| Layer::all_of(tier).map(number_of));
    assert_eq!(all, [[0, 14, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11], [4, 13, 12]]);
    let place = Place { layer: day, span_start_s: floor_to(HOUR, Tier::D1.span_s()), block: 24 };
    assert_eq!(place.id(), first_id(day, place.span_start_s) + 24 * 512);
    assert!(first_id(day, i64::MAX / 2) < 1 << 53, "numbers pass through JavaScript");
    assert!(
        first_id(LAYER, i64::MAX / 2) < first_id(Layer::Total(Tier::M1), 0),
        "however late, a layer keeps to itself"
    );
}

#[test]
fn part_numbers_identify_places_up_to_the_last_block() {
    for layer in Tier::ALL.into_iter().flat_map(Layer::all_of) {
        let span_start_s = floor_to(HOUR, layer.tier().span_s());
        for block in [0, 31, 32, ATTIC] {
            let place = Place { layer, span_start_s, block };
            assert_eq!([0, 511].map(|part| Place::holding(place.id() + part)), [Some(place); 2]);
            assert!(place.id() + 512 <= first_id(layer, span_start_s + layer.tier().span_s()));
        }
    }
}

#[test]
fn every_possible_series_id_has_a_place_in_its_span() {
    let sql = ready();
    let last = 360 * 32 * BLOCK_SERIES - 1;
    let numbers = [0, 131_071, 131_072, 1_000_000, last];
    let cells = numbers.map(|series| (HOUR, series, counted(1)));
    put(&sql, LAYER, refs(&cells)).expect("seals");
    put(&sql, LAYER, refs(&[(HOUR + 3600, 5, counted(7))])).expect("seals");
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
fn sealed_cells_are_read_by_layer_and_time() {
    let sql = ready();
    let cells = [(HOUR - 10, 1, counted(1)), (HOUR, 5000, counted(2)), (HOUR + 3600, 3, counted(3))];
    put(&sql, LAYER, refs(&cells)).expect("seals");
    put(&sql, Layer::Spread(Tier::S10), refs(&[(HOUR, 9, counted(9))])).expect("seals");
    assert_eq!(read(&sql, LAYER, HOUR - 10, HOUR + 3601), [(HOUR - 10, 1, 1), (HOUR, 5000, 2), (HOUR + 3600, 3, 3)]);
    assert_eq!(read(&sql, LAYER, HOUR + 50, HOUR + 3600), [(HOUR, 5000, 2)]);
    assert_eq!(read(&sql, LAYER, HOUR + 7200, HOUR + 9000), []);
}

#[test]
fn cells_in_any_order_make_one_merged_part_per_place() {
    let sql = ready();
    let all = [(HOUR, 1), (HOUR + 3600, 1), (HOUR, 2), (HOUR, 5000), (HOUR + 3600, 2), (HOUR, 1)];
    let cells = all.map(|(start_s, series)| (start_s, series, counted(1)));
    put(&sql, LAYER, refs(&cells)).expect("seals");
    assert_eq!(sql.count("chunks"), 3, "two spans, and two blocks in one of them");
    let seen = read(&sql, LAYER, HOUR, HOUR + 7200);
    assert_eq!(seen, [(HOUR, 1, 2), (HOUR, 2, 1), (HOUR, 5000, 1), (HOUR + 3600, 1, 1), (HOUR + 3600, 2, 1)]);
}

#[test]
fn reading_stops_at_the_first_error() {
    let sql = ready();
    put(&sql, LAYER, refs(&[(HOUR, 1, counted(1)), (HOUR, 2, counted(1))])).expect("seals");
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
fn a_bucket_sealed_often_has_few_parts_and_the_right_sum() {
    const SEALS: u32 = 1_500;
    let sql = ready();
    let layer = Layer::Total(Tier::D1);
    let cover = Some(Cover { n: 0.1, d: 0.3, extent: None });
    let cells: Vec<_> = (0..300).map(|series| (HOUR, series * 30, Cell::plain(1, cover))).collect();
    for _ in 0..SEALS {
        put(&sql, layer, refs(&cells)).expect("seals");
    }
    let parts = sql.count("chunks");
    assert!(parts <= 3 * 8 * 3, "{parts} parts: at most 3 of 8 sizes in each of 3 blocks");
    let seen = read(&sql, layer, HOUR, HOUR + 1);
    assert_eq!(seen.iter().map(|(_, _, count)| count).sum::<u64>(), u64::from(SEALS) * 300);
    assert!(seen.iter().all(|(start_s, _, _)| *start_s == HOUR));
}

#[test]
fn a_full_place_still_accepts_cells_and_blocks_no_other() {
    let sql = ready();
    let place = fill(&sql, LAYER, HOUR, &[1, 2, 3]);
    for _ in 0..3 {
        let cells = [(HOUR + 10, 1, counted(5)), (HOUR + 3600, 1, counted(7)), (HOUR, 5000, counted(9))];
        put(&sql, LAYER, refs(&cells)).expect("seals");
    }
    assert_eq!(sql.count("chunks"), 512 + 9);
    assert_eq!(fullest(&sql, 0, 1), Ok(vec![(512, place)]));
    let mut seen = read(&sql, LAYER, HOUR, HOUR + 3600);
    seen.retain(|(_, _, count)| *count > 1);
    seen.sort_unstable();
    assert_eq!(seen, [[(HOUR, 5000, 9); 3], [(HOUR + 10, 1, 5); 3]].concat());
}

#[test]
fn a_broken_place_does_not_prevent_sealing() {
    let sql = ready();
    let place = Place { layer: LAYER, span_start_s: HOUR, block: 0 };
    // An invalid head, and three similar parts with invalid cells.
    insert(&sql, place.id(), &[9]).expect("is free");
    (1..4).for_each(|part| insert(&sql, place.id() + part, &[2, 3, 1]).expect("is free"));
    put(&sql, LAYER, refs(&[(HOUR, 1, counted(1)), (HOUR + 3600, 2, counted(2))])).expect("seals");
    // Even its heads can't be read.
    sql.fail_if(|sql, params| sql.contains("SUBSTR") && matches!(params[0], Param::Integer(2_936_898_846_720)));
    assert_eq!(place.id(), 2_936_898_846_720);
    put(&sql, LAYER, refs(&[(HOUR, 1, counted(1)), (HOUR + 3600, 2, counted(2))])).expect("seals");
    assert_eq!(sql.count("chunks"), 4 + 4);
    assert_eq!(read(&sql, LAYER, HOUR + 3600, HOUR + 3610), [(HOUR + 3600, 2, 2); 2]);
}

#[test]
fn from_400_parts_on_cells_lose_sketches_and_keep_sums() {
    let sql = ready();
    let mut cell = counted(1);
    cell.mark(&[model::sketches::Mark { label: 0, hash: 1 }]);
    let seal_one = || put(&sql, LAYER, refs(&[(HOUR + 10, 1, cell.clone())])).expect("seals").stripped;
    let place = Place { layer: LAYER, span_start_s: HOUR, block: 0 };
    for place in [place, place.attic()] {
        assert_eq!(seal_one(), 0);
        (1..400).for_each(|part| insert(&sql, place.id() + part, &earlier_part(&[1])).expect("is free"));
    }
    assert_eq!(seal_one(), 1);
    assert_eq!(read(&sql, LAYER, HOUR, HOUR + 10).len(), 2 * 399 + 3);
    let plain = put(&sql, LAYER, refs(&[(HOUR + 10, 1, counted(1))])).expect("seals");
    assert_eq!((plain.stripped, place.parts(&sql).expect("reads").len()), (0, 401));
}

#[test]
fn a_large_span_is_split_into_parts_between_series() {
    let sql = ready();
    let cells: Vec<(i64, SeriesId, Cell)> =
        (0..3000).flat_map(|series| (0..100).map(move |bucket| (HOUR + bucket * 10, series, counted(1)))).collect();
    put(&sql, LAYER, refs(&cells)).expect("seals");
    assert_eq!(read(&sql, LAYER, HOUR, HOUR + 3600).len(), 300_000);
    assert_eq!(sql.count("chunks"), 8);
}

#[test]
fn expired_spans_are_removed_and_others_stay() {
    let sql = ready();
    put(&sql, LAYER, refs(&[(HOUR - 3600, 1, counted(1)), (HOUR, 1, counted(1))])).expect("seals");
    put(&sql, Layer::Total(Tier::M1), refs(&[(HOUR - 36_000, 1, counted(1))])).expect("seals");
    assert_eq!(oldest_end_s(&sql, LAYER), Ok(Some(HOUR)));
    remove_before(&sql, LAYER, HOUR + 1800).expect("removes");
    assert_eq!(oldest_end_s(&sql, LAYER), Ok(Some(HOUR + 3600)));
    assert_eq!(oldest_end_s(&sql, Layer::Total(Tier::H1)), Ok(None));
    assert_eq!(read(&sql, LAYER, 0, HOUR + 3600), [(HOUR, 1, 1)]);
    assert_eq!(read(&sql, Layer::Total(Tier::M1), 0, HOUR).len(), 1);
}
