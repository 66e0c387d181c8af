//! Wider steps: `summarize`, `smartSummarize`, `hitcount`.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, Timelike};

use crate::aggregate::{AggFunc, is_enough};
use crate::error::{Result, refuse};
use crate::evaluate::Scope;
use crate::function::{Call, Function, Kind, Param, SERIES};
use crate::series::Series;
use crate::time::{local, offset_s, unit_s, unix_s};

const GROUP: &str = "Transform";
const INTERVAL: Param = Param::new("intervalString", Kind::Interval).required();
const FUNC: Param = Param::new("func", Kind::AggFunc).or("\"sum\"");

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["summarize"],
        group: GROUP,
        params: &[SERIES, INTERVAL, FUNC, Param::new("alignToFrom", Kind::Boolean).or("false")],
        about: "Combines the values of each interval: their sum, or the named function's value.",
        run: summarize,
    },
    Function {
        names: &["smartSummarize"],
        group: GROUP,
        params: &[SERIES, INTERVAL, FUNC, Param::new("alignTo", Kind::Text)],
        about: "Same as summarize, with intervals that start with the requested time range, or with its minute, hour, day, ..",
        run: smart,
    },
    Function {
        names: &["hitcount"],
        group: GROUP,
        params: &[SERIES, INTERVAL, Param::new("alignToInterval", Kind::Boolean).or("false")],
        about: "Converts values per second to the number of hits in each interval.",
        run: hitcount,
    },
];

fn summarize(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (interval, func, aligns) = (call.text(1), call.text(2), call.flag(3));
    let (interval_s, how) = (positive(call, &interval)?, AggFunc::parse(&func)?);
    let mut made = Vec::new();
    for mut series in call.series(0) {
        let (start_s, end_s) = if aligns {
            (series.start_s, series.end_s)
        } else {
            let floor = |at_s: i64| at_s - at_s.rem_euclid(interval_s);
            (floor(series.start_s), floor(series.end_s) + interval_s)
        };
        let (values, aligned_end_s) = summarized(call, &series, how, interval_s, (start_s, end_s))?;
        series.tag("summarize", interval.as_str());
        series.tag("summarizeFunction", func.as_str());
        let name =
            format!("summarize({}, \"{interval}\", \"{func}\"{})", series.name, if aligns { ", true" } else { "" });
        let end_s = if aligns { aligned_end_s } else { end_s };
        let is_whole = how.is_whole(series.is_whole);
        made.push(Series { start_s, end_s, step_s: interval_s, is_whole, ..series.derived(name, values) });
    }
    Ok(made)
}

fn smart(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (interval, func) = (call.text(1), call.text(2));
    let (interval_s, how) = (positive(call, &interval)?, AggFunc::parse(&func)?);
    let align_to = call.text_or_none(3).filter(|unit| !matches!(unit.to_lowercase().as_str(), "true" | "false"));
    let all = match align_to {
        Some(unit) => {
            let from_s = aligned(call, &unit)?;
            call.first_of(Scope { from_s, ..call.scope })?
        }
        None => call.series(0),
    };
    let mut made = Vec::new();
    for mut series in all {
        let (values, end_s) = summarized(call, &series, how, interval_s, (series.start_s, series.end_s))?;
        series.tag("smartSummarize", interval.as_str());
        series.tag("smartSummarizeFunction", func.as_str());
        let name = format!("smartSummarize({}, \"{interval}\", \"{func}\")", series.name);
        let is_whole = how.is_whole(series.is_whole);
        made.push(Series { end_s, step_s: interval_s, is_whole, ..series.derived(name, values) });
    }
    Ok(made)
}

/// The length of an interval, in whole steps.
fn positive(call: &mut Call<'_, '_>, interval: &str) -> Result<i64> {
    let interval_s = offset_s(interval)?;
    if interval_s > 0 {
        call.evaluator.divide_steps(interval_s);
        Ok(interval_s)
    } else {
        refuse(format!("{interval:?} is not a valid interval: it must be greater than zero"))
    }
}

