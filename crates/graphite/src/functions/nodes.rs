//! Parts of names: what `aliasByNode`, `groupByNodes` and related functions call nodes and tags.

use crate::function::Value;
use crate::series::Series;
use crate::target;
use crate::target::Expr;

/// The nodes and tags of a series, joined by dots.
pub(super) fn key(series: &Series, nodes: &[Value]) -> String {
    let inner = if series.name.ends_with(')') { first_path(&series.name) } else { None };
    let path = inner.as_deref().unwrap_or(&series.name);
    let parts: Vec<String> = nodes.iter().map(|node| node_or_tag(series, path, node)).collect();
    parts.join(".")
}

fn node_or_tag(series: &Series, path: &str, node: &Value) -> String {
    let nodes: Vec<&str> = path.split(';').next().unwrap_or_default().split('.').collect();
    let found = match node {
        Value::Int(at) => place(*at, nodes.len()).map(|at| nodes[at].to_owned()),
        _ => None,
    };
    found.or_else(|| series.tags.get(&node.text()).cloned()).unwrap_or_default()
}

/// What a Python index points to: from the end if it is negative.
pub(super) fn place(index: i64, len: usize) -> Option<usize> {
    let len = i64::try_from(len).ok()?;
    let at = if index < 0 { len + index } else { index };
    (0..len).contains(&at).then(|| usize::try_from(at).ok())?
}

/// The first path in a name such as `f(g(a.b),c)`.
fn first_path(name: &str) -> Option<String> {
    let mut expr = target::parse(name).ok()?;
    loop {
        expr = match expr {
            Expr::Path(path) => return Some(path),
            Expr::Call(mut call) if !call.args.is_empty() => call.args.swap_remove(0),
            Expr::Template(inner, _) => *inner,
            _ => return None,
        };
    }
}

/// Series by key, in the order in which keys first occur.
pub(super) fn grouped(series: Vec<Series>, key: &dyn Fn(&Series) -> String) -> Vec<(String, Vec<Series>)> {
    let mut places = std::collections::BTreeMap::new();
    let mut groups: Vec<(String, Vec<Series>)> = Vec::new();
    for one in series {
        let key = key(&one);
        let at = *places.entry(key.clone()).or_insert(groups.len());
        if at == groups.len() {
            groups.push((key, Vec::new()));
        }
        groups[at].1.push(one);
    }
    groups
}
