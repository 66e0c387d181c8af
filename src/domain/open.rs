//! The buckets that are not sealed yet: cells by layer, bucket and series, in memory.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::cell::{Cell, Cover};
use super::point::Point;
use super::sketches::Mark;
use super::spread::spread;
use super::tier::{Layer, Tier};

/// A series within one object; see the dictionary that numbers them.
pub type SeriesId = u32;
/// The cells of one bucket by series.
pub type Bucket = FxHashMap<SeriesId, Cell>;

/// Open buckets. Only the finest tier and the spreads are kept up point by point; the other tiers' totals
/// are merged from them when they are wanted.
#[derive(Default)]
pub struct OpenBuckets {
    buckets: BTreeMap<(Layer, i64), Bucket>,
    cells: usize,
    pieces: usize,
    sketch_bytes: usize,
}

impl OpenBuckets {
    /// Adds a point of a series, with the values of the labels whose values are counted. A bucket that has cells of
    /// `bucket_series` series takes no new one: the point's share of it goes to the series that `overflow` gives. Whether
    /// any did. What each bucket takes of which series is told to `also`.
    pub fn add(
        &mut self,
        series: SeriesId,
        point: &Point,
        marks: &[Mark],
        bucket_series: usize,
        mut overflow: impl FnMut() -> SeriesId,
        mut also: impl FnMut(Layer, i64, SeriesId, &Cell),
    ) -> bool {
        let mut has_overflowed = false;
        spread(point, |layer, start_s, cell| {
            self.pieces += 1;
            let marks = if cell.count > 0 { marks } else { &[] };
            let bucket = self.buckets.entry((layer, start_s)).or_default();
            let mut series = series;
            if bucket.len() >= bucket_series && !bucket.contains_key(&series) {
                series = overflow();
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

    /// How many cells are held.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// How many pieces of points were merged: the work of doing it again.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// The buckets as they are kept: the finest tier's totals, and the spreads.
    pub fn iter(&self) -> impl Iterator<Item = (Layer, i64, &Bucket)> {
        self.buckets.iter().map(|((layer, start_s), bucket)| (*layer, *start_s, bucket))
    }

    /// What a layer's buckets hold: start of the bucket, series and cell, in no order. Those of the same bucket and series are
    /// to be merged.
    #[must_use]
    pub fn layer(&self, layer: Layer) -> Vec<(i64, SeriesId, &Cell)> {
        let mut held = Vec::with_capacity(self.cells);
        for (kept, start_s, bucket) in self.iter().filter(|(kept, _, _)| belongs(*kept, layer)) {
            debug_assert!(matches!(kept, Layer::Total(_)) || bucket.values().all(|cell| cell.count == 0));
            let start_s = layer.tier().bucket_of(start_s);
            held.extend(bucket.iter().map(|(series, cell)| (start_s, *series, cell)));
        }
        held
    }
}

/// Whether what is kept in one layer is part of what another layer holds.
#[must_use]
pub fn belongs(kept: Layer, wanted: Layer) -> bool {
    match wanted {
        Layer::Total(tier) => kept.tier() <= tier,
        Layer::Spread(_) => kept == wanted,
    }
}

/// The part of a spread cell that lies in `[from_s, to_s)`, as seen from finer steps.
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

    fn n_of(open: &OpenBuckets, layer: Layer, start_s: i64, series: SeriesId) -> f64 {
        let is_wanted = |(start, id, _): &(i64, SeriesId, &Cell)| (*start, *id) == (start_s, series);
        let covers = open.layer(layer).into_iter().filter(is_wanted).filter_map(|(_, _, cell)| cell.cover);
        covers.map(|cover| cover.n).sum()
    }

    #[test]
    fn coarser_totals_hold_all_that_finer_layers_hold() {
        let mut open = OpenBuckets::default();
        let t = 1_792_540_800.0;
        let never = || unreachable!("there is room");
        open.add(1, &Point { n: 7200.0, d: 1.0, p: Some(7200.0), t }, &[], 9, never, |_, _, _, _| ());
        open.add(1, &Point { n: 5.0, d: 1.0, p: None, t: t - 1.0 }, &[], 9, never, |_, _, _, _| ());
        let of_hour = |start_s| n_of(&open, Layer::Total(Tier::H1), start_s, 1);
        assert_eq!(of_hour(1_792_540_800 - 3600), 3605.0);
        assert_eq!(of_hour(1_792_540_800 - 7200), 3600.0);
        assert_eq!(open.layer(Layer::Spread(Tier::H1)).len(), 2);
        assert_eq!(open.layer(Layer::Spread(Tier::M1)).len(), 0);
    }

    #[test]
    fn a_full_bucket_gives_new_series_to_the_overflow_and_keeps_the_sum() {
        const OVERFLOW: SeriesId = 99;
        let t = 1_792_540_800.0;
        let mut open = OpenBuckets::default();
        let mut add =
            |series, n, p, t| open.add(series, &Point { n, d: 1.0, p, t }, &[], 2, || OVERFLOW, |_, _, _, _| ());
        assert!(!add(1, 1.0, None, t) && !add(2, 2.0, None, t) && !add(1, 4.0, None, t));
        assert!(add(3, 8.0, None, t), "the bucket has two series");
        assert!(add(4, 16.0, None, t) && !add(4, 32.0, None, t + 10.0));
        assert!(add(5, 60.0, Some(20.0), t + 10.0), "one of the two buckets of this period is full");
        assert_eq!(open.cells(), 6);
        let n = |series| n_of(&open, Layer::Total(Tier::D1), 1_792_540_800, series);
        assert_eq!([1, 2, 3, 4, 5, OVERFLOW].map(n), [5.0, 2.0, 0.0, 32.0, 0.0, 8.0 + 16.0 + 30.0]);
    }
}
