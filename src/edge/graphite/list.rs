//! Listings: `metrics/find`, `metrics/expand` and `tags`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use answers::merged::{Names, Values};
use graphite::catalogue::{MAX_LIMIT, NodeQuery, TreeNode, completer_json, limit, listed, tree_json};
use graphite::error::BadRequest;
use graphite::evaluate::Leaf;
use graphite::leaf::Selection;
use graphite::naming::{node, tag, tag_value};
use graphite::request::{Pair, value, values};
use graphite::series::Tags;
use graphite::tags::TagExpression;
use graphite::time::parse_time;
use model::budget::Budget;
use model::pattern::MAX_STEPS;
use model::sketches::Wanted;
use model::window::Window;
use protocol::command::Read;
use protocol::params::{QueryText, ValuesParams};

use super::{Asked, naming};
use crate::edge::problem::Problem;
use crate::edge::reply::Reply;
use crate::edge::{Exchange, StreamId, internal, other_version};

const DAY_S: i64 = 86_400;
/// Without a time range, series of this long ago are listed.
const LISTED_S: i64 = 30 * DAY_S;
/// The most labels for which the tree is listed at a time.
const MAX_LABELS_AT_ONCE: usize = 16;

pub(in crate::edge) async fn find(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let asked = Asked::of(exchange).await?;
    let pairs = &asked.pairs;
    let query = value(pairs, "query").ok_or_else(|| BadRequest("Missing required parameter 'query'".to_owned()))?;
    let is_completer = value(pairs, "format") == Some("completer");
    let query = if is_completer && !query.ends_with('*') { format!("{query}*") } else { query.to_owned() };
    let found = exchange.found(id, &query).await?;
    let answer = match value(pairs, "format").unwrap_or("treejson") {
        "treejson" => tree_json(&found),
        "completer" => completer_json(&found),
        "json" => found.iter().map(|one| json!({"path": one.path, "is_leaf": one.is_leaf})).collect(),
        "nodelist" => json!({"nodes": listed(found.into_iter().map(|one| last(&one.path)), "", MAX_LIMIT)}),
        other => {
            return Err(BadRequest(format!(
                "unknown format {other:?}; supported are treejson, completer, json and nodelist"
            ))
            .into());
        }
    };
    Ok(asked.json(answer.to_string()))
}

pub(in crate::edge) async fn expand(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let asked = Asked::of(exchange).await?;
    let pairs = &asked.pairs;
    let leaves_only = value(pairs, "leavesOnly") == Some("1");
    let mut by_query = BTreeMap::new();
    for query in values(pairs, "query").into_iter().take(MAX_LABELS_AT_ONCE) {
        let mut found = exchange.found(id, &query).await?;
        found.retain(|one| one.is_leaf || !leaves_only);
        by_query.insert(query, found.into_iter().map(|one| one.path).collect::<Vec<_>>());
    }
    let results = if value(pairs, "groupByExpr") == Some("1") {
        json!(by_query)
    } else {
        listed(by_query.into_values().flatten(), "", usize::MAX)
    };
    Ok(asked.json(json!({ "results": results }).to_string()))
}

pub(in crate::edge) async fn tag_list(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let asked = Asked::of(exchange).await?;
    let pairs = &asked.pairs;
    let tags = exchange.all_tags(id).await?;
    let filter = filter("tag", pairs)?;
    let limit = list_limit(pairs)?;
    let wanted = tags.iter().filter(|tag| filter.as_ref().is_none_or(|filter| filter.accepts_value(tag)));
    let listed: Value = wanted.take(limit).map(|tag| json!({ "tag": tag })).collect();
    filter.iter().try_for_each(TagExpression::check)?;
    Ok(asked.json(listed.to_string()))
}

pub(in crate::edge) async fn tag_values(exchange: &mut Exchange, id: &StreamId, name: &str) -> Result<Reply, Problem> {
    let asked = Asked::of(exchange).await?;
    let pairs = &asked.pairs;
    let (filter, limit) = (filter("value", pairs)?, list_limit(pairs)?);
    let name = form_urlencoded::parse(format!("tag={}", name.replace('+', "%2B")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, tag)| tag.into_owned());
    if !exchange.all_tags(id).await?.contains(&name) {
        return Ok(asked.json("null".to_owned()));
    }
    let values = exchange.values_of(id, &name, "", MAX_LIMIT).await?;
    let values =
        values.into_iter().filter(|(value, _)| filter.as_ref().is_none_or(|filter| filter.accepts_value(value)));
    let values: Value = values.take(limit).map(|(value, count)| json!({"value": value, "count": count})).collect();
    filter.iter().try_for_each(TagExpression::check)?;
    Ok(asked.json(json!({"tag": name, "values": values}).to_string()))
}

