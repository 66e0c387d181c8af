//! How several numbers become one: the functions that Graphite knows by name, and consolidation.
//!
//! Source: graphite-web 1.1.10, `functions/{aggfuncs,safe}.py` and `render/datalib.py`. `NaN` stands for a missing
//! value.

use super::error::{Result, refuse};

/// A function that reduces numbers to one, known by its name in Graphite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AggFunc {
    Average,
    AverageZero,
    Median,
    Sum,
    Min,
    Max,
    Diff,
    Deviation,
    Count,
    Range,
    Multiply,
    Last,
}

/// All names, aliases last.
pub(super) const NAMES: [(&str, AggFunc); 16] = [
    ("average", AggFunc::Average),
    ("avg_zero", AggFunc::AverageZero),
    ("median", AggFunc::Median),
    ("sum", AggFunc::Sum),
    ("min", AggFunc::Min),
    ("max", AggFunc::Max),
    ("diff", AggFunc::Diff),
    ("stddev", AggFunc::Deviation),
    ("count", AggFunc::Count),
    ("range", AggFunc::Range),
    ("multiply", AggFunc::Multiply),
    ("last", AggFunc::Last),
    ("rangeOf", AggFunc::Range),
    ("avg", AggFunc::Average),
    ("total", AggFunc::Sum),
    ("current", AggFunc::Last),
];

/// The numbers that are not missing.
pub(super) fn present(values: &[f64]) -> impl DoubleEndedIterator<Item = f64> + Clone + '_ {
    values.iter().copied().filter(|value| !value.is_nan())
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = present(values).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

impl AggFunc {
    /// The function with this name.
    pub(super) fn parse(name: &str) -> Result<Self> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map_or_else(|| refuse(format!("Unsupported aggregation function: {name}")), |(_, found)| Ok(*found))
    }

    /// The function with this name, which may end with `Series`, as the functions that combine series accept it.
    pub(super) fn of_series(name: &str) -> Result<Self> {
        let found = Self::parse(name.strip_suffix("Series").unwrap_or(name));
        found.or_else(|_| refuse(format!("Unsupported aggregation function: {name}")))
    }

    /// Whether graphite-web counts its value as a whole number, given whether its arguments are.
    pub(super) fn is_whole(self, of_whole: bool) -> bool {
        match self {
            Self::Count => true,
            Self::Sum | Self::Min | Self::Max | Self::Diff | Self::Last => of_whole,
            _ => false,
        }
    }

    /// Its value, or `NaN` if there is none.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(super) fn of(self, values: &[f64]) -> f64 {
        let count = || present(values).count() as f64;
        let sum = || present(values).fold(f64::NAN, |sum, value| if sum.is_nan() { value } else { sum + value });
        match self {
            Self::Average => sum() / count(),
            Self::AverageZero => {
                if values.is_empty() {
                    f64::NAN
                } else {
                    present(values).sum::<f64>() / values.len() as f64
                }
            }
            Self::Median => median(&sorted(values)),
            Self::Sum => sum(),
            Self::Min => present(values).fold(f64::NAN, f64::min),
            Self::Max => present(values).fold(f64::NAN, f64::max),
            Self::Diff => {
                let mut present = present(values);
                present.next().map_or(f64::NAN, |first| present.fold(first, |rest, value| rest - value))
            }
            Self::Deviation => {
                let average = sum() / count();
                (present(values).map(|value| (value - average) * (value - average)).sum::<f64>() / count()).sqrt()
            }
            Self::Count => count(),
            Self::Range => Self::Max.of(values) - Self::Min.of(values),
            Self::Multiply => {
                if values.is_empty() {
                    f64::NAN
                } else {
                    values.iter().product()
                }
            }
            Self::Last => present(values).next_back().unwrap_or(f64::NAN),
        }
    }
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// The value that this percentage of the values does not exceed; see graphite-web's `_getPercentile`.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ranks")]
pub(super) fn percentile(values: &[f64], percent: f64, interpolates: bool) -> f64 {
    let sorted = sorted(values);
    let Some(last) = sorted.last() else { return f64::NAN };
    let fractional = percent / 100.0 * (sorted.len() as f64 + 1.0);
    let mut rank = fractional.max(0.0) as usize;
    let fraction = fractional - rank as f64;
    if !interpolates {
        rank += fraction.ceil().max(0.0) as usize;
    }
    let value = sorted.get(rank.saturating_sub(1)).unwrap_or(last);
    match sorted.get(rank) {
        Some(next) if interpolates => value + fraction * (next - value),
        _ => *value,
    }
}

