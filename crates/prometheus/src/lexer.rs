//! Tokenizes a query as Prometheus' lexer does: braces and brackets have tokens of their own.

use super::error::{Result, refuse};
use super::text_literal::literal;

/// A token, and where in the query it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// The index of its first byte.
    pub at: usize,
    /// Its content.
    pub word: Word,
}

/// The content of a token.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// A name or keyword.
    Name(String),
    /// A number.
    Number(f64),
    /// A duration in milliseconds, greater than zero.
    Duration(i64),
    /// A string without its quotes.
    Text(String),
    /// An operator or other punctuation.
    Sign(&'static str),
}

/// Where a token occurs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Braces,
    /// After a `[`, before its duration.
    Bracket,
    /// After that duration.
    Range,
}

/// Longer ones first.
const SIGNS: [&str; 18] =
    ["!=", "==", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", "{", "[", ",", "@"];
const SIGNS_IN_BRACES: [&str; 6] = ["=~", "!~", "!=", "=", "}", ","];
const SIGNS_IN_RANGES: [&str; 2] = ["]", ":"];

/// All tokens of a query.
///
/// # Errors
/// If something is not a token where it occurs.
pub fn words(query: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let (mut at, mut place) = (0, Place::Outside);
    while let Some(char) = query[at..].chars().next() {
        let rest = &query[at..];
        let (word, len) = match char {
            ' ' | '\t' | '\n' | '\r' => {
                at += 1;
                continue;
            }
            '#' if place != Place::Bracket => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            '"' | '\'' | '`' if matches!(place, Place::Outside | Place::Braces) => {
                literal(rest).map(|(text, len)| (Word::Text(text), len))?
            }
            char if (char.is_ascii_alphabetic() || char == '_' || char == ':') && place == Place::Outside => name(rest),
            char if (char.is_ascii_alphabetic() || char == '_') && place == Place::Braces => {
                let len = length(rest, is_alphanumeric);
                (Word::Name(rest[..len].to_owned()), len)
            }
            char if place != Place::Braces && (char.is_ascii_digit() || begins_fraction(rest)) => {
                numeric(rest, place == Place::Bracket)?
            }
            _ => sign(rest, place)?,
        };
        place = match word {
            Word::Sign("{") => Place::Braces,
            Word::Sign("[") => Place::Bracket,
            Word::Sign("}" | "]") => Place::Outside,
            Word::Duration(_) if place == Place::Bracket => Place::Range,
            _ => place,
        };
        tokens.push(Token { at, word });
        at += len;
    }
    Ok(tokens)
}

fn wrong<T>(why: &str, at: &str) -> Result<T> {
    refuse(format!("parse error: {why}: {}", at.chars().take(80).collect::<String>()))
}

fn sign(rest: &str, place: Place) -> Result<(Word, usize)> {
    let (signs, why): (&[&'static str], _) = match place {
        Place::Outside => (&SIGNS, "unexpected character"),
        Place::Braces => (&SIGNS_IN_BRACES, "unexpected character between braces"),
        Place::Bracket => (&[], "expected a duration before"),
        Place::Range => (&SIGNS_IN_RANGES, "unexpected character between brackets"),
    };
    match signs.iter().find(|sign| rest.starts_with(**sign)) {
        Some(sign) => Ok((Word::Sign(sign), sign.len())),
        None => wrong(why, rest),
    }
}

fn length(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|char| !belongs(char)).unwrap_or(text.len())
}

fn is_alphanumeric(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

fn begins_fraction(rest: &str) -> bool {
    rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()))
}

/// A name, or one of the names that are numbers.
fn name(rest: &str) -> (Word, usize) {
    let len = length(rest, |char| is_alphanumeric(char) || char == ':');
    let text = &rest[..len];
    let word = match text.to_ascii_lowercase().as_str() {
        "inf" => Word::Number(f64::INFINITY),
        "nan" => Word::Number(f64::NAN),
        _ => Word::Name(text.to_owned()),
    };
    (word, len)
}

/// A number or a duration.
fn numeric(rest: &str, must_be_duration: bool) -> Result<(Word, usize)> {
    let is_hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
    let is_digit = |char: char| if is_hexadecimal { char.is_ascii_hexdigit() } else { char.is_ascii_digit() };
    let mut len = if is_hexadecimal { 2 } else { 0 };
    len += length(&rest[len..], is_digit);
    if rest[len..].starts_with('.') {
        len += 1 + length(&rest[len + 1..], is_digit);
    }
    if rest[len..].starts_with(['e', 'E']) {
        len += 1;
        len += usize::from(rest[len..].starts_with(['+', '-']));
        len += length(&rest[len..], |char| char.is_ascii_digit());
    }
    let whole = length(rest, |char| is_alphanumeric(char) || char == '.').max(len);
    if len < whole {
        return match duration_ms(&rest[..whole]) {
            Some(0) => wrong("a duration must be greater than 0", rest),
            Some(ms) => Ok((Word::Duration(ms), whole)),
            None => wrong("neither a number nor a duration", rest),
        };
    }
    match number(&rest[..len]) {
        Some(_) if must_be_duration => wrong("expected a duration before", rest),
        Some(number) => Ok((Word::Number(number), len)),
        None => wrong("not a number", rest),
    }
}

/// A number as Go parses it: octal with a leading 0, else an integer or a fraction.
#[expect(clippy::cast_precision_loss, reason = "all numbers of PromQL are f64")]
fn number(text: &str) -> Option<f64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok().map(|whole| whole as f64);
    }
    let octal = text.strip_prefix('0').and_then(|digits| i64::from_str_radix(digits, 8).ok());
    octal.map(|whole| whole as f64).or_else(|| text.parse().ok()).filter(|number| number.is_finite())
}

