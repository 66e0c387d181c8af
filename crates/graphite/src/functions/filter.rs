//! Selects series: by a number computed from each, by rank, by name.

use super::python_regex::compile;
use super::{first, sort};
use crate::aggregate::{AggFunc, has_enough, percentile, present};
use crate::error::{BadRequest, Result, refuse};
use crate::function::{Call, Function, Kind, LISTS, Param, SERIES};
use crate::series::{Aligned, Series};

const GROUP: &str = "Filter Series";
const N: Param = Param::new("n", Kind::Float).required();
const COUNT: Param = Param::new("n", Kind::Integer).required();
const FUNC: Param = Param::new("func", Kind::AggFunc);
const PATTERN: &[Param] = &[SERIES, Param::new("pattern", Kind::Text).required()];
const OPERATORS: &[&str] = &["!=", "<", "<=", "=", ">", ">="];

macro_rules! compared {
    ($name:literal, $func:literal, $operator:literal, $about:literal) => {
        Function {
            names: &[$name],
            group: GROUP,
            params: &[SERIES, N],
            about: $about,
            run: |call| {
                let n = call.float(1);
                compared(call, $func, $operator, n)
            },
        }
    };
}
macro_rules! ranked {
    ($name:literal, $func:literal, $is_reverse:literal, $about:literal) => {
        Function {
            names: &[$name],
            group: GROUP,
            params: &[SERIES, COUNT],
            about: $about,
            run: |call| ranked(call, $func, $is_reverse),
        }
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["filterSeries"],
        group: GROUP,
        params: &[
            SERIES,
            FUNC.required(),
            Param::new("operator", Kind::Text).required().one_of(OPERATORS),
            Param::new("threshold", Kind::Float).required(),
        ],
        about: "Series whose value by the named function compares to a threshold as given.",
        run: |call| {
            let (func, operator, threshold) = (call.text(1), call.text(2), call.float(3));
            compared(call, &func, &operator, threshold)
        },
    },
    compared!("averageAbove", "average", ">", "Series whose average is above n."),
    compared!("averageBelow", "average", "<=", "Series whose average is n or below."),
    compared!("currentAbove", "last", ">", "Series whose last value is above n."),
    compared!("currentBelow", "last", "<=", "Series whose last value is n or below."),
    compared!("maximumAbove", "max", ">", "Series whose largest value is above n."),
    compared!("maximumBelow", "max", "<=", "Series whose largest value is n or below."),
    compared!("minimumAbove", "min", ">", "Series whose smallest value is above n."),
    compared!("minimumBelow", "min", "<=", "Series whose smallest value is n or below."),
    Function {
        names: &["highest"],
        group: GROUP,
        params: &[SERIES, COUNT, FUNC.or("\"average\"")],
        about: "The n series with the highest value by the named function.",
        run: |call| {
            let func = call.text(2);
            ranked(call, &func, true)
        },
    },
    Function {
        names: &["lowest"],
        group: GROUP,
        params: &[SERIES, COUNT, FUNC.or("\"average\"")],
        about: "The n series with the lowest value by the named function.",
        run: |call| {
            let func = call.text(2);
            ranked(call, &func, false)
        },
    },
    ranked!("highestAverage", "average", true, "The n series with the highest average."),
    ranked!("highestCurrent", "last", true, "The n series with the highest last value."),
    ranked!("highestMax", "max", true, "The n series with the highest value."),
    ranked!("lowestAverage", "average", false, "The n series with the lowest average."),
    ranked!("lowestCurrent", "last", false, "The n series with the lowest last value."),
    Function {
        names: &["limit"],
        group: GROUP,
        params: &[SERIES, COUNT],
        about: "The first n series.",
        run: |call| {
            let series = call.series(0);
            Ok(first(series, call.int(1)))
        },
    },
    Function {
        names: &["exclude"],
        group: GROUP,
        params: PATTERN,
        about: "Series whose names don't match a regular expression.",
        run: |call| named(call, false),
    },
    Function {
        names: &["grep"],
        group: GROUP,
        params: PATTERN,
        about: "Series whose names match a regular expression.",
        run: |call| named(call, true),
    },
    Function {
        names: &["removeEmptySeries"],
        group: GROUP,
        params: &[SERIES, Param::new("xFilesFactor", Kind::Float)],
        about: "Series that have a value, or at least the given share of values.",
        run: |call| {
            let share = call.float_or_none(1).unwrap_or(0.0);
            retained(call, &mut |series| has_enough(&series.values, share))
        },
    },
    Function {
        names: &["unique"],
        group: GROUP,
        params: LISTS,
        about: "Series without those whose name occurred before.",
        run: |call| {
            let mut seen = std::collections::BTreeSet::new();
            retained(call, &mut |series| seen.insert(series.name.clone()))
        },
    },
    Function {
        names: &["mostDeviant"],
        group: GROUP,
        params: &[SERIES, COUNT],
        about: "The n series whose values vary most.",
        run: most_deviant,
    },
    Function {
        names: &["averageOutsidePercentile"],
        group: GROUP,
        params: &[SERIES, N],
        about: "Series whose average is outside a percentile of all averages.",
        run: average_outside,
    },
    Function {
        names: &["removeBetweenPercentile"],
        group: GROUP,
        params: &[SERIES, N],
        about: "Series with a value outside a percentile of all values at its time.",
        run: outside,
    },
    Function {
        names: &["useSeriesAbove"],
        group: GROUP,
        params: &[
            SERIES,
            Param::new("value", Kind::Float).required(),
            Param::new("search", Kind::Text).required(),
            Param::new("replace", Kind::Text).required(),
        ],
        about: "Replaces series whose largest value is above a value by other series; a regular expression makes their names.",
        run: use_above,
    },
];

