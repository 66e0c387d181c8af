//! Sealed buckets: a chunk holds the cells of one layer and span of time, for all series that have any.
//!
//! A span may have several chunks, which merge: what is sealed later, such as late points, is a chunk of its
//! own, and small ones are put together when they become many.
//!
//! `id` = layer (4 bits), span's start in units of 10 s (34 bits), part (12 bits): so that the chunks of a span and
//! the spans of a layer lie side by side, without a second index. Layers 0..5 are the totals of the tiers, 8..13 the spreads.
//!
//! `cells`, version 1: `u8 version = 1`, then for each series: varint series since the last, varint cells, and for each
//! cell: varint buckets since the last (from the span's start), cell. See `domain::codec`.

use std::collections::BTreeMap;

use crate::domain::cell::Cell;
use crate::domain::codec::{Malformed, Reader, put_cell, put_len, put_varint};
use crate::domain::open::{Bucket, SeriesId};
use crate::domain::tier::{Layer, Tier, floor_to};

use super::sql::{Param, Sql, StoreError, execute};

const VERSION: u8 = 1;
/// A chunk is ended at the next series when it is this large. A row may have 2 MB, a series' cells in a span are at
/// most 360 of at most 45 bytes.
const PART_BYTES: usize = 512 << 10;
/// Chunks below this are put together...
const SMALL_BYTES: i64 = 128 << 10;
/// ...when a span has this many: at most 1 MiB of cells in memory.
const MAX_SMALL_PARTS: usize = 8;
const PART_BITS: u32 = 12;
const START_BITS: u32 = 34;
const START_UNIT_S: i64 = 10;

/// The cells of a span: series, bucket's start, cell.
type Cells = BTreeMap<(SeriesId, i64), Cell>;

/// Seals the buckets of a layer, merging small chunks where they become many.
///
/// # Errors
/// As [`Sql::run`].
pub fn seal(sql: &impl Sql, layer: Layer, buckets: &BTreeMap<i64, Bucket>) -> Result<(), StoreError> {
    let span_s = layer.tier().span_s();
    let mut spans: BTreeMap<i64, Cells> = BTreeMap::new();
    for (start_s, bucket) in buckets {
        let cells = spans.entry(floor_to(*start_s, span_s)).or_default();
        cells.extend(bucket.iter().map(|(series, cell)| ((*series, *start_s), *cell)));
    }
    for (span_start_s, mut cells) in spans {
        take_small_parts(sql, layer, span_start_s, &mut cells)?;
        let first = next_id(sql, layer, span_start_s)?;
        for (id, part) in (first..).zip(encode(layer.tier(), span_start_s, &cells)) {
            execute(sql, "INSERT INTO chunks (id, cells) VALUES (?, ?)", &[Param::Integer(id), Param::Blob(&part)])?;
        }
    }
    Ok(())
}

/// Hands on the cells of a layer that lie in chunks which overlap `[from_s, to_s)`.
///
/// # Errors
/// As [`Sql::run`], or what `each` returns.
pub fn each<E: From<StoreError>>(
    sql: &impl Sql,
    layer: Layer,
    from_s: i64,
    to_s: i64,
    mut each: impl FnMut(i64, SeriesId, &Cell) -> Result<(), E>,
) -> Result<(), E> {
    let (first, end) = (id_of(layer, floor_to(from_s, layer.tier().span_s())), id_of(layer, to_s));
    let mut stopped = None;
    let read = sql.run(
        "SELECT id, cells FROM chunks WHERE id >= ? AND id < ? ORDER BY id",
        &[Param::Integer(first), Param::Integer(end)],
        &mut |mut row| {
            let span_start_s = start_of(row.integer()?);
            decode(layer.tier(), span_start_s, &row.blob()?, |start_s, series, cell| {
                if stopped.is_none() {
                    stopped = each(start_s, series, cell).err();
                }
            })?;
            Ok(())
        },
    );
    read?;
    stopped.map_or(Ok(()), Err)
}

