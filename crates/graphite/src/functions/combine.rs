//! Combines several series into one: sums, averages and related functions, over all series or over groups that
//! share the rest of their names.

use super::lines::constant;
use crate::aggregate::{AggFunc, has_enough, percentile, present};
use crate::error::{Result, refuse};
use crate::function::{Call, Function, Kind, LISTS, Param, SERIES, Value};
use crate::series::{Aligned, Series, paths};
use crate::text::g;

const GROUP: &str = "Combine";
const FUNC: Param = Param::new("func", Kind::AggFunc).required();
const XFF: Param = Param::new("xFilesFactor", Kind::Float);
const POSITIONS: Param = Param::new("position", Kind::Node).multiple();
const WILDCARDS: &[Param] = &[SERIES, POSITIONS];
const PAIR: &[Param] = &[
    Param::new("seriesListFirstPos", Kind::SeriesList).required(),
    Param::new("seriesListSecondPos", Kind::SeriesList).required(),
];

macro_rules! over_all {
    ($names:expr, $func:literal, $about:literal) => {
        Function { names: $names, group: GROUP, params: LISTS, about: $about, run: |call| all(call, $func) }
    };
}
macro_rules! over_rest {
    ($name:literal, $func:literal, $about:literal) => {
        Function {
            names: &[$name],
            group: GROUP,
            params: WILDCARDS,
            about: $about,
            run: |call| with_wildcards(call, $func, 1),
        }
    };
}
macro_rules! over_pairs {
    ($name:literal, $func:literal, $about:literal) => {
        Function { names: &[$name], group: GROUP, params: PAIR, about: $about, run: |call| pairs(call, $func, None) }
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["aggregate"],
        group: GROUP,
        params: &[SERIES, FUNC, XFF],
        about: "Combines all series into one with the named function.",
        run: |call| {
            let (series, func, share) = (call.series(0), call.text(1), call.float_or_none(2));
            aggregate(call, series, &func, share).map(|made| made.into_iter().collect())
        },
    },
    over_all!(&["sumSeries", "sum"], "sum", "The sum of all series at each time."),
    over_all!(&["averageSeries", "avg"], "average", "The average of all series at each time."),
    over_all!(&["minSeries"], "min", "The smallest value of all series at each time."),
    over_all!(&["maxSeries"], "max", "The largest value of all series at each time."),
    over_all!(&["diffSeries"], "diff", "The first series minus all others."),
    over_all!(&["stddevSeries"], "stddev", "The standard deviation of all series at each time."),
    over_all!(&["rangeOfSeries"], "rangeOf", "The largest minus the smallest value at each time."),
    over_all!(&["medianSeries"], "median", "The median of all series at each time."),
    Function {
        names: &["multiplySeries"],
        group: GROUP,
        params: LISTS,
        about: "The product of all series at each time.",
        run: |call| {
            let series = call.series(0);
            if series.len() == 1 {
                Ok(series)
            } else {
                Ok(aggregate(call, series, "multiply", None)?.into_iter().collect())
            }
        },
    },
    Function {
        names: &["countSeries"],
        group: GROUP,
        params: &[Param::new("seriesLists", Kind::SeriesList).multiple()],
        about: "The number of series.",
        run: |call| if call.values(0).is_empty() { Ok(vec![constant(call, 0.0, "0")]) } else { count(call) },
    },
    Function {
        names: &["powSeries"],
        group: GROUP,
        params: LISTS,
        about: "The first series to the power of the next, and so on.",
        run: power,
    },
    Function {
        names: &["percentileOfSeries"],
        group: GROUP,
        params: &[
            SERIES,
            Param::new("n", Kind::Float).required(),
            Param::new("interpolate", Kind::Boolean).or("false"),
        ],
        about: "The n-th percentile of all series at each time.",
        run: percentile_of,
    },
    over_rest!("sumSeriesWithWildcards", "sum", "Sums series whose names are the same without some nodes."),
    over_rest!("averageSeriesWithWildcards", "average", "Averages series whose names are the same without some nodes."),
    over_rest!(
        "multiplySeriesWithWildcards",
        "multiply",
        "Multiplies series whose names are the same without some nodes."
    ),
    Function {
        names: &["aggregateWithWildcards"],
        group: GROUP,
        params: &[SERIES, FUNC, POSITIONS],
        about: "Combines series whose names are the same without some nodes with the named function.",
        run: |call| {
            let func = call.text(1);
            with_wildcards(call, &func, 2)
        },
    },
    over_pairs!("sumSeriesLists", "sum", "Sums the first, second, .. series of two lists."),
    over_pairs!("diffSeriesLists", "diff", "Subtracts the first, second, .. series of two lists."),
    over_pairs!("multiplySeriesLists", "multiply", "Multiplies the first, second, .. series of two lists."),
    Function {
        names: &["aggregateSeriesLists"],
        group: GROUP,
        params: &[PAIR[0], PAIR[1], FUNC, XFF],
        about: "Combines the first, second, .. series of two lists with the named function.",
        run: |call| {
            let (func, share) = (call.text(2), call.float_or_none(3));
            pairs(call, &func, share)
        },
    },
    Function {
        names: &["group"],
        group: GROUP,
        params: &[Param::new("seriesLists", Kind::SeriesList).multiple()],
        about: "Joins several lists into one.",
        run: |call| Ok(call.series(0)),
    },
];

