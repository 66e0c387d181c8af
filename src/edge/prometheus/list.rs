//! What there is: `series`, `labels`, `label/{name}/values` and what is always the same.

use std::collections::BTreeMap;

use crate::domain::labels::Labels;
use crate::graphite::request::{Pair, value, values};
use crate::prometheus::answer::{object, quoted, success};
use crate::prometheus::error::Refusal;
use crate::prometheus::metric::Metric;
use crate::prometheus::names::{exported, imported};
use crate::prometheus::parser::{NAME, parse_selector};
use crate::prometheus::select::Selected;
use crate::wire::totals::question;

use super::Exchange;
use crate::edge::StreamId;
use crate::edge::problem::Problem;
use crate::edge::read::percent_decoded;

/// A request has at most so many `match[]`.
const MAX_MATCHES: usize = 16;
/// What clients ask to know which parts of the API there are.
pub(super) const BUILD_INFO: &str =
    r#"{"version":"2.42.0","revision":"heartbeat","branch":"","buildUser":"","buildDate":"","goVersion":""}"#;

/// What is listed: sorted texts, which are JSON.
type Listed = BTreeMap<String, u64>;

impl Exchange {
    pub(super) async fn list_series(&self, id: &StreamId, pairs: &[Pair]) -> Result<String, Problem> {
        if values(pairs, "match").is_empty() {
            return Err(Refusal("no match[] parameter provided".to_owned()).into());
        }
        let (mut listed, mut is_cut) = (Listed::new(), false);
        for selected in selections(pairs)? {
            is_cut |= self
                .each_of(id, &selected, None, &mut |labels| {
                    for metric in &selected.metrics {
                        let pairs: Vec<(String, &str)> =
                            labels.iter().map(|(name, value)| (exported(name), value)).collect();
                        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), *value));
                        listed.insert(object(std::iter::once((NAME, metric.name())).chain(pairs)), 1);
                    }
                })
                .await?;
        }
        listing(listed, is_cut, pairs)
    }

    pub(super) async fn list_labels(&self, id: &StreamId, pairs: &[Pair]) -> Result<String, Problem> {
        let (mut listed, mut is_cut) = (Listed::new(), false);
        for selected in selections(pairs)? {
            is_cut |= self
                .each_of(id, &selected, None, &mut |labels| {
                    listed.insert(quoted(NAME), 1);
                    for (name, _) in labels.iter() {
                        listed.insert(quoted(&exported(name)), 1);
                    }
                })
                .await?;
        }
        listing(listed, is_cut, pairs)
    }

    pub(super) async fn list_label_values(&self, id: &StreamId, name: &str, pairs: &[Pair]) -> Result<String, Problem> {
        let name = imported(&percent_decoded(name));
        let (mut listed, mut is_cut) = (Listed::new(), false);
        for selected in selections(pairs)? {
            let is_name = name == NAME;
            let by = if is_name { Vec::new() } else { vec![name.clone()] };
            is_cut |= self
                .each_of(id, &selected, Some(by), &mut |labels| {
                    if is_name {
                        listed.extend(selected.metrics.iter().map(|metric| (quoted(metric.name()), 1)));
                    } else if !labels.value(&name).is_empty() {
                        listed.insert(quoted(labels.value(&name)), 1);
                    }
                })
                .await?;
        }
        listing(listed, is_cut, pairs)
    }

    /// Each group of series that is selected. Whether some are left out, as there are too many.
    async fn each_of(
        &self,
        id: &StreamId,
        selected: &Selected,
        by: Option<Vec<String>>,
        each: &mut dyn FnMut(&Labels),
    ) -> Result<bool, Problem> {
        let shown = self.read_totals(id, question(selected.matchers.clone(), by)).await?;
        if !selected.metrics.is_empty() {
            shown.rows.iter().for_each(|(labels, _)| each(labels));
        }
        Ok(shown.folded > 0)
    }

    /// What is the same for all streams, for those who may read this one.
    pub(super) async fn static_answer(&self, id: &StreamId, data: &str) -> Result<String, Problem> {
        self.check_reader(id).await?;
        Ok(success(data))
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

fn listing(listed: Listed, is_cut: bool, pairs: &[Pair]) -> Result<String, Problem> {
    let limit = value(pairs, "limit").map_or(Ok(0), str::parse);
    let limit = limit.map_err(|_| Refusal("invalid parameter \"limit\": it must be a whole number".to_owned()))?;
    let limit = if limit == 0 { usize::MAX } else { limit };
    let is_cut = is_cut || listed.len() > limit;
    let data: Vec<String> = listed.into_keys().take(limit).collect();
    let warning = if is_cut { ",\"warnings\":[\"there are more: narrow match[]\"]" } else { "" };
    Ok(format!("{{\"status\":\"success\",\"data\":[{}]{warning}}}", data.join(",")))
}

/// What the metrics are.
pub(super) fn metadata(pairs: &[Pair]) -> String {
    let wanted = value(pairs, "metric").unwrap_or_default();
    let metrics = Metric::ALL.iter().filter(|metric| wanted.is_empty() || metric.name() == wanted);
    let entries: Vec<String> = metrics
        .map(|metric| {
            let what = object([("type", "counter"), ("help", metric.help()), ("unit", "")].into_iter());
            format!("{}:[{what}]", quoted(metric.name()))
        })
        .collect();
    format!("{{{}}}", entries.join(","))
}
