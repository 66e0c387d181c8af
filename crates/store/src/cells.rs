//! The cells of a place, in the order in which its parts have them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::cell::Cell;
use model::open::SeriesId;

/// A series, and the start of a bucket.
pub(super) type Key = (SeriesId, i64);
/// Cells that come one by one.
pub(crate) type CellMap = BTreeMap<Key, Cell>;
/// Cells in any order, possibly several of the same key.
pub(super) type Heap<'a> = Vec<(Key, Cow<'a, Cell>)>;

/// Cells in the order of their keys, one for each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cells<'a>(Heap<'a>);

impl<'a> Cells<'a> {
    /// Sorts cells. Those of the same key are merged in the order in which they come.
    pub(super) fn of(mut cells: Heap<'a>) -> Self {
        if !cells.is_sorted_by(|one, next| one.0 < next.0) {
            cells.sort_by_key(|(key, _)| *key);
            cells.dedup_by(|next, kept| {
                let is_same = next.0 == kept.0;
                if is_same {
                    kept.1.to_mut().merge(&next.1);
                }
                is_same
            });
        }
        Self(cells)
    }

    pub(super) fn into_heap(self) -> Heap<'a> {
        self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Cell)> {
        self.0.iter().map(|(key, cell)| (*key, &**cell))
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.0.iter().map(|(_, cell)| &**cell)
    }

    /// Takes the sketches out of all cells; returns how many had some.
    pub(super) fn strip(&mut self) -> u64 {
        let with_sketches = self.0.iter_mut().filter(|(_, cell)| cell.sketches.is_some());
        with_sketches.map(|(_, cell)| cell.to_mut().sketches = None).count() as u64
    }

    /// Splits off the cells from a key on.
    pub(super) fn split_off(&mut self, from: Key) -> Self {
        Self(self.0.split_off(self.0.partition_point(|(key, _)| *key < from)))
    }
}

impl From<CellMap> for Cells<'_> {
    fn from(cells: CellMap) -> Self {
        Self(cells.into_iter().map(|(key, cell)| (key, Cow::Owned(cell))).collect())
    }
}
