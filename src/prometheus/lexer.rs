//! The words of a query.

use super::error::{Refusal, Result, refuse};

/// A word, and where in the query it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// The byte.
    pub at: usize,
    /// The word.
    pub word: Word,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// A name or keyword.
    Name(String),
    /// A number.
    Number(f64),
    /// A duration in milliseconds.
    Duration(i64),
    /// A text without its quotes.
    Text(String),
    /// A sign.
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 24] = [
    "=~", "!~", "!=", "==", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}", "[", "]", ",",
    ":", "@",
];

/// All words of a query.
///
/// # Errors
/// What is no word.
pub fn words(query: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(char) = query[at..].chars().next() {
        let rest = &query[at..];
        let (word, len) = match char {
            char if char.is_whitespace() => {
                at += char.len_utf8();
                continue;
            }
            '#' => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            '"' | '\'' | '`' => text(rest, char).ok_or_else(|| Refusal(format!("the text has no end: {rest}")))?,
            char if char.is_ascii_alphabetic() || char == '_' => {
                let len = length(rest, |char| char.is_ascii_alphanumeric() || char == '_' || char == ':');
                (Word::Name(rest[..len].to_owned()), len)
            }
            char if char.is_ascii_digit()
                || (char == '.' && rest[1..].starts_with(|next: char| next.is_ascii_digit())) =>
            {
                numeric(rest)?
            }
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => (Word::Sign(sign), sign.len()),
                None => return refuse(format!("unexpected character: {rest}")),
            },
        };
        tokens.push(Token { at, word });
        at += len;
    }
    Ok(tokens)
}

fn length(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|char| !belongs(char)).unwrap_or(text.len())
}

/// A number or a duration.
fn numeric(rest: &str) -> Result<(Word, usize)> {
    let belongs = |char: char| char.is_ascii_alphanumeric() || char == '.';
    let mut len = length(rest, belongs);
    // The exponent's sign; no unit ends like this.
    if rest[..len].ends_with(['e', 'E']) && rest[len..].starts_with(['+', '-']) {
        len += 1 + length(&rest[len + 1..], belongs);
    }
    let text = &rest[..len];
    match (text.parse(), duration_ms(text)) {
        (Ok(number), _) => Ok((Word::Number(number), len)),
        (_, Some(ms)) => Ok((Word::Duration(ms), len)),
        _ => refuse(format!("{text:?} is neither a number nor a duration")),
    }
}

/// The milliseconds of a duration like `1h30m`.
#[must_use]
pub fn duration_ms(text: &str) -> Option<i64> {
    const LONGEST_MS: i64 = 100 * 365 * 86_400_000;
    let (mut rest, mut sum) = (text, 0i64);
    while !rest.is_empty() {
        let digits = length(rest, |char| char.is_ascii_digit());
        let units = length(&rest[digits..], |char| char.is_ascii_alphabetic());
        let unit_ms = match &rest[digits..digits + units] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        let count: i64 = rest[..digits].parse().ok()?;
        sum = count.checked_mul(unit_ms)?.checked_add(sum).filter(|sum| *sum <= LONGEST_MS)?;
        rest = &rest[digits + units..];
    }
    (!text.is_empty()).then_some(sum)
}

/// A text in quotes, and its length with them.
fn text(rest: &str, quote: char) -> Option<(Word, usize)> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            char if char == quote => return Some((Word::Text(out), at + 1)),
            '\\' if quote != '`' => {
                let (_, escaped) = chars.next()?;
                out.push(match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                });
            }
            char => out.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_taken_apart_into_words() {
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
        assert!(words("\"open").is_err() && words("1x").is_err() && words("a ; b").is_err() && words("1.2.3").is_err());
    }

    #[test]
    fn durations_add_up_their_units() {
        assert_eq!(duration_ms("1m0s"), Some(60_000));
        assert_eq!(duration_ms("1d12h"), Some(129_600_000));
        assert_eq!(duration_ms("250ms"), Some(250));
        for none in ["", "5", "m", "5x", "1.5h", "999999999y"] {
            assert_eq!(duration_ms(none), None, "{none}");
        }
    }
}
