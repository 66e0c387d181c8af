//! Whether two answers of `render` are the same: names, tags, times, and values within 1e-6 of their size.

use serde_json::Value;

/// What differs first, if anything does.
pub(crate) fn difference(ours: &Value, theirs: &Value) -> Option<String> {
    let lists = ours.as_array().zip(theirs.as_array());
    let Some((ours, theirs)) = lists else { return Some("no list".to_owned()) };
    let names = |list: &[Value]| list.iter().map(|one| one["target"].to_string()).collect::<Vec<_>>().join(" ");
    if names(ours) != names(theirs) {
        return Some(format!("names {} are not {}", names(ours), names(theirs)));
    }
    ours.iter().zip(theirs).find_map(|(ours, theirs)| {
        let name = &ours["target"];
        if ours["tags"] != theirs["tags"] {
            return Some(format!("{name}: tags {} are not {}", ours["tags"], theirs["tags"]));
        }
        let points = |one: &Value| one["datapoints"].as_array().cloned().unwrap_or_default();
        let (ours, theirs) = (points(ours), points(theirs));
        let other = ours.iter().zip(&theirs).find(|(ours, theirs)| !is_same(ours, theirs));
        match other {
            Some((ours, theirs)) => Some(format!("{name}: {ours} is not {theirs}")),
            None if ours.len() != theirs.len() => {
                Some(format!("{name}: {} points are not {}", ours.len(), theirs.len()))
            }
            None => None,
        }
    })
}

fn is_same(ours: &Value, theirs: &Value) -> bool {
    let is_close = match (ours[0].as_f64(), theirs[0].as_f64()) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1e-3),
        (ours, theirs) => ours == theirs,
    };
    is_close && ours[1] == theirs[1]
}
