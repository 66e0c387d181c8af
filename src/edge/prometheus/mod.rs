//! The Prometheus API of a stream: Prometheus scrapes its metrics, and clients query it as they would query Prometheus.
//! See docs/prometheus.md.

mod list;
mod query;

use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use config::stream::StreamConfig;
use graphite::request::Pair;
use model::grid::{Grid, MAX_GRID_CELLS, Row};
use model::pieces::{PIECE_BYTES, Pieces};
use model::sketches::Wanted;
use model::total::ShownTotals;
use prometheus::answer::{failure, success};
use prometheus::error::BadQuery;
use prometheus::exposition::{Exposition, MAX_ROWS, MAX_TEXT_BYTES};
use protocol::command::Read;
use protocol::params::QueryText;
use protocol::series_totals;
use protocol::series_totals::question;

use super::graphite::{merge_rows, merging_bytes};
use super::problem::Problem;
use super::read::fresh;
use super::read_memory::ReadMemory;
use super::reply::Reply;
use super::{Exchange, StreamId, other_version};

use list::{List, What};
use query::Question;

/// See [`build_info`].
const BUILD_INFO: &str =
    r#"{"version":"2.42.0","revision":"heartbeat","branch":"","buildUser":"","buildDate":"","goVersion":""}"#;
/// See [`metadata`].
const METADATA: &str = r#"{"heartbeat_d_total":[{"type":"counter","help":"Sum of d of all points since the stream began.","unit":""}],"heartbeat_n_total":[{"type":"counter","help":"Sum of n of all points since the stream began.","unit":""}],"heartbeat_points_total":[{"type":"counter","help":"Number of points since the stream began.","unit":""}]}"#;

/// A read of all shards.
enum Ask {
    /// The totals of series since the stream began.
    Totals(QueryText),
    /// Cells.
    Rows(QueryText),
}

/// The data that a read returned.
struct Found {
    shown: ShownTotals,
    rows: Vec<Row>,
}

/// The totals that Prometheus scrapes.
pub(super) async fn read_metrics(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let (_, config) = exchange.open(id).await?;
    let mut kept = exchange.read_memory(&config);
    let asks = vec![Ask::Totals(series_totals::parse(exchange.query_string())?)];
    let mut found = exchange.read_asks(id, asks, &mut kept).await?;
    let exposition = Exposition::accepted(&exchange.header("Accept").unwrap_or_default());
    let shown = Rc::new(found.swap_remove(0).shown);
    kept.grow(PIECE_BYTES)?;
    let pieces = exposition.pieces(&shown).ok_or_else(too_many_series)?;
    let reply = Reply::pieces(exposition.media_type(), pieces, kept, &exchange.context);
    Ok(reply.with("Cache-Control", "no-store").with("Vary", "Accept"))
}

pub(super) async fn query(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    exchange.evaluated(id, false).await
}

pub(super) async fn query_range(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    exchange.evaluated(id, true).await
}

pub(super) async fn series(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    exchange.listed(id, What::Series).await
}

pub(super) async fn labels(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    exchange.listed(id, What::Labels).await
}

pub(super) async fn label_values(exchange: &mut Exchange, id: &StreamId, name: &str) -> Result<Reply, Problem> {
    exchange.listed(id, What::Values(name)).await
}

/// The type and meaning of each metric.
pub(super) async fn metadata(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    exchange.fixed(id, METADATA).await
}

/// The version, from which clients infer the supported parts of the API.
pub(super) async fn build_info(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    exchange.fixed(id, BUILD_INFO).await
}

