//! Differences, running sums, and delays.

use super::{each, rounded};
use crate::error::Result;
use crate::function::{Call, Function, Kind, Param, SERIES};
use crate::series::Series;

const GROUP: &str = "Transform";
const COUNTER: &[Param] = &[SERIES, Param::new("maxValue", Kind::Float), Param::new("minValue", Kind::Float)];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["derivative"],
        group: GROUP,
        params: &[SERIES],
        about: "The difference between each value and the one before.",
        run: |call| {
            each(call, &|_, series| {
                let earlier = std::iter::once(f64::NAN).chain(series.values.iter().copied());
                let values = series.values.iter().zip(earlier).map(|(value, earlier)| value - earlier).collect();
                replace(series, "derivative", values);
            })
        },
    },
    Function {
        names: &["nonNegativeDerivative"],
        group: GROUP,
        params: COUNTER,
        about: "The increase of a counter; no value where it restarted.",
        run: |call| {
            each(call, &|call, series| {
                let values = increments(series, call.float_or_none(1), call.float_or_none(2));
                replace(series, "nonNegativeDerivative", values);
            })
        },
    },
    Function {
        names: &["perSecond"],
        group: GROUP,
        params: COUNTER,
        about: "The increase of a counter per second.",
        #[expect(clippy::cast_precision_loss, reason = "a step")]
        run: |call| {
            each(call, &|call, series| {
                let mut values = increments(series, call.float_or_none(1), call.float_or_none(2));
                for value in &mut values {
                    *value = rounded(*value / series.step_s as f64, 6);
                }
                series.is_whole = false;
                replace(series, "perSecond", values);
            })
        },
    },
    Function {
        names: &["integral"],
        group: GROUP,
        params: &[SERIES],
        about: "The running sum of all values.",
        run: |call| {
            each(call, &|_, series| {
                let mut sum = 0.0;
                let add = |value: &f64| {
                    sum += if value.is_nan() { 0.0 } else { *value };
                    if value.is_nan() { f64::NAN } else { sum }
                };
                let values = series.values.iter().map(add).collect();
                series.is_whole = false;
                replace(series, "integral", values);
            })
        },
    },
    Function {
        names: &["integralByInterval"],
        group: GROUP,
        params: &[SERIES, Param::new("intervalUnit", Kind::Interval).required()],
        about: "The running sum of all values, reset after each interval.",
        run: integral_by_interval,
    },
    Function {
        names: &["delay"],
        group: GROUP,
        params: &[SERIES, Param::new("steps", Kind::Integer).required()],
        about: "Moves values later by a number of steps.",
        run: |call| {
            each(call, &|call, series| {
                let steps = call.int(1);
                let at = |place: usize| i64::try_from(place).ok()?.checked_sub(steps);
                let from = |place: usize| usize::try_from(at(place)?).ok();
                let value = |place| from(place).and_then(|from| series.values.get(from)).copied().unwrap_or(f64::NAN);
                let values = (0..series.values.len()).map(value).collect();
                series.tag("delay", &steps.to_string());
                *series = series.derived(format!("delay({},{steps})", series.name), values);
            })
        },
    },
];

fn replace(series: &mut Series, function: &str, values: Vec<f64>) {
    series.tag(function, "1");
    *series = series.derived(format!("{function}({})", series.name), values);
}

/// The increase of each value over the last, including when a counter wraps around at `max` or restarts at `min`.
fn increments(series: &Series, max: Option<f64>, min: Option<f64>) -> Vec<f64> {
    let mut last = f64::NAN;
    let increment = |value: &f64| {
        let earlier = std::mem::replace(&mut last, *value);
        if max.is_some_and(|max| *value > max) || min.is_some_and(|min| *value < min) {
            last = f64::NAN;
            return f64::NAN;
        }
        match (max, min) {
            _ if earlier.is_nan() || value.is_nan() => f64::NAN,
            _ if *value >= earlier => value - earlier,
            (Some(max), min) => max + 1.0 + value - earlier - min.unwrap_or(0.0),
            (None, Some(min)) => value - min,
            (None, None) => f64::NAN,
        }
    };
    series.values.iter().map(increment).collect()
}

fn integral_by_interval(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let interval_s = call.interval_s(1)?;
    call.evaluator.divide_steps(interval_s);
    each(call, &|call, series| {
        let unit = call.text(1);
        let (mut sum, mut at_s) = (0.0, series.start_s - call.scope.from_s);
        let add = |value: &f64| {
            if at_s.div_euclid(interval_s) != (at_s - series.step_s).div_euclid(interval_s) {
                sum = 0.0;
            }
            at_s += series.step_s;
            sum += if value.is_nan() { 0.0 } else { *value };
            sum
        };
        let values = series.values.iter().map(add).collect();
        series.is_whole = false;
        series.tag("integralByInterval", unit.as_str());
        *series = series.derived(format!("integralByInterval({},'{unit}')", series.name), values);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_wraps_counts_up_to_max_and_on_from_min() {
        let counted = |values: &[f64], max: Option<f64>, min: Option<f64>| -> Vec<Option<f64>> {
            let series = Series::of_path("a", (0, 60, 10), values.to_vec());
            let all = increments(&series, max, min);
            all.into_iter().map(|value| (!value.is_nan()).then_some(value)).collect()
        };
        // From 7 to 10, which is one step before 3, and on to 4.
        let values = [5.0, 7.0, 4.0, 4.0];
        assert_eq!(counted(&values, Some(10.0), Some(3.0)), [None, Some(2.0), Some(5.0), Some(0.0)]);
        assert_eq!(counted(&values, Some(10.0), None), [None, Some(2.0), Some(8.0), Some(0.0)]);
        assert_eq!(counted(&values, None, Some(3.0)), [None, Some(2.0), Some(1.0), Some(0.0)]);
        assert_eq!(counted(&values, None, None), [None, Some(2.0), None, Some(0.0)]);
        // The bounds are values of the counter; beyond them it has none, and the next one is its first again.
        let values = [3.0, 10.0, 11.0, 4.0, 2.0, 5.0];
        assert_eq!(counted(&values, Some(10.0), Some(3.0)), [None, Some(7.0), None, None, None, None]);
    }
}
