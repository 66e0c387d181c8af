//! The log and its first consumer, the rollups: what is durable, and what is kept in memory of it.
//!
//! Nothing here waits, so each function is one atomic step of the object. Memory changes only after the
//! SQL that it mirrors has succeeded.

mod reading;
mod sealing;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::domain::codec::Malformed;
use crate::domain::open::OpenBuckets;
use crate::store::log::Cursor;
use crate::store::sql::{Sql, StoreError};
use crate::store::{frames, log, meta, schema};
use crate::wire::command::KeyHash;
use crate::wire::frame::{BatchKey, Frame};
use crate::wire::outcome::Outcome;
use crate::wire::stream::StreamConfig;

use super::answers::Answers;
use super::dictionary::{Dictionary, DictionaryLimits, Numbered};
use super::totals::Totals;

pub(super) use reading::QueryError;

/// Frames of one commit share rows of at most this many bytes; a row may have 2 MB and a frame 1.5.
pub(super) const MAX_ROW_BYTES: usize = 1_900_000;

/// When buckets are sealed before their time, and how much they hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// With this many open cells.
    pub(super) open_cells: usize,
    /// With this many bytes in the log that are not in chunks yet...
    pub(super) unsealed_bytes: usize,
    /// ...or this many pieces of points merged, which is what a restart has to do again...
    pub(super) open_pieces: usize,
    /// ...or this many answers to keys.
    pub(super) unsealed_answers: usize,
    /// An open bucket has cells of so many series and `overflow`.
    pub(super) bucket_series: usize,
    pub(super) dictionary: DictionaryLimits,
}

impl Limits {
    /// Open cells take some 100 bytes each, and references to them while they are sealed: 6 of the 128 MB. Answers take some
    /// 90 without their lists of errors: 5. Two million pieces are some 200 ms.
    pub(super) const DEFAULT: Self = Self {
        open_cells: 50_000,
        unsealed_bytes: 8 << 20,
        open_pieces: 2_000_000,
        unsealed_answers: 50_000,
        bucket_series: 10_000,
        dictionary: DictionaryLimits::DEFAULT,
    };
}

const CONSUMER: &str = "rollups";
const RECORD: &str = "stream";
const TOTALS: &str = "totals";

/// What the object keeps of its owner's wishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The public part.
    pub(super) config: StreamConfig,
    /// The hash of the read key.
    pub(super) read_key_hash: KeyHash,
}

/// A stream's log and rollups.
pub(super) struct Engine<S> {
    sql: S,
    limits: Limits,
    record: Record,
    dictionary: Dictionary,
    open: OpenBuckets,
    /// Of the rollups: what is before it is in chunks, what is behind it is in `open`.
    cursor: Cursor,
    next_seq: i64,
    /// Number and size of each row of the log.
    rows: VecDeque<(i64, usize)>,
    unsealed_bytes: usize,
    answers: Answers,
    /// Up to the end of the log.
    totals: Totals,
}

impl<S: Sql> Engine<S> {
    /// Makes a new stream.
    pub(super) fn create(sql: S, limits: Limits, record: &Record) -> Result<Self, StoreError> {
        sql.atomically(&mut || {
            schema::migrate(&sql)?;
            meta::put(&sql, RECORD, &to_json(record))
        })?;
        Self::load(sql, limits)
    }

    /// The stream that is in this database, with memory rebuilt from the log; `None` if there was never one.
    pub(super) fn open(sql: S, limits: Limits) -> Result<Option<Self>, StoreError> {
        if !schema::exists(&sql)? {
            return Ok(None);
        }
        schema::migrate(&sql)?;
        Self::load(sql, limits).map(Some)
    }

    /// The record of the stream that is in this database, without opening the rest.
    pub(super) fn peek_record(sql: &S) -> Result<Option<Record>, StoreError> {
        if schema::exists(sql)? { from_json(meta::get(sql, RECORD)?) } else { Ok(None) }
    }

    fn load(sql: S, limits: Limits) -> Result<Self, StoreError> {
        let record = from_json(meta::get(&sql, RECORD)?)?.ok_or(StoreError::Column("stream"))?;
        let cursor = log::cursor(&sql, CONSUMER)?;
        let mut engine = Self {
            limits,
            record,
            dictionary: Dictionary::load(&sql, limits.dictionary)?,
            open: OpenBuckets::default(),
            cursor,
            next_seq: cursor.seq + 1,
            rows: VecDeque::new(),
            unsealed_bytes: 0,
            answers: Answers::load(&sql)?,
            totals: from_json(meta::get(&sql, TOTALS)?)?.unwrap_or_default(),
            sql,
        };
        engine.replay()?;
        Ok(engine)
    }

