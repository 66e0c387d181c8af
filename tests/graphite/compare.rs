//! Compares two answers of `render`: names, tags, times, and values within 1e-6 of their size.

use serde_json::Value;

/// The body of an answer: JSON, or else a string.
pub(crate) fn body(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// The first difference, if any. Formats other than JSON must be equal as a whole.
pub(crate) fn difference(ours: &Value, theirs: &Value) -> Option<String> {
    if !theirs.is_array() || theirs[0]["tags"].is_null() {
        return (!is_alike(ours, theirs)).then(|| format!("{ours} is not {theirs}"));
    }
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

/// Whether all strings and numbers are the same.
pub(crate) fn is_alike(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| is_alike(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            let is_there =
                |(name, theirs): (&String, &Value)| ours.get(name).is_some_and(|ours| is_alike(ours, theirs));
            ours.len() == theirs.len() && theirs.iter().all(is_there)
        }
        (Value::Number(ours), Value::Number(theirs)) => ours.as_f64() == theirs.as_f64(),
        (ours, theirs) => ours == theirs,
    }
}

fn is_same(ours: &Value, theirs: &Value) -> bool {
    let is_close = match (ours[0].as_f64(), theirs[0].as_f64()) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1e-3),
        (ours, theirs) => ours == theirs,
    };
    is_close && ours[1] == theirs[1]
}