#[expect(clippy::unnecessary_wraps, reason = "the form of all functions")]
fn retained(call: &mut Call<'_, '_>, keeps: &mut dyn FnMut(&Series) -> bool) -> Result<Vec<Series>> {
    let mut series = call.series(0);
    series.retain(keeps);
    Ok(series)
}

fn compared(call: &mut Call<'_, '_>, func: &str, operator: &str, threshold: f64) -> Result<Vec<Series>> {
    let how = AggFunc::parse(func)?;
    retained(call, &mut |series| {
        let value = how.of(&series.values);
        let none = value.is_nan();
        match operator {
            "=" => value == threshold,
            "!=" => none || value != threshold,
            ">" => value > threshold,
            ">=" => value >= threshold,
            "<" => none || value < threshold,
            _ => none || value <= threshold,
        }
    })
}

fn ranked(call: &mut Call<'_, '_>, func: &str, is_reverse: bool) -> Result<Vec<Series>> {
    let how = AggFunc::parse(func)?;
    let mut series = call.series(0);
    sort::by(&mut series, is_reverse, &|series| how.of(&series.values));
    Ok(first(series, call.int(1)))
}

fn named(call: &mut Call<'_, '_>, wanted: bool) -> Result<Vec<Series>> {
    let pattern = compile(&call.text(1), &call.evaluator.work.steps)?;
    let kept = retained(call, &mut |series| pattern.matches(&series.name) == wanted);
    pattern.check().map_err(|error| BadRequest(error.to_string()))?;
    kept
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
#[expect(clippy::unnecessary_wraps, reason = "the form of all functions")]
fn most_deviant(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let variance = |series: &Series| {
        let mean = AggFunc::Average.of(&series.values);
        let squares: f64 = present(&series.values).map(|value| (value - mean) * (value - mean)).sum();
        squares / present(&series.values).count() as f64
    };
    let mut series = call.series(0);
    series.retain(|one| present(&one.values).next().is_some());
    sort::by(&mut series, true, &variance);
    Ok(first(series, call.int(1)))
}

/// The two percentiles that n stands for.
fn bounds(n: f64) -> (f64, f64) {
    let n = if n < 50.0 { 100.0 - n } else { n };
    (100.0 - n, n)
}

#[expect(clippy::unnecessary_wraps, reason = "the form of all functions")]
fn average_outside(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (low, high) = bounds(call.float(1));
    let mut series = call.series(0);
    let average = |series: &Series| AggFunc::Average.of(&series.values);
    let averages: Vec<f64> = series.iter().map(average).collect();
    let (low, high) = (percentile(&averages, low, false), percentile(&averages, high, false));
    series.retain(|one| {
        let average = average(one);
        !(low < average && average < high)
    });
    Ok(series)
}

fn outside(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (low, high) = bounds(call.float(1));
    let mut series = call.series(0);
    let Some(aligned) = Aligned::new(series.clone())? else { return Ok(series) };
    let limit = |n: f64| {
        let values = aligned.rows(&|row| percentile(row, n, false));
        Series::new("limit", aligned.time, values, 0.0)
    };
    let (low, high) = (limit(low), limit(high));
    series.retain(|one| {
        let mut limits = low.beside(one).into_iter().zip(high.beside(one));
        one.values.iter().any(|value| limits.next().is_none_or(|(low, high)| !(low < *value && *value < high)))
    });
    Ok(series)
}

fn use_above(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (value, regex, replace) = (call.float(1), compile(&call.text(2), &call.evaluator.work.steps)?, call.text(3));
    let mut made = Vec::new();
    for one in call.series(0) {
        if AggFunc::Max.of(&one.values) > value {
            let name = super::python_regex::substitute(&regex, &replace, &one.name)?;
            made.extend(call.evaluator.text(&name, call.scope)?);
        }
    }
    if made.len() > 10_000 { refuse("useSeriesAbove makes more than 10,000 series") } else { Ok(made) }
}
