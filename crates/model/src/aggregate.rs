//! How cells become the numbers of an answer, and which groups it contains.

use std::borrow::Cow;

use super::cell::{Cell, Extent};
use super::grid::{Row, fold};
use super::labels::Labels;
use super::quantiles::Percent;
use super::sketches::Wanted;
use super::window::Window;

/// How a cell becomes a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Sum of n.
    Sum,
    /// Sum of n over sum of d.
    Ratio,
    /// Sum of n per second.
    Rate,
    /// Number of points.
    Count,
    /// Smallest n/d.
    Min,
    /// Largest n/d.
    Max,
    /// The n/d that this percentage of the points do not exceed.
    Quantile(Percent),
    /// Number of distinct values of a label.
    Distinct {
        /// The label's name.
        label: String,
        /// Its number in the cells.
        number: u8,
    },
}

impl Aggregate {
    /// Its name in requests and answers.
    #[must_use]
    #[inline(never)]
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Sum => "sum".into(),
            Self::Ratio => "ratio".into(),
            Self::Rate => "rate".into(),
            Self::Count => "count".into(),
            Self::Min => "min".into(),
            Self::Max => "max".into(),
            Self::Quantile(percent) => format!("p{percent}").into(),
            Self::Distinct { label, .. } => format!("distinct:{label}").into(),
        }
    }

    /// The label whose distinct values it counts.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        if let Self::Distinct { label, .. } = self { Some(label) } else { None }
    }

    /// The sketches that these aggregates need.
    #[must_use]
    pub fn sketches(all: &[Self]) -> Wanted {
        all.iter().fold(Wanted::default(), |wanted, aggregate| match aggregate {
            Self::Quantile(_) => Wanted { quantiles: true, ..wanted },
            Self::Distinct { number, .. } => Wanted { distinct: wanted.distinct | 1 << number, ..wanted },
            _ => wanted,
        })
    }

    /// The number that a cell of `width_s` seconds gives; `None` if there is none, such as a ratio over 0.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts and widths stay far below 2^53")]
    pub fn of(&self, cell: &Cell, width_s: i64) -> Option<f64> {
        let cover = cell.cover;
        let extent = |pick: fn(Extent) -> f64| cover.and_then(|cover| cover.extent).map(pick);
        let value = match self {
            Self::Count => Some(cell.count as f64),
            Self::Sum => cover.map(|cover| cover.n),
            Self::Ratio => cover.map(|cover| cover.n / cover.d),
            Self::Rate => cover.map(|cover| cover.n / width_s as f64),
            Self::Min => extent(|extent| extent.min),
            Self::Max => extent(|extent| extent.max),
            Self::Quantile(percent) => cell.quantile(*percent),
            Self::Distinct { number, .. } => Some(cell.distinct_values(*number)),
        };
        value.filter(|value| value.is_finite())
    }
}

/// A group in an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupCells {
    /// The labels that the group's series have in common; empty for the group of all others.
    pub labels: Labels,
    /// Whether this is the group of all series beyond the top ones.
    pub is_other: bool,
    /// The cells by step, in order.
    pub cells: Vec<(u32, Cell)>,
}

/// The `k` groups with the largest total of the first aggregate over the window, largest first, and all others
/// merged into one group. Ties are broken by labels. The cells have the sketches that the aggregates need.
#[must_use]
pub fn top(rows: Vec<Row>, k: usize, aggregates: &[Aggregate], window: &Window) -> Vec<GroupCells> {
    let by = aggregates.first().unwrap_or(&Aggregate::Sum);
    let mut ranked: Vec<(f64, Row)> = rows.into_iter().map(|row| (total(&row.1, by, window), row)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.0.cmp(&b.1.0)));
    let rest = ranked.split_off(k.min(ranked.len()));
    let mut series: Vec<GroupCells> =
        ranked.into_iter().map(|(_, (labels, cells))| GroupCells { labels, is_other: false, cells }).collect();
    if !rest.is_empty() {
        let cells = fold(rest.into_iter().map(|(_, (_, cells))| cells), Aggregate::sketches(aggregates));
        series.push(GroupCells { labels: Labels::default(), is_other: true, cells });
    }
    series
}

/// All cells of a group merged, with the sketches that the aggregates need; `None` if there are no cells.
#[must_use]
pub fn whole(cells: &[(u32, Cell)], aggregates: &[Aggregate]) -> Option<Cell> {
    let wanted = Aggregate::sketches(aggregates);
    let mut cells = cells.iter().map(|(_, cell)| cell);
    let first = cells.next()?.kept(wanted);
    Some(cells.fold(first, |mut sum, cell| {
        sum.merge_wanted(cell, wanted);
        sum
    }))
}

/// The value by which a group is ranked.
#[must_use]
pub fn total(cells: &[(u32, Cell)], by: &Aggregate, window: &Window) -> f64 {
    let whole = whole(cells, std::slice::from_ref(by));
    whole.and_then(|cell| by.of(&cell, window.width_s())).unwrap_or(f64::NEG_INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::Point;

    const NOW: i64 = 1_792_540_800;

    #[test]
    fn aggregates_without_a_value_return_none() {
        let uncovered = Cell::plain(2, None);
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
        let window = Window::aligned(NOW - 60, NOW, 10).expect("valid");
        let row = |name: &str, n: f64| -> Row {
            let cell = Cell::of(&Point { n, d: 1.0, p: None, t: 0.0 });
            (Labels::from_canonical(&format!("k\u{1f}{name}\u{1e}")), vec![(0, cell)])
        };
        let series = top(vec![row("a", 1.0), row("b", 5.0), row("c", 3.0)], 1, &[Aggregate::Sum], &window);
        let seen: Vec<(&str, bool, f64)> =
            series.iter().map(|s| (s.labels.value("k"), s.is_other, s.cells[0].1.cover.expect("covered").n)).collect();
        assert_eq!(seen, [("b", false, 5.0), ("", true, 4.0)]);
    }
}
