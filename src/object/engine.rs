//! The log and its first consumer, the rollups: what is durable, and what is kept in memory of it.
//!
//! Nothing here waits, so each function is one atomic step of the object. Memory changes only after the
//! SQL that it mirrors has succeeded.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::codec::Malformed;
use crate::domain::grid::{Row, TooManyCells};
use crate::domain::open::OpenBuckets;
use crate::domain::query::{Collector, Query};
use crate::domain::tier::{Layer, Tier};
use crate::store::log::Cursor;
use crate::store::sql::{Sql, StoreError};
use crate::store::{chunks, log, meta, schema};
use crate::wire::command::KeyHash;
use crate::wire::frame::{BatchKey, Frame};
use crate::wire::outcome::Outcome;
use crate::wire::params::ValuesParams;
use crate::wire::rejection::Reason;
use crate::wire::stream::StreamConfig;

use super::dictionary::Dictionary;
use super::recent::{KEY_WINDOW_MS, RecentKeys};
use super::totals::Totals;

/// Frames of one commit share rows of at most this many bytes; a row may have 2 MB and a frame 1.5.
const MAX_ROW_BYTES: usize = 1_900_000;

/// When buckets are sealed before their time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// With this many open cells.
    pub(super) open_cells: usize,
    /// With this many bytes in the log that are not in chunks yet, which is what a restart has to replay.
    pub(super) unsealed_bytes: usize,
}

impl Limits {
    /// Open cells take some 100 bytes each, and as many again while a tier is merged for sealing: 20 of the 128 MB.
    pub(super) const DEFAULT: Self = Self { open_cells: 100_000, unsealed_bytes: 8 << 20 };
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

/// Why a question has no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    TooManyCells(#[from] TooManyCells),
}

/// A row that is in the log.
struct LogRow {
    seq: i64,
    at_ms: i64,
    bytes: usize,
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
    rows: VecDeque<LogRow>,
    next_seq: i64,
    unsealed_bytes: usize,
    keys: RecentKeys,
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

