//! Writes pieces of JSON straight into a string.

use std::fmt::{self, Write};

use model::labels::Labels;

/// Writes anything whose formatted form is JSON.
pub fn push_formatted(out: &mut String, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes any text");
}

/// Items with commas between them.
pub fn push_list<T>(out: &mut String, items: &[T], push: impl Fn(&mut String, &T)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(out, item);
    }
}

/// An object that maps each label's name to its value.
pub fn push_labels(out: &mut String, labels: &Labels) {
    let pairs: Vec<(&str, &str)> = labels.iter().collect();
    out.push('{');
    push_list(out, &pairs, |out, (name, value)| {
        push_text(out, name);
        out.push(':');
        push_text(out, value);
    });
    out.push('}');
}

/// A string in quotes.
#[inline(never)]
pub fn push_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("a string always serialises"));
}

/// A number: integers without a fraction, others in the shortest form that parses to the same number.
pub fn push_number(out: &mut String, value: Option<f64>) {
    const WHOLE_BELOW: f64 = 1e15;
    match value {
        None => out.push_str("null"),
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 10^15")]
        Some(value) if value.trunc() == value && value.abs() < WHOLE_BELOW => {
            push_formatted(out, format_args!("{}", value as i64));
        }
        Some(value) => out.push_str(&serde_json::to_string(&value).expect("a number always serialises")),
    }
}
