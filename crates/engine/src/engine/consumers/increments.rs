//! Live reading: the stream as it is, and later what was added since.
//!
//! Increments are only kept in memory, see [`Increments`].

use model::grid::Row;
pub(crate) use model::increments::Increments;
use model::query::{Collector, Query};
use store::sql::{Sql, StoreError};

use super::rollups::CELL_BYTES;
use super::{Consumer, Loading, Taken};
use crate::engine::asking::{Asking, Progress};
use crate::engine::{Engine, QueryError};

/// An answer, and its position in the stream.
#[derive(Debug, PartialEq)]
pub struct Seen {
    /// The position in the stream.
    pub position: i64,
    /// `None` if the increments since the requested position are no longer known.
    pub rows: Option<Vec<Row>>,
}

impl Consumer for Increments {
    fn load(stream: &Loading<'_, impl Sql>) -> Result<Self, StoreError> {
        Ok(Self::new(stream.limits.increments))
    }

    fn begin_row(&mut self, now_ms: i64) {
        self.expire(now_ms);
    }

    #[inline]
    fn take(&mut self, taken: &mut Taken<'_>) {
        for piece in &*taken.pieces {
            self.add(piece.layer, piece.start_s, piece.series, &piece.cell);
        }
    }

    /// Readers may have seen groups or points that no longer exist, so they get a snapshot.
    fn forget_past(&mut self) {
        self.clear();
    }

    fn kept_bytes(&self) -> usize {
        self.cells() * CELL_BYTES
    }
}

impl<S: Sql> Engine<S> {
    /// The number of points that the stream has had, and of removals: so no position before a removal equals one after
    /// it.
    #[expect(clippy::cast_possible_wrap, reason = "counts stay far below 2^53")]
    fn position(&self) -> i64 {
        self.accepted() as i64 + self.removal.id
    }

    /// From now on, keeps what is written for live readers for a while.
    pub fn watch(&mut self, now_ms: i64) {
        let position = self.position();
        self.consumers.increments.watch(position, now_ms);
    }

    /// Begins to read the current cells of a query; only for some steps, if any are given.
    pub fn look(&mut self, query: &Query, only: &[i64], now_ms: i64) -> Result<Seen, QueryError> {
        let mut asking = self.ask(query, only);
        while self.go_on_looking(query, &mut asking, usize::MAX, now_ms)? == Progress::More {}
        Ok(Seen { position: asking.position().unwrap_or_default(), rows: Some(asking.finish()?) })
    }

    /// Continues such a look until this many units are used up. Its position is that of the turn in which open buckets
    /// are read.
    pub fn go_on_looking(
        &mut self,
        query: &Query,
        asking: &mut Asking,
        left: usize,
        now_ms: i64,
    ) -> Result<Progress, QueryError> {
        let had_read_open = asking.has_read_open();
        let progress = self.go_on_asking(query, asking, left)?;
        if asking.has_read_open() && !had_read_open {
            self.watch(now_ms);
            let position = self.position();
            asking.set_position(self.consumers.increments.position(position, now_ms, true));
        }
        Ok(progress)
    }

    /// What a query's cells gained since a position.
    pub fn look_since(&mut self, query: &Query, after: i64, now_ms: i64) -> Result<Seen, QueryError> {
        self.watch(now_ms);
        let position = self.position();
        let position = self.consumers.increments.position(position, now_ms, false);
        let Some(news) = self.consumers.increments.since(after) else { return Ok(Seen { position, rows: None }) };
        let labels = self.dictionary.labels();
        let mut touched = vec![false; labels.clone().count()];
        for slot in news.clone().filter_map(|(_, _, series, _)| self.dictionary.slot(series)) {
            touched[slot] = true;
        }
        let mut collector = Collector::of_touched(query, labels, &touched);
        query.check()?;
        for (layer, start_s, series, cell) in news {
            collector.add(layer, start_s, series, cell)?;
        }
        Ok(Seen { position, rows: Some(collector.finish()?.into_rows()) })
    }
}
