//! The groups of an answer, read in place from the parts that shards sent (see [`protocol::partial`]).
//!
//! A group of a wide query takes 20 to 100 bytes in a part, and several hundred as a row of a grid. So the edge
//! keeps the parts, reads them once to rank the groups and to check the size of the answer, and decodes each group
//! only when it is written. Shards send groups in the order of their labels, which makes merging possible.

use codec::{Malformed, Reader};
use model::aggregate::{Aggregate, GroupCells, total};
use model::cell::Cell;
use model::grid::{GridError, MAX_GRID_CELLS, MAX_GRID_SKETCH_BYTES, fold};
use model::labels::Labels;
use model::sketches::Wanted;
use model::window::Window;

use protocol::partial::{PartialError, VERSION, read_cell};

/// Cells of one group, in the order of the steps.
type Cells = Vec<(u32, Cell)>;

/// A group, and where its cells are.
#[derive(Debug)]
struct Group {
    rank: f64,
    cells: u32,
    /// Its first place.
    place: u32,
}

/// Where a part has a group: the index of the part, and the offset of the labels.
type Place = (u32, u32);

/// The groups of an answer, the largest first.
#[derive(Debug)]
pub struct Ranked {
    parts: Vec<Vec<u8>>,
    wanted: Wanted,
    groups: Vec<Group>,
    places: Vec<Place>,
    order: Vec<u32>,
    other: Option<GroupCells>,
    most_bytes: usize,
}

/// The position in one part.
struct Head<'a> {
    part: u32,
    left: usize,
    reader: Reader<'a>,
    at: u32,
    labels: &'a str,
}

impl<'a> Head<'a> {
    fn new(part: u32, bytes: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(Malformed(0));
        }
        let left = reader.len()?;
        Self { part, left, reader, at: 0, labels: "" }.on(bytes)
    }

    /// Moves to the next group.
    fn on(mut self, bytes: &'a [u8]) -> Result<Option<Self>, Malformed> {
        if self.left == 0 {
            return Ok(None);
        }
        let (before, is_first) = (self.labels, self.at == 0);
        self.left -= 1;
        self.at = u32::try_from(bytes.len() - self.reader.rest().len()).map_err(|_| Malformed(0))?;
        self.labels = self.reader.text()?;
        // Groups out of order can't be merged.
        if is_first || before < self.labels { Ok(Some(self)) } else { Err(Malformed(0)) }
    }
}

impl Ranked {
    /// The `k` groups with the largest total of the first aggregate over the window, largest first, and all others
    /// merged into one. Ties are broken by labels.
    ///
    /// # Errors
    /// See [`PartialError`].
    #[expect(clippy::cast_possible_truncation, reason = "cells are bounded, and a place has a cell at least")]
    pub fn new(parts: Vec<Vec<u8>>, k: usize, aggregates: &[Aggregate], window: &Window) -> Result<Self, PartialError> {
        let by = aggregates.first().unwrap_or(&Aggregate::Sum);
        let wanted = Aggregate::sketches(aggregates);
        let most = most_groups(&parts)?;
        let (mut groups, mut places): (Vec<Group>, Vec<Place>) = (Vec::with_capacity(most), Vec::with_capacity(most));
        let (mut in_all, mut sketch_bytes, mut most_bytes) = (0, 0, 0);
        let mut heads = Vec::with_capacity(parts.len());
        for (part, bytes) in (0..).zip(&parts) {
            heads.extend(Head::new(part, bytes)?);
        }
        while let Some(labels) = heads.iter().map(|head| head.labels).min() {
            let place = places.len() as u32;
            let mut cells = Cells::new();
            let mut at = 0;
            while at < heads.len() {
                if heads[at].labels != labels {
                    at += 1;
                    continue;
                }
                let mut head = heads.remove(at);
                merge_cells(&mut head.reader, &mut cells, wanted)?;
                places.push((head.part, head.at));
                let bytes = &parts[head.part as usize];
                if let Some(head) = head.on(bytes)? {
                    heads.insert(at, head);
                    at += 1;
                }
            }
            in_all += cells.len();
            let sketches: usize = cells.iter().map(|(_, cell)| cell.sketch_bytes()).sum();
            sketch_bytes += sketches;
            if in_all > MAX_GRID_CELLS {
                return Err(GridError::TooManyCells.into());
            }
            if sketch_bytes > MAX_GRID_SKETCH_BYTES {
                return Err(GridError::TooManySketches.into());
            }
            most_bytes = most_bytes.max(size_of_val(&cells[..]) + sketches);
            if cells.is_empty() {
                places.truncate(place as usize);
            } else {
                groups.push(Group { rank: total(&cells, by, window), cells: cells.len() as u32, place });
            }
        }
        let mut order: Vec<u32> = (0..groups.len() as u32).collect();
        order.sort_by(|a, b| groups[*b as usize].rank.total_cmp(&groups[*a as usize].rank));
        let rest = order.split_off(k.min(order.len()));
        let mut ranked = Self { parts, wanted, groups, places, order, other: None, most_bytes };
        if !rest.is_empty() {
            let cells = fold(rest.iter().map(|group| ranked.cells_of(*group)), wanted);
            ranked.other = Some(GroupCells { labels: Labels::default(), is_other: true, cells });
        }
        Ok(ranked)
    }

