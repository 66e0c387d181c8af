//! Filters values.

use super::each;
use crate::aggregate::{percentile, present};
use crate::function::{Function, Kind, Param, SERIES};
use crate::series::Series;
use crate::text::{g, repr};

const GROUP: &str = "Filter Data";
const PARAMS: &[Param] = &[SERIES, Param::new("n", Kind::Float).required()];

macro_rules! remover {
    ($name:literal, $limit:expr, $removes:expr, $about:literal) => {
        Function {
            names: &[$name],
            group: GROUP,
            params: PARAMS,
            about: $about,
            run: |call| {
                each(call, &|call, series| {
                    let n = call.float(1);
                    series.rename(format!("{}({}, {})", $name, series.name, g(n)));
                    let limit: fn(&Series, f64) -> f64 = $limit;
                    if $name.ends_with("Percentile") {
                        series.tag("nPercentile", &repr(n));
                    }
                    remove(series, limit(series, n), $removes);
                })
            },
        }
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    remover!(
        "removeAbovePercentile",
        of_percentile,
        |value, limit| value > limit,
        "Removes values above the n-th percentile."
    ),
    remover!(
        "removeBelowPercentile",
        of_percentile,
        |value, limit| value < limit,
        "Removes values below the n-th percentile."
    ),
    remover!("removeAboveValue", |_, n| n, |value, limit| value > limit, "Removes values above n."),
    remover!("removeBelowValue", |_, n| n, |value, limit| value < limit, "Removes values below n."),
];

fn of_percentile(series: &Series, n: f64) -> f64 {
    let values: Vec<f64> = present(&series.values).collect();
    percentile(&values, n, false)
}

fn remove(series: &mut Series, limit: f64, removes: fn(f64, f64) -> bool) {
    for value in &mut series.values {
        if removes(*value, limit) {
            *value = f64::NAN;
        }
    }
}
