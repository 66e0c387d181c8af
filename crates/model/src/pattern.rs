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
mod tests;
