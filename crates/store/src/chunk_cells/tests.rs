//! Tests of the bytes of a chunk.

use super::*;
use crate::cells::CellMap;
use model::cell::{Cover, Extent};
use model::point::Point;
use model::sketches::Mark;
use model::testing::any_cell;
use proptest::prelude::*;

const HOUR: i64 = 1_792_540_800;

fn encoded(cells: &CellMap) -> Vec<Vec<u8>> {
    encode(Tier::S10, HOUR, &cells.clone().into(), Kind::Fresh, PART_WEIGHT)
}

fn decoded(parts: &[Vec<u8>], wants: impl Fn(SeriesId) -> bool + Copy) -> CellMap {
    let mut seen = CellMap::new();
    for part in parts {
        decode(Tier::S10, HOUR, part, &wants, Wanted::ALL, &mut |start_s, series, cell| {
            assert!(seen.insert((series, start_s), cell).is_none());
            Ok(())
        })
        .expect("decodes");
    }
    seen
}

proptest! {
    #[test]
    fn cells_of_all_or_some_series_survive_a_round_trip(
        cells in proptest::collection::btree_map((0u32..9000, 0i64..360), any_cell(), 1..80),
    ) {
        let cells: CellMap =
            cells.into_iter().map(|((series, bucket), cell)| ((series, HOUR + bucket * 10), cell)).collect();
        let parts = encoded(&cells);
        prop_assert_eq!(&decoded(&parts, |_| true), &cells);
        let even: CellMap = cells.into_iter().filter(|((series, _), _)| series % 2 == 0).collect();
        prop_assert_eq!(decoded(&parts, |series| series % 2 == 0), even);
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let bytes = [&[VERSION][..], &bytes].concat();
        let _may_be_malformed = decode(Tier::S10, HOUR, &bytes, &|_| true, Wanted::ALL, &mut |_, _, _| Ok(()));
    }
}

/// The cells of the pins, and those of their bytes that were the same in version 1.
fn pinned() -> (CellMap, Vec<u8>) {
    let cover = Cover { n: 5.0, d: 1.0, extent: Some(Extent { min: 5.0, max: 5.0 }) };
    let counted = |count| Cell::plain(count, None);
    let covered = Cell::plain(1, Some(cover));
    let cells = CellMap::from([((3, HOUR), counted(2)), ((3, HOUR + 20), covered), ((7, HOUR), counted(1))]);
    let bytes = [
        &[3, 2, 3, 19, 4, 14][..],
        &[2, 2, 1, 0, 2, 2, 1, 0, 31, 2, 1, 2, 1, 1, 1, 5, 0, 0, 0],
        &[1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0],
    ];
    (cells, bytes.concat())
}

#[test]
fn version_1_of_a_chunk_is_still_read() {
    let (cells, bytes) = pinned();
    let bytes = [&[1][..], &bytes].concat();
    let head = head_of(&bytes).expect("a head");
    assert_eq!((decoded(std::slice::from_ref(&bytes), |_| true), head.weight, head.reach), (cells, 3, None));
}

/// The cell of the pins with sketches.
fn with_sketches() -> CellMap {
    let point = |n| Cell::of(&Point { n, d: 1.0, p: None, t: 0.0 });
    let mut cell = Cell::plain(1, None);
    for n in [10.0, 20.0, 15.0] {
        cell.merge(&point(n));
    }
    cell.mark(&[Mark { label: 2, hash: 1 << 63 }]);
    CellMap::from([((7, HOUR), cell)])
}

#[test]
fn version_2_of_a_chunk_can_still_be_read_and_split() {
    let (cells, bytes) = pinned();
    let bytes = [&[VERSION_2][..], &bytes].concat();
    assert_eq!(decoded(std::slice::from_ref(&bytes), |_| true), cells);
    let rest = rest(&bytes, 4).expect("is sound").expect("has a series");
    assert_eq!(rest[0], VERSION_2);
    assert_eq!(decoded(&[rest], |_| true).into_keys().collect::<Vec<_>>(), [(7, HOUR)]);
    let columns = [
        &[1, 1, 1, 0, 1, 1, 3, 1, 1, 4, 1, 1, 45, 1, 1, 3, 1, 1, 10, 1, 1, 20][..],
        &[1, 1, 29, 2, 0xc5, 0, 6, 0x82, 0x48, 0, 0, 5, 0],
    ];
    let bytes = [&[VERSION_2, 3, 1, 7, 35][..], &columns.concat()].concat();
    assert_eq!(decoded(&[bytes], |_| true), with_sketches());
}

