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
use crate::store::{answers, chunks, frames, log, meta, schema};
use crate::wire::command::KeyHash;
use crate::wire::frame::{BatchKey, Frame};
use crate::wire::outcome::Outcome;
use crate::wire::params::ValuesParams;
use crate::wire::rejection::Reason;
use crate::wire::stream::StreamConfig;

use super::dictionary::Dictionary;
use super::recent::{ANSWERS_KEPT_MS, Place, RecentKeys};
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

/// A batch with a key whose answer is in the log only.
struct UnsealedAnswer {
    seq: i64,
    key: BatchKey,
    frame: Vec<u8>,
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
    keys: RecentKeys,
    unsealed_answers: Vec<UnsealedAnswer>,
    /// Number and time of each row of answers.
    answers: VecDeque<(i64, i64)>,
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
            next_seq: cursor.seq + 1,
            rows: VecDeque::new(),
            keys: RecentKeys::default(),
            unsealed_answers: Vec::new(),
            answers: VecDeque::new(),
            totals: from_json(meta::get(&sql, TOTALS)?)?.unwrap_or_default(),
            sql,
        };
        engine.replay()?;
        Ok(engine)
    }

    fn replay(&mut self) -> Result<(), StoreError> {
        let (keys, answers) = (&mut self.keys, &mut self.answers);
        answers::each(&self.sql, |id, at_ms, bytes| {
            answers.push_back((id, at_ms));
            for frame in frames::decode(bytes)? {
                keys.insert(&Frame::parse(frame)?, Place::Answers(id));
            }
            Ok(())
        })?;
        let mut rows = Vec::new();
        log::each(&self.sql, |seq, bytes| {
            rows.push((seq, bytes.to_vec()));
            Ok(())
        })?;
        for (seq, bytes) in rows {
            self.take_row(seq, &bytes)?;
        }
        Ok(())
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
        self.take_row(self.next_seq, &bytes)?;
        if self.unsealed_bytes() > self.limits.unsealed_bytes {
            // When it fails, the log has it all still, and the next commit or the alarm tries again.
            self.seal(now_ms).ok();
        }
        Ok(())
    }

    /// Takes a row of the log into memory, without the points that are in chunks already.
    fn take_row(&mut self, seq: i64, bytes: &[u8]) -> Result<(), StoreError> {
        self.next_seq = seq + 1;
        self.rows.push_back((seq, bytes.len()));
        let frames: Vec<Frame<'_>> = frames::decode(bytes)?.into_iter().map(Frame::parse).collect::<Result<_, _>>()?;
        let mut taken = 0;
        for frame in &frames {
            self.keys.insert(frame, Place::Log(seq));
            let answer = frame.key.map(|key| UnsealedAnswer { seq, key, frame: frame.answer() });
            self.unsealed_answers.extend(answer);
            self.take_points(frame, seq, &mut taken)?;
        }
        // After the points: sealing in the midst of a row does not count the row.
        for frame in &frames {
            self.totals.add(frame);
        }
        Ok(())
    }

    fn take_points(&mut self, frame: &Frame<'_>, seq: i64, taken: &mut i64) -> Result<(), Malformed> {
        let skip = if seq == self.cursor.seq + 1 { self.cursor.points } else { 0 };
        let ids: Vec<u32> = frame.label_sets.iter().map(|labels| self.dictionary.number(labels)).collect();
        let arrived_ms = i64::try_from(frame.arrived_ms).unwrap_or(i64::MAX);
        let mut has_failed = false;
        frame.each_point(|set, point| {
            *taken += 1;
            if *taken > skip {
                self.open.add(ids[set], point);
                if self.open.cells() >= self.limits.open_cells && !has_failed {
                    // When it fails, the cells stay open, and the next batch, commit or the alarm tries again.
                    has_failed = self.seal_to(Cursor { seq: seq - 1, points: *taken }, arrived_ms).is_err();
                }
            }
        })
    }

    fn unsealed_bytes(&self) -> usize {
        self.rows.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Moves all open buckets into chunks, and the answers to keys out of the log, which is empty then.
    pub(super) fn seal(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.seal_to(Cursor { seq: self.next_seq - 1, points: 0 }, now_ms)
    }

    fn seal_to(&mut self, cursor: Cursor, now_ms: i64) -> Result<(), StoreError> {
        if cursor == self.cursor {
            return Ok(());
        }
        let sealed = self.unsealed_answers.partition_point(|answer| answer.seq <= cursor.seq);
        let (sql, open, dictionary) = (&self.sql, &self.open, &self.dictionary);
        let (totals, answers) = (to_json(&self.totals), &self.unsealed_answers[..sealed]);
        let mut places = Vec::new();
        sql.atomically(&mut || {
            for layer in Tier::ALL.into_iter().flat_map(|tier| [Layer::Total(tier), Layer::Spread(tier)]) {
                chunks::seal(sql, layer, &open.layer(layer))?;
            }
            dictionary.persist(sql)?;
            places = keep_answers(sql, answers, now_ms)?;
            log::remove_up_to(sql, cursor.seq)?;
            meta::put(sql, TOTALS, &totals)?;
            log::set_cursor(sql, CONSUMER, cursor)
        })?;
        for (answer, id) in self.unsealed_answers.drain(..sealed).zip(&places) {
            self.keys.relocate(&answer.key, Place::Answers(*id));
        }
        places.dedup();
        self.answers.extend(places.into_iter().map(|id| (id, now_ms)));
        self.rows.retain(|(seq, _)| *seq > cursor.seq);
        self.dictionary.mark_persisted();
        self.open = OpenBuckets::default();
        self.cursor = cursor;
        Ok(())
    }

    /// Seals, and removes what no one needs any more: answers whose keys have expired, and chunks beyond their
    /// tier's retention. The next time there is something to do, if any.
    pub(super) fn tidy(&mut self, now_ms: i64) -> Result<Option<i64>, StoreError> {
        self.seal(now_ms)?;
        let is_expired = |(_, at_ms): &&(i64, i64)| *at_ms < now_ms - ANSWERS_KEPT_MS;
        let expired = self.answers.iter().take_while(is_expired).last().copied();
        if let Some((last, _)) = expired {
            answers::remove_up_to(&self.sql, last)?;
            self.answers.retain(|(id, _)| *id > last);
        }
        for tier in Tier::ALL {
            if let Some(kept_s) = tier.retention_s() {
                for layer in [Layer::Total(tier), Layer::Spread(tier)] {
                    chunks::remove_before(&self.sql, layer, now_ms / 1000 - kept_s)?;
                }
            }
        }
        Ok(self.answers.front().map(|(_, at_ms)| at_ms + ANSWERS_KEPT_MS + 1))
    }

    /// What the first batch with this key was answered.
    pub(super) fn answered(&mut self, key: &BatchKey, now_ms: i64) -> Result<Option<Outcome>, StoreError> {
        let row = match self.keys.place(key, now_ms) {
            None => return Ok(None),
            Some(Place::Log(seq)) => log::row(&self.sql, seq)?,
            Some(Place::Answers(id)) => answers::row(&self.sql, id)?,
        };
        for bytes in frames::decode(&row.ok_or(StoreError::Column("answer"))?)? {
            let frame = Frame::parse(bytes)?;
            if frame.key.as_ref() == Some(key) {
                return Ok(Some(frame.outcome));
            }
        }
        Err(StoreError::Column("answer"))
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
            "log": { "rows": self.rows.len(), "bytes": self.unsealed_bytes() },
            "open_cells": self.open.cells(),
            "last_write": last_write,
            "forward": null,
        })
        .to_string()
    }
}

/// Writes answers in rows as large as may be; the row of each.
fn keep_answers(sql: &impl Sql, answers: &[UnsealedAnswer], now_ms: i64) -> Result<Vec<i64>, StoreError> {
    let mut places = Vec::with_capacity(answers.len());
    let mut rest = answers;
    while !rest.is_empty() {
        let (row, behind) = rest.split_at(row_len(rest.iter().map(|answer| answer.frame.len())));
        let id = answers::insert(sql, now_ms, &frames::encode(row.iter().map(|answer| &answer.frame[..])))?;
        places.extend(row.iter().map(|_| id));
        rest = behind;
    }
    Ok(places)
}

/// How many of the first frames, given their sizes, fit one row; at least one.
fn row_len(sizes: impl Iterator<Item = usize>) -> usize {
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
    text.map(|text| serde_json::from_str(&text).map_err(|_| StoreError::Column("known JSON"))).transpose()
}
