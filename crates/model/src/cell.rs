//! The mergeable value that every bucket, tier, group, shard and delta consists of.

use super::point::Point;
use super::quantiles::{Bin, Percent, Quantiles};
use super::sketches::{Mark, Sketches, Wanted};

/// A summary of the points that touch a span of time.
///
/// There is no empty cell: absence is `Option<Cell>`, so no infinity ever stands for "nothing yet".
///
/// Each counted point has a value n/d unless d is 0. A cell has no quantiles of its own if count and extent
/// determine them: if all values lie in the bin of both ends of the extent and there are as many as points, or if
/// there are no values and no such bin. Otherwise it has quantiles. So a cell is a function of its points, however
/// they were merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The number of points whose `t` lies in the span.
    pub count: u64,
    /// What the points that cover part of the span contribute; `None` if only ends of periods lie in it.
    pub cover: Option<Cover>,
    /// The sketches, if there are any.
    pub sketches: Option<Box<Sketches>>,
}

/// The sums over the parts of points that lie in a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cover {
    /// Sum of the numerators.
    pub n: f64,
    /// Sum of the denominators.
    pub d: f64,
    /// Smallest and largest n/d of the points; `None` if all of them have `d` = 0.
    pub extent: Option<Extent>,
}

/// Smallest and largest of one or more numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Cell {
    /// A cell without sketches.
    #[must_use]
    pub fn plain(count: u64, cover: Option<Cover>) -> Self {
        Self { count, cover, sketches: None }
    }

    /// The cell of one instant point.
    #[must_use]
    pub fn of(point: &Point) -> Self {
        Self::plain(1, Some(Cover::of(point)))
    }

    /// The cell that only counts a point, in the bucket where its period ends.
    #[must_use]
    pub fn end_of_period(point: &Point) -> Self {
        let mut cell = Self::plain(1, None);
        if let Some(extent) = Cover::of(point).extent {
            let mut values = Quantiles::default();
            values.add(Bin::of(extent.min), 1);
            cell.set_values(values, true);
        }
        cell
    }

    /// Merges another cell into this one. Commutative and, up to the rounding of f64 sums, associative.
    pub fn merge(&mut self, other: &Self) {
        self.merge_wanted(other, Wanted::ALL);
    }

    /// Merges the wanted parts of another cell; this cell must not contain sketches that are not wanted.
    pub fn merge_wanted(&mut self, other: &Self, wanted: Wanted) {
        let is_explicit = self.quantiles().is_some() || other.quantiles().is_some();
        let values = (wanted.quantiles && !self.is_like(other)).then(|| {
            let mut values = self.take_values();
            match (other.quantiles(), other.implied()) {
                (Some(theirs), _) => values.merge(theirs),
                (None, Some((bin, count))) => values.add(bin, count),
                (None, None) => (),
            }
            values
        });
        self.count += other.count;
        self.cover = both(self.cover, other.cover, Cover::merged);
        if let Some(values) = values {
            self.set_values(values, is_explicit);
        }
        if let Some(theirs) =
            other.sketches.as_ref().filter(|theirs| theirs.distinct.iter().any(|(label, _)| wanted.has(*label)))
        {
            self.sketches.get_or_insert_default().merge_distinct(theirs, wanted);
        }
    }

    /// All of these cells merged, the same as one after another; `None` if there are none. Their values are sorted once.
    #[must_use]
    pub fn merged<'a>(cells: impl Iterator<Item = &'a Self> + Clone) -> Option<Self> {
        let first = cells.clone().next()?;
        let mut rest = cells.clone().skip(1).peekable();
        if rest.peek().is_none() {
            return Some(first.clone());
        }
        let (is_explicit, is_one) =
            (cells.clone().any(|cell| cell.quantiles().is_some()), Self::are_alike(cells.clone()));
        let sketches = first.sketches.as_ref().filter(|sketches| !sketches.distinct.is_empty());
        let distinct = sketches.map(|sketches| Sketches { quantiles: None, distinct: sketches.distinct.clone() });
        let mut all = Self { sketches: distinct.map(Box::new), ..Self::plain(first.count, first.cover) };
        for cell in rest {
            all.count += cell.count;
            all.cover = both(all.cover, cell.cover, Cover::merged);
            if let Some(theirs) = cell.sketches.as_ref().filter(|theirs| !theirs.distinct.is_empty()) {
                all.sketches.get_or_insert_default().merge_distinct(theirs, Wanted::ALL);
            }
        }
        if !is_one {
            all.set_values(Quantiles::of_counts(cells.flat_map(Self::counts).collect()), is_explicit);
        }
        Some(all)
    }

    /// Whether all values in these cells are evidently the same, or there are none.
    fn are_alike<'a>(cells: impl Iterator<Item = &'a Self>) -> bool {
        let (mut extent, mut has_valueless) = (None, false);
        for cell in cells {
            let own = cell.extent();
            if cell.quantiles().is_some()
                || own.is_some_and(|own| own.min != own.max || extent.is_some_and(|it| it != own))
            {
                return false;
            }
            has_valueless |= own.is_none() && cell.count > 0;
            extent = extent.or(own);
        }
        extent.is_none() || !has_valueless
    }

    /// The bins of its values, with their counts.
    fn counts(&self) -> impl Iterator<Item = (Bin, u64)> + '_ {
        let implied = self.quantiles().is_none().then(|| self.implied()).flatten();
        self.quantiles().into_iter().flat_map(|values| values.bins().iter().copied()).chain(implied)
    }

    /// Counts values of labels.
    pub fn mark(&mut self, marks: &[Mark]) {
        if !marks.is_empty() {
            let sketches = self.sketches.get_or_insert_default();
            for mark in marks {
                sketches.mark(mark);
            }
        }
    }

    /// A copy with only the wanted sketches.
    #[must_use]
    pub fn kept(&self, wanted: Wanted) -> Self {
        let sketches = self.sketches.as_ref().filter(|_| !wanted.is_none()).map(|sketches| sketches.kept(wanted));
        Self { sketches: sketches.filter(|kept| !kept.is_empty()).map(Box::new), ..Self::plain(self.count, self.cover) }
    }

    /// A quantile of the values of the counted points, by nearest rank and within 1 %; `None` if there are none.
    #[must_use]
    pub fn quantile(&self, percent: Percent) -> Option<f64> {
        if let Some(quantiles) = self.quantiles() {
            return quantiles.quantile(percent);
        }
        let (bin, _) = self.implied()?;
        let extent = self.extent().filter(|extent| extent.min == extent.max);
        Some(extent.map_or(bin.value(), |extent| extent.min))
    }

    /// The approximate number of distinct values of a label.
    #[must_use]
    pub fn distinct_values(&self, label: u8) -> f64 {
        self.sketches.as_ref().map_or(0.0, |sketches| sketches.distinct_values(label))
    }

    /// The memory of its sketches.
    #[must_use]
    pub fn sketch_bytes(&self) -> usize {
        self.sketches.as_ref().map_or(0, |sketches| sketches.bytes())
    }

    /// The smallest and largest value of the points that cover part of the span.
    #[must_use]
    pub fn extent(&self) -> Option<Extent> {
        self.cover.and_then(|cover| cover.extent)
    }

    fn quantiles(&self) -> Option<&Quantiles> {
        self.sketches.as_ref().and_then(|sketches| sketches.quantiles.as_ref())
    }

    /// Whether all values in both cells are evidently the same, or there are none, so that nothing needs merging.
    /// May return false where true would be correct.
    fn is_like(&self, other: &Self) -> bool {
        let is_plain = self.quantiles().is_none() && other.quantiles().is_none();
        is_plain
            && match (self.extent(), other.extent()) {
                (None, None) => true,
                (Some(one), None) => one.min == one.max && other.count == 0,
                (None, Some(two)) => two.min == two.max && self.count == 0,
                (Some(one), Some(two)) => one.min == one.max && one == two,
            }
    }

    /// The one bin that contains all values, and their number, if count and extent determine them.
    fn implied(&self) -> Option<(Bin, u64)> {
        let extent = self.extent().filter(|_| self.count > 0)?;
        let bin = Bin::of(extent.min);
        (extent.min == extent.max || bin == Bin::of(extent.max)).then_some((bin, self.count))
    }

    fn take_values(&mut self) -> Quantiles {
        self.sketches.as_mut().and_then(|sketches| sketches.quantiles.take()).unwrap_or_else(|| {
            let mut values = Quantiles::default();
            self.implied().into_iter().for_each(|(bin, count)| values.add(bin, count));
            values
        })
    }

    /// Keeps quantiles if count and extent don't determine them. Explicit quantiles stay explicit: such values may
    /// belong to points that cover nothing here, and a value in the extent's bin need not equal the extent.
    fn set_values(&mut self, values: Quantiles, is_explicit: bool) {
        // The order matters, as logarithms are the most expensive part of a merge.
        let is_said = (!is_explicit || values.bins().is_empty())
            && values.bins().len() <= 1
            && values.bins() == self.implied().as_slice();
        if !is_said {
            self.sketches.get_or_insert_default().quantiles = Some(values);
        } else if self.sketches.as_ref().is_some_and(|sketches| sketches.is_empty()) {
            self.sketches = None;
        }
    }
}

