//! The parameters of a read, as the query string has them.

use serde::{Deserialize, Serialize};

use model::aggregate::Aggregate;
use model::labels::{MAX_LABELS, MAX_NAME_BYTES};
use model::matcher::{Matcher, MatcherError};
use model::query::{By, Query};
use model::retention::Retention;
use model::sketches::Wanted;
use model::window::{Window, WindowError};

use super::format::Format;
use model::aggregate_list::{AggregateError, parse_aggregates};
use model::time::{TimeError, parse_duration, parse_time_ms};

/// A query has at most this many `where`.
pub const MAX_MATCHERS: usize = 32;
/// `top` and `limit` are at most this.
pub const MAX_TOP: usize = 10_000;
/// `top` when it is not given.
pub const DEFAULT_TOP: usize = 100;
/// `limit` of label values when it is not given.
pub const DEFAULT_VALUES: usize = 1_000;

/// Why parameters are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// A parameter that this path does not have.
    #[error("unknown parameter `{0}`; this path knows {1}")]
    Unknown(String, &'static str),
    /// A parameter given twice that can't be.
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
    #[error("at most {MAX_MATCHERS} `where` are allowed")]
    TooManyMatchers,
    /// Not a list of label names.
    #[error("`by` takes up to {MAX_LABELS} label names of 1 to {MAX_NAME_BYTES} bytes, comma-separated, or `*`")]
    By,
    /// Not aggregates.
    #[error("`agg`: {0}")]
    Aggregates(#[from] AggregateError),
    /// Not a number in range.
    #[error("`{0}` must be a whole number from 1 to {MAX_TOP}, not {1:?}")]
    Number(&'static str, String),
    /// Not a cursor.
    #[error("`after` is not a cursor that a live answer gave")]
    Cursor,
    /// A live query that is too long to be remembered with each reader.
    #[error("`by`, `where` and `agg` are too long for reading live")]
    TooLong,
    /// Not the one value that a switch has.
    #[error("`{0}` is `1` or absent, not {1:?}")]
    Switch(&'static str, String),
    /// Not one of the values that there are.
    #[error("`{0}` is {2}, not {1:?}")]
    Choice(&'static str, String, &'static str),
    /// Not a format.
    #[error("unknown format {0:?}; this version knows json, csv and ndjson")]
    Format(String),
}

/// What a rollup is asked for.
#[derive(Clone, Debug)]
pub struct RollupParams {
    /// Which points, steps and groups.
    pub query: QueryText,
    /// The window of the query.
    pub window: Window,
    /// Which numbers; at least one.
    pub aggregates: Vec<Aggregate>,
    /// How many groups are kept apart.
    pub top: usize,
    /// Whether each group's numbers over the whole window are wanted too.
    pub has_totals: bool,
    /// The format, if the query string says so.
    pub format: Option<Format>,
}

/// A query as the edge sends it to shards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
// What this version does not know may change the answer; see `Refusal::OtherVersion`.
#[serde(deny_unknown_fields)]
pub struct QueryText {
    pub(super) from_s: i64,
    pub(super) to_s: i64,
    pub(super) step_s: i64,
    pub(super) matchers: Vec<String>,
    /// Absent: by every label.
    pub(super) by: Option<Vec<String>>,
    /// Whether quantiles are wanted.
    #[serde(default)]
    pub(super) quantiles: bool,
    /// The labels whose values are to be counted; their numbers in the answer are their places here.
    #[serde(default)]
    pub(super) distinct: Vec<String>,
    /// Of live reads: in only these steps, which start then; none: in all.
    #[serde(default)]
    pub(super) only: Vec<i64>,
    /// Of live reads: what came since these positions, one for each shard; none: as it is.
    #[serde(default)]
    pub(super) after: Vec<i64>,
}

impl QueryText {
    /// The query of a window, of matchers as `where` has them, by these labels or by all.
    #[must_use]
    pub fn new(window: &Window, matchers: Vec<String>, by: Option<Vec<String>>) -> Self {
        let (from_s, to_s, step_s) = (window.from_s(), window.to_s(), window.step_s());
        let (quantiles, distinct, only, after) = (false, Vec::new(), Vec::new(), Vec::new());
        Self { from_s, to_s, step_s, matchers, by, quantiles, distinct, only, after }
    }

    /// The same, asking only for what came after these positions, one for each shard.
    #[must_use]
    pub fn changes_after(self, after: Vec<i64>) -> Self {
        Self { after, ..self }
    }

    /// The same, in only these steps, which start then.
    #[must_use]
    pub fn in_steps(self, only: Vec<i64>) -> Self {
        Self { only, ..self }
    }

    /// The same with quantiles, if they are wanted, and counts of the values of these labels.
    #[must_use]
    pub fn with_sketches(self, quantiles: bool, distinct: Vec<String>) -> Self {
        Self { quantiles, distinct, ..self }
    }

    /// The labels whose values are to be counted.
    #[must_use]
    pub fn distinct(&self) -> &[String] {
        &self.distinct
    }

    /// The starts of the only steps that are asked for; none: all.
    #[must_use]
    pub fn only(&self) -> &[i64] {
        &self.only
    }

    /// The position in a shard behind which is asked, if any; no shard is at -1.
    #[must_use]
    pub fn after(&self, shard: u16) -> Option<i64> {
        // A shard that is new since was told no position.
        (!self.after.is_empty()).then(|| self.after.get(usize::from(shard)).copied().unwrap_or(-1))
    }

    /// The query that the text stands for, in a stream that has these numbers for [`Self::distinct`].
    ///
    /// # Errors
    /// When the text was not made by [`RollupParams::parse`].
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

/// Name and value of each parameter but the key, percent-decoded.
pub(super) fn pairs(query_string: &str) -> impl Iterator<Item = (String, String)> + '_ {
    form_urlencoded::parse(query_string.as_bytes()).into_owned().filter(|(name, _)| name != "key")
}

pub(super) fn set_once(place: &mut Option<String>, name: &'static str, value: String) -> Result<(), ParamError> {
    if place.replace(value).is_some() { Err(ParamError::Twice(name)) } else { Ok(()) }
}

impl RollupParams {
    /// The parameters of `rollup`, at `now_ms`, of a stream with this retention.
    ///
    /// # Errors
    /// The first parameter that is wrong.
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

/// Which values of a label are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValuesParams {
    /// Only values that start like this.
    pub prefix: String,
    /// At most so many.
    pub limit: usize,
}

impl ValuesParams {
    /// The parameters of `labels/{name}`.
    ///
    /// # Errors
    /// The first parameter that is wrong.
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

/// Accepts a query string that has no parameter but the key.
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
    fn everything_can_be_given() {
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
    fn each_wrong_parameter_is_named() {
        let message = |text: &str| parse(text).expect_err("invalid").to_string();
        assert_eq!(
            message("form=-1h"),
            "unknown parameter `form`; this path knows from, to, step, where, by, agg, top, totals and format"
        );
        assert_eq!(message("from=-1h&from=-2h"), "`from` is given twice");
        assert!(message("from=never").starts_with("`from`: \"never\" is not a time"));
        assert!(message("step=x").starts_with("`step`: \"x\" is not a duration"));
        assert_eq!(message("step=15s"), "`step` must be a multiple of 10 seconds, not 15 seconds");
        assert_eq!(message("from=now"), "`from` must be before `to`");
        assert!(message("where=country").starts_with("`where`: a matcher is"));
        assert!(message(&"where=a%3Db&".repeat(33)).starts_with("at most 32"));
        assert!(message("by=a,,b").starts_with("`by` takes"));
        assert!(message("agg=median").starts_with("`agg`: unknown aggregate \"median\"; there are sum, ratio"));
        assert_eq!(message("top=0"), "`top` must be a whole number from 1 to 10000, not \"0\"");
        assert!(parse("top=10000").is_ok() && parse("top=10001").is_err());
        assert!(parse("totals=1").is_ok_and(|params| params.has_totals) && !parse("").expect("valid").has_totals);
        assert_eq!(message("totals=yes"), "`totals` is `1` or absent, not \"yes\"");
        assert_eq!(message("format=xml"), "unknown format \"xml\"; this version knows json, csv and ndjson");
    }
}
