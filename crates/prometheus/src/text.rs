//! Numbers and quoted strings in Prometheus' syntax.

/// The shortest string that parses to the same number, with Prometheus' names for NaN and infinities.
#[inline(never)]
#[expect(clippy::cast_possible_truncation, reason = "whole and below 10^15")]
pub(super) fn number(value: f64) -> String {
    const WHOLE_BELOW: f64 = 1e15;
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else if value.trunc() == value && value.abs() < WHOLE_BELOW {
        (value as i64).to_string()
    } else {
        json::value::number(value)
    }
}

/// Appends strings.
#[inline(never)]
pub(super) fn push_all(out: &mut String, texts: &[&str]) {
    for text in texts {
        out.push_str(text);
    }
}

/// Appends a label's value, escaped for quotes.
pub(super) fn push_escaped(out: &mut String, value: &str) {
    for char in value.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_prometheus_parses_them() {
        for (value, text) in [
            (0.0, "0"),
            (-3.0, "-3"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e300, "1e+300"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
