//! Prometheus reads a stream: it scrapes its metrics, and clients query it as if it were one. See docs/prometheus.md.

mod list;
mod query;
mod route;

use std::rc::Rc;

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
use super::kept::Kept;
use super::problem::Problem;
use super::read::fresh;
use super::reply::Reply;
use super::{Exchange, StreamId, other_version};

use list::List;
use query::Question;
pub(super) use route::Route;

/// What is to be done, when all that it reads is there.
enum Job<'a> {
    Metrics,
    Query(Box<Question<'a>>),
    List(List),
    Fixed(&'static str),
}

/// A read of all shards.
enum Ask {
    /// What series have had since the stream began.
    Totals(QueryText),
    /// Cells.
    Rows(QueryText),
}

/// What it is answered.
struct Told {
    shown: ShownTotals,
    rows: Vec<Row>,
}

impl Exchange {
    /// Does all that Prometheus and its clients ask for; the one place that reads, as each would be kilobytes.
    pub(super) async fn act_on_prometheus(&mut self, id: &StreamId, route: Route<'_>) -> Result<Reply, Problem> {
        let pairs = self.pairs().await?;
        let config = self.config(id).await?;
        let (job, mut asks) = match route {
            Route::Metrics => (Job::Metrics, vec![Ask::Totals(series_totals::parse(self.query_string())?)]),
            Route::Query { is_range } => {
                let (question, asks) = Question::new(&pairs, is_range, &config.retention, self.now_ms)?;
                (Job::Query(Box::new(question)), asks)
            }
            Route::List(what) => {
                let (list, asks) = List::new(what, &pairs)?;
                (Job::List(list), asks)
            }
            Route::Fixed(data) => (Job::Fixed(data), Vec::new()),
            Route::Unknown => return Err(Problem::NotFound("there is nothing at this path of Prometheus' API")),
        };
        if asks.is_empty() {
            // What needs no data is for readers too: whoever tests a data source wants to hear of a wrong key.
            asks.push(Ask::Totals(question(Vec::new(), Some(Vec::new()))));
        }
        let (mut told, mut held, mut text_bytes) = (Vec::with_capacity(asks.len()), 0, 0);
        let mut kept = self.kept(&config);
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
                    "more than {MAX_GRID_CELLS} values or {mib} MiB of labels are read: ask for fewer series or less time"
                );
                return Err(Problem::QueryTooLarge(detail));
            }
            told.push(Told { shown, rows });
        }
        Ok(match job {
            Job::Metrics => {
                let exposition = Exposition::accepted(&self.header("Accept").unwrap_or_default());
                let shown = Rc::new(told.swap_remove(0).shown);
                kept.grow(PIECE_BYTES)?;
                let pieces = exposition.pieces(&shown).ok_or_else(too_many_series)?;
                let reply = Reply::pieces(exposition.media_type(), pieces, kept, &self.context);
                reply.with("Cache-Control", "no-store").with("Vary", "Accept")
            }
            Job::Query(question) => {
                let text = question.answer(&told)?;
                drop(told);
                self.in_pieces(text, kept)?
            }
            Job::List(list) => {
                let text = list.answer(&told)?;
                drop(told);
                self.in_pieces(text, kept)?
            }
            Job::Fixed(data) => fresh(success(data)),
        })
    }

    /// A text that is there already: here it stays once, while the runtime gets a piece at a time.
    fn in_pieces(&self, text: String, mut kept: Kept) -> Result<Reply, Problem> {
        kept.resize(text.capacity() + PIECE_BYTES)?;
        let pieces = Pieces::of_whole(text);
        Ok(Reply::pieces("application/json", pieces, kept, &self.context).with("Cache-Control", "no-store"))
    }
}

/// What rows take when they are no grid any more.
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
        "there are more than {MAX_ROWS} series, or their labels have more than {mib} MiB or are too long to be written out: ask for fewer by `where` and `by`"
    );
    Problem::QueryTooLarge(detail)
}

/// A problem as Prometheus tells it.
pub(super) fn error_reply(problem: &Problem) -> Reply {
    // What is too large is wrong with the query, as in Prometheus.
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
