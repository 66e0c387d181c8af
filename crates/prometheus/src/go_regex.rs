//! Decides which patterns are regular expressions for Prometheus: those of Go's package `regexp/syntax`, with Perl
//! flags. Nothing is matched here; the matching engine accepts fewer patterns, and [`Pattern`] says which ones it
//! would interpret differently.

/// The highest repetition count, including that of enclosing repetitions.
const MAX_REPEAT: u32 = 1_000;
/// The deepest nesting of groups.
const MAX_DEPTH: usize = 1_000;
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// A pattern that Go accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Whether the matching engine would interpret it differently.
    is_foreign: bool,
}

/// Why a pattern is invalid.
type Fault = &'static str;

/// Parses a pattern.
pub(super) fn check(pattern: &str) -> Result<Pattern, Fault> {
    let mut reader = Reader { rest: pattern, groups: vec![Group::default()], pattern: Pattern::default() };
    while let Some(char) = reader.next() {
        reader.one(char)?;
    }
    if reader.groups.len() > 1 {
        return Err("a ) is missing");
    }
    Ok(reader.pattern)
}

impl Pattern {
    /// Whether the matching engine would interpret it differently.
    pub(super) fn is_foreign(self) -> bool {
        self.is_foreign
    }
}

/// An open group.
#[derive(Clone, Copy, Default)]
struct Group {
    /// What a repetition would repeat: its highest repetition count; `None` if there is nothing to repeat.
    operand: Option<u32>,
    /// The highest repetition count inside it.
    most: u32,
    folds_case: bool,
}

