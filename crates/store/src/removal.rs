//! Removals: which cells leave the chunks, what replaces them, and the progress.
//!
//! A removal is one row of `removals`. While it is in progress, `removing` has at least one row for each place
//! (layer, span of time and block of series, see [`super::chunks`]) that still has cells to remove; its `cells`, in
//! the form of a chunk's part, are the place's replacements. In such a place, readers skip the removed cells and
//! read the replacements. So for readers everything is removed together, and on disk place by place. What is sealed
//! later lies in places that are done.

use std::collections::{BTreeMap, BTreeSet};

use model::cell::Cell;
use model::open::{SeriesId, belongs};
use model::removal::{Numbers, Span};
use model::sketches::Wanted;
use model::tier::{Layer, Tier};

use super::cells::{CellMap, Cells};
use super::chunk_cells::{Kind, PART_WEIGHT, decode, encode, head_of};
use super::chunk_read::{self, Slice};
use super::chunks::{PART_BITS, Place, Sealed, block_of, insert};
use super::sql::{Param, Sql, StoreError, execute};

/// What to remove: these series, in this span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The series.
    pub series: Numbers,
    /// The time.
    pub span: Span,
}

/// Replacement cells for places, by layer.
pub type Added = BTreeMap<Layer, CellMap>;

/// The last removal, as its row stores it.
#[derive(Debug, PartialEq)]
pub struct Row {
    /// Grows by one with each removal.
    pub id: i64,
    /// The object's state of it, as JSON.
    pub state: String,
    /// The ids of its series, as [`Numbers::to_bytes`] writes them.
    pub series: Vec<u8>,
}

impl Scope {
    /// Whether a cell must leave its place.
    #[must_use]
    pub fn covers(&self, layer: Layer, start_s: i64, series: SeriesId) -> bool {
        self.span.touches(layer.tier(), start_s) && self.series.has(series)
    }

    /// The replacements for buckets that are only partly in the span: for coarser buckets, what the finer ones have
    /// of the rest; for spreads, their shares of the rest, in the widest buckets that fit. Nothing is subtracted.
    ///
    /// # Errors
    /// As [`Sql::run`], and [`StoreError::Full`] if these are more than `limit` cells.
    pub fn rest(&self, sql: &impl Sql, limit: usize) -> Result<Added, StoreError> {
        let mut rest = Added::new();
        for tier in Tier::ALL[1..].iter().rev().copied() {
            for bucket_s in self.span.straddled(tier) {
                for spread in [Layer::Spread(tier), Layer::EarlierSpread(tier)] {
                    self.each(sql, spread, tier, bucket_s, &mut |_, series, cell| {
                        self.divide(tier, bucket_s, series, cell, &mut rest);
                        check(&rest, limit)
                    })?;
                }
            }
        }
        for (finer, tier) in Tier::ALL.into_iter().zip(&Tier::ALL[1..]) {
            for bucket_s in self.span.straddled(*tier) {
                for part in [Layer::Total(finer), Layer::Spread(finer)] {
                    let new = rest.get(&part).into_iter().flatten();
                    let is_inside = |at_s: i64| tier.bucket_of(at_s) == bucket_s;
                    let new = new.filter(|((_, at_s), _)| is_inside(*at_s));
                    let new: Vec<_> = new.map(|((series, _), cell)| (*series, cell.clone())).collect();
                    for (series, cell) in new {
                        put(&mut rest, Layer::Total(*tier), bucket_s, series, &cell);
                    }
                    self.each(sql, part, *tier, bucket_s, &mut |at_s, series, cell| {
                        if !self.span.touches(finer, at_s) {
                            put(&mut rest, Layer::Total(*tier), bucket_s, series, cell);
                        }
                        check(&rest, limit)
                    })?;
                }
            }
        }
        Ok(rest)
    }

