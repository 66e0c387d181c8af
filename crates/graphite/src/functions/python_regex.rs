//! Regular expressions as in Python's `re`, as far as linear time allows: no look-around, and no back-references
//! within a pattern.

use regex_lite::Captures;

use crate::error::{BadRequest, Result, refuse};
use model::budget::Budget;
use model::pattern::Pattern;

/// The most bytes by which a replacement makes a name longer: a name can be replaced many times, each time by
/// several copies of itself.
const MAX_GROWTH_BYTES: usize = 4 << 10;

/// A pattern that takes its steps from a request's budget.
pub(super) fn compile(pattern: &str, budget: &Budget) -> Result<Pattern> {
    let compiled = Pattern::anywhere(pattern).map(|pattern| pattern.sharing(budget));
    compiled.map_err(|error| BadRequest(format!("{pattern:?} is not a regular expression: {error}")))
}

/// `re.sub`: replaces every match, including an empty one after another match.
pub(super) fn substitute(pattern: &Pattern, template: &str, text: &str) -> Result<String> {
    let (mut out, mut at, mut copied) = (String::new(), 0, 0);
    while at <= text.len() {
        let regex = pattern.regex_for(&text[at..]).map_err(|error| BadRequest(error.to_string()))?;
        let Some(captures) = regex.captures_at(text, at) else { break };
        let found = captures.get(0).map_or(at..at, |found| found.range());
        out.push_str(&text[copied..found.start]);
        expand(template, &captures, &mut out, text.len() + MAX_GROWTH_BYTES)?;
        copied = found.end;
        // After an empty match the next character is copied.
        let next = text[found.end..].chars().next().map_or(1, char::len_utf8);
        at = if found.is_empty() { found.end + next } else { found.end };
    }
    out.push_str(&text[copied.min(text.len())..]);
    Ok(out)
}

/// A replacement with `\1`, `\g<1>` and `\g<name>`, limited to this many bytes in all.
fn expand(template: &str, captures: &Captures<'_>, out: &mut String, max_bytes: usize) -> Result<()> {
    let mut rest = template;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.push_str(plain);
        if out.len() > max_bytes {
            return too_long();
        }
        let digits = escaped.bytes().take(2).take_while(u8::is_ascii_digit).count();
        let (group, behind) = if digits > 0 {
            (&escaped[..digits], &escaped[digits..])
        } else if let Some((name, behind)) = escaped.strip_prefix("g<").and_then(|named| named.split_once('>')) {
            (name, behind)
        } else {
            let Some(char) = escaped.chars().next() else { return refuse("a replacement ends with a backslash") };
            match char {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                char if char.is_ascii_alphabetic() => return refuse(format!("bad escape \\{char} in a replacement")),
                '\\' => out.push('\\'),
                char => out.extend(['\\', char]),
            }
            rest = &escaped[char.len_utf8()..];
            continue;
        };
        let number = group.parse::<usize>().ok();
        if number.is_some_and(|number| number >= captures.len()) {
            return refuse(format!("invalid group reference {group} in a replacement"));
        }
        let found = number.map_or_else(|| captures.name(group), |number| captures.get(number));
        out.push_str(found.map_or("", |found| found.as_str()));
        rest = behind;
    }
    out.push_str(rest);
    if out.len() > max_bytes { too_long() } else { Ok(()) }
}

fn too_long<T>() -> Result<T> {
    refuse(format!("a replacement makes a name longer by more than {MAX_GROWTH_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub(pattern: &str, template: &str, text: &str) -> Result<String> {
        substitute(&compile(pattern, &Budget::new(100_000_000))?, template, text)
    }

    #[test]
    fn replacing_works_as_in_python() {
        for (pattern, template, text, wanted) in [
            ("(^.*$)", r"\1 A", "sum(a.b)", "sum(a.b) A"),
            ("o", "0", "foo boo", "f00 b00"),
            (".*", "X", "abc", "XX"),
            ("x*", "-", "abxd", "-a-b--d-"),
            (r"(?P<a>\w+)\.(\w+)", r"\g<2>.\g<a>", "x.y é", "y.x é"),
            ("a", r"\\", "bab", r"b\b"),
            ("(a)|b", r"[\1]", "ab", "[a][]"),
        ] {
            assert_eq!(sub(pattern, template, text).as_deref(), Ok(wanted), "{pattern}");
        }
        let mut name = "a".repeat(100);
        let grown = (0..32).find_map(|_| match sub("(.*)", &r"\1".repeat(30), &name) {
            Ok(longer) => {
                name = longer;
                None
            }
            Err(error) => Some(error.0),
        });
        assert!(
            name.len() < 100 + 32 * MAX_GROWTH_BYTES && grown.is_some_and(|text| text.contains("longer by more than"))
        );
        for (pattern, template) in [("(", ""), ("a", r"\1"), ("a", r"\q"), ("a", "\\"), ("(?:x{1000}){300}", "")] {
            assert!(sub(pattern, template, "a").is_err(), "{pattern}");
        }
    }
}