/// Whether `present` of `total` values are enough.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn is_enough(present: usize, total: f64, x_files_factor: f64) -> bool {
    present > 0 && total > 0.0 && present as f64 / total >= x_files_factor
}

/// Whether enough of these numbers are present.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn has_enough(values: &[f64], x_files_factor: f64) -> bool {
    is_enough(present(values).count(), values.len() as f64, x_files_factor)
}

/// The names of the consolidation functions.
pub(super) const CONSOLIDATIONS: [&str; 8] = ["sum", "average", "avg", "avg_zero", "min", "max", "first", "last"];

/// Reduces each `per_point` values to one.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn consolidated(values: &[f64], per_point: usize, how: &str, x_files_factor: f64) -> Vec<f64> {
    let value = |chunk: &[f64]| {
        if !is_enough(present(chunk).count(), per_point as f64, x_files_factor) {
            return f64::NAN;
        }
        match how {
            "first" => present(chunk).next().unwrap_or(f64::NAN),
            how => AggFunc::parse(how).unwrap_or(AggFunc::Average).of(chunk),
        }
    };
    values.chunks(per_point).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: f64 = f64::NAN;

    #[test]
    fn each_function_skips_missing_values() {
        let values = [1.0, NONE, 4.0, 2.5, NONE];
        for (name, wanted) in [
            ("average", 2.5),
            ("avg_zero", 1.5),
            ("median", 2.5),
            ("sum", 7.5),
            ("min", 1.0),
            ("max", 4.0),
            ("diff", -5.5),
            ("stddev", 1.5f64.sqrt()),
            ("count", 3.0),
            ("rangeOf", 3.0),
            ("current", 2.5),
        ] {
            let seen = AggFunc::parse(name).expect("known").of(&values);
            assert!((seen - wanted).abs() < 1e-12, "{name}: {seen}");
            let of_nothing = AggFunc::parse(name).expect("known").of(&[NONE]);
            assert!(of_nothing.is_nan() || of_nothing == 0.0, "{name}");
        }
        assert!(AggFunc::Multiply.of(&values).is_nan());
        assert!(AggFunc::parse("mode").is_err() && AggFunc::parse("sumSeries").is_err());
        assert_eq!(AggFunc::of_series("sumSeries"), Ok(AggFunc::Sum));
    }

    #[test]
    fn percentiles_use_a_rank_or_interpolate_between_ranks() {
        let values = [4.0, 1.0, NONE, 3.0, 2.0];
        assert_eq!([50.0, 100.0, 0.1].map(|percent| percentile(&values, percent, false)), [3.0, 4.0, 1.0]);
        assert_eq!(percentile(&values, 50.0, true), 2.5);
        assert!(percentile(&[NONE], 50.0, false).is_nan());
    }

    #[test]
    fn x_files_factor_requires_a_share_of_the_values() {
        let values = [1.0, 2.0, NONE, NONE, 5.0];
        assert_eq!(consolidated(&values, 2, "sum", 0.0)[..1], [3.0]);
        assert_eq!(consolidated(&values, 2, "sum", 0.0)[2], 5.0);
        assert!(consolidated(&values, 2, "sum", 0.6)[2].is_nan());
        assert_eq!(consolidated(&values, 5, "first", 0.6), [1.0]);
    }
}
