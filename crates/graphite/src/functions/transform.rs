//! Changes values one by one, or by their neighbours.

use super::{each, map, rounded};
use crate::aggregate::AggFunc;
use crate::error::Result;
use crate::function::{Call, Function, Kind, Param, SERIES};
use crate::series::{Aligned, Series};
use crate::text::{g, repr, shown};

const GROUP: &str = "Transform";
const ONE: &[Param] = &[SERIES];
const FACTOR: &[Param] = &[SERIES, Param::new("factor", Kind::Float).required()];
const LIMIT: &[Param] = &[SERIES, Param::new("limit", Kind::IntOrInf)];

/// A function without parameters: it adds a tag, unless that is empty, and maps each value.
macro_rules! plain {
    ($name:literal, $tag:literal, $value:expr, $about:literal) => {
        Function {
            names: &[$name],
            group: GROUP,
            params: ONE,
            about: $about,
            run: |call| {
                each(call, &|_, series| {
                    if !$tag.is_empty() {
                        series.tag($name, $tag);
                    }
                    series.rename(format!("{}({})", $name, series.name));
                    map(series, &$value);
                })
            },
        }
    };
}
/// A function with one number.
macro_rules! with_number {
    ($name:literal, $params:expr, $shown:expr, $value:expr, $about:literal) => {
        Function {
            names: &[$name],
            group: GROUP,
            params: $params,
            about: $about,
            run: |call| {
                each(call, &|call, series| {
                    let number = call.float(1);
                    series.tag($name, &repr(number));
                    let shown: fn(f64) -> String = $shown;
                    series.rename(format!("{}({},{})", $name, series.name, shown(number)));
                    let step_s = super::float(series.step_s);
                    let value: fn(f64, f64, f64) -> f64 = $value;
                    map(series, &|one| value(one, number, step_s));
                })
            },
        }
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    with_number!("scale", FACTOR, g, |value, factor, _| value * factor, "Values times a factor."),
    with_number!("offset", FACTOR, g, |value, factor, _| value + factor, "Values plus a number."),
    with_number!("pow", FACTOR, g, |value, factor, _| value.powf(factor), "Values to a power."),
    with_number!(
        "add",
        &[SERIES, Param::new("constant", Kind::Float).required()],
        whole,
        |value, constant, _| value + constant,
        "Values plus a number."
    ),
    with_number!(
        "scaleToSeconds",
        &[SERIES, Param::new("seconds", Kind::Float).required()],
        whole,
        |value, seconds, step_s| rounded(value * (seconds / step_s), 6),
        "Values per the given number of seconds instead of per step."
    ),
    plain!("absolute", "1", f64::abs, "The absolute value of each value."),
    plain!("invert", "1", |value: f64| value.powi(-1), "1 over each value."),
    plain!("squareRoot", "1", f64::sqrt, "The square root of each value."),
    plain!("exp", "e", f64::exp, "e to the power of each value."),
    plain!("sigmoid", "sigmoid", |value: f64| 1.0 / (1.0 + (-value).exp()), "Values between 0 and 1."),
    plain!("logit", "logit", |value: f64| (value / (1.0 - value)).ln(), "The inverse of sigmoid."),
    Function {
        names: &["log", "logarithm"],
        group: GROUP,
        params: &[SERIES, Param::new("base", Kind::Integer).or("10")],
        about: "The logarithm of each value, base 10 or another.",
        #[expect(clippy::cast_precision_loss, reason = "a base")]
        run: |call| {
            each(call, &|call, series| {
                let base = call.int(1);
                series.tag("log", &base.to_string());
                series.rename(format!("log({}, {base})", series.name));
                map(series, &|value| if value <= 0.0 { f64::NAN } else { value.ln() / (base as f64).ln() });
            })
        },
    },
    Function {
        names: &["round"],
        group: GROUP,
        params: &[SERIES, Param::new("precision", Kind::Integer).or("0")],
        about: "Rounds values to a number of digits.",
        run: |call| {
            each(call, &|call, series| {
                let digits = call.int(1).clamp(-300, 300);
                series.tag("round", &digits.to_string());
                let shown = call.value(1).map_or_else(String::new, |_| format!(",{digits}"));
                series.rename(format!("round({}{shown})", series.name));
                map(series, &|value| rounded(value, i32::try_from(digits).unwrap_or(0)));
            })
        },
    },
    Function {
        names: &["offsetToZero"],
        group: GROUP,
        params: ONE,
        about: "Values minus the smallest.",
        run: |call| {
            each(call, &|_, series| {
                let least = AggFunc::Min.of(&series.values);
                let is_whole = series.is_whole;
                series.tag("offsetToZero", &shown(least, is_whole));
                series.rename(format!("offsetToZero({})", series.name));
                map(series, &|value| value - least);
                series.is_whole = is_whole;
            })
        },
    },
    Function {
        names: &["minMax"],
        group: GROUP,
        params: ONE,
        about: "Scales values to between 0 (the smallest) and 1 (the largest).",
        run: |call| {
            each(call, &|_, series| {
                let (least, greatest) = (AggFunc::Min.of(&series.values), AggFunc::Max.of(&series.values));
                series.rename(format!("minMax({})", series.name));
                map(series, &|value| match greatest - least {
                    0.0 if !value.is_nan() => 0.0,
                    range => (value - least) / range,
                });
            })
        },
    },
    Function {
        names: &["isNonNull"],
        group: GROUP,
        params: ONE,
        about: "1 where there is a value, 0 where there is none.",
        run: |call| {
            each(call, &|_, series| {
                series.tag("isNonNull", "1");
                series.rename(format!("isNonNull({})", series.name));
                map(series, &|value| f64::from(u8::from(!value.is_nan())));
                series.is_whole = true;
            })
        },
    },
    Function {
        names: &["transformNull"],
        group: GROUP,
        params: &[SERIES, Param::new("default", Kind::Float).or("0"), Param::new("referenceSeries", Kind::SeriesList)],
        about: "Replaces missing values with a number, everywhere or only where other series have a value.",
        run: transform_null,
    },
    Function {
        names: &["keepLastValue"],
        group: GROUP,
        params: LIMIT,
        about: "Fills gaps of at most limit steps with the last value.",
        run: |call| each(call, &|call, series| fill_gaps(series, "keepLastValue", call.float(1), true)),
    },
    Function {
        names: &["interpolate"],
        group: GROUP,
        params: LIMIT,
        about: "Fills gaps of at most limit steps by linear interpolation.",
        run: |call| each(call, &|call, series| fill_gaps(series, "interpolate", call.float(1), false)),
    },
    Function {
        names: &["changed"],
        group: "Special",
        params: ONE,
        about: "1 where the value differs from the one before, else 0.",
        run: |call| {
            each(call, &|_, series| {
                series.rename(format!("changed({})", series.name));
                let mut last = f64::NAN;
                for value in &mut series.values {
                    let is_other = !last.is_nan() && !value.is_nan() && *value != last;
                    last = if last.is_nan() || is_other { *value } else { last };
                    *value = f64::from(u8::from(is_other));
                }
                series.is_whole = true;
            })
        },
    },
];

/// `%d`
#[expect(clippy::cast_possible_truncation, reason = "as Python's %d")]
fn whole(number: f64) -> String {
    (number as i64).to_string()
}

fn transform_null(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let default = call.float(1);
    let tag = call.value(1).map_or_else(|| "0".to_owned(), |_| repr(default));
    let reference = Aligned::new(call.series(2))?.map(|aligned| {
        let counts = aligned.rows(&|row| AggFunc::Count.of(row));
        Series::new("reference", aligned.time, counts, 0.0)
    });
    each(call, &|_, series| {
        series.tag("transformNull", tag.as_str());
        let allowed = reference.as_ref().map(|reference| reference.beside(series));
        let shown = if allowed.is_some() { ",referenceSeries" } else { "" };
        if allowed.is_some() {
            series.tag("referenceSeries", "1");
        }
        series.rename(format!("transformNull({},{}{shown})", series.name, g(default)));
        for (at, value) in series.values.iter_mut().enumerate() {
            let is_allowed = allowed.as_ref().is_none_or(|counts| counts.get(at).is_some_and(|count| *count > 0.0));
            if value.is_nan() && is_allowed {
                *value = default;
            }
        }
    })
}

/// Fills gaps of at most `limit` steps after a value: by repeating it, or on a line to the next.
#[expect(clippy::cast_precision_loss, reason = "steps are few")]
fn fill_gaps(series: &mut Series, name: &str, limit: f64, keeps: bool) {
    series.rename(format!("{name}({})", series.name));
    let mut last: Option<usize> = None;
    for at in 0..=series.values.len() {
        let next = series.values.get(at).copied();
        if next.is_some_and(f64::is_nan) || (next.is_none() && !keeps) {
            continue;
        }
        if let Some(last) = last {
            let (gap, value) = (at - last - 1, series.values[last]);
            let slope = next.map_or(0.0, |next| (next - value) / (gap + 1) as f64);
            let places = if gap as f64 <= limit { &mut series.values[last + 1..at] } else { &mut [] };
            for (place, step) in places.iter_mut().zip(1..) {
                *place = if keeps { value } else { value + f64::from(step) * slope };
            }
        }
        last = Some(at);
    }
}
