//! Regular expressions whose work is counted: a user supplies both the expression and the string that it is matched
//! against, and matching must never stall an isolate.
//!
//! The engine takes time in proportion to the bytes of a string and, at worst, to the size of the compiled
//! expression. So each match costs their product, in *steps*, which is known in advance. All patterns of a request
//! share a budget of steps. Once it is used up they match nothing, and [`Pattern::check`] reports it, so that a
//! caller never gets a partial answer.
//!
//! Most expressions that people write are alternatives of literals with `.*` or `.+` between them. These are
//! matched by searching for the literals, which costs fewer steps: see [`Alternative::steps`].

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use regex_lite::{Error, Regex, RegexBuilder};

use super::budget::Budget;

/// The largest compiled regular expression, in bytes.
pub const MAX_REGEX_BYTES: usize = 32 << 10;
/// The steps of all patterns of a request. A state of the engine has 20 bytes on wasm and takes at most some 20 ns
/// for each byte of a string, so a microsecond makes at least 1,000 steps, and all of them take less than half a
/// second.
pub const MAX_STEPS: u64 = 400_000_000;
/// The one-time cost of each byte of a compiled pattern, as its size is found by compiling it some ten times.
const COMPILE_STEPS: u64 = 30;
/// The one-time cost of each byte of a pattern's source: it is parsed each time.
const PARSE_STEPS: u64 = 500;
/// The fixed cost of a match, in bytes of the string.
const MATCH_BYTES: u64 = 16;
/// The most cached results of one pattern, so that a value which many series share is matched once. Some 2 MB at
/// most.
const MAX_KEPT: usize = 16_384;
/// Characters that an expression may escape with a backslash to mean themselves.
const ESCAPED: &str = r"\.+*?()|[]{}^$#&-~/";
/// The size of a compiled expression is found to within this fraction of itself.
const PRECISION: usize = 8;

/// The expressions of a request need more steps than allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "matching {expression:?} takes too long: the expressions of a request can take at most {MAX_STEPS} steps (bytes of a value times bytes of the compiled expression), which were used up after {texts} different values; select fewer series with another matcher, or use a simpler expression: literals, alternatives of literals, and `.*` or `.+` between them cost least"
)]
pub struct TooManySteps {
    expression: Box<str>,
    texts: u32,
}

/// A regular expression with its budget.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Box<str>,
    kind: Kind,
    budget: Budget,
    spent: Cell<u64>,
    texts: Cell<u32>,
    kept: RefCell<BTreeMap<Box<str>, bool>>,
}

#[derive(Clone, Debug)]
enum Kind {
    Simple(Vec<Alternative>),
    Regex(Regex, u64),
}

/// Literals in the order in which they must occur.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alternative {
    literals: Vec<String>,
    /// The least number of characters between a literal and the next one, if there may be any.
    gaps: Vec<usize>,
}

impl Pattern {
    /// A pattern that must match a whole string.
    ///
    /// # Errors
    /// If it is invalid, or too large when compiled.
    pub fn whole(pattern: &str) -> Result<Self, Error> {
        // Checked without the enclosing group first, so that `a)(b` is rejected and not made valid by the group.
        compiled(pattern, MAX_REGEX_BYTES)?;
        let anchored = format!("^(?:{pattern})$");
        let kind = match simple(pattern) {
            Some(alternatives) => {
                compiled(&anchored, MAX_REGEX_BYTES)?;
                Kind::Simple(alternatives)
            }
            None => sized(&anchored)?,
        };
        Ok(Self::of(pattern, kind))
    }

    /// A pattern that is searched for in a string.
    ///
    /// # Errors
    /// If it is invalid, or too large when compiled.
    pub fn anywhere(pattern: &str) -> Result<Self, Error> {
        Ok(Self::of(pattern, sized(pattern)?))
    }