/// Removes the chunks of a layer whose span ended before `before_s`.
///
/// # Errors
/// As [`Sql::run`].
pub fn remove_before(sql: &impl Sql, layer: Layer, before_s: i64) -> Result<(), StoreError> {
    let end = id_of(layer, floor_to(before_s, layer.tier().span_s()));
    let params = [Param::Integer(id_of(layer, 0)), Param::Integer(end)];
    execute(sql, "DELETE FROM chunks WHERE id >= ? AND id < ?", &params)
}

fn take_small_parts(sql: &impl Sql, layer: Layer, span_start_s: i64, cells: &mut Cells) -> Result<(), StoreError> {
    let range = [Param::Integer(id_of(layer, span_start_s)), Param::Integer(id_of(layer, span_start_s + START_UNIT_S))];
    let mut small = Vec::new();
    sql.run("SELECT id, LENGTH(cells) FROM chunks WHERE id >= ? AND id < ?", &range, &mut |mut row| {
        let (id, bytes) = (row.integer()?, row.integer()?);
        small.extend((bytes < SMALL_BYTES).then_some(id));
        Ok(())
    })?;
    if small.len() < MAX_SMALL_PARTS {
        return Ok(());
    }
    for id in small {
        sql.run("SELECT cells FROM chunks WHERE id = ?", &[Param::Integer(id)], &mut |mut row| {
            decode(layer.tier(), span_start_s, &row.blob()?, |start_s, series, cell| {
                cells.entry((series, start_s)).and_modify(|there| there.merge(cell)).or_insert(*cell);
            })?;
            Ok(())
        })?;
        execute(sql, "DELETE FROM chunks WHERE id = ?", &[Param::Integer(id)])?;
    }
    Ok(())
}

fn next_id(sql: &impl Sql, layer: Layer, span_start_s: i64) -> Result<i64, StoreError> {
    let first = id_of(layer, span_start_s);
    let params = [Param::Integer(first), Param::Integer(id_of(layer, span_start_s + START_UNIT_S))];
    let mut next = first;
    sql.run("SELECT id FROM chunks WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1", &params, &mut |mut row| {
        next = row.integer()? + 1;
        Ok(())
    })?;
    Ok(next)
}

fn id_of(layer: Layer, start_s: i64) -> i64 {
    const SPREAD: i64 = 8;
    let tier = match layer.tier() {
        Tier::S10 => 0,
        Tier::M1 => 1,
        Tier::M10 => 2,
        Tier::H1 => 3,
        Tier::D1 => 4,
    };
    let layer = if matches!(layer, Layer::Spread(_)) { SPREAD + tier } else { tier };
    let start = (start_s.max(0) + START_UNIT_S - 1) / START_UNIT_S;
    ((layer << START_BITS) | start) << PART_BITS
}

fn start_of(id: i64) -> i64 {
    ((id >> PART_BITS) & ((1 << START_BITS) - 1)) * START_UNIT_S
}

