//! The cells of a chunk as bytes: columns of numbers, each series readable without the others.
//!
//! Version 2: `u8 version = 2`, varint weight, varint series, then for each series: varint number since the last, varint bytes of its
//! columns; then the columns of each series in that order (see [`super::series_cells`]). A series may come in several
//! pieces, one after the other.
//!
//! Version 1, which is still read, had the number of cells as weight, no sketches, and each series in one piece.

use std::collections::BTreeMap;

use crate::domain::cell::Cell;
use crate::domain::codec::{Malformed, Reader, put_len, put_varint};
use crate::domain::open::SeriesId;
use crate::domain::sketches::Wanted;
use crate::domain::tier::Tier;

use super::series_cells;
use super::sql::StoreError;

const VERSION: u8 = 2;
const VERSION_1: u8 = 1;
/// A part is ended at the next piece when it has this weight, which counts cells and what their sketches take in memory...
pub(super) const PART_WEIGHT: usize = 40_000;
/// ...in units of what a cell takes...
const UNIT_BYTES: usize = 100;
/// ...or with this many bytes, which count as much as half that weight: plain cells take at most 45.
const PART_BYTES: usize = 800_000;
const BYTES_PER_UNIT: usize = 2 * PART_BYTES / PART_WEIGHT;
/// Sketches take no more bytes here than in memory, so with one more piece a part fits a row, which may have 2 MB.
const PIECE_WEIGHT: usize = 8_000;
/// The bytes at the start of a part that tell its weight.
pub(super) const HEAD_BYTES: i64 = 11;

/// The cells of a span: series, bucket's start, cell.
pub(super) type Cells = BTreeMap<(SeriesId, i64), Cell>;

/// How much of a part's weight a cell is.
pub(super) fn weight(cell: &Cell) -> usize {
    1 + cell.sketch_bytes() / UNIT_BYTES
}

/// The bytes of cells, in parts.
pub(super) fn encode(tier: Tier, span_start_s: i64, cells: &Cells) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut part = Part::default();
    let mut cells = cells.iter().peekable();
    while let Some(((series, _), _)) = cells.peek() {
        let series = *series;
        let (mut piece, mut piece_weight) = (Vec::new(), 0);
        while let Some(((_, start_s), cell)) =
            cells.next_if(|((next, _), _)| *next == series && piece_weight < PIECE_WEIGHT)
        {
            piece_weight += weight(cell);
            piece.push((*start_s, cell));
        }
        if part.weight() >= PART_WEIGHT || part.columns.len() >= PART_BYTES {
            parts.push(std::mem::take(&mut part).finish());
        }
        part.push(series, piece_weight, &series_cells::encode(tier, span_start_s, &piece));
    }
    parts.push(part.finish());
    parts
}

/// A part that is being put together.
#[derive(Default)]
struct Part {
    cells: usize,
    series: usize,
    last: SeriesId,
    directory: Vec<u8>,
    columns: Vec<u8>,
}

impl Part {
    fn push(&mut self, series: SeriesId, weight: usize, columns: &[u8]) {
        self.cells += weight;
        put_varint(&mut self.directory, u64::from(series - self.last));
        put_len(&mut self.directory, columns.len());
        self.columns.extend_from_slice(columns);
        self.series += 1;
        self.last = series;
    }

    fn weight(&self) -> usize {
        self.cells.max(self.columns.len() / BYTES_PER_UNIT)
    }

    fn finish(self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_len(&mut out, self.weight());
        put_len(&mut out, self.series);
        out.extend_from_slice(&self.directory);
        out.extend_from_slice(&self.columns);
        out
    }
}

/// The weight of a part, by its first [`HEAD_BYTES`].
pub(super) fn weight_of(bytes: &[u8]) -> Result<usize, Malformed> {
    head(&mut Reader::new(bytes))
}

fn head(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    if [VERSION, VERSION_1].contains(&reader.byte()?) { reader.len() } else { Err(Malformed(0)) }
}

