//! Series of another time.

use super::each;
use crate::error::{Result, refuse};
use crate::evaluate::Scope;
use crate::function::{Call, Function, Kind, Param, SERIES};
use crate::series::Series;
use crate::time::offset_s;

const GROUP: &str = "Transform";
/// The most time ranges that `timeStack` shows.
const MAX_STACKED: i64 = 100;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["timeShift"],
        group: GROUP,
        params: &[
            SERIES,
            Param::new("timeShift", Kind::Interval).required(),
            Param::new("resetEnd", Kind::Boolean).or("true"),
            Param::new("alignDst", Kind::Boolean).or("false"),
        ],
        about: "The series from a duration ago (or, with a plus sign, ahead), shown in the requested time range.",
        run: time_shift,
    },
    Function {
        names: &["timeStack"],
        group: GROUP,
        params: &[
            SERIES,
            Param::new("timeShiftUnit", Kind::Interval).or("\"1d\""),
            Param::new("timeShiftStart", Kind::Integer).or("0"),
            Param::new("timeShiftEnd", Kind::Integer).or("7"),
        ],
        about: "The series now and from one, two, .. of these durations ago.",
        run: time_stack,
    },
    Function {
        names: &["timeSlice"],
        group: GROUP,
        params: &[
            SERIES,
            Param::new("startSliceAt", Kind::Date).required(),
            Param::new("endSliceAt", Kind::Date).or("\"now\""),
        ],
        about: "Only the values between two times.",
        run: time_slice,
    },
];

/// Backward, unless it has a plus sign.
fn signed(shift: &str) -> String {
    if shift.starts_with(|char: char| char.is_ascii_digit()) { format!("-{shift}") } else { shift.to_owned() }
}

fn time_shift(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (shift, resets_end, aligns) = (signed(&call.text(1)), call.flag(2), call.flag(3));
    let mut scope = call.scope.moved(offset_s(&shift)?);
    if aligns {
        let ahead = |scope: Scope| (call.evaluator.zone)(scope.from_s);
        scope = scope.moved(ahead(call.scope) - ahead(scope));
    }
    let shifted = call.first_of(scope)?;
    let Some(reference) = call.series(0).into_iter().next() else { return Ok(Vec::new()) };
    let shift_s = scope.from_s - call.scope.from_s;
    let shift_one = |mut one: Series| {
        one.tag("timeShift", shift.as_str());
        one.name = format!("timeShift({}, \"{shift}\")", one.name);
        let end_s = one.end_s - one.start_s + reference.start_s;
        show(&mut one, shift_s, &reference);
        one.end_s = if resets_end { reference.end_s } else { end_s };
        one
    };
    Ok(shifted.into_iter().map(shift_one).collect())
}

/// Moves a series to another time range, which is this much later.
fn show(one: &mut Series, shift_s: i64, reference: &Series) {
    one.start_s -= shift_s;
    one.begin(reference.start_s);
    one.end_s = reference.end_s;
}

fn time_stack(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (unit, start, end) = (signed(&call.text(1)), call.int(2), call.int(3));
    let unit_s = offset_s(&unit)?;
    let last = start.saturating_add(MAX_STACKED);
    let farthest = unit_s.checked_mul(start.abs().max(end.abs()));
    if end > last || farthest.is_none_or(|farthest| farthest.abs() > 100_000_000_000) {
        return refuse(format!("timeStack shows at most {MAX_STACKED} time ranges, within 3,000 years"));
    }
    let mut made = Vec::new();
    let reference = call.series(0).into_iter().next();
    for shift in start..end {
        for mut one in call.first_of(call.scope.moved(unit_s * shift))? {
            one.tag("timeShiftUnit", unit.as_str());
            one.tag("timeShift", &shift.to_string());
            one.rename(format!("timeShift({}, {unit}, {shift})", one.name));
            if let Some(reference) = &reference {
                show(&mut one, unit_s * shift, reference);
            }
            made.push(one);
        }
    }
    Ok(if reference.is_some() { made } else { Vec::new() })
}

fn time_slice(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (from_s, to_s) = (call.time_s(1)?, call.time_s(2)?);
    each(call, &|call, series| {
        series.tag("timeSliceStart", &from_s.to_string());
        series.tag("timeSliceEnd", &to_s.to_string());
        series.name = format!("timeSlice({}, {from_s}, {to_s})", series.name);
        // As graphite-web counts it, unless the series starts elsewhere.
        let is_near = (series.start_s - call.scope.from_s).abs() <= series.step_s;
        let mut at_s = if is_near { call.scope.from_s } else { series.start_s };
        for value in &mut series.values {
            if at_s < from_s || at_s > to_s {
                *value = f64::NAN;
            }
            at_s += series.step_s;
        }
    })
}
