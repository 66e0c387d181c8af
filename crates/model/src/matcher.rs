//! Label matchers as in Prometheus: `=`, `!=`, `=~`, `!~`; an absent label counts as the empty string.

use regex_lite::{Regex, RegexBuilder};

use super::budget::Budget;
use super::labels::Labels;
use super::pattern::{MAX_REGEX_BYTES, MAX_STEPS, Pattern, TooManySteps};

/// The longest matcher, in bytes.
pub const MAX_MATCHER_BYTES: usize = 1024;

/// One condition on a series' labels.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    test: Test,
    wanted: bool,
}

#[derive(Clone, Debug)]
enum Test {
    Equals(String),
    Matches(Pattern),
}

/// Why a matcher is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// Not `name=value`, `name!=value`, `name=~regex` or `name!~regex`.
    #[error("a matcher must be LABEL=VALUE, LABEL!=VALUE, LABEL=~REGEX or LABEL!~REGEX, not {0:?}")]
    Shape(String),
    /// Over [`MAX_MATCHER_BYTES`].
    #[error("a matcher can have at most {MAX_MATCHER_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// Not a regular expression.
    #[error("{0:?} is not a regular expression: {1}")]
    Regex(String, String),
}

impl Matcher {
    /// Parses a matcher such as `path=~^/blog/.*`. A regular expression is matched in linear time and against the
    /// whole value, as if it were enclosed in `^(?:` and `)$`.
    ///
    /// # Errors
    /// If the string has no operator or its regular expression does not compile.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        if text.len() > MAX_MATCHER_BYTES {
            return Err(MatcherError::TooLong(text.len()));
        }
        let at = text.find(['=', '!']).filter(|at| *at > 0).ok_or_else(|| MatcherError::Shape(text.to_owned()))?;
        let (name, rest) = text.split_at(at);
        let (wanted, test) = if let Some(pattern) = rest.strip_prefix("=~") {
            (true, Test::Matches(metered(pattern)?))
        } else if let Some(pattern) = rest.strip_prefix("!~") {
            (false, Test::Matches(metered(pattern)?))
        } else if let Some(value) = rest.strip_prefix("!=") {
            (false, Test::Equals(value.to_owned()))
        } else if let Some(value) = rest.strip_prefix('=') {
            (true, Test::Equals(value.to_owned()))
        } else {
            return Err(MatcherError::Shape(text.to_owned()));
        };
        Ok(Self { name: name.to_owned(), test, wanted })
    }

    /// The same matcher without a budget of steps, for work that is bounded otherwise.
    #[must_use]
    pub fn unlimited(self) -> Self {
        let test = match self.test {
            Test::Matches(pattern) => Test::Matches(pattern.unlimited()),
            test @ Test::Equals(_) => test,
        };
        Self { test, ..self }
    }

    /// Parses matchers whose expressions share a budget of steps: see [`Self::check_all`].
    ///
    /// # Errors
    /// Same as [`Self::parse`].
    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>, MatcherError> {
        let budget = Budget::new(MAX_STEPS);
        let sharing = |matcher: Self| match matcher.test {
            Test::Matches(pattern) => Self { test: Test::Matches(pattern.sharing(&budget)), ..matcher },
            Test::Equals(_) => matcher,
        };
        texts.iter().map(|text| Self::parse(text).map(sharing)).collect()
    }

    /// Checks that all results of [`Self::accepts`] were true ones; if not, names the expression that took most
    /// steps.
    ///
    /// # Errors
    /// [`TooManySteps`]
    pub fn check_all(matchers: &[Self]) -> Result<(), TooManySteps> {
        let patterns = matchers.iter().filter_map(|matcher| match &matcher.test {
            Test::Matches(pattern) => Some(pattern),
            Test::Equals(_) => None,
        });
        patterns.max_by_key(|pattern| pattern.spent()).map_or(Ok(()), Pattern::check)
    }

    /// The steps left in the budget that the expressions share.
    #[must_use]
    pub fn steps_left(matchers: &[Self]) -> u64 {
        let budgets = matchers.iter().filter_map(|matcher| match &matcher.test {
            Test::Matches(pattern) => Some(pattern.steps_left()),
            Test::Equals(_) => None,
        });
        budgets.min().unwrap_or_default()
    }

    /// Whether a series' labels satisfy this matcher; see [`Self::check_all`].
    #[must_use]
    pub fn accepts(&self, labels: &Labels) -> bool {
        let value = labels.value(&self.name);
        let holds = match &self.test {
            Test::Equals(wanted) => value == wanted,
            Test::Matches(pattern) => pattern.matches(value),
        };
        holds == self.wanted
    }
}

