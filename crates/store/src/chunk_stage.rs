//! Preparing a seal: what it will do to each place is computed in slices, before anything is changed, and carried out in one transaction. So
//! a crash loses nothing but what was computed, and readers see all of it or nothing.

use model::cell::Cell;
use model::open::SeriesId;
use model::tier::Layer;

use super::chunk_cells::Cells;
use super::chunks::{Place, Plan, Sealed, merge};
use super::sql::{Sql, StoreError};

/// With this many bytes prepared, cells become parts of their own, and are merged with others the next time: 50,000 cells in all layers
/// have some 3 MiB, and as many others that they are merged with.
const MERGED_BYTES: usize = 4 << 20;

/// Start of the bucket, series and cell.
type Open<'a> = (i64, SeriesId, &'a Cell);

/// See the module's documentation. It holds as long as neither the cells nor the chunks change.
#[derive(Default)]
pub struct Staged {
    plans: Vec<Plan>,
    /// Places that do not take their cells, as they are full or can't be read: what another place of their span gets is up to the
    /// transaction, as several may share it.
    others: Vec<Place>,
    bytes: usize,
}

impl Staged {
    /// Prepares cells of a layer in the order of their places, those after one, until `left` cells are used up: the last place
    /// that is prepared, or `None` when that was all. Those of the same bucket and series are merged.
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
        placed.sort_unstable_by_key(|(place, _)| *place);
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

    /// How many cells that took.
    fn plan(&mut self, sql: &impl Sql, place: Place, cells: Cells) -> usize {
        let Ok(plan) = place.plan(sql, cells, self.bytes < MERGED_BYTES) else {
            self.others.push(place);
            return 0;
        };
        let used = plan.cells;
        self.bytes += plan.added.iter().map(|(_, part)| part.len()).sum::<usize>();
        self.plans.push(plan);
        used
    }

    /// Changes the database. `cells` hands out those of a layer again.
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

/// What a place costs at least, in cells: reading the heads of its parts, and writing a row.
const PLACE_CELLS: usize = 50;

fn merged<'a>(of_place: impl Iterator<Item = Open<'a>>) -> Cells {
    let mut cells = Cells::new();
    for (start_s, series, cell) in of_place {
        merge(&mut cells, series, start_s, cell);
    }
    cells
}
