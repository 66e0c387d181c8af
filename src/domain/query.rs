//! A question about a stream, and its evaluation over cells.

use super::cell::{Cell, Extent};
use super::grid::{Grid, Row, TooManyCells, fold};
use super::labels::Labels;
use super::matcher::Matcher;
use super::open::{SeriesId, share};
use super::tier::{Layer, Tier, floor_to};

/// A window has at most this many steps: a month of 5 minutes, or 30 hours of 10 seconds.
pub const MAX_STEPS: i64 = 11_000;
/// Without a step the smallest is taken that gives at most this many.
pub const DEFAULT_STEPS: i64 = 360;

/// A half-open span of time cut into equal steps. Aligned: both ends are multiples of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from_s: i64,
    to_s: i64,
    step_s: i64,
}

/// Why a window is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Nothing between the ends.
    #[error("`from` must be before `to`")]
    Empty,
    /// A step that buckets can't add up to.
    #[error("`step` must be a multiple of 10 seconds, not {0} seconds")]
    Step(i64),
    /// More steps than [`MAX_STEPS`].
    #[error("the window has {0} steps, at most {MAX_STEPS} are allowed: ask for a wider `step` or a shorter window")]
    TooManySteps(i64),
    /// Finer than what is kept of that time.
    #[error(
        "steps of {step_s} s are kept for {kept_s} s, and `from` is longer ago: ask for a `step` that is a multiple of {offer_s} s, or a later `from`"
    )]
    NotKept {
        /// The width that was asked for.
        step_s: i64,
        /// How long its tier is kept.
        kept_s: i64,
        /// The width of the finest tier that still has `from`.
        offer_s: i64,
    },
}

impl Window {
    /// The window from `from_s` to `to_s`, widened to whole steps, at `now_s`. Without a step, the smallest
    /// that gives at most [`DEFAULT_STEPS`] and that is kept for as long as the window reaches back.
    ///
    /// # Errors
    /// See [`WindowError`].
    pub fn new(from_s: i64, to_s: i64, step_s: Option<i64>, now_s: i64) -> Result<Self, WindowError> {
        if from_s >= to_s {
            return Err(WindowError::Empty);
        }
        let kept = finest_kept(from_s, now_s);
        let step_s = step_s.unwrap_or_else(|| default_step(to_s - from_s, kept));
        check_step(step_s)?;
        let window = Self::aligned(floor_to(from_s, step_s), ceil_to(to_s, step_s), step_s)?;
        match window.tier().retention_s() {
            Some(kept_s) if window.tier() < kept => {
                Err(WindowError::NotKept { step_s, kept_s, offer_s: kept.width_s() })
            }
            _ => Ok(window),
        }
    }

    /// A window as [`Self::new`] made it.
    ///
    /// # Errors
    /// When its ends are no multiples of the step, or it is too long.
    pub fn aligned(from_s: i64, to_s: i64, step_s: i64) -> Result<Self, WindowError> {
        check_step(step_s)?;
        if from_s % step_s != 0 || to_s % step_s != 0 || from_s >= to_s {
            return Err(WindowError::Empty);
        }
        let window = Self { from_s, to_s, step_s };
        if window.steps() > MAX_STEPS { Err(WindowError::TooManySteps(window.steps())) } else { Ok(window) }
    }

    /// The start, Unix seconds.
    #[must_use]
    pub fn from_s(&self) -> i64 {
        self.from_s
    }

    /// The end, Unix seconds, not included.
    #[must_use]
    pub fn to_s(&self) -> i64 {
        self.to_s
    }

    /// The width of a step in seconds.
    #[must_use]
    pub fn step_s(&self) -> i64 {
        self.step_s
    }

    /// How many steps there are.
    #[must_use]
    pub fn steps(&self) -> i64 {
        (self.to_s - self.from_s) / self.step_s
    }

    /// The starts of the steps.
    pub fn times(&self) -> impl Iterator<Item = i64> + use<> {
        let Self { from_s, step_s, .. } = *self;
        (0..self.steps()).map(move |step| from_s + step * step_s)
    }

    /// The tier that answers.
    #[must_use]
    pub fn tier(&self) -> Tier {
        Tier::for_step(self.step_s)
    }

    /// The layers that hold what the window asks for: its tier's totals, and the spreads of coarser tiers.
    #[must_use]
    pub fn layers(&self) -> Vec<Layer> {
        let spreads = Tier::ALL.into_iter().filter(|tier| *tier > self.tier()).map(Layer::Spread);
        std::iter::once(Layer::Total(self.tier())).chain(spreads).collect()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "only called within the window")]
    fn step_of(&self, at_s: i64) -> u32 {
        ((at_s - self.from_s) / self.step_s) as u32
    }
}

