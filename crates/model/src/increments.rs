//! Recent increments: cells as the open buckets receive them, between positions in the stream, so that a reader who
//! saw the stream at one position can get what came since. They are kept only in memory, only while somebody asks,
//! and bounded: a reader at a position that is no longer kept must read everything again.
//!
//! A position is a number of points: all points that the stream had at that moment.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use super::cell::Cell;
use super::open::{Bucket, SeriesId};
use super::sketches::Wanted;
use super::tier::Layer;

/// How long increments are kept after the last request for them.
pub const INTEREST_MS: i64 = 60_000;
/// With this many positions or more, requests within [`SHARED_MS`] share one.
const CROWDED: usize = 250;
const SHARED_MS: i64 = 1_000;

/// Limits on what is kept.
#[derive(Clone, Copy, Debug)]
pub struct IncrementLimits {
    /// The most cells, of some 100 bytes each: 2 MB.
    pub cells: usize,
    /// The most positions, of some 1,000 bytes each. When crowded, at most one is added per second, so they cover
    /// ten minutes.
    pub positions: usize,
}

impl IncrementLimits {
    /// See [`Self`].
    pub const DEFAULT: Self = Self { cells: 20_000, positions: CROWDED + 600 };
}

/// See the module's documentation.
pub struct Increments {
    limits: IncrementLimits,
    /// In the order of their positions; new increments go to the last one.
    spans: VecDeque<Span>,
    cells: usize,
    until_ms: i64,
}

/// What was added between a position and the next.
struct Span {
    from: i64,
    made_ms: i64,
    buckets: BTreeMap<(Layer, i64), Bucket>,
    cells: usize,
}

impl Increments {
    /// The number of cells kept.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Nothing kept, and nobody asking.
    #[must_use]
    pub fn new(limits: IncrementLimits) -> Self {
        Self { limits, spans: VecDeque::new(), cells: 0, until_ms: 0 }
    }

    /// Notes a request: from now on, increments are kept for a while. The stream is at position `at`.
    pub fn watch(&mut self, at: i64, now_ms: i64) {
        self.until_ms = now_ms + INTEREST_MS;
        if self.spans.is_empty() {
            self.begin(at, now_ms);
        }
    }

    /// Called before something is added: forgets everything if nobody has asked for a while.
    pub fn expire(&mut self, now_ms: i64) {
        if now_ms > self.until_ms {
            self.clear();
        }
    }

    /// Forgets everything until the next request.
    pub fn clear(&mut self) {
        self.spans.clear();
        self.cells = 0;
    }

    /// Adds what a bucket of a series received. Sketches are left out, as they can't be computed from differences.
    #[inline]
    pub fn add(&mut self, layer: Layer, start_s: i64, series: SeriesId, cell: &Cell) {
        if !self.spans.is_empty() {
            self.add_kept(layer, start_s, series, cell);
        }
    }

    fn add_kept(&mut self, layer: Layer, start_s: i64, series: SeriesId, cell: &Cell) {
        let Some(span) = self.spans.back_mut() else { return };
        match span.buckets.entry((layer, start_s)).or_default().entry(series) {
            Entry::Occupied(mut there) => there.get_mut().merge_wanted(cell, Wanted::default()),
            Entry::Vacant(place) => {
                place.insert(cell.kept(Wanted::default()));
                span.cells += 1;
                self.cells += 1;
            }
        }
        while self.cells > self.limits.cells {
            self.forget_oldest();
        }
    }

    /// The position up to which [`Self::since`] returns increments: the stream's own, `at`. When crowded, and
    /// unless it must be `exact`, one from a moment ago.
    pub fn position(&mut self, at: i64, now_ms: i64, exact: bool) -> i64 {
        if let Some(last) = self.spans.back() {
            let is_shared = !exact && self.spans.len() > CROWDED && now_ms < last.made_ms + SHARED_MS;
            if last.from == at || is_shared {
                return last.from;
            }
            self.begin(at, now_ms);
        }
        at
    }

