//! Sealed buckets: a chunk holds cells of one layer, span of time and block of series.
//!
//! Cells that are sealed into a span again, such as the same day ten minutes later, become a part of their own.
//! Four parts of similar size are merged: so a cell is rewritten only a few times, and a span has few parts. Parts
//! too large for that are merged later, step by step: see [`super::chunk_merge`].
//!
//! `id` = layer (4 bits), span's start in units of 10 s (34 bits), block (5 bits), part (9 bits). So the chunks of
//! a span and the spans of a layer are adjacent, without a second index. Layers 0..5 are the totals of the tiers,
//! 5..8 and 13 the spreads, 8..13 the spreads of earlier versions; a block has 4,096 series. As spans are whole
//! hours, blocks from 32 on use the bits of the start that are 0: there is room for 11,520. `cells` is encoded as
//! in [`super::chunk_cells`].

use std::borrow::Cow;

use model::cell::Cell;
use model::open::SeriesId;
use model::sketches::Wanted;
use model::tier::{Layer, Tier, floor_to};

use super::cells::{Cells, Heap};
use super::chunk_cells::{HEAD_BYTES, Head, Kind, PART_WEIGHT, decode, encode, head_of, weight};
use super::sql::{Param, Sql, StoreError, execute};

/// The number of parts of similar size that are merged.
const FAN_IN: usize = 4;
/// The weight from which parts are no longer merged with others of their size: four smaller ones take 8 of the 128
/// MB meanwhile.
pub(super) const FINAL_WEIGHT: usize = PART_WEIGHT / 2;
const BLOCK_SERIES: SeriesId = 4_096;
/// The attic: the last block of the shortest span, for cells that their own place can't accept.
const ATTIC: SeriesId = 11_519;
pub(super) const PART_BITS: u32 = 9;
/// The most parts of a place.
pub const MAX_PARTS: usize = 1 << PART_BITS;
/// The number of parts from which on only cells without sketches are sealed into a place; cells in the attic of its
/// span always lose their sketches. Without sketches, all 4,096 series in all 360 buckets have at most 74 parts of
/// half their size.
pub const SKETCH_PARTS: usize = 400;
const BLOCK_BITS: u32 = 5;
const START_BITS: u32 = 34;
const START_UNIT_S: i64 = 10;

/// Identifies the parts of one span and block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub(super) layer: Layer,
    pub(super) span_start_s: i64,
    pub(super) block: SeriesId,
}

/// What happened to sealed cells, besides being stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Places that [`super::chunk_merge::step`] should merge, with their number of parts.
    pub crowded: Vec<(Place, usize)>,
    /// The number of cells that lost their sketches.
    pub stripped: u64,
}

/// Seals cells of a layer, given as start of their bucket, series and cell, in one go. See [`super::chunk_stage`].
///
/// # Errors
/// As [`Sql::run`], and [`StoreError::Full`] if the attic is full too.
#[expect(clippy::needless_pass_by_value, reason = "tests and benches make them for this")]
pub fn seal(
    sql: &impl Sql,
    layer: Layer,
    cells: Vec<(i64, SeriesId, &Cell)>,
    sealed: &mut Sealed,
) -> Result<(), StoreError> {
    let mut staged = super::chunk_stage::Staged::default();
    staged.prepare(sql, layer, cells.clone(), None, &mut usize::MAX.clone());
    staged.carry_out(sql, &|_| cells.clone(), sealed)
}

/// How to put cells into a place: everything that can fail because of the place is done before.
pub(super) struct Plan {
    pub(super) place: Place,
    removed: Vec<i64>,
    pub(super) added: Vec<(i64, Vec<u8>)>,
    stripped: u64,
    /// The number of cells involved, including those that they are merged with.
    pub(super) cells: usize,
    /// The place's number of parts afterwards, if it is crowded.
    crowded: Option<usize>,
}

impl Plan {
    pub(super) fn carry_out(&self, sql: &impl Sql, sealed: &mut Sealed) -> Result<(), StoreError> {
        for id in &self.removed {
            remove(sql, *id)?;
        }
        for (id, part) in &self.added {
            insert(sql, *id, part)?;
        }
        sealed.stripped += self.stripped;
        sealed.crowded.extend(self.crowded.map(|parts| (self.place, parts)));
        Ok(())
    }
}

pub(super) fn insert(sql: &impl Sql, id: i64, part: &[u8]) -> Result<(), StoreError> {
    execute(sql, "INSERT INTO chunks (id, cells) VALUES (?, ?)", &[Param::Integer(id), Param::Blob(part)])
}

