//! Parses the owner's rules, and decides what each of them allows.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::Forbidden;
use crate::stream::MAX_LATENESS_S;
use model::labels::{MAX_VALUE_BYTES, Quoted, is_name};
use model::matcher::{MAX_MATCHER_BYTES, whole};
use model::point::{Field, MAX_AHEAD_S, MAX_NUMBER, MAX_PERIOD_S, MIN_PERIOD_S, Point};
use model::time::parse_duration;

/// The most bytes of rules as JSON: every location keeps them, and an owner's body has 16 KiB.
pub const MAX_ACCEPT_BYTES: usize = 12 << 10;
/// The most labels with rules.
const MAX_RULED_LABELS: usize = 64;
/// The most values in a label's list.
const MAX_VALUES: usize = 256;
/// The most labels with a pattern: each takes up to 32 KiB, so half a megabyte of an isolate's 128.
const MAX_PATTERNS: usize = 16;
/// The most that the `max` of all labels can add up to: the object has that many values in memory.
const MAX_MAX: u64 = 20_000;

/// Parsed rules.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Rules by label name; `None` allows all labels.
    labels: Option<BTreeMap<String, LabelRule>>,
    /// What happens to other labels and values.
    pub(super) others: Others,
    n: Option<Range>,
    d: Option<Range>,
    p: Option<Range>,
    past_s: Option<f64>,
    ahead_s: Option<f64>,
}

/// What happens to a label that no rule allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Others {
    /// The label is removed from the point.
    #[default]
    Drop,
    /// The point is rejected.
    Reject,
    /// The label stays if no rule names it; otherwise it is removed.
    Keep,
}

/// The values that a label may have; all if nothing is set.
#[derive(Clone, Debug, Default)]
pub struct LabelRule {
    values: Option<BTreeSet<String>>,
    pattern: Option<Regex>,
    /// The most different values, which the object counts.
    pub max: Option<u32>,
}

/// From `min` to `max`, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    min: f64,
    max: f64,
}

/// An invalid rule, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{at}` {wanted}")]
pub struct AcceptError {
    at: String,
    wanted: String,
}

type Read<T> = Result<T, AcceptError>;

#[inline(never)]
fn wrong(at: &str, wanted: impl Into<String>) -> AcceptError {
    AcceptError { at: at.to_owned(), wanted: wanted.into() }
}

/// The fields of an object. Any field not in `known` is an error.
fn fields<'a>(at: &str, value: &'a Value, known: &[&str]) -> Read<&'a Map<String, Value>> {
    let list = || known.join(", ");
    let fields = value.as_object().ok_or_else(|| wrong(at, format!("must be an object of {}", list())))?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(wrong(at, format!("has the unknown field {unknown:?}; it can have {}", list()))),
        None => Ok(fields),
    }
}

impl Rules {
    /// Parses rules from JSON.
    pub(super) fn read(text: &str) -> Read<Self> {
        const AT: &str = "accept";
        if text.len() > MAX_ACCEPT_BYTES {
            return Err(wrong(
                AT,
                format!("has {} bytes as JSON, more than the {MAX_ACCEPT_BYTES} allowed", text.len()),
            ));
        }
        let value = json::value::parse(text.as_bytes()).map_err(|_| wrong(AT, "is not JSON"))?;
        let all = fields(AT, &value, &["labels", "others", "n", "d", "p", "t"])?;
        let range = |name: &str, least, most| {
            all.get(name).map(|range| Range::read(&format!("{AT}.{name}"), range, least, most)).transpose()
        };
        let times = all.get("t").map(|times| fields("accept.t", times, &["past", "ahead"])).transpose()?;
        let time =
            |name: &str, most_s: i64| times.and_then(|times| times.get(name)).map(|text| seconds(name, text, most_s));
        #[expect(clippy::cast_possible_truncation, reason = "a minute")]
        let most_ahead_s = MAX_AHEAD_S as i64;
        Ok(Self {
            labels: all.get("labels").map(labels).transpose()?,
            others: match all.get("others").map(Value::as_str) {
                None | Some(Some("drop")) => Others::Drop,
                Some(Some("reject")) => Others::Reject,
                Some(Some("keep")) => Others::Keep,
                Some(_) => return Err(wrong("accept.others", "must be \"drop\", \"reject\" or \"keep\"")),
            },
            n: range("n", -MAX_NUMBER, MAX_NUMBER)?,
            d: range("d", 0.0, MAX_NUMBER)?,
            p: range("p", MIN_PERIOD_S, MAX_PERIOD_S)?,
            past_s: time("past", MAX_LATENESS_S).transpose()?,
            ahead_s: time("ahead", most_ahead_s).transpose()?,
        })
    }