/// Combines series into one that has the tags common to all. `None` if there are no series.
pub(super) fn aggregate(
    call: &Call<'_, '_>,
    series: Vec<Series>,
    func: &str,
    x_files_factor: Option<f64>,
) -> Result<Option<Series>> {
    let how = AggFunc::of_series(func)?;
    let func = func.strip_suffix("Series").unwrap_or(func);
    let share = x_files_factor.unwrap_or(call.evaluator.x_files_factor);
    let Some(aligned) = Aligned::new(series)? else { return Ok(None) };
    let name = format!("{func}Series({})", paths(&aligned.series));
    let values = aligned.rows(&|row| if has_enough(row, share) { how.of(row) } else { f64::NAN });
    let mut made = Series::new(&name, aligned.time, values, share);
    made.is_whole = how.is_whole(aligned.series.iter().all(|one| one.is_whole));
    let mut tags = aligned.series[0].tags.clone();
    for one in &aligned.series {
        tags.retain(|tag, value| one.tags.get(tag) == Some(value));
    }
    tags.entry("name".to_owned()).or_insert(name);
    made.tags = tags;
    made.tag("aggregatedBy", func);
    Ok(Some(made))
}

/// Applies the callback with this name to series: a function of this family over the series alone, or else over
/// each row.
pub(super) fn by_callback(call: &mut Call<'_, '_>, series: Vec<Series>, callback: &str) -> Result<Option<Series>> {
    match FUNCTIONS.iter().chain(super::percent::FUNCTIONS).find(|function| function.names.contains(&callback)) {
        Some(function) if is_callback(function) => Ok(call.apply(function, callback, series)?.into_iter().next()),
        _ => aggregate(call, series, callback, None),
    }
}

/// Whether a function can be applied to a list alone.
fn is_callback(function: &Function) -> bool {
    function.names[0] != "group" && !function.params.iter().skip(1).any(|param| param.is_required)
}

fn all(call: &mut Call<'_, '_>, func: &str) -> Result<Vec<Series>> {
    let series = call.series(0);
    Ok(aggregate(call, series, func, None)?.into_iter().collect())
}

fn with_wildcards(call: &mut Call<'_, '_>, func: &str, positions_at: usize) -> Result<Vec<Series>> {
    let positions: Vec<String> = call.values(positions_at).iter().map(Value::text).collect();
    let key = |series: &Series| {
        let nodes = series.name.split('.').enumerate();
        let kept = nodes.filter(|(at, _)| !positions.contains(&at.to_string())).map(|(_, node)| node);
        kept.collect::<Vec<_>>().join(".")
    };
    let mut made = Vec::new();
    for (name, group) in super::nodes::grouped(call.series(0), &key) {
        made.extend(aggregate(call, group, func, None)?.map(|series| Series { name, ..series }));
    }
    Ok(made)
}

fn pairs(call: &mut Call<'_, '_>, func: &str, x_files_factor: Option<f64>) -> Result<Vec<Series>> {
    let (first, second) = (call.series(0), call.series(1));
    if first.len() != second.len() {
        let text = "seriesListFirstPos and seriesListSecondPos argument must have equal length";
        return call.evaluator.missing(text.to_owned()).map(|()| Vec::new());
    }
    let short = func.strip_suffix("Series").unwrap_or(func);
    let mut made = Vec::new();
    for (one, other) in first.into_iter().zip(second) {
        let name = format!("{short}Series({},{})", one.name, other.name);
        made.extend(aggregate(call, vec![one, other], func, x_files_factor)?.map(|series| Series { name, ..series }));
    }
    Ok(made)
}

fn count(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let series = call.series(0);
    Ok(count_of(call, series)?.into_iter().collect())
}

#[expect(clippy::cast_precision_loss, reason = "series are few")]
fn count_of(call: &Call<'_, '_>, series: Vec<Series>) -> Result<Option<Series>> {
    let Some(aligned) = Aligned::new(series)? else { return Ok(None) };
    let name = format!("countSeries({})", paths(&aligned.series));
    let values = aligned.rows(&|row| row.len() as f64);
    let made = Series::new(&name, aligned.time, values, call.evaluator.x_files_factor);
    Ok(Some(Series { is_whole: true, ..made }))
}

fn power(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let Some(aligned) = Aligned::new(call.series(0))? else { return Ok(Vec::new()) };
    let names: Vec<&str> = aligned.series.iter().map(|series| series.name.as_str()).collect();
    let name = format!("powSeries({})", names.join(","));
    let values = aligned.rows(&|row| {
        let missing = present(row).count() < row.len();
        let power = row.iter().copied().reduce(f64::powf).filter(|power| power.is_finite() && !missing);
        power.unwrap_or(f64::NAN)
    });
    Ok(vec![Series::new(&name, aligned.time, values, call.evaluator.x_files_factor)])
}

fn percentile_of(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (n, interpolates) = (call.float(1), call.flag(2));
    if n <= 0.0 {
        return refuse("The requested percent is required to be greater than 0");
    }
    let Some(aligned) = Aligned::new(call.series(0))? else { return Ok(Vec::new()) };
    let name = format!("percentileOfSeries({},{})", aligned.series[0].path, g(n));
    let values = aligned.rows(&|row| percentile(row, n, interpolates));
    Ok(vec![Series::new(&name, aligned.time, values, call.evaluator.x_files_factor)])
}