struct Reader<'a> {
    rest: &'a str,
    groups: Vec<Group>,
    pattern: Pattern,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let char = chars.next();
        self.rest = chars.as_str();
        char
    }

    fn takes(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn group(&mut self) -> &mut Group {
        self.groups.last_mut().expect("the outermost is never closed alone")
    }

    fn operand(&mut self, repeats: u32) {
        let group = self.group();
        group.operand = Some(repeats);
        group.most = group.most.max(repeats);
    }

    fn literal(&mut self, char: char) {
        // The matching engine folds the case of ASCII only.
        self.pattern.is_foreign |= self.group().folds_case && !char.is_ascii();
        self.operand(1);
    }

    fn one(&mut self, char: char) -> Result<(), Fault> {
        match char {
            '(' => return self.open(),
            ')' => return self.close(),
            '|' => self.group().operand = None,
            '*' | '+' | '?' => return self.repeat(None),
            '{' => {
                if let Some(most) = self.counts()? {
                    return self.repeat(Some(most));
                }
                self.pattern.is_foreign = true;
                self.operand(1);
            }
            '[' => return self.class(),
            '\\' => return self.escape(),
            char => self.literal(char),
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Fault> {
        let mut group = Group { folds_case: self.group().folds_case, ..Group::default() };
        if self.takes("?P<") {
            let (name, rest) = self.rest.split_once('>').ok_or("a group's name is not closed")?;
            if name.is_empty() || !name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_') {
                return Err("a group's name is empty");
            }
            // The matching engine requires a letter first in names.
            self.pattern.is_foreign |= name.starts_with(|char: char| char.is_ascii_digit());
            self.rest = rest;
        } else if self.takes("?") {
            let (mut is_negative, mut has_flag) = (false, false);
            loop {
                match self.next() {
                    Some('i') => group.folds_case = !is_negative,
                    Some('m' | 's' | 'U') => (),
                    Some('-') if !is_negative => {
                        (is_negative, has_flag) = (true, false);
                        continue;
                    }
                    Some(':') if !is_negative || has_flag => break,
                    Some(')') if !is_negative || has_flag => {
                        self.group().folds_case = group.folds_case;
                        return Ok(());
                    }
                    _ => return Err("unknown flags of a group"),
                }
                has_flag = true;
            }
        }
        self.groups.push(group);
        if self.groups.len() > MAX_DEPTH { Err("groups are nested too deep") } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), Fault> {
        if self.groups.len() < 2 {
            return Err("there is an unmatched )");
        }
        let most = self.groups.pop().map_or(1, |group| group.most.max(1));
        self.operand(most);
        Ok(())
    }

    /// Repeats the preceding operand at most this often.
    fn repeat(&mut self, most: Option<u32>) -> Result<(), Fault> {
        self.takes("?");
        let operand = self.group().operand.ok_or("a repetition has nothing to repeat")?;
        let repeats = operand * most.unwrap_or(1).max(1);
        if repeats > MAX_REPEAT {
            return Err("a repetition counts more than 1,000");
        }
        self.operand(repeats);
        // Another repetition may not follow, but a brace that isn't one may.
        let mut ahead = Reader { rest: self.rest, groups: Vec::new(), pattern: Pattern::default() };
        match ahead.next() {
            Some('*' | '+' | '?') => Err("a repetition of a repetition"),
            Some('{') if ahead.counts()?.is_some() => Err("a repetition of a repetition"),
            _ => Ok(()),
        }
    }

    /// The maximum of `n}`, `n,}` or `n,m}`; if it has another form, `None`, and nothing is consumed.
    fn counts(&mut self) -> Result<Option<u32>, Fault> {
        let Some((counts, rest)) = self.rest.split_once('}') else { return Ok(None) };
        let (least, most) = counts.split_once(',').unwrap_or((counts, counts));
        let is_count = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_digit())
                && !text.is_empty()
                && (text.len() < 2 || !text.starts_with('0'))
        };
        if !is_count(least) || !(most.is_empty() || is_count(most)) {
            return Ok(None);
        }
        self.rest = rest;
        let count = |text: &str| text.parse().ok().filter(|count| *count <= MAX_REPEAT).ok_or("a count is over 1,000");
        let least = count(least)?;
        let most = if most.is_empty() { least } else { count(most)? };
        if most < least { Err("a repetition's minimum exceeds its maximum") } else { Ok(Some(most)) }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        if self.takes("Q") {
            let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
            if !quoted.is_empty() {
                self.operand(1);
            }
            self.rest = rest;
            self.pattern.is_foreign = true;
            return Ok(());
        }
        if ["A", "b", "B", "z"].iter().any(|text| self.takes(text)) || self.is_class_escape()? {
            self.operand(1);
            return Ok(());
        }
        let char = self.escaped()?;
        self.literal(char);
        Ok(())
    }

    /// Parses a class such as `\d` or `\pL`, after its backslash.
    fn is_class_escape(&mut self) -> Result<bool, Fault> {
        if ["d", "D", "s", "S", "w", "W"].iter().any(|text| self.takes(text)) {
            return Ok(true);
        }
        if !self.takes("p") && !self.takes("P") {
            return Ok(false);
        }
        self.pattern.is_foreign = true;
        let name = if self.takes("{") {
            let (name, rest) = self.rest.split_once('}').ok_or("a class's name is not closed")?;
            self.rest = rest;
            name.trim_start_matches('^').to_owned()
        } else {
            self.next().map(String::from).unwrap_or_default()
        };
        // A script or category; only Go knows which ones exist.
        if name.starts_with(|char: char| char.is_ascii_uppercase()) { Ok(true) } else { Err("unknown class") }
    }

    /// Parses one character, after its backslash.
    fn escaped(&mut self) -> Result<char, Fault> {
        const UNKNOWN: Fault = "unknown escape";
        let char = self.next().ok_or("a backslash at the end escapes nothing")?;
        Ok(match char {
            '0' | '1'..='7' => {
                let is_octal = |char: char| ('0'..='7').contains(&char);
                if char != '0' && !self.rest.starts_with(is_octal) {
                    return Err(UNKNOWN);
                }
                let more = self.rest.chars().take(2).take_while(|char| is_octal(*char)).count();
                self.rest = &self.rest[more..];
                self.pattern.is_foreign = true;
                char
            }
            'x' => {
                let digits = if self.takes("{") {
                    let (digits, rest) = self.rest.split_once('}').ok_or(UNKNOWN)?;
                    self.rest = rest;
                    digits
                } else {
                    let digits = self.rest.get(..2).ok_or(UNKNOWN)?;
                    self.rest = &self.rest[2..];
                    digits
                };
                let is_code = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                let code = u32::from_str_radix(digits, 16).ok().filter(|code| is_code && *code <= 0x10_ffff);
                char::from_u32(code.ok_or(UNKNOWN)?).unwrap_or('\u{fffd}')
            }
            'a' | 'f' | 'n' | 'r' | 't' | 'v' => char,
            char if char.is_ascii() && !char.is_ascii_alphanumeric() => char,
            _ => return Err(UNKNOWN),
        })
    }

    /// Parses a bracketed class, after its `[`.
    fn class(&mut self) -> Result<(), Fault> {
        self.takes("^");
        let mut is_first = true;
        while is_first || !self.rest.starts_with(']') {
            is_first = false;
            if let Some((name, rest)) = self.rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) {
                let name = name.strip_prefix('^').unwrap_or(name);
                if !POSIX_CLASSES.contains(&name) {
                    return Err("unknown class");
                }
                self.rest = rest;
                continue;
            }
            let escaped = self.rest.strip_prefix('\\');
            if let Some(rest) = escaped {
                let before = std::mem::replace(&mut self.rest, rest);
                if self.is_class_escape()? {
                    continue;
                }
                self.rest = before;
            }
            let low = self.class_char()?;
            let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]") && self.rest.len() > 1;
            if is_range {
                self.takes("-");
                if self.class_char()? < low {
                    return Err("a range's start exceeds its end");
                }
            }
        }
        self.takes("]");
        self.operand(1);
        Ok(())
    }

    fn class_char(&mut self) -> Result<char, Fault> {
        let folds_case = self.group().folds_case;
        let char = match self.next().ok_or("a ] is missing")? {
            '\\' => self.escaped()?,
            char => char,
        };
        self.pattern.is_foreign |= folds_case && !char.is_ascii();
        Ok(char)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_go() {
        const GOOD: &str = r"a a|b (a|b)*c+? a?? a{2} a{2,}? a{2,3} ^* ()* a{1000} (a{10}){100} []a] [^]a] [a-] [-a] \d+\.\w*
            [[:alpha:][:^digit:]x-z] [\d\-\]] \x41\x{1F600} (?i)a (?i:a)b (?P<n>a) (?s-i:.) (?) \A\bx\B\z \-\_\/ é+ .* [[a]
            (?P<n>a)(?P<n>b) \pL \Qa.b\E a{,2} x{ a{x} \07 (?i)ü a{02}";
        const BAD: &str = r"( ) a) a)(b * +a |* (*) (|?) a** a*+ a??? a{2}{3} a{1001} a{3,2} (a{100}){100} [ [] [a [b-a] [[:foo:]]
            [a-\d] \ \y \u1234 \1 \8 \C \Z \é \x4 \x{} \x{110000} (?x)a (?<n>a) (?P=n) (?P<>a) (?=a) (?!a) (?i-) (?--i) \px [\b]";
        for good in GOOD.split_whitespace().chain([""]) {
            assert!(check(good).is_ok(), "{good}: {:?}", check(good));
        }
        for bad in BAD.split_whitespace() {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_that_would_match_differently_are_flagged() {
        for alike in ["a{2}", "(?i)us", "é", r"\d", "(?i:a)é", "[é]"] {
            assert!(!check(alike).expect(alike).is_foreign(), "{alike}");
        }
        for foreign in ["(?i)é", "(?i)[é]", r"\pL", "a{ 2}", r"\Qa\E", r"\07"] {
            assert!(check(foreign).expect(foreign).is_foreign(), "{foreign}");
        }
    }
}
