//! JSON whose parts stay unparsed until they are needed: numbers keep their exact value, and unused parts take no
//! memory. Everything is parsed from bytes: parsing from strings too would duplicate the code.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use json::scan::Token;
use json::write::push_text;

/// An object. If a name occurs twice, the last one counts.
pub(super) type Object<'a> = BTreeMap<String, &'a RawValue>;

/// Parses an object, if the input is one.
pub(super) fn object(text: &str) -> Option<Object<'_>> {
    serde_json::from_slice(text.as_bytes()).ok()
}

/// Parses the items of a list, if the input is one.
pub(super) fn list(text: &[u8]) -> Option<Vec<&RawValue>> {
    serde_json::from_slice(text).ok()
}

/// Parses a string.
pub(super) fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_slice(raw.get().as_bytes()).ok()
}

/// Parses a number.
pub(super) fn number(raw: &RawValue) -> Option<f64> {
    is_number(raw).then(|| raw.get().parse().ok())?
}

pub(super) fn is_number(raw: &RawValue) -> bool {
    raw.get().starts_with(|char: char| char == '-' || char.is_ascii_digit())
}

/// The kind of a value, in words.
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

/// The same JSON with the fields of each object sorted by name, as a client that repeats a message may write them
/// in another order. Numbers and strings stay as they are written. `json` must be compact.
pub(super) fn canonical(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    push_canonical(&mut out, json);
    out
}

/// The deepest nesting that the parser accepts: `serde_json` allows 128 levels.
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

/// The same JSON without white space between tokens.
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
    fn white_space_is_removed_except_in_strings() {
        let json = "{ \"a b\\\" \\\\\" :\t[ 1 ,\r\n \" \\\" \" ] , \"\\\\\": \" é \" }";
        assert_eq!(compact(json), "{\"a b\\\" \\\\\":[1,\" \\\" \"],\"\\\\\":\" é \"}");
    }

    proptest! {
        #[test]
        fn compact_json_equals_that_of_a_serialiser(text in "[ -~é\\\\\"\n]{0,40}", n in any::<i32>()) {
            let value = serde_json::json!([{ text.as_str(): [n, text.as_str()] }, text.as_str()]);
            let pretty = serde_json::to_string_pretty(&value).expect("serialises");
            prop_assert_eq!(compact(&pretty), value.to_string());
        }

        #[test]
        fn a_number_keeps_its_exact_value(value in proptest::num::f64::NORMAL) {
            let raw: Box<RawValue> = serde_json::from_str(&format!("{value:e}")).expect("a number");
            prop_assert_eq!(number(&raw), Some(value));
        }
    }

    #[test]
    fn the_first_byte_determines_the_kind_of_a_value() {
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
