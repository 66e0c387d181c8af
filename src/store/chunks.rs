//! Sealed buckets: a chunk holds cells of one layer, span of time and block of series.
//!
//! What is sealed into a span again, such as the same day ten minutes later, is a part of its own, and parts of
//! similar size are merged when there are four: so a cell is rewritten a few times at most, and a span has few parts.
//!
//! `id` = layer (4 bits), span's start in units of 10 s (34 bits), block (5 bits), part (9 bits): so that the chunks of
//! a span and the spans of a layer lie side by side, without a second index. Blocks from the 32nd on reach into the units between
//! the start and the end of the span: the shortest has 360 of them, room for 47 million series. Layers 0..5 are the totals of the tiers, 8..13 the
//! spreads; a block has 4,096 series. `cells` as in [`super::chunk_cells`].

use std::collections::btree_map::Entry;

use crate::domain::cell::Cell;
use crate::domain::open::SeriesId;
use crate::domain::sketches::Wanted;
use crate::domain::tier::{Layer, Tier, floor_to};

use super::chunk_cells::{Cells, HEAD_BYTES, PART_WEIGHT, decode, encode, weight, weight_of};
use super::sql::{Param, Sql, StoreError, execute};

/// So many parts of similar size are merged.
const FAN_IN: usize = 4;
/// Parts of this weight are not merged any more: four smaller ones take 8 of the 128 MB while they are.
const FINAL_WEIGHT: usize = PART_WEIGHT / 2;
const BLOCK_SERIES: SeriesId = 4_096;
pub(super) const PART_BITS: u32 = 9;
const BLOCK_BITS: u32 = 5;
const START_BITS: u32 = 34;
const START_UNIT_S: i64 = 10;

/// Where the parts of one span and block lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) layer: Layer,
    pub(super) span_start_s: i64,
    pub(super) block: SeriesId,
}

/// Seals cells of a layer, given as start of their bucket, series and cell: one place after the other, so that only one is
/// held twice. Those of the same bucket and series are merged.
///
/// # Errors
/// As [`Sql::run`], and [`StoreError::Full`].
pub fn seal(sql: &impl Sql, layer: Layer, mut cells: Vec<(i64, SeriesId, &Cell)>) -> Result<(), StoreError> {
    let place_of = |(start_s, series, _): &(i64, SeriesId, &Cell)| Place::of(layer, *start_s, *series);
    cells.sort_unstable_by_key(place_of);
    for of_place in cells.chunk_by(|a, b| place_of(a) == place_of(b)) {
        let mut merged = Cells::new();
        for (start_s, series, cell) in of_place {
            merge(&mut merged, *series, *start_s, cell);
        }
        place_of(&of_place[0]).put(sql, merged)?;
    }
    Ok(())
}

fn merge(cells: &mut Cells, series: SeriesId, start_s: i64, cell: &Cell) {
    cells.entry((series, start_s)).and_modify(|there| there.merge(cell)).or_insert_with(|| cell.clone());
}

/// Hands on the cells of wanted series of a layer that lie in chunks which overlap `[from_s, to_s)`, with the sketches that
/// are wanted. Stops at the first error.
///
/// # Errors
/// As [`Sql::run`], or what `each` returns.
pub fn each<E: From<StoreError>>(
    sql: &impl Sql,
    layer: Layer,
    from_s: i64,
    to_s: i64,
    wants: impl Fn(SeriesId) -> bool,
    sketches: Wanted,
    mut each: impl FnMut(i64, SeriesId, &Cell) -> Result<(), E>,
) -> Result<(), E> {
    each_of(SELECT, sql, layer, (from_s, to_s), &wants, sketches, &mut each)
}

/// The parts of a range of numbers.
const SELECT: &str = "SELECT id, cells FROM chunks WHERE id >= ? AND id < ? ORDER BY id";

