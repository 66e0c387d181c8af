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
    /// Adds a point of a series, with the values of the labels whose values are counted.
    pub fn add(&mut self, series: SeriesId, point: &Point, marks: &[Mark]) {
        spread(point, |layer, start_s, cell| {
            self.pieces += 1;
            let marks = if cell.count > 0 { marks } else { &[] };
            let bucket = self.buckets.entry((layer, start_s)).or_default();
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

    /// Hands on what each layer's buckets hold, by their start. Each tier is merged from the next finer one, and two of them are
    /// in memory at a time. Stops at the first error.
    ///
    /// # Errors
    /// What `put` returns.
    pub fn each_layer<E>(&self, mut put: impl FnMut(Layer, BTreeMap<i64, Bucket>) -> Result<(), E>) -> Result<(), E> {
        let mut totals = self.kept(Layer::Total(Tier::FINEST));
        for (at, tier) in Tier::ALL.into_iter().enumerate() {
            let next = Tier::ALL.get(at + 1).map(|coarser| self.coarser(*coarser, &totals));
            put(Layer::Total(tier), totals)?;
            put(Layer::Spread(tier), self.kept(Layer::Spread(tier)))?;
            totals = next.unwrap_or_default();
        }
        Ok(())
    }

    /// The buckets of a layer that are kept up, by their start.
    fn kept(&self, layer: Layer) -> BTreeMap<i64, Bucket> {
        let of_layer = self.buckets.range((layer, i64::MIN)..=(layer, i64::MAX));
        of_layer.map(|((_, start_s), bucket)| (*start_s, bucket.clone())).collect()
    }

    /// The totals of a tier by their start, from those of the next finer one.
    fn coarser(&self, tier: Tier, finer: &BTreeMap<i64, Bucket>) -> BTreeMap<i64, Bucket> {
        let mut merged = self.kept(Layer::Spread(tier));
        for (start_s, bucket) in finer {
            let target = merged.entry(tier.bucket_of(*start_s)).or_default();
            for (series, cell) in bucket {
                target.entry(*series).and_modify(|there| there.merge(cell)).or_insert_with(|| cell.clone());
            }
        }
        merged
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

    #[test]
    fn coarser_totals_hold_all_that_finer_layers_hold() {
        let mut open = OpenBuckets::default();
        let t = 1_792_540_800.0;
        open.add(1, &Point { n: 7200.0, d: 1.0, p: Some(7200.0), t }, &[]);
        open.add(1, &Point { n: 5.0, d: 1.0, p: None, t: t - 1.0 }, &[]);
        let mut layers = BTreeMap::new();
        open.each_layer::<()>(|layer, buckets| {
            layers.insert(layer, buckets);
            Ok(())
        })
        .expect("no error");
        let hours = &layers[&Layer::Total(Tier::H1)];
        let of_hour = |start_s: i64| hours[&start_s][&1].cover.expect("covered").n;
        assert_eq!(of_hour(1_792_540_800 - 3600), 3605.0);
        assert_eq!(of_hour(1_792_540_800 - 7200), 3600.0);
        assert_eq!(layers[&Layer::Spread(Tier::H1)].len(), 2);
        assert_eq!(layers[&Layer::Spread(Tier::M1)].len(), 0);
    }
}
