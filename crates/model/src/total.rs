//! The totals of a series since its stream began: sums that only points change.

use std::collections::BTreeMap;

use super::cell::Cell;
use super::labels::Labels;
use super::point::Point;
use super::query::Query;

/// Sums over all points of a series, whatever is sealed or kept of them. Counters, except the numerators' sum if
/// some are negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// Sum of the numerators.
    pub n: f64,
    /// Sum of the denominators.
    pub d: f64,
    /// The number of points.
    pub points: u64,
}

impl Total {
    /// The total of one point.
    #[must_use]
    pub fn of(point: &Point) -> Self {
        Self { n: point.n, d: point.d, points: 1 }
    }

    /// The total of a point's share in a bucket, or of a whole bucket.
    #[must_use]
    pub fn of_cell(cell: &Cell) -> Self {
        let (n, d) = cell.cover.map_or((0.0, 0.0), |cover| (cover.n, cover.d));
        Self { n, d, points: cell.count }
    }

    /// Adds another total.
    pub fn add(&mut self, other: &Self) {
        self.n += other.n;
        self.d += other.d;
        self.points += other.points;
    }

    /// What is left after a part of it moves elsewhere.
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

/// The most groups of series that an object shows, including the one of the overflow...
pub const MAX_SHOWN: usize = 10_001;
/// ...and the most bytes of their labels.
pub const MAX_SHOWN_BYTES: usize = 2 << 20;

/// The totals that readers see.
#[derive(Clone, Debug, Default)]
pub struct ShownTotals {
    groups: BTreeMap<Labels, u32>,
    /// The bytes of all rows' labels.
    pub text_bytes: usize,
    /// The groups of series with their totals.
    pub rows: Vec<(Labels, Total)>,
    /// The number of series in no row...
    pub folded: u64,
    /// ...and their total.
    pub rest: Total,
}

impl ShownTotals {
    /// The first groups of the series that the query accepts, within both limits; the others are folded. As all
    /// series come in the order of their ids, a group once shown stays shown, so that no row and no rest ever
    /// decreases.
    pub fn collect<'a>(
        series: impl Iterator<Item = (&'a Labels, Total)>,
        query: &Query,
        limit: usize,
        max_bytes: usize,
    ) -> Self {
        let (mut shown, mut places) = (Self::default(), Self::default());
        for (labels, total) in series {
            let Some(group) = query.group_of(labels) else { continue };
            let is_full = places.rows.len() >= limit || places.text_bytes + group.as_str().len() > max_bytes;
            if !is_full || places.groups.contains_key(&group) {
                places.add(group, &total);
            } else if !total.is_none() {
                shown.fold(1, &total);
            }
        }
        // A series without a total yet, as its points overflowed, has its place anyway: it may get one later.
        for (group, total) in places.rows.into_iter().filter(|(_, total)| !total.is_none()) {
            shown.add(group, &total);
        }
        shown
    }

    /// Adds to a row.
    #[expect(clippy::cast_possible_truncation, reason = "rows are bounded by the series of a stream")]
    pub fn add(&mut self, group: Labels, total: &Total) {
        if let Some(row) = self.groups.get(&group) {
            self.rows[*row as usize].1.add(total);
        } else {
            self.text_bytes += group.as_str().len();
            self.groups.insert(group.clone(), self.rows.len() as u32);
            self.rows.push((group, *total));
        }
    }

    /// The approximate memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        /// A row (twice, as vectors double), its place in the tree, and the allocator's share of its labels.
        const ROW_BYTES: usize = 2 * size_of::<(Labels, Total)>() + size_of::<(Labels, u32)>() * 3 / 2 + 16;
        self.rows.len() * ROW_BYTES + self.text_bytes
    }

    /// Counts series that have no row.
    pub fn fold(&mut self, series: u64, total: &Total) {
        self.folded += series;
        self.rest.add(total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::Matcher;
    use crate::query::By;
    use crate::sketches::Wanted;
    use crate::window::Window;

    #[test]
    fn the_cells_of_a_point_add_up_to_its_total() {
        let point = Point { n: 6.0, d: 3.0, p: Some(20.0), t: 0.0 };
        assert_eq!(Total::of_cell(&Cell::of(&point)), Total::of(&point));
        assert!(Total::of_cell(&Cell::plain(0, None)).is_none() && !Total::of(&point).is_none());
    }

    #[test]
    fn shown_groups_stay_shown_when_series_are_added() {
        let labels = |text: &str| Labels::from_canonical(&format!("a\u{1f}{text}\u{1e}b\u{1f}x\u{1e}"));
        let series: Vec<(Labels, Total)> =
            (1..=5u8).map(|i| (labels(&i.to_string()), Total { n: f64::from(i), d: 1.0, points: 1 })).collect();
        let window = Window::aligned(0, 10, 10).expect("valid");
        let show_some = |series: &[(Labels, Total)], matcher: &[&str], by: &By, limit, bytes| {
            let matchers = matcher.iter().map(|text| Matcher::parse(text).expect("valid")).collect();
            let query = Query { window, matchers, by: by.clone(), sketches: Wanted::default() };
            let shown =
                ShownTotals::collect(series.iter().map(|(labels, total)| (labels, *total)), &query, limit, bytes);
            (shown.rows.iter().map(|(_, total)| total.n).collect::<Vec<_>>(), shown.folded, shown.rest.n)
        };
        let show = |count: usize, matcher: &[&str], by: &By, limit| {
            show_some(&series[..count], matcher, by, limit, MAX_SHOWN_BYTES)
        };
        assert_eq!(show(3, &[], &By::All, 2), (vec![1.0, 2.0], 1, 3.0));
        assert_eq!(show(5, &[], &By::All, 2), (vec![1.0, 2.0], 3, 12.0));
        assert_eq!(show(5, &["a!=2"], &By::All, 9), (vec![1.0, 3.0, 4.0, 5.0], 0, 0.0));
        assert_eq!(show(5, &[], &By::Names(vec!["b".into()]), 1), (vec![15.0], 0, 0.0));
        let bytes = series[0].0.as_str().len() * 3 - 1;
        assert_eq!(show_some(&series, &[], &By::All, 9, bytes), (vec![1.0, 2.0], 3, 12.0));
        // The second had nothing and gets something later: no series loses its place.
        let mut earlier = series.clone();
        earlier[1].1 = Total::default();
        assert_eq!(show_some(&earlier, &[], &By::All, 2, bytes), (vec![1.0], 3, 12.0));
    }

    #[test]
    fn the_stated_memory_of_totals_covers_their_half_empty_list() {
        let mut shown = ShownTotals::default();
        // One more than a power of two, so that the list has just doubled.
        for number in 0..1_025 {
            let labels = Labels::from_canonical(&format!("a\u{1f}{number}\u{1e}"));
            shown.add(labels, &Total { n: 1.0, d: 1.0, points: 1 });
        }
        assert!(shown.rows.capacity() >= 2 * 1_024 && shown.text_bytes >= 1_025 * "a\u{1f}0\u{1e}".len());
        let (list, tree) = (size_of::<(Labels, Total)>(), size_of::<(Labels, u32)>());
        let taken = shown.rows.capacity() * list + shown.groups.len() * tree + shown.text_bytes;
        assert!(shown.bytes() >= taken, "{}, not {taken}", shown.bytes());
    }
}
