//! Moving windows. The earlier values that the window needs are fetched too.

use super::rounded;
use crate::aggregate::{AggFunc, is_enough, present};
use crate::error::{Result, refuse};
use crate::function::{Call, Function, Kind, Param, SERIES, Value};
use crate::series::Series;
use crate::time::offset_s;
use model::window::MAX_STEPS;

const GROUP: &str = "Calculate";
const WINDOW: Param = Param::new("windowSize", Kind::IntOrInterval).required();
const XFF: Param = Param::new("xFilesFactor", Kind::Float);
const MOVING: &[Param] = &[SERIES, WINDOW, XFF];

macro_rules! moving {
    ($name:literal, $func:literal, $about:literal) => {
        Function { names: &[$name], group: GROUP, params: MOVING, about: $about, run: |call| moving(call, $func, 2) }
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    moving!("movingAverage", "average", "The average of the values of a window."),
    moving!("movingMedian", "median", "The median of the values of a window."),
    moving!("movingSum", "sum", "The sum of the values of a window."),
    moving!("movingMin", "min", "The smallest value of a window."),
    moving!("movingMax", "max", "The largest value of a window."),
    Function {
        names: &["movingWindow"],
        group: GROUP,
        params: &[SERIES, WINDOW, Param::new("func", Kind::AggFunc).or("\"average\""), XFF],
        about: "The named function over the values of a window.",
        run: |call| {
            let func = call.text(2);
            moving(call, &func, 3)
        },
    },
    Function {
        names: &["exponentialMovingAverage"],
        group: GROUP,
        params: &[SERIES, WINDOW],
        about: "An average in which later values weigh more.",
        run: exponential,
    },
    Function {
        names: &["stdev"],
        group: GROUP,
        params: &[
            SERIES,
            Param::new("points", Kind::Integer).required(),
            Param::new("windowTolerance", Kind::Float).or("0.1"),
        ],
        about: "The standard deviation of the values of a window.",
        run: deviation,
    },
];

/// A window: its length, and whether it is in steps.
struct Span {
    preview_s: i64,
    steps: Option<i64>,
    /// As it was written.
    text: String,
}

impl Span {
    /// The window of a call, whose series give the length of a step; `None` if there are no series and it is in
    /// steps.
    #[expect(clippy::cast_possible_truncation, reason = "as Python's int")]
    fn of(call: &mut Call<'_, '_>) -> Result<Option<Self>> {
        let step_s = call.series(0).iter().map(|series| series.step_s).max();
        let text = call.text(1);
        let steps = match call.value(1) {
            Some(Value::Text(_)) => None,
            Some(Value::Float(steps)) => Some(*steps as i64),
            _ => Some(call.int(1)),
        };
        let preview_s = match (steps, step_s) {
            (None, _) => offset_s(&text)?.abs(),
            (Some(steps), _) if steps > MAX_STEPS => {
                return refuse(format!("windowSize must be at most {MAX_STEPS} steps, not {steps}"));
            }
            (Some(steps), step_s) => step_s.unwrap_or(1).saturating_mul(steps),
        };
        if !(1..=i64::from(u32::MAX)).contains(&preview_s) {
            return refuse(
                "windowSize must be a number of steps or an interval, greater than 0 and less than a century",
            );
        }
        if steps.is_none() {
            call.evaluator.divide_steps(preview_s);
        }
        let has_length = steps.is_none() || step_s.is_some();
        Ok(has_length.then_some(Self { preview_s, steps, text }))
    }

    fn points(&self, series: &Series) -> usize {
        usize::try_from(self.steps.unwrap_or(self.preview_s / series.step_s.max(1))).unwrap_or(0)
    }

    /// `f(name,5)` or `f(name,"5min")`
    fn name(&self, function: &str, series: &Series) -> String {
        let quote = if self.steps.is_none() { "\"" } else { "" };
        format!("{function}({},{quote}{}{quote})", series.name, self.text)
    }
}

fn moving(call: &mut Call<'_, '_>, func: &str, share_at: usize) -> Result<Vec<Series>> {
    let (how, share) = (AggFunc::parse(func)?, call.float_or_none(share_at));
    let Some(span) = Span::of(call)? else { return Ok(Vec::new()) };
    let mut name = func.to_ascii_lowercase();
    name[..1].make_ascii_uppercase();
    let name = format!("moving{name}");
    let mut made = Vec::new();
    for mut series in call.first_of(call.scope.begun(span.preview_s))? {
        let points = span.points(&series);
        series.tag(&name, span.text.as_str());
        let share = share.unwrap_or(series.x_files_factor);
        // A function without a shortcut costs the whole window for each value.
        let is_cheap = matches!(how, AggFunc::Sum | AggFunc::Average | AggFunc::Min | AggFunc::Max);
        let per_value = if is_cheap { 4 } else { points };
        call.evaluator.pay_values(series.values.len().saturating_mul(per_value))?;
        let values = over_windows(&series.values, points, how, share);
        let (start_s, name) = (series.start_s + span.preview_s, span.name(&name, &series));
        let is_whole = how.is_whole(series.is_whole);
        made.push(Series { start_s, is_whole, ..series.derived(name, values) });
    }
    Ok(made)
}

/// The value of each full window but the first.
fn over_windows(values: &[f64], points: usize, how: AggFunc, share: f64) -> Vec<f64> {
    if points == 0 || values.len() <= points {
        return vec![f64::NAN; if points == 0 { values.len() } else { 0 }];
    }
    match how {
        AggFunc::Sum => folded(values, points, share, 0.0, |a, b| a + b),
        AggFunc::Min => folded(values, points, share, f64::INFINITY, f64::min),
        AggFunc::Max => folded(values, points, share, f64::NEG_INFINITY, f64::max),
        AggFunc::Average => {
            let (sums, counts) = (folded(values, points, share, 0.0, |a, b| a + b), counts(values, points));
            sums.iter().zip(counts).map(|(sum, count)| sum / f64::from(count)).collect()
        }
        how => values[1..].windows(points).map(|window| checked(window, share, how)).collect(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a window")]
fn checked(window: &[f64], share: f64, how: AggFunc) -> f64 {
    let there: Vec<f64> = present(window).collect();
    if is_enough(there.len(), window.len() as f64, share) { how.of(&there) } else { f64::NAN }
}

/// The number of values in each window.
fn counts(values: &[f64], points: usize) -> Vec<u32> {
    let mut count = 0;
    let mut counts = Vec::with_capacity(values.len());
    for (at, value) in values[1..].iter().enumerate() {
        count += u32::from(!value.is_nan());
        if at + 1 >= points {
            counts.push(count);
            count -= u32::from(!values[at + 2 - points].is_nan());
        }
    }
    counts
}

/// Computes an associative function over each window, in three operations per value whatever the window. The values
/// are cut into blocks as long as the window; each window is the end of one and the start of the next (van Herk,
/// Gil and Werman). Nothing is subtracted.
#[expect(clippy::cast_precision_loss, reason = "a window")]
fn folded(values: &[f64], points: usize, share: f64, empty: f64, merge: fn(f64, f64) -> f64) -> Vec<f64> {
    let values = &values[1..];
    let value = |at: usize| if values[at].is_nan() { empty } else { values[at] };
    let (mut ahead, mut behind) = (vec![empty; values.len()], vec![empty; values.len()]);
    for at in 0..values.len() {
        ahead[at] = if at % points == 0 { value(at) } else { merge(ahead[at - 1], value(at)) };
    }
    for at in (0..values.len()).rev() {
        let is_end = (at + 1) % points == 0 || at + 1 == values.len();
        behind[at] = if is_end { value(at) } else { merge(value(at), behind[at + 1]) };
    }
    let counts = counts_of(values, points);
    let whole = |(start, count): (usize, u32)| {
        let end = start + points - 1;
        if !is_enough(count as usize, points as f64, share) {
            f64::NAN
        } else if start % points == 0 {
            ahead[end]
        } else {
            merge(behind[start], ahead[end])
        }
    };
    counts.into_iter().enumerate().map(whole).collect()
}

/// [`counts`] of values without the first.
fn counts_of(values: &[f64], points: usize) -> Vec<u32> {
    let mut all = Vec::with_capacity(values.len() + 1);
    all.push(f64::NAN);
    all.extend_from_slice(values);
    counts(&all, points)
}

#[expect(clippy::cast_precision_loss, reason = "a window")]
fn exponential(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let Some(span) = Span::of(call)? else { return Ok(Vec::new()) };
    let constant = 2.0 / (span.steps.unwrap_or(span.preview_s) as f64 + 1.0);
    let mut made = Vec::new();
    for mut series in call.first_of(call.scope.begun(span.preview_s))? {
        let points = span.points(&series).min(series.values.len());
        series.tag("exponentialMovingAverage", span.text.as_str());
        let mut average = AggFunc::Average.of(&series.values[..points]);
        average = if average.is_nan() { 0.0 } else { average };
        let mut values = vec![rounded(average, 6)];
        for value in &series.values[points..] {
            if !value.is_nan() {
                average = constant * value + (1.0 - constant) * average;
            }
            values.push(if value.is_nan() { f64::NAN } else { rounded(average, 6) });
        }
        let (start_s, name) = (series.start_s + span.preview_s, span.name("exponentialMovingAverage", &series));
        made.push(Series { start_s, is_whole: false, ..series.derived(name, values) });
    }
    Ok(made)
}

#[expect(clippy::cast_precision_loss, reason = "a window")]
fn deviation(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (points, tolerance) = (call.int(1), call.float(2));
    let Some(window) = usize::try_from(points).ok().filter(|window| *window > 0) else {
        return refuse("points must be greater than 0");
    };
    let mut made = Vec::new();
    for mut series in call.series(0) {
        series.tag("stdev", &points.to_string());
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        let mut values = Vec::with_capacity(series.values.len());
        for (at, value) in series.values.iter().enumerate() {
            let dropped = at.checked_sub(window).map_or(f64::NAN, |at| series.values[at]);
            for (value, sign) in [(dropped, -1.0), (*value, 1.0)] {
                if !value.is_nan() {
                    (count, sum, squares) = (count + sign, sum + sign * value, squares + sign * value * value);
                }
            }
            let is_valid = count > 0.0 && count / points as f64 >= tolerance;
            values.push(if is_valid { (count * squares - sum * sum).sqrt() / count } else { f64::NAN });
        }
        let name = format!("stdev({},{points})", series.name);
        made.push(Series { is_whole: false, ..series.derived(name, values) });
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_by_blocks_equal_windows_one_by_one() {
        let values: Vec<f64> = (0..40).map(|at| if at % 7 == 3 { f64::NAN } else { f64::from(at * 37 % 11) }).collect();
        for points in [1, 2, 5, 7, 39, 40, 41] {
            for how in [AggFunc::Sum, AggFunc::Min, AggFunc::Max, AggFunc::Average] {
                for share in [0.0, 0.9] {
                    let slow = values[1..].windows(points).map(|window| checked(window, share, how));
                    let fast = over_windows(&values, points, how, share);
                    assert_eq!(fast.len(), slow.len(), "{points} {how:?}");
                    assert!(
                        fast.iter().zip(slow).all(|(a, b)| a == &b || a.is_nan() && b.is_nan()),
                        "{points} {how:?}"
                    );
                }
            }
        }
    }
}
