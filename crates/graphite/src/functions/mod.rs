//! The functions, one file per family. Each file is a table; every function in a table is part of the language and
//! of the list that `/functions` returns. They behave as in graphite-web 1.1.10 (`render/functions.py`), including
//! the names and tags that they give; docs/graphite.md lists the differences.

mod alias;
mod combine;
mod filter;
mod filter_values;
mod forecast;
mod graph;
mod group;
mod legend;
mod lines;
mod nodes;
mod percent;
mod python_format;
mod python_regex;
mod rates;
mod shift;
mod sort;
mod special;
mod summarize;
mod transform;
mod windows;

use super::error::Result;
use super::function::{Call, Function};
use super::series::Series;

const FAMILIES: [&[Function]; 16] = [
    alias::FUNCTIONS,
    combine::FUNCTIONS,
    filter::FUNCTIONS,
    filter_values::FUNCTIONS,
    forecast::FUNCTIONS,
    graph::FUNCTIONS,
    group::FUNCTIONS,
    legend::FUNCTIONS,
    lines::FUNCTIONS,
    percent::FUNCTIONS,
    rates::FUNCTIONS,
    shift::FUNCTIONS,
    sort::FUNCTIONS,
    special::FUNCTIONS,
    summarize::FUNCTIONS,
    transform::FUNCTIONS,
];

/// All functions.
pub(super) fn all() -> impl Iterator<Item = &'static Function> {
    FAMILIES.into_iter().chain([windows::FUNCTIONS]).flatten()
}

/// Changes each series of the first parameter.
#[expect(clippy::unnecessary_wraps, reason = "the form of all functions")]
#[inline(never)]
fn each(call: &mut Call<'_, '_>, change: &dyn Fn(&Call<'_, '_>, &mut Series)) -> Result<Vec<Series>> {
    let mut series = call.series(0);
    for one in &mut series {
        change(call, one);
    }
    Ok(series)
}

/// Changes each value that is present; an infinite result counts as missing.
#[inline(never)]
fn map(series: &mut Series, value: &dyn Fn(f64) -> f64) {
    series.is_whole = false;
    for place in &mut series.values {
        let changed = value(*place);
        *place = if changed.is_finite() { changed } else { f64::NAN };
    }
}

/// Python's `round` to this many digits: a tie goes to the even neighbour.
#[inline(never)]
fn rounded(value: f64, digits: i32) -> f64 {
    let unit = 10f64.powi(digits.abs());
    if digits < 0 {
        return (value / unit).round_ties_even() * unit;
    }
    let product = value * unit;
    // The product was itself rounded: 4.55 is slightly less, and 45.5 is not.
    let is_middle = (product - product.floor()) == 0.5;
    let error = if is_middle { value.mul_add(unit, -product) } else { 0.0 };
    let whole = if error == 0.0 {
        product.round_ties_even()
    } else if error < 0.0 {
        product.floor()
    } else {
        product.ceil()
    };
    whole / unit
}

/// The first `n`, or all but the last `-n`.
#[inline(never)]
fn first(mut series: Vec<Series>, n: i64) -> Vec<Series> {
    let len = i64::try_from(series.len()).unwrap_or(i64::MAX);
    let kept = if n < 0 { (len + n).max(0) } else { n.min(len) };
    series.truncate(usize::try_from(kept).unwrap_or(0));
    series
}

/// A number of seconds or steps, which is well below 2^53.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn float(number: i64) -> f64 {
    number as f64
}
