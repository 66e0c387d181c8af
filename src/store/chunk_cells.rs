//! The cells of a chunk as bytes: columns of numbers, each series readable without the others.
//!
//! Version 1: `u8 version = 1`, varint cells, varint series, then for each series: varint number since the last, varint bytes of its columns;
//! then the columns of each series in that order: varint cells, and as columns (see `domain::columns`) the buckets since the last (from
//! the span's start), the shapes, the counts, and of the cells whose shape says so n, d, min and max.

use std::collections::BTreeMap;

use crate::domain::cell::{Cell, Cover, Extent};
use crate::domain::codec::{Malformed, Reader, put_len, put_varint};
use crate::domain::columns::{put_column, read_column};
use crate::domain::open::SeriesId;
use crate::domain::tier::Tier;

use super::sql::StoreError;

const VERSION: u8 = 1;
/// A part is ended at the next series when it has this many cells: at most 45 bytes each, and a row may have 2 MB.
pub(super) const PART_CELLS: usize = 40_000;
/// The bytes at the start of a part that tell how many cells it has.
pub(super) const HEAD_BYTES: i64 = 11;

const HAS_COVER: u8 = 1;
const HAS_EXTENT: u8 = 2;
/// d is the count, as of points that gave none.
const D_IS_COUNT: u8 = 4;
/// min and max are n/d, as of a single point.
const EXTENT_IS_RATIO: u8 = 8;
/// max is min.
const MAX_IS_MIN: u8 = 16;

/// The cells of a span: series, bucket's start, cell.
pub(super) type Cells = BTreeMap<(SeriesId, i64), Cell>;

/// The bytes of cells, in parts.
pub(super) fn encode(tier: Tier, span_start_s: i64, cells: &Cells) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut part = Part::default();
    let mut cells = cells.iter().peekable();
    while let Some(((series, _), _)) = cells.peek() {
        let series = *series;
        let mut of_series = Vec::new();
        while let Some(((_, start_s), cell)) = cells.next_if(|((next, _), _)| *next == series) {
            of_series.push((*start_s, cell));
        }
        if part.cells >= PART_CELLS {
            parts.push(std::mem::take(&mut part).finish());
        }
        part.push(series, of_series.len(), &columns(tier, span_start_s, &of_series));
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
    fn push(&mut self, series: SeriesId, cells: usize, columns: &[u8]) {
        self.cells += cells;
        put_varint(&mut self.directory, u64::from(series - self.last));
        put_len(&mut self.directory, columns.len());
        self.columns.extend_from_slice(columns);
        self.series += 1;
        self.last = series;
    }

    fn finish(self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_len(&mut out, self.cells);
        put_len(&mut out, self.series);
        out.extend_from_slice(&self.directory);
        out.extend_from_slice(&self.columns);
        out
    }
}

#[expect(clippy::cast_precision_loss, reason = "buckets of a span; counts beyond 2^53 lose what f64 loses")]
fn columns(tier: Tier, span_start_s: i64, cells: &[(i64, &Cell)]) -> Vec<u8> {
    let mut last_s = span_start_s;
    let [mut starts, mut shapes, mut counts, mut n, mut d, mut min, mut max] = [const { Vec::new() }; 7];
    for (start_s, cell) in cells {
        starts.push(((start_s - last_s) / tier.width_s()) as f64);
        last_s = *start_s;
        let shape = shape(cell);
        shapes.push(f64::from(shape));
        counts.push(cell.count as f64);
        let Some(cover) = cell.cover else { continue };
        n.push(cover.n);
        d.extend((shape & D_IS_COUNT == 0).then_some(cover.d));
        if let Some(extent) = cover.extent.filter(|_| shape & EXTENT_IS_RATIO == 0) {
            min.push(extent.min);
            max.extend((shape & MAX_IS_MIN == 0).then_some(extent.max));
        }
    }
    let mut out = Vec::new();
    put_len(&mut out, cells.len());
    for column in [starts, shapes, counts, n, d, min, max] {
        put_column(&mut out, &column);
    }
    out
}

/// Which columns have something of a cell.
#[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 is only compared")]
fn shape(cell: &Cell) -> u8 {
    let Some(cover) = cell.cover else { return 0 };
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let extent = match cover.extent {
        None => 0,
        Some(extent) => {
            let ratio = cover.n / cover.d;
            HAS_EXTENT
                | flag(extent.min == ratio && extent.max == ratio, EXTENT_IS_RATIO)
                | flag(extent.min == extent.max, MAX_IS_MIN)
        }
    };
    HAS_COVER | flag(cover.d == cell.count as f64, D_IS_COUNT) | extent
}

/// How many cells a part has, by its first [`HEAD_BYTES`].
pub(super) fn cells_in(bytes: &[u8]) -> Result<usize, Malformed> {
    head(&mut Reader::new(bytes))
}