/// The numbers of a layer's parts that may overlap a time.
pub(super) fn range(layer: Layer, from_s: i64, to_s: i64) -> [Param<'static>; 2] {
    let span_s = layer.tier().span_s();
    let behind_s = floor_to(to_s.saturating_add(span_s - 1), span_s);
    [first_id(layer, floor_to(from_s, span_s)), first_id(layer, behind_s)].map(Param::Integer)
}

/// As [`each`], of the parts that a statement selects.
pub(super) fn each_of<E: From<StoreError>>(
    statement: &'static str,
    sql: &impl Sql,
    layer: Layer,
    (from_s, to_s): (i64, i64),
    wants: &dyn Fn(SeriesId) -> bool,
    sketches: Wanted,
    each: &mut dyn FnMut(i64, SeriesId, &Cell) -> Result<(), E>,
) -> Result<(), E> {
    let mut stopped = None;
    let read = sql.run(statement, &range(layer, from_s, to_s), &mut |mut row| {
        let span_start_s = start_of(layer, row.integer()?);
        decode(layer.tier(), span_start_s, &row.blob()?, wants, sketches, &mut |start_s, series, cell| {
            each(start_s, series, &cell).map_err(|error| {
                stopped = Some(error);
                StoreError::Stopped
            })
        })
    });
    stopped.map_or_else(|| Ok(read?), Err)
}

/// Removes the chunks of a layer whose span ended before `before_s`.
///
/// # Errors
/// As [`Sql::run`].
pub fn remove_before(sql: &impl Sql, layer: Layer, before_s: i64) -> Result<(), StoreError> {
    let range = [first_id(layer, 0), first_id(layer, floor_to(before_s, layer.tier().span_s()))].map(Param::Integer);
    execute(sql, "DELETE FROM chunks WHERE id >= ? AND id < ?", &range)
}

/// When the oldest span of a layer ends, in Unix seconds; `None` when the layer has no chunks.
///
/// # Errors
/// As [`Sql::run`].
pub fn oldest_end_s(sql: &impl Sql, layer: Layer) -> Result<Option<i64>, StoreError> {
    let range = [first_id(layer, 0), first_id(layer, i64::MAX / 2)].map(Param::Integer);
    let mut oldest = None;
    sql.run("SELECT id FROM chunks WHERE id >= ? AND id < ? ORDER BY id LIMIT 1", &range, &mut |mut row| {
        oldest = Some(start_of(layer, row.integer()?) + layer.tier().span_s());
        Ok(())
    })?;
    Ok(oldest)
}

impl Place {
    /// Where the cell of a bucket and a series lies.
    pub(super) fn of(layer: Layer, start_s: i64, series: SeriesId) -> Self {
        Self { layer, span_start_s: floor_to(start_s, layer.tier().span_s()), block: block_of(series) }
    }

    /// The place of a part.
    pub(super) fn of_id(id: i64) -> Self {
        let layer = layer_of(id >> (PART_BITS + BLOCK_BITS + START_BITS));
        let span_start_s = start_of(layer, id);
        let block = SeriesId::try_from((id - first_id(layer, span_start_s)) >> PART_BITS).unwrap_or_default();
        Self { layer, span_start_s, block }
    }

    /// Adds cells, together with the parts that they are to be merged with.
    pub(super) fn put(self, sql: &impl Sql, mut cells: Cells) -> Result<(), StoreError> {
        loop {
            let parts = self.parts(sql)?;
            let weight = cells.values().map(weight).sum();
            let is_similar = |part: usize| part.max(weight) < FINAL_WEIGHT && class(part) == class(weight);
            let similar: Vec<i64> = parts.iter().filter(|(_, part)| is_similar(*part)).map(|(id, _)| *id).collect();
            if similar.len() + 1 < FAN_IN {
                return self.insert(sql, &parts, &encode(self.layer.tier(), self.span_start_s, &cells));
            }
            for id in similar {
                self.take(sql, id, &mut cells)?;
            }
        }
    }

