//! One look of a live reader at all shards: the queries of each round, and the resulting message.
//!
//! The first round asks for changes since a cursor. If a shard no longer knows them, all shards are asked for the
//! whole: a snapshot. Aggregates that are not additive (extent, quantiles, distinct counts) are also requested as a
//! whole, in the steps that changed. They may then be newer than the cursor, which is harmless, as they replace
//! what the reader has.

use std::collections::BTreeMap;

use model::aggregate::Aggregate;
use model::grid::Grid;
use model::sketches::Wanted;
use model::window::Window;

use super::live::{Block, Message, TooManyGroups, delta, is_whole, snapshot};
use protocol::live_params::{LiveCursor, LiveQuery};
use protocol::live_part;
use protocol::params::QueryText;
use protocol::partial;
use protocol::refusal::Refusal;

/// See the module's documentation. Ask, add each shard's answer, end the round; repeat until there is a message.
pub struct Look<'a> {
    query: &'a LiveQuery,
    aggregates: Vec<Aggregate>,
    now_ms: i64,
    round: Round,
    window: Window,
    grid: Grid,
    positions: BTreeMap<u16, i64>,
    is_gone: bool,
}

enum Round {
    Changes(LiveCursor),
    /// The changes, and the times of their steps.
    Whole(Block, Vec<i64>, LiveCursor),
    Snapshot,
    Done(Message),
}

impl<'a> Look<'a> {
    /// A look at the changes after a cursor, or at the whole.
    ///
    /// # Errors
    /// If the window is invalid.
    pub fn new(query: &'a LiveQuery, after: LiveCursor, now_ms: i64) -> Result<Self, Refusal> {
        let round = if after.0.is_empty() { Round::Snapshot } else { Round::Changes(after) };
        let window = if matches!(round, Round::Snapshot) { query.snapshot(now_ms) } else { query.changes(now_ms) };
        let (positions, aggregates) = (BTreeMap::new(), query.aggregates());
        let grid = Grid::new(Wanted::default());
        let mut look = Self { query, aggregates, now_ms, round, window: window?, grid, positions, is_gone: false };
        look.begin_round();
        Ok(look)
    }

    /// The next query for all shards.
    #[must_use]
    pub fn ask(&self) -> Option<QueryText> {
        let whole = || self.query.text(&self.window);
        match &self.round {
            Round::Changes(after) => Some(self.query.plain_text(&self.window).changes_after(after.0.clone())),
            Round::Whole(_, times, _) => Some(whole().in_steps(times.clone())),
            Round::Snapshot => Some(whole()),
            Round::Done(_) => None,
        }
    }

    /// Adds a shard's answer.
    ///
    /// # Errors
    /// The shard's refusal, or that the answer is too large.
    pub fn take(&mut self, part: &[u8]) -> Result<(), Refusal> {
        let part = live_part::parse(part)?;
        self.positions.insert(part.shard, part.position);
        match part.cells {
            Some(cells) => partial::merge(cells, &mut self.grid)?,
            None => self.is_gone = true,
        }
        Ok(())
    }

    /// Ends a round in which all shards have answered.
    ///
    /// # Errors
    /// If the answer is too large.
    pub fn end_round(&mut self) -> Result<(), Refusal> {
        let cursor = LiveCursor(std::mem::take(&mut self.positions).into_values().collect());
        let rows = std::mem::replace(&mut self.grid, Grid::new(Wanted::default())).into_rows();
        let block = Block { window: self.window, rows };
        let round = std::mem::replace(&mut self.round, Round::Snapshot);
        self.round = match round {
            Round::Changes(after) if self.is_gone || after.0.len() != cursor.0.len() => {
                self.window = self.query.snapshot(self.now_ms)?;
                Round::Snapshot
            }
            Round::Changes(_) => {
                let times = block.times();
                match times.first().zip(times.last()).filter(|_| self.aggregates.iter().any(is_whole)) {
                    Some((first, last)) => {
                        let step_s = self.window.step_s();
                        self.window = Window::aligned(*first, last + step_s, step_s)?;
                        Round::Whole(block, times, cursor)
                    }
                    None => Round::Done(delta(&block, &block, &self.aggregates, cursor)?),
                }
            }
            Round::Whole(changes, _, cursor) => Round::Done(delta(&changes, &block, &self.aggregates, cursor)?),
            Round::Snapshot => {
                let shown = self.query.shown(self.now_ms)?;
                Round::Done(snapshot(&block, &shown, &self.aggregates, cursor, self.now_ms)?)
            }
            done @ Round::Done(_) => done,
        };
        self.begin_round();
        Ok(())
    }

    fn begin_round(&mut self) {
        let wants_sketches = matches!(self.round, Round::Snapshot | Round::Whole(..));
        let wanted = if wants_sketches { Aggregate::sketches(&self.aggregates) } else { Wanted::default() };
        (self.grid, self.is_gone) = (Grid::new(wanted), false);
    }

    /// The message, once nothing more needs to be asked.
    #[must_use]
    pub fn message(self) -> Option<Message> {
        if let Round::Done(message) = self.round { Some(message) } else { None }
    }
}

impl From<TooManyGroups> for Refusal {
    fn from(error: TooManyGroups) -> Self {
        Self::QueryTooLarge(error.to_string())
    }
}