    /// The number of groups, including the group of all others.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len() + usize::from(self.other.is_some())
    }

    /// Whether there are no groups.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the last group is the group of all others.
    #[must_use]
    pub fn has_other(&self) -> bool {
        self.other.is_some()
    }

    /// The number of cells in all groups.
    #[must_use]
    pub fn cells(&self) -> usize {
        let other = self.other.as_ref().map_or(0, |other| other.cells.len());
        self.order.iter().map(|group| self.groups[*group as usize].cells as usize).sum::<usize>() + other
    }

    /// The memory that it takes besides the parts, including one decoded group.
    #[must_use]
    pub fn extra_bytes(&self) -> usize {
        let sketches = |cells: &Cells| cells.iter().map(|(_, cell)| cell.sketch_bytes()).sum::<usize>();
        let other = self.other.as_ref().map_or(0, |other| size_of_val(&other.cells[..]) + sketches(&other.cells));
        index_bytes(self.places.capacity()) + 2 * self.most_bytes + other
    }

    /// Decodes a group.
    ///
    /// # Panics
    /// If there are fewer groups.
    #[must_use]
    pub fn series(&self, at: usize) -> GroupCells {
        match (self.order.get(at), &self.other) {
            (Some(group), _) => {
                let labels = Labels::from_canonical(self.labels_of(*group));
                GroupCells { labels, is_other: false, cells: self.cells_of(*group) }
            }
            (None, Some(other)) => other.clone(),
            (None, None) => unreachable!("the index is beyond the last group"),
        }
    }

    /// The labels of the groups shown.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(|group| self.labels_of(*group))
    }

    fn labels_of(&self, group: u32) -> &str {
        let (part, at) = self.places[self.groups[group as usize].place as usize];
        Reader::new(&self.parts[part as usize][at as usize..]).text().expect("was read before")
    }

    fn cells_of(&self, group: u32) -> Cells {
        let first = self.groups[group as usize].place as usize;
        let end = self.groups.get(group as usize + 1).map_or(self.places.len(), |next| next.place as usize);
        let mut cells = Cells::new();
        for (part, at) in &self.places[first..end] {
            let mut reader = Reader::new(&self.parts[*part as usize][*at as usize..]);
            reader.text().expect("was read before");
            merge_cells(&mut reader, &mut cells, self.wanted).expect("was read before");
        }
        cells
    }
}

/// The memory of this many groups, as many places and their order, including for sorting.
const fn index_bytes(groups: usize) -> usize {
    groups * (size_of::<Group>() + size_of::<Place>() + size_of::<u32>() * 3 / 2)
}

/// The most groups in all parts, if no two parts share one.
fn most_groups(parts: &[Vec<u8>]) -> Result<usize, Malformed> {
    let mut groups = 0;
    for part in parts {
        let mut reader = Reader::new(part);
        reader.byte()?;
        // A group takes at least two bytes.
        groups += reader.len()?.min(part.len() / 2);
    }
    Ok(groups)
}

/// The memory that ranking takes besides the parts, from the counts at their start: known before it is allocated.
///
/// # Errors
/// [`Malformed`]
pub fn ranking_bytes(parts: &[Vec<u8>]) -> Result<usize, Malformed> {
    most_groups(parts).map(index_bytes)
}

