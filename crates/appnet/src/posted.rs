//! A posted message, as the log keeps it beside the points that were made from it: labels are strings, but readers
//! of the message get its original names, numbers and booleans.
//!
//! The persisted form is JSON, `{"machine_only":bool,"text":string,"annotations":[..]}` without white space and in
//! this order; `text` may be absent. It is part of frames, so new fields may only be added at the end.

use serde_json::Value;
use serde_json::value::RawValue;

use json::write::{push_formatted, push_labels, push_number, push_text};
use model::labels::Labels;
use model::point::Point;

use super::TIMESERIES;
use super::object::{Object, list, object, string};

/// The deepest nesting of an annotation. Readers accept 64 levels or more, of which a response has a few of its
/// own.
const MAX_LEVELS: usize = 32;
const FOR_PEOPLE: &str = r#"{"machine_only":false,"#;

/// The parts of a message besides its annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageHead {
    /// Its text, if it has one.
    pub text: Option<String>,
    /// Whether only readers that ask for machine-only messages get it.
    pub is_machine_only: bool,
}

/// What is kept of a message: everything except the annotations at these indices, whose points were rejected, and
/// those that some reader could not parse. `None` if one of the latter is a point: the message then reads like
/// points that came another way. `annotations` was validated by [`super::message_in`].
#[must_use]
pub fn kept(said: &MessageHead, annotations: &[u8], rejected: &[usize]) -> Option<String> {
    let mut out = format!(r#"{{"machine_only":{}"#, said.is_machine_only);
    if let Some(text) = &said.text {
        out.push_str(",\"text\":");
        push_text(&mut out, text);
    }
    out.push_str(",\"annotations\":[");
    let annotations = list(annotations).unwrap_or_default().into_iter().enumerate();
    let mut joint = "";
    for (_, annotation) in annotations.filter(|(index, _)| !rejected.contains(index)) {
        if !is_for_all(annotation) {
            if is_point(&object(annotation.get())?) {
                return None;
            }
            continue;
        }
        out.extend([joint, annotation.get()]);
        joint = ",";
    }
    out.push_str("]}");
    Some(out)
}

/// Whether every reader can parse this. JSON parsers differ in how deep it may nest, in numbers that no double can
/// hold, and in halves of surrogate pairs; some reject a whole response that contains one, and anybody may post it.
fn is_for_all(annotation: &RawValue) -> bool {
    let value = json::value::parse(annotation.get().as_bytes());
    value.is_ok_and(|value| has_levels(&value, MAX_LEVELS))
}

fn has_levels(value: &Value, most: usize) -> bool {
    let Some(below) = most.checked_sub(1) else { return false };
    match value {
        Value::Array(items) => items.iter().all(|item| has_levels(item, below)),
        Value::Object(fields) => fields.values().all(|field| has_levels(field, below)),
        _ => true,
    }
}

/// Whether the kept message is for people.
#[must_use]
pub fn is_for_people(kept: &str) -> bool {
    kept.starts_with(FOR_PEOPLE)
}

/// Appends the fields of a message for a reader: its annotations as they were posted, each point with `v`, its
/// labels, and `t`, its time, if they were not posted. `points` are the ones made from it, in order. Appends
/// nothing and returns `None` if the message was not kept this way.
#[must_use]
pub fn push_fields(out: &mut String, kept: &str, points: &[(Labels, Point)]) -> Option<()> {
    let fields = object(kept)?;
    let annotations = list(fields.get("annotations")?.get().as_bytes())?;
    let (mut list, mut points) = (String::from("["), points.iter());
    for (index, annotation) in annotations.into_iter().enumerate() {
        list.push_str(if index > 0 { "," } else { "" });
        let parts = object(annotation.get())?;
        match parts.get("value").filter(|_| is_point(&parts)) {
            Some(value) => push_point(&mut list, &parts, value, points.next()?)?,
            None => list.push_str(annotation.get()),
        }
    }
    for name in ["machine_only", "text"] {
        if let Some(value) = fields.get(name) {
            out.extend(["\"", name, "\":", value.get(), ","]);
        }
    }
    out.extend(["\"annotations\":", &list, "]"]);
    Some(())
}

fn is_point(annotation: &Object<'_>) -> bool {
    annotation.get("type").and_then(|kind| string(kind)).is_some_and(|kind| kind == TIMESERIES)
}

fn push_point(
    out: &mut String,
    annotation: &Object<'_>,
    value: &RawValue,
    (labels, point): &(Labels, Point),
) -> Option<()> {
    let fields = object(value.get())?;
    for (index, (name, part)) in annotation.iter().enumerate() {
        out.push_str(if index > 0 { "," } else { "{" });
        push_text(out, name);
        out.push(':');
        if name != "value" {
            out.push_str(part.get());
            continue;
        }
        // A point has `n`, so what is added needs a comma before it.
        out.push_str(value.get().strip_suffix('}')?);
        if !fields.contains_key("t") {
            push_formatted(out, format_args!(",\"t\":"));
            push_number(out, Some(point.t));
        }
        if !fields.contains_key("v") && !labels.as_str().is_empty() {
            out.push_str(",\"v\":");
            push_labels(out, labels);
        }
        out.push('}');
    }
    out.push('}');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const POINT: Point = Point { n: 1.0, d: 1.0, p: None, t: 7.5 };

    fn said(text: Option<&str>, is_machine_only: bool) -> MessageHead {
        MessageHead { text: text.map(str::to_owned), is_machine_only }
    }

    fn read(annotations: &str, labels: &[&str]) -> Option<Value> {
        let kept = kept(&said(None, true), annotations.as_bytes(), &[])?;
        let points: Vec<_> = labels.iter().map(|labels| (Labels::from_canonical(labels), POINT)).collect();
        let mut out = String::from("{");
        push_fields(&mut out, &kept, &points)?;
        out.push('}');
        Some(serde_json::from_str(&out).expect("JSON"))
    }

    fn point(value: &str) -> String {
        format!(r#"{{"type":"{TIMESERIES}","value":{value}}}"#)
    }

    #[test]
    fn the_persisted_form_is_pinned() {
        let annotations = format!(r#"[{},{{"type":"x"}},{}]"#, point(r#"{"n":1}"#), point(r#"{"n":"1"}"#));
        assert_eq!(
            kept(&said(Some("h\"i"), false), annotations.as_bytes(), &[2]).expect("must be kept"),
            r#"{"machine_only":false,"text":"h\"i","annotations":[{"type":"net.app.contrib.timeseries","value":{"n":1}},{"type":"x"}]}"#
        );
        let machine = kept(&said(None, true), b"[]", &[]).expect("must be kept");
        assert_eq!(machine, r#"{"machine_only":true,"annotations":[]}"#);
        let for_people = kept(&said(Some(""), false), b"[]", &[]).expect("must be kept");
        assert!(!is_for_people(&machine) && is_for_people(&for_people));
    }

    #[test]
    fn a_point_gets_labels_and_time_unless_they_were_posted() {
        let of = |value: &str, labels: &str| {
            let read = read(&format!("[{}]", point(value)), &[labels]).expect("can be read");
            read["annotations"][0]["value"].to_string()
        };
        let labels = "c\u{1f}x\u{1e}update\u{1f}1\u{1e}";
        assert_eq!(
            serde_json::from_str::<Value>(&of(r#"{"n":1,"kv":{"update":1,"c":"x"}}"#, labels)).expect("JSON"),
            json!({"n": 1, "kv": {"update": 1, "c": "x"}, "t": 7.5, "v": {"c": "x", "update": "1"}})
        );
        assert_eq!(of(r#"{"n":1,"v":{"c":true}}"#, labels), r#"{"n":1,"t":7.5,"v":{"c":true}}"#);
        assert_eq!(of(r#"{"n":1,"t":7}"#, ""), r#"{"n":1,"t":7}"#);
    }

    #[test]
    fn other_annotations_stay_as_they_are_and_points_in_place() {
        let other = r#"{"value":{"b":1.0,"a":2},"type":"x"}"#;
        let annotations = format!("[{},{other},{}]", point(r#"{"n":1}"#), point(r#"{"n":2}"#));
        let kept = kept(&said(Some("hi"), true), annotations.as_bytes(), &[]).expect("must be kept");
        let points = ["a\u{1f}1\u{1e}", "a\u{1f}2\u{1e}"].map(|labels| (Labels::from_canonical(labels), POINT));
        let mut out = String::new();
        push_fields(&mut out, &kept, &points).expect("can be read");
        let wanted = format!(
            r#""machine_only":true,"text":"hi","annotations":[{},{other},{}]"#,
            point(r#"{"n":1,"t":7.5,"v":{"a":"1"}}"#),
            point(r#"{"n":2,"t":7.5,"v":{"a":"2"}}"#)
        );
        assert_eq!(out, wanted);
    }

    #[test]
    fn annotations_that_some_reader_cannot_parse_are_not_kept() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let (good, bad) = (nested(MAX_LEVELS - 2), nested(MAX_LEVELS - 1));
        let objects = format!("{}1{}", r#"{"a":"#.repeat(MAX_LEVELS), "}".repeat(MAX_LEVELS));
        for value in [bad.as_str(), &nested(4_000), &objects, "1e400", "[-1e999999]", r#""\ud800""#, r#"{"\udc00":1}"#]
        {
            let other = format!(r#"{{"type":"x","value":{value}}}"#);
            let kept = |annotations: String| kept(&said(Some("hi"), true), annotations.as_bytes(), &[]);
            let rest = kept(format!("[{}]", point(r#"{"n":1}"#)));
            assert!(rest.is_some());
            assert_eq!(kept(format!("[{},{other}]", point(r#"{"n":1}"#))), rest, "{value}");
            assert_eq!(kept(format!("[{other},{}]", point(r#"{"n":1}"#))), rest, "{value}");
            assert_eq!(kept(format!("[{}]", point(&format!(r#"{{"n":1,"x":{value}}}"#)))), None, "{value}");
        }
        for value in [good.as_str(), "1e308", "-0", "123456789012345678901234567890", r#""\ud83d\ude00\u0000""#] {
            let other = format!(r#"{{"type":"x","value":{value}}}"#);
            let kept = kept(&said(None, true), format!("[{other}]").as_bytes(), &[]).expect("must be kept");
            assert!(kept.contains(&other), "{kept}");
        }
    }

    #[test]
    fn messages_not_kept_this_way_are_recognised() {
        for kept in ["", "{}", "[]", r#"{"annotations":1}"#, r#"{"annotations":[1]}"#] {
            let mut out = String::new();
            assert_eq!((push_fields(&mut out, kept, &[]), out.as_str()), (None, ""), "{kept}");
        }
        assert_eq!(read(&format!("[{}]", point(r#"{"n":1}"#)), &[]), None, "a point is missing");
    }
}