pub(super) fn remove(sql: &impl Sql, id: i64) -> Result<(), StoreError> {
    execute(sql, "DELETE FROM chunks WHERE id = ?", &[Param::Integer(id)])
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

/// The places with more than this many parts, and their numbers of parts: the fullest first, up to a limit.
///
/// # Errors
/// As [`Sql::run`].
pub fn fullest(sql: &impl Sql, more_than: usize, limit: usize) -> Result<Vec<(usize, Place)>, StoreError> {
    let mut fullest = Vec::new();
    let statement = "SELECT COUNT(*), MIN(id) FROM chunks GROUP BY id >> 9 HAVING COUNT(*) > ? ORDER BY 1 DESC LIMIT ?";
    #[expect(clippy::cast_possible_wrap, reason = "small numbers")]
    let params = [more_than, limit].map(|number| Param::Integer(number as i64));
    sql.run(statement, &params, &mut |mut row| {
        let parts = usize::try_from(row.integer()?).unwrap_or_default();
        fullest.extend(Place::holding(row.integer()?).map(|place| (parts, place)));
        Ok(())
    })?;
    Ok(fullest)
}

/// A part of a place: its number, and its head if it is valid.
pub(super) struct Part {
    pub(super) id: i64,
    pub(super) head: Option<Head>,
}

impl Part {
    /// `None` if the head is broken.
    pub(super) fn weight(&self) -> usize {
        self.head.map_or(usize::MAX, |head| head.weight)
    }

    pub(super) fn is(&self, kind: Kind) -> bool {
        self.head.is_some_and(|head| head.kind == kind)
    }
}

impl Place {
    /// The place of a part with this number.
    pub(super) fn holding(id: i64) -> Option<Self> {
        let number = id >> (START_BITS + BLOCK_BITS + PART_BITS);
        let mut layers = Tier::ALL.into_iter().flat_map(Layer::all_of);
        let layer = layers.find(|layer| number_of(*layer) == number)?;
        let span_start_s = start_of(layer, id);
        let block = (id - first_id(layer, span_start_s)) >> PART_BITS;
        Some(Self { layer, span_start_s, block: SeriesId::try_from(block).ok()? })
    }

    /// The place for the cell of a bucket and a series, unless that place can't accept it.
    pub(super) fn of(layer: Layer, start_s: i64, series: SeriesId) -> Self {
        Self { layer, span_start_s: floor_to(start_s, layer.tier().span_s()), block: block_of(series) }
    }

    /// The place for cells that this one can't accept.
    pub(super) fn attic(self) -> Self {
        Self { block: ATTIC, ..self }
    }

    pub(super) fn is_attic(self) -> bool {
        self.block == ATTIC
    }

    /// Adds cells here or, if there is no room for them, in the attic.
    pub(super) fn put<'a>(
        self,
        sql: &impl Sql,
        cells: &dyn Fn() -> Cells<'a>,
        sealed: &mut Sealed,
    ) -> Result<(), StoreError> {
        let plan = self.plan(sql, cells(), true).or_else(|error| {
            sealed.crowded.extend((error == StoreError::Full).then_some((self, MAX_PARTS)));
            self.attic().plan(sql, cells(), true)
        })?;
        plan.carry_out(sql, sealed)
    }

    /// Adds cells, merged with existing parts if it is their turn.
    pub(super) fn plan(self, sql: &impl Sql, mut cells: Cells<'_>, merges: bool) -> Result<Plan, StoreError> {
        let mut parts = self.parts(sql)?;
        let mut stripped = 0;
        if parts.len() >= SKETCH_PARTS && cells.cells().any(|cell| cell.sketches.is_some()) {
            if self.block != ATTIC {
                return Err(StoreError::Full);
            }
            stripped = cells.strip();
        }
        let mut removed = Vec::new();
        loop {
            let weight = cells.cells().map(weight).sum();
            let is_similar = |part: &Part| {
                part.is(Kind::Fresh)
                    && part.weight().max(weight) < FINAL_WEIGHT
                    && class(part.weight()) == class(weight)
            };
            let similar: Vec<i64> = parts.iter().filter(|part| is_similar(part)).map(|part| part.id).collect();
            if !merges || similar.len() + 1 < FAN_IN {
                break;
            }
            let mut all = cells.into_heap();
            for id in &similar {
                self.read(sql, *id, &mut all)?;
            }
            cells = Cells::of(all);
            parts.retain(|part| !similar.contains(&part.id));
            removed.extend(similar);
        }
        let encoded = encode(self.layer.tier(), self.span_start_s, &cells, Kind::Fresh, PART_WEIGHT);
        let added = self.numbered(&parts, encoded)?;
        let heads = added.iter().map(|(id, part)| Part { id: *id, head: head_of(part).ok() });
        let parts: Vec<Part> = parts.into_iter().chain(heads).collect();
        let crowded = super::chunk_merge::is_crowded(&parts).then_some(parts.len());
        Ok(Plan { place: self, removed, added, stripped, cells: cells.len(), crowded })
    }

    /// The parts with their heads, in the order of their numbers.
    pub(super) fn parts(self, sql: &impl Sql) -> Result<Vec<Part>, StoreError> {
        let range = [self.id(), self.id() + (1 << PART_BITS)].map(Param::Integer);
        let mut parts = Vec::new();
        let statement = "SELECT id, SUBSTR(cells, 1, ?3) FROM chunks WHERE id >= ?1 AND id < ?2 ORDER BY id";
        sql.run(statement, &[range[0], range[1], Param::Integer(HEAD_BYTES)], &mut |mut row| {
            parts.push(Part { id: row.integer()?, head: head_of(&row.blob()?).ok() });
            Ok(())
        })?;
        Ok(parts)
    }

    /// Inserts parts with numbers that are free.
    pub(super) fn numbered(self, taken: &[Part], encoded: Vec<Vec<u8>>) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let all = self.id()..self.id() + (1 << PART_BITS);
        let mut free = all.filter(|id| taken.binary_search_by_key(id, |part| part.id).is_err());
        let number = |part| Ok((free.next().ok_or(StoreError::Full)?, part));
        encoded.into_iter().map(number).collect()
    }

    /// Adds the cells of a part to others.
    pub(super) fn read(self, sql: &impl Sql, id: i64, cells: &mut Heap<'_>) -> Result<(), StoreError> {
        sql.run("SELECT cells FROM chunks WHERE id = ?", &[Param::Integer(id)], &mut |mut row| {
            self.decode_into(&row.blob()?, &|_| true, cells)
        })
    }

    /// Adds the wanted series' cells of a part to others.
    pub(super) fn decode_into(
        self,
        part: &[u8],
        wants: &dyn Fn(SeriesId) -> bool,
        cells: &mut Heap<'_>,
    ) -> Result<(), StoreError> {
        let tier = self.layer.tier();
        decode(tier, self.span_start_s, part, wants, Wanted::ALL, &mut |start_s, series, cell| {
            cells.push(((series, start_s), Cow::Owned(cell)));
            Ok(())
        })
    }

    /// The id of the first part.
    pub(super) fn id(self) -> i64 {
        first_id(self.layer, self.span_start_s) + (i64::from(self.block) << PART_BITS)
    }
}

