//! Names that contain values of their series.

use super::each;
use crate::aggregate::AggFunc;
use crate::error::Result;
use crate::function::{Call, Function, Kind, Param, SERIES, Value};
use crate::series::Series;
use crate::text::{fixed, shown};

const SYSTEMS: &[&str] = &["si", "binary"];
/// Digits after the decimal point of values with a prefix.
const DIGITS: usize = 2;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["legendValue"],
        group: "Alias",
        params: &[SERIES, Param::new("valuesTypes", Kind::Text).multiple()],
        about: "Adds the last, smallest, largest, .. value of the series to its name; with unit prefixes if the last argument is si or binary.",
        run: legend,
    },
    Function {
        names: &["cactiStyle"],
        group: "Special",
        params: &[SERIES, Param::new("system", Kind::Text).one_of(SYSTEMS), Param::new("units", Kind::Text)],
        about: "Adds the last, largest and smallest value to names, in columns.",
        run: cacti,
    },
];

fn legend(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let mut kinds: Vec<String> = call.values(1).iter().map(Value::text).collect();
    let system = kinds.pop_if(|kind| SYSTEMS.contains(&kind.as_str()));
    each(call, &|_, series| {
        for kind in &kinds {
            let value = AggFunc::parse(kind).map(|how| (how.of(&series.values), how.is_whole(series.is_whole)));
            match &system {
                None => {
                    let text = value.map_or_else(|_| "(?)".to_owned(), |(value, is_whole)| shown(value, is_whole));
                    series.name.extend([" (", kind, ": ", &text, ")"]);
                }
                Some(system) => {
                    let text = value.map_or_else(|_| "(?)".to_owned(), |(value, _)| prefixed(value, system));
                    series.name = format!("{:<20}{kind:<5}{text:<10}", series.name);
                }
            }
        }
    })
}

/// A number for people to read, such as `1.50k`: thousands with `si`, 1,024 with `binary`.
#[inline(never)]
fn prefixed(value: f64, system: &str) -> String {
    if value.is_nan() {
        return "None".to_owned();
    }
    let (unit, sign) = if system == "si" { (1000.0f64, "") } else { (1024.0, "i") };
    let prefixes = ["P", "T", "G", "M", if system == "si" { "k" } else { "K" }];
    for (prefix, power) in prefixes.into_iter().zip([5, 4, 3, 2, 1]) {
        let size = unit.powi(power);
        if value.abs() >= size {
            return format!("{}{prefix}{sign}", fixed(value / size, DIGITS));
        }
    }
    fixed(value, DIGITS)
}

#[expect(clippy::unnecessary_wraps, reason = "the form of all functions")]
fn cacti(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (system, units) = (call.text_or_none(1), call.text_or_none(2));
    let text = |value: f64| {
        let number = system.as_ref().map_or_else(|| fixed(value, DIGITS), |system| prefixed(value, system));
        match (&system, &units) {
            (_, None) => number,
            (None, Some(units)) => format!("{number} {units}"),
            // The unit follows the prefix.
            (Some(_), Some(units)) => {
                let digits = number.trim_end_matches(|char: char| char.is_ascii_alphabetic());
                format!("{digits} {}{units}", &number[digits.len()..])
            }
        }
    };
    let columns = [AggFunc::Last, AggFunc::Max, AggFunc::Min];
    let series = call.series(0);
    let longest = |width: &dyn Fn(&Series) -> usize| series.iter().map(width).max().unwrap_or(0);
    let name_width = longest(&|one| one.name.chars().count());
    // Space for the whole part, or for 3 digits if it is missing or 0.
    let whole = |value: f64| if value.is_nan() || value == 0.0 { 3.0 } else { value.trunc() + 0.0 };
    let widths = columns.map(|how| longest(&|one| text(whole(how.of(&one.values))).chars().count()) + 3);
    let named = |mut one: Series| {
        let [last, greatest, least] = columns.map(|how| {
            let value = how.of(&one.values);
            if value.is_nan() { "nan".to_owned() } else { text(value) }
        });
        let (name, [last_width, max_width, min_width]) = (&one.name, widths);
        one.name = format!(
            "{name:<name_width$} Current:{last:<last_width$} Max:{greatest:<max_width$} Min:{least:<min_width$} "
        );
        one
    };
    Ok(series.iter().cloned().map(named).collect())
}
