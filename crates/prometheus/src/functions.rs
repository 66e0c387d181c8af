//! The functions and aggregations of `PromQL` and their parameters: those of Prometheus 2.42, and later ones that
//! need no flag.

use super::syntax::Type;
use super::syntax::Type::{Matrix, Scalar, Text, Vector};

/// The parameters and the result of a function.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) takes: &'static [Type],
    pub(super) more: More,
    pub(super) gives: Type,
}

/// Whether a function accepts fewer or more arguments than it lists types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    /// Exactly as many.
    Exactly,
    /// The last may be missing.
    LastMayBeMissing,
    /// The last may be missing or repeated.
    LastMayRepeat,
}

const MATH: &[Type] = &[Vector];
const OVER_TIME: &[Type] = &[Matrix];

/// Functions with exactly as many arguments as types, which return series.
const PLAIN: [(&str, &[Type]); 62] = [
    ("abs", MATH),
    ("absent", MATH),
    ("absent_over_time", OVER_TIME),
    ("acos", MATH),
    ("acosh", MATH),
    ("asin", MATH),
    ("asinh", MATH),
    ("atan", MATH),
    ("atanh", MATH),
    ("avg_over_time", OVER_TIME),
    ("ceil", MATH),
    ("changes", OVER_TIME),
    ("clamp", &[Vector, Scalar, Scalar]),
    ("clamp_max", &[Vector, Scalar]),
    ("clamp_min", &[Vector, Scalar]),
    ("cos", MATH),
    ("cosh", MATH),
    ("count_over_time", OVER_TIME),
    ("deg", MATH),
    ("delta", OVER_TIME),
    ("deriv", OVER_TIME),
    ("double_exponential_smoothing", &[Matrix, Scalar, Scalar]),
    ("exp", MATH),
    ("floor", MATH),
    ("histogram_avg", MATH),
    ("histogram_count", MATH),
    ("histogram_fraction", &[Scalar, Scalar, Vector]),
    ("histogram_quantile", &[Scalar, Vector]),
    ("histogram_stddev", MATH),
    ("histogram_stdvar", MATH),
    ("histogram_sum", MATH),
    ("holt_winters", &[Matrix, Scalar, Scalar]),
    ("idelta", OVER_TIME),
    ("increase", OVER_TIME),
    ("irate", OVER_TIME),
    ("label_replace", &[Vector, Text, Text, Text, Text]),
    ("last_over_time", OVER_TIME),
    ("ln", MATH),
    ("log10", MATH),
    ("log2", MATH),
    ("mad_over_time", OVER_TIME),
    ("max_over_time", OVER_TIME),
    ("min_over_time", OVER_TIME),
    ("predict_linear", &[Matrix, Scalar]),
    ("present_over_time", OVER_TIME),
    ("quantile_over_time", &[Scalar, Matrix]),
    ("rad", MATH),
    ("rate", OVER_TIME),
    ("resets", OVER_TIME),
    ("sgn", MATH),
    ("sin", MATH),
    ("sinh", MATH),
    ("sort", MATH),
    ("sort_desc", MATH),
    ("sqrt", MATH),
    ("stddev_over_time", OVER_TIME),
    ("stdvar_over_time", OVER_TIME),
    ("sum_over_time", OVER_TIME),
    ("tan", MATH),
    ("tanh", MATH),
    ("timestamp", MATH),
    ("vector", &[Scalar]),
];
const OTHERS: [Function; 15] = [
    Function { name: "pi", takes: &[], more: More::Exactly, gives: Scalar },
    Function { name: "time", takes: &[], more: More::Exactly, gives: Scalar },
    Function { name: "scalar", takes: MATH, more: More::Exactly, gives: Scalar },
    of_dates("day_of_month"),
    of_dates("day_of_week"),
    of_dates("day_of_year"),
    of_dates("days_in_month"),
    of_dates("hour"),
    of_dates("minute"),
    of_dates("month"),
    of_dates("year"),
    Function { name: "round", takes: &[Vector, Scalar], more: More::LastMayBeMissing, gives: Vector },
    Function { name: "label_join", takes: &[Vector, Text, Text, Text], more: More::LastMayRepeat, gives: Vector },
    Function { name: "sort_by_label", takes: &[Vector, Text], more: More::LastMayRepeat, gives: Vector },
    Function { name: "sort_by_label_desc", takes: &[Vector, Text], more: More::LastMayRepeat, gives: Vector },
];

const fn of_dates(name: &'static str) -> Function {
    Function { name, takes: MATH, more: More::LastMayBeMissing, gives: Vector }
}

impl Function {
    /// The function with this name; names are case-sensitive.
    pub(super) fn of(name: &str) -> Option<Self> {
        let plain = PLAIN.into_iter().find(|(candidate, _)| *candidate == name);
        let plain = plain.map(|(name, takes)| Self { name, takes, more: More::Exactly, gives: Vector });
        plain.or_else(|| OTHERS.into_iter().find(|function| function.name == name))
    }

    /// The least and the most arguments.
    pub(super) fn arguments(&self) -> (usize, usize) {
        let number = self.takes.len();
        match self.more {
            More::Exactly => (number, number),
            More::LastMayBeMissing => (number - 1, number),
            More::LastMayRepeat => (number - 1, usize::MAX),
        }
    }
}

/// The aggregations, and the type of the parameter before the series, if there is one.
const AGGREGATIONS: [(&str, Option<Type>); 12] = [
    ("avg", None),
    ("bottomk", Some(Scalar)),
    ("count", None),
    ("count_values", Some(Text)),
    ("group", None),
    ("max", None),
    ("min", None),
    ("quantile", Some(Scalar)),
    ("stddev", None),
    ("stdvar", None),
    ("sum", None),
    ("topk", Some(Scalar)),
];

/// The aggregation with this name in any case, and its parameter.
pub(super) fn aggregation(name: &str) -> Option<(&'static str, Option<Type>)> {
    AGGREGATIONS.into_iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_take_the_arguments_of_prometheus() {
        let arguments = |name: &str| Function::of(name).map(|function| function.arguments());
        assert_eq!(arguments("rate"), Some((1, 1)));
        assert_eq!(arguments("time"), Some((0, 0)));
        assert_eq!(arguments("hour"), Some((0, 1)));
        assert_eq!(arguments("round"), Some((1, 2)));
        assert_eq!(arguments("label_join"), Some((3, usize::MAX)));
        assert_eq!(arguments("RATE"), None);
        assert_eq!(aggregation("Sum"), Some(("sum", None)));
        assert_eq!(aggregation("rate"), None);
    }
}