pub(in crate::edge) async fn complete_tags(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let asked = Asked::of(exchange).await?;
    let pairs = &asked.pairs;
    let (prefix, limit) = (value(pairs, "tagPrefix").unwrap_or_default(), limit(value(pairs, "limit"))?);
    let expressions = values(pairs, "expr");
    let searched: Vec<String> =
        expressions.iter().map(|text| TagExpression::parse(text).map(|one| one.tag)).collect::<Result<_, _>>()?;
    let tags = if needs_series(&expressions)? {
        let all = exchange.tagged(id, &expressions, pairs).await?;
        all.into_values().flat_map(Tags::into_keys).collect()
    } else if exchange.has_name(id, &expressions).await? {
        exchange.all_tags(id).await?
    } else {
        Vec::new()
    };
    Ok(asked.json(listed(tags.into_iter().filter(|tag| !searched.contains(tag)), prefix, limit).to_string()))
}

pub(in crate::edge) async fn complete_values(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let asked = Asked::of(exchange).await?;
    let pairs = &asked.pairs;
    let name = value(pairs, "tag").filter(|tag| !tag.is_empty());
    let Some(name) = name else { return Err(BadRequest("no tag specified".to_owned()).into()) };
    let (prefix, limit) = (value(pairs, "valuePrefix").unwrap_or_default(), limit(value(pairs, "limit"))?);
    let expressions = values(pairs, "expr");
    if name != "name" && needs_series(&expressions)? {
        let all = exchange.tagged(id, &expressions, pairs).await?;
        let values = all.into_values().filter_map(|mut tags| tags.remove(name));
        return Ok(asked.json(listed(values, prefix, limit).to_string()));
    }
    if name != "name" && !exchange.has_name(id, &expressions).await? {
        return Ok(asked.json("[]".to_owned()));
    }
    let mut values = exchange.values_of(id, name, prefix, MAX_LIMIT).await?;
    if name == "name" {
        // Every series has every aggregate, so conditions on labels do not matter.
        let budget = Budget::new(MAX_STEPS);
        let parsed = expressions.iter().map(|text| Ok(TagExpression::parse(text)?.sharing(&budget)));
        let names = parsed.collect::<Result<Vec<_>, BadRequest>>()?;
        let names: Vec<TagExpression> = names.into_iter().filter(|one| one.tag == "name").collect();
        values.retain(|value, _| names.iter().all(|one| one.accepts_value(value)));
        names.iter().try_for_each(TagExpression::check)?;
    }
    Ok(asked.json(listed(values.into_keys(), prefix, limit).to_string()))
}

pub(in crate::edge) async fn find_series(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let asked = Asked::of(exchange).await?;
    let pairs = &asked.pairs;
    let expressions = values(pairs, "expr");
    if expressions.is_empty() {
        return Err(BadRequest("no tag expressions specified".to_owned()).into());
    }
    let all = exchange.tagged(id, &expressions, pairs).await?;
    Ok(asked.json(listed(all.into_keys(), "", usize::MAX).to_string()))
}

impl Exchange {
    async fn found(&self, id: &StreamId, query: &str) -> Result<Vec<TreeNode>, Problem> {
        let naming = naming(&*self.config(id).await?);
        let find = NodeQuery::parse(query, &naming)?;
        let mut labels = Vec::new();
        let names = self.label_names(id).await?;
        if let Some(pattern) = find.labels(&naming) {
            for name in names.into_iter().filter(|name| pattern.accepts(&node(name))).take(MAX_LABELS_AT_ONCE) {
                let is_wanted = find.values(&naming).is_some();
                let values = if is_wanted { self.label_values(id, &name, "", MAX_LIMIT).await? } else { Vec::new() };
                labels.push((name, values));
            }
        }
        Ok(find.found(&naming, &labels))
    }

