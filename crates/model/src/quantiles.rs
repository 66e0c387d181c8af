//! Counts values in bins that are 2 % wide, which gives any quantile within 1 %.
//!
//! The mapping is that of `DDSketch` (Masson, Rim, Lee, VLDB 2019): bin i of the positive numbers is (g^(i-1), g^i]
//! with g = 1.01 / 0.99. The bins are a sorted list, as most cells have few of them. There is room for
//! [`MAX_BINS`]; beyond that, the lowest values are counted in the lowest bin kept. That does not depend on the
//! order of merging: the highest bins of a union are the highest of the highest bins of its parts.

use std::num::NonZeroU32;

/// This many bins span a factor of 10^17; with more, the lowest are merged. They take 32 KiB.
pub const MAX_BINS: usize = 2_048;

/// 2 artanh 0.01, the logarithm of g.
const LN_GAMMA: f64 = 0.020_000_666_706_669_435;
/// ln 0.99: from the upper end of a bin to the value that is at most 1 % from both ends.
const LN_MIDDLE: f64 = -0.010_050_335_853_501_442;
/// Added to bin numbers so that those of all positive f64 are positive: the smallest is -37,221.
const OFFSET: i32 = 40_000;
/// The longest list of bins that is merged in place.
const FEW_BINS: usize = 16;

/// The number of a bin: ordered as the values, 0 for zero, negative for negative values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bin(i32);

impl Bin {
    /// The largest bin number; the smallest is its negative.
    pub const MAX: i32 = 2 * OFFSET;

    /// The bin of a finite value.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "between -37,221 and 35,488")]
    pub fn of(value: f64) -> Self {
        if value == 0.0 {
            return Self(0);
        }
        let above_zero = (value.abs().ln() / LN_GAMMA).ceil() as i32 + OFFSET;
        Self(if value < 0.0 { -above_zero } else { above_zero })
    }

    /// The representative value of the bin: at most 1 % from each value in it.
    #[must_use]
    pub fn value(self) -> f64 {
        if self.0 == 0 {
            return 0.0;
        }
        let value = (f64::from(self.0.abs() - OFFSET) * LN_GAMMA + LN_MIDDLE).exp().min(f64::MAX);
        value.copysign(f64::from(self.0))
    }

    /// The number, as it is stored.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }

    /// The bin of a stored number, if it is valid.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        i32::try_from(number).ok().filter(|number| number.abs() <= Self::MAX).map(Self)
    }
}

/// A percentage in thousandths of a percent: more than 0 and less than 100 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(NonZeroU32);

impl Percent {
    const WHOLE: u32 = 100_000;

    /// This many thousandths of a percent; `None` if out of range.
    #[must_use]
    pub fn from_thousandths(thousandths: u32) -> Option<Self> {
        NonZeroU32::new(thousandths).filter(|thousandths| thousandths.get() < Self::WHOLE).map(Self)
    }

    /// The nearest rank, counted from 1: the smallest index among this many sorted values with at least this share
    /// of them at or below it.
    fn rank(self, values: u64) -> u64 {
        let (share, whole) = (u64::from(self.0.get()), u64::from(Self::WHOLE));
        // The product may overflow.
        values / whole * share + (values % whole * share).div_ceil(whole)
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{}.{:03}", self.0.get() / 1000, self.0.get() % 1000);
        out.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// The number of values in each bin, in the order of the bins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    bins: Vec<(Bin, u64)>,
}

impl Quantiles {
    /// From bins and counts, if they are sorted and not too many.
    #[must_use]
    pub fn from_bins(bins: Vec<(Bin, u64)>) -> Option<Self> {
        let is_sorted = bins.windows(2).all(|pair| pair[0].0 < pair[1].0);
        (is_sorted && bins.len() <= MAX_BINS).then_some(Self { bins })
    }

