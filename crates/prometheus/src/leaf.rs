//! What a selector wants of a stream, and the series that its cells and totals make.

use std::collections::BTreeMap;

use model::grid::Row;
use model::labels::Labels;
use model::total::{Shown, Total};
use model::window::Window;

use super::ast::{RangeFunction, Selector};
use super::error::{Result, refuse};
use super::metric::Metric;
use super::plan::{Kept, Times, of_ranges, of_rest};
use super::select::Selected;
use super::value::{ABSENT, Series, exported_labels};

/// What is wanted of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// As `where` has them.
    pub matchers: Vec<String>,
    /// The labels to group by; `None` for all.
    pub by: Option<Vec<String>>,
    /// The buckets.
    pub windows: Vec<Window>,
    /// Whether what series have had since the stream began.
    pub has_totals: bool,
}

/// A part of a query that is answered by cells.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// What it needs.
    pub want: Want,
    metrics: Vec<Metric>,
    spans: Vec<(i64, i64)>,
    /// Of a range; a counter as it is has none.
    range: Option<(RangeFunction, i64)>,
}

/// What a stream has of what is wanted.
#[derive(Debug, Default)]
pub struct Found {
    groups: BTreeMap<Labels, u32>,
    rows: Vec<Cells>,
}

/// Of one group of series.
#[derive(Debug)]
struct Cells {
    labels: Labels,
    /// Starts of buckets in order, and all that is in them and before.
    sums: Vec<(i64, Total)>,
    total: Total,
}

impl Leaf {
    /// Of a selector, grouped by labels where that is what will be summed.
    ///
    /// # Errors
    /// A matcher that is none.
    pub fn of(
        selector: &Selector,
        range: Option<(RangeFunction, i64)>,
        by: Option<Vec<String>>,
        times: &Times,
        kept: Kept<'_>,
    ) -> Result<Self> {
        let Selected { metrics, matchers } = Selected::of(selector)?;
        if range.is_some() && metrics.len() > 1 {
            return refuse("a function of several metrics would give series with the same labels: name one metric");
        }
        let plan = match range {
            Some((_, range_ms)) => of_ranges(times, range_ms, selector.offset_ms, kept),
            None => of_rest(times, selector.offset_ms, kept),
        };
        let has_totals = range.is_none();
        Ok(Self { want: Want { matchers, by, windows: plan.windows, has_totals }, metrics, spans: plan.spans, range })
    }

    /// Whether it can be of any series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// How many values its series have.
    #[must_use]
    pub fn values(&self, found: &Found) -> usize {
        self.metrics.len() * self.spans.len() * found.rows.len()
    }

    /// Its series.
    #[must_use]
    pub fn series(&self, found: &Found) -> Vec<Series> {
        let mut all = Vec::new();
        for cells in found.groups.values().map(|place| &found.rows[*place as usize]) {
            let labels = exported_labels(&cells.labels);
            for metric in &self.metrics {
                let values: Vec<f64> = self.spans.iter().map(|span| self.value(*metric, cells, *span)).collect();
                let name = Some(*metric).filter(|_| self.range.is_none());
                all.push(Series { name, labels: labels.clone(), values });
            }
        }
        all
    }

    #[expect(clippy::cast_precision_loss, reason = "times")]
    fn value(&self, metric: Metric, cells: &Cells, (from_s, to_s): (i64, i64)) -> f64 {
        let got = cells.before(to_s).without(&cells.before(from_s));
        match self.range {
            // A counter is there from its first point on.
            None => {
                let then = cells.total.without(&got);
                if then.points == 0 { ABSENT } else { metric.of(&then) }
            }
            Some(_) if from_s >= to_s => ABSENT,
            Some((function, range_ms)) => {
                let rate = metric.of(&got) / (to_s - from_s) as f64;
                let range_s = range_ms as f64 / 1000.0;
                match function {
                    RangeFunction::Rate => rate,
                    _ if range_ms == (to_s - from_s) * 1000 => metric.of(&got),
                    _ => rate * range_s,
                }
            }
        }
    }
}

impl Cells {
    /// What is in the buckets before a time.
    fn before(&self, at_s: i64) -> Total {
        let behind = self.sums.partition_point(|(start_s, _)| *start_s < at_s);
        behind.checked_sub(1).map_or_else(Total::default, |last| self.sums[last].1)
    }
}

impl Found {
    #[expect(clippy::cast_possible_truncation, reason = "rows are bounded by the series of a stream")]
    fn row(&mut self, labels: &Labels) -> &mut Cells {
        let Self { groups, rows } = self;
        let at = groups.entry(labels.clone()).or_insert(rows.len() as u32);
        if *at as usize == rows.len() {
            rows.push(Cells { labels: labels.clone(), sums: Vec::new(), total: Total::default() });
        }
        &mut rows[*at as usize]
    }

    /// Adds the cells of a window; those of the windows before it are there.
    pub fn add_cells(&mut self, rows: &[Row], window: &Window) {
        for (labels, cells) in rows {
            let row = self.row(labels);
            let mut sum = row.sums.last().map_or_else(Total::default, |(_, sum)| *sum);
            for (step, cell) in cells {
                sum.add(&Total::of_cell(cell));
                row.sums.push((window.from_s() + i64::from(*step) * window.step_s(), sum));
            }
        }
    }

    /// Adds what series have had since the stream began.
    ///
    /// # Errors
    /// When there are too many.
    pub fn add_totals(&mut self, shown: &Shown) -> Result<()> {
        if shown.folded > 0 {
            return refuse("there are too many series: ask for fewer, or for sums by some labels");
        }
        for (labels, total) in &shown.rows {
            self.row(labels).total = *total;
        }
        Ok(())
    }
}