    /// Number of each part, and its weight.
    pub(super) fn parts(self, sql: &impl Sql) -> Result<Vec<(i64, usize)>, StoreError> {
        let range = [self.id(), self.id() + (1 << PART_BITS)].map(Param::Integer);
        let mut parts = Vec::new();
        let statement = "SELECT id, SUBSTR(cells, 1, ?3) FROM chunks WHERE id >= ?1 AND id < ?2 ORDER BY id";
        sql.run(statement, &[range[0], range[1], Param::Integer(HEAD_BYTES)], &mut |mut row| {
            parts.push((row.integer()?, weight_of(&row.blob()?)?));
            Ok(())
        })?;
        Ok(parts)
    }

    pub(super) fn insert(self, sql: &impl Sql, taken: &[(i64, usize)], encoded: &[Vec<u8>]) -> Result<(), StoreError> {
        let all = self.id()..self.id() + (1 << PART_BITS);
        let mut free = all.filter(|id| taken.binary_search_by_key(id, |(taken, _)| *taken).is_err());
        for part in encoded {
            let id = free.next().ok_or(StoreError::Full)?;
            execute(sql, "INSERT INTO chunks (id, cells) VALUES (?, ?)", &[Param::Integer(id), Param::Blob(part)])?;
        }
        Ok(())
    }

    /// Moves the cells of a part out of the table.
    fn take(self, sql: &impl Sql, id: i64, cells: &mut Cells) -> Result<(), StoreError> {
        sql.run("SELECT cells FROM chunks WHERE id = ?", &[Param::Integer(id)], &mut |mut row| {
            decode(
                self.layer.tier(),
                self.span_start_s,
                &row.blob()?,
                &|_| true,
                Wanted::ALL,
                &mut |start_s, series, cell| {
                    match cells.entry((series, start_s)) {
                        Entry::Occupied(mut there) => there.get_mut().merge(&cell),
                        Entry::Vacant(place) => {
                            place.insert(cell);
                        }
                    }
                    Ok(())
                },
            )
        })?;
        execute(sql, "DELETE FROM chunks WHERE id = ?", &[Param::Integer(id)])
    }

    /// Of the first part.
    pub(super) fn id(self) -> i64 {
        first_id(self.layer, self.span_start_s) + (i64::from(self.block) << PART_BITS)
    }
}

/// Parts within a factor of four are of similar size.
fn class(weight: usize) -> u32 {
    const SMALLEST_WEIGHT: usize = 32;
    (weight / SMALLEST_WEIGHT).max(1).ilog(4)
}

/// The block of a series.
pub(super) fn block_of(series: SeriesId) -> SeriesId {
    series / BLOCK_SERIES
}

const SPREAD: i64 = 8;

fn layer_of(number: i64) -> Layer {
    let tier = usize::try_from(number % SPREAD).ok().and_then(|tier| Tier::ALL.get(tier)).copied().unwrap_or(Tier::D1);
    if number < SPREAD { Layer::Total(tier) } else { Layer::Spread(tier) }
}

/// The first number of a layer from a time on.
fn first_id(layer: Layer, from_s: i64) -> i64 {
    let tier = match layer.tier() {
        Tier::S10 => 0,
        Tier::M1 => 1,
        Tier::M10 => 2,
        Tier::H1 => 3,
        Tier::D1 => 4,
    };
    let layer = if matches!(layer, Layer::Spread(_)) { SPREAD + tier } else { tier };
    let start = (from_s.max(0) + START_UNIT_S - 1) / START_UNIT_S;
    ((layer << START_BITS) | start.min((1 << START_BITS) - 1)) << (BLOCK_BITS + PART_BITS)
}

/// The start of a chunk's span.
fn start_of(layer: Layer, id: i64) -> i64 {
    let start_s = ((id >> (BLOCK_BITS + PART_BITS)) & ((1 << START_BITS) - 1)) * START_UNIT_S;
    floor_to(start_s, layer.tier().span_s())
}

#[cfg(test)]
mod tests;
