//! Sorts series.

use std::cmp::Ordering;

use crate::aggregate::AggFunc;
use crate::error::Result;
use crate::function::{Call, Function, Kind, Param, SERIES};
use crate::series::{Series, sort};

const GROUP: &str = "Sorting";
const REVERSE: Param = Param::new("reverse", Kind::Boolean).or("false");

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["sortBy"],
        group: GROUP,
        params: &[SERIES, Param::new("func", Kind::AggFunc).or("\"average\""), REVERSE],
        about: "Sorts by the named function's value.",
        run: |call| {
            let (func, is_reverse) = (call.text(1), call.flag(2));
            by_function(call, &func, is_reverse)
        },
    },
    Function {
        names: &["sortByName"],
        group: GROUP,
        params: &[SERIES, Param::new("natural", Kind::Boolean).or("false"), REVERSE],
        about: "Sorts by name; natural order sorts numbers in names by value.",
        run: |call| {
            let (is_natural, is_reverse, mut series) = (call.flag(1), call.flag(2), call.series(0));
            let key = |series: &Series| if is_natural { natural(&series.name) } else { series.name.clone() };
            sort(&mut series, &|a, b| if is_reverse { key(b).cmp(&key(a)) } else { key(a).cmp(&key(b)) });
            Ok(series)
        },
    },
    Function {
        names: &["sortByTotal"],
        group: GROUP,
        params: &[SERIES],
        about: "Sorts by the sum, largest first.",
        run: |call| by_function(call, "sum", true),
    },
    Function {
        names: &["sortByMaxima"],
        group: GROUP,
        params: &[SERIES],
        about: "Sorts by the largest value, largest first.",
        run: |call| by_function(call, "max", true),
    },
    Function {
        names: &["sortByMinima"],
        group: GROUP,
        params: &[SERIES],
        about: "Sorts by the smallest value, smallest first, without series that are never above 0.",
        run: |call| {
            let mut series = call.series(0);
            series.retain(|one| AggFunc::Max.of(&one.values) > 0.0);
            by(&mut series, false, &|series| AggFunc::Min.of(&series.values));
            Ok(series)
        },
    },
];

fn by_function(call: &mut Call<'_, '_>, func: &str, is_reverse: bool) -> Result<Vec<Series>> {
    let (how, mut series) = (AggFunc::parse(func)?, call.series(0));
    by(&mut series, is_reverse, &|series| how.of(&series.values));
    Ok(series)
}

/// By a number computed from each; those without one count as the lowest.
pub(super) fn by(series: &mut Vec<Series>, is_reverse: bool, value: &dyn Fn(&Series) -> f64) {
    let key = |series: &Series| {
        let value = value(series);
        if value.is_nan() { f64::NEG_INFINITY } else { value }
    };
    let keys: Vec<f64> = series.iter().map(key).collect();
    let mut places: Vec<usize> = (0..keys.len()).collect();
    let order = |one: usize, other: usize| keys[one].partial_cmp(&keys[other]).unwrap_or(Ordering::Equal);
    places.sort_by(|one, other| if is_reverse { order(*other, *one) } else { order(*one, *other) });
    let mut unsorted: Vec<Option<Series>> = std::mem::take(series).into_iter().map(Some).collect();
    series.extend(places.into_iter().filter_map(|place| unsorted[place].take()));
}

/// A name in which each number is padded to ten digits.
fn natural(name: &str) -> String {
    let (mut out, mut rest) = (String::new(), name);
    while let Some(at) = rest.find(|char: char| char.is_ascii_digit()) {
        out.push_str(&rest[..at]);
        let len = rest[at..].find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len() - at);
        let number = rest[at..at + len].trim_start_matches('0');
        out.extend(std::iter::repeat_n('0', 10usize.saturating_sub(number.len())));
        out.push_str(number);
        rest = &rest[at + len..];
    }
    out.push_str(rest);
    out
}