fn check_step(step_s: i64) -> Result<(), WindowError> {
    let is_valid = step_s > 0 && step_s % Tier::FINEST.width_s() == 0;
    if is_valid { Ok(()) } else { Err(WindowError::Step(step_s)) }
}

fn default_step(width_s: i64, kept: Tier) -> i64 {
    let unit_s = kept.width_s();
    ceil_to((width_s + DEFAULT_STEPS - 1) / DEFAULT_STEPS, unit_s).max(unit_s)
}

fn finest_kept(from_s: i64, now_s: i64) -> Tier {
    let is_kept = |tier: &Tier| tier.retention_s().is_none_or(|kept_s| from_s >= now_s - kept_s);
    Tier::ALL.into_iter().find(is_kept).unwrap_or(Tier::D1)
}

fn ceil_to(at_s: i64, width_s: i64) -> i64 {
    -floor_to(-at_s, width_s)
}

/// How series are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// By the labels with these names; none gives one group.
    Names(Vec<String>),
    /// By every label: one group a series.
    All,
}

/// Which points, in which steps, in which groups.
#[derive(Clone, Debug)]
pub struct Query {
    /// The time.
    pub window: Window,
    /// What a series' labels must all satisfy.
    pub matchers: Vec<Matcher>,
    /// The grouping.
    pub by: By,
}

impl Query {
    /// The group of a series, `None` when it does not match.
    #[must_use]
    pub fn group_of(&self, labels: &Labels) -> Option<Labels> {
        self.matchers.iter().all(|matcher| matcher.accepts(labels)).then(|| match &self.by {
            By::Names(names) => labels.only(names),
            By::All => labels.clone(),
        })
    }
}

/// Collects the cells that a query asks for into a grid.
pub struct Collector {
    window: Window,
    /// The group of each series, by its number.
    groups: Vec<Option<u32>>,
    grid: Grid,
}

impl Collector {
    /// A collector for the series of a dictionary, in the order of their numbers.
    pub fn new<'a>(query: &Query, dictionary: impl Iterator<Item = &'a Labels>) -> Self {
        let mut grid = Grid::default();
        let groups = dictionary.map(|labels| query.group_of(labels).map(|group| grid.group(group))).collect();
        Self { window: query.window, groups, grid }
    }

    /// Takes in a bucket's cell of a series, if the query asks for it. The layer is one of
    /// [`Window::layers`], or a finer total.
    ///
    /// # Errors
    /// [`TooManyCells`]
    pub fn add(&mut self, layer: Layer, start_s: i64, series: SeriesId, cell: &Cell) -> Result<(), TooManyCells> {
        let Some(group) = self.groups.get(series as usize).copied().flatten() else { return Ok(()) };
        let end_s = start_s + layer.tier().width_s();
        if end_s <= self.window.from_s || start_s >= self.window.to_s {
            return Ok(());
        }
        match layer {
            Layer::Spread(tier) if tier > self.window.tier() => self.add_shares(tier, start_s, group, cell),
            Layer::Spread(_) | Layer::Total(_) => self.grid.add(group, self.window.step_of(start_s), cell),
        }
    }

    fn add_shares(&mut self, tier: Tier, start_s: i64, group: u32, cell: &Cell) -> Result<(), TooManyCells> {
        let Window { from_s, to_s, step_s } = self.window;
        let mut at_s = floor_to(start_s, step_s).max(from_s);
        while at_s < (start_s + tier.width_s()).min(to_s) {
            if let Some(part) = share(cell, tier, start_s, at_s, at_s + step_s) {
                self.grid.add(group, self.window.step_of(at_s), &part)?;
            }
            at_s += step_s;
        }
        Ok(())
    }

    /// What was collected.
    #[must_use]
    pub fn finish(self) -> Grid {
        self.grid
    }
}

/// How a cell becomes a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Sum of n.
    Sum,
    /// Sum of n over sum of d.
    Ratio,
    /// Sum of n per second.
    Rate,
    /// Number of points.
    Count,
    /// Least n/d.
    Min,
    /// Greatest n/d.
    Max,
}

impl Aggregate {
    /// All aggregates, in the order of the documentation.
    pub const ALL: [Self; 6] = [Self::Sum, Self::Ratio, Self::Rate, Self::Count, Self::Min, Self::Max];

