//! Batches for carbon: whole buckets, read from the rollups when they are sent, and written as lines in pieces.

use config::carbon::CarbonConfig;
use graphite::plaintext::Plaintext;
use model::aggregate::Aggregate;
use model::grid::Row;
use model::query::{By, Query};
use model::tier::Tier;
use model::window::Window;
use store::sql::{Sql, StoreError};

use super::{Became, Ticket};
use crate::engine::{Engine, QueryError};

/// The number of lines that are read at a time, approximately; a single bucket may have more.
const MAX_LINES: usize = 4_000;
/// A batch ends after the bucket that reaches this many lines.
const MAX_BYTES: usize = 256 << 10;
/// The size of a piece.
const PIECE_BYTES: usize = 64 << 10;
/// The most buckets that one batch looks at.
const MAX_BUCKETS: usize = 360;

/// Lines being sent. See the module's documentation.
pub struct Lines {
    ticket: Ticket,
    plaintext: Plaintext,
    width_s: i64,
    /// The cells of each series, last one first; written cells are removed.
    rows: Vec<Row>,
    /// The next bucket, and the next of its series.
    step: u32,
    next: usize,
    /// The start of that bucket, and whether it has lines.
    at_s: i64,
    has_lines: bool,
    bytes: usize,
    /// Buckets that start before this were sent before.
    sent_s: i64,
    lines: u64,
    /// The number of such buckets with lines.
    corrected: u64,
}

impl Lines {
    /// The next piece, in whole lines; `None` after the last one.
    pub fn next_piece(&mut self) -> Option<String> {
        let mut piece = String::new();
        while piece.len() < PIECE_BYTES && self.at_s < self.ticket.span.1 {
            if self.next == 0 && self.bytes + piece.len() >= MAX_BYTES {
                break;
            }
            let Some((labels, cells)) = self.rows.get_mut(self.next) else {
                self.corrected += u64::from(self.has_lines && self.at_s < self.sent_s);
                self.has_lines = false;
                self.step += 1;
                (self.next, self.at_s) = (0, self.at_s + self.width_s);
                continue;
            };
            if cells.last().is_some_and(|(step, _)| *step == self.step)
                && let Some((_, cell)) = cells.pop()
            {
                let lines = self.plaintext.push(&mut piece, labels, &cell, self.at_s);
                self.lines += lines;
                self.has_lines |= lines > 0;
            }
            self.next += 1;
        }
        self.bytes += piece.len();
        Some(piece).filter(|piece| !piece.is_empty())
    }
}

/// The next thing to do.
pub enum Batch {
    /// Send these lines.
    Send(Box<Lines>),
    /// Nothing in the buckets that were looked at.
    Again,
    /// Nothing is due.
    Rest,
}

impl<S: Sql> Engine<S> {
    /// The next lines for carbon.
    #[inline(never)]
    pub fn next_lines(&mut self, now_ms: i64) -> Result<Batch, StoreError> {
        let Some(config) = self.record.config.carbon.clone() else { return Ok(Batch::Rest) };
        if self.carbon_due().is_none_or(|due_ms| due_ms > now_ms) {
            return Ok(Batch::Rest);
        }
        let aggregates = self.aggregates_for(&config);
        let lines = (self.dictionary.series() * aggregates.len()).max(1);
        let mut buckets = (MAX_LINES / lines).clamp(1, MAX_BUCKETS);
        let plaintext = Plaintext::new(&config.prefix, &self.record.config.name, aggregates, config.interval_s);
        loop {
            let depart = self.consumers.carbon.depart(config.interval_s, i64::try_from(buckets).unwrap_or(1), now_ms);
            let Some(ticket) = depart else { return Ok(Batch::Rest) };
            if self.skip_what_is_gone(&ticket, config.interval_s, now_ms)? {
                return Ok(Batch::Again);
            }
            match self.lines_of(ticket, plaintext.clone(), config.interval_s) {
                Ok(lines) if lines.rows.is_empty() => {
                    self.settle_buckets(&ticket, (ticket.span.1, Became::Empty), now_ms)?;
                    return Ok(Batch::Again);
                }
                Ok(lines) => return Ok(Batch::Send(Box::new(lines))),
                Err(QueryError::Store(error)) => return Err(error),
                Err(QueryError::TooLarge(_)) if buckets > 1 => buckets = 1,
                Err(error) => {
                    let skipped = Became::Skipped { buckets: 1, reason: &error.to_string() };
                    self.settle_buckets(&ticket, (ticket.span.1, skipped), now_ms)?;
                    return Ok(Batch::Again);
                }
            }
        }
    }

    /// Leaves out labels whose values are no longer counted.
    fn aggregates_for(&self, config: &CarbonConfig) -> Vec<Aggregate> {
        let numbered = |aggregate| match aggregate {
            Aggregate::Distinct { label, .. } => {
                let number = self.distinct.number(&label)?;
                Some(Aggregate::Distinct { label, number })
            }
            other => Some(other),
        };
        config.aggregates().into_iter().filter_map(numbered).collect()
    }

    /// Skips buckets that have expired, if there are any.
    fn skip_what_is_gone(&mut self, ticket: &Ticket, width_s: i64, now_ms: i64) -> Result<bool, StoreError> {
        let start_s = self.record.config.retention.start_s(Tier::for_step(width_s), now_ms / 1000);
        let gone = |at_s: &i64| start_s.is_some_and(|start_s| *at_s < start_s);
        let (from_s, to_s) = ticket.span;
        let Some(gone_s) = (from_s..to_s).step_by(usize::try_from(width_s).unwrap_or(1)).take_while(gone).last() else {
            return Ok(false);
        };
        let buckets = u64::try_from((gone_s - from_s) / width_s + 1).unwrap_or_default();
        let skipped = Became::Skipped { buckets, reason: "the retention ended before the buckets could be sent" };
        self.settle_buckets(ticket, (gone_s + width_s, skipped), now_ms)?;
        Ok(true)
    }

    fn lines_of(&self, ticket: Ticket, plaintext: Plaintext, width_s: i64) -> Result<Lines, QueryError> {
        let (from_s, to_s) = ticket.span;
        let window = Window::aligned(from_s, to_s, width_s).map_err(|_| StoreError::Column("span of buckets"))?;
        let aggregates: Vec<Aggregate> = plaintext.aggregates().cloned().collect();
        let sketches = Aggregate::sketches(&aggregates);
        let mut rows = self.query(&Query { window, matchers: Vec::new(), by: By::All, sketches })?;
        for (_, cells) in &mut rows {
            cells.reverse();
        }
        let (step, next, bytes, lines, corrected) = (0, 0, 0, 0, 0);
        let sent_s = self.consumers.carbon.sent_s;
        Ok(Lines {
            ticket,
            plaintext,
            width_s,
            rows,
            step,
            next,
            at_s: from_s,
            has_lines: false,
            bytes,
            sent_s,
            lines,
            corrected,
        })
    }

    /// Records what became of lines: carbon has received all that were written, or this is unknown for a reason.
    pub fn settle_lines(
        &mut self,
        lines: &Lines,
        failure: Option<&str>,
        jitter: f64,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let Lines { lines: count, corrected, at_s, .. } = *lines;
        let became = match failure {
            Some(reason) => (i64::MIN, Became::Unknown { reason, jitter }),
            None if count == 0 => (at_s, Became::Empty),
            None => (at_s, Became::Sent { lines: count, corrected }),
        };
        self.settle_buckets(&lines.ticket, became, now_ms)
    }
}
