//! The Graphite API of a stream: Grafana's Graphite data source and other clients read it as if it were graphite-web. See
//! docs/graphite.md.

mod list;
mod render;
mod route;
mod zone;

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

pub(super) use render::{merge_rows, merging_bytes};
pub(super) use route::Route;

/// A form has at most so many bytes, as many as Grafana sends.
const MAX_FORM_BYTES: usize = 1 << 20;
/// The version whose language and answers these are.
const VERSION: &str = "1.1.10";

impl Exchange {
    pub(super) async fn act_on_graphite(&mut self, id: &StreamId, route: Route<'_>) -> Result<Reply, Problem> {
        let pairs = self.pairs().await?;
        let callback = jsonp(value(&pairs, "jsonp"))?;
        let json = |body: String| match &callback {
            Some(function) => Reply::new(200, "text/javascript", format!("{function}({body})").into_bytes()),
            None => Reply::json(200, body),
        };
        let reply = match route {
            Route::Render => self.render(id, &pairs).await?,
            Route::Find => json(self.find(id, &pairs).await?),
            Route::Expand => json(self.expand(id, &pairs).await?),
            Route::Tags => json(self.tag_list(id, &pairs).await?),
            Route::Tag(tag) => json(self.tag_values(id, tag, &pairs).await?),
            Route::CompleteTags => json(self.complete_tags(id, &pairs).await?),
            Route::CompleteValues => json(self.complete_values(id, &pairs).await?),
            Route::FindSeries => json(self.find_series(id, &pairs).await?),
            Route::Functions => {
                let is_grouped = matches!(value(&pairs, "grouped"), Some("1" | "true"));
                json(describe_all(value(&pairs, "group"), is_grouped))
            }
            Route::Function(name) => json(describe(name).ok_or(Problem::NotFound("unknown function"))?),
            Route::Version => Reply::new(200, "text/plain", VERSION.into()),
            // A stream has no events.
            Route::Events => json("[]".to_owned()),
            Route::Unknown => return Err(Problem::NotFound("there is nothing at this path of the Graphite API")),
        };
        Ok(reply.with("Cache-Control", "no-store"))
    }

    /// The parameters of query string and form, without the key.
    pub(in crate::edge) async fn pairs(&mut self) -> Result<Vec<Pair>, Problem> {
        let form = self.body(MAX_FORM_BYTES).await?;
        let all = [self.query_string().as_bytes(), &form];
        let pairs = all.into_iter().flat_map(|text| form_urlencoded::parse(text).into_owned());
        Ok(pairs.filter(|(name, _)| name != "key").collect())
    }
}

/// How a stream's series are called.
fn naming(config: &StreamConfig) -> Naming {
    let parse = |name: &str| -> Option<Aggregate> { parse_aggregates(name).ok().filter(|all| all.len() == 1)?.pop() };
    Naming::new(&config.name, &config.distinct, parse)
}

impl From<BadRequest> for Problem {
    fn from(refusal: BadRequest) -> Self {
        Self::InvalidRequest(refusal.0)
    }
}
