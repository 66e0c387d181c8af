//! `render`: targets are evaluated until they request no more data; what they request is read in between.

use std::rc::Rc;

use graphite::error::BadRequest;
use graphite::evaluate::Evaluator;
use graphite::format;
use graphite::request::{Request, value};
use graphite::series::Series;
use graphite::stock::Stock;
use model::grid::{Grid, Row};
use model::pieces::PIECE_BYTES;
use model::sketches::Wanted;
use protocol::command::Read;
use protocol::params::QueryText;
use protocol::partial;
use protocol::partial::PartialError;

use super::zone::Zone;
use super::{Asked, Reply, naming};
use crate::edge::problem::Problem;
use crate::edge::read_memory::ReadMemory;
use crate::edge::{Exchange, StreamId, other_version};

/// The most times that targets may request further ranges, such as those of `timeShift` within another.
const MAX_ROUNDS: usize = 16;

pub(in crate::edge) async fn render(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let pairs = &Asked::of(exchange).await?.pairs;
    let zone = Zone::named(value(pairs, "tz"));
    let ahead: Rc<dyn Fn(i64) -> i64> = Rc::new(move |at_s| zone.ahead_s(at_s));
    let request = Request::parse(pairs, exchange.now_ms.div_euclid(1000), &*ahead)?;
    let config = exchange.config(id).await?;
    let naming = naming(&config);
    let mut stock = Stock::new(&naming, &config.retention, exchange.now_ms.div_euclid(1000));
    stock.latest_s = stock.latest_s.min(request.now_s);
    stock.max_points = request.max_points;
    let (mut has_read, mut kept) = (false, exchange.read_memory(&config));
    for _ in 0..MAX_ROUNDS {
        let evaluator = Evaluator::new(&mut stock, request.now_s, &*ahead);
        let mut evaluator = evaluator.with(request.x_files_factor, &request.template);
        let series = evaluator.targets(&request.targets, request.scope)?;
        let wanted = stock.take_wanted()?;
        if wanted.is_empty() {
            if !has_read {
                // Constant lines need no data, but somebody who tests a data source wants to learn of a wrong key.
                exchange.check_reader(id).await?;
            }
            drop(stock);
            let bytes = series.iter().map(Series::bytes).sum::<usize>();
            let (media_type, pieces) = format::render(&request, series, ahead)?;
            kept.resize(bytes + PIECE_BYTES).map_err(as_invalid)?;
            let reply = Reply::pieces(media_type, pieces, kept, &exchange.context);
            return Ok(reply.with("Cache-Control", "no-store"));
        }
        for query in wanted {
            let distinct = if query.sketches.distinct == 0 { Vec::new() } else { naming.distinct().to_vec() };
            let text = QueryText::new(&query.window, query.matchers.clone(), query.by.clone())
                .with_sketches(query.sketches.quantiles, distinct);
            let rows = exchange.read_rows(id, text, query.sketches, &mut kept).await?;
            stock.put(query, &rows)?;
            drop(rows);
            kept.resize(stock.bytes()).map_err(as_invalid)?;
            has_read = true;
        }
    }
    Err(BadRequest(format!("the targets read further time ranges more than {MAX_ROUNDS} times in a row: nest fewer functions such as timeShift")).into())
}

impl Exchange {
    /// The cells of all shards; their memory is added to what is already kept.
    pub(super) async fn read_rows(
        &self,
        id: &StreamId,
        query: QueryText,
        wanted: Wanted,
        kept: &mut ReadMemory,
    ) -> Result<Vec<Row>, Problem> {
        let (mut grid, before) = (Grid::new(wanted), kept.bytes());
        let mut merge = |part: &[u8]| {
            kept.resize(before + grid.bytes() + merging_bytes(part))?;
            merge_rows(part, &mut grid)?;
            kept.resize(before + grid.bytes())
        };
        self.read_all(id, Read::Rollup(query), &mut merge).await.map_err(as_invalid)?;
        Ok(grid.into_rows())
    }

    /// Continues only for readers.
    pub(super) async fn check_reader(&self, id: &StreamId) -> Result<(), Problem> {
        self.read_all(id, Read::Labels, &mut |_| Ok(())).await.map(|_| ())
    }
}

/// To Graphite's clients, 400 means that something is wrong with the request.
fn as_invalid(problem: Problem) -> Problem {
    match problem {
        Problem::QueryTooLarge(detail) => Problem::InvalidRequest(detail),
        problem => problem,
    }
}

/// The memory of a part, and as much again for the grid into which it is merged. A group of one cell has some 40 bytes
/// in the part and some 250 in the grid, which is measured again after merging.
pub(in crate::edge) const fn merging_bytes(part: &[u8]) -> usize {
    2 * part.len()
}

/// Merges the cells of a shard.
pub(in crate::edge) fn merge_rows(part: &[u8], grid: &mut Grid) -> Result<(), Problem> {
    partial::merge(part, grid).map_err(|error| match error {
        PartialError::TooLarge(error) => Problem::InvalidRequest(error.to_string()),
        PartialError::Malformed(error) => other_version(&error),
    })
}
