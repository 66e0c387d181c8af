//! JSON tokens, borrowed from the body where they have no escapes (RFC 8259).
//!
//! Not a general JSON parser: it parses strings and numbers, names any other token, and can skip a broken item of
//! an array so that the good ones around it are kept.

use std::borrow::Cow;
use std::fmt;

/// Reads a body from left to right.
#[derive(Clone, Copy, Debug)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    /// All bytes, if they are valid UTF-8: checked once instead of for each string.
    text: Option<&'a str>,
    at: usize,
}

/// The bytes that end the plain part of a string: the quote, the backslash and raw control characters.
const ENDS_PLAIN: [bool; 256] = {
    let mut ends = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        ends[byte] = true;
        byte += 1;
    }
    ends[b'"' as usize] = true;
    ends[b'\\' as usize] = true;
    ends
};

/// Why the input is not JSON, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Syntax {
    /// Another token than expected.
    #[error("expected {expected} at byte {at}, not {found}")]
    Expected {
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: Token,
        /// Offset in the body or, for NDJSON, in the line.
        at: usize,
    },
    /// A string that breaks the rules of JSON strings.
    #[error("the string at byte {at} {problem}")]
    String {
        /// What is wrong with it.
        problem: &'static str,
        /// Offset in the body or, for NDJSON, in the line.
        at: usize,
    },
}

/// The token at a position, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A token with a name of its own.
    Named(&'static str),
    /// Any other character.
    Char(char),
}

impl fmt::Display for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => out.write_str(name),
            Self::Char(char) => write!(out, "`{}`", char.escape_debug()),
        }
    }
}

impl<'a> Scanner<'a> {
    /// A scanner at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, text: std::str::from_utf8(bytes).ok(), at: 0 }
    }

    /// The next byte that is not white space, if there is one.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    /// Consumes this byte if it is next.
    pub fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// The input from the next token up to and including this byte.
    pub fn up_to(&mut self, byte: u8) -> Option<&'a [u8]> {
        self.peek();
        let rest = &self.bytes[self.at..];
        rest.iter().position(|candidate| *candidate == byte).map(|end| &rest[..=end])
    }

    /// Moves past what [`Self::up_to`] returned.
    pub fn skip(&mut self, bytes: &[u8]) {
        self.at += bytes.len();
    }

    /// The input between this position and a later one.
    #[must_use]
    pub fn between(&self, later: &Self) -> &'a [u8] {
        &self.bytes[self.at..later.at]
    }

    /// The error that something else was expected here.
    pub fn expected(&mut self, expected: &'static str) -> Syntax {
        let found = self.token();
        Syntax::Expected { expected, found, at: self.at }
    }

    /// Consumes this byte.
    ///
    /// # Errors
    /// [`Syntax::Expected`]
    pub fn expect(&mut self, byte: u8, name: &'static str) -> Result<(), Syntax> {
        if self.eat(byte) { Ok(()) } else { Err(self.expected(name)) }
    }

    /// The name of the next token.
    pub fn token(&mut self) -> Token {
        let Some(first) = self.peek() else { return Token::Named("the end") };
        let rest = &self.bytes[self.at..];
        let words = ["true", "false", "null", "NaN", "Infinity", "-Infinity", "undefined"];
        if let Some(word) = words.into_iter().find(|word| rest.starts_with(word.as_bytes())) {
            return Token::Named(word);
        }
        match first {
            b'"' => Token::Named("a string"),
            b'{' => Token::Named("an object"),
            b'[' => Token::Named("an array"),
            b'-' | b'0'..=b'9' => Token::Named("a number"),
            _ => Token::Char(first_char(rest)),
        }
    }

    /// A number, if a well-formed one comes next. May be infinite: `1e999` is well-formed.
    pub fn number(&mut self) -> Option<f64> {
        self.peek();
        let start = self.at;
        let mut end = start + usize::from(self.bytes.get(start) == Some(&b'-'));
        let whole = self.digits(end);
        if whole == 0 || (whole > 1 && self.bytes[end] == b'0') {
            return None;
        }
        end += whole;
        if let Some(value) = self.short_integer(start, end) {
            self.at = end;
            return Some(value);
        }
        end = self.fraction(end)?;
        end = self.exponent(end)?;
        let text = std::str::from_utf8(&self.bytes[start..end]).ok()?;
        self.at = end;
        text.parse().ok()
    }

    /// The common case: few digits, no fraction, no exponent.
    fn short_integer(&self, start: usize, end: usize) -> Option<f64> {
        const EXACT_DIGITS: usize = 15;
        if end - start > EXACT_DIGITS || matches!(self.bytes.get(end), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        let is_negative = self.bytes[start] == b'-';
        let digits = &self.bytes[start + usize::from(is_negative)..end];
        #[expect(clippy::cast_precision_loss, reason = "at most 15 digits")]
        let value = digits.iter().fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0')) as f64;
        Some(if is_negative { -value } else { value })
    }

    fn digits(&self, from: usize) -> usize {
        self.bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn fraction(&self, at: usize) -> Option<usize> {
        if self.bytes.get(at) != Some(&b'.') {
            return Some(at);
        }
        let digits = self.digits(at + 1);
        (digits > 0).then_some(at + 1 + digits)
    }

    fn exponent(&self, at: usize) -> Option<usize> {
        if !matches!(self.bytes.get(at), Some(b'e' | b'E')) {
            return Some(at);
        }
        let sign = usize::from(matches!(self.bytes.get(at + 1), Some(b'+' | b'-')));
        let digits = self.digits(at + 1 + sign);
        (digits > 0).then_some(at + 1 + sign + digits)
    }

    /// A string.
    ///
    /// # Errors
    /// [`Syntax`] if the bytes are not a string as in RFC 8259.
    pub fn string(&mut self, expected: &'static str) -> Result<Cow<'a, str>, Syntax> {
        self.expect(b'"', expected)?;
        let start = self.at;
        self.at = self.end_of_plain(start)?;
        if self.bytes[self.at] == b'\\' {
            return self.escaped(start).map(Cow::Owned);
        }
        let text = self.utf8(start, self.at)?;
        self.at += 1;
        Ok(Cow::Borrowed(text))
    }

    /// The position of the quote or backslash that ends the plain part of the string that starts here.
    fn end_of_plain(&self, start: usize) -> Result<usize, Syntax> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| ENDS_PLAIN[usize::from(*byte)]).map(|len| self.at + len);
        match end.map(|end| self.bytes[end]) {
            Some(0..0x20) => Err(bad_string(start, "contains a raw control character")),
            _ => end.ok_or_else(|| bad_string(start, "is not closed")),
        }
    }

    fn escaped(&mut self, start: usize) -> Result<String, Syntax> {
        let mut text = self.utf8(start, self.at)?.to_owned();
        while self.bytes[self.at] == b'\\' {
            self.at += 1;
            text.push(self.escape(start)?);
            let plain_from = self.at;
            self.at = self.end_of_plain(start)?;
            text.push_str(self.utf8(plain_from, self.at)?);
        }
        self.at += 1;
        Ok(text)
    }

    fn escape(&mut self, start: usize) -> Result<char, Syntax> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        Ok(match byte {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_point(start),
            _ => return Err(bad_string(start, "has an unknown escape")),
        })
    }

    fn code_point(&mut self, start: usize) -> Result<char, Syntax> {
        let first = self.hex4(start)?;
        let is_high = (0xd800..0xdc00).contains(&first);
        let code = if is_high && self.bytes[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let second = self.hex4(start)?;
            let is_low = (0xdc00..0xe000).contains(&second);
            if is_low { 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00) } else { first }
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| bad_string(start, "has a lone surrogate"))
    }

    fn hex4(&mut self, start: usize) -> Result<u32, Syntax> {
        let digits = self.bytes.get(self.at..self.at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|digits| std::str::from_utf8(digits).ok()).map(|text| u32::from_str_radix(text, 16));
        self.at += 4;
        match code {
            Some(Ok(code)) => Ok(code),
            _ => Err(bad_string(start, "has a \\u escape without four hexadecimal digits")),
        }
    }

    fn utf8(&self, from: usize, to: usize) -> Result<&'a str, Syntax> {
        let text = match self.text {
            Some(text) => text.get(from..to),
            None => std::str::from_utf8(&self.bytes[from..to]).ok(),
        };
        text.ok_or_else(|| bad_string(from, "is not UTF-8"))
    }

    /// Skips a broken item of an array: up to the next `,` or `]` outside its strings and brackets, or to the end.
    pub fn skip_item(&mut self) {
        self.skip_to(b",]");
    }

    /// Skips a value of well-formed JSON: up to what follows it in its array or object.
    pub fn skip_value(&mut self) {
        self.skip_to(b",]}");
    }

    fn skip_to(&mut self, ends: &[u8]) {
        let mut depth = 0usize;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                _ if depth == 0 && ends.contains(byte) => return,
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                b'"' => self.skip_string(),
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Skips from an opening quote to the closing one.
    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => return,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at = self.bytes.len();
    }
}

