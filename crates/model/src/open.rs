//! The open buckets, which are not sealed yet: cells by layer, bucket and series, in memory.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::cell::{Cell, Cover};
use super::point::Point;
use super::sketches::Mark;
use super::spread::spread;
use super::tier::{Layer, Tier};

/// The id of a series within one object, given by the dictionary.
pub type SeriesId = u32;
/// The cells of one bucket by series.
pub type Bucket = FxHashMap<SeriesId, Cell>;

/// The series of a point that is added.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// The series.
    pub series: SeriesId,
    /// Whether it always has a place in a bucket, however many other series there are.
    pub is_established: bool,
}

/// An open bucket.
#[derive(Default)]
struct OpenBucket {
    cells: Bucket,
    /// How many of the cells belong to series that were not established when the cells were added.
    others: usize,
}

/// The open buckets. Only the finest tier and the spreads are updated point by point; the other tiers' totals are
/// merged from them on demand.
#[derive(Default)]
pub struct OpenBuckets {
    buckets: BTreeMap<(Layer, i64), OpenBucket>,
    cells: usize,
    pieces: usize,
    sketch_bytes: usize,
}

impl OpenBuckets {
    /// Adds a point of a series, with the counted labels' values. A bucket has cells of at most `others` series
    /// that are not established; beyond that, the point's share goes to the series that `overflow` returns. Returns
    /// whether any did. `also` is called with what each bucket receives of which series.
    pub fn add(
        &mut self,
        Owner { series, is_established }: Owner,
        point: &Point,
        marks: &[Mark],
        others: usize,
        mut overflow: impl FnMut() -> SeriesId,
        mut also: impl FnMut(Layer, i64, SeriesId, &Cell),
    ) -> bool {
        let mut has_overflowed = false;
        spread(point, |layer, start_s, cell| {
            self.pieces += 1;
            let marks = if cell.count > 0 { marks } else { &[] };
            let held = self.buckets.entry((layer, start_s)).or_default();
            let bucket = &mut held.cells;
            let (mut series, mut is_other) = (series, !is_established);
            if is_other && held.others >= others && !bucket.contains_key(&series) {
                (series, is_other) = (overflow(), false);
                has_overflowed = true;
            }
            also(layer, start_s, series, &cell);
            let (there, bytes_before) = match bucket.entry(series) {
                Entry::Occupied(there) => {
                    let there = there.into_mut();
                    let bytes_before = there.sketch_bytes();
                    there.merge(&cell);
                    (there, bytes_before)
                }
                Entry::Vacant(place) => {
                    self.cells += 1;
                    held.others += usize::from(is_other);
                    (place.insert(cell), 0)
                }
            };
            there.mark(marks);
            self.sketch_bytes = self.sketch_bytes + there.sketch_bytes() - bytes_before;
        });
        has_overflowed
    }

    /// The memory that the cells' sketches take.
    #[must_use]
    pub fn sketch_bytes(&self) -> usize {
        self.sketch_bytes
    }

    /// The number of cells held.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// The number of pieces of points merged: the work of repeating it.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// The buckets as they are kept: totals of the finest tier, and the spreads.
    pub fn iter(&self) -> impl Iterator<Item = (Layer, i64, &Bucket)> {
        self.buckets.iter().map(|((layer, start_s), held)| (*layer, *start_s, &held.cells))
    }

    /// The contents of a layer's buckets: start of the bucket, series and cell, unordered. Cells of the same bucket
    /// and series must be merged.
    #[must_use]
    pub fn layer(&self, layer: Layer) -> Vec<(i64, SeriesId, &Cell)> {
        let mut held = Vec::with_capacity(self.cells);
        for (kept, start_s, bucket) in self.iter().filter(|(kept, _, _)| belongs(*kept, layer)) {
            debug_assert!(kept == Layer::Total(Tier::FINEST) || bucket.values().all(|cell| cell.count == 0));
            let start_s = layer.tier().bucket_of(start_s);
            held.extend(bucket.iter().map(|(series, cell)| (start_s, *series, cell)));
        }
        held
    }
}

/// Whether one kept layer is part of another layer's contents.
#[must_use]
pub fn belongs(kept: Layer, wanted: Layer) -> bool {
    match wanted {
        Layer::Total(tier) => kept == Layer::Total(Tier::FINEST) || kept.tier() < tier,
        Layer::Spread(_) | Layer::EarlierSpread(_) => kept == wanted,
    }
}