    /// Its name in requests and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Ratio => "ratio",
            Self::Rate => "rate",
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// The number that a cell of `width_s` seconds gives; `None` where there is none, such as a ratio over 0.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts and widths stay far below 2^53")]
    pub fn of(self, cell: &Cell, width_s: i64) -> Option<f64> {
        let cover = cell.cover;
        let extent = |pick: fn(Extent) -> f64| cover.and_then(|cover| cover.extent).map(pick);
        let value = match self {
            Self::Count => Some(cell.count as f64),
            Self::Sum => cover.map(|cover| cover.n),
            Self::Ratio => cover.map(|cover| cover.n / cover.d),
            Self::Rate => cover.map(|cover| cover.n / width_s as f64),
            Self::Min => extent(|extent| extent.min),
            Self::Max => extent(|extent| extent.max),
        };
        value.filter(|value| value.is_finite())
    }
}

/// A group in an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The labels that the group has in common; empty for the fold of the rest.
    pub labels: Labels,
    /// Whether this is the fold of the groups beyond the top ones.
    pub is_other: bool,
    /// The cells by step, in order.
    pub cells: Vec<(u32, Cell)>,
}

/// The `k` groups with the largest total of an aggregate over the window, largest first, and the rest folded
/// into one. Ties go by labels.
#[must_use]
pub fn top(rows: Vec<Row>, k: usize, by: Aggregate, window: &Window) -> Vec<Series> {
    let mut ranked: Vec<(f64, Row)> = rows.into_iter().map(|row| (total(&row.1, by, window), row)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.0.cmp(&b.1.0)));
    let rest = ranked.split_off(k.min(ranked.len()));
    let mut series: Vec<Series> =
        ranked.into_iter().map(|(_, (labels, cells))| Series { labels, is_other: false, cells }).collect();
    if !rest.is_empty() {
        let cells = fold(rest.into_iter().map(|(_, (_, cells))| cells));
        series.push(Series { labels: Labels::default(), is_other: true, cells });
    }
    series
}