    /// Puts the shares of a spread outside the span into finer layers, except for the totals that are rebuilt.
    #[expect(clippy::cast_precision_loss, reason = "widths of at most a day")]
    fn divide(&self, tier: Tier, bucket_s: i64, series: SeriesId, cell: &Cell, rest: &mut Added) {
        let Some(cover) = cell.cover else { return };
        for (mut at_s, end_s) in self.span.outside(tier, bucket_s) {
            while at_s < end_s {
                let fits = |part: &Tier| *part < tier && at_s % part.width_s() == 0 && at_s + part.width_s() <= end_s;
                let part = Tier::ALL.into_iter().rev().find(fits).unwrap_or(Tier::FINEST);
                let share = part.width_s() as f64 / tier.width_s() as f64;
                let share = Cell::plain(0, Some(cover.scaled(share)));
                let layer = if part == Tier::FINEST { Layer::Total(part) } else { Layer::Spread(part) };
                if layer != Layer::Total(part) {
                    put(rest, layer, at_s, series, &share);
                }
                let totals = Tier::ALL.into_iter().filter(|total| *total < tier);
                for total in totals.filter(|total| belongs(layer, Layer::Total(*total))) {
                    if !self.span.touches(total, total.bucket_of(at_s)) {
                        put(rest, Layer::Total(total), total.bucket_of(at_s), series, &share);
                    }
                }
                at_s += part.width_s();
            }
        }
    }

    /// Calls back with its series' cells in one bucket of a tier.
    fn each(
        &self,
        sql: &impl Sql,
        layer: Layer,
        tier: Tier,
        bucket_s: i64,
        each: &mut dyn FnMut(i64, SeriesId, &Cell) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (end_s, wants) = (bucket_s + tier.width_s(), |series| self.series.has(series));
        chunk_read::each(sql, layer, bucket_s, end_s, wants, Wanted::ALL, |at_s, series, cell| {
            if (bucket_s..end_s).contains(&at_s) { each(at_s, series, cell) } else { Ok(()) }
        })
    }

    /// The places that may contain cells to remove.
    ///
    /// # Errors
    /// As [`Sql::run`].
    pub fn places(&self, sql: &impl Sql) -> Result<Vec<i64>, StoreError> {
        let blocks_of = |(from, end)| block_of(from)..=block_of(end - 1);
        let blocks: BTreeSet<SeriesId> = self.series.ranges().flat_map(blocks_of).collect();
        let mut places = Vec::new();
        for layer in Tier::ALL.into_iter().flat_map(Layer::all_of) {
            let range = chunk_read::range(layer, self.span.from_s, self.span.to_s);
            let statement = "SELECT DISTINCT id / 512 FROM chunks WHERE id >= ? AND id < ?";
            sql.run(statement, &range, &mut |mut row| {
                let place = row.integer()? << PART_BITS;
                // The attic has series of all blocks.
                let holding = Place::holding(place).filter(|place| place.is_attic() || blocks.contains(&place.block));
                places.extend(holding.map(|_| place));
                Ok(())
            })?;
        }
        Ok(places)
    }

    /// The bytes of a part without the removed cells, as parts; `None` if nothing is removed.
    fn without(&self, place: Place, bytes: &[u8]) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
        let (tier, span_start_s) = (place.layer.tier(), place.span_start_s);
        let mut is_touched = false;
        let wants = |series| self.series.has(series);
        decode(tier, span_start_s, bytes, &wants, Wanted::default(), &mut |start_s, series, _| {
            is_touched |= self.covers(place.layer, start_s, series);
            Ok(())
        })?;
        if !is_touched {
            return Ok(None);
        }
        let mut kept = CellMap::new();
        decode(tier, span_start_s, bytes, &|_| true, Wanted::ALL, &mut |start_s, series, cell| {
            if !self.covers(place.layer, start_s, series) {
                kept.insert((series, start_s), cell);
            }
            Ok(())
        })?;
        let kind = head_of(bytes)?.kind;
        Ok(Some(if kept.is_empty() { Vec::new() } else { encode(tier, span_start_s, &kept.into(), kind, PART_WEIGHT) }))
    }
}

/// The rewriting of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewriting {
    place: i64,
    /// The next part to look at.
    next: i64,
    /// The bytes that its parts have lost.
    pub lost: i64,
    /// The bytes that this step may still process.
    pub budget: i64,
}

/// The cost of looking at a byte, relative to rewriting it.
const LOOKING: i64 = 8;

impl Rewriting {
    /// The rewriting of a place, from a part on.
    #[must_use]
    pub fn new(place: i64, next: Option<i64>, budget: i64) -> Self {
        Self { place, next: next.unwrap_or(place), lost: 0, budget }
    }

