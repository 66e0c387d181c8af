//! What a series has had since its stream began: sums that only points move.

use std::collections::BTreeMap;

use super::cell::Cell;
use super::labels::Labels;
use super::matcher::Matcher;
use super::point::Point;
use super::query::By;

/// Sums over all points of a series, whatever is sealed or kept of them. A counter, unless numerators are negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// Sum of the numerators.
    pub n: f64,
    /// Sum of the denominators.
    pub d: f64,
    /// How many points.
    pub points: u64,
}

impl Total {
    /// Of one point.
    #[must_use]
    pub fn of(point: &Point) -> Self {
        Self { n: point.n, d: point.d, points: 1 }
    }

    /// Of a point's share in a bucket, or of all that a bucket has.
    #[must_use]
    pub fn of_cell(cell: &Cell) -> Self {
        let (n, d) = cell.cover.map_or((0.0, 0.0), |cover| (cover.n, cover.d));
        Self { n, d, points: cell.count }
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.n += other.n;
        self.d += other.d;
        self.points += other.points;
    }

    /// What is left when a part of it goes elsewhere.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        Self { n: self.n - part.n, d: self.d - part.d, points: self.points.saturating_sub(part.points) }
    }

    /// Whether nothing was ever added.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What readers are shown of totals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// The totals of groups of series.
    pub rows: BTreeMap<Labels, Total>,
    /// How many series are in no row...
    pub folded: u64,
    /// ...and what they have together.
    pub rest: Total,
}

impl Shown {
    /// Of the series that all matchers accept, the first so many groups; the others are folded. With series in the order of
    /// their numbers, a group once shown is shown for ever, so that no row and no rest ever falls.
    pub fn collect<'a>(
        series: impl Iterator<Item = (&'a Labels, Total)>,
        matchers: &[Matcher],
        by: &By,
        limit: usize,
    ) -> Self {
        let mut shown = Self::default();
        let accepts = |labels: &Labels| matchers.iter().all(|matcher| matcher.accepts(labels));
        for (labels, total) in series.filter(|(labels, total)| !total.is_none() && accepts(labels)) {
            let group = match by {
                By::Names(names) => labels.only(names),
                By::All => labels.clone(),
            };
            let is_full = shown.rows.len() >= limit;
            match shown.rows.get_mut(&group) {
                Some(there) => there.add(&total),
                None if is_full => shown.fold(1, &total),
                None => drop(shown.rows.insert(group, total)),
            }
        }
        shown
    }

    /// Adds to a row.
    pub fn add(&mut self, group: Labels, total: &Total) {
        self.rows.entry(group).or_default().add(total);
    }

    /// Adds series that have no row.
    pub fn fold(&mut self, series: u64, total: &Total) {
        self.folded += series;
        self.rest.add(total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_goes_elsewhere_leaves_the_rest() {
        let point = Point { n: 6.0, d: 3.0, p: Some(20.0), t: 0.0 };
        let part = Total { n: 2.0, d: 1.0, points: 0 };
        let mut sum = Total::of(&point).without(&part);
        assert_eq!(sum, Total { n: 4.0, d: 2.0, points: 1 });
        sum.add(&part);
        assert_eq!(sum, Total::of(&point));
        assert_eq!(Total::of_cell(&Cell::of(&point)), Total::of(&point));
        assert!(Total::of_cell(&Cell::plain(0, None)).is_none() && !sum.is_none());
    }

    #[test]
    fn what_is_shown_stays_shown_when_series_come() {
        let labels = |text: &str| Labels::from_canonical(&format!("a\u{1f}{text}\u{1e}b\u{1f}x\u{1e}"));
        let series: Vec<(Labels, Total)> =
            (1..=5u8).map(|i| (labels(&i.to_string()), Total { n: f64::from(i), d: 1.0, points: 1 })).collect();
        let show = |count: usize, matcher: &[&str], by: &By, limit| {
            let matchers: Vec<Matcher> = matcher.iter().map(|text| Matcher::parse(text).expect("valid")).collect();
            let shown =
                Shown::collect(series[..count].iter().map(|(labels, total)| (labels, *total)), &matchers, by, limit);
            (shown.rows.values().map(|total| total.n).collect::<Vec<_>>(), shown.folded, shown.rest.n)
        };
        assert_eq!(show(3, &[], &By::All, 2), (vec![1.0, 2.0], 1, 3.0));
        assert_eq!(show(5, &[], &By::All, 2), (vec![1.0, 2.0], 3, 12.0));
        assert_eq!(show(5, &["a!=2"], &By::All, 9), (vec![1.0, 3.0, 4.0, 5.0], 0, 0.0));
        assert_eq!(show(5, &[], &By::Names(vec!["b".into()]), 1), (vec![15.0], 0, 0.0));
    }
}
