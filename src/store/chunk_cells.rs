//! The cells of a chunk as bytes.
//!
//! Version 1: `u8 version = 1`, then for each series: varint series since the last, varint cells, and for each cell: varint
//! buckets since the last (from the span's start), cell. See `domain::codec`.

use std::collections::BTreeMap;

use crate::domain::cell::Cell;
use crate::domain::codec::{Malformed, Reader, put_cell, put_len, put_varint};
use crate::domain::open::SeriesId;
use crate::domain::tier::Tier;

use super::sql::StoreError;

const VERSION: u8 = 1;
/// A part is ended at the next series when it is this large. A row may have 2 MB, a series' cells in a span are at
/// most 360 of at most 45 bytes.
pub(super) const PART_BYTES: usize = 512 << 10;

/// The cells of a span: series, bucket's start, cell.
pub(super) type Cells = BTreeMap<(SeriesId, i64), Cell>;

/// The bytes of cells, in parts.
pub(super) fn encode(tier: Tier, span_start_s: i64, cells: &Cells) -> Vec<Vec<u8>> {
    let mut parts = vec![vec![VERSION]];
    let mut last_series = 0;
    let mut cells = cells.iter().peekable();
    while let Some(((series, _), _)) = cells.peek() {
        let series = *series;
        let mut body = Vec::new();
        let (mut count, mut last_s) = (0, span_start_s);
        while let Some(((_, start_s), cell)) = cells.next_if(|((next, _), _)| *next == series) {
            put_varint(&mut body, unsigned((start_s - last_s) / tier.width_s()));
            put_cell(&mut body, cell);
            (count, last_s) = (count + 1, *start_s);
        }
        if parts.last().is_some_and(|part| part.len() >= PART_BYTES) {
            parts.push(vec![VERSION]);
            last_series = 0;
        }
        if let Some(part) = parts.last_mut() {
            put_varint(part, u64::from(series - last_series));
            put_len(part, count);
            part.extend_from_slice(&body);
        }
        last_series = series;
    }
    parts
}

#[expect(clippy::cast_sign_loss, reason = "buckets come in order")]
fn unsigned(buckets: i64) -> u64 {
    buckets as u64
}

/// Hands on the cells of a part: bucket's start, series, cell. Stops at the first error.
pub(super) fn decode(
    tier: Tier,
    span_start_s: i64,
    bytes: &[u8],
    mut each: impl FnMut(i64, SeriesId, &Cell) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(Malformed(0).into());
    }
    let mut series: SeriesId = 0;
    while !reader.is_empty() {
        let delta = u32::try_from(reader.varint()?).map_err(|_| Malformed(0))?;
        series = series.checked_add(delta).ok_or(Malformed(0))?;
        let mut start_s = span_start_s;
        for _ in 0..reader.len()? {
            let buckets = i64::from(u32::try_from(reader.varint()?).map_err(|_| Malformed(0))?);
            start_s += buckets * tier.width_s();
            each(start_s, series, &reader.cell()?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cell::{Cover, Extent};

    const HOUR: i64 = 1_792_540_800;

    #[test]
    fn the_form_of_a_chunk_is_pinned() {
        let counted = |count| Cell { count, cover: None };
        let cover = Cover { n: 5.0, d: 1.0, extent: Some(Extent { min: 5.0, max: 5.0 }) };
        let covered = Cell { count: 1, cover: Some(cover) };
        let cells = Cells::from([((3, HOUR), counted(2)), ((3, HOUR + 20), covered), ((7, HOUR), counted(1))]);
        let parts = encode(Tier::S10, HOUR, &cells);
        assert_eq!(parts, [vec![1, 3, 2, 0, 0, 2, 2, 0b1111, 1, 20, 20, 4, 1, 0, 0, 1]]);
        let mut seen = Cells::new();
        decode(Tier::S10, HOUR, &parts[0], |start_s, series, cell| {
            seen.insert((series, start_s), *cell);
            Ok(())
        })
        .expect("decodes");
        assert_eq!(seen, cells);
    }
}