    /// Series that match all expressions within the requested range, or within a month, by path.
    async fn tagged(
        &self,
        id: &StreamId,
        expressions: &[String],
        pairs: &[Pair],
    ) -> Result<BTreeMap<String, Tags>, Problem> {
        let config = self.config(id).await?;
        let (naming, mut kept) = (naming(&config), self.read_memory(&config));
        let leaf = Leaf::Tags(expressions.to_vec());
        let Some(selection) = Selection::of(&leaf, &naming, &Budget::new(MAX_STEPS))? else {
            return Ok(BTreeMap::new());
        };
        let now_s = self.now_ms.div_euclid(1000);
        let time =
            |name| value(pairs, name).filter(|text| !text.is_empty()).map(|text| parse_time(text, now_s, &|_| 0));
        let from_s = time("from").transpose()?.unwrap_or(now_s - LISTED_S).clamp(0, now_s);
        let until_s = time("until").transpose()?.unwrap_or(now_s).clamp(from_s, now_s);
        // One or two steps, as only the labels matter.
        let step_s = ((until_s - from_s) / DAY_S + 1) * DAY_S;
        let window = Window::aligned(from_s / step_s * step_s, (until_s / step_s + 1) * step_s, step_s);
        let window = window.map_err(|error| internal(&error))?;
        let query = QueryText::new(&window, selection.matchers.clone(), None);
        let rows = self.read_rows(id, query, Wanted::default(), &mut kept).await?;
        Ok(selection.tags(&rows)?)
    }

    /// Whether expressions that only concern names accept a name of this stream.
    async fn has_name(&self, id: &StreamId, expressions: &[String]) -> Result<bool, Problem> {
        let naming = naming(&*self.config(id).await?);
        let leaf = Leaf::Tags(expressions.to_vec());
        Ok(expressions.is_empty() || Selection::of(&leaf, &naming, &Budget::new(MAX_STEPS))?.is_some())
    }

    /// All tags, sorted.
    async fn all_tags(&self, id: &StreamId) -> Result<Vec<String>, Problem> {
        let mut tags: Vec<String> = self.label_names(id).await?.iter().map(|name| tag(name)).collect();
        tags.push("name".to_owned());
        tags.sort_unstable();
        tags.dedup();
        Ok(tags)
    }

    /// The values of a tag, each with its number of series, sorted.
    async fn values_of(
        &self,
        id: &StreamId,
        name: &str,
        prefix: &str,
        limit: usize,
    ) -> Result<BTreeMap<String, u64>, Problem> {
        if name == "name" {
            self.check_reader(id).await?;
            let naming = naming(&*self.config(id).await?);
            let mut all = BTreeMap::new();
            for aggregate in naming.aggregates() {
                all.insert(naming.name(&aggregate), 1);
            }
            return Ok(all);
        }
        let labels = self.label_names(id).await?;
        let mut all = BTreeMap::new();
        // An underscore may stand for a replaced character, so only what precedes the first one is compared.
        let prefix = prefix.split('_').next().unwrap_or_default();
        for label in labels.iter().filter(|label| tag(label) == name) {
            for value in self.label_values(id, label, prefix, limit).await? {
                *all.entry(tag_value(&value)).or_default() += 1;
            }
        }
        Ok(all)
    }

    async fn label_names(&self, id: &StreamId) -> Result<Vec<String>, Problem> {
        let mut names = Names::default();
        self.read_all(id, Read::Labels, &mut |part| names.merge(part).map_err(|error| other_version(&error))).await?;
        texts(&names.into_json(), "labels", "name")
    }

    async fn label_values(
        &self,
        id: &StreamId,
        name: &str,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<String>, Problem> {
        let params = ValuesParams { prefix: prefix.to_owned(), limit };
        let mut values = Values::new(name, limit);
        let mut merge = |part: &[u8]| values.merge(part).map_err(|error| other_version(&error));
        self.read_all(id, Read::LabelValues { name: name.to_owned(), params }, &mut merge).await?;
        texts(&values.into_json(), "values", "value")
    }
}

/// The strings under a key in a list of objects.
fn texts(json: &str, list: &str, key: &str) -> Result<Vec<String>, Problem> {
    let json = json::value::parse(json.as_bytes()).map_err(|error| internal(&error))?;
    let entries = json[list].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(entries.iter().filter_map(|entry| entry[key].as_str()).map(str::to_owned).collect())
}

/// Whether expressions refer to tags other than the name.
fn needs_series(expressions: &[String]) -> Result<bool, BadRequest> {
    let all = expressions.iter().map(|text| TagExpression::parse(text)).collect::<Result<Vec<_>, _>>()?;
    Ok(all.iter().any(|one| one.tag != "name"))
}

fn filter(name: &str, pairs: &[Pair]) -> Result<Option<TagExpression>, BadRequest> {
    value(pairs, "filter").map(|pattern| TagExpression::parse(&format!("{name}=~{pattern}"))).transpose()
}

fn list_limit(pairs: &[Pair]) -> Result<usize, BadRequest> {
    limit(Some(value(pairs, "limit").unwrap_or("0")))
}

fn last(path: &str) -> String {
    path.rsplit('.').next().unwrap_or_default().to_owned()
}