    fn of(text: &str, kind: Kind) -> Self {
        let (spent, texts, kept) = (Cell::new(0), Cell::new(0), RefCell::default());
        Self { text: text.into(), kind, budget: Budget::new(MAX_STEPS), spent, texts, kept }
    }

    /// The same pattern with a shared budget, from which it takes the cost of compiling it.
    #[must_use]
    pub fn sharing(self, budget: &Budget) -> Self {
        let compiled = if let Kind::Regex(_, bytes) = &self.kind { bytes * COMPILE_STEPS } else { 0 };
        let _ = budget.take(compiled + self.text.len() as u64 * PARSE_STEPS);
        Self { budget: budget.clone(), ..self }
    }

    /// The steps that it has taken from its budget.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.spent.get()
    }

    /// The steps left in its budget.
    #[must_use]
    pub fn steps_left(&self) -> u64 {
        self.budget.left()
    }

    /// The same pattern without a budget, for work that is bounded otherwise.
    #[must_use]
    pub fn unlimited(self) -> Self {
        Self { budget: Budget::new(u64::MAX), ..self }
    }

    /// Whether a string matches; nothing does once the budget is used up.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        if self.budget.is_used_up() {
            return false;
        }
        match &self.kind {
            Kind::Simple(alternatives) => {
                self.take(alternatives.iter().map(|alternative| alternative.steps(text)).sum())
                    && alternatives.iter().any(|alternative| alternative.matches(text))
            }
            Kind::Regex(regex, bytes) => {
                if let Some(verdict) = self.kept.borrow().get(text) {
                    return *verdict;
                }
                if !self.take(product(text, *bytes)) {
                    return false;
                }
                let verdict = regex.is_match(text);
                let mut kept = self.kept.borrow_mut();
                if kept.len() < MAX_KEPT {
                    kept.insert(text.into(), verdict);
                }
                verdict
            }
        }
    }

    /// The compiled expression, for operations that need it, after taking the steps of a match against the string.
    ///
    /// # Errors
    /// [`TooManySteps`]
    pub fn regex_for(&self, text: &str) -> Result<&Regex, TooManySteps> {
        match &self.kind {
            // Each state that waits for a character has a copy of the groups' positions.
            Kind::Regex(regex, bytes) if self.take(product(text, bytes * (1 + regex.captures_len() as u64 / 4))) => {
                Ok(regex)
            }
            Kind::Regex(..) | Kind::Simple(_) => Err(self.refusal()),
        }
    }

    /// Checks that all matches were made.
    ///
    /// # Errors
    /// [`TooManySteps`]
    pub fn check(&self) -> Result<(), TooManySteps> {
        if self.budget.is_used_up() { Err(self.refusal()) } else { Ok(()) }
    }

    fn refusal(&self) -> TooManySteps {
        TooManySteps { expression: self.text.clone(), texts: self.texts.get() }
    }

    /// Takes the steps of a match, and returns whether there were enough.
    fn take(&self, steps: u64) -> bool {
        self.spent.set(self.spent.get().saturating_add(steps));
        let is_enough = self.budget.take(steps);
        self.texts.set(self.texts.get() + u32::from(is_enough));
        is_enough
    }
}

/// The steps of a match by the engine.
fn product(text: &str, each: u64) -> u64 {
    (text.len() as u64 + MATCH_BYTES).saturating_mul(each)
}

fn compiled(pattern: &str, bytes: usize) -> Result<Regex, Error> {
    RegexBuilder::new(pattern).size_limit(bytes).build()
}

/// An expression with its size, which the engine reveals only by rejecting expressions larger than a limit.
fn sized(pattern: &str) -> Result<Kind, Error> {
    let regex = compiled(pattern, MAX_REGEX_BYTES)?;
    let (mut too_small, mut fits) = (0, MAX_REGEX_BYTES);
    while fits - too_small > fits / PRECISION {
        let middle = too_small.midpoint(fits);
        if compiled(pattern, middle).is_ok() { fits = middle } else { too_small = middle }
    }
    Ok(Kind::Regex(regex, fits as u64))
}

