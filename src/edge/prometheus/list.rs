//! Listings: `series`, `labels`, `label/{name}/values`, and answers that never change.

use std::collections::BTreeMap;

use graphite::request::{Pair, value, values};
use model::labels::Labels;
use prometheus::answer::{MAX_ANSWER_BYTES, object, quoted};
use prometheus::error::BadQuery;
use prometheus::metric::Metric;
use prometheus::names::{exported, imported};
use prometheus::parser::{NAME, parse_selector};
use prometheus::select::Selected;
use prometheus::value::{Series, exported_labels};
use protocol::series_totals::question;

use super::{Ask, Found, too_many_series};
use crate::edge::problem::Problem;
use crate::edge::read::percent_decoded;

/// The most `match[]` of a request.
const MAX_MATCHES: usize = 16;
/// What is listed: sorted strings, in JSON.
type Listed = BTreeMap<String, u64>;

/// What to list of the series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What<'a> {
    Series,
    Labels,
    /// The values of a label, by its name in the path.
    Values(&'a str),
}

/// A list that waits for its data.
pub(super) struct List {
    what: Kind,
    selections: Vec<Selected>,
    limit: usize,
}

enum Kind {
    Series,
    Labels,
    Values(String),
}

impl List {
    /// Parses a request's parameters; also returns the reads that the list needs.
    pub(super) fn new(what: What<'_>, pairs: &[Pair]) -> Result<(Self, Vec<Ask>), Problem> {
        if what == What::Series && values(pairs, "match").is_empty() {
            return Err(BadQuery("no match[] parameter provided".to_owned()).into());
        }
        let what = match what {
            What::Series => Kind::Series,
            What::Labels => Kind::Labels,
            What::Values(name) => Kind::Values(imported(&percent_decoded(name))),
        };
        let by = match &what {
            Kind::Values(name) if name == NAME => Some(Vec::new()),
            Kind::Values(name) => Some(vec![name.clone()]),
            Kind::Series | Kind::Labels => None,
        };
        let limit = value(pairs, "limit").map_or(Ok(0), str::parse);
        let limit = limit.map_err(|_| BadQuery("invalid parameter \"limit\": it must be a whole number".to_owned()))?;
        let limit = if limit == 0 { usize::MAX } else { limit };
        let selections = selections(pairs)?;
        let asks = selections.iter().map(|one| Ask::Totals(question(one.matchers.clone(), by.clone()))).collect();
        Ok((Self { what, selections, limit }, asks))
    }

    /// The answer, from the data that was read.
    pub(super) fn answer(&self, found: &[Found]) -> Result<String, Problem> {
        let (mut listed, mut is_cut) = (Listed::new(), false);
        for (selected, Found { shown, .. }) in self.selections.iter().zip(found) {
            is_cut |= shown.folded > 0;
            for (labels, _) in &shown.rows {
                for metric in &selected.metrics {
                    list_one(&self.what, labels, *metric, &mut listed);
                }
            }
        }
        let warning = if is_cut || listed.len() > self.limit {
            ",\"warnings\":[\"results truncated: narrow match[]\"]"
        } else {
            ""
        };
        let data: Vec<&str> = listed.keys().take(self.limit).map(String::as_str).collect();
        if data.iter().map(|text| text.len() + 1).sum::<usize>() > MAX_ANSWER_BYTES {
            return Err(too_many_series());
        }
        Ok(format!("{{\"status\":\"success\",\"data\":[{}]{warning}}}", data.join(",")))
    }
}

fn list_one(what: &Kind, labels: &Labels, metric: Metric, listed: &mut Listed) {
    match what {
        Kind::Series => {
            let series = Series { name: Some(metric), labels: exported_labels(labels), values: Vec::new() };
            listed.insert(object(&mut series.pairs()), 1);
        }
        Kind::Labels => {
            listed.insert(quoted(NAME), 1);
            for (name, _) in labels.iter() {
                listed.insert(quoted(&exported(name)), 1);
            }
        }
        Kind::Values(name) => {
            let value = if name == NAME { metric.name() } else { labels.value(name) };
            if !value.is_empty() {
                listed.insert(quoted(value), 1);
            }
        }
    }
}

/// The selections of `match[]`; without any, all series.
fn selections(pairs: &[Pair]) -> Result<Vec<Selected>, Problem> {
    let texts = values(pairs, "match");
    if texts.is_empty() {
        return Ok(vec![Selected { metrics: Metric::ALL.to_vec(), matchers: Vec::new() }]);
    }
    if texts.len() > MAX_MATCHES {
        return Err(BadQuery(format!("at most {MAX_MATCHES} match[] are allowed")).into());
    }
    texts.iter().map(|text| Ok(Selected::of(&parse_selector(text)?)?)).collect()
}
