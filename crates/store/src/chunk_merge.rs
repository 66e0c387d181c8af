//! Merges the parts of a large place step by step, so that it never fills up and no step takes long, however large
//! it is.
//!
//! Parts are either *fresh*, as they were sealed, or *base*: base parts partition the cells of a place, in the
//! order of series and buckets, each with up to [`PART_WEIGHT`]. A step takes up to [`STEP_PARTS`] fresh parts,
//! takes from them the cells of their first series up to [`STEP_WEIGHT`], and merges these into the base parts that
//! they belong to. The rest of the fresh parts is split off without being decoded. So a step holds at most eight
//! parts of 2 MB, the cells taken, which are those of at least one series, and one base part.

use std::collections::BTreeMap;

use model::open::SeriesId;

use super::cells::Cells;
use super::chunk_cells::{Kind, PART_WEIGHT, Reach, each_weight, encode, rest, weight};
use super::chunks::{FINAL_WEIGHT, MAX_PARTS, Part, Place, insert, remove};
use super::sql::{Param, Sql, StoreError};

/// A place with more fresh parts is merged. A block in which every series has a point each 10 s, sealed at 50,000
/// cells, has 37 parts without common cells, and merging them gains nothing.
pub const FRESH_PARTS: usize = 48;
/// A place is merged if one in this many of its cells may be stored twice: so it has at most 1.25 times the cells
/// it needs.
const TWICE: usize = 5;
const STEP_PARTS: usize = 8;
const STEP_WEIGHT: usize = PART_WEIGHT;
/// With fewer free numbers, a step continues until those of its fresh parts are free. Before that, it needs a
/// number for each base part that is split, and a step meets some four of those.
const SCARCE_PARTS: usize = 2 * STEP_PARTS;

/// Whether a place is worth a step: it has many parts, or large ones that may contain the same cells.
pub(super) fn is_crowded(parts: &[Part]) -> bool {
    let fresh = parts.iter().filter(|part| part.is(Kind::Fresh));
    if fresh.clone().count() > FRESH_PARTS {
        return true;
    }
    let total: usize = parts.iter().filter_map(|part| part.head).map(|head| head.weight).sum();
    let mut before: Vec<Reach> = Vec::new();
    before.extend(parts.iter().filter(|part| part.is(Kind::Base)).filter_map(|part| part.head?.reach));
    let mut twice = 0;
    for part in fresh.filter(|part| part.weight() >= FINAL_WEIGHT) {
        // Parts of earlier versions don't say where their cells are, and only count as parts.
        let Some(reach) = part.head.and_then(|head| head.reach) else { continue };
        let shared: usize = before.iter().map(|other| area(&common(reach, *other))).sum();
        let own = area(&sides(reach)).max(1);
        twice += part.weight() * shared.min(own) / own;
        before.push(reach);
    }
    twice * TWICE > total
}

/// Series and buckets, each as an inclusive range.
type Sides = [(u32, u32); 2];

fn sides(reach: Reach) -> Sides {
    [(reach.first.0, reach.last), reach.buckets]
}

fn common(one: Reach, other: Reach) -> Sides {
    let [one, other] = [sides(one), sides(other)];
    [0, 1].map(|side: usize| (one[side].0.max(other[side].0), one[side].1.min(other[side].1)))
}

fn area(sides: &Sides) -> usize {
    sides.iter().map(|(from, to)| (to + 1).saturating_sub(*from) as usize).product()
}

/// Merges a bounded part of a place's fresh parts into its base. Returns the number of parts, if there is more to
/// do. All or nothing.
///
/// # Errors
/// As [`Sql::run`], and [`StoreError::Malformed`] where a part is not what was written.
pub fn step(sql: &impl Sql, place: Place) -> Result<Option<usize>, StoreError> {
    let mut more = None;
    sql.atomically(&mut || {
        let mut parts = place.parts(sql)?;
        let mut fresh = Fresh::take(sql, &parts)?;
        parts.retain(|part| !fresh.ids.contains(&part.id));
        for id in &fresh.ids {
            remove(sql, *id)?;
        }
        let is_scarce = parts.len() + fresh.ids.len() + SCARCE_PARTS > MAX_PARTS;
        while !fresh.parts.is_empty() {
            let cells = fresh.cut(place)?;
            merge_into_base(sql, place, &mut parts, cells)?;
            if !is_scarce {
                break;
            }
        }
        let is_large = |part: &Part| part.is(Kind::Fresh) && part.weight() >= FINAL_WEIGHT;
        let is_more = !fresh.parts.is_empty() || parts.iter().any(is_large);
        put(sql, place, &mut parts, std::mem::take(&mut fresh.parts))?;
        more = is_more.then_some(parts.len());
        Ok(())
    })?;
    Ok(more)
}