/// The part of a spread cell that lies in `[from_s, to_s)`, for finer steps.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "spans of at most a day")]
pub fn share(cell: &Cell, tier: Tier, start_s: i64, from_s: i64, to_s: i64) -> Option<Cell> {
    let overlap_s = to_s.min(start_s + tier.width_s()) - from_s.max(start_s);
    let fraction = overlap_s as f64 / tier.width_s() as f64;
    let cover: Option<Cover> = cell.cover.filter(|_| overlap_s > 0).map(|cover| cover.scaled(fraction));
    cover.map(|cover| Cell::plain(0, Some(cover)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Owner = Owner { series: 1, is_established: false };

    fn n_of(open: &OpenBuckets, layer: Layer, start_s: i64, series: SeriesId) -> f64 {
        let is_wanted = |(start, id, _): &(i64, SeriesId, &Cell)| (*start, *id) == (start_s, series);
        let covers = open.layer(layer).into_iter().filter(is_wanted).filter_map(|(_, _, cell)| cell.cover);
        covers.map(|cover| cover.n).sum()
    }

    #[test]
    fn coarser_totals_contain_all_of_the_finer_layers() {
        let mut open = OpenBuckets::default();
        let t = 1_792_540_800.0;
        let never = || unreachable!("there is room");
        open.add(OTHER, &Point { n: 7200.0, d: 1.0, p: Some(7200.0), t }, &[], 9, never, |_, _, _, _| ());
        open.add(OTHER, &Point { n: 5.0, d: 1.0, p: None, t: t - 1.0 }, &[], 9, never, |_, _, _, _| ());
        let of = |layer: fn(Tier) -> Layer, tier, start_s| n_of(&open, layer(tier), start_s, 1);
        let of_hour = |start_s| [Layer::Total, Layer::Spread].map(|layer| of(layer, Tier::H1, start_s));
        assert_eq!(of_hour(1_792_540_800 - 3600), [5.0, 3600.0]);
        assert_eq!(of_hour(1_792_540_800 - 7200), [0.0, 3600.0]);
        assert_eq!(of(Layer::Total, Tier::D1, 1_792_540_800 - 86_400), 7205.0);
        assert_eq!(open.layer(Layer::Spread(Tier::H1)).len(), 2);
        assert_eq!(open.layer(Layer::Spread(Tier::M1)).len(), 0);
    }

    #[test]
    fn a_full_bucket_overflows_new_series_and_keeps_the_sum() {
        const OVERFLOW: SeriesId = 99;
        let t = 1_792_540_800.0;
        let mut open = OpenBuckets::default();
        let mut add = |series, n, p, t| {
            let owner = Owner { series, is_established: false };
            open.add(owner, &Point { n, d: 1.0, p, t }, &[], 2, || OVERFLOW, |_, _, _, _| ())
        };
        assert!(!add(1, 1.0, None, t) && !add(2, 2.0, None, t) && !add(1, 4.0, None, t));
        assert!(add(3, 8.0, None, t), "the bucket has two series");
        assert!(add(4, 16.0, None, t) && !add(4, 32.0, None, t + 10.0));
        assert!(add(5, 60.0, Some(20.0), t + 10.0), "one of the two buckets of this period is full");
        assert_eq!(open.cells(), 6);
        let n = |series| n_of(&open, Layer::Total(Tier::D1), 1_792_540_800, series);
        assert_eq!([1, 2, 3, 4, 5, OVERFLOW].map(n), [5.0, 2.0, 0.0, 32.0, 0.0, 8.0 + 16.0 + 30.0]);
    }

    #[test]
    fn an_established_series_always_has_a_place_of_its_own() {
        const OVERFLOW: SeriesId = 9_999;
        let point = Point { n: 1.0, d: 1.0, p: None, t: 1_792_540_800.0 };
        let mut open = OpenBuckets::default();
        let mut add = |series, is_established| {
            open.add(Owner { series, is_established }, &point, &[], 100, || OVERFLOW, |_, _, _, _| ())
        };
        assert!((1..=50).all(|series| !add(series, true)));
        assert_eq!((1_000..3_000).filter(|series| add(*series, false)).count(), 1_900);
        assert!((1..=500).all(|series| !add(series, true)));
        assert!(!add(1_000, false), "who has a place keeps it");
        let n = |series| n_of(&open, Layer::Total(Tier::S10), 1_792_540_800, series);
        assert_eq!([1, 50, 51, 500, 1_000, 1_100, OVERFLOW].map(n), [2.0, 2.0, 1.0, 1.0, 2.0, 0.0, 1_900.0]);
    }
}