pub(super) async fn rules(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    exchange.fixed(id, r#"{"groups":[]}"#).await
}

pub(super) async fn alerts(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    exchange.fixed(id, r#"{"alerts":[]}"#).await
}

pub(super) async fn exemplars(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    exchange.fixed(id, "[]").await
}

pub(super) async fn nothing(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    exchange.open(id).await?;
    Err(Problem::NotFound("there is nothing at this path of Prometheus' API"))
}

/// A request's parameters and the configuration of its stream.
type Opened = (Vec<Pair>, Rc<StreamConfig>);

impl Exchange {
    /// Reads the parameters and the stream's configuration. Boxed, so that it is compiled once.
    fn open<'a>(&'a mut self, id: &'a StreamId) -> LocalBoxFuture<'a, Result<Opened, Problem>> {
        async move { Ok((self.pairs().await?, self.config(id).await?)) }.boxed_local()
    }

    async fn evaluated(&mut self, id: &StreamId, is_range: bool) -> Result<Reply, Problem> {
        let (pairs, config) = self.open(id).await?;
        let mut kept = self.read_memory(&config);
        let (question, asks) = Question::new(&pairs, is_range, &config.retention, self.now_ms)?;
        let found = self.read_asks(id, asks, &mut kept).await?;
        let text = question.answer(&found)?;
        drop(found);
        self.in_pieces(text, kept)
    }

    async fn listed(&mut self, id: &StreamId, what: What<'_>) -> Result<Reply, Problem> {
        let (pairs, config) = self.open(id).await?;
        let mut kept = self.read_memory(&config);
        let (list, asks) = List::new(what, &pairs)?;
        let found = self.read_asks(id, asks, &mut kept).await?;
        let text = list.answer(&found)?;
        drop(found);
        self.in_pieces(text, kept)
    }

    /// An answer that is the same for all streams.
    async fn fixed(&mut self, id: &StreamId, data: &'static str) -> Result<Reply, Problem> {
        let (_, config) = self.open(id).await?;
        self.read_asks(id, Vec::new(), &mut self.read_memory(&config)).await?;
        Ok(fresh(success(data)))
    }

    /// Reads from all shards. Boxed, so that it is compiled once: each copy would take kilobytes.
    fn read_asks<'a>(
        &'a self,
        id: &'a StreamId,
        asks: Vec<Ask>,
        kept: &'a mut ReadMemory,
    ) -> LocalBoxFuture<'a, Result<Vec<Found>, Problem>> {
        self.read_each(id, asks, kept).boxed_local()
    }

    async fn read_each(&self, id: &StreamId, mut asks: Vec<Ask>, kept: &mut ReadMemory) -> Result<Vec<Found>, Problem> {
        if asks.is_empty() {
            // A query that needs no data is only for readers too: somebody who tests a data source wants to learn of a
            // wrong key.
            asks.push(Ask::Totals(question(Vec::new(), Some(Vec::new()))));
        }
        let (mut found, mut held, mut text_bytes) = (Vec::with_capacity(asks.len()), 0, 0);
        for ask in asks {
            let (mut shown, mut grid) = (ShownTotals::default(), Grid::new(Wanted::default()));
            let (what, has_totals) = match ask {
                Ask::Totals(text) => (Read::Totals(text), true),
                Ask::Rows(text) => (Read::Rollup(text), false),
            };
            let before = kept.bytes();
            let mut merge = |part: &[u8]| {
                kept.resize(before + grid.bytes() + shown.bytes() + merging_bytes(part))?;
                if has_totals { merge_totals(part, &mut shown) } else { merge_rows(part, &mut grid) }?;
                kept.resize(before + grid.bytes() + shown.bytes())
            };
            self.read_all(id, what, &mut merge).await?;
            let rows = grid.into_rows();
            kept.resize(before + shown.bytes() + rows_bytes(&rows))?;
            held += shown.rows.len() + rows.iter().map(|(_, cells)| cells.len()).sum::<usize>();
            text_bytes += shown.text_bytes + rows.iter().map(|(labels, _)| labels.as_str().len()).sum::<usize>();
            if held > MAX_GRID_CELLS || text_bytes > MAX_TEXT_BYTES {
                let mib = MAX_TEXT_BYTES >> 20;
                let detail = format!(
                    "more than {MAX_GRID_CELLS} values or {mib} MiB of labels would be read: select fewer series or a shorter time range"
                );
                return Err(Problem::QueryTooLarge(detail));
            }
            found.push(Found { shown, rows });
        }
        Ok(found)
    }

    /// Sends a string that is already complete: it stays in memory once, and the runtime gets a piece at a time.
    fn in_pieces(&self, text: String, mut kept: ReadMemory) -> Result<Reply, Problem> {
        kept.resize(text.capacity() + PIECE_BYTES)?;
        let pieces = Pieces::of_whole(text);
        Ok(Reply::pieces("application/json", pieces, kept, &self.context).with("Cache-Control", "no-store"))
    }
}

/// The memory of rows outside their grid.
fn rows_bytes(rows: &[Row]) -> usize {
    let row = |(labels, cells): &Row| {
        size_of::<Row>() * 3 / 2 + labels.as_str().len() + cells.capacity() * size_of_val(&cells[0])
    };
    rows.iter().map(row).sum()
}

fn merge_totals(part: &[u8], shown: &mut ShownTotals) -> Result<(), Problem> {
    series_totals::merge(part, shown).map_err(|error| other_version(&error))?;
    if shown.rows.len() <= MAX_ROWS && shown.text_bytes <= MAX_TEXT_BYTES {
        return Ok(());
    }
    Err(too_many_series())
}

fn too_many_series() -> Problem {
    let mib = MAX_TEXT_BYTES >> 20;
    let detail = format!(
        "there are more than {MAX_ROWS} series, or their labels have more than {mib} MiB or are too long to be written out: select fewer with `where` and `by`"
    );
    Problem::QueryTooLarge(detail)
}

/// A problem in Prometheus' form.
pub(super) fn error_reply(problem: &Problem) -> Reply {
    // As in Prometheus, a query that is too large is an invalid query.
    let status = if matches!(problem, Problem::QueryTooLarge(_)) { 400 } else { problem.status() };
    let kind = match status {
        401 | 403 => "unauthorized",
        404 => "not_found",
        429 | 503 => "unavailable",
        500 => "internal",
        _ => "bad_data",
    };
    let reply = Reply::json(status, failure(kind, problem.detail())).with("Cache-Control", "no-store");
    problem.with_headers(reply)
}

impl From<BadQuery> for Problem {
    fn from(refusal: BadQuery) -> Self {
        Self::InvalidRequest(refusal.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::metric::Metric;

    #[test]
    fn metadata_matches_the_metrics() {
        let entry = |metric: &Metric| serde_json::json!([{"type": "counter", "help": metric.help(), "unit": ""}]);
        let metadata = Metric::ALL.iter().map(|metric| (metric.name().to_owned(), entry(metric)));
        let metadata: serde_json::Map<String, serde_json::Value> = metadata.collect();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(METADATA).expect("JSON"),
            serde_json::Value::from(metadata)
        );
    }
}
