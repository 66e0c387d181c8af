//! Tag expressions of `seriesByTag` and the tag API: `=`, `!=`, `=~`, `!=~`. A regular expression is anchored only
//! at the start; an absent tag counts as the empty string.
//!
//! Source: graphite-web 1.1.10, `tags/{base,localdatabase}.py`.

use model::budget::Budget;
use model::pattern::Pattern;

use super::error::{BadRequest, Result, refuse};
use super::series::Tags;

/// The most expressions in a request.
pub const MAX_EXPRESSIONS: usize = 32;

/// One condition on tags.
#[derive(Clone, Debug)]
pub struct TagExpression {
    /// The tag's name.
    pub tag: String,
    /// What it compares with: a value, or a regular expression.
    pub spec: String,
    /// Whether matching tags are accepted or rejected.
    pub is_wanted: bool,
    regex: Option<Pattern>,
}

impl TagExpression {
    /// Parses an expression.
    ///
    /// # Errors
    /// If it is invalid, or its regular expression does not compile.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || refuse(format!("Invalid tagspec {text}"));
        let Some(at) = text.find(['=', '!']).filter(|at| *at > 0) else { return invalid() };
        let (tag, rest) = text.split_at(at);
        let (is_wanted, rest) = rest.strip_prefix('!').map_or((true, rest), |rest| (false, rest));
        let Some(spec) = rest.strip_prefix('=') else { return invalid() };
        if text.contains(';') || text.len() > 1024 {
            return invalid();
        }
        let (spec, regex) = match spec.strip_prefix('~') {
            None => (spec, None),
            Some(pattern) => {
                let anchored = if pattern.starts_with('^') { pattern.to_owned() } else { format!("^({pattern})") };
                match Pattern::anywhere(&anchored) {
                    Ok(regex) => (pattern, Some(regex)),
                    Err(error) => return refuse(format!("{pattern:?} is not a regular expression: {error}")),
                }
            }
        };
        Ok(Self { tag: tag.to_owned(), spec: spec.to_owned(), is_wanted, regex })
    }

    /// The same expression with a shared budget of steps.
    #[must_use]
    pub fn sharing(self, budget: &Budget) -> Self {
        Self { regex: self.regex.map(|regex| regex.sharing(budget)), ..self }
    }

    /// Whether it has a regular expression.
    #[must_use]
    pub fn is_regex(&self) -> bool {
        self.regex.is_some()
    }

    /// Checks that all results are true ones: an expression has a budget of steps.
    ///
    /// # Errors
    /// If the budget was used up.
    pub fn check(&self) -> Result<()> {
        let checked = self.regex.iter().try_for_each(Pattern::check);
        checked.map_err(|error| BadRequest(format!("{}: {error}", self.tag)))
    }

    /// Whether it accepts a tag's value, which is the empty string if the tag is absent.
    #[must_use]
    pub fn accepts_value(&self, value: &str) -> bool {
        self.regex.as_ref().map_or(self.spec == value, |regex| regex.matches(value)) == self.is_wanted
    }

    /// Whether it accepts tags.
    #[must_use]
    pub fn accepts(&self, tags: &Tags) -> bool {
        self.accepts_value(tags.get(&self.tag).map_or("", String::as_str))
    }
}

/// Parses the expressions of a leaf, which share a budget.
///
/// # Errors
/// If there are too many, one is invalid, or none requires a value.
pub fn parse_all(texts: &[String], budget: &Budget) -> Result<Vec<TagExpression>> {
    if texts.len() > MAX_EXPRESSIONS {
        return refuse(format!("at most {MAX_EXPRESSIONS} tag expressions are allowed"));
    }
    let parsed = texts.iter().map(|text| Ok(TagExpression::parse(text)?.sharing(budget)));
    let all: Vec<TagExpression> = parsed.collect::<Result<_>>()?;
    all.iter().try_for_each(TagExpression::check)?;
    if all.iter().all(|one| one.accepts_value("")) {
        return refuse("At least one tagspec must not match the empty string");
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &str) -> bool {
        let tags = super::super::series::tags_of("visits.sum;country=US;path=/blog");
        TagExpression::parse(text).expect("an expression").accepts(&tags)
    }

    #[test]
    fn the_four_operators_match_as_in_graphite() {
        for text in [
            "name=visits.sum",
            "country!=DE",
            "country=~U",
            "country=~^US$",
            "country!=~S",
            "city=",
            "city!=x",
            "city=~",
        ] {
            assert!(accepts(text), "{text}");
        }
        for text in ["name=visits", "country!=US", "country=~S", "country!=~U.", "city!=", "city=~.+"] {
            assert!(!accepts(text), "{text}");
        }
        for text in ["", "country", "=US", "a!b", "a=b;c", "a=~(", "a!~b"] {
            assert!(TagExpression::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_expression_must_require_a_value() {
        let all = |texts: &[&str]| {
            parse_all(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), &Budget::new(1_000_000))
        };
        assert!(all(&["name=a", "b="]).is_ok());
        for texts in [&[][..], &["a="], &["a!=b"], &["a=~.*"], &["a!=~b"]] {
            assert_eq!(all(texts).expect_err("refused").0, "At least one tagspec must not match the empty string");
        }
    }
}