impl Cover {
    /// All of a point.
    #[must_use]
    pub fn of(point: &Point) -> Self {
        let ratio = point.n / point.d;
        let extent = ratio.is_finite().then_some(Extent { min: ratio, max: ratio });
        Self { n: point.n, d: point.d, extent }
    }

    /// The share of a cover that falls into `fraction` of its span: sums shrink, n/d does not.
    #[must_use]
    pub fn scaled(self, fraction: f64) -> Self {
        Self { n: self.n * fraction, d: self.d * fraction, extent: self.extent }
    }

    fn merged(self, other: Self) -> Self {
        let extent =
            both(self.extent, other.extent, |one, two| Extent { min: one.min.min(two.min), max: one.max.max(two.max) });
        Self { n: self.n + other.n, d: self.d + other.d, extent }
    }
}

fn both<T>(one: Option<T>, two: Option<T>, merge: impl FnOnce(T, T) -> T) -> Option<T> {
    match (one, two) {
        (Some(one), Some(two)) => Some(merge(one, two)),
        (one, two) => one.or(two),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{any_cell, any_piece, merge_into};
    use proptest::prelude::*;

    fn merged(one: &Cell, two: &Cell) -> Cell {
        let mut merged = one.clone();
        merged.merge(two);
        merged
    }

    proptest! {
        #[test]
        fn merge_is_commutative(a in any_cell(), b in any_cell()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        }

        #[test]
        fn merge_is_associative(a in any_cell(), b in any_cell(), c in any_cell()) {
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        }

        #[test]
        fn many_cells_merge_as_one_after_another(
            cells in proptest::collection::vec(prop_oneof![any_piece(), any_cell()], 1..6),
        ) {
            let one_by_one = cells[1..].iter().fold(cells[0].clone(), |all, cell| merged(&all, cell));
            prop_assert_eq!(Cell::merged(cells.iter()), Some(one_by_one));
        }

        #[test]
        fn a_cell_has_quantiles_only_if_count_and_extent_do_not_suffice(a in any_cell(), b in any_cell()) {
            let were_explicit = a.quantiles().is_some() || b.quantiles().is_some();
            let cell = merged(&a, &b);
            let implied = cell.implied();
            let are_said = cell.quantiles().is_some_and(|values| values.bins() == implied.as_slice());
            prop_assert!(were_explicit || !are_said, "{:?}", cell);
            prop_assert!(cell.sketches.as_ref().is_none_or(|sketches| !sketches.is_empty()));
        }

        #[test]
        fn unwanted_sketches_do_not_change_wanted_ones(a in any_cell(), b in any_cell(), quantiles: bool, distinct in 0u32..8) {
            let wanted = Wanted { quantiles, distinct };
            let mut some = a.kept(wanted);
            some.merge_wanted(&b, wanted);
            prop_assert_eq!(some, merged(&a, &b).kept(wanted));
        }

        /// Compares with a list of all values, in any order.
        #[test]
        fn a_cell_has_the_quantiles_of_its_counted_points(
            points in proptest::collection::vec((-500i32..500, 0i32..4, 0u8..3), 1..30), thousandths in 1u32..100_000,
        ) {
            let percent = Percent::from_thousandths(thousandths).expect("a share");
            let (mut all, mut values): (Option<Cell>, Vec<f64>) = (None, Vec::new());
            for (n, d, kind) in points {
                let point = Point { n: f64::from(n), d: f64::from(d), p: None, t: 0.0 };
                if kind < 2 && d > 0 {
                    values.push(point.n / point.d);
                }
                let pieces = [Cell::of(&point), Cell::end_of_period(&point), Cell::plain(0, Some(Cover::of(&point)))];
                merge_into(&mut all, pieces[usize::from(kind)].clone());
            }
            values.sort_by(f64::total_cmp);
            let rank = (values.len() * usize::try_from(thousandths).expect("small")).div_ceil(100_000);
            let wanted = rank.checked_sub(1).map(|at| values[at]);
            let seen = all.and_then(|cell| cell.quantile(percent));
            prop_assert_eq!(seen.is_some(), wanted.is_some());
            let (seen, wanted) = (seen.unwrap_or_default(), wanted.unwrap_or_default());
            prop_assert!((seen - wanted).abs() <= 0.010_000_001 * wanted.abs(), "{} is not {}", seen, wanted);
        }
    }

    #[test]
    fn a_point_without_denominator_mass_has_no_ratio() {
        let point = Point { n: 3.0, d: 0.0, p: None, t: 0.0 };
        assert_eq!(Cell::of(&point).extent(), None);
        assert_eq!(Cell::end_of_period(&point), Cell::plain(1, None));
    }

    #[test]
    fn a_cell_of_equal_points_has_exact_quantiles_without_a_sketch() {
        let point = Point { n: 1234.0, d: 3.0, p: None, t: 0.0 };
        let mut cell = Cell::of(&point);
        for _ in 0..100 {
            cell.merge(&Cell::of(&point));
        }
        assert_eq!(cell.sketches, None);
        let median = Percent::from_thousandths(50_000).expect("a share");
        assert_eq!(cell.quantile(median), Some(1234.0 / 3.0));
        assert!(size_of::<Cell>() <= 56, "{} bytes", size_of::<Cell>());
        cell.merge(&Cell::of(&Point { n: 1.0, d: 0.0, ..point }));
        assert!(cell.sketches.is_some(), "a point without a value makes the count say too much");
    }

    #[test]
    fn a_counted_value_is_not_mistaken_for_a_covering_one() {
        // In the same bin, but more than 1 % apart.
        let [value, other] = [10_304.5, 10_408.0].map(|n| Point { n, d: 1.0, p: None, t: 0.0 });
        let pieces = [Cell::end_of_period(&value), Cell::plain(0, Some(Cover::of(&other)))];
        let cell = merged(&pieces[0], &pieces[1]);
        assert_eq!(Cell::merged(pieces.iter()).as_ref(), Some(&cell));
        let p50 = cell.quantile(Percent::from_thousandths(50_000).expect("a share")).expect("counted");
        assert!((p50 - value.n).abs() <= 0.01 * value.n, "{p50}");
    }
}
