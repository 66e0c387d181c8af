//! A grid of groups and steps: what a query collects, what shards send, and what the edge merges.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, btree_map};

use rustc_hash::FxHashMap;

use super::cell::Cell;
use super::labels::Labels;
use super::sketches::Wanted;

/// The most cells in a query's answer, at some 100 bytes each in the object and then at the edge: 20 of the 128 MB
/// that an isolate has.
pub const MAX_GRID_CELLS: usize = 200_000;
/// The most bytes of the sketches of these cells: again 2 x 16 of the 128 MB.
pub const MAX_GRID_SKETCH_BYTES: usize = 16 << 20;

/// The most stored cells that a query merges, where each [`SKETCH_UNIT_BYTES`] of a sketch count as one more. A
/// hundred buckets of all 100,000 series of a stream have as many, such as four days of hours, or a day of minutes
/// of 7,000 series. Decoding and merging a cell takes some 100 ns, so that is a second.
pub const MAX_QUERY_CELLS: usize = 10_000_000;
/// Merging this many bytes of sketches takes about as long as merging a cell.
pub const SKETCH_UNIT_BYTES: usize = 100;

/// Cells by group and step; buckets that no point touches are absent.
#[derive(Debug)]
pub struct Grid {
    wanted: Wanted,
    sketch_bytes: usize,
    text_bytes: usize,
    groups: BTreeMap<Labels, u32>,
    /// By group, the steps of each in the order of their first cells. Only indices are hashed, so that the table is
    /// small when it grows, and rows are handed over without copying.
    rows: Vec<Row>,
    /// The index in its row of the cell of a group and step.
    places: FxHashMap<(u32, u32), u32>,
}

/// Why a grid accepts no more cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// More than [`MAX_GRID_CELLS`].
    #[error(
        "the answer would have more than {MAX_GRID_CELLS} values: use a shorter window, a wider step, fewer groups in `by` or a narrower `where`"
    )]
    TooManyCells,
    /// More than [`MAX_QUERY_CELLS`].
    #[error(
        "the query would merge more than {MAX_QUERY_CELLS} stored cells, one for each series and bucket, or several if it has sketches: use a shorter window, a wider step or a narrower `where`, or leave out quantiles and distinct counts"
    )]
    TooMuchWork,
    /// More than [`MAX_GRID_SKETCH_BYTES`].
    #[error(
        "the quantiles and distinct counts of the answer would take more than {} MiB of memory: use a shorter window, a wider step, fewer groups in `by`, a narrower `where` or only one `distinct:` at a time",
        MAX_GRID_SKETCH_BYTES >> 20
    )]
    TooManySketches,
}

/// The cells of one group in the order of the steps.
pub type Row = (Labels, Vec<(u32, Cell)>);

impl Grid {
    /// An empty grid that keeps the wanted sketches.
    #[must_use]
    pub fn new(wanted: Wanted) -> Self {
        let (groups, places) = (BTreeMap::new(), FxHashMap::default());
        Self { wanted, sketch_bytes: 0, text_bytes: 0, groups, rows: Vec::new(), places }
    }

    /// The index of a group in this grid.
    #[expect(clippy::cast_possible_truncation, reason = "groups are bounded by the series of a stream")]
    pub fn group(&mut self, labels: Labels) -> u32 {
        if let Some(group) = self.groups.get(&labels) {
            return *group;
        }
        let group = self.rows.len() as u32;
        self.text_bytes += labels.as_str().len();
        self.rows.push((labels.clone(), Vec::new()));
        self.groups.insert(labels, group);
        group
    }

    /// Merges a cell into a group's step.
    ///
    /// # Errors
    /// See [`GridError`].
    #[expect(clippy::cast_possible_truncation, reason = "a row has at most a cell a step")]
    pub fn add(&mut self, group: u32, step: u32, cell: &Cell) -> Result<(), GridError> {
        let full = self.places.len() >= MAX_GRID_CELLS;
        let (_, cells) = &mut self.rows[group as usize];
        let (there, bytes_before) = match self.places.entry((group, step)) {
            Entry::Occupied(place) => {
                let there = &mut cells[*place.get() as usize].1;
                let bytes_before = there.sketch_bytes();
                there.merge_wanted(cell, self.wanted);
                (there, bytes_before)
            }
            Entry::Vacant(_) if full => return Err(GridError::TooManyCells),
            Entry::Vacant(place) => {
                let at = cells.len();
                place.insert(at as u32);
                if at == cells.capacity() {
                    // By half and from one: most groups of a wide query have a cell or two.
                    cells.reserve_exact((cells.len() / 2).max(1));
                }
                cells.push((step, cell.kept(self.wanted)));
                (&mut cells[at].1, 0)
            }
        };
        self.sketch_bytes = self.sketch_bytes + there.sketch_bytes() - bytes_before;
        if self.sketch_bytes > MAX_GRID_SKETCH_BYTES { Err(GridError::TooManySketches) } else { Ok(()) }
    }

