//! String literals of a query: quoted with Go's escapes as Prometheus parses them, and raw between backticks.

use super::error::{Result, refuse};

/// A character that no string can contain: Prometheus takes it for a byte that is not UTF-8.
const REPLACEMENT: char = '\u{fffd}';

/// The string literal at the start of the input, and its length including its quotes.
///
/// # Errors
/// If Prometheus rejects it: an unclosed string, a line break between quotes, or an unknown escape.
pub(super) fn literal(text: &str) -> Result<(String, usize)> {
    let mut chars = text.chars();
    let quote = chars.next().unwrap_or_default();
    let mut bytes = Vec::new();
    loop {
        let here = chars.as_str();
        match chars.next() {
            None => return wrong("the string is not closed", text),
            Some('\n') if quote != '`' => return wrong("a quoted string can't contain a line break", here),
            Some(REPLACEMENT) => {
                return wrong("the string contains U+FFFD, which replaces bytes that are not UTF-8", here);
            }
            Some(char) if char == quote => break,
            Some('\\') if quote != '`' => {
                let rest = chars.as_str();
                let len = escape(rest, quote, &mut bytes).map_or_else(|why| wrong(why, here), Ok)?;
                chars = rest[len..].chars();
            }
            Some(char) => push(&mut bytes, char),
        }
    }
    match String::from_utf8(bytes) {
        Ok(string) => Ok((string, text.len() - chars.as_str().len())),
        Err(_) => refuse(format!("not supported here: a string that is not UTF-8, in: {}", cut(text))),
    }
}

fn wrong<T>(why: &str, at: &str) -> Result<T> {
    refuse(format!("parse error: {why}, in: {}", cut(at)))
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

fn push(bytes: &mut Vec<u8>, char: char) {
    bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Appends the character of an escape, given what follows its backslash, and returns the escape's length.
fn escape(rest: &str, quote: char, bytes: &mut Vec<u8>) -> std::result::Result<usize, &'static str> {
    let kind = rest.chars().next().ok_or("the string is not closed")?;
    let plain = match kind {
        'a' => Some(0x07),
        'b' => Some(0x08),
        'f' => Some(0x0c),
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        'v' => Some(0x0b),
        '\\' => Some(b'\\'),
        '"' | '\'' if kind == quote => Some(kind as u8),
        _ => None,
    };
    if let Some(byte) = plain {
        bytes.push(byte);
        return Ok(1);
    }
    let (start, len, base) = match kind {
        '0'..='7' => (0, 3, 8),
        'x' => (1, 2, 16),
        'u' => (1, 4, 16),
        'U' => (1, 8, 16),
        _ => return Err(UNKNOWN),
    };
    let digits = rest.get(start..start + len).ok_or(NOT_DIGITS)?;
    let is_digits = digits.chars().all(|digit| digit.is_digit(base));
    let code = u32::from_str_radix(digits, base).ok().filter(|_| is_digits).ok_or(NOT_DIGITS)?;
    if start + len > 3 {
        push(bytes, char::from_u32(code).ok_or(NO_CODE_POINT)?);
    } else {
        bytes.push(u8::try_from(code).map_err(|_| NO_CODE_POINT)?);
    }
    Ok(start + len)
}

const NOT_DIGITS: &str = "an escape is truncated or has an invalid digit";
const NO_CODE_POINT: &str = "an escape is not a Unicode code point";
const UNKNOWN: &str = "unknown escape: write a backslash twice, or once between backticks, where nothing is escaped";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_parsed_with_the_escapes_of_go() {
        for (text, wanted) in [
            (r#""Z\u00fcrich""#, "Zürich"),
            (r#""\u00fc""#, "ü"),
            (r"'\U0001F600'", "😀"),
            (r#""\xc3\xbc\303\274""#, "üü"),
            (r#""a\\.b""#, r"a\.b"),
            (r#""\a\b\f\n\r\t\v\\\"'""#, "\u{7}\u{8}\u{c}\n\r\t\u{b}\\\"'"),
            (r#"'\'"'"#, "'\""),
            (r"`a\.b\`", r"a\.b\"),
            ("`a\nb`", "a\nb"),
            (r#""\0411""#, "!1"),
            ("\"\"", ""),
            ("\"é\"", "é"),
        ] {
            assert_eq!(literal(text), Ok((wanted.to_owned(), text.len())), "{text}");
        }
        assert_eq!(literal(r#""a" + "b""#), Ok(("a".to_owned(), 3)));
    }

    #[test]
    fn invalid_strings_are_rejected_with_their_place() {
        for (text, part) in [
            (r#""foo\.bar""#, r"unknown escape: write a backslash twice"),
            (r#""foo\.bar""#, r#"in: \.bar""#),
            (r#""\'""#, "unknown escape"),
            (r#"'\"'"#, "unknown escape"),
            (r#""\d+""#, "unknown escape"),
            (r#""\`""#, "unknown escape"),
            (r#""\é""#, "unknown escape"),
            (r#""\u12""#, "an escape is truncated"),
            (r#""\u+123""#, "an escape is truncated"),
            (r#""\x0""#, "an escape is truncated"),
            (r#""\x""#, "an escape is truncated"),
            (r#""\08""#, "an escape"),
            (r#""\400""#, "not a Unicode code point"),
            (r#""\ud800""#, "not a Unicode code point"),
            (r#""\U00110000""#, "not a Unicode code point"),
            (r#""\xff""#, "not supported here: a string that is not UTF-8"),
            ("\"a\nb\"", "can't contain a line break"),
            ("\"a", "is not closed"),
            ("\"a\\", "is not closed"),
            ("`a", "is not closed"),
            ("\"\u{fffd}\"", "U+FFFD"),
        ] {
            let seen = literal(text).expect_err(text).to_string();
            assert!(seen.contains(part), "{text}: {seen}");
        }
    }
}