    /// From bins and counts in any order, in which a bin may occur several times.
    #[must_use]
    pub fn of_counts(mut counts: Vec<(Bin, u64)>) -> Self {
        counts.sort_unstable_by_key(|(bin, _)| *bin);
        counts.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            is_same
        });
        counts.shrink_to_fit();
        let mut all = Self { bins: counts };
        all.collapse();
        all
    }

    /// Counts values of one bin.
    pub fn add(&mut self, bin: Bin, count: u64) {
        match self.bins.binary_search_by_key(&bin, |(bin, _)| *bin) {
            Ok(at) => self.bins[at].1 = self.bins[at].1.saturating_add(count),
            Err(at) => {
                self.bins.insert(at, (bin, count));
                self.collapse();
            }
        }
    }

    /// Adds all counts of another sketch. Commutative and associative, bit for bit.
    pub fn merge(&mut self, other: &Self) {
        if other.bins.len() <= FEW_BINS {
            return other.bins.iter().for_each(|(bin, count)| self.add(*bin, *count));
        }
        let mut merged: Vec<(Bin, u64)> = Vec::with_capacity(self.bins.len() + other.bins.len());
        let (mut ours, mut theirs) = (self.bins.iter().peekable(), other.bins.iter().peekable());
        while let Some(next) = match (ours.peek(), theirs.peek()) {
            (Some(our), Some(their)) if our.0 > their.0 => theirs.next(),
            (None, _) => theirs.next(),
            _ => ours.next(),
        } {
            match merged.last_mut() {
                Some(last) if last.0 == next.0 => last.1 = last.1.saturating_add(next.1),
                _ => merged.push(*next),
            }
        }
        merged.shrink_to_fit();
        self.bins = merged;
        self.collapse();
    }

    /// Merges the lowest bins if there are too many.
    fn collapse(&mut self) {
        let extra = self.bins.len().saturating_sub(MAX_BINS);
        if extra > 0 {
            let below = self.bins.drain(..extra).fold(0, |sum: u64, (_, count)| sum.saturating_add(count));
            self.bins[0].1 = self.bins[0].1.saturating_add(below);
        }
    }

    /// A quantile by nearest rank; `None` if there are no values.
    #[must_use]
    pub fn quantile(&self, percent: Percent) -> Option<f64> {
        let rank = percent.rank(self.count());
        let mut below = 0;
        let holds_rank = |(_, count): &&(Bin, u64)| {
            below += count;
            below >= rank
        };
        self.bins.iter().find(holds_rank).map(|(bin, _)| bin.value())
    }

    /// The number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.bins.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The bins that have values, in order, each with its count.
    #[must_use]
    pub fn bins(&self) -> &[(Bin, u64)] {
        &self.bins
    }

    /// The memory it has allocated.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.bins.capacity() * size_of::<(Bin, u64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Quantiles {
        let mut all = Quantiles::default();
        for value in values {
            all.add(Bin::of(*value), 1);
        }
        all
    }

    fn percent(thousandths: u32) -> Percent {
        Percent::from_thousandths(thousandths).expect("a share")
    }

    /// By the definition of the nearest rank.
    fn exact(values: &[f64], percent: Percent) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[usize::try_from(percent.rank(sorted.len() as u64)).expect("small") - 1]
    }

    fn assert_within_1_percent(values: &[f64], what: &str) {
        let sketch = of(values);
        for thousandths in [1, 1_000, 25_000, 50_000, 75_000, 90_000, 95_000, 99_000, 99_900, 99_999] {
            let (seen, wanted) =
                (sketch.quantile(percent(thousandths)).expect("values"), exact(values, percent(thousandths)));
            assert!(
                (seen - wanted).abs() <= 0.010_000_001 * wanted.abs(),
                "{what} p{thousandths}: {seen}, not {wanted}"
            );
        }
    }

    /// Pseudo-random numbers in (0, 1).
    fn uniform(count: u32) -> impl Iterator<Item = f64> {
        (0..count).map(|k| (f64::from(k.wrapping_mul(2_654_435_769)) + 0.5) / 4_294_967_296.0)
    }

    #[test]
    fn quantiles_are_within_1_percent_for_any_distribution() {
        let all = |of: fn(f64) -> f64| uniform(10_000).map(of).collect::<Vec<f64>>();
        assert_within_1_percent(&all(|x| x), "uniform");
        assert_within_1_percent(&all(|x| (1.0 + x * 100.0).floor()), "whole numbers");
        assert_within_1_percent(&all(|x| -x.ln() * 250.0), "exponential");
        assert_within_1_percent(&all(|x| x.powf(-1.5)), "pareto");
        assert_within_1_percent(&all(|x| x - 0.5), "both signs");
        assert_within_1_percent(&all(|x| (x * 9.0 - 4.0).trunc()), "many zeros");
        assert_within_1_percent(&all(|x| if x < 0.9 { 0.01 } else { 4_000.0 }), "two peaks");
        assert_within_1_percent(&all(|x| -1e-300 * (1.0 + x)), "tiny and negative");
        assert_within_1_percent(&all(|x| 1e307 * (1.0 + x * 16.0)), "huge");
        assert_within_1_percent(&all(|x| ((x - 0.5) * 36.0).exp()), "fifteen orders of magnitude");
    }

    #[test]
    fn the_extremes_of_f64_have_bins_in_their_order() {
        let values = [f64::MIN, -1.0, -5e-324, 0.0, 5e-324, f64::MIN_POSITIVE, 1.0, f64::MAX];
        let bins: Vec<Bin> = values.map(Bin::of).to_vec();
        assert!(bins.is_sorted() && bins.windows(2).all(|pair| pair[0] != pair[1]), "{bins:?}");
        assert!(bins.iter().all(|bin| bin.value().is_finite() && Bin::from_number(bin.number().into()) == Some(*bin)));
        assert_eq!((Bin::of(-0.0), Bin::of(0.0).value()), (Bin::of(0.0), 0.0));
        assert_eq!(Bin::from_number(i64::from(Bin::MAX) + 1), None);
    }

    #[test]
    fn the_numbers_of_bins_are_pinned() {
        let numbers = [1.0, 1.01, 1.03, 1000.0, -1000.0, 1e-9].map(|value| Bin::of(value).number());
        assert_eq!(numbers, [40_000, 40_001, 40_002, 40_346, -40_346, 38_964]);
    }

    #[test]
    fn the_rank_is_the_nearest() {
        let sketch = of(&[1.0, 10.0, 100.0, 1000.0]);
        let near = |thousandths, wanted: f64| {
            (sketch.quantile(percent(thousandths)).expect("values") / wanted - 1.0).abs() < 0.011
        };
        assert!(near(25_000, 1.0) && near(25_001, 10.0) && near(50_000, 10.0) && near(75_001, 1000.0) && near(1, 1.0));
        assert_eq!(Quantiles::default().quantile(percent(50_000)), None);
        assert_eq!(
            (percent(99_999).rank(u64::MAX), percent(50_000).rank(u64::MAX)),
            (18_446_559_606_268_814_520, 1 << 63)
        );
    }

    #[test]
    fn a_percent_is_written_in_its_shortest_form() {
        assert_eq!(
            [50_000, 99_900, 99_999, 1, 500].map(|k| percent(k).to_string()),
            ["50", "99.9", "99.999", "0.001", "0.5"]
        );
        assert!(Percent::from_thousandths(0).is_none() && Percent::from_thousandths(100_000).is_none());
    }

    #[test]
    fn beyond_the_bound_the_lowest_bins_merge() {
        let values: Vec<f64> = (0..3_000).map(|k| (f64::from(k) * 0.020_1).exp()).collect();
        let sketch = of(&values);
        assert_eq!((sketch.bins().len(), sketch.count()), (MAX_BINS, 3_000));
        for thousandths in [50_000, 90_000, 99_000] {
            let wanted = exact(&values, percent(thousandths));
            let seen = sketch.quantile(percent(thousandths)).expect("values");
            assert!((seen - wanted).abs() <= 0.010_000_001 * wanted);
        }
        assert!(sketch.heap_bytes() <= 16 * 2 * MAX_BINS);
    }

    proptest! {
        /// Bins far enough apart, and enough of them, to reach the bound.
        #[test]
        fn merging_is_commutative_and_associative_even_at_the_bound(
            parts in proptest::collection::vec(proptest::collection::vec((-40_000i64..40_000, 1u64..9), 0..1_500), 3),
        ) {
            let parts: Vec<Quantiles> = parts.iter().map(|part| {
                let mut all = Quantiles::default();
                for (bin, count) in part {
                    all.add(Bin::from_number(*bin).expect("in range"), *count);
                }
                all
            }).collect();
            let merged = |one: &Quantiles, two: &Quantiles| {
                let mut merged = one.clone();
                merged.merge(two);
                merged
            };
            prop_assert_eq!(merged(&parts[0], &parts[1]), merged(&parts[1], &parts[0]));
            let left = merged(&merged(&parts[0], &parts[1]), &parts[2]);
            prop_assert_eq!(&left, &merged(&parts[0], &merged(&parts[1], &parts[2])));
            let mut one_by_one = parts[0].clone();
            for (bin, count) in parts[1..].iter().flat_map(Quantiles::bins) {
                one_by_one.add(*bin, *count);
            }
            prop_assert_eq!(&left, &one_by_one);
            prop_assert!(left.bins().len() <= MAX_BINS);
        }
    }
}
