//! The log and its first consumer, the rollups: what is durable, and what is kept in memory of it.
//!
//! Nothing here waits, so each function is one atomic step of the object. Memory changes only after the
//! SQL that it mirrors has succeeded.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::codec::Malformed;
use crate::domain::grid::{Row, TooManyCells};
use crate::domain::open::{OpenBuckets, SeriesId};
use crate::domain::query::{Collector, Query};
use crate::domain::tier::{Layer, RETENTION_MARGIN_S, Tier};
use crate::store::log::Cursor;
use crate::store::sql::{Sql, StoreError};
use crate::store::{chunks, frames, log, meta, schema};
use crate::wire::command::KeyHash;
use crate::wire::frame::{BatchKey, Frame};
use crate::wire::outcome::Outcome;
use crate::wire::params::ValuesParams;
use crate::wire::rejection::Reason;
use crate::wire::stream::StreamConfig;

use super::answers::Answers;
use super::dictionary::Dictionary;
use super::totals::Totals;

/// Frames of one commit share rows of at most this many bytes; a row may have 2 MB and a frame 1.5.
pub(super) const MAX_ROW_BYTES: usize = 1_900_000;

/// When buckets are sealed before their time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// With this many open cells.
    pub(super) open_cells: usize,
    /// With this many bytes in the log that are not in chunks yet...
    pub(super) unsealed_bytes: usize,
    /// ...or this many pieces of points merged, which is what a restart has to do again.
    pub(super) open_pieces: usize,
}

impl Limits {
    /// Open cells take some 100 bytes each, and as many again while a tier is merged for sealing: 10 of the 128 MB. Two
    /// million pieces are some 200 ms.
    pub(super) const DEFAULT: Self = Self { open_cells: 50_000, unsealed_bytes: 8 << 20, open_pieces: 2_000_000 };
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
    /// Grows with each change at home.
    #[serde(default)]
    pub(super) version: u64,
    /// The stream is ending: its other shards go first.
    #[serde(default)]
    pub(super) is_closed: bool,
}

/// Why a question has no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    TooManyCells(#[from] TooManyCells),
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
            Self::put_record(&sql, record)
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

    /// Replaces the record of the stream that is in this database, without opening the rest.
    pub(super) fn put_record(sql: &S, record: &Record) -> Result<(), StoreError> {
        meta::put(sql, RECORD, &to_json(record))
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
        if self.unsealed_bytes > self.limits.unsealed_bytes || self.open.pieces() > self.limits.open_pieces {
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
        let ids: Vec<u32> = frame.label_sets.iter().map(|labels| self.dictionary.number(labels)).collect();
        let mut has_failed = false;
        frame.each_point(|set, point| {
            *taken += 1;
            if *taken > skip {
                self.open.add(ids[set], point);
                if self.open.cells() >= self.limits.open_cells && !has_failed {
                    // When it fails, the cells stay open, and the next batch, commit or the alarm tries again.
                    has_failed = self.seal_to(Cursor { seq: seq - 1, points: *taken }, at_ms).is_err();
                }
            }
        })
    }

    /// Whether so much is unsealed, as sealing fails, that no more can be taken.
    pub(super) fn is_behind(&self) -> bool {
        self.unsealed_bytes > 2 * self.limits.unsealed_bytes + MAX_ROW_BYTES
            || self.open.cells() > 2 * self.limits.open_cells
    }

    /// Moves all open buckets into chunks, and the answers to keys out of the log, which is empty then.
    pub(super) fn seal(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.seal_to(Cursor { seq: self.next_seq - 1, points: 0 }, now_ms)
    }

    fn seal_to(&mut self, cursor: Cursor, now_ms: i64) -> Result<(), StoreError> {
        if cursor == self.cursor {
            return Ok(());
        }
        let (sql, open, dictionary, answers) = (&self.sql, &self.open, &self.dictionary, &self.answers);
        let totals = to_json(&self.totals);
        let mut sealed = None;
        sql.atomically(&mut || {
            for layer in Tier::ALL.into_iter().flat_map(|tier| [Layer::Total(tier), Layer::Spread(tier)]) {
                chunks::seal(sql, layer, &open.layer(layer))?;
            }
            dictionary.persist(sql)?;
            sealed = Some(answers.seal(sql, cursor.seq, now_ms)?);
            log::remove_up_to(sql, cursor.seq)?;
            meta::put(sql, TOTALS, &totals)?;
            log::set_cursor(sql, CONSUMER, cursor)
        })?;
        if let Some(sealed) = sealed {
            self.answers.mark_sealed(sealed);
        }
        self.rows.retain(|(seq, _)| *seq > cursor.seq);
        self.unsealed_bytes = self.rows.iter().map(|(_, bytes)| bytes).sum();
        self.dictionary.mark_persisted();
        self.open = OpenBuckets::default();
        self.cursor = cursor;
        Ok(())
    }

    /// Seals, and removes what no one needs any more: answers whose keys have expired, and chunks beyond their
    /// tier's retention. The next time there is something to do, if any.
    pub(super) fn tidy(&mut self, now_ms: i64) -> Result<Option<i64>, StoreError> {
        self.seal(now_ms)?;
        for tier in Tier::ALL {
            if let Some(kept_s) = tier.retention_s() {
                let before_s = now_ms / 1000 - kept_s - RETENTION_MARGIN_S;
                chunks::remove_before(&self.sql, Layer::Total(tier), before_s)?;
                chunks::remove_before(&self.sql, Layer::Spread(tier), before_s)?;
            }
        }
        self.answers.expire(&self.sql, now_ms)
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
        Self::put_record(&self.sql, &record)?;
        self.record = record;
        Ok(())
    }

    /// The cells that a query asks for.
    pub(super) fn query(&self, query: &Query) -> Result<Vec<Row>, QueryError> {
        let mut collector = Collector::new(query, self.dictionary.labels().iter());
        let (from_s, to_s) = (query.window.from_s(), query.window.to_s());
        let wanted = collector.wanted();
        let wants = |series: SeriesId| wanted.get(series as usize).copied().unwrap_or_default();
        for layer in query.window.layers() {
            chunks::each::<QueryError>(&self.sql, layer, from_s, to_s, wants, |start_s, series, cell| {
                Ok(collector.add(layer, start_s, series, cell)?)
            })?;
        }
        for (layer, start_s, bucket) in self.open.iter() {
            for (series, cell) in bucket {
                collector.add(layer, start_s, *series, cell)?;
            }
        }
        Ok(collector.finish()?.into_rows())
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
            "log": { "rows": self.rows.len(), "bytes": self.unsealed_bytes },
            "open_cells": self.open.cells(),
            "last_write": last_write,
            "forward": null,
        })
        .to_string()
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