fn head(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    if reader.byte()? == VERSION { reader.len() } else { Err(Malformed(0)) }
}

/// Hands on the cells of a part: bucket's start, series, cell. Only the series that are wanted are decoded. Stops at
/// the first error.
pub(super) fn decode(
    tier: Tier,
    span_start_s: i64,
    bytes: &[u8],
    wants: impl Fn(SeriesId) -> bool,
    mut each: impl FnMut(i64, SeriesId, &Cell) -> Result<(), StoreError>,
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
            decode_series(tier, span_start_s, of_series, |start_s, cell| each(start_s, series, cell))?;
        }
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and small, as they were written")]
fn decode_series(
    tier: Tier,
    span_start_s: i64,
    bytes: &[u8],
    mut each: impl FnMut(i64, &Cell) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut reader = Reader::new(bytes);
    let cells = reader.len()?;
    let mut columns = Vec::with_capacity(COLUMNS);
    for _ in 0..COLUMNS {
        columns.push(read_column(&mut reader)?.into_iter());
    }
    let mut next = |column: usize| columns[column].next().ok_or(StoreError::Malformed(Malformed(column)));
    let mut start_s = span_start_s;
    for _ in 0..cells {
        start_s += next(0)? as i64 * tier.width_s();
        let shape = next(1)? as u8;
        let count = next(2)?;
        let mut cell = Cell { count: count as u64, cover: None };
        if shape & HAS_COVER != 0 {
            let n = next(3)?;
            let d = if shape & D_IS_COUNT == 0 { next(4)? } else { count };
            let extent = match shape & (HAS_EXTENT | EXTENT_IS_RATIO) {
                HAS_EXTENT => {
                    let min = next(5)?;
                    Some(Extent { min, max: if shape & MAX_IS_MIN == 0 { next(6)? } else { min } })
                }
                0 => None,
                _ => Some(Extent { min: n / d, max: n / d }),
            };
            cell.cover = Some(Cover { n, d, extent });
        }
        each(start_s, &cell)?;
    }
    Ok(())
}

/// Starts, shapes, counts, n, d, min, max.
const COLUMNS: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cell::tests::any_cell;
    use proptest::prelude::*;

    const HOUR: i64 = 1_792_540_800;

    fn decoded(parts: &[Vec<u8>], wants: impl Fn(SeriesId) -> bool + Copy) -> Cells {
        let mut seen = Cells::new();
        for part in parts {
            decode(Tier::S10, HOUR, part, wants, |start_s, series, cell| {
                assert!(seen.insert((series, start_s), *cell).is_none());
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
            let _may_be_malformed = decode(Tier::S10, HOUR, &bytes, |_| true, |_, _, _| Ok(()));
        }
    }

    #[test]
    fn the_form_of_a_chunk_is_pinned() {
        let counted = |count| Cell { count, cover: None };
        let cover = Cover { n: 5.0, d: 1.0, extent: Some(Extent { min: 5.0, max: 5.0 }) };
        let covered = Cell { count: 1, cover: Some(cover) };
        let cells = Cells::from([((3, HOUR), counted(2)), ((3, HOUR + 20), covered), ((7, HOUR), counted(1))]);
        assert_eq!(
            encode(Tier::S10, HOUR, &cells),
            [[
                &[1, 3, 2, 3, 19, 4, 14][..],
                &[2, 2, 1, 0, 2, 2, 1, 0, 31, 2, 1, 2, 1, 1, 1, 5, 0, 0, 0],
                &[1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0],
            ]
            .concat()]
        );
    }

    #[test]
    fn an_extent_comes_back_whether_or_not_it_says_what_the_sums_say() {
        let extents =
            [(2.0, 2.0), (2.0, 3.0), (1.0, 2.0), (1.0, 1.0), (1.0, 3.0)].map(|(min, max)| Extent { min, max });
        let cell = |extent| Cell { count: 1, cover: Some(Cover { n: 4.0, d: 2.0, extent }) };
        let all = extents.into_iter().map(Some).chain([None]).map(cell);
        let cells: Cells = (0..).zip(all).map(|(k, cell)| ((1, HOUR + k * 10), cell)).collect();
        assert_eq!(decoded(&encode(Tier::S10, HOUR, &cells), |_| true), cells);
    }

    #[test]
    fn counters_take_two_bytes_a_point() {
        // As a page counter that flushes every 10 s, for an hour.
        let cell =
            |n: f64| Cell { count: 1, cover: Some(Cover { n, d: 1.0, extent: Some(Extent { min: n, max: n }) }) };
        let cells: Cells =
            (0..360).map(|k| ((1, HOUR + i64::from(k) * 10), cell(f64::from((k * 7919) % 200)))).collect();
        let bytes = encode(Tier::S10, HOUR, &cells)[0].len();
        assert!(bytes < 2 * 360, "{bytes} bytes");
    }
}