fn total(cells: &[(u32, Cell)], by: Aggregate, window: &Window) -> f64 {
    let whole = cells.iter().map(|(_, cell)| *cell).reduce(|mut sum, cell| {
        sum.merge(&cell);
        sum
    });
    whole.and_then(|cell| by.of(&cell, window.to_s - window.from_s)).unwrap_or(f64::NEG_INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::open::OpenBuckets;
    use crate::domain::point::Point;
    use proptest::prelude::*;

    const NOW: i64 = 1_792_540_800;

    #[test]
    fn the_default_step_is_the_smallest_that_gives_at_most_360() {
        let step = |width_s: i64| Window::new(NOW - width_s, NOW, None, NOW).expect("valid").step_s();
        assert_eq!(step(3600), 10);
        assert_eq!(step(3601), 20);
        assert_eq!(step(86_400), 240);
        assert_eq!(step(7 * 86_400), 1680);
        assert_eq!(step(10), 10);
    }

    #[test]
    fn the_window_is_widened_to_whole_steps() {
        let window = Window::new(NOW - 61, NOW + 1, Some(60), NOW).expect("valid");
        assert_eq!((window.from_s(), window.to_s(), window.steps()), (NOW - 120, NOW + 60, 3));
        assert_eq!(window.times().collect::<Vec<_>>(), [NOW - 120, NOW - 60, NOW]);
    }

    #[test]
    fn windows_that_cannot_be_answered_are_refused() {
        assert_eq!(Window::new(NOW, NOW, None, NOW), Err(WindowError::Empty));
        assert_eq!(Window::new(NOW - 60, NOW, Some(15), NOW), Err(WindowError::Step(15)));
        assert_eq!(Window::new(NOW - 60, NOW, Some(0), NOW), Err(WindowError::Step(0)));
        assert!(Window::new(NOW - MAX_STEPS * 10, NOW, Some(10), NOW).is_ok());
        assert_eq!(Window::new(NOW - MAX_STEPS * 10 - 1, NOW, Some(10), NOW), Err(WindowError::TooManySteps(11_001)));
        let three_days_ago = NOW - 3 * 86_400;
        assert!(Window::new(three_days_ago, three_days_ago + 60, Some(60), NOW).is_ok());
        assert!(matches!(
            Window::new(three_days_ago, three_days_ago + 60, Some(10), NOW),
            Err(WindowError::NotKept { offer_s: 60, .. })
        ));
    }

    fn collect(open: &OpenBuckets, window: Window) -> Vec<Row> {
        let query = Query { window, matchers: Vec::new(), by: By::All };
        let mut collector = Collector::new(&query, [Labels::default()].iter());
        for (layer, start_s, bucket) in open.iter() {
            for (series, cell) in bucket {
                collector.add(layer, start_s, *series, cell).expect("fits");
            }
        }
        collector.finish().into_rows()
    }

    proptest! {
        #[test]
        fn whatever_the_step_the_sum_over_the_window_is_the_sum_of_the_points(
            points in proptest::collection::vec((-1000i32..1000, proptest::option::of(1u32..86_400), 0u32..86_400), 1..20),
            step in prop::sample::select(vec![10i64, 30, 60, 90, 120, 600, 700, 3600, 5400, 86_400]),
        ) {
            let mut open = OpenBuckets::default();
            let mut n = 0.0;
            for (value, p, age) in &points {
                n += f64::from(*value);
                #[expect(clippy::cast_precision_loss)]
                let t = NOW as f64 - f64::from(*age) - 0.5;
                open.add(0, &Point { n: f64::from(*value), d: 1.0, p: p.map(f64::from), t });
            }
            let from_s = NOW - 3 * 86_400;
            let window = Window { from_s: floor_to(from_s, step), to_s: ceil_to(NOW, step), step_s: step };
            let rows = collect(&open, window);
            let sum: f64 = rows[0].1.iter().filter_map(|(_, cell)| cell.cover).map(|cover| cover.n).sum();
            let count: u64 = rows[0].1.iter().map(|(_, cell)| cell.count).sum();
            let size: f64 = points.iter().map(|(value, _, _)| f64::from(value.abs())).sum();
            prop_assert!((sum - n).abs() <= 1e-9 * size.max(1.0), "{sum} is not {n}");
            prop_assert_eq!(count, points.len() as u64);
        }
    }

    #[test]
    fn a_long_period_shows_in_every_bucket_it_covers() {
        let mut open = OpenBuckets::default();
        #[expect(clippy::cast_precision_loss)]
        open.add(0, &Point { n: 3600.0, d: 1.0, p: Some(3600.0), t: NOW as f64 });
        let rows = collect(&open, Window::new(NOW - 3600, NOW, Some(10), NOW).expect("valid"));
        assert_eq!(rows[0].1.len(), 360);
        assert!(rows[0].1.iter().all(|(_, cell)| (cell.cover.expect("covered").n - 10.0).abs() < 1e-9));
    }

    #[test]
    fn aggregates_say_nothing_where_there_is_nothing_to_say() {
        let uncovered = Cell { count: 2, cover: None };
        assert_eq!(Aggregate::Count.of(&uncovered, 10), Some(2.0));
        assert_eq!(Aggregate::Sum.of(&uncovered, 10), None);
        let cell = Cell::of(&Point { n: 1234.0, d: 3.0, p: None, t: 0.0 });
        assert_eq!(Aggregate::Ratio.of(&cell, 10), Some(1234.0 / 3.0));
        assert_eq!(Aggregate::Rate.of(&cell, 10), Some(123.4));
        assert_eq!(Aggregate::Min.of(&cell, 10), Some(1234.0 / 3.0));
        let massless = Cell::of(&Point { n: 1.0, d: 0.0, p: None, t: 0.0 });
        assert_eq!(Aggregate::Ratio.of(&massless, 10), None);
        assert_eq!(Aggregate::Max.of(&massless, 10), None);
        assert_eq!(Aggregate::Sum.of(&massless, 10), Some(1.0));
    }

    #[test]
    fn the_rest_is_folded_and_marked() {
        let window = Window::new(NOW - 60, NOW, Some(10), NOW).expect("valid");
        let row = |name: &str, n: f64| -> Row {
            let cell = Cell::of(&Point { n, d: 1.0, p: None, t: 0.0 });
            (Labels::from_canonical(&format!("k\u{1f}{name}\u{1e}")), vec![(0, cell)])
        };
        let series = top(vec![row("a", 1.0), row("b", 5.0), row("c", 3.0)], 1, Aggregate::Sum, &window);
        let seen: Vec<(&str, bool, f64)> =
            series.iter().map(|s| (s.labels.value("k"), s.is_other, s.cells[0].1.cover.expect("covered").n)).collect();
        assert_eq!(seen, [("b", false, 5.0), ("", true, 4.0)]);
    }
}