/// Skips the string whose content starts here, after its quote.
fn bad_string(start: usize, problem: &'static str) -> Syntax {
    Syntax::String { problem, at: start.saturating_sub(1) }
}

fn first_char(bytes: &[u8]) -> char {
    const LONGEST_UTF8: usize = 4;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_UTF8)]);
    text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Option<f64> {
        let mut scanner = Scanner::new(text.as_bytes());
        scanner.number().filter(|_| scanner.peek().is_none())
    }

    fn string(bytes: &[u8]) -> Result<String, Syntax> {
        Scanner::new(bytes).string("a string").map(Cow::into_owned)
    }

    #[test]
    fn invalid_json_numbers_are_none() {
        for text in ["", "-", "01", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "-Infinity", "1_000"] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(number("1e999"), Some(f64::INFINITY));
        assert_eq!(number("-0"), Some(0.0));
    }

    #[test]
    fn strings_are_parsed_as_in_json() {
        assert_eq!(
            string(br#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00z""#).as_deref(),
            Ok("a\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1f600}z")
        );
        for bad in [
            &b"\"a"[..],
            b"\"a\nb\"",
            b"\"\\x\"",
            b"\"\\u12g4\"",
            b"\"\\ud800\"",
            b"\"\\udc00\"",
            b"\"\\ud800\\u0041\"",
            b"\"\xff\"",
            b"\"\\u12",
        ] {
            assert!(string(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn numbers_and_strings_agree_with_serde_json(value in any::<f64>().prop_filter("finite", |v| v.is_finite()), text in any::<String>()) {
            prop_assert_eq!(number(&serde_json::to_string(&value).expect("finite")), Some(value));
            prop_assert_eq!(string(serde_json::to_string(&text).expect("text").as_bytes()), Ok(text));
        }

        #[test]
        fn any_bytes_are_scanned_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut scanner = Scanner::new(&bytes);
            scanner.skip_item();
            let _ = Scanner::new(&bytes).string("a string");
            let _ = Scanner::new(&bytes).number();
            let quoted: Vec<u8> = [b"\"", &bytes[..]].concat();
            let _ = Scanner::new(&quoted).string("a string");
            let _ = Scanner::new(&bytes).token();
        }
    }
}
