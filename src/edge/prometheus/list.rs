//! What there is: `series`, `labels`, `label/{name}/values` and what is always the same.

use std::collections::BTreeMap;

use crate::domain::labels::Labels;
use crate::graphite::request::{Pair, value, values};
use crate::prometheus::answer::{object, quoted};
use crate::prometheus::error::Refusal;
use crate::prometheus::metric::Metric;
use crate::prometheus::names::exported;
use crate::prometheus::parser::{NAME, parse_selector};
use crate::prometheus::select::Selected;
use crate::prometheus::value::{Series, exported_labels};
use crate::wire::totals::question;

use super::Exchange;
use crate::edge::StreamId;
use crate::edge::problem::Problem;

/// A request has at most so many `match[]`.
const MAX_MATCHES: usize = 16;
/// What is listed: sorted texts, which are JSON.
type Listed = BTreeMap<String, u64>;

/// What is listed of series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Series,
    Labels,
    Values(String),
}

impl Exchange {
    pub(super) async fn list(&self, id: &StreamId, what: What, pairs: &[Pair]) -> Result<String, Problem> {
        let by = match &what {
            What::Series if values(pairs, "match").is_empty() => {
                return Err(Refusal("no match[] parameter provided".to_owned()).into());
            }
            What::Values(name) if name == NAME => Some(Vec::new()),
            What::Values(name) => Some(vec![name.clone()]),
            What::Series | What::Labels => None,
        };
        let (mut listed, mut is_cut) = (Listed::new(), false);
        for selected in selections(pairs)? {
            let shown = self.read_totals(id, question(selected.matchers, by.clone())).await?;
            is_cut |= shown.folded > 0;
            for (labels, _) in &shown.rows {
                for metric in &selected.metrics {
                    list_one(&what, labels, *metric, &mut listed);
                }
            }
        }
        listing(&listed, is_cut, pairs)
    }
}

fn list_one(what: &What, labels: &Labels, metric: Metric, listed: &mut Listed) {
    match what {
        What::Series => {
            let series = Series { name: Some(metric), labels: exported_labels(labels), values: Vec::new() };
            listed.insert(object(&mut series.pairs()), 1);
        }
        What::Labels => {
            listed.insert(quoted(NAME), 1);
            for (name, _) in labels.iter() {
                listed.insert(quoted(&exported(name)), 1);
            }
        }
        What::Values(name) => {
            let value = if name == NAME { metric.name() } else { labels.value(name) };
            if !value.is_empty() {
                listed.insert(quoted(value), 1);
            }
        }
    }
}

/// What `match[]` selects; without one, all.
fn selections(pairs: &[Pair]) -> Result<Vec<Selected>, Problem> {
    let texts = values(pairs, "match");
    if texts.is_empty() {
        return Ok(vec![Selected { metrics: Metric::ALL.to_vec(), matchers: Vec::new() }]);
    }
    if texts.len() > MAX_MATCHES {
        return Err(Refusal(format!("at most {MAX_MATCHES} match[] are allowed")).into());
    }
    texts.iter().map(|text| Ok(Selected::of(&parse_selector(text)?)?)).collect()
}

fn listing(listed: &Listed, is_cut: bool, pairs: &[Pair]) -> Result<String, Problem> {
    let limit = value(pairs, "limit").map_or(Ok(0), str::parse);
    let limit = limit.map_err(|_| Refusal("invalid parameter \"limit\": it must be a whole number".to_owned()))?;
    let limit = if limit == 0 { usize::MAX } else { limit };
    let is_cut = is_cut || listed.len() > limit;
    let data: Vec<&str> = listed.keys().take(limit).map(String::as_str).collect();
    let warning = if is_cut { ",\"warnings\":[\"there are more: narrow match[]\"]" } else { "" };
    Ok(format!("{{\"status\":\"success\",\"data\":[{}]{warning}}}", data.join(",")))
}
