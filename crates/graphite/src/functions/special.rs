//! How values are consolidated later, fallbacks for missing series, and `seriesByTag`.

use super::each;
use crate::aggregate::{CONSOLIDATIONS, percentile, present};
use crate::error::{Result, refuse};
use crate::function::{Call, Function, Kind, Param, SERIES};
use crate::series::Series;
use crate::text::{g, repr};

const GROUP: &str = "Special";

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["seriesByTag"],
        group: GROUP,
        params: &[Param::new("tagExpressions", Kind::Text).required().multiple()],
        about: "The series whose tags match all expressions.",
        // A leaf: the evaluator fetches it.
        run: |_| refuse("seriesByTag can't be a callback"),
    },
    Function {
        names: &["consolidateBy"],
        group: GROUP,
        params: &[SERIES, Param::new("consolidationFunc", Kind::Text).required().one_of(&CONSOLIDATIONS)],
        about: "Sets how values are consolidated when there are more than maxDataPoints.",
        run: |call| {
            let how = call.text(1);
            consolidate_by(call, &how)
        },
    },
    Function {
        names: &["cumulative"],
        group: GROUP,
        params: &[SERIES],
        about: "Same as consolidateBy with sum.",
        run: |call| consolidate_by(call, "sum"),
    },
    Function {
        names: &["setXFilesFactor", "xFilesFactor"],
        group: GROUP,
        params: &[SERIES, Param::new("xFilesFactor", Kind::Float).required()],
        about: "Sets the share of values that must be present to consolidate them.",
        run: |call| {
            let share = call.float(1);
            call.evaluator.x_files_factor = share;
            each(call, &|_, series| {
                series.x_files_factor = share;
                series.tag("xFilesFactor", &repr(share));
            })
        },
    },
    Function {
        names: &["fallbackSeries"],
        group: GROUP,
        params: &[SERIES, Param::new("fallback", Kind::SeriesList).required()],
        about: "Falls back to other series if there are none.",
        run: |call| {
            let series = call.series(0);
            Ok(if series.is_empty() { call.series(1) } else { series })
        },
    },
    Function {
        names: &["nPercentile"],
        group: "Calculate",
        params: &[SERIES, Param::new("n", Kind::Float).required()],
        about: "A line at the n-th percentile of each series.",
        run: n_percentile,
    },
];

fn consolidate_by(call: &mut Call<'_, '_>, how: &str) -> Result<Vec<Series>> {
    call.evaluator.keep_points();
    each(call, &|_, series| {
        how.clone_into(&mut series.consolidate);
        series.tag("consolidateBy", how);
        series.rename(format!("consolidateBy({},\"{how}\")", series.name));
    })
}

fn n_percentile(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let n = call.float(1);
    if n == 0.0 {
        return refuse("The requested percent is required to be greater than 0");
    }
    let mut made = Vec::new();
    for mut series in call.series(0) {
        let values: Vec<f64> = present(&series.values).collect();
        if values.is_empty() {
            continue;
        }
        let value = percentile(&values, n, false);
        series.tag("nPercentile", &repr(n));
        let steps = usize::try_from((series.end_s - series.start_s) / series.step_s.max(1)).unwrap_or(0);
        call.evaluator.pay_values(steps)?;
        let name = format!("nPercentile({}, {})", series.name, g(n));
        made.push(series.derived(name, vec![value; steps]));
    }
    Ok(made)
}