/// The alternatives of an expression that contains only literals, `.*` and `.+`.
fn simple(pattern: &str) -> Option<Vec<Alternative>> {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let inner = pattern.strip_suffix('$').unwrap_or(pattern);
    // An anchor belongs only to its alternative.
    if inner.len() < pattern.len() && (inner.ends_with('\\') || inner.contains('|')) {
        return None;
    }
    inner.split('|').map(Alternative::of).collect()
}

impl Alternative {
    fn of(pattern: &str) -> Option<Self> {
        let (mut literals, mut gaps) = (vec![String::new()], Vec::new());
        let mut chars = pattern.chars().peekable();
        while let Some(char) = chars.next() {
            let literal = match char {
                '.' => {
                    gaps.push(match chars.next()? {
                        '*' => 0,
                        '+' => 1,
                        _ => return None,
                    });
                    literals.push(String::new());
                    None
                }
                '\\' => Some(chars.next().filter(|char| ESCAPED.contains(*char))?),
                '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' | '|' => return None,
                char => Some(char),
            };
            if matches!(chars.peek(), Some('*' | '+' | '?' | '{')) {
                return None;
            }
            literals.last_mut()?.extend(literal);
        }
        Some(Self { literals, gaps })
    }

    /// The most that a match takes, in the units of [`MAX_STEPS`].
    fn steps(&self, text: &str) -> u64 {
        const COMPARED: u64 = 16;
        const A_BYTE: u64 = 3;
        const A_LITERAL: u64 = 150;
        let first = self.literals.first().map_or("", String::as_str);
        let compared = COMPARED + first.len() as u64;
        if self.gaps.is_empty() || !text.starts_with(first) {
            return compared;
        }
        compared + text.len() as u64 * A_BYTE + self.literals.len() as u64 * A_LITERAL
    }

    fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.literals.split_first() else { return false };
        let Some(mut left) = text.strip_prefix(first.as_str()) else { return false };
        let Some((last, middle)) = rest.split_last() else { return left.is_empty() };
        for (literal, gap) in middle.iter().zip(&self.gaps) {
            // The first occurrence is the best: it leaves most for the rest.
            let found = skipped(left, *gap).and_then(|left| left.split_once(literal.as_str()));
            let Some((_, behind)) = found else { return false };
            left = behind;
        }
        let gap = self.gaps.last().copied().unwrap_or_default();
        skipped(left, gap).is_some_and(|left| left.ends_with(last.as_str()))
    }
}