fn encode(tier: Tier, span_start_s: i64, cells: &Cells) -> Vec<Vec<u8>> {
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

fn decode(
    tier: Tier,
    span_start_s: i64,
    bytes: &[u8],
    mut each: impl FnMut(i64, SeriesId, &Cell),
) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(Malformed(0));
    }
    let mut series: SeriesId = 0;
    while !reader.is_empty() {
        let delta = u32::try_from(reader.varint()?).map_err(|_| Malformed(0))?;
        series = series.checked_add(delta).ok_or(Malformed(0))?;
        let mut start_s = span_start_s;
        for _ in 0..reader.len()? {
            let buckets = i64::from(u32::try_from(reader.varint()?).map_err(|_| Malformed(0))?);
            start_s += buckets * tier.width_s();
            each(start_s, series, &reader.cell()?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cell::{Cover, Extent};
    use crate::store::{schema, testing::TestSql};

    const HOUR: i64 = 1_792_540_800;
    const LAYER: Layer = Layer::Total(Tier::S10);

    fn ready() -> TestSql {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        sql
    }

    fn counted(count: u64) -> Cell {
        Cell { count, cover: None }
    }

    fn buckets(cells: &[(i64, SeriesId, Cell)]) -> BTreeMap<i64, Bucket> {
        let mut buckets: BTreeMap<i64, Bucket> = BTreeMap::new();
        for (start_s, series, cell) in cells {
            buckets.entry(*start_s).or_default().insert(*series, *cell);
        }
        buckets
    }

    fn read(sql: &TestSql, layer: Layer, from_s: i64, to_s: i64) -> Vec<(i64, SeriesId, u64)> {
        let mut seen = Vec::new();
        each::<StoreError>(sql, layer, from_s, to_s, |start_s, series, cell| {
            seen.push((start_s, series, cell.count));
            Ok(())
        })
        .expect("reads");
        seen
    }

    #[test]
    fn the_form_of_a_chunk_is_pinned() {
        let cover = Cover { n: 5.0, d: 1.0, extent: Some(Extent { min: 5.0, max: 5.0 }) };
        let cells = Cells::from([
            ((3, HOUR), counted(2)),
            ((3, HOUR + 20), Cell { count: 1, cover: Some(cover) }),
            ((7, HOUR), counted(1)),
        ]);
        assert_eq!(encode(Tier::S10, HOUR, &cells), [vec![1, 3, 2, 0, 0, 2, 2, 0b1111, 1, 20, 20, 4, 1, 0, 0, 1]]);
        assert_eq!(id_of(LAYER, HOUR), 179_254_080 << 12);
        assert_eq!(id_of(Layer::Spread(Tier::D1), HOUR), ((12 << 34) + 179_254_080) << 12);
        assert_eq!(start_of(id_of(Layer::Spread(Tier::D1), HOUR) + 5), HOUR);
        assert!(id_of(Layer::Spread(Tier::D1), HOUR) < 1 << 53, "ids pass through JavaScript");
    }

    #[test]
    fn what_is_sealed_is_read_by_layer_and_time() {
        let sql = ready();
        seal(&sql, LAYER, &buckets(&[(HOUR - 10, 1, counted(1)), (HOUR, 2, counted(2)), (HOUR + 3600, 3, counted(3))]))
            .expect("seals");
        seal(&sql, Layer::Spread(Tier::S10), &buckets(&[(HOUR, 9, counted(9))])).expect("seals");
        assert_eq!(read(&sql, LAYER, HOUR - 10, HOUR + 3601), [(HOUR - 10, 1, 1), (HOUR, 2, 2), (HOUR + 3600, 3, 3)]);
        assert_eq!(read(&sql, LAYER, HOUR + 50, HOUR + 3600), [(HOUR, 2, 2)]);
        assert_eq!(read(&sql, LAYER, HOUR + 7200, HOUR + 9000), []);
    }

    #[test]
    fn many_small_chunks_become_one_with_the_same_sum() {
        let sql = ready();
        for _ in 0..=MAX_SMALL_PARTS {
            seal(&sql, LAYER, &buckets(&[(HOUR, 1, counted(1))])).expect("seals");
        }
        assert_eq!(read(&sql, LAYER, HOUR, HOUR + 10), [(HOUR, 1, MAX_SMALL_PARTS as u64 + 1)]);
    }

    #[test]
    fn a_large_span_is_cut_into_parts_between_series() {
        let sql = ready();
        let cells: Vec<(i64, SeriesId, Cell)> =
            (0..3000).flat_map(|series| (0..100).map(move |bucket| (HOUR + bucket * 10, series, counted(1)))).collect();
        seal(&sql, LAYER, &buckets(&cells)).expect("seals");
        assert_eq!(read(&sql, LAYER, HOUR, HOUR + 3600).len(), 300_000);
        assert_eq!(sql.count("chunks"), 2);
    }

    #[test]
    fn old_spans_go_and_others_stay() {
        let sql = ready();
        seal(&sql, LAYER, &buckets(&[(HOUR - 3600, 1, counted(1)), (HOUR, 1, counted(1))])).expect("seals");
        seal(&sql, Layer::Total(Tier::M1), &buckets(&[(HOUR - 36_000, 1, counted(1))])).expect("seals");
        remove_before(&sql, LAYER, HOUR + 1800).expect("removes");
        assert_eq!(read(&sql, LAYER, 0, HOUR + 3600), [(HOUR, 1, 1)]);
        assert_eq!(read(&sql, Layer::Total(Tier::M1), 0, HOUR).len(), 1);
    }
}