/// Whether parts are of similar size, within a factor of four.
fn class(weight: usize) -> u32 {
    const SMALLEST_WEIGHT: usize = 32;
    (weight / SMALLEST_WEIGHT).max(1).ilog(4)
}

/// The block of a series.
pub(super) fn block_of(series: SeriesId) -> SeriesId {
    (series / BLOCK_SERIES).min(ATTIC - 1)
}

/// The number of a layer. 14 and 15 are free; the finest tier has no spreads.
fn number_of(layer: Layer) -> i64 {
    const EARLIER: i64 = 8;
    match layer {
        Layer::Total(tier) => tier as i64,
        Layer::EarlierSpread(tier) => EARLIER + tier as i64,
        Layer::Spread(Tier::S10) => 14,
        Layer::Spread(Tier::M1) => 5,
        Layer::Spread(Tier::M10) => 6,
        Layer::Spread(Tier::H1) => 7,
        Layer::Spread(Tier::D1) => 13,
    }
}

/// The first number of a layer from the start of a span on.
pub(super) fn first_id(layer: Layer, from_s: i64) -> i64 {
    let start = (from_s.max(0) + START_UNIT_S - 1) / START_UNIT_S;
    ((number_of(layer) << START_BITS) | start.min((1 << START_BITS) - 1)) << (BLOCK_BITS + PART_BITS)
}

/// The start of the span that a part of a layer is in.
pub(super) fn start_of(layer: Layer, id: i64) -> i64 {
    let start_s = ((id >> (BLOCK_BITS + PART_BITS)) & ((1 << START_BITS) - 1)) * START_UNIT_S;
    floor_to(start_s, layer.tier().span_s())
}

#[cfg(test)]
mod tests;
