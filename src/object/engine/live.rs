//! What live readers ask: the stream as it is, and later what came since.

use rustc_hash::FxHashSet;

use crate::domain::grid::Row;
use crate::domain::open::SeriesId;
use crate::domain::query::{Collector, Query};
use crate::store::sql::Sql;

use super::{Engine, QueryError};

/// An answer, and the position in the stream that it is of.
#[derive(Debug, PartialEq)]
pub(in crate::object) struct Seen {
    pub(in crate::object) position: u64,
    /// `None` when what came since the position that was asked for is not known any more.
    pub(in crate::object) rows: Option<Vec<Row>>,
}

impl<S: Sql> Engine<S> {
    /// From now on, what is written is kept for live readers for a while.
    pub(in crate::object) fn watch(&mut self, now_ms: i64) {
        self.increments.watch(self.totals.accepted, now_ms);
    }

    /// The cells that a query asks for as they are; of only some steps, if there are any.
    pub(in crate::object) fn look(&mut self, query: &Query, only: &[i64], now_ms: i64) -> Result<Seen, QueryError> {
        self.watch(now_ms);
        let rows = if only.is_empty() { self.query(query)? } else { self.query_only(query, only)? };
        let position = self.increments.position(self.totals.accepted, now_ms, true);
        Ok(Seen { position, rows: Some(rows) })
    }

    /// What a query's cells got since a position.
    pub(in crate::object) fn look_since(&mut self, query: &Query, after: u64, now_ms: i64) -> Result<Seen, QueryError> {
        self.watch(now_ms);
        let position = self.increments.position(self.totals.accepted, now_ms, false);
        let Some(news) = self.increments.since(after) else { return Ok(Seen { position, rows: None }) };
        let touched: FxHashSet<SeriesId> = news.clone().map(|(_, _, series, _)| series).collect();
        let labels = self.dictionary.labels().iter();
        let mut collector = Collector::of_touched(query, labels, |series| touched.contains(&series));
        for (layer, start_s, series, cell) in news {
            collector.add(layer, start_s, series, cell)?;
        }
        Ok(Seen { position, rows: Some(collector.finish()?.into_rows()) })
    }
}
