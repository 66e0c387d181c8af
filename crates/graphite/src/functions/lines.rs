//! Series that are made up: lines, and functions of time.

use crate::aggregate::AggFunc;
use crate::error::{Result, refuse};
use crate::function::{Call, Function, Kind, Param, SERIES};
use crate::series::Series;
use crate::text::{g, repr, shown};

const NAME: Param = Param::new("name", Kind::Text).required();
const STEP: Param = Param::new("step", Kind::Integer).or("60");
const VALUE: Param = Param::new("value", Kind::Float).required();
const LABEL: Param = Param::new("label", Kind::Text);
const COLOR: Param = Param::new("color", Kind::Text);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["constantLine"],
        group: "Special",
        params: &[VALUE],
        about: "A line at a value.",
        run: |call| {
            let value = call.float(0);
            Ok(vec![constant(call, value, &repr(value))])
        },
    },
    Function {
        names: &["threshold"],
        group: "Graph",
        params: &[VALUE, LABEL, COLOR],
        about: "A line at a value, with a name.",
        run: |call| {
            let value = call.float(0);
            let mut line = constant(call, value, &repr(value));
            if let Some(label) = call.text_or_none(1) {
                line.name = label;
            }
            Ok(vec![line])
        },
    },
    Function {
        names: &["verticalLine"],
        group: "Graph",
        params: &[Param::new("ts", Kind::Date).required(), LABEL, COLOR],
        about: "A line at a time.",
        run: vertical,
    },
    Function {
        names: &["aggregateLine"],
        group: "Calculate",
        params: &[
            SERIES,
            Param::new("func", Kind::AggFunc).or("\"average\""),
            Param::new("keepStep", Kind::Boolean).or("false"),
        ],
        about: "A line at the named function's value for each series.",
        run: aggregate_line,
    },
    Function {
        names: &["identity"],
        group: "Calculate",
        params: &[NAME],
        about: "The time as a value, every minute.",
        run: |call| {
            let (name, path) = (call.text(0), format!("identity(\"{}\")", call.text(0)));
            made_up(call, &name, 60, &mut |at_s| at_s).map(|series| vec![Series { path, is_whole: true, ..series }])
        },
    },
    Function {
        names: &["timeFunction", "time"],
        group: "Transform",
        params: &[NAME, STEP],
        about: "The time as a value, every step.",
        run: |call| {
            let (name, step_s) = (call.text(0), call.int(1));
            made_up(call, &name, step_s, &mut |at_s| at_s).map(|series| vec![series])
        },
    },
    Function {
        names: &["sinFunction", "sin"],
        group: "Transform",
        params: &[NAME, Param::new("amplitude", Kind::Integer).or("1"), STEP],
        about: "The sine of the time.",
        #[expect(clippy::cast_precision_loss, reason = "an amplitude")]
        run: |call| {
            let (name, amplitude, step_s) = (call.text(0), call.int(1) as f64, call.int(2));
            made_up(call, &name, step_s, &mut |at_s| at_s.sin() * amplitude).map(|series| vec![series])
        },
    },
    Function {
        names: &["randomWalkFunction", "randomWalk"],
        group: "Special",
        params: &[NAME, STEP],
        about: "A pseudo-random walk from 0 that is the same for the same time.",
        run: random_walk,
    },
];

/// Three points at a value.
pub(super) fn constant(call: &Call<'_, '_>, value: f64, name: &str) -> Series {
    let (from_s, until_s) = (call.scope.from_s, call.scope.until_s);
    let time = (from_s, until_s, (until_s - from_s) / 2);
    let series = Series::new(name, time, vec![value; 3], call.evaluator.x_files_factor);
    Series { path: format!("constantLine({name})"), ..series }
}

/// A function of time, step by step.
#[expect(clippy::cast_precision_loss, reason = "seconds")]
fn made_up(call: &mut Call<'_, '_>, name: &str, step_s: i64, value: &mut dyn FnMut(f64) -> f64) -> Result<Series> {
    let (from_s, until_s) = (call.scope.from_s, call.scope.until_s);
    if step_s < 1 {
        return refuse("step must be 1 or more");
    }
    call.evaluator.pay_values(usize::try_from((until_s - from_s) / step_s).unwrap_or(0))?;
    let times = std::iter::successors(Some(from_s), |at_s| Some(at_s + step_s)).take_while(|at_s| *at_s < until_s);
    let values = times.map(|at_s| value(at_s as f64)).collect();
    Ok(Series::new(name, (from_s, until_s, step_s), values, call.evaluator.x_files_factor))
}

fn vertical(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (at_s, label) = (call.time_s(0)?, call.text_or_none(1).unwrap_or_default());
    if at_s < call.scope.from_s || at_s > call.scope.until_s {
        let side = if at_s < call.scope.from_s { "before start" } else { "after end" };
        return refuse(format!("verticalLine(): timestamp {at_s} exists {side} of range"));
    }
    Ok(vec![Series::new(&label, (at_s, at_s, 1), vec![1.0, 1.0], call.evaluator.x_files_factor)])
}

fn aggregate_line(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (how, keeps_step) = (AggFunc::parse(&call.text(1))?, call.flag(2));
    let mut made = Vec::new();
    for series in call.series(0) {
        let value = how.of(&series.values);
        let is_whole = how.is_whole(series.is_whole);
        let in_name = if value.is_nan() { "None".to_owned() } else { g(value) };
        let name = format!("aggregateLine({}, {in_name})", series.name);
        if keeps_step {
            made.push(Series { is_whole, ..series.derived(name, vec![value; series.values.len()]) });
        } else {
            let mut line = Series { is_whole, ..constant(call, value, &shown(value, is_whole)) };
            line.rename(name);
            made.push(line);
        }
    }
    Ok(made)
}

/// Pseudo-random increments between -0.5 and 0.5, by splitmix64.
#[expect(clippy::cast_precision_loss, reason = "53 bits")]
fn random_walk(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (name, step_s) = (call.text(0), call.int(1));
    let mut state = call.scope.from_s.cast_unsigned();
    let mut at = 0.0;
    let mut walk = |_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let step = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
        at += step;
        at - step
    };
    made_up(call, &name, step_s, &mut walk).map(|series| vec![series])
}