/// Hands on the cells of a part: bucket's start, series, cell. Only the series and sketches that are wanted are decoded.
/// Stops at the first error.
pub(super) fn decode(
    tier: Tier,
    span_start_s: i64,
    bytes: &[u8],
    wants: &dyn Fn(SeriesId) -> bool,
    sketches: Wanted,
    each: &mut dyn FnMut(i64, SeriesId, Cell) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut directory = Reader::new(bytes);
    head(&mut directory)?;
    let count = directory.len()?;
    let mut columns = directory;
    for _ in 0..count {
        columns.varint()?;
        columns.varint()?;
    }
    let mut series: SeriesId = 0;
    for _ in 0..count {
        let delta = u32::try_from(directory.varint()?).map_err(|_| Malformed(0))?;
        series = series.checked_add(delta).ok_or(Malformed(0))?;
        let len = directory.len()?;
        let of_series = columns.take(len)?;
        if wants(series) {
            let each = &mut |start_s, cell| each(start_s, series, cell);
            series_cells::decode(tier, span_start_s, of_series, sketches, each)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cell::tests::any_cell;
    use crate::domain::cell::{Cover, Extent};
    use crate::domain::point::Point;
    use crate::domain::sketches::Mark;
    use proptest::prelude::*;

    const HOUR: i64 = 1_792_540_800;

    fn decoded(parts: &[Vec<u8>], wants: impl Fn(SeriesId) -> bool + Copy) -> Cells {
        let mut seen = Cells::new();
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
        fn cells_come_back_all_or_of_the_wanted_series(
            cells in proptest::collection::btree_map((0u32..9000, 0i64..360), any_cell(), 1..80),
        ) {
            let cells: Cells =
                cells.into_iter().map(|((series, bucket), cell)| ((series, HOUR + bucket * 10), cell)).collect();
            let parts = encode(Tier::S10, HOUR, &cells);
            prop_assert_eq!(&decoded(&parts, |_| true), &cells);
            let even: Cells = cells.into_iter().filter(|((series, _), _)| series % 2 == 0).collect();
            prop_assert_eq!(decoded(&parts, |series| series % 2 == 0), even);
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let bytes = [&[VERSION][..], &bytes].concat();
            let _may_be_malformed = decode(Tier::S10, HOUR, &bytes, &|_| true, Wanted::ALL, &mut |_, _, _| Ok(()));
        }
    }

    /// The cells of the pins, and the bytes of them that were the same in version 1.
    fn pinned() -> (Cells, Vec<u8>) {
        let cover = Cover { n: 5.0, d: 1.0, extent: Some(Extent { min: 5.0, max: 5.0 }) };
        let counted = |count| Cell::plain(count, None);
        let covered = Cell::plain(1, Some(cover));
        let cells = Cells::from([((3, HOUR), counted(2)), ((3, HOUR + 20), covered), ((7, HOUR), counted(1))]);
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
        assert_eq!((decoded(std::slice::from_ref(&bytes), |_| true), weight_of(&bytes)), (cells, Ok(3)));
    }

    #[test]
    fn the_form_of_a_chunk_is_pinned() {
        let (mut cells, bytes) = pinned();
        assert_eq!(encode(Tier::S10, HOUR, &cells), [[&[VERSION][..], &bytes].concat()]);
        let point = |n| Cell::of(&Point { n, d: 1.0, p: None, t: 0.0 });
        cells.retain(|(series, _), _| *series == 7);
        let cell = cells.get_mut(&(7, HOUR)).expect("is there");
        for n in [10.0, 20.0, 15.0] {
            cell.merge(&point(n));
        }
        cell.mark(&[Mark { label: 2, hash: 1 << 63 }]);
        let columns = [
            &[1, 1, 1, 0, 1, 1, 3, 1, 1, 4, 1, 1, 45, 1, 1, 3, 1, 1, 10, 1, 1, 20][..],
            &[1, 1, 29, 2, 0xc5, 0, 6, 0x82, 0x48, 0, 0, 5, 0],
        ];
        assert_eq!(encode(Tier::S10, HOUR, &cells), [[&[VERSION, 3, 1, 7, 35][..], &columns.concat()].concat()]);
    }

    #[test]
    fn what_has_no_sketches_takes_no_byte_more_than_before_and_sketches_are_read_only_when_wanted() {
        let plain = Cell::of(&Point { n: 5.0, d: 1.0, p: None, t: 0.0 });
        let mut rich = Cell::of(&Point { n: 7.0, d: 1.0, p: None, t: 0.0 });
        rich.merge(&plain);
        rich.mark(&[Mark { label: 0, hash: 9 }, Mark { label: 1, hash: 9 }]);
        let cells = Cells::from([((1, HOUR), plain), ((2, HOUR), rich)]);
        let parts = encode(Tier::S10, HOUR, &cells);
        for wanted in
            [Wanted::default(), Wanted { quantiles: true, distinct: 0 }, Wanted { quantiles: false, distinct: 2 }]
        {
            let mut seen = Cells::new();
            decode(Tier::S10, HOUR, &parts[0], &|_| true, wanted, &mut |start_s, series, cell| {
                seen.insert((series, start_s), cell);
                Ok(())
            })
            .expect("decodes");
            let kept: Cells = cells.iter().map(|(place, cell)| (*place, cell.kept(wanted))).collect();
            assert_eq!(seen, kept);
        }
    }

    #[test]
    fn sketches_that_are_too_large_for_a_row_are_cut_also_within_a_series() {
        const MAX_ROW_BYTES: usize = 2_000_000;
        let mut cell = Cell::plain(1, None);
        for k in 0u64..20_000 {
            cell.mark(&[0, 1, 2, 3].map(|label| Mark { label, hash: k.wrapping_mul(0x9e37_79b9_7f4a_7c15) }));
        }
        let cells: Cells = (0..80).map(|k| ((1, HOUR + k * 10), cell.clone())).collect();
        let parts = encode(Tier::S10, HOUR, &cells);
        assert!(parts.len() > 1 && parts.iter().all(|part| part.len() < MAX_ROW_BYTES));
        assert_eq!(decoded(&parts, |_| true), cells);
        let heaviest = parts.iter().map(|part| weight_of(part).expect("a weight")).max().expect("parts");
        assert!(heaviest < PART_WEIGHT + 2 * PIECE_WEIGHT, "{heaviest}");
    }

    #[test]
    fn an_extent_comes_back_whether_or_not_it_says_what_the_sums_say() {
        let extents =
            [(2.0, 2.0), (2.0, 3.0), (1.0, 2.0), (1.0, 1.0), (1.0, 3.0)].map(|(min, max)| Extent { min, max });
        let cell = |extent| Cell::plain(1, Some(Cover { n: 4.0, d: 2.0, extent }));
        let all = extents.into_iter().map(Some).chain([None]).map(cell);
        let cells: Cells = (0..).zip(all).map(|(k, cell)| ((1, HOUR + k * 10), cell)).collect();
        assert_eq!(decoded(&encode(Tier::S10, HOUR, &cells), |_| true), cells);
    }

    #[test]
    fn counters_take_two_bytes_a_point() {
        // As a page counter that flushes every 10 s, for an hour.
        let cell = |n: f64| Cell::plain(1, Some(Cover { n, d: 1.0, extent: Some(Extent { min: n, max: n }) }));
        let cells: Cells =
            (0..360).map(|k| ((1, HOUR + i64::from(k) * 10), cell(f64::from((k * 7919) % 200)))).collect();
        let bytes = encode(Tier::S10, HOUR, &cells)[0].len();
        assert!(bytes < 2 * 360, "{bytes} bytes");
    }
}
