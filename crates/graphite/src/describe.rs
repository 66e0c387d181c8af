//! The list of functions that `/functions` returns: exactly those that exist.

use std::fmt::Write;

use super::function::{Function, Kind, Param};
use super::{aggregate, functions};

/// The function with this name, described as JSON; `None` if it doesn't exist.
#[must_use]
pub fn describe(name: &str) -> Option<String> {
    functions::all().find(|function| function.names.contains(&name)).map(|function| described(function, name))
}

/// All functions as JSON by name, those of one group, or by group and name.
#[must_use]
pub fn describe_all(group: Option<&str>, is_grouped: bool) -> String {
    let mut groups: Vec<&str> = functions::all().map(|function| function.group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups.retain(|known| group.is_none_or(|group| group == *known));
    let list = |group: &str, out: &mut String| {
        for function in functions::all().filter(|function| function.group == group) {
            for name in function.names {
                let comma = if out.is_empty() || out.ends_with('{') { "" } else { "," };
                write!(out, "{comma}{}:{}", text(name), described(function, name)).expect("a String takes any text");
            }
        }
    };
    let mut out = String::new();
    for group in groups {
        if is_grouped {
            let mut inner = String::new();
            list(group, &mut inner);
            let comma = if out.is_empty() { "" } else { "," };
            write!(out, "{comma}{}:{{{inner}}}", text(group)).expect("a String takes any text");
        } else {
            list(group, &mut out);
        }
    }
    format!("{{{out}}}")
}

fn text(text: &str) -> String {
    json::value::quoted(text)
}

fn described(function: &Function, name: &str) -> String {
    let param = |param: &Param| if param.is_multiple { format!("*{}", param.name) } else { param.name.to_owned() };
    let signature = function.params.iter().map(param).collect::<Vec<_>>().join(", ");
    let signature = format!("{}({signature})", function.names[0]);
    let params: Vec<String> = function.params.iter().map(param_json).collect();
    format!(
        r#"{{"name":{},"function":{},"description":{},"module":"graphite.render.functions","group":{},"params":[{}]}}"#,
        text(name),
        text(&signature),
        text(function.about),
        text(function.group),
        params.join(",")
    )
}

fn param_json(param: &Param) -> String {
    let mut out = format!(r#"{{"name":{},"type":{}"#, text(param.name), text(param.kind.name()));
    if param.is_required {
        out.push_str(r#","required":true"#);
    }
    if !param.default.is_empty() {
        out.extend([r#","default":"#, param.default]);
    }
    if param.is_multiple {
        out.push_str(r#","multiple":true"#);
    }
    let functions =
        || functions::all().filter(|function| function.names[0].ends_with("Series") && function.group == "Combine");
    let mut options: Vec<&str> = param.options.to_vec();
    if matches!(param.kind, Kind::AggFunc | Kind::AggregateOrSeries) {
        options.extend(aggregate::NAMES.iter().map(|(name, _)| *name));
    }
    if param.kind == Kind::AggregateOrSeries {
        options.extend(functions().map(|function| function.names[0]));
    }
    let suggestions: &[&str] = match param.kind {
        Kind::Interval => &["1min", "10min", "1h", "1d", "7d"],
        Kind::IntOrInterval => &["5", "10", "5min", "10min", "1hour"],
        _ => &[],
    };
    for (name, list) in [("options", options.as_slice()), ("suggestions", suggestions)] {
        if !list.is_empty() {
            let list: Vec<String> = list.iter().map(|one| text(one)).collect();
            write!(out, ",\"{name}\":[{}]", list.join(",")).expect("a String takes any text");
        }
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_list_is_json_and_contains_every_name_once() {
        let list: Value = serde_json::from_str(&describe_all(None, false)).expect("JSON");
        let list = list.as_object().expect("an object");
        assert_eq!(list.len(), functions::all().map(|function| function.names.len()).sum::<usize>());
        assert!(list.len() >= 130, "{}", list.len());
        let grouped: Value = serde_json::from_str(&describe_all(None, true)).expect("JSON");
        assert_eq!(grouped["Combine"]["sum"]["function"], "sumSeries(*seriesLists)");
        let sorting: Value = serde_json::from_str(&describe_all(Some("Sorting"), false)).expect("JSON");
        assert_eq!(sorting.as_object().map(serde_json::Map::len), Some(5));
        let one: Value = serde_json::from_str(&describe("keepLastValue").expect("there")).expect("JSON");
        assert_eq!(one["params"][1]["type"], "intOrInf");
        assert_eq!(describe("nothing"), None);
    }

    #[test]
    fn defaults_are_json_and_variadic_parameters_come_last() {
        for function in functions::all() {
            for (at, param) in function.params.iter().enumerate() {
                let is_json = serde_json::from_str::<Value>(param.default).is_ok();
                assert!(param.default.is_empty() || is_json, "{} {}", function.names[0], param.name);
                assert!(!param.is_multiple || at + 1 == function.params.len(), "{}", function.names[0]);
            }
        }
    }
}
