//! What a selector reads from a stream, and the series that it makes from its cells and totals.

use std::collections::BTreeMap;

use model::grid::Row;
use model::labels::Labels;
use model::total::{MAX_SHOWN, MAX_SHOWN_BYTES, ShownTotals, Total};
use model::window::Window;

use super::ast::{RangeFunction, Selector};
use super::error::{Result, refuse};
use super::metric::Metric;
use super::plan::{RetentionNow, Times, of_ranges, of_rest};
use super::select::Selected;
use super::value::{ABSENT, Series, exported_labels};

/// A read from a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRead {
    /// The matchers, in the syntax of `where`.
    pub matchers: Vec<String>,
    /// The labels to group by; `None` for all labels.
    pub by: Option<Vec<String>>,
    /// The buckets.
    pub windows: Vec<Window>,
    /// Whether it needs the totals since the stream began.
    pub has_totals: bool,
}

/// A part of a query that is answered from cells.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Its read.
    pub want: StreamRead,
    metrics: Vec<Metric>,
    spans: Vec<(i64, i64)>,
    /// The milliseconds of a range; `None` for a counter's value at a time.
    range: Option<(RangeFunction, i64)>,
}

/// The result of a read.
#[derive(Debug, Default)]
pub struct StreamData {
    groups: BTreeMap<Labels, u32>,
    rows: Vec<Cells>,
}

/// The cells of one group of series.
#[derive(Debug)]
struct Cells {
    labels: Labels,
    /// Starts of buckets in order, each with the running sum of its cells.
    sums: Vec<(i64, Total)>,
    total: Total,
}

impl Leaf {
    /// The leaf of a selector, grouped by labels if its series are only summed by them.
    ///
    /// # Errors
    /// If a matcher is invalid.
    pub fn of(
        selector: &Selector,
        range: Option<(RangeFunction, i64)>,
        by: Option<Vec<String>>,
        times: &Times,
        kept: RetentionNow<'_>,
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
        Ok(Self {
            want: StreamRead { matchers, by, windows: plan.windows, has_totals },
            metrics,
            spans: plan.spans,
            range,
        })
    }

    /// Whether it can match any series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// The number of values in its series.
    #[must_use]
    pub fn values(&self, found: &StreamData) -> usize {
        self.metrics.len() * self.spans.len() * found.rows.len()
    }

    /// Its series.
    #[must_use]
    pub fn series(&self, found: &StreamData) -> Vec<Series> {
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
            // A counter exists from its first point on.
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
    /// The sum of the buckets before a time.
    fn before(&self, at_s: i64) -> Total {
        let behind = self.sums.partition_point(|(start_s, _)| *start_s < at_s);
        behind.checked_sub(1).map_or_else(Total::default, |last| self.sums[last].1)
    }
}

impl StreamData {
    #[expect(clippy::cast_possible_truncation, reason = "rows are bounded by the series of a stream")]
    fn row(&mut self, labels: &Labels) -> &mut Cells {
        let Self { groups, rows } = self;
        let at = groups.entry(labels.clone()).or_insert(rows.len() as u32);
        if *at as usize == rows.len() {
            rows.push(Cells { labels: labels.clone(), sums: Vec::new(), total: Total::default() });
        }
        &mut rows[*at as usize]
    }

    /// Adds the cells of a window; earlier windows must have been added before.
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

    /// Adds the totals of series since the stream began.
    ///
    /// # Errors
    /// If there are too many.
    pub fn add_totals(&mut self, shown: &ShownTotals) -> Result<()> {
        if shown.folded > 0 {
            let (series, mib) = (MAX_SHOWN - 1, MAX_SHOWN_BYTES >> 20);
            return refuse(format!(
                "the query has more than {series} series in a shard, or more than {mib} MiB of their labels: select fewer, or sum by some labels"
            ));
        }
        for (labels, total) in &shown.rows {
            self.row(labels).total = *total;
        }
        Ok(())
    }
}