#[test]
fn the_form_of_a_chunk_is_pinned() {
    let (cells, _) = pinned();
    let head = [VERSION, 0, 3, 3, 0, 4, 0, 2];
    let columns = [&[2, 149, 32, 0, 2, 0, 31, 2, 1, 5][..], &[1, 21, 0, 0, 1]];
    assert_eq!(encoded(&cells), [[&head[..], &[2, 3, 10, 4, 5], &columns.concat()].concat()]);
    let head = [VERSION, 1, 3, 7, 0, 0, 0, 0];
    let columns = [1, 213, 164, 2, 0, 3, 4, 3, 10, 45, 20];
    let sketches = [1, 1, 29, 2, 0xc5, 0, 6, 0x82, 0x48, 0, 0, 5, 0];
    let base = encode(Tier::S10, HOUR, &with_sketches().into(), Kind::Base, 1);
    assert_eq!(base, [[&head[..], &[1, 7, 24], &columns, &sketches].concat()]);
}

#[test]
fn a_split_off_rest_has_the_original_cells() {
    let (cells, _) = pinned();
    let part = &encoded(&cells)[0];
    let cut = |from| rest(part, from).expect("is sound");
    assert_eq!(decoded(&[cut(3).expect("all")], |_| true), cells);
    let last = cut(4).expect("the last");
    let reach = Reach { first: (7, 0), last: 7, buckets: (0, 2) };
    assert_eq!(head_of(&last), Ok(Head { kind: Kind::Fresh, weight: 1, reach: Some(reach) }));
    assert_eq!(decoded(&[last], |_| true).len(), 1);
    assert_eq!(cut(8), None);
}

#[test]
fn sketches_cost_nothing_if_absent_or_unwanted() {
    let plain = Cell::of(&Point { n: 5.0, d: 1.0, p: None, t: 0.0 });
    let mut rich = Cell::of(&Point { n: 7.0, d: 1.0, p: None, t: 0.0 });
    rich.merge(&plain);
    rich.mark(&[Mark { label: 0, hash: 9 }, Mark { label: 1, hash: 9 }]);
    let cells = CellMap::from([((1, HOUR), plain), ((2, HOUR), rich)]);
    let parts = encoded(&cells);
    for wanted in [Wanted::default(), Wanted { quantiles: true, distinct: 0 }, Wanted { quantiles: false, distinct: 2 }]
    {
        let mut seen = CellMap::new();
        decode(Tier::S10, HOUR, &parts[0], &|_| true, wanted, &mut |start_s, series, cell| {
            seen.insert((series, start_s), cell);
            Ok(())
        })
        .expect("decodes");
        let kept: CellMap = cells.iter().map(|(place, cell)| (*place, cell.kept(wanted))).collect();
        assert_eq!(seen, kept);
    }
}

#[test]
fn sketches_too_large_for_a_row_are_split_within_a_series() {
    const MAX_ROW_BYTES: usize = 2_000_000;
    let mut cell = Cell::plain(1, None);
    for k in 0u64..20_000 {
        cell.mark(&[0, 1, 2, 3].map(|label| Mark { label, hash: k.wrapping_mul(0x9e37_79b9_7f4a_7c15) }));
    }
    let cells: CellMap = (0..80).map(|k| ((1, HOUR + k * 10), cell.clone())).collect();
    let parts = encoded(&cells);
    assert!(parts.len() > 1 && parts.iter().all(|part| part.len() < MAX_ROW_BYTES));
    assert_eq!(decoded(&parts, |_| true), cells);
    let heaviest = parts.iter().map(|part| head_of(part).expect("a head").weight).max().expect("parts");
    assert!(heaviest < PART_WEIGHT + 2 * PIECE_WEIGHT, "{heaviest}");
}

#[test]
fn an_extent_survives_even_if_the_sums_determine_it() {
    let extents = [(2.0, 2.0), (2.0, 3.0), (1.0, 2.0), (1.0, 1.0), (1.0, 3.0)].map(|(min, max)| Extent { min, max });
    let cell = |extent| Cell::plain(1, Some(Cover { n: 4.0, d: 2.0, extent }));
    let all = extents.into_iter().map(Some).chain([None]).map(cell);
    let cells: CellMap = (0..).zip(all).map(|(k, cell)| ((1, HOUR + k * 10), cell)).collect();
    assert_eq!(decoded(&encoded(&cells), |_| true), cells);
}

#[test]
fn counters_take_two_bytes_per_point() {
    // Like a page counter that flushes every 10 s, for an hour.
    let cell = |n: f64| Cell::plain(1, Some(Cover { n, d: 1.0, extent: Some(Extent { min: n, max: n }) }));
    let cells: CellMap = (0..360).map(|k| ((1, HOUR + i64::from(k) * 10), cell(f64::from((k * 7919) % 200)))).collect();
    let bytes = encoded(&cells)[0].len();
    assert!(bytes < 2 * 360, "{bytes} bytes");
}