    /// The approximate memory, without visiting all cells.
    #[must_use]
    pub fn bytes(&self) -> usize {
        /// What the allocator adds to each allocation, including the two counters of shared labels.
        const BLOCK_BYTES: usize = 16;
        /// The memory of an index entry: tables are at most 7/8 full, and half full after they grew.
        const PLACE_BYTES: usize = 2 * (size_of::<((u32, u32), u32)>() + 1);
        // Rows grow by half, so at most a third of them is empty; trees are two thirds full.
        let cell = size_of::<(u32, Cell)>() * 5 / 4 + PLACE_BYTES;
        let group = size_of::<Row>() * 3 / 2 + size_of::<(Labels, u32)>() * 3 / 2 + 2 * BLOCK_BYTES;
        self.places.len() * cell + self.rows.len() * group + self.text_bytes + self.sketch_bytes
    }

    /// The groups that have cells, sorted by their labels.
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

/// Merges rows into one list with all of them, with the wanted sketches.
#[must_use]
pub fn fold(rows: impl Iterator<Item = Vec<(u32, Cell)>>, wanted: Wanted) -> Vec<(u32, Cell)> {
    let mut by_step: BTreeMap<u32, Cell> = BTreeMap::new();
    for (step, cell) in rows.flatten() {
        match by_step.entry(step) {
            btree_map::Entry::Occupied(mut there) => there.get_mut().merge_wanted(&cell, wanted),
            btree_map::Entry::Vacant(place) => {
                place.insert(cell);
            }
        }
    }
    by_step.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantiles::{Bin, Quantiles};
    use crate::sketches::Sketches;

    #[test]
    fn cells_of_one_group_and_step_merge_and_empty_groups_vanish() {
        let one = Cell::plain(1, None);
        let mut grid = Grid::new(Wanted::default());
        let group = grid.group(Labels::default());
        grid.group(Labels::overflow());
        grid.add(group, 7, &one).expect("fits");
        grid.add(group, 7, &one).expect("fits");
        for _ in 0..3 {
            grid.add(group, 3, &one).expect("fits");
        }
        let counted = |count| Cell::plain(count, None);
        assert_eq!(grid.into_rows(), [(Labels::default(), vec![(3, counted(3)), (7, counted(2))])]);
    }

    #[test]
    fn merging_still_works_at_the_limit_of_cells() {
        let one = Cell::plain(1, None);
        let mut grid = Grid::new(Wanted::default());
        assert_eq!([grid.group(Labels::default()), grid.group(Labels::overflow())], [0, 1]);
        for step in 0..u32::try_from(MAX_GRID_CELLS).expect("fits") {
            grid.add(0, step, &one).expect("fits");
        }
        assert_eq!(grid.add(0, 0, &one), Ok(()));
        assert_eq!(grid.add(1, 0, &one), Err(GridError::TooManyCells));
    }

    #[test]
    fn sketch_memory_is_bounded_and_unwanted_sketches_take_none() {
        let sketches = (0..2_000).map(|k| (Bin::from_number(k).expect("in range"), 1)).collect();
        let sketches = Sketches { quantiles: Quantiles::from_bins(sketches), distinct: Vec::new() };
        let cell = Cell { sketches: Some(Box::new(sketches)), ..Cell::plain(2_000, None) };
        let filled = |wanted| {
            let mut grid = Grid::new(wanted);
            grid.group(Labels::default());
            (0..10_000).find_map(|step| grid.add(0, step, &cell).err().map(|error| (step, error)))
        };
        let (step, error) = filled(Wanted::ALL).expect("too many");
        assert_eq!(error, GridError::TooManySketches);
        assert_eq!(step as usize, MAX_GRID_SKETCH_BYTES / cell.sketch_bytes());
        assert_eq!(filled(Wanted { quantiles: false, distinct: u32::MAX }), None);
    }
}
