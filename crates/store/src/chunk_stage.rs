//! Prepares a seal: its changes to each place are computed in slices before anything is written, and then written
//! in one transaction. So a crash only loses what was computed, and readers see all of it or nothing.

use std::borrow::Cow;

use model::cell::Cell;
use model::open::SeriesId;
use model::tier::Layer;

use super::cells::Cells;
use super::chunks::{Place, Plan, Sealed};
use super::sql::{Sql, StoreError};

/// With this many bytes prepared, cells become parts of their own, which are merged with others the next time.
/// 50,000 cells in all layers have some 3 MiB, and as many others that they are merged with.
const MERGED_BYTES: usize = 4 << 20;

/// Start of the bucket, series and cell.
type Open<'a> = (i64, SeriesId, &'a Cell);

/// See the module's documentation. Valid as long as neither the cells nor the chunks change.
#[derive(Default)]
pub struct Staged {
    plans: Vec<Plan>,
    /// Places that can't accept their cells, as they are full or unreadable. The transaction decides what another
    /// place of their span gets, as several may share it.
    others: Vec<Place>,
    bytes: usize,
}

impl Staged {
    /// Prepares cells of a layer in the order of their places, after a given one, until `left` cells are used up.
    /// Returns the last place prepared, or `None` if that was all. Cells of the same bucket and series are merged.
    pub fn prepare(
        &mut self,
        sql: &impl Sql,
        layer: Layer,
        cells: Vec<Open<'_>>,
        after: Option<Place>,
        left: &mut usize,
    ) -> Option<Place> {
        let placed = cells.into_iter().map(|cell| (Place::of(layer, cell.0, cell.1), cell));
        let mut placed: Vec<_> = placed.filter(|(place, _)| after.is_none_or(|after| *place > after)).collect();
        placed.sort_by_key(|(place, cell)| (place.id(), cell.1, cell.0));
        let mut groups = placed.chunk_by(|a, b| a.0 == b.0).peekable();
        while let Some(group) = groups.next() {
            let place = group[0].0;
            let used = self.plan(sql, place, merged(group.iter().map(|(_, cell)| *cell)));
            *left = left.saturating_sub(used.max(group.len()).max(PLACE_CELLS));
            if *left == 0 && groups.peek().is_some() {
                return Some(place);
            }
        }
        None
    }

    /// The number of cells that took.
    fn plan(&mut self, sql: &impl Sql, place: Place, cells: Cells<'_>) -> usize {
        let Ok(plan) = place.plan(sql, cells, self.bytes < MERGED_BYTES) else {
            self.others.push(place);
            return 0;
        };
        let used = plan.cells;
        self.bytes += plan.added.iter().map(|(_, part)| part.len()).sum::<usize>();
        self.plans.push(plan);
        used
    }

    /// Changes the database. `cells` returns those of a layer again.
    ///
    /// # Errors
    /// As [`Sql::run`], and [`StoreError::Full`] where no place of a span takes its cells.
    pub fn carry_out<'a>(
        &self,
        sql: &impl Sql,
        cells: &dyn Fn(Layer) -> Vec<Open<'a>>,
        sealed: &mut Sealed,
    ) -> Result<(), StoreError> {
        for plan in &self.plans {
            plan.carry_out(sql, sealed)?;
        }
        for place in &self.others {
            let open = cells(place.layer);
            let of_place = || open.iter().filter(|cell| Place::of(place.layer, cell.0, cell.1) == *place);
            place.put(sql, &|| merged(of_place().copied()), sealed)?;
        }
        Ok(())
    }
}

/// The least cost of a place, in cells: reading the heads of its parts, and writing a row.
const PLACE_CELLS: usize = 50;

fn merged<'a>(of_place: impl Iterator<Item = Open<'a>>) -> Cells<'a> {
    Cells::of(of_place.map(|(start_s, series, cell)| ((series, start_s), Cow::Borrowed(cell))).collect())
}