    /// Where to continue.
    #[must_use]
    pub fn next(&self) -> i64 {
        self.next
    }

    /// Removes cells from the parts until the budget is used up; returns whether that was all. `writes` says
    /// whether to change the database.
    ///
    /// # Errors
    /// As [`Sql::run`].
    pub fn take_out(&mut self, sql: &impl Sql, scope: &Scope, writes: bool) -> Result<bool, StoreError> {
        let place = place_holding(self.place)?;
        let end = self.place + (1 << PART_BITS);
        while self.next < end {
            if self.budget <= 0 {
                return Ok(false);
            }
            let mut part = None;
            let select = "SELECT id, cells FROM chunks WHERE id >= ? AND id < ? ORDER BY id LIMIT 1";
            sql.run(select, &[Param::Integer(self.next), Param::Integer(end)], &mut |mut row| {
                part = Some((row.integer()?, row.blob()?));
                Ok(())
            })?;
            let Some((id, bytes)) = part else { break };
            self.next = id + 1;
            let len = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            self.budget -= len / LOOKING + 1;
            let Some(kept) = scope.without(place, &bytes)? else { continue };
            self.budget -= len;
            self.lost += len - bytes_of(&kept);
            if writes {
                replace(sql, place, id, &kept)?;
            }
        }
        self.next = end;
        Ok(true)
    }

    /// Stores the place's replacements. The place is then done.
    ///
    /// # Errors
    /// As [`Sql::run`].
    pub fn put_in(&self, sql: &impl Sql) -> Result<(), StoreError> {
        let place = place_holding(self.place)?;
        let range = [self.place, self.place + (1 << PART_BITS)].map(Param::Integer);
        let mut cells = CellMap::new();
        sql.run("SELECT cells FROM removing WHERE id >= ? AND id < ?", &range, &mut |mut row| {
            let bytes = row.blob()?;
            if bytes.is_empty() {
                return Ok(());
            }
            let take = &mut |start_s, series, cell| {
                cells.insert((series, start_s), cell);
                Ok(())
            };
            decode(place.layer.tier(), place.span_start_s, &bytes, &|_| true, Wanted::ALL, take)
        })?;
        if !cells.is_empty() {
            // If that makes it crowded, the next seal into it will notice.
            place.put(sql, &|| cells.clone().into(), &mut Sealed::default())?;
        }
        execute(sql, "DELETE FROM removing WHERE id >= ? AND id < ?", &range)
    }
}

fn bytes_of(parts: &[Vec<u8>]) -> i64 {
    parts.iter().map(|part| i64::try_from(part.len()).unwrap_or(i64::MAX)).sum()
}

fn replace(sql: &impl Sql, place: Place, id: i64, kept: &[Vec<u8>]) -> Result<(), StoreError> {
    // Not `UPDATE`: see `log::replace`.
    execute(sql, "DELETE FROM chunks WHERE id = ?", &[Param::Integer(id)])?;
    let Some((first, more)) = kept.split_first() else { return Ok(()) };
    insert(sql, id, first)?;
    if more.is_empty() {
        return Ok(());
    }
    for (id, part) in place.numbered(&place.parts(sql)?, more.to_vec())? {
        insert(sql, id, &part)?;
    }
    Ok(())
}

fn put(cells: &mut Added, layer: Layer, start_s: i64, series: SeriesId, cell: &Cell) {
    let of_layer = cells.entry(layer).or_default();
    of_layer.entry((series, start_s)).and_modify(|there| there.merge(cell)).or_insert_with(|| cell.clone());
}

fn check(cells: &Added, limit: usize) -> Result<(), StoreError> {
    if cells.values().map(BTreeMap::len).sum::<usize>() > limit { Err(StoreError::Full) } else { Ok(()) }
}

/// The places that may contain a cell, which identify pending places: its own, and the attic.
#[must_use]
pub fn places_of(layer: Layer, start_s: i64, series: SeriesId) -> [i64; 2] {
    let place = Place::of(layer, start_s, series);
    [place.id(), place.attic().id()]
}

fn place_holding(id: i64) -> Result<Place, StoreError> {
    Place::holding(id).ok_or(StoreError::Column("place of a chunk"))
}