    fn replay(&mut self) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        log::each(&self.sql, |seq, at_ms, bytes| {
            rows.push((seq, at_ms, bytes.to_vec()));
            Ok(())
        })?;
        rows.iter().try_for_each(|(seq, at_ms, bytes)| self.take_row(*seq, *at_ms, bytes))
    }

    /// Appends batches to the log and takes them into the rollups. Fails for all of a row, or for none.
    pub(super) fn commit(&mut self, frames: &[Vec<u8>], now_ms: i64) -> Vec<Result<(), StoreError>> {
        let mut results = Vec::with_capacity(frames.len());
        let mut rest = frames;
        while !rest.is_empty() {
            let (row, behind) = rest.split_at(row_len(rest.iter().map(Vec::len)));
            let committed = self.commit_row(row, now_ms);
            results.extend(row.iter().map(|_| committed.clone()));
            rest = behind;
        }
        results
    }

    fn commit_row(&mut self, frames: &[Vec<u8>], now_ms: i64) -> Result<(), StoreError> {
        let bytes = frames::encode(frames.iter().map(Vec::as_slice));
        log::append(&self.sql, self.next_seq, now_ms, &bytes)?;
        self.take_row(self.next_seq, now_ms, &bytes)?;
        let Limits { unsealed_bytes, open_pieces, unsealed_answers, .. } = self.limits;
        let has_many_answers = self.answers.unsealed() > unsealed_answers;
        if self.unsealed_bytes > unsealed_bytes || self.open.pieces() > open_pieces || has_many_answers {
            // When it fails, the log has it all still, and the next commit or the alarm tries again.
            self.seal(now_ms).ok();
        }
        Ok(())
    }

    /// Takes a row of the log into memory, without the points that are in chunks already.
    fn take_row(&mut self, seq: i64, at_ms: i64, bytes: &[u8]) -> Result<(), StoreError> {
        self.next_seq = seq + 1;
        self.rows.push_back((seq, bytes.len()));
        self.unsealed_bytes += bytes.len();
        let frames: Vec<Frame<'_>> = frames::decode(bytes)?.into_iter().map(Frame::parse).collect::<Result<_, _>>()?;
        let mut taken = 0;
        for frame in &frames {
            self.answers.insert(frame, seq, at_ms);
            self.take_points(frame, seq, at_ms, &mut taken)?;
        }
        // After the points: sealing in the midst of a row does not count the row.
        for frame in &frames {
            self.totals.add(frame);
        }
        Ok(())
    }

    fn take_points(&mut self, frame: &Frame<'_>, seq: i64, at_ms: i64, taken: &mut i64) -> Result<(), Malformed> {
        let skip = if seq == self.cursor.seq + 1 { self.cursor.points } else { 0 };
        let sets: Vec<Numbered> = frame.label_sets.iter().map(|labels| self.dictionary.number(labels)).collect();
        let mut has_failed = false;
        frame.each_point(|set, point| {
            *taken += 1;
            if *taken > skip {
                let Numbered { series, is_overflow } = sets[set];
                let limit = self.limits.bucket_series;
                // Before sealing, which keeps the totals of what it seals.
                if self.open.add(series, point, limit, || self.dictionary.overflow()) || is_overflow {
                    self.totals.overflow_points += 1;
                }
                if self.open.cells() >= self.limits.open_cells && !has_failed {
                    // When it fails, the cells stay open, and the next batch, commit or the alarm tries again.
                    has_failed = self.seal_to(Cursor { seq: seq - 1, points: *taken }, at_ms).is_err();
                }
            }
        })
    }

    /// What the first batch with this key was answered.
    pub(super) fn answered(&mut self, key: &BatchKey, now_ms: i64) -> Result<Option<Outcome>, StoreError> {
        self.answers.find(&self.sql, key, now_ms)
    }

    /// Whether a batch with a new key can be remembered.
    pub(super) fn takes_keys(&self) -> bool {
        self.answers.has_room()
    }

    #[cfg(test)]
    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    pub(super) fn set_record(&mut self, record: Record) -> Result<(), StoreError> {
        meta::put(&self.sql, RECORD, &to_json(&record))?;
        self.record = record;
        Ok(())
    }
}

/// How many of the first frames, given their sizes, fit one row; at least one.
pub(super) fn row_len(sizes: impl Iterator<Item = usize>) -> usize {
    /// Before a frame stands its length.
    const LENGTH_BYTES: usize = 4;
    let mut bytes = 0;
    let fits = |size: &usize| {
        bytes += size + LENGTH_BYTES;
        bytes <= MAX_ROW_BYTES
    };
    sizes.take_while(fits).count().max(1)
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts, numbers and lists always serialise")
}

fn from_json<T: for<'a> Deserialize<'a>>(text: Option<String>) -> Result<Option<T>, StoreError> {
    text.map(|text| serde_json::from_slice(text.as_bytes()).map_err(|_| StoreError::Column("known JSON"))).transpose()
}
