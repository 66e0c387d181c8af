//! Groups series by parts of their names or by tags, and combines each group into one series.

use super::combine::by_callback;
use super::nodes::{grouped, key};
use crate::error::{Result, refuse};
use crate::function::{Call, Function, Kind, Param, SERIES, Value};
use crate::series::{Series, tags_of};

const GROUP: &str = "Combine";
const CALLBACK: Param = Param::new("callback", Kind::AggregateOrSeries);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["groupByNode"],
        group: GROUP,
        params: &[SERIES, Param::new("nodeNum", Kind::NodeOrTag).required(), CALLBACK.or("\"average\"")],
        about: "Combines series with the same node in their names, or the same tag.",
        run: |call| {
            let nodes = call.values(1).to_vec();
            let callback = call.text(2);
            by_nodes(call, &nodes, &callback)
        },
    },
    Function {
        names: &["groupByNodes"],
        group: GROUP,
        params: &[SERIES, CALLBACK.required(), Param::new("nodes", Kind::NodeOrTag).multiple()],
        about: "Combines series with the same nodes in their names, or the same tags.",
        run: |call| {
            let nodes = call.values(2).to_vec();
            let callback = call.text(1);
            by_nodes(call, &nodes, &callback)
        },
    },
    Function {
        names: &["groupByTags"],
        group: GROUP,
        params: &[SERIES, CALLBACK.required(), Param::new("tags", Kind::Tag).required().multiple()],
        about: "Combines series with the same tags.",
        run: by_tags,
    },
    Function {
        names: &["applyByNode"],
        group: GROUP,
        params: &[
            SERIES,
            Param::new("nodeNum", Kind::Node).required(),
            Param::new("templateFunction", Kind::Text).required(),
            Param::new("newName", Kind::Text),
        ],
        about: "Evaluates a target for each prefix of names, which replaces % in it.",
        run: apply,
    },
];

fn by_nodes(call: &mut Call<'_, '_>, nodes: &[Value], callback: &str) -> Result<Vec<Series>> {
    let mut made = Vec::new();
    for (name, group) in grouped(call.series(0), &|series| key(series, nodes)) {
        made.extend(by_callback(call, group, callback)?.map(|series| Series { name, ..series }));
    }
    Ok(made)
}

fn by_tags(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (series, callback) = (call.series(0), call.text(1));
    let mut tags: Vec<String> = call.values(2).iter().map(Value::text).collect();
    let is_named = tags.iter().any(|tag| tag == "name");
    tags.retain(|tag| tag != "name");
    if tags.is_empty() && !is_named {
        return refuse("no tags specified");
    }
    tags.sort_unstable();
    let names = |series: &Series| series.tags.get("name").cloned().unwrap_or_default();
    let is_one = series.iter().all(|one| one.tags.get("name") == series[0].tags.get("name"));
    let common = if is_one { series.first().map(names).unwrap_or_default() } else { callback.clone() };
    let key = |series: &Series| {
        let mut key = if is_named { names(series) } else { common.clone() };
        for tag in &tags {
            key.extend([";", tag, "=", series.tags.get(tag).map_or("", String::as_str)]);
        }
        key
    };
    let mut made = Vec::new();
    for (name, group) in grouped(series, &key) {
        if let Some(mut series) = by_callback(call, group, &callback)? {
            series.tags = tags_with_empty(&name);
            series.rename(name);
            made.push(series);
        }
    }
    Ok(made)
}

/// The tags of a group's name, without those that its series lack.
fn tags_with_empty(name: &str) -> crate::series::Tags {
    let kept: Vec<&str> = name.split(';').filter(|part| !part.ends_with('=')).collect();
    tags_of(&kept.join(";"))
}

fn apply(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (series, nodes, template, new_name) = (call.series(0), call.int(1), call.text(2), call.text_or_none(3));
    let kept = usize::try_from(nodes + 1).unwrap_or(0);
    let prefix = |one: &Series| one.name.split('.').take(kept).collect::<Vec<_>>().join(".");
    let mut prefixes: Vec<String> = series.iter().map(prefix).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    let Some(last) = series.last() else { return Ok(Vec::new()) };
    let mut made = Vec::new();
    for prefix in prefixes {
        for mut one in call.evaluator.text(&template.replace('%', &prefix), call.scope)? {
            if let Some(name) = &new_name {
                one.name = name.replace('%', &prefix);
            }
            one.path.clone_from(&prefix);
            (one.start_s, one.end_s) = (last.start_s, last.end_s);
            made.push(one);
        }
    }
    Ok(made)
}