/// Begins a removal: these places are to be rewritten, and get these cells. Returns the bytes of the cells.
///
/// # Errors
/// As [`Sql::run`].
pub fn begin(sql: &impl Sql, row: &Row, places: &[i64], added: &Added) -> Result<i64, StoreError> {
    execute(sql, "DELETE FROM removals", &[])?;
    let statement = "INSERT INTO removals (id, state, series) VALUES (?, ?, ?)";
    execute(sql, statement, &[Param::Integer(row.id), Param::Text(&row.state), Param::Blob(&row.series)])?;
    // One statement, as there may be thousands of places.
    let list = serde_json::to_string(places).map_err(|_| StoreError::Column("list of places"))?;
    let statement = "INSERT INTO removing (id, cells) SELECT value, X'' FROM json_each(?)";
    execute(sql, statement, &[Param::Text(&list)])?;
    let mut bytes = 0;
    for (place, parts) in encoded(added) {
        bytes += bytes_of(&parts);
        for (id, part) in (place..).zip(&parts) {
            let statement = "INSERT OR REPLACE INTO removing (id, cells) VALUES (?, ?)";
            execute(sql, statement, &[Param::Integer(id), Param::Blob(part)])?;
        }
    }
    Ok(bytes)
}

/// The bytes of the replacement cells.
#[must_use]
pub fn bytes_added(added: &Added) -> i64 {
    encoded(added).iter().map(|(_, parts)| bytes_of(parts)).sum()
}

fn encoded(added: &Added) -> Vec<(i64, Vec<Vec<u8>>)> {
    let mut encoded = Vec::new();
    for (layer, cells) in added {
        let mut places: BTreeMap<Place, CellMap> = BTreeMap::new();
        for ((series, start_s), cell) in cells {
            let place = Place::of(*layer, *start_s, *series);
            places.entry(place).or_default().insert((*series, *start_s), cell.clone());
        }
        for (place, cells) in places {
            let parts = encode(layer.tier(), place.span_start_s, &Cells::from(cells), Kind::Fresh, PART_WEIGHT);
            encoded.push((place.id(), parts));
        }
    }
    encoded
}

/// The last removal, if there was one.
///
/// # Errors
/// As [`Sql::run`].
pub fn last(sql: &impl Sql) -> Result<Option<Row>, StoreError> {
    let mut last = None;
    sql.run("SELECT id, state, series FROM removals ORDER BY id DESC LIMIT 1", &[], &mut |mut row| {
        last = Some(Row { id: row.integer()?, state: row.text()?, series: row.blob()? });
        Ok(())
    })?;
    Ok(last)
}

/// Stores the state of the last removal.
///
/// # Errors
/// As [`Sql::run`].
pub fn set_state(sql: &impl Sql, state: &str) -> Result<(), StoreError> {
    execute(sql, "UPDATE removals SET state = ?", &[Param::Text(state)])
}

/// The places still to be rewritten.
///
/// # Errors
/// As [`Sql::run`].
pub fn pending(sql: &impl Sql) -> Result<BTreeSet<i64>, StoreError> {
    let mut pending = BTreeSet::new();
    sql.run("SELECT DISTINCT id / 512 FROM removing", &[], &mut |mut row| {
        pending.insert(row.integer()? << PART_BITS);
        Ok(())
    })?;
    Ok(pending)
}

/// Same as [`chunk_read::each`], for the replacements of places still to be rewritten.
///
/// # Errors
/// As [`Sql::run`], or what `each` returns.
pub fn each_added<E: From<StoreError>>(
    sql: &impl Sql,
    layer: Layer,
    time: (i64, i64),
    wants: &dyn Fn(SeriesId) -> bool,
    sketches: Wanted,
    each: &mut dyn FnMut(i64, SeriesId, &Cell) -> Result<(), E>,
) -> Result<(), E> {
    let statement = "SELECT id, cells FROM removing WHERE id >= ? AND id < ? AND LENGTH(cells) > 0 ORDER BY id";
    chunk_read::each_of(statement, sql, layer, time, wants, sketches, &mut Slice::all(), each).map(|_| ())
}

#[cfg(test)]
mod tests;
