//! `query` and `query_range`.

use crate::domain::sketches::Wanted;
use crate::graphite::request::{Pair, value};
use crate::prometheus::answer;
use crate::prometheus::error::Refusal;
use crate::prometheus::evaluate::Evaluator;
use crate::prometheus::leaf::{Found, Want};
use crate::prometheus::lexer::duration_ms;
use crate::prometheus::parser::parse;
use crate::prometheus::plan::{Kept, Times};
use crate::wire::params::QueryText;
use crate::wire::time::parse_time_ms;
use crate::wire::totals::question;

use crate::edge::problem::Problem;
use crate::edge::{Exchange, StreamId};

/// As in Prometheus.
const MAX_POINTS: i64 = 11_000;

impl Exchange {
    pub(super) async fn query(&self, id: &StreamId, is_range: bool, pairs: &[Pair]) -> Result<String, Problem> {
        let expr = parse(value(pairs, "query").unwrap_or_default())?;
        let times = if is_range { range_times(pairs)? } else { instant_time(pairs, self.now_ms)? };
        let config = self.config(id).await?;
        let kept = Kept { retention: &config.retention, now_ms: self.now_ms };
        let mut evaluator = Evaluator::new(times, kept);
        let mut all = Vec::new();
        for want in evaluator.wants(&expr)?.to_vec() {
            let Want { matchers, by, windows, has_totals } = want;
            let mut found = Found::default();
            if has_totals {
                let shown = self.read_totals(id, question(matchers.clone(), by.clone())).await?;
                found.add_totals(&shown)?;
            }
            for window in windows {
                let text = QueryText::new(&window, matchers.clone(), by.clone());
                found.add_cells(&self.read_rows(id, text, Wanted::default()).await?, &window);
            }
            all.push(found);
        }
        if !evaluator.has_reads() {
            // Numbers need no data, but whoever tests a data source wants to hear of a wrong key.
            self.check_reader(id).await?;
        }
        evaluator.give(all);
        Ok(answer::value(evaluator.value(&expr)?, &times, is_range))
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
    // Only what Prometheus knows: no times from now on.
    let ms = parse_time_ms(text, 0).ok().filter(|_| text.starts_with(|char: char| char.is_ascii_digit()));
    ms.ok_or_else(|| Refusal(format!("invalid parameter {name:?}: cannot parse {text:?} to a valid timestamp")).into())
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