/// The start of the request's time range, moved back to the start of its minute, hour, .., in the time zone.
fn aligned(call: &Call<'_, '_>, unit: &str) -> Result<i64> {
    let zone = call.evaluator.zone;
    let from = local(call.scope.from_s, zone);
    let (date, hour, minute) = (from.date(), from.hour(), from.minute());
    let day_of = |month: u32, day: u32| NaiveDate::from_ymd_opt(date.year(), month, day).unwrap_or(date);
    let at = |date: NaiveDate, hour: u32, minute: u32| date.and_hms_opt(hour, minute, 0).unwrap_or(from);
    let Some(unit_s) = unit_s(unit) else { return refuse(format!("Invalid offset unit '{unit}'")) };
    let begun: NaiveDateTime = match unit_s {
        1 => from,
        60 => at(date, hour, minute),
        3600 => at(date, hour, 0),
        86_400 => at(date, 0, 0),
        604_800 => {
            // `weeks3` starts on Wednesdays.
            let first = unit.chars().next_back().and_then(|char| char.to_digit(10)).unwrap_or(1);
            let back = (date.weekday().number_from_monday() + 7 - first % 7) % 7;
            at(date.checked_sub_days(Days::new(back.into())).unwrap_or(date), 0, 0)
        }
        2_592_000 => at(day_of(date.month(), 1), 0, 0),
        _ => at(day_of(1, 1), 0, 0),
    };
    Ok(unix_s(begun, zone))
}

/// The values of each interval combined into one, and where the last interval ends.
#[expect(clippy::cast_precision_loss, reason = "steps are few")]
fn summarized(
    call: &mut Call<'_, '_>,
    series: &Series,
    how: AggFunc,
    interval_s: i64,
    (start_s, end_s): (i64, i64),
) -> Result<(Vec<f64>, i64)> {
    call.evaluator.pay_values(usize::try_from((end_s - start_s) / interval_s).unwrap_or(0))?;
    let per_interval = interval_s as f64 / series.step_s as f64;
    let steps = usize::try_from((series.end_s - series.start_s + series.step_s - 1) / series.step_s).unwrap_or(0);
    let steps = steps.min(series.values.len());
    let time = |at: usize| series.start_s + i64::try_from(at).unwrap_or(i64::MAX) * series.step_s;
    let (mut values, mut at, mut begun_s) = (Vec::new(), 0, start_s);
    while begun_s < end_s {
        let (mut from, mut count) = (at, 0);
        while at < steps && time(at) < begun_s + interval_s {
            if time(at) <= begun_s {
                from = at;
            }
            count += usize::from(time(at) >= begun_s && !series.values[at].is_nan());
            at += 1;
        }
        let is_enough = is_enough(count, per_interval, series.x_files_factor);
        values.push(if is_enough { how.of(&series.values[from..at]) } else { f64::NAN });
        begun_s += interval_s;
    }
    Ok((values, begun_s))
}

fn hitcount(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (interval, aligns) = (call.text(1), call.flag(2));
    let interval_s = positive(call, &interval)?;
    let mut all = call.series(0);
    if aligns {
        let unit = [(86_400, "d"), (3600, "h"), (60, "min")].into_iter().find(|(unit_s, _)| interval_s >= *unit_s);
        let from_s = aligned(call, unit.map_or("s", |(_, unit)| unit))?;
        all = call.first_of(Scope { from_s, ..call.scope })?;
        for series in &mut all {
            let intervals = (series.end_s - series.start_s) / interval_s;
            series.end_s = series.start_s + intervals * interval_s + interval_s;
        }
    }
    let mut made = Vec::new();
    for mut series in all {
        let count = (series.end_s - series.start_s + interval_s - 1) / interval_s;
        let len = usize::try_from(count).unwrap_or(0);
        call.evaluator.pay_values(len)?;
        let start_s = series.end_s - count * interval_s;
        let mut hits = vec![f64::NAN; len];
        for (at, value) in series.values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            let from_s = series.start_s + i64::try_from(at).unwrap_or(0) * series.step_s - start_s;
            spread(&mut hits, interval_s, from_s, from_s + series.step_s, *value);
        }
        series.tag("hitcount", interval.as_str());
        let name = format!("hitcount({}, \"{interval}\"{})", series.name, if aligns { ", true" } else { "" });
        made.push(Series { start_s, step_s: interval_s, ..series.derived(name, hits) });
    }
    Ok(made)
}

/// Adds what a value per second counts from one time to another to the intervals in between.
#[expect(clippy::cast_precision_loss, reason = "seconds")]
fn spread(hits: &mut [f64], interval_s: i64, from_s: i64, to_s: i64, value: f64) {
    let mut at_s = from_s;
    while at_s < to_s {
        let bucket = at_s.div_euclid(interval_s);
        let end_s = ((bucket + 1) * interval_s).min(to_s);
        if let Some(place) = usize::try_from(bucket).ok().and_then(|bucket| hits.get_mut(bucket)) {
            *place = if place.is_nan() { 0.0 } else { *place } + value * (end_s - at_s) as f64;
        }
        at_s = end_s;
    }
}
