//! Functions that only affect graphite-web's images. Here they change names and tags, and stack series.

use super::each;
use crate::error::Result;
use crate::function::{Call, Function, Kind, Param, SERIES};
use crate::series::Series;
use crate::text::g;

const GROUP: &str = "Graph";
const DEFAULT_STACK: &str = "__DEFAULT__";

macro_rules! renamed {
    ($name:literal, $about:literal) => {
        Function {
            names: &[$name],
            group: GROUP,
            params: &[SERIES],
            about: $about,
            run: |call| {
                each(call, &|_, series| {
                    series.tag($name, "1");
                    series.name = format!("{}({})", $name, series.name);
                })
            },
        }
    };
}
macro_rules! passed {
    ($name:literal, $param:literal, $kind:expr) => {
        Function {
            names: &[$name],
            group: GROUP,
            params: &[SERIES, Param::new($param, $kind).required()],
            about: "Affects images only; does nothing here.",
            run: |call| Ok(call.series(0)),
        }
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    passed!("alpha", "alpha", Kind::Float),
    passed!("color", "theColor", Kind::Text),
    passed!("lineWidth", "width", Kind::Float),
    renamed!("secondYAxis", "Affects images only; changes the name here."),
    renamed!("drawAsInfinite", "Affects images only; changes the name here."),
    Function {
        names: &["dashed"],
        group: GROUP,
        params: &[SERIES, Param::new("dashLength", Kind::Integer).or("5")],
        about: "Affects images only; changes the name here.",
        #[expect(clippy::cast_precision_loss, reason = "a length")]
        run: |call| {
            each(call, &|call, series| {
                let length = call.int(1);
                series.tag("dashed", &length.to_string());
                series.name = format!("dashed({}, {})", series.name, g(length as f64));
            })
        },
    },
    Function {
        names: &["stacked"],
        group: GROUP,
        params: &[SERIES, Param::new("stack", Kind::Text)],
        about: "Each series plus those stacked before it.",
        run: stacked,
    },
    Function {
        names: &["areaBetween"],
        group: GROUP,
        params: &[SERIES],
        about: "Two series as the bounds of an area.",
        run: |call| {
            let series = call.series(0);
            between(call, series)
        },
    },
];

#[expect(clippy::unnecessary_wraps, reason = "the form of all functions")]
fn stacked(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let stack = call.text_or_none(1).unwrap_or_else(|| DEFAULT_STACK.to_owned());
    let mut total = call.evaluator.stacks.remove(&stack).unwrap_or_default();
    let mut made = Vec::new();
    for mut series in call.series(0) {
        total.resize(total.len().max(series.values.len()), 0.0);
        for (value, total) in series.values.iter_mut().zip(&mut total) {
            *total += if value.is_nan() { 0.0 } else { *value };
            *value = if value.is_nan() { f64::NAN } else { *total };
        }
        if stack == DEFAULT_STACK {
            series.tag("stacked", DEFAULT_STACK);
            series.rename(format!("stacked({})", series.name));
        } else {
            series.path.clone_from(&series.name);
        }
        made.push(series);
    }
    call.evaluator.stacks.insert(stack, total);
    Ok(made)
}

/// The bounds of an area, with one name.
pub(super) fn between(call: &Call<'_, '_>, mut series: Vec<Series>) -> Result<Vec<Series>> {
    let [lower, upper] = series.as_mut_slice() else {
        if !series.is_empty() {
            call.evaluator.missing("areaBetween series argument must reference *exactly* 2 series".to_owned())?;
        }
        return Ok(Vec::new());
    };
    upper.tag("areaBetween", "1");
    upper.name = format!("areaBetween({})", upper.path);
    lower.tags = upper.tags.clone();
    lower.name.clone_from(&upper.name);
    Ok(series)
}
