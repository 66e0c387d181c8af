//! The query-string parameters of a read.

use serde::{Deserialize, Serialize};

use model::aggregate::Aggregate;
use model::labels::{MAX_LABELS, MAX_NAME_BYTES};
use model::matcher::{Matcher, MatcherError};
use model::query::{By, Query};
use model::retention::Retention;
use model::sketches::Wanted;
use model::window::{Window, WindowError};

use super::format::Format;
use super::live_params::MAX_QUERY_BYTES;
use model::aggregate_list::{AggregateError, parse_aggregates};
use model::time::{TimeError, parse_duration, parse_time_ms};

/// The most `where` in a query.
pub const MAX_MATCHERS: usize = 32;
/// The highest `top` and `limit`.
pub const MAX_TOP: usize = 10_000;
/// The default `top`.
pub const DEFAULT_TOP: usize = 100;
/// The default `limit` of label values.
pub const DEFAULT_VALUES: usize = 1_000;

/// Why parameters are rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// A parameter that this path does not accept.
    #[error("unknown parameter `{0}`; this path accepts {1}")]
    Unknown(String, &'static str),
    /// A repeated parameter that may occur only once.
    #[error("`{0}` is given twice")]
    Twice(&'static str),
    /// Not a time or duration.
    #[error("`{0}`: {1}")]
    Time(&'static str, TimeError),
    /// Not a window that can be answered.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// Not a matcher.
    #[error("`where`: {0}")]
    Matcher(#[from] MatcherError),
    /// More than [`MAX_MATCHERS`].
    #[error("at most {MAX_MATCHERS} `where` parameters are allowed")]
    TooManyMatchers,
    /// Not a list of label names.
    #[error("`by` must be up to {MAX_LABELS} comma-separated label names of 1 to {MAX_NAME_BYTES} bytes, or `*`")]
    By,
    /// Not aggregates.
    #[error("`agg`: {0}")]
    Aggregates(#[from] AggregateError),
    /// Not a number in range.
    #[error("`{0}` must be a whole number from 1 to {MAX_TOP}, not {1:?}")]
    Number(&'static str, String),
    /// Not a cursor.
    #[error("`after` must be a cursor from a live answer")]
    Cursor,
    /// A live query that is too long to be remembered with each reader.
    #[error(
        "`by`, `where` and `agg` are too long: a live query, encoded as in a URL, can have at most {MAX_QUERY_BYTES} bytes"
    )]
    TooLong,
    /// A switch with another value than 1.
    #[error("`{0}` must be `1` or absent, not {1:?}")]
    Switch(&'static str, String),
    /// Not one of the possible values.
    #[error("`{0}` must be {2}, not {1:?}")]
    Choice(&'static str, String, &'static str),
    /// Not a format.
    #[error("unknown format {0:?}; use json, csv or ndjson")]
    Format(String),
}

/// The parameters of a rollup.
#[derive(Clone, Debug)]
pub struct RollupParams {
    /// The points, steps and groups.
    pub query: QueryText,
    /// The window of the query.
    pub window: Window,
    /// The aggregates; at least one.
    pub aggregates: Vec<Aggregate>,
    /// How many groups to show separately.
    pub top: usize,
    /// Whether to include each group's numbers over the whole window.
    pub has_totals: bool,
    /// The format, if the query string sets it.
    pub format: Option<Format>,
}

/// A query in the form in which the edge sends it to shards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
// An unknown field may change the answer; see `Refusal::OtherVersion`.
#[serde(deny_unknown_fields)]
pub struct QueryText {
    pub(super) from_s: i64,
    pub(super) to_s: i64,
    pub(super) step_s: i64,
    pub(super) matchers: Vec<String>,
    /// Absent means by every label.
    pub(super) by: Option<Vec<String>>,
    /// Whether quantiles are needed.
    #[serde(default)]
    pub(super) quantiles: bool,
    /// The labels whose distinct values to count; the answer refers to them by their index here.
    #[serde(default)]
    pub(super) distinct: Vec<String>,
    /// For live reads: only the steps that start at these times; absent means all.
    #[serde(default)]
    pub(super) only: Vec<i64>,
    /// For live reads: only what came after these positions, one for each shard; absent means everything.
    #[serde(default)]
    pub(super) after: Vec<i64>,
}

impl QueryText {
    /// The query of a window, with matchers in the syntax of `where`, by these labels or by all.
    #[must_use]
    pub fn new(window: &Window, matchers: Vec<String>, by: Option<Vec<String>>) -> Self {
        let (from_s, to_s, step_s) = (window.from_s(), window.to_s(), window.step_s());
        let (quantiles, distinct, only, after) = (false, Vec::new(), Vec::new(), Vec::new());
        Self { from_s, to_s, step_s, matchers, by, quantiles, distinct, only, after }
    }

    /// The same, limited to what came after these positions, one for each shard.
    #[must_use]
    pub fn changes_after(self, after: Vec<i64>) -> Self {
        Self { after, ..self }
    }

    /// The same, limited to the steps that start at these times.
    #[must_use]
    pub fn in_steps(self, only: Vec<i64>) -> Self {
        Self { only, ..self }
    }

    /// The same, with quantiles if needed, and distinct counts of these labels.
    #[must_use]
    pub fn with_sketches(self, quantiles: bool, distinct: Vec<String>) -> Self {
        Self { quantiles, distinct, ..self }
    }

    /// The labels whose distinct values to count.
    #[must_use]
    pub fn distinct(&self) -> &[String] {
        &self.distinct
    }

    /// The starts of the only requested steps; empty means all.
    #[must_use]
    pub fn only(&self) -> &[i64] {
        &self.only
    }

    /// The position in a shard after which changes are requested, if any; no shard is at -1.
    #[must_use]
    pub fn after(&self, shard: u16) -> Option<i64> {
        // A shard that is newer than the cursor has no position in it.
        (!self.after.is_empty()).then(|| self.after.get(usize::from(shard)).copied().unwrap_or(-1))
    }

    /// The query in a stream that has these ids for [`Self::distinct`].
    ///
    /// # Errors
    /// If [`RollupParams::parse`] did not make it.
    pub fn to_query(&self, distinct: &[u8]) -> Result<Query, ParamError> {
        Ok(Query {
            sketches: Wanted {
                quantiles: self.quantiles,
                distinct: distinct.iter().fold(0, |bits, number| bits | 1 << number),
            },
            window: Window::aligned(self.from_s, self.to_s, self.step_s)?,
            matchers: Matcher::parse_all(&self.matchers)?,
            by: self.by.clone().map_or(By::All, By::Names),
        })
    }
}

/// Name and value of each parameter except the key, percent-decoded.
pub(super) fn pairs(query_string: &str) -> impl Iterator<Item = (String, String)> + '_ {
    form_urlencoded::parse(query_string.as_bytes()).into_owned().filter(|(name, _)| name != "key")
}

pub(super) fn set_once(place: &mut Option<String>, name: &'static str, value: String) -> Result<(), ParamError> {
    if place.replace(value).is_some() { Err(ParamError::Twice(name)) } else { Ok(()) }
}

impl RollupParams {
    /// Parses the parameters of `rollup`, at `now_ms`, of a stream with this retention.
    ///
    /// # Errors
    /// The first invalid parameter.
    pub fn parse(query_string: &str, now_ms: i64, retention: &Retention) -> Result<Self, ParamError> {
        const KNOWN: &str = "from, to, step, where, by, agg, top, totals and format";
        let [mut from, mut to, mut step, mut by, mut agg, mut top, mut totals, mut format] = [const { None }; 8];
        let mut matchers = Vec::new();
        for (name, value) in pairs(query_string) {
            match name.as_str() {
                "from" => set_once(&mut from, "from", value)?,
                "to" => set_once(&mut to, "to", value)?,
                "step" => set_once(&mut step, "step", value)?,
                "by" => set_once(&mut by, "by", value)?,
                "agg" => set_once(&mut agg, "agg", value)?,
                "top" => set_once(&mut top, "top", value)?,
                "totals" => set_once(&mut totals, "totals", value)?,
                "format" => set_once(&mut format, "format", value)?,
                "where" => matchers.push(value),
                _ => return Err(ParamError::Unknown(name, KNOWN)),
            }
        }
        if matchers.len() > MAX_MATCHERS {
            return Err(ParamError::TooManyMatchers);
        }
        let time = |name, text: Option<String>, default: &str| {
            parse_time_ms(text.as_deref().unwrap_or(default), now_ms).map_err(|error| ParamError::Time(name, error))
        };
        let (from_ms, to_ms) = (time("from", from, "-1h")?, time("to", to, "now")?);
        let step_s = step.map(|text| parse_duration(&text).map_err(|error| ParamError::Time("step", error)));
        let window = Window::new(from_ms, to_ms, step_s.transpose()?, now_ms, retention)?;
        let aggregates = parse_aggregates(agg.as_deref().unwrap_or("sum"))?;
        let distinct = aggregates.iter().filter_map(Aggregate::label).map(str::to_owned).collect();
        let query = QueryText::new(&window, matchers, parse_by(by.as_deref().unwrap_or_default())?)
            .with_sketches(Aggregate::sketches(&aggregates).quantiles, distinct);
        query.to_query(&[])?;
        Ok(Self {
            query,
            window,
            aggregates,
            top: number("top", top, DEFAULT_TOP)?,
            has_totals: switch("totals", totals)?,
            format: format.map(|text| Format::parse(&text)).transpose()?,
        })
    }
}

pub(super) fn parse_by(text: &str) -> Result<Option<Vec<String>>, ParamError> {
    if text == "*" {
        return Ok(None);
    }
    let mut names: Vec<String> = text.split(',').filter(|_| !text.is_empty()).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    let is_valid = names.len() <= MAX_LABELS && names.iter().all(|name| (1..=MAX_NAME_BYTES).contains(&name.len()));
    if is_valid { Ok(Some(names)) } else { Err(ParamError::By) }
}

fn number(name: &'static str, text: Option<String>, default: usize) -> Result<usize, ParamError> {
    let Some(text) = text else { return Ok(default) };
    text.parse().ok().filter(|number| (1..=MAX_TOP).contains(number)).ok_or(ParamError::Number(name, text))
}

pub(super) fn switch(name: &'static str, text: Option<String>) -> Result<bool, ParamError> {
    let Some(text) = text else { return Ok(false) };
    if text == "1" { Ok(true) } else { Err(ParamError::Switch(name, text)) }
}

/// Which values of a label to list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValuesParams {
    /// Only values that start like this.
    pub prefix: String,
    /// The most values.
    pub limit: usize,
}

impl ValuesParams {
    /// Parses the parameters of `labels/{name}`.
    ///
    /// # Errors
    /// The first invalid parameter.
    pub fn parse(query_string: &str) -> Result<Self, ParamError> {
        let (mut prefix, mut limit) = (None, None);
        for (name, value) in pairs(query_string) {
            match name.as_str() {
                "prefix" => set_once(&mut prefix, "prefix", value)?,
                "limit" => set_once(&mut limit, "limit", value)?,
                _ => return Err(ParamError::Unknown(name, "prefix and limit")),
            }
        }
        Ok(Self { prefix: prefix.unwrap_or_default(), limit: number("limit", limit, DEFAULT_VALUES)? })
    }
}

/// Accepts a query string without parameters other than the key.
///
/// # Errors
/// [`ParamError::Unknown`]
pub fn no_params(query_string: &str) -> Result<(), ParamError> {
    match pairs(query_string).next() {
        None => Ok(()),
        Some((name, _)) => Err(ParamError::Unknown(name, "no parameters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_792_540_800;

    fn parse(text: &str) -> Result<RollupParams, ParamError> {
        RollupParams::parse(text, NOW * 1000, &Retention::default())
    }

    #[test]
    fn defaults_are_the_last_hour_in_one_series() {
        let params = parse("").expect("valid");
        assert_eq!((params.window.from_s(), params.window.to_s(), params.window.step_s()), (NOW - 3600, NOW, 10));
        assert_eq!(params.query.by, Some(Vec::new()));
        assert_eq!((params.aggregates, params.top, params.format), (vec![Aggregate::Sum], 100, None));
    }

    #[test]
    fn all_parameters_can_be_given() {
        let params = parse("from=-2h&to=-1h&step=5m&where=country%3DUS&where=path=~/blog/.*&by=b,a,b&agg=sum,ratio,sum&top=3&format=csv&key=rk")
            .expect("valid");
        assert_eq!(
            (params.window.from_s(), params.window.to_s(), params.window.step_s()),
            (NOW - 7200, NOW - 3600, 300)
        );
        assert_eq!(params.query.matchers, ["country=US", "path=~/blog/.*"]);
        assert_eq!(params.query.by, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(params.aggregates, [Aggregate::Sum, Aggregate::Ratio]);
        assert_eq!((params.top, params.format), (3, Some(Format::Csv)));
        assert_eq!(parse("by=*").expect("valid").query.by, None);
        let query = parse("agg=distinct:b,p99.9,distinct:a").expect("valid").query;
        assert_eq!(query.distinct(), ["b", "a"]);
        assert_eq!(query.to_query(&[5, 0]).expect("valid").sketches, Wanted { quantiles: true, distinct: 0b10_0001 });
    }

    #[test]
    fn each_invalid_parameter_is_named() {
        let message = |text: &str| parse(text).expect_err("invalid").to_string();
        assert_eq!(
            message("form=-1h"),
            "unknown parameter `form`; this path accepts from, to, step, where, by, agg, top, totals and format"
        );
        assert_eq!(message("from=-1h&from=-2h"), "`from` is given twice");
        assert!(message("from=never").starts_with("`from`: \"never\" is not a time"));
        assert!(message("step=x").starts_with("`step`: \"x\" is not a duration"));
        assert_eq!(message("step=15s"), "`step` must be a multiple of 10 seconds, not 15 seconds");
        assert_eq!(message("from=now"), "`from` must be before `to`");
        assert!(message("where=country").starts_with("`where`: a matcher must be"));
        assert!(message(&"where=a%3Db&".repeat(33)).starts_with("at most 32"));
        assert!(message("by=a,,b").starts_with("`by` must be"));
        assert!(message("agg=median").starts_with("`agg`: unknown aggregate \"median\"; use sum, ratio"));
        assert_eq!(message("top=0"), "`top` must be a whole number from 1 to 10000, not \"0\"");
        assert!(parse("top=10000").is_ok() && parse("top=10001").is_err());
        assert!(parse("totals=1").is_ok_and(|params| params.has_totals) && !parse("").expect("valid").has_totals);
        assert_eq!(message("totals=yes"), "`totals` must be `1` or absent, not \"yes\"");
        assert_eq!(message("format=xml"), "unknown format \"xml\"; use json, csv or ndjson");
    }
}