/// A string without its first characters.
fn skipped(text: &str, count: usize) -> Option<&str> {
    let mut chars = text.chars();
    for _ in 0..count {
        chars.next()?;
    }
    Some(chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_expression_beyond_its_budget_fails_with_an_error() {
        let text = "a".repeat(85);
        for pattern in ["(?:a?){200}b", "(?:.{0,30}){6}b", "(?:[a-y]?){100}z", "(?i)(?:(?:a|b|ab)?){60}q"] {
            let pattern = Pattern::whole(pattern).expect("valid");
            let matched = (0..100_000).take_while(|number| {
                let _ = pattern.matches(&format!("{text}{number}"));
                pattern.check().is_ok()
            });
            let matched = matched.count();
            assert!((100..50_000).contains(&matched), "{matched}");
            let refused = pattern.check().expect_err("used up").to_string();
            assert!(
                !pattern.matches(&text) && refused.contains(&format!("after {matched} different values")),
                "{refused}"
            );
        }
    }

    #[test]
    fn common_expressions_match_all_values_within_the_budget() {
        for pattern in ["/blog/.*", "GET|POST|PUT", r"web-\d", ".*error.*", "^/a/.+/edit$", "[a-z]+"] {
            let pattern = Pattern::whole(pattern).expect("valid");
            let values = if matches!(pattern.kind, Kind::Simple(_)) { 100_000 } else { 5_000 };
            for number in 0..values {
                let _ = pattern.matches(&format!("/blog/2026/an-entry-of-the-blog-{number}"));
            }
            assert_eq!(pattern.check(), Ok(()), "{pattern:?}");
        }
    }

    #[test]
    fn a_value_that_many_series_share_is_matched_once() {
        let pattern = Pattern::whole("[a-z]+(?:x?){50}").expect("valid");
        let seen = (0..1_000_000).filter(|number| pattern.matches(["a", "b1", "c"][number % 3])).count();
        assert_eq!(seen, 666_667);
        assert_eq!(pattern.check(), Ok(()));
    }

    /// Nested repetitions, classes and alternatives.
    fn expression() -> impl Strategy<Value = String> {
        let atoms = ["a", "b", ".", "[a-y]", "[^b]", r"\w", r"\b", "", "(?i)a", r"[\w\s\d]", "é", "(?:)", "$", "^"];
        let atom = prop::sample::select(atoms.to_vec()).prop_map(str::to_owned);
        let counts = ["*", "+", "?", "??", "{0,30}", "{200}", "{3,}", "{0,9}", "{60}"];
        atom.prop_recursive(5, 24, 4, move |inner| {
            prop_oneof![
                (inner.clone(), prop::sample::select(counts.to_vec()))
                    .prop_map(|(one, count)| format!("(?:{one}){count}")),
                prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("(?:{})", all.join("|"))),
                prop::collection::vec(inner, 2..4).prop_map(|all| all.concat()),
            ]
        })
    }

    fn piece() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["a", "b", "ab", ".*", ".+", r"\.", "é", "|", "", "c", "aa", "-", r"\|"])
            .prop_map(str::to_owned)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn the_literal_search_matches_what_the_engine_matches(
            pieces in prop::collection::vec(piece(), 0..8),
            anchors in prop::sample::select(vec![("", ""), ("^", ""), ("", "$"), ("^", "$")]),
            text in "[abcé.|-]{0,10}",
        ) {
            let pattern = format!("{}{}{}", anchors.0, pieces.concat(), anchors.1);
            let Ok(regex) = Regex::new(&format!("^(?:{pattern})$")) else { return Ok(()) };
            let wanted = regex.is_match(&text);
            if let Some(alternatives) = simple(&pattern) {
                let found = alternatives.iter().any(|one| one.matches(&text));
                prop_assert_eq!(found, wanted, "{} {}", pattern, text);
            }
            prop_assert_eq!(Pattern::whole(&pattern).expect("compiles").matches(&text), wanted);
        }

        #[test]
        fn no_expression_takes_more_than_its_budget(pattern in expression()) {
            let Ok(pattern) = Pattern::whole(&pattern) else { return Ok(()) };
            let pattern = pattern.sharing(&Budget::new(20_000_000));
            let matched = (0..1_000).take_while(|at| {
                let _ = pattern.matches(&format!("{at}{}", "abAé-".repeat(42)));
                pattern.check().is_ok()
            });
            let bytes = matched.count() as u64 * 256;
            let states = match &pattern.kind {
                Kind::Simple(alternatives) => alternatives.len() as u64,
                Kind::Regex(_, bytes) => bytes / 64,
            };
            prop_assert!(bytes * states <= 20_000_000, "{:?}", pattern.text);
        }

        #[test]
        fn the_size_of_an_expression_is_known_approximately(count in 1usize..100, inner in "[a-c]{1,3}\\??") {
            let Kind::Regex(_, bytes) = sized(&format!("(?:{inner}){{{count}}}")).expect("compiles") else { panic!() };
            let larger = sized(&format!("(?:{inner}){{{}}}", 2 * count));
            if let Ok(Kind::Regex(_, larger)) = larger {
                prop_assert!(larger > bytes, "{larger} {bytes}");
            }
            prop_assert!(bytes >= count as u64 * 8);
        }
    }
}