fn metered(pattern: &str) -> Result<Pattern, MatcherError> {
    Pattern::whole(pattern).map_err(|error| MatcherError::Regex(pattern.to_owned(), error.to_string()))
}

/// A regular expression that is matched against a whole string.
///
/// # Errors
/// If it is invalid, or too large when compiled.
pub fn whole(pattern: &str) -> Result<Regex, MatcherError> {
    // Checked without the enclosing group first, so that `a)(b` is rejected and not made valid by the group.
    let compiled = |pattern: &str| RegexBuilder::new(pattern).size_limit(MAX_REGEX_BYTES).build();
    compiled(pattern)
        .and_then(|_| compiled(&format!("^(?:{pattern})$")))
        .map_err(|error| MatcherError::Regex(pattern.to_owned(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::LabelsBuilder;

    fn blog() -> Labels {
        let mut builder = LabelsBuilder::default();
        builder.push("path".into(), "/blog/2026".into());
        builder.push("country".into(), "US".into());
        Labels::from_canonical(builder.canonical().expect("valid"))
    }

    fn accepts(text: &str) -> bool {
        Matcher::parse(text).expect("valid").accepts(&blog())
    }

    #[test]
    fn operators_match_present_and_absent_labels() {
        assert!(accepts("country=US") && !accepts("country=DE"));
        assert!(accepts("country!=DE") && !accepts("country!=US"));
        assert!(accepts("path=~/blog/.*") && !accepts("path=~/blog/"));
        assert!(accepts("path!~/shop/.*") && !accepts("path!~/blog/.*"));
        assert!(accepts("city=") && accepts("city!=Rome") && accepts("city=~.*") && !accepts("city=~.+"));
        assert!(accepts("path=~^/blog/.*"));
        assert!(accepts("country=~DE|US"));
    }

    #[test]
    fn matchers_share_a_budget_and_the_costliest_is_named() {
        let texts: Vec<String> = (0..32).map(|at| format!("a=~{}[^z]*", "(?:a?){60}".repeat(1 + at % 2))).collect();
        let matchers = Matcher::parse_all(&texts).expect("valid");
        let matched = (0..100_000).take_while(|at| {
            let labels = Labels::from_canonical(&format!("a\u{1f}{}{at}\u{1e}", "a".repeat(80)));
            matchers.iter().all(|matcher| matcher.accepts(&labels)) && Matcher::check_all(&matchers).is_ok()
        });
        let matched = matched.count() as u64;
        let refused = Matcher::check_all(&matchers).expect_err("used up").to_string();
        assert!(refused.contains("(?:a?){60}(?:a?){60}[^z]*"), "{refused}");
        // The states of the shorter expression times bytes, 48 times: the least that one match takes.
        assert!(matched < MAX_STEPS / (48 * 120 * 16 * 80) && matched > 1, "{matched}");
    }

    #[test]
    fn invalid_matchers_are_rejected() {
        for text in ["", "country", "=US", "!=US", "country!US", "path=~(", "path=~a)(b"] {
            assert!(Matcher::parse(text).is_err(), "{text}");
        }
        assert!(Matcher::parse("a=~(?:x{1000}){300}").is_err(), "too large when compiled");
        assert!(Matcher::parse("a=~(GET|POST|PUT|DELETE) /api/v[0-9]+/.{1,50}").is_ok());
        assert!(Matcher::parse(&format!("a={}", "x".repeat(MAX_MATCHER_BYTES - 2))).is_ok());
        assert!(Matcher::parse(&format!("a={}", "x".repeat(MAX_MATCHER_BYTES - 1))).is_err());
    }
}
