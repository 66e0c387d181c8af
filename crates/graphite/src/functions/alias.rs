//! Functions that rename series.

use super::each;
use super::nodes::{key, place};
use super::python_format::percent;
use super::python_regex::{compile, substitute};
use crate::aggregate::AggFunc;
use crate::error::{Result, refuse};
use crate::function::{Call, Function, Kind, Param, SERIES};
use crate::series::Series;

const GROUP: &str = "Alias";
const SEARCH: Param = Param::new("search", Kind::Text).required();
const REPLACE: Param = Param::new("replace", Kind::Text).required();
const POSITIONS: &[Param] = &[SERIES, Param::new("pos", Kind::Integer).multiple()];
const NODE: Kind = Kind::NodeOrTag;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["alias"],
        group: GROUP,
        params: &[SERIES, Param::new("newName", Kind::Text).required()],
        about: "Gives each series a new name.",
        run: |call| each(call, &|call, series| series.name = call.text(1)),
    },
    Function {
        names: &["aliasSub"],
        group: GROUP,
        params: &[SERIES, SEARCH, REPLACE],
        about: "Replaces what a regular expression matches in names; \\1 is its first group.",
        run: |call| {
            let (regex, replace, mut series) =
                (compile(&call.text(1), &call.evaluator.work.steps)?, call.text(2), call.series(0));
            for one in &mut series {
                one.name = substitute(&regex, &replace, &one.name)?;
            }
            Ok(series)
        },
    },
    Function {
        names: &["aliasByNode"],
        group: GROUP,
        params: &[SERIES, Param::new("nodes", NODE).required().multiple()],
        about: "Names each series by some nodes of its name, or by tags.",
        run: by_node,
    },
    Function {
        names: &["aliasByTags"],
        group: GROUP,
        params: &[SERIES, Param::new("tags", NODE).required().multiple()],
        about: "Names each series by tags.",
        run: by_node,
    },
    Function {
        names: &["aliasByMetric"],
        group: GROUP,
        params: &[SERIES],
        about: "Names each series by the last node of its name.",
        run: |call| each(call, &|_, series| series.name = substr(&series.name, -1, 0)),
    },
    Function {
        names: &["aliasQuery"],
        group: GROUP,
        params: &[SERIES, SEARCH, REPLACE, Param::new("newName", Kind::Text).required()],
        about: "Names each series by a template with the last value of another target, which is made from its name.",
        run: by_query,
    },
    Function {
        names: &["substr"],
        group: "Special",
        params: &[SERIES, Param::new("start", Kind::Node).or("0"), Param::new("stop", Kind::Node).or("0")],
        about: "Names each series by some nodes of its name.",
        run: |call| each(call, &|call, series| series.name = substr(&series.name, call.int(1), call.int(2))),
    },
    Function {
        names: &["upper", "toUpperCase"],
        group: GROUP,
        params: POSITIONS,
        about: "Converts names, or some of their letters, to upper case.",
        run: |call| {
            each(call, &|call, series| series.name = cased(call, &series.name, |char| char.to_uppercase().to_string()))
        },
    },
    Function {
        names: &["lower", "toLowerCase"],
        group: GROUP,
        params: POSITIONS,
        about: "Converts names, or some of their letters, to lower case.",
        run: |call| {
            each(call, &|call, series| series.name = cased(call, &series.name, |char| char.to_lowercase().to_string()))
        },
    },
];

fn by_node(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    each(call, &|call, series| series.name = key(series, call.values(1)))
}

fn cased(call: &Call<'_, '_>, name: &str, case: fn(char) -> String) -> String {
    let len = name.chars().count();
    let places: Vec<usize> =
        (0..call.values(1).len()).filter_map(|at| place(call.values(1)[at].text().parse().ok()?, len)).collect();
    let changes = |at: usize| call.values(1).is_empty() || places.contains(&at);
    name.chars().enumerate().map(|(at, char)| if changes(at) { case(char) } else { char.to_string() }).collect()
}

/// Nodes from `start` to `stop` of the expression in the innermost call.
fn substr(name: &str, start: i64, stop: i64) -> String {
    let left = name.rfind('(').map_or(0, |at| at + 1);
    let right = name.find(')').unwrap_or(name.len());
    let nodes: Vec<&str> = name.get(left..right).unwrap_or_default().split('.').collect();
    let bound = |at: i64| {
        let len = i64::try_from(nodes.len()).unwrap_or(i64::MAX);
        usize::try_from(if at < 0 { (len + at).max(0) } else { at.min(len) }).unwrap_or(0)
    };
    let (from, to) = (bound(start), if stop == 0 { nodes.len() } else { bound(stop) });
    let kept = nodes.get(from..to).unwrap_or_default().join(".");
    kept.split(',').next().unwrap_or_default().to_owned()
}

fn by_query(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (regex, replace, name, mut series) =
        (compile(&call.text(1), &call.evaluator.work.steps)?, call.text(2), call.text(3), call.series(0));
    for one in &mut series {
        let query = substitute(&regex, &replace, &one.name)?;
        let Some(first) = call.evaluator.text(&query, call.scope)?.into_iter().next() else {
            // An expression that hasn't been fetched yet is also empty, so this reports nothing then.
            call.evaluator.missing(format!("No series found with query: {query}"))?;
            continue;
        };
        let last = AggFunc::Last.of(&first.values);
        if last.is_nan() {
            return refuse(format!("Cannot get last value of series: {}", first.name));
        }
        one.name = percent(&name, last, first.is_whole)?;
    }
    Ok(series)
}
