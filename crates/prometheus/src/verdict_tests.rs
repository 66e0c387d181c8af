//! Queries with the real Prometheus' verdicts: what it rejects is rejected here, and what it accepts is answered or
//! reported as not supported. The system tests verify the verdicts against a real Prometheus.

use super::error::Result;
use super::evaluate::Evaluator;
use super::parser::parse;
use super::plan::{RetentionNow, Times};
use model::retention::Retention;

const VERDICTS: &str = include_str!("../../../tests/prometheus/verdicts.jsonl");
/// Functions that were added after the version that gave the verdicts.
const LATER: [&str; 4] = ["histogram_avg(", "mad_over_time(", "double_exponential_smoothing(", "sort_by_label("];
/// Patterns whose validity is not decided here: Unicode classes, and patterns that are not UTF-8.
const NOT_KNOWN: [&str; 4] = ["\\p{", "\\xf", "\\377", "\\P{"];

fn answered(query: &str) -> Result<()> {
    let expr = parse(query)?;
    let (retention, now_ms) = (Retention::default(), 1_792_540_800_000);
    let times = Times { start_ms: now_ms, step_ms: 1000, count: 1 };
    Evaluator::new(times, RetentionNow { retention: &retention, now_ms }).wants(&expr).map(|_| ())
}

fn may_be_unsupported(query: &str) -> bool {
    LATER.iter().any(|later| query.starts_with(later)) || NOT_KNOWN.iter().any(|part| query.contains(part))
}

#[test]
fn queries_are_rejected_exactly_when_prometheus_rejects_them() {
    let mut faults = Vec::new();
    let mut numbers = [0; 3];
    for line in VERDICTS.lines() {
        let (verdict, query): (String, String) = serde_json::from_str(line).expect("a pair");
        let said = answered(&query).map_err(|error| error.to_string());
        let is_unsupported = said.as_ref().is_err_and(|said| said.starts_with("not supported here: "));
        let is_parse_error = said.as_ref().is_err_and(|said| said.starts_with("parse error: "));
        numbers[if said.is_ok() { 0 } else { 1 + usize::from(is_parse_error) }] += 1;
        let is_right = match verdict.as_str() {
            "ok" => !is_parse_error,
            "bad_data" => is_parse_error || (is_unsupported && may_be_unsupported(&query)),
            _ => said.is_err(),
        };
        if !is_right {
            faults.push(format!("{verdict}: {query}: {said:?}"));
        }
    }
    assert!(faults.is_empty(), "{} of {numbers:?}\n{}", faults.len(), faults.join("\n"));
    assert!(numbers.iter().all(|number| *number > 300), "{numbers:?}");
}
