//! A query of a stream, and its evaluation over cells.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::cell::Cell;
use super::grid::{Grid, GridError, MAX_GRID_CELLS, MAX_QUERY_CELLS, SKETCH_UNIT_BYTES};
use super::labels::Labels;
use super::matcher::Matcher;
use super::open::{SeriesId, share};
use super::pattern::TooManySteps;
use super::sketches::Wanted;
use super::sparse::Sparse;
use super::tier::{Layer, Tier, floor_to};
use super::window::Window;

/// How series are grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// By the labels with these names; none gives one group.
    Names(Vec<String>),
    /// By every label: one group per series.
    All,
}

/// Which points, at which steps, in which groups.
#[derive(Clone, Debug)]
pub struct Query {
    /// The time window.
    pub window: Window,
    /// The conditions that a series' labels must all satisfy.
    pub matchers: Vec<Matcher>,
    /// The grouping.
    pub by: By,
    /// The sketches.
    pub sketches: Wanted,
}

impl Query {
    /// Checks that [`Self::group_of`] gave the true group of all series; see [`Matcher::check_all`].
    ///
    /// # Errors
    /// [`TooManySteps`]
    pub fn check(&self) -> Result<(), TooManySteps> {
        Matcher::check_all(&self.matchers)
    }

    /// The steps left for its expressions.
    #[must_use]
    pub fn steps_left(&self) -> u64 {
        Matcher::steps_left(&self.matchers)
    }

    /// The group of a series; `None` if it does not match.
    #[must_use]
    pub fn group_of(&self, labels: &Labels) -> Option<Labels> {
        self.matchers.iter().all(|matcher| matcher.accepts(labels)).then(|| match &self.by {
            By::Names(names) => labels.only(names),
            By::All => labels.clone(),
        })
    }
}

/// The groups of the series that a query selects.
#[derive(Clone, Default)]
pub struct Groups {
    of: Sparse<Option<u32>>,
    /// For ids of series that no longer exist.
    overflow: Option<u32>,
}

impl Groups {
    fn push(&mut self, series: SeriesId, labels: &Labels, group: Option<u32>) {
        if labels.is_overflow() {
            self.overflow = group;
        }
        self.of.skip_to(series);
        self.of.push(group);
    }

    fn bytes(&self) -> usize {
        self.of.len() * size_of::<Option<u32>>() + self.of.next() as usize / 4
    }

    fn get(&self, series: SeriesId) -> Option<u32> {
        self.of.get(series).map_or(self.overflow, |group| *group)
    }

    /// Whether the query selects a series.
    #[must_use]
    pub fn wants(&self, series: SeriesId) -> bool {
        self.get(series).is_some()
    }
}

/// Collects the cells that a query selects into a grid.
pub struct Collector {
    window: Window,
    groups: Rc<Groups>,
    grid: Grid,
    /// Cells of coarser tiers by group, tier and start. They are divided only after all series are added, which
    /// costs groups x steps, which is bounded, and not series x steps.
    spreads: FxHashMap<(u32, Tier, i64), Cell>,
    /// The only wanted steps, in order; `None` for all of the window.
    only: Option<Vec<u32>>,
    /// How many more cells it may accept, and whether sketches count.
    cells_left: usize,
    has_sketches: bool,
}