    pub(super) fn has_labels(&self) -> bool {
        self.labels.is_some()
    }

    pub(super) fn range(&self, field: Field) -> Option<&Range> {
        match field {
            Field::N => self.n.as_ref(),
            Field::D => self.d.as_ref(),
            Field::P => self.p.as_ref(),
            Field::V | Field::T => None,
        }
    }

    /// The labels with a limit on different values.
    pub fn maxes(&self) -> impl Iterator<Item = (&str, u32)> {
        let all = self.labels.iter().flatten();
        all.filter_map(|(name, rule)| rule.max.map(|max| (name.as_str(), max)))
    }

    /// Checks that a label is allowed, or returns the broken rule.
    pub(super) fn allows(&self, name: &str, value: &str) -> Result<(), String> {
        let Some(labels) = &self.labels else { return Ok(()) };
        match labels.get(name) {
            None if self.others == Others::Keep => Ok(()),
            None => Err(format!("label {} is not among those of `accept.labels`", Quoted::from(name))),
            Some(rule) => rule.allows(value).map_err(|broken| {
                let (name, value) = (Quoted::from(name), Quoted::from(value));
                format!("label {name} must not be {value}: the rule is `{broken}` of {name} in `accept.labels`")
            }),
        }
    }

    /// Checks that the period and time of a point are within bounds.
    pub(super) fn check_times(&self, point: &Point, now: f64) -> Result<(), Forbidden> {
        if let (Some(range), Some(p)) = (&self.p, point.p) {
            range.check(Field::P, p)?;
        }
        let late =
            self.past_s.filter(|past_s| now - point.t > *past_s).map(|most_s| (now - point.t, "ago", "past", most_s));
        let early = self
            .ahead_s
            .filter(|ahead_s| point.t - now > *ahead_s)
            .map(|most_s| (point.t - now, "in the future", "ahead", most_s));
        match late.or(early) {
            Some((s, side, rule, most_s)) => Err(Forbidden::Rule(
                Field::T,
                format!("t is {} seconds {side}, more than the {most_s} of the rule `accept.t.{rule}`", s.round()),
            )),
            None => Ok(()),
        }
    }
}

impl LabelRule {
    fn read(at: &str, value: &Value) -> Read<Self> {
        let given = fields(at, value, &["values", "pattern", "max"])?;
        let max = given.get("max").map(|max| {
            let max = max.as_u64().filter(|max| (1..=MAX_MAX).contains(max)).and_then(|max| u32::try_from(max).ok());
            max.ok_or_else(|| wrong(&format!("{at}.max"), format!("must be a whole number from 1 to {MAX_MAX}")))
        });
        let pattern = given.get("pattern").map(|pattern| {
            let text = pattern.as_str().filter(|text| text.len() <= MAX_MATCHER_BYTES);
            text.and_then(|text| whole(text).ok()).ok_or_else(|| {
                let wanted = format!(
                    "must be a regular expression of at most {MAX_MATCHER_BYTES} bytes and 32 KiB when compiled"
                );
                wrong(&format!("{at}.pattern"), wanted)
            })
        });
        let values = given.get("values").map(|list| {
            let texts = list.as_array().filter(|list| (1..=MAX_VALUES).contains(&list.len()));
            let is_value = |text: &&str| (1..=MAX_VALUE_BYTES).contains(&text.len());
            let texts = texts.and_then(|list| {
                list.iter().map(|text| text.as_str().filter(is_value).map(str::to_owned)).collect::<Option<_>>()
            });
            texts.ok_or_else(|| {
                let wanted = format!("must be a list of 1 to {MAX_VALUES} strings of 1 to {MAX_VALUE_BYTES} bytes");
                wrong(&format!("{at}.values"), wanted)
            })
        });
        Ok(Self { values: values.transpose()?, pattern: pattern.transpose()?, max: max.transpose()? })
    }

