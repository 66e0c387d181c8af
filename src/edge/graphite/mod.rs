//! The Graphite API of a stream: Grafana's Graphite data source and other clients read it as they would read
//! graphite-web. See docs/graphite.md.

mod list;
mod render;
mod zone;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use config::stream::StreamConfig;
use graphite::describe::{describe, describe_all};
use graphite::error::BadRequest;
use graphite::naming::Naming;
use graphite::request::{Pair, jsonp, value};
use model::aggregate::Aggregate;
use model::aggregate_list::parse_aggregates;

use super::problem::Problem;
use super::reply::Reply;
use super::{Exchange, StreamId};

pub(super) use list::{complete_tags, complete_values, expand, find, find_series, tag_list, tag_values};
pub(super) use render::{merge_rows, merging_bytes, render};

/// The most bytes of a form; Grafana may send this many.
const MAX_FORM_BYTES: usize = 1 << 20;
/// The version of Graphite whose language and answers these are.
const VERSION: &str = "1.1.10";

/// The parameters of a request, and the JavaScript function to wrap its JSON in, if `jsonp` names one.
struct Asked {
    pairs: Vec<Pair>,
    callback: Option<String>,
}

impl Asked {
    async fn of(exchange: &mut Exchange) -> Result<Self, Problem> {
        let pairs = exchange.pairs().await?;
        let callback = jsonp(value(&pairs, "jsonp"))?;
        Ok(Self { pairs, callback })
    }

    /// An answer in JSON, or in JavaScript if there is a callback.
    fn json(&self, body: String) -> Reply {
        let reply = match &self.callback {
            Some(function) => Reply::new(200, "text/javascript", format!("{function}({body})").into_bytes()),
            None => Reply::json(200, body),
        };
        reply.with("Cache-Control", "no-store")
    }
}

pub(super) async fn functions(exchange: &mut Exchange, _: &StreamId) -> Result<Reply, Problem> {
    let asked = Asked::of(exchange).await?;
    let is_grouped = matches!(value(&asked.pairs, "grouped"), Some("1" | "true"));
    Ok(asked.json(describe_all(value(&asked.pairs, "group"), is_grouped)))
}

pub(super) async fn function(exchange: &mut Exchange, _: &StreamId, name: &str) -> Result<Reply, Problem> {
    let asked = Asked::of(exchange).await?;
    Ok(asked.json(describe(name).ok_or(Problem::NotFound("there is no such function; /functions lists all of them"))?))
}

pub(super) async fn version(exchange: &mut Exchange, _: &StreamId) -> Result<Reply, Problem> {
    Asked::of(exchange).await?;
    Ok(Reply::new(200, "text/plain", VERSION.into()).with("Cache-Control", "no-store"))
}

/// A stream has no events.
pub(super) async fn events(exchange: &mut Exchange, _: &StreamId) -> Result<Reply, Problem> {
    Ok(Asked::of(exchange).await?.json("[]".to_owned()))
}

pub(super) async fn nothing(exchange: &mut Exchange, _: &StreamId) -> Result<Reply, Problem> {
    Asked::of(exchange).await?;
    Err(Problem::NotFound("there is nothing at this path of the Graphite API"))
}

impl Exchange {
    /// The parameters in the query string and the form, without the key. Boxed, so that it is compiled once.
    pub(in crate::edge) fn pairs(&mut self) -> LocalBoxFuture<'_, Result<Vec<Pair>, Problem>> {
        let pairs = async move {
            let form = self.body(MAX_FORM_BYTES).await?;
            let all = [self.query_string().as_bytes(), &form];
            let pairs = all.into_iter().flat_map(|text| form_urlencoded::parse(text).into_owned());
            Ok(pairs.filter(|(name, _)| name != "key").collect())
        };
        pairs.boxed_local()
    }
}

/// The names of a stream's series.
fn naming(config: &StreamConfig) -> Naming {
    let parse = |name: &str| -> Option<Aggregate> { parse_aggregates(name).ok().filter(|all| all.len() == 1)?.pop() };
    Naming::new(&config.name, &config.distinct, parse)
}

impl From<BadRequest> for Problem {
    fn from(refusal: BadRequest) -> Self {
        Self::InvalidRequest(refusal.0)
    }
}