    fn load(sql: S, limits: Limits) -> Result<Self, StoreError> {
        let record = from_json(meta::get(&sql, RECORD)?)?.ok_or(StoreError::Column("stream"))?;
        let cursor = log::cursor(&sql, CONSUMER)?;
        let mut engine = Self {
            limits,
            record,
            dictionary: Dictionary::load(&sql)?,
            open: OpenBuckets::default(),
            cursor,
            rows: VecDeque::new(),
            next_seq: cursor.seq + 1,
            unsealed_bytes: 0,
            keys: RecentKeys::default(),
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
        for (seq, at_ms, bytes) in rows {
            self.take_row(seq, at_ms, &bytes)?;
        }
        Ok(())
    }

    /// Appends batches to the log and takes them into the rollups. Fails for all of a row, or for none.
    pub(super) fn commit(&mut self, frames: &[Vec<u8>], now_ms: i64) -> Vec<Result<(), StoreError>> {
        let mut results = Vec::with_capacity(frames.len());
        let mut rest = frames;
        while !rest.is_empty() {
            let (row, behind) = rest.split_at(row_len(rest));
            let committed = self.commit_row(row, now_ms);
            results.extend(row.iter().map(|_| committed.clone()));
            rest = behind;
        }
        results
    }

    fn commit_row(&mut self, frames: &[Vec<u8>], now_ms: i64) -> Result<(), StoreError> {
        let bytes = log::encode_row(frames.iter().map(Vec::as_slice));
        log::append(&self.sql, self.next_seq, now_ms, &bytes)?;
        self.take_row(self.next_seq, now_ms, &bytes)?;
        if self.unsealed_bytes > self.limits.unsealed_bytes {
            self.seal_or_carry_on();
        }
        Ok(())
    }

    /// Takes a row of the log into memory: all of it, or what the rollups have not had.
    fn take_row(&mut self, seq: i64, at_ms: i64, bytes: &[u8]) -> Result<(), StoreError> {
        self.next_seq = seq + 1;
        self.rows.push_back(LogRow { seq, at_ms, bytes: bytes.len() });
        let is_new = seq > self.cursor.seq;
        self.unsealed_bytes += if is_new { bytes.len() } else { 0 };
        let mut taken = 0;
        for bytes in log::decode_row(bytes)? {
            let frame = Frame::parse(bytes)?;
            if let Some(key) = frame.key {
                self.keys.insert(key, seq, at_ms);
            }
            if is_new {
                self.take_points(&frame, seq, &mut taken)?;
            }
        }
        if is_new {
            // After the points, so that sealing in the midst of a row does not count it; see `seal_to`.
            for bytes in log::decode_row(bytes)? {
                self.totals.add(&Frame::parse(bytes)?);
            }
        }
        Ok(())
    }

    fn take_points(&mut self, frame: &Frame<'_>, seq: i64, taken: &mut i64) -> Result<(), Malformed> {
        let skip = if seq == self.cursor.seq + 1 { self.cursor.points } else { 0 };
        let ids: Vec<u32> = frame.label_sets.iter().map(|labels| self.dictionary.number(labels)).collect();
        frame.each_point(|set, point| {
            *taken += 1;
            if *taken > skip {
                self.open.add(ids[set], point);
                if self.open.cells() >= self.limits.open_cells && self.unsealed_bytes <= self.limits.unsealed_bytes {
                    self.seal_mid_row(Cursor { seq: seq - 1, points: *taken });
                }
            }
        })
    }

    /// When sealing fails the cells stay open, the log has them still, and the end of the commit tries again.
    fn seal_mid_row(&mut self, cursor: Cursor) {
        if self.seal_to(cursor).is_err() {
            self.unsealed_bytes = self.unsealed_bytes.max(self.limits.unsealed_bytes + 1);
        }
    }

    fn seal_or_carry_on(&mut self) {
        let _retried_by_the_next_commit_or_alarm = self.seal();
    }

    /// Moves all open buckets into chunks.
    pub(super) fn seal(&mut self) -> Result<(), StoreError> {
        self.seal_to(Cursor { seq: self.next_seq - 1, points: 0 })
    }

    fn seal_to(&mut self, cursor: Cursor) -> Result<(), StoreError> {
        if cursor == self.cursor {
            return Ok(());
        }
        let (sql, open, dictionary) = (&self.sql, &self.open, &self.dictionary);
        let totals = to_json(&self.totals);
        sql.atomically(&mut || {
            for layer in Tier::ALL.into_iter().flat_map(|tier| [Layer::Total(tier), Layer::Spread(tier)]) {
                chunks::seal(sql, layer, &open.layer(layer))?;
            }
            dictionary.persist(sql)?;
            meta::put(sql, TOTALS, &totals)?;
            log::set_cursor(sql, CONSUMER, cursor)
        })?;
        self.dictionary.mark_persisted();
        self.open = OpenBuckets::default();
        self.cursor = cursor;
        self.unsealed_bytes = 0;
        Ok(())
    }

    /// Seals, and removes what no one needs any more: rows of the log that are sealed and whose keys have
    /// expired, and chunks beyond their tier's retention. The next time there is something to do, if any.
    pub(super) fn tidy(&mut self, now_ms: i64) -> Result<Option<i64>, StoreError> {
        self.seal()?;
        let done = |row: &&LogRow| row.seq <= self.cursor.seq && row.at_ms < now_ms - KEY_WINDOW_MS;
        if let Some(last) = self.rows.iter().take_while(done).last().map(|row| row.seq) {
            log::remove_up_to(&self.sql, last)?;
            self.rows.retain(|row| row.seq > last);
        }
        for tier in Tier::ALL {
            if let Some(kept_s) = tier.retention_s() {
                for layer in [Layer::Total(tier), Layer::Spread(tier)] {
                    chunks::remove_before(&self.sql, layer, now_ms / 1000 - kept_s)?;
                }
            }
        }
        Ok(self.rows.front().map(|row| row.at_ms + KEY_WINDOW_MS + 1))
    }

    /// What the first batch with this key was answered.
    pub(super) fn answered(&mut self, key: &BatchKey, now_ms: i64) -> Result<Option<Outcome>, StoreError> {
        let Some(seq) = self.keys.row(key, now_ms) else { return Ok(None) };
        let row = log::row(&self.sql, seq)?.unwrap_or_default();
        for bytes in log::decode_row(&row)? {
            let frame = Frame::parse(bytes)?;
            if frame.key.as_ref() == Some(key) {
                return Ok(Some(frame.outcome));
            }
        }
        Ok(None)
    }

    /// Whether a batch with a new key can be remembered.
    pub(super) fn takes_keys(&self) -> bool {
        !self.keys.is_full()
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

    /// The cells that a query asks for.
    pub(super) fn query(&self, query: &Query) -> Result<Vec<Row>, QueryError> {
        let mut collector = Collector::new(query, self.dictionary.labels().iter());
        let (from_s, to_s) = (query.window.from_s(), query.window.to_s());
        for layer in query.window.layers() {
            chunks::each::<QueryError>(&self.sql, layer, from_s, to_s, |start_s, series, cell| {
                Ok(collector.add(layer, start_s, series, cell)?)
            })?;
        }
        for (layer, start_s, bucket) in self.open.iter() {
            for (series, cell) in bucket {
                collector.add(layer, start_s, *series, cell)?;
            }
        }
        Ok(collector.finish().into_rows())
    }

    pub(super) fn labels_json(&self) -> String {
        json!({ "labels": self.dictionary.names() }).to_string()
    }

    pub(super) fn label_values_json(&self, name: &str, params: &ValuesParams) -> String {
        to_json(&self.dictionary.values(name, params))
    }

    pub(super) fn status_json(&self) -> String {
        let rejected: serde_json::Map<String, serde_json::Value> = Reason::ALL
            .iter()
            .zip(self.totals.rejected)
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.name().to_owned(), count.into()))
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
        let last_write = self.totals.last_write_ms.map(|ms| ms as f64 / 1000.0);
        json!({
            "name": self.record.config.name,
            "accepted": self.totals.accepted,
            "rejected": rejected,
            "series": self.dictionary.labels().len(),
            "storage_bytes": self.sql.size_bytes(),
            "log": { "rows": self.rows.len(), "bytes": self.rows.iter().map(|row| row.bytes).sum::<usize>() },
            "open_cells": self.open.cells(),
            "last_write": last_write,
            "forward": null,
        })
        .to_string()
    }
}

/// How many of the first frames fit one row; at least one.
fn row_len(frames: &[Vec<u8>]) -> usize {
    let mut bytes = 0;
    let fits = |frame: &&Vec<u8>| {
        bytes += frame.len();
        bytes <= MAX_ROW_BYTES
    };
    frames.iter().take_while(fits).count().max(1)
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts, numbers and lists always serialise")
}

fn from_json<T: for<'a> Deserialize<'a>>(text: Option<String>) -> Result<Option<T>, StoreError> {
    text.map(|text| serde_json::from_str(&text).map_err(|_| StoreError::Column("known JSON"))).transpose()
}
