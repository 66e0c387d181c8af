//! JSON whose parts stay text until they are wanted: numbers then mean exactly what they say, and what nobody asks for
//! takes no memory. All is read from bytes: reading from texts too would be the same code once more.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use json::scan::Token;
use json::write::push_text;

/// An object. Of a name that stands there twice the last counts.
pub(super) type Object<'a> = BTreeMap<String, &'a RawValue>;

/// The object that a text is, if it is one.
pub(super) fn object(text: &str) -> Option<Object<'_>> {
    serde_json::from_slice(text.as_bytes()).ok()
}

/// The items of the list that a text is, if it is one.
pub(super) fn list(text: &[u8]) -> Option<Vec<&RawValue>> {
    serde_json::from_slice(text).ok()
}

/// The text that a string stands for.
pub(super) fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_slice(raw.get().as_bytes()).ok()
}

/// The number that stands there.
pub(super) fn number(raw: &RawValue) -> Option<f64> {
    is_number(raw).then(|| raw.get().parse().ok())?
}

pub(super) fn is_number(raw: &RawValue) -> bool {
    raw.get().starts_with(|char: char| char == '-' || char.is_ascii_digit())
}

/// What stands there, in words.
pub(super) fn token(raw: &RawValue) -> Token {
    Token::Named(match raw.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't') => "true",
        Some(b'f') => "false",
        Some(b'n') => "null",
        _ => "a number",
    })
}

/// The same JSON with the fields of each object in the order of their names, as a client that sends a message again may write them
/// in another. Numbers and strings stay as they are written. `json` is compact.
pub(super) fn canonical(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    push_canonical(&mut out, json);
    out
}

/// As deep as the parser goes: `serde_json` takes 128 levels.
fn push_canonical(out: &mut String, json: &str) {
    if let Some(fields) = object(json) {
        for (index, (name, value)) in fields.iter().enumerate() {
            out.push(if index > 0 { ',' } else { '{' });
            push_text(out, name);
            out.push(':');
            push_canonical(out, value.get());
        }
        out.push('}');
    } else if let Some(items) = list(json.as_bytes()) {
        for (index, item) in items.into_iter().enumerate() {
            out.push(if index > 0 { ',' } else { '[' });
            push_canonical(out, item.get());
        }
        out.push(']');
    } else {
        out.push_str(json);
    }
}

/// The same JSON without white space between its parts.
pub(super) fn compact(json: &str) -> String {
    let (mut is_string, mut is_escaped) = (false, false);
    let is_part = |char: &char| {
        let is_kept = is_string || !char.is_ascii_whitespace();
        is_string ^= *char == '"' && !is_escaped;
        is_escaped = is_string && *char == '\\' && !is_escaped;
        is_kept
    };
    json.chars().filter(is_part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_goes_but_for_that_in_strings() {
        let json = "{ \"a b\\\" \\\\\" :\t[ 1 ,\r\n \" \\\" \" ] , \"\\\\\": \" é \" }";
        assert_eq!(compact(json), "{\"a b\\\" \\\\\":[1,\" \\\" \"],\"\\\\\":\" é \"}");
    }

    proptest! {
        #[test]
        fn what_is_compact_is_what_a_serialiser_writes(text in "[ -~é\\\\\"\n]{0,40}", n in any::<i32>()) {
            let value = serde_json::json!([{ text.as_str(): [n, text.as_str()] }, text.as_str()]);
            let pretty = serde_json::to_string_pretty(&value).expect("serialises");
            prop_assert_eq!(compact(&pretty), value.to_string());
        }

        #[test]
        fn a_number_is_exactly_what_it_says(value in proptest::num::f64::NORMAL) {
            let raw: Box<RawValue> = serde_json::from_str(&format!("{value:e}")).expect("a number");
            prop_assert_eq!(number(&raw), Some(value));
        }
    }

    #[test]
    fn parts_are_named_by_how_they_begin() {
        for (text, name) in
            [("{}", "an object"), ("[]", "an array"), ("\"\"", "a string"), ("-1", "a number"), ("null", "null")]
        {
            let raw: &RawValue = serde_json::from_str(text).expect("JSON");
            assert_eq!(token(raw), Token::Named(name));
            assert_eq!(number(raw).is_some(), name == "a number");
        }
        assert_eq!(object("[]").map(|object| object.len()), None);
        assert_eq!(object(r#"{"a":1,"a":[2]}"#).map(|object| object["a"].get()), Some("[2]"));
        let surrogate: &RawValue = serde_json::from_str(r#""\ud800""#).expect("a string as far as it goes");
        assert_eq!(string(surrogate), None);
    }
}
