//! The totals of each tier from those of the next finer one, for a seal.

use super::cell::Cell;
use super::open::{OpenBuckets, SeriesId};
use super::tier::{Layer, Tier};

/// Walks the layers that open buckets are sealed into. It holds the totals of one tier above the finest.
pub struct Cascade {
    tier: Tier,
    /// Its totals by series and bucket, in that order; empty for the finest tier, which open buckets have.
    totals: Vec<(i64, SeriesId, Cell)>,
    sketch_bytes: usize,
}

impl Default for Cascade {
    fn default() -> Self {
        Self { tier: Tier::FINEST, totals: Vec::new(), sketch_bytes: 0 }
    }
}

impl Cascade {
    /// The contents of a layer of the current tier: start of the bucket, series and cell.
    #[must_use]
    pub fn layer<'a>(&'a self, layer: Layer, open: &'a OpenBuckets) -> Vec<(i64, SeriesId, &'a Cell)> {
        match layer {
            Layer::Total(tier) if tier == self.tier && tier != Tier::FINEST => {
                self.totals.iter().map(|(start_s, series, cell)| (*start_s, *series, cell)).collect()
            }
            _ => open.layer(layer),
        }
    }

    /// Goes on to the next tier, if there is one: its totals are those of this tier, and this tier's spreads.
    pub fn go_on(&mut self, open: &OpenBuckets) {
        let Some(next) = Tier::ALL.into_iter().find(|tier| *tier > self.tier) else { return };
        let mut finer = self.layer(Layer::Total(self.tier), open);
        finer.extend(open.layer(Layer::Spread(self.tier)));
        for (start_s, ..) in &mut finer {
            *start_s = next.bucket_of(*start_s);
        }
        // Stable, as sums are rounded in the order of their parts.
        finer.sort_by_key(|(start_s, series, _)| (*series, *start_s));
        let of_bucket = finer.chunk_by(|one, other| (one.1, one.0) == (other.1, other.0));
        let totals = of_bucket.filter_map(|cells| {
            let (start_s, series, _) = cells[0];
            Some((start_s, series, Cell::merged(cells.iter().map(|(.., cell)| *cell))?))
        });
        self.totals = totals.collect();
        self.sketch_bytes = self.totals.iter().map(|(.., cell)| cell.sketch_bytes()).sum();
        self.tier = next;
    }

    /// The number of cells that it holds.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.totals.len()
    }

    /// The memory that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.totals.capacity() * size_of::<(i64, SeriesId, Cell)>() + self.sketch_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::open::Owner;
    use crate::point::Point;
    use crate::testing::merge_into;

    /// Merged by place; sums of shares of periods differ in their last bits, as they are added in another order.
    fn merged(cells: Vec<(i64, SeriesId, &Cell)>) -> BTreeMap<(i64, SeriesId), Option<Cell>> {
        let mut all: BTreeMap<_, Option<Cell>> = BTreeMap::new();
        for (start_s, series, cell) in cells {
            merge_into(all.entry((start_s, series)).or_default(), cell.clone());
        }
        for cover in all.values_mut().flatten().filter_map(|cell| cell.cover.as_mut()) {
            [cover.n, cover.d] = [cover.n, cover.d].map(|sum| (sum * 1e6).round() / 1e6);
        }
        all
    }

    proptest! {
        #[test]
        fn each_layer_is_what_the_open_buckets_have_of_it(
            points in proptest::collection::vec((0u32..3, -9i32..9, 0i32..90_000, 0i32..9_000), 1..40),
        ) {
            let mut open = OpenBuckets::default();
            for (series, n, t, p) in points {
                let owner = Owner { series, is_established: true };
                let (p, t) = (f64::from(p), 1_792_540_800.0 + f64::from(t));
                let point = Point { n: f64::from(n) * p.max(1.0), d: p.max(1.0), p: (p > 0.0).then_some(p), t };
                open.add(owner, &point, &[], 9, || unreachable!("there is room"), |_, _, _, _| ());
            }
            let mut cascade = Cascade::default();
            for tier in Tier::ALL {
                for layer in [Layer::Total(tier), Layer::Spread(tier)] {
                    prop_assert_eq!(merged(cascade.layer(layer, &open)), merged(open.layer(layer)), "{:?}", layer);
                }
                cascade.go_on(&open);
            }
        }
    }
}