/// Merges the next cells into those of the same group in other parts.
fn merge_cells(reader: &mut Reader<'_>, into: &mut Cells, wanted: Wanted) -> Result<(), PartialError> {
    let (mut step, mut at) = (0, 0);
    let count = reader.len()?;
    if into.is_empty() {
        // A cell takes at least four bytes.
        into.reserve_exact(count.min(reader.rest().len() / 4));
    }
    for _ in 0..count {
        let further = u32::try_from(reader.varint()?).ok();
        step = further.and_then(|further| u32::checked_add(step, further)).ok_or(Malformed(0))?;
        let cell = read_cell(reader)?;
        while into.get(at).is_some_and(|(there, _)| *there < step) {
            at += 1;
        }
        let is_full = into.len() >= MAX_GRID_CELLS;
        match into.get_mut(at) {
            Some((there, merged)) if *there == step => merged.merge_wanted(&cell, wanted),
            _ if is_full => return Err(GridError::TooManyCells.into()),
            _ => into.insert(at, (step, cell.kept(wanted))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::aggregate::top;
    use model::aggregate_list::parse_aggregates;
    use model::grid::Grid;
    use model::testing::any_cell;
    use proptest::prelude::*;
    use protocol::partial;

    fn series(ranked: &Ranked) -> Vec<GroupCells> {
        (0..ranked.len()).map(|at| ranked.series(at)).collect()
    }

    proptest! {
        #[test]
        fn groups_read_in_place_equal_those_of_a_grid(
            cells in proptest::collection::vec((0usize..6, 0u32..30, 0usize..4, any_cell()), 0..80),
            k in 0usize..7,
            is_quantile in any::<bool>(),
        ) {
            let window = Window::aligned(1_792_540_800, 1_792_540_800 + 300, 10).expect("valid");
            let aggregates = parse_aggregates(if is_quantile { "p50,count" } else { "count,sum" }).expect("valid");
            let wanted = Aggregate::sketches(&aggregates);
            let mut shards: Vec<Grid> = (0..4).map(|_| Grid::new(Wanted::ALL)).collect();
            for (name, step, shard, cell) in cells {
                let labels = if name == 0 { String::new() } else { format!("a\u{1f}{name}\u{1e}") };
                let group = shards[shard].group(Labels::from_canonical(&labels));
                shards[shard].add(group, step, &cell).expect("fits");
            }
            let parts: Vec<Vec<u8>> =
                shards.into_iter().map(|shard| partial::encode(&shard.into_rows(), &[0, 1, 2])).collect();
            let mut grid = Grid::new(wanted);
            for part in &parts {
                partial::merge(part, &mut grid).expect("a partial");
            }
            let whole = top(grid.into_rows(), k, &aggregates, &window);
            let room = ranking_bytes(&parts).expect("parts");
            let ranked = Ranked::new(parts, k, &aggregates, &window).expect("parts");
            prop_assert!(index_bytes(ranked.places.capacity().max(ranked.groups.capacity())) <= room);
            prop_assert_eq!(ranked.cells(), whole.iter().map(|one| one.cells.len()).sum::<usize>());
            prop_assert_eq!(series(&ranked), whole);
        }

        #[test]
        fn invalid_parts_are_rejected(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let window = Window::aligned(0, 10, 10).expect("valid");
            let parts = vec![[&[VERSION], &bytes[..]].concat()];
            if let Ok(ranked) = Ranked::new(parts, 10, &[Aggregate::Sum], &window) {
                series(&ranked);
            }
        }
    }

    #[test]
    fn too_many_cells_and_unordered_groups_are_rejected() {
        let window = Window::aligned(0, 10, 10).expect("valid");
        let rows = |names: &mut dyn Iterator<Item = String>| -> Vec<u8> {
            let row = |name: String| {
                (Labels::from_canonical(&format!("a\u{1f}{name}\u{1e}")), vec![(0, Cell::plain(1, None))])
            };
            partial::encode(&names.map(row).collect::<Vec<_>>(), &[])
        };
        let error = |parts| Ranked::new(parts, 10, &[Aggregate::Sum], &window).err();
        let half = |from: usize| rows(&mut (from..=from + MAX_GRID_CELLS / 2).map(|at| format!("{at:09}")));
        assert_eq!(error(vec![half(0), half(0)]), None);
        assert_eq!(error(vec![half(0), half(500_000)]), Some(GridError::TooManyCells.into()));
        assert!(matches!(
            error(vec![rows(&mut ["b", "a"].map(str::to_owned).into_iter())]),
            Some(PartialError::Malformed(_))
        ));
    }
}
