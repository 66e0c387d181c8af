//! Resolves a selector to metrics and series of a stream.

use model::labels::Labels;
use model::matcher::{Matcher, MatcherError};

use super::ast::{LabelMatcher, Selector};
use super::error::{BadQuery, Result, refuse};
use super::go_regex;
use super::metric::Metric;
use super::names::imported;
use super::parser::NAME;

/// The most matchers, as in `where`.
const MAX_MATCHERS: usize = 32;

/// The metrics and series that a selector selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The metrics, sorted by name; empty if none has such a name.
    pub metrics: Vec<Metric>,
    /// The matchers, in the syntax of `where`.
    pub matchers: Vec<String>,
}

impl Selected {
    /// Resolves a selector.
    ///
    /// # Errors
    /// If a matcher is invalid.
    pub fn of(selector: &Selector) -> Result<Self> {
        if selector.matchers.len() > MAX_MATCHERS {
            return refuse(format!("at most {MAX_MATCHERS} matchers are allowed"));
        }
        let mut selected = Self { metrics: Metric::ALL.to_vec(), matchers: Vec::new() };
        for matcher in &selector.matchers {
            let LabelMatcher { name, operator, value } = matcher;
            if matches!(*operator, "=~" | "!~") && go_regex::check(value).is_ok_and(go_regex::Pattern::is_foreign) {
                return unsupported(value);
            }
            if name == NAME {
                let matcher = parsed(&format!("name{operator}{value}"))?;
                selected.metrics.retain(|metric| {
                    matcher.accepts(&Labels::from_canonical(&format!("name\u{1f}{}\u{1e}", metric.name())))
                });
                continue;
            }
            let name = imported(name);
            if name.contains(['=', '!']) {
                return refuse(format!("not supported here: a matcher of a label with = or ! in its name: {name:?}"));
            }
            // A tilde after `=` would turn the value into a pattern.
            let text = match (*operator, value.starts_with('~')) {
                ("=", true) => format!("{name}=~{}", regex_lite::escape(value)),
                ("!=", true) => format!("{name}!~{}", regex_lite::escape(value)),
                _ => format!("{name}{operator}{value}"),
            };
            parsed(&text)?;
            selected.matchers.push(text);
        }
        Ok(selected)
    }
}

fn parsed(text: &str) -> Result<Matcher> {
    match Matcher::parse(text) {
        // The parser has already checked that Prometheus accepts it.
        Err(MatcherError::Regex(pattern, _)) => unsupported(&pattern),
        parsed => parsed.map_err(|error| BadQuery(error.to_string())),
    }
}

fn unsupported<T>(pattern: &str) -> Result<T> {
    refuse(format!("not supported here: this regular expression: {pattern:?}"))
}
