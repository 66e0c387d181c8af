//! Groups by steps: what a query collects, what shards send and what the edge merges.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::cell::{Cell, merge_into};
use super::labels::Labels;

/// A query gives at most this many cells, at some 100 bytes each in the object and, after that, at the edge: 20 of the
/// 128 MB that an isolate has.
pub const MAX_GRID_CELLS: usize = 200_000;

/// Cells by group and step; what no point touches is absent.
#[derive(Debug, Default)]
pub struct Grid {
    groups: BTreeMap<Labels, u32>,
    /// By group, the steps of each in the order of their first cells. Only indices are hashed, so that a table which grows
    /// is small, and what is given away is not copied.
    rows: Vec<Row>,
    /// Where in its row the cell of a group and step is.
    places: FxHashMap<(u32, u32), u32>,
}

/// More cells than [`MAX_GRID_CELLS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the answer would have more than {MAX_GRID_CELLS} values: ask for a shorter window, a wider step, fewer groups in `by` or a narrower `where`"
)]
pub struct TooManyCells;

/// One group's cells in the order of the steps.
pub type Row = (Labels, Vec<(u32, Cell)>);

impl Grid {
    /// The number of a group in this grid.
    #[expect(clippy::cast_possible_truncation, reason = "groups are bounded by the series of a stream")]
    pub fn group(&mut self, labels: Labels) -> u32 {
        if let Some(group) = self.groups.get(&labels) {
            return *group;
        }
        let group = self.rows.len() as u32;
        self.rows.push((labels.clone(), Vec::new()));
        self.groups.insert(labels, group);
        group
    }

    /// Merges a cell into a group's step.
    ///
    /// # Errors
    /// [`TooManyCells`]
    #[expect(clippy::cast_possible_truncation, reason = "a row has at most a cell a step")]
    pub fn add(&mut self, group: u32, step: u32, cell: &Cell) -> Result<(), TooManyCells> {
        let full = self.places.len() >= MAX_GRID_CELLS;
        match self.places.entry((group, step)) {
            Entry::Occupied(place) => self.rows[group as usize].1[*place.get() as usize].1.merge(cell),
            Entry::Vacant(_) if full => return Err(TooManyCells),
            Entry::Vacant(place) => {
                let (_, cells) = &mut self.rows[group as usize];
                place.insert(cells.len() as u32);
                if cells.len() == cells.capacity() {
                    // By half and from one: most groups of a wide query have a cell or two.
                    cells.reserve_exact((cells.len() / 2).max(1));
                }
                cells.push((step, *cell));
            }
        }
        Ok(())
    }

    /// The groups that have a cell, sorted by their labels.
    #[must_use]
    pub fn into_rows(self) -> Vec<Row> {
        let mut rows = self.rows;
        rows.retain(|(_, cells)| !cells.is_empty());
        for (_, cells) in &mut rows {
            cells.sort_unstable_by_key(|(step, _)| *step);
        }
        rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        rows
    }
}

/// Merges rows into one that has all of them.
#[must_use]
pub fn fold(rows: impl Iterator<Item = Vec<(u32, Cell)>>) -> Vec<(u32, Cell)> {
    let mut by_step: BTreeMap<u32, Option<Cell>> = BTreeMap::new();
    for (step, cell) in rows.flatten() {
        merge_into(by_step.entry(step).or_default(), &cell);
    }
    by_step.into_iter().filter_map(|(step, cell)| cell.map(|cell| (step, cell))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_one_group_and_step_merge_and_empty_groups_vanish() {
        let one = Cell { count: 1, cover: None };
        let mut grid = Grid::default();
        let group = grid.group(Labels::default());
        grid.group(Labels::overflow());
        grid.add(group, 7, &one).expect("fits");
        grid.add(group, 7, &one).expect("fits");
        for _ in 0..3 {
            grid.add(group, 3, &one).expect("fits");
        }
        let counted = |count| Cell { count, cover: None };
        assert_eq!(grid.into_rows(), [(Labels::default(), vec![(3, counted(3)), (7, counted(2))])]);
    }

    #[test]
    fn the_limit_holds_and_merging_at_the_limit_still_works() {
        let one = Cell { count: 1, cover: None };
        let mut grid = Grid::default();
        assert_eq!([grid.group(Labels::default()), grid.group(Labels::overflow())], [0, 1]);
        for step in 0..u32::try_from(MAX_GRID_CELLS).expect("fits") {
            grid.add(0, step, &one).expect("fits");
        }
        assert_eq!(grid.add(0, 0, &one), Ok(()));
        assert_eq!(grid.add(1, 0, &one), Err(TooManyCells));
    }
}
