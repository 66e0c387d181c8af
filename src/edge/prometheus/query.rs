//! `query` and `query_range`.

use crate::domain::sketches::Wanted;
use crate::graphite::request::{Pair, value};
use crate::prometheus::answer::{instant, range};
use crate::prometheus::ast::Expr;
use crate::prometheus::error::Refusal;
use crate::prometheus::evaluate::Evaluator;
use crate::prometheus::leaf::{Found, Want};
use crate::prometheus::lexer::duration_ms;
use crate::prometheus::parser::parse;
use crate::prometheus::plan::{Kept, Times};
use crate::prometheus::value::Value;
use crate::wire::params::QueryText;
use crate::wire::time::parse_time_ms;
use crate::wire::totals::question;

use crate::edge::problem::Problem;
use crate::edge::{Exchange, StreamId};

/// As in Prometheus.
const MAX_POINTS: i64 = 11_000;

impl Exchange {
    pub(super) async fn query(&self, id: &StreamId, pairs: &[Pair]) -> Result<String, Problem> {
        let expr = expr(pairs)?;
        let start_ms = time(pairs, "time", Some(self.now_ms))?;
        let times = Times { start_ms, step_ms: 1000, count: 1 };
        let value = self.value(id, &expr, times).await?;
        Ok(instant(&value, &times))
    }

    pub(super) async fn query_range(&self, id: &StreamId, pairs: &[Pair]) -> Result<String, Problem> {
        let expr = expr(pairs)?;
        let (start_ms, end_ms) = (time(pairs, "start", None)?, time(pairs, "end", None)?);
        let step_ms = step(pairs)?;
        if end_ms < start_ms {
            return refused("invalid parameter \"end\": end timestamp must not be before start time");
        }
        let steps = (end_ms - start_ms) / step_ms;
        if steps > MAX_POINTS {
            return refused(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
            );
        }
        let times = Times { start_ms, step_ms, count: usize::try_from(steps).unwrap_or_default() + 1 };
        let value = self.value(id, &expr, times).await?;
        Ok(range(value, &times))
    }

    async fn value(&self, id: &StreamId, expr: &Expr, times: Times) -> Result<Value, Problem> {
        let config = self.config(id).await?;
        let kept = Kept { retention: &config.retention, now_ms: self.now_ms };
        let mut evaluator = Evaluator::new(times, kept);
        let wants = evaluator.wants(expr)?.to_vec();
        if wants.is_empty() {
            // Numbers need no data, but whoever tests a data source wants to hear of a wrong key.
            self.check_reader(id).await?;
        }
        let mut all = Vec::with_capacity(wants.len());
        for want in wants {
            all.push(self.read_want(id, want).await?);
        }
        evaluator.give(all);
        Ok(evaluator.value(expr)?)
    }

    async fn read_want(&self, id: &StreamId, want: Want) -> Result<Found, Problem> {
        let mut found = Found::default();
        let Want { matchers, by, windows, has_totals } = want;
        if windows.is_empty() && !has_totals {
            self.check_reader(id).await?;
        }
        if has_totals {
            let shown = self.read_totals(id, question(matchers.clone(), by.clone())).await?;
            found.add_totals(&shown)?;
        }
        for window in windows {
            let text = QueryText::new(&window, matchers.clone(), by.clone());
            found.add_cells(&self.read_rows(id, text, Wanted::default()).await?, &window);
        }
        found.sort();
        Ok(found)
    }
}

fn expr(pairs: &[Pair]) -> Result<Expr, Problem> {
    Ok(parse(value(pairs, "query").unwrap_or_default())?)
}

fn time(pairs: &[Pair], name: &str, default: Option<i64>) -> Result<i64, Problem> {
    match (value(pairs, name).filter(|text| !text.is_empty()), default) {
        (None, Some(default)) => Ok(default),
        (text, _) => {
            let text = text.unwrap_or_default();
            // Only what Prometheus knows: no times from now on.
            let ms = parse_time_ms(text, 0).ok().filter(|_| text.starts_with(|char: char| char.is_ascii_digit()));
            ms.ok_or_else(|| {
                Refusal(format!("invalid parameter {name:?}: cannot parse {text:?} to a valid timestamp")).into()
            })
        }
    }
}

fn step(pairs: &[Pair]) -> Result<i64, Problem> {
    let text = value(pairs, "step").unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let ms = text.parse().map(|seconds: f64| (seconds * 1000.0) as i64).ok().or_else(|| duration_ms(text));
    match ms.filter(|ms| (1..=1 << 50).contains(ms)) {
        Some(ms) => Ok(ms),
        None => refused(&format!("invalid parameter \"step\": {text:?} is not a positive duration")),
    }
}

fn refused<T>(text: &str) -> Result<T, Problem> {
    Err(Refusal(text.to_owned()).into())
}
