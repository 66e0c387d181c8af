//! `query` and `query_range`.

use graphite::request::{Pair, value};
use model::retention::Retention;
use model::time::parse_time_ms;
use prometheus::answer;
use prometheus::ast::Expr;
use prometheus::error::BadQuery;
use prometheus::evaluate::Evaluator;
use prometheus::leaf::StreamData;
use prometheus::lexer::duration_ms;
use prometheus::parser::parse;
use prometheus::plan::{RetentionNow, Times};
use protocol::params::QueryText;
use protocol::series_totals::question;

use super::{Ask, Found};
use crate::edge::problem::Problem;

/// The same limit as in Prometheus.
const MAX_POINTS: i64 = 11_000;

/// A query that waits for its data.
pub(super) struct Question<'a> {
    expr: Expr,
    times: Times,
    is_range: bool,
    evaluator: Evaluator<'a>,
}

impl<'a> Question<'a> {
    /// Parses a request's parameters; also returns the reads that the query needs.
    pub(super) fn new(
        pairs: &[Pair],
        is_range: bool,
        retention: &'a Retention,
        now_ms: i64,
    ) -> Result<(Self, Vec<Ask>), Problem> {
        let expr = parse(value(pairs, "query").unwrap_or_default())?;
        let times = if is_range { range_times(pairs)? } else { instant_time(pairs, now_ms)? };
        if value(pairs, "timeout").is_some_and(|text| !text.is_empty() && duration(text).is_none()) {
            return refused("invalid parameter \"timeout\": it must be a duration");
        }
        let mut evaluator = Evaluator::new(times, RetentionNow { retention, now_ms });
        let mut asks = Vec::new();
        for want in evaluator.wants(&expr)? {
            if want.has_totals {
                asks.push(Ask::Totals(question(want.matchers.clone(), want.by.clone())));
            }
            for window in &want.windows {
                asks.push(Ask::Rows(QueryText::new(window, want.matchers.clone(), want.by.clone())));
            }
        }
        Ok((Self { expr, times, is_range, evaluator }, asks))
    }

    /// The answer, from the data that was read.
    pub(super) fn answer(mut self, results: &[Found]) -> Result<String, Problem> {
        let mut results = results.iter();
        let mut all = Vec::new();
        for want in self.evaluator.wanted() {
            let mut found = StreamData::default();
            if want.has_totals
                && let Some(Found { shown, .. }) = results.next()
            {
                found.add_totals(shown)?;
            }
            for (window, Found { rows, .. }) in want.windows.iter().zip(results.by_ref()) {
                found.add_cells(rows, window);
            }
            all.push(found);
        }
        self.evaluator.give(all);
        Ok(answer::value(self.evaluator.value(&self.expr)?, &self.times, self.is_range)?)
    }
}

fn instant_time(pairs: &[Pair], now_ms: i64) -> Result<Times, Problem> {
    let is_given = value(pairs, "time").is_some_and(|text| !text.is_empty());
    let start_ms = if is_given { time(pairs, "time")? } else { now_ms };
    Ok(Times { start_ms, step_ms: 1000, count: 1 })
}

fn range_times(pairs: &[Pair]) -> Result<Times, Problem> {
    let (start_ms, end_ms, step_ms) = (time(pairs, "start")?, time(pairs, "end")?, step(pairs)?);
    if end_ms < start_ms {
        return refused("invalid parameter \"end\": end timestamp must not be before start time");
    }
    let steps = (end_ms - start_ms) / step_ms;
    if steps > MAX_POINTS {
        return refused(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        );
    }
    Ok(Times { start_ms, step_ms, count: usize::try_from(steps).unwrap_or_default() + 1 })
}

fn time(pairs: &[Pair], name: &str) -> Result<i64, Problem> {
    let text = value(pairs, name).unwrap_or_default();
    // Only the forms that Prometheus accepts: no times relative to now.
    let ms = parse_time_ms(text, 0).ok().filter(|_| text.starts_with(|char: char| char.is_ascii_digit()));
    ms.ok_or_else(|| BadQuery(format!("invalid parameter {name:?}: cannot parse {text:?} to a valid timestamp")).into())
}

fn step(pairs: &[Pair]) -> Result<i64, Problem> {
    let text = value(pairs, "step").unwrap_or_default();
    match duration(text).filter(|ms| (1..=1 << 50).contains(ms)) {
        Some(ms) => Ok(ms),
        None => refused(&format!("invalid parameter \"step\": {text:?} is not a positive duration")),
    }
}

/// The milliseconds of a duration, or of a number of seconds.
fn duration(text: &str) -> Option<i64> {
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite());
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    seconds.map(|seconds| (seconds * 1000.0) as i64).or_else(|| duration_ms(text))
}

fn refused<T>(text: &str) -> Result<T, Problem> {
    Err(BadQuery(text.to_owned()).into())
}