    /// Checks that a value is allowed, or returns the part of the rule that it breaks.
    fn allows(&self, value: &str) -> Result<(), &'static str> {
        if self.values.as_ref().is_some_and(|values| !values.contains(value)) {
            return Err("values");
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_match(value) => Err("pattern"),
            _ => Ok(()),
        }
    }
}

impl Range {
    fn read(at: &str, value: &Value, least: f64, most: f64) -> Read<Self> {
        let given = fields(at, value, &["min", "max"])?;
        let end = |name: &str, default: f64| match given.get(name).map(Value::as_f64) {
            None => Some(default),
            Some(number) => number.filter(|number| (least..=most).contains(number)),
        };
        match (end("min", least), end("max", most)) {
            (Some(min), Some(max)) if min <= max => Ok(Self { min, max }),
            _ => Err(wrong(
                at,
                format!("must have `min` or `max` or both, from {least:e} to {most:e}, with `min` not above `max`"),
            )),
        }
    }

    pub(super) fn check(self, field: Field, number: f64) -> Result<(), Forbidden> {
        if (self.min..=self.max).contains(&number) {
            return Ok(());
        }
        let Self { min, max } = self;
        Err(Forbidden::Rule(
            field,
            format!("{field} must be from {min:?} to {max:?}, not {number:?}: the rule is `accept.{field}`"),
        ))
    }
}

fn labels(value: &Value) -> Read<BTreeMap<String, LabelRule>> {
    const AT: &str = "accept.labels";
    let given =
        value.as_object().filter(|labels| labels.len() <= MAX_RULED_LABELS && labels.keys().all(|name| is_name(name)));
    let given = given.ok_or_else(|| {
        wrong(AT, format!("must be an object of at most {MAX_RULED_LABELS} label names, each with its rule"))
    })?;
    let rule = |(name, rule): (&String, &Value)| Ok((name.clone(), LabelRule::read(&format!("{AT}.{name}"), rule)?));
    let labels: BTreeMap<_, _> = given.iter().map(rule).collect::<Read<_>>()?;
    if labels.values().filter(|rule| rule.pattern.is_some()).count() > MAX_PATTERNS {
        return Err(wrong(AT, format!("can have a `pattern` for at most {MAX_PATTERNS} labels")));
    }
    if labels.values().filter_map(|rule| rule.max).map(u64::from).sum::<u64>() > MAX_MAX {
        return Err(wrong(AT, format!("can have `max` values that add up to at most {MAX_MAX}")));
    }
    Ok(labels)
}

/// A duration from 0 to this many seconds.
#[expect(clippy::cast_precision_loss, reason = "a week")]
fn seconds(name: &str, value: &Value, most_s: i64) -> Read<f64> {
    let seconds = value.as_str().and_then(|text| parse_duration(text).ok()).filter(|s| (0..=most_s).contains(s));
    let wanted = || format!("must be a string with a number and a unit such as \"1h\", from \"0s\" to \"{most_s}s\"");
    seconds.map(|seconds| seconds as f64).ok_or_else(|| wrong(&format!("accept.t.{name}"), wanted()))
}