/// Parts that are taken out of the table, and their remainder.
struct Fresh {
    ids: Vec<i64>,
    parts: Vec<Vec<u8>>,
}

impl Fresh {
    /// The first few, but no more than two if many have a heavy series in common.
    fn take(sql: &impl Sql, all: &[Part]) -> Result<Self, StoreError> {
        let mut fresh = Self { ids: Vec::new(), parts: Vec::new() };
        let mut weights = BTreeMap::new();
        for part in all.iter().filter(|part| part.is(Kind::Fresh)).take(STEP_PARTS) {
            let bytes = blob(sql, part.id)?;
            each_weight(&bytes, |series, weight| *weights.entry(series).or_insert(0) += weight)?;
            let heaviest = weights.values().max().copied().unwrap_or_default();
            if fresh.parts.len() >= 2 && heaviest > 2 * STEP_WEIGHT {
                break;
            }
            fresh.ids.push(part.id);
            fresh.parts.push(bytes);
        }
        Ok(fresh)
    }

    /// The cells of the first series; the rest stays.
    fn cut(&mut self, place: Place) -> Result<Cells<'static>, StoreError> {
        let mut weights: BTreeMap<SeriesId, usize> = BTreeMap::new();
        for part in &self.parts {
            each_weight(part, |series, weight| *weights.entry(series).or_insert(0) += weight)?;
        }
        let mut taken = 0;
        let end = weights.into_iter().find(|(_, weight)| {
            let is_full = taken > 0 && taken + weight > STEP_WEIGHT;
            taken += weight;
            is_full
        });
        let end = end.map(|(series, _)| series);
        let mut cells = Vec::new();
        let mut left = Vec::new();
        for part in &self.parts {
            place.decode_into(part, &|series| end.is_none_or(|end| series < end), &mut cells)?;
            left.extend(end.map(|end| rest(part, end)).transpose()?.flatten());
        }
        self.parts = left;
        Ok(Cells::of(cells))
    }
}

/// Each base part has the cells from its first one up to the next part's; the first also has those before.
fn merge_into_base(
    sql: &impl Sql,
    place: Place,
    parts: &mut Vec<Part>,
    mut cells: Cells<'_>,
) -> Result<(), StoreError> {
    let key = |part: &Part| part.head.filter(|head| head.kind == Kind::Base)?.reach.map(|reach| (reach.first, part.id));
    let mut base: Vec<((SeriesId, u32), i64)> = parts.iter().filter_map(key).collect();
    base.sort_unstable();
    let width_s = place.layer.tier().width_s();
    for (at, (_, id)) in base.iter().enumerate() {
        let behind = match base.get(at + 1) {
            Some(((series, bucket), _)) => {
                cells.split_off((*series, place.span_start_s + i64::from(*bucket) * width_s))
            }
            None => Cells::default(),
        };
        let own = std::mem::replace(&mut cells, behind);
        if own.is_empty() {
            continue;
        }
        let mut all = own.into_heap();
        place.read(sql, *id, &mut all)?;
        remove(sql, *id)?;
        parts.retain(|part| part.id != *id);
        put_base(sql, place, parts, &Cells::of(all))?;
    }
    if cells.is_empty() { Ok(()) } else { put_base(sql, place, parts, &cells) }
}

fn put_base(sql: &impl Sql, place: Place, parts: &mut Vec<Part>, cells: &Cells<'_>) -> Result<(), StoreError> {
    let total: usize = cells.cells().map(weight).sum();
    let even = total.div_ceil(total.div_ceil(PART_WEIGHT).max(1));
    put(sql, place, parts, encode(place.layer.tier(), place.span_start_s, cells, Kind::Base, even))
}

fn put(sql: &impl Sql, place: Place, parts: &mut Vec<Part>, encoded: Vec<Vec<u8>>) -> Result<(), StoreError> {
    for (id, part) in place.numbered(parts, encoded)? {
        insert(sql, id, &part)?;
        parts.push(Part { id, head: super::chunk_cells::head_of(&part).ok() });
    }
    parts.sort_unstable_by_key(|part| part.id);
    Ok(())
}

fn blob(sql: &impl Sql, id: i64) -> Result<Vec<u8>, StoreError> {
    let mut blob = None;
    sql.run("SELECT cells FROM chunks WHERE id = ?", &[Param::Integer(id)], &mut |mut row| {
        blob = Some(row.blob()?);
        Ok(())
    })?;
    blob.ok_or(StoreError::Column("part of a place"))
}

#[cfg(test)]
mod tests;
