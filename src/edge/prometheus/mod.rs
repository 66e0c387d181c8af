//! Prometheus reads a stream: it scrapes its metrics, and clients query it as if it were one. See docs/prometheus.md.

mod list;
mod query;
mod route;

use crate::domain::total::Shown;
use crate::prometheus::answer::{failure, success};
use crate::prometheus::error::Refusal;
use crate::prometheus::exposition::{Exposition, MAX_ROWS};
use crate::prometheus::names::imported;
use crate::wire::command::Read;
use crate::wire::params::QueryText;
use crate::wire::totals;

use super::problem::Problem;
use super::read::{fresh, percent_decoded};
use super::reply::Reply;
use super::{Exchange, StreamId, internal};

use list::What;
pub(super) use route::Route;

impl Exchange {
    pub(super) async fn act_on_prometheus(&mut self, id: &StreamId, route: Route<'_>) -> Result<Reply, Problem> {
        let pairs = self.pairs().await?;
        let what = match route {
            Route::Query { is_range } => {
                let body = self.query(id, is_range, &pairs).await?;
                return Ok(fresh(body));
            }
            Route::Series => What::Series,
            Route::Labels => What::Labels,
            Route::LabelValues(name) => What::Values(imported(&percent_decoded(name))),
            Route::Fixed(data) => {
                self.check_reader(id).await?;
                return Ok(fresh(success(data)));
            }
            Route::Unknown => return Err(Problem::NotFound("there is nothing at this path of Prometheus' API")),
        };
        Ok(fresh(self.list(id, what, &pairs).await?))
    }

    pub(super) async fn read_metrics(&self, id: &StreamId) -> Result<Reply, Problem> {
        let text = totals::parse(self.query_string())?;
        let shown = self.read_totals(id, text).await?;
        let exposition = Exposition::accepted(&self.header("Accept").unwrap_or_default());
        let reply = Reply::new(200, exposition.media_type(), exposition.render(&shown).into_bytes());
        Ok(reply.with("Cache-Control", "no-store").with("Vary", "Accept"))
    }

    /// What series have had since the stream began, of all shards.
    pub(super) async fn read_totals(&self, id: &StreamId, text: QueryText) -> Result<Shown, Problem> {
        let mut shown = Shown::default();
        let mut merge = |part: &[u8]| {
            totals::merge(part, &mut shown).map_err(|error| internal(&error))?;
            if shown.rows.len() <= MAX_ROWS {
                return Ok(());
            }
            let detail = format!("there are more than {MAX_ROWS} series: ask for fewer by `where` and `by`");
            Err(Problem::QueryTooLarge(detail))
        };
        self.read_all(id, Read::Totals(text), &mut merge).await?;
        Ok(shown)
    }
}

/// A problem as Prometheus tells it.
pub(super) fn error_reply(problem: &Problem) -> Reply {
    let status = problem.status();
    let kind = match status {
        400 | 405 | 413 | 415 => "bad_data",
        401 | 403 => "unauthorized",
        404 => "not_found",
        422 => "execution",
        429 | 503 => "unavailable",
        _ => "internal",
    };
    let reply = Reply::json(status, failure(kind, problem.detail())).with("Cache-Control", "no-store");
    match problem.header() {
        Some((name, value)) => reply.with(name, value),
        None => reply,
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::InvalidRequest(refusal.0)
    }
}