/// The milliseconds of a duration such as `1h30m`: each unit at most once, longer ones first.
#[must_use]
pub fn duration_ms(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    /// Prometheus counts in nanoseconds.
    const LONGEST_MS: i64 = i64::MAX / 1_000_000;
    let (mut rest, mut sum, mut next) = (text, 0i64, 0);
    while !rest.is_empty() {
        let digits = length(rest, |char| char.is_ascii_digit());
        let letters = length(&rest[digits..], |char| char.is_ascii_alphabetic());
        let unit = &rest[digits..digits + letters];
        let place = UNITS.iter().position(|(name, _)| *name == unit).filter(|place| *place >= next)?;
        let count: i64 = rest[..digits].parse().ok()?;
        sum = count.checked_mul(UNITS[place].1)?.checked_add(sum).filter(|sum| *sum <= LONGEST_MS)?;
        (rest, next) = (&rest[digits + letters..], place + 1);
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_split_into_tokens() {
        let all: Vec<Word> = words("rate(a:b{c=~\"x\\\"\\\\d\"}[1h30m]) >= 1.5e3 # end")
            .expect("valid")
            .into_iter()
            .map(|token| token.word)
            .collect();
        let name = |text: &str| Word::Name(text.to_owned());
        let wanted = [
            name("rate"),
            Word::Sign("("),
            name("a:b"),
            Word::Sign("{"),
            name("c"),
            Word::Sign("=~"),
            Word::Text("x\"\\d".to_owned()),
            Word::Sign("}"),
            Word::Sign("["),
            Word::Duration(5_400_000),
            Word::Sign("]"),
            Word::Sign(")"),
            Word::Sign(">="),
            Word::Number(1500.0),
        ];
        assert_eq!(all, wanted);
        for bad in ["\"open", "1x", "a ; b", "1.2.3", "a =~ b", "a\u{a0}", "x{a:b=\"c\"}", "x{1}", "x[5]", "x[ :5m]"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_parsed_as_in_go() {
        for (text, wanted) in [
            ("0x1f", 31.0),
            ("0XE", 14.0),
            ("010", 8.0),
            ("08", 8.0),
            ("0", 0.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1.e3", 1000.0),
            ("1e-3", 0.001),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
            ("iNf", f64::INFINITY),
        ] {
            let seen = words(text).expect(text);
            assert!(
                matches!(seen[..], [Token { word: Word::Number(number), .. }] if number == wanted),
                "{text}: {seen:?}"
            );
        }
        for bad in ["1_000", "1e400", "1e", "1e+", "0x", "0x1.8", "0x1p3", "0b1", "0o7", "1e5m", "0x5m", "1.5m", "5µ"]
        {
            assert!(words(bad).is_err(), "{bad}: {:?}", words(bad));
        }
    }

    #[test]
    fn durations_sum_their_units_each_once_longest_first() {
        assert_eq!(duration_ms("1m0s"), Some(60_000));
        assert_eq!(duration_ms("1d12h"), Some(129_600_000));
        assert_eq!(duration_ms("1m5ms"), Some(60_005));
        assert_eq!(duration_ms("250ms"), Some(250));
        assert_eq!(duration_ms("292y"), Some(292 * 365 * 86_400_000));
        for none in ["", "5", "m", "5x", "1.5h", "293y", "999999999y", "1d1d", "1m1h", "1s1ms1s"] {
            assert_eq!(duration_ms(none), None, "{none}");
        }
        for bad in ["x[0s]", "x offset 0s", "x offset 1d1d"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }
}
