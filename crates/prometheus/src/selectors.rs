//! Parses selectors and lists of labels.

use model::labels::Labels;
use model::matcher::Matcher;

use super::ast::LabelMatcher;
use super::error::Result;
use super::go_regex;
use super::lexer::Word;
use super::parser::{NAME, Parser};
use super::syntax::{Kind, When};

impl Parser<'_> {
    /// Label names in parentheses.
    pub(super) fn labels(&mut self) -> Result<Vec<String>> {
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.takes(")") {
            labels.push(match self.peek() {
                Some(Word::Name(name)) if !name.contains(':') && self.keyword() != "without" => name.clone(),
                // A quoted name, from Prometheus 3, is the stream's name of a label.
                Some(Word::Text(name)) if !name.is_empty() => name.clone(),
                _ => return self.unexpected("the name of a label"),
            });
            self.at += 1;
            if !self.takes(",") && !self.is_sign(")") {
                return self.unexpected(",");
            }
        }
        Ok(labels)
    }

    /// Matchers, after the name of a metric or alone.
    pub(super) fn selector(&mut self, name: Option<String>) -> Result<Kind> {
        let start = self.at;
        let is_named = |value| LabelMatcher { name: NAME.to_owned(), operator: "=", value };
        let mut named = usize::from(name.is_some());
        let mut matchers: Vec<LabelMatcher> = name.into_iter().map(is_named).collect();
        if self.takes("{") {
            while !self.takes("}") {
                let (is_quoted, name) = match self.peek() {
                    Some(Word::Name(name)) => (false, name.clone()),
                    Some(Word::Text(name)) if !name.is_empty() => (true, name.clone()),
                    _ => return self.unexpected("the name of a label"),
                };
                self.at += 1;
                // A quoted name, from Prometheus 3, is the metric's name, or the stream's name of a label.
                if is_quoted && (self.is_sign(",") || self.is_sign("}")) {
                    named += 1;
                    matchers.push(is_named(name));
                } else {
                    matchers.push(self.matcher(name)?);
                }
                if !self.takes(",") && !self.is_sign("}") {
                    return self.unexpected(",");
                }
            }
        }
        if named > 0 && matchers.iter().filter(|one| one.name == NAME).count() > 1 {
            return self.wrong("the name of the metric is given twice", start);
        }
        check_matchers(&matchers, named > 0).map_err(|why| self.refusal("parse error: ", &why, ": ", start))?;
        Ok(Kind::Selector(matchers, When::default()))
    }

    fn matcher(&mut self, name: String) -> Result<LabelMatcher> {
        let operator = match self.peek() {
            Some(Word::Sign(sign @ ("=" | "!=" | "=~" | "!~"))) => *sign,
            _ => return self.unexpected("=, !=, =~ or !~"),
        };
        self.at += 1;
        let Some(Word::Text(value)) = self.peek().cloned() else { return self.unexpected("a quoted string") };
        self.at += 1;
        Ok(LabelMatcher { name, operator, value })
    }
}

/// Rejects the matchers of a selector that Prometheus rejects: invalid patterns, and selectors that would match all
/// series.
fn check_matchers(matchers: &[LabelMatcher], is_named: bool) -> std::result::Result<(), String> {
    let mut says_something = is_named;
    for LabelMatcher { operator, value, .. } in matchers {
        says_something |= match *operator {
            "=" => !value.is_empty(),
            "!=" => value.is_empty(),
            operator => {
                go_regex::check(value).map_err(|why| format!("{value:?} is not a regular expression: {why}"))?;
                matches_empty(value) != (operator == "=~")
            }
        };
    }
    if says_something {
        Ok(())
    } else {
        Err("a selector must have a matcher that does not match the empty string".to_owned())
    }
}

/// Whether a pattern matches the empty string. Patterns that don't compile here are rejected later.
fn matches_empty(pattern: &str) -> bool {
    Matcher::parse(&format!("a=~{pattern}")).is_ok_and(|matcher| matcher.accepts(&Labels::default()))
}