    /// What was added between a position and the last one returned; `None` if the position is not kept.
    #[must_use]
    pub fn since(
        &self,
        position: i64,
    ) -> Option<impl Iterator<Item = (Layer, i64, SeriesId, &Cell)> + Clone + use<'_>> {
        let first = self.spans.binary_search_by_key(&position, |span| span.from).ok()?;
        let told = self.spans.range(first..self.spans.len() - 1);
        let buckets = told.flat_map(|span| &span.buckets);
        Some(buckets.flat_map(|((layer, start_s), bucket)| {
            bucket.iter().map(|(series, cell)| (*layer, *start_s, *series, cell))
        }))
    }

    fn begin(&mut self, from: i64, made_ms: i64) {
        self.spans.push_back(Span { from, made_ms, buckets: BTreeMap::new(), cells: 0 });
        if self.spans.len() > self.limits.positions {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        self.cells -= self.spans.pop_front().map_or(self.cells, |span| span.cells);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::Tier;

    const LAYER: Layer = Layer::Total(Tier::S10);

    fn counted(increments: &Increments, position: i64) -> Option<i64> {
        let counts = increments.since(position)?.map(|(_, _, _, cell)| i64::try_from(cell.count).expect("few"));
        Some(counts.sum())
    }

    fn add(increments: &mut Increments, start_s: i64) {
        increments.add(LAYER, start_s, 7, &Cell::plain(1, None));
    }

    #[test]
    fn exactly_the_increments_since_a_position_are_returned() {
        let mut increments = Increments::new(IncrementLimits::DEFAULT);
        add(&mut increments, 0);
        assert_eq!(increments.since(1).map(Iterator::count), None, "nobody asked");
        increments.watch(1, 0);
        assert_eq!((increments.position(1, 0, true), counted(&increments, 1)), (1, Some(0)));
        add(&mut increments, 0);
        add(&mut increments, 10);
        assert_eq!(counted(&increments, 1), Some(0), "only up to a position that is told");
        assert_eq!((increments.position(3, 0, false), counted(&increments, 1)), (3, Some(2)));
        add(&mut increments, 10);
        assert_eq!(increments.position(4, 0, false), 4);
        assert_eq!([1, 2, 3, 4, 5].map(|at| counted(&increments, at)), [Some(3), None, Some(1), Some(0), None]);
        increments.expire(INTEREST_MS);
        assert_eq!(counted(&increments, 1), Some(3));
        increments.expire(INTEREST_MS + 1);
        assert_eq!(counted(&increments, 4), None);
        increments.watch(9, 0);
        assert_eq!((counted(&increments, 1), counted(&increments, 9)), (None, Some(0)));
    }

    #[test]
    fn increments_kept_for_live_readers_are_bounded() {
        let mut increments = Increments::new(IncrementLimits { cells: 3, positions: 2 });
        increments.watch(0, 0);
        add(&mut increments, 0);
        increments.position(1, 0, true);
        (1..4).for_each(|start_s| add(&mut increments, start_s));
        assert_eq!((counted(&increments, 0), increments.position(4, 0, true)), (None, 4));
        assert_eq!((counted(&increments, 1), counted(&increments, 4)), (Some(3), Some(0)));
        increments.position(5, 0, true);
        assert_eq!(counted(&increments, 1), None, "there are two positions");
        (0..4).for_each(|start_s| add(&mut increments, start_s));
        assert_eq!((increments.position(9, 0, true), increments.since(9).map(Iterator::count)), (9, None));
        increments.watch(9, 0);
        assert_eq!(counted(&increments, 9), Some(0));
    }

    #[test]
    fn crowded_readers_share_a_position_unless_it_must_be_exact() {
        let mut increments = Increments::new(IncrementLimits::DEFAULT);
        increments.watch(0, 0);
        let last = (1..=300).fold(0, |_, at| {
            add(&mut increments, 0);
            increments.position(at, 0, false)
        });
        assert_eq!(last, i64::try_from(CROWDED).expect("few"));
        assert_eq!(counted(&increments, 5), Some(last - 5));
        assert_eq!(increments.position(301, SHARED_MS, false), 301);
        add(&mut increments, 0);
        assert_eq!(increments.position(302, SHARED_MS, true), 302);
    }
}