impl Collector {
    /// A collector for the series of a dictionary, in the order of their ids.
    #[inline(never)]
    pub fn new<'a>(query: &Query, dictionary: impl Iterator<Item = (SeriesId, &'a Labels)>) -> Self {
        Self::of(query, dictionary.map(|(series, labels)| (series, labels, true)))
    }

    /// A collector that only groups series that were `touched`: of many series, few have news.
    pub fn of_touched<'a>(
        query: &Query,
        dictionary: impl Iterator<Item = (SeriesId, &'a Labels)>,
        touched: &[bool],
    ) -> Self {
        Self::of(query, dictionary.zip(touched).map(|((series, labels), is_touched)| (series, labels, *is_touched)))
    }

    fn of<'a>(query: &Query, dictionary: impl Iterator<Item = (SeriesId, &'a Labels, bool)>) -> Self {
        let mut collector = Self::of_nothing(query);
        for (series, labels, is_touched) in dictionary {
            let group = is_touched.then(|| query.group_of(labels)).flatten();
            collector.push(series, labels, group);
        }
        collector
    }

    /// A collector that knows no series yet: see [`Self::learn`].
    #[must_use]
    pub fn of_nothing(query: &Query) -> Self {
        Self {
            window: query.window,
            groups: Rc::default(),
            grid: Grid::new(query.sketches),
            spreads: FxHashMap::default(),
            only: None,
            cells_left: MAX_QUERY_CELLS,
            has_sketches: query.sketches != Wanted::default(),
        }
    }

    /// Assigns the next series of a dictionary to its group.
    pub fn learn(&mut self, query: &Query, series: SeriesId, labels: &Labels) {
        self.push(series, labels, query.group_of(labels));
    }

    fn push(&mut self, series: SeriesId, labels: &Labels, group: Option<Labels>) {
        let group = group.map(|group| self.grid.group(group));
        Rc::make_mut(&mut self.groups).push(series, labels, group);
    }

    /// Restricts it to the steps that start at these sorted times.
    #[must_use]
    pub fn only(mut self, times: &[i64]) -> Self {
        let is_inside = |at_s: &&i64| (self.window.from_s()..self.window.to_s()).contains(*at_s);
        self.only = Some(times.iter().filter(is_inside).map(|at_s| self.window.step_of(*at_s)).collect());
        self
    }

    /// The groups of the series that the query selects.
    #[must_use]
    pub fn groups(&self) -> Rc<Groups> {
        Rc::clone(&self.groups)
    }

    /// The approximate memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let spread = 2 * size_of::<((u32, Tier, i64), Cell)>();
        self.grid.bytes() + self.groups.bytes() + self.spreads.len() * spread
    }

    /// Adds a bucket's cell of a series, if the query selects it. The layer is one of [`Window::layers`], or a
    /// finer total.
    ///
    /// # Errors
    /// See [`GridError`].
    pub fn add(&mut self, layer: Layer, start_s: i64, series: SeriesId, cell: &Cell) -> Result<(), GridError> {
        let Some(group) = self.groups.get(series) else { return Ok(()) };
        let end_s = start_s + layer.tier().width_s();
        if end_s <= self.window.from_s() || start_s >= self.window.to_s() {
            return Ok(());
        }
        match layer {
            Layer::Spread(tier) | Layer::EarlierSpread(tier) if tier > self.window.tier() => {
                self.add_spread((group, tier, start_s), cell)
            }
            _ => self.add_step(group, self.window.step_of(start_s), cell),
        }
    }

    /// Subtracts the work of a cell from the allowance; unwanted sketches are not merged.
    fn take(&mut self, cell: &Cell) -> Result<(), GridError> {
        let units = if self.has_sketches { 1 + cell.sketch_bytes() / SKETCH_UNIT_BYTES } else { 1 };
        self.cells_left = self.cells_left.checked_sub(units).ok_or(GridError::TooMuchWork)?;
        Ok(())
    }

    fn add_step(&mut self, group: u32, step: u32, cell: &Cell) -> Result<(), GridError> {
        self.take(cell)?;
        let is_wanted = self.only.as_ref().is_none_or(|only| only.binary_search(&step).is_ok());
        if is_wanted { self.grid.add(group, step, cell) } else { Ok(()) }
    }

    fn add_spread(&mut self, place: (u32, Tier, i64), cell: &Cell) -> Result<(), GridError> {
        self.take(cell)?;
        if self.spreads.len() >= MAX_GRID_CELLS && !self.spreads.contains_key(&place) {
            return Err(GridError::TooManyCells);
        }
        let plain = Wanted::default();
        self.spreads
            .entry(place)
            .and_modify(|there| there.merge_wanted(cell, plain))
            .or_insert_with(|| cell.kept(plain));
        Ok(())
    }

    /// The collected grid.
    ///
    /// # Errors
    /// See [`GridError`].
    pub fn finish(mut self) -> Result<Grid, GridError> {
        for ((group, tier, start_s), cell) in std::mem::take(&mut self.spreads) {
            self.divide(group, tier, start_s, &cell)?;
        }
        Ok(self.grid)
    }

    fn divide(&mut self, group: u32, tier: Tier, start_s: i64, cell: &Cell) -> Result<(), GridError> {
        let (from_s, to_s, step_s) = (self.window.from_s(), self.window.to_s(), self.window.step_s());
        let mut at_s = floor_to(start_s, step_s).max(from_s);
        while at_s < (start_s + tier.width_s()).min(to_s) {
            if let Some(part) = share(cell, tier, start_s, at_s, at_s + step_s) {
                self.add_step(group, self.window.step_of(at_s), &part)?;
            }
            at_s += step_s;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Row;
    use crate::open::{OpenBuckets, Owner};
    use crate::point::Point;
    use proptest::prelude::*;

    const NOW: i64 = 1_792_540_800;

    fn collect(open: &OpenBuckets, window: Window) -> Vec<Row> {
        let query = Query { window, matchers: Vec::new(), by: By::All, sketches: Wanted::default() };
        let mut collector = Collector::new(&query, [(0, &Labels::default())].into_iter());
        for (layer, start_s, bucket) in open.iter() {
            for (series, cell) in bucket {
                collector.add(layer, start_s, *series, cell).expect("fits");
            }
        }
        collector.finish().expect("fits").into_rows()
    }

    proptest! {
        #[test]
        fn at_any_step_the_window_has_the_sum_of_its_points(
            points in proptest::collection::vec((-1000i32..1000, proptest::option::of(1u32..86_400), 0u32..20_000), 1..20),
            step in prop::sample::select(vec![10i64, 30, 60, 90, 120, 600, 700, 3600, 5400, 86_400]),
        ) {
            let mut open = OpenBuckets::default();
            let mut n = 0.0;
            for (value, p, age) in &points {
                n += f64::from(*value);
                #[expect(clippy::cast_precision_loss)]
                let t = NOW as f64 - f64::from(*age) - 0.5;
                open.add(Owner { series: 0, is_established: true }, &Point { n: f64::from(*value), d: 1.0, p: p.map(f64::from), t }, &[], 1, || 0, |_, _, _, _| ());
            }
            // The reach of a point in this test.
            let from_s = NOW - 86_400 - 20_010;
            let window = Window::aligned(floor_to(from_s, step), floor_to(NOW + step, step), step).expect("aligned");
            let rows = collect(&open, window);
            let sum: f64 = rows[0].1.iter().filter_map(|(_, cell)| cell.cover).map(|cover| cover.n).sum();
            let count: u64 = rows[0].1.iter().map(|(_, cell)| cell.count).sum();
            let size: f64 = points.iter().map(|(value, _, _)| f64::from(value.abs())).sum();
            prop_assert!((sum - n).abs() <= 1e-9 * size.max(1.0), "{sum} is not {n}");
            prop_assert_eq!(count, points.len() as u64);
        }
    }

    #[test]
    fn a_query_that_would_merge_too_many_cells_is_rejected() {
        let window = Window::aligned(NOW - 3600, NOW, 3600).expect("valid");
        let query = Query { window, matchers: Vec::new(), by: By::Names(Vec::new()), sketches: Wanted::default() };
        let point = Point { n: 1.0, d: 1.0, p: Some(10.0), t: 0.0 };
        let mut collector = Collector::new(&query, [(0, &Labels::default())].into_iter());
        let layer = query.window.layers().into_iter().next().expect("one");
        let mut add = |series| collector.add(layer, NOW - 3600, series, &Cell::of(&point));
        for _ in 0..MAX_QUERY_CELLS {
            add(0).expect("fits");
        }
        add(1).expect("of a series that is not wanted");
        assert_eq!(add(0), Err(GridError::TooMuchWork));
    }

    #[test]
    fn a_long_period_appears_in_every_bucket_it_covers() {
        let mut open = OpenBuckets::default();
        #[expect(clippy::cast_precision_loss)]
        open.add(
            Owner { series: 0, is_established: true },
            &Point { n: 3600.0, d: 1.0, p: Some(3600.0), t: NOW as f64 },
            &[],
            1,
            || 0,
            |_, _, _, _| (),
        );
        let rows = collect(&open, Window::aligned(NOW - 3600, NOW, 10).expect("valid"));
        assert_eq!(rows[0].1.len(), 360);
        assert!(rows[0].1.iter().all(|(_, cell)| (cell.cover.expect("covered").n - 10.0).abs() < 1e-9));
    }
}
