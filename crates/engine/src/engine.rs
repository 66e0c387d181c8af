//! The log, and the order in which its consumers take it: what is durable, and what memory holds of it.
//!
//! Nothing here waits, so each function is one atomic step of the object. Memory changes only after the SQL that it
//! mirrors has succeeded.

mod applying;
mod asking;
mod bounds;
mod budgets;
mod consumers;
mod crowded;
mod deciding;
mod due;
mod folding;
mod known;
mod limits;
mod memory;
mod messages;
mod reading;
pub mod record;
mod removal;
mod sealing;
mod targets;

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use model::labels::Labels;
use model::open::SeriesId;
use store::log::{Cursor, LogRow};
use store::sql::{Sql, StoreError};
use store::{frames, log, meta, schema, series};

use super::admission::Admission;
use super::answers::{Answers, KEY_WINDOW_MS};
use super::dictionary::Dictionary;
use super::distinct::DistinctLabels;
use super::entry::Entry;
use super::log_index::LogIndex;
use super::randomness::Randomness;
use super::removal::Removal;
use super::values::Values;

use applying::Applying;
pub use applying::SLICE_PIECES;
#[cfg(test)]
pub(crate) use asking::Asking;
use asking::Version;
pub use asking::{Progress, SLICE_UNITS};
pub use consumers::*;
use consumers::{Change, Consumers, Followed, Loading, Piece};
use crowded::Crowded;
pub use deciding::Incoming;
use due::Due;
pub use known::Known;
pub use limits::Limits;
pub use reading::QueryError;
pub use record::{Record, RecordError, Untold, Writing};
pub use removal::RemoveError;

/// Frames of one commit share rows of at most this many bytes; a row may have 2 MB, and a frame 1.5.
pub const MAX_ROW_BYTES: usize = 1_900_000;

/// The key of the cursor that all consumers share: everything before it is sealed. Its name dates from when only the
/// rollups followed the log.
const CURSOR: &str = "rollups";
const RECORD: &str = "stream";
/// The state of admission of new series.
const ENTRY: &str = "entry";
/// When series may be folded again.
const FOLD: &str = "fold_ms";
/// What open writers have used of the budgets that they share.
const BUDGETS: &str = "budgets";
/// When [`Engine::tidy`] has something to do next.
const TIDY: &str = "tidy_ms";

/// The result of a frame that is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The numbers of its new label sets, which the edge can send instead.
    pub numbers: Rc<[Option<SeriesId>]>,
    /// The number of its first point in the stream.
    pub first: u64,
    /// The number of its points that are at least partly in `overflow`.
    pub overflow: u64,
}

/// A stream's log, and what follows it.
pub struct Engine<S> {
    sql: S,
    limits: Limits,
    randomness: Randomness,
    record: Record,
    dictionary: Dictionary,
    distinct: DistinctLabels,
    /// Only in memory.
    values: Values,
    consumers: Consumers,
    /// Everything before it is sealed; consumers have everything after it in memory.
    cursor: Cursor,
    next_seq: i64,
    log: LogIndex,
    unsealed_bytes: usize,
    answers: Answers,
    admission: Admission,
    /// The last removal.
    removal: Removal,
    entry: Entry,
    /// When series may be folded again; `None` if none were folded yet.
    fold_ms: Option<i64>,
    /// When there is something to tidy, besides what is in the log.
    tidy: Due,
    /// Places of chunks whose parts need merging.
    crowded: Crowded,
    /// The row of the log that consumers are taking...
    applying: Option<Applying>,
    /// ...and its result, if the row was finished before its initiator asked for it.
    applied: Option<Result<Vec<Ack>, StoreError>>,
    /// What the buckets took of the last point; kept to reuse its memory.
    pieces: Vec<Piece>,
    /// The version of chunks and series.
    version: Version,
}

impl<S: Sql> Engine<S> {
    /// Creates a stream.
    pub fn create(sql: S, limits: Limits, randomness: Randomness, record: &Record) -> Result<Self, StoreError> {
        sql.atomically(&mut || {
            schema::migrate(&sql)?;
            DistinctLabels::load(&sql, &record.config.distinct)?.persist(&sql)?;
            let now_s = i64::try_from(record.config.created_ms / 1000).unwrap_or_default();
            Consumers::begin(&sql, &Change { before: None, after: &record.config, accepted: 0, now_s, randomness })?;
            // First, because it depends on limits and on when buckets are sealed whether it is needed, and later
            // numbers must not depend on that.
            series::insert(&sql, 0, &Labels::overflow())?;
            Self::put_record(&sql, record)
        })?;
        Self::load(sql, limits, randomness)
    }

    /// Opens the stream in this database, with memory rebuilt from the log; `None` if there never was one.
    pub fn open(sql: S, limits: Limits, randomness: Randomness) -> Result<Option<Self>, StoreError> {
        if !schema::exists(&sql)? {
            return Ok(None);
        }
        schema::migrate(&sql)?;
        Self::load(sql, limits, randomness).map(Some)
    }

    fn load(sql: S, limits: Limits, randomness: Randomness) -> Result<Self, StoreError> {
        let record: Record = from_json(meta::get(&sql, RECORD)?)?.ok_or(StoreError::Column("stream"))?;
        let cursor = log::cursor(&sql, CURSOR)?;
        let dictionary = Dictionary::load(&sql, randomness.hash_key, limits.dictionary)?;
        let consumers = Consumers::load(&Loading { sql: &sql, limits: &limits, dictionary: &dictionary, cursor })?;
        let mut engine = Self {
            limits,
            randomness,
            distinct: DistinctLabels::load(&sql, &record.config.distinct)?,
            values: Values::default(),
            record,
            consumers,
            cursor,
            next_seq: cursor.seq + 1,
            log: LogIndex::load(&sql)?,
            unsealed_bytes: 0,
            answers: Answers::load(&sql)?,
            admission: Admission::new(
                randomness.hash_key,
                from_json(meta::get(&sql, BUDGETS)?)?.unwrap_or_default(),
                sql.size_bytes(),
            ),
            dictionary,
            removal: Removal::load(&sql)?,
            entry: Entry::new(from_json(meta::get(&sql, ENTRY)?)?.unwrap_or_default()),
            fold_ms: from_json(meta::get(&sql, FOLD)?)?,
            tidy: from_json(meta::get(&sql, TIDY)?)?.unwrap_or(Due::AtOnce),
            crowded: Crowded::default(),
            applying: None,
            applied: None,
            pieces: Vec::new(),
            version: Version::new(),
            sql,
        };
        engine.replay()?;
        Ok(engine)
    }

    fn replay(&mut self) -> Result<(), StoreError> {
        let rows: Vec<LogRow> = self.log.behind(self.cursor.seq).copied().collect();
        for row in rows {
            let bytes = log::row(&self.sql, row.seq)?.ok_or(StoreError::Column("row of the log"))?;
            if row.first.is_none() {
                log::set_first(&self.sql, row.seq, self.accepted() + 1)?;
                self.log = LogIndex::load(&self.sql)?;
            }
            self.begin_row(row.seq, row.at_ms, bytes, false)?;
            self.finish()?;
        }
        Ok(())
    }

    /// Appends batches to the log and lets consumers take them; returns the result of each. Either all of a row fails,
    /// or nothing.
    pub fn commit(&mut self, batches: &[Incoming], now_ms: i64) -> Vec<Result<Ack, StoreError>> {
        let mut results = Vec::with_capacity(batches.len());
        let mut rest = batches;
        while !rest.is_empty() {
            let sizes = rest.iter().map(|batch| batch.frame.len());
            let (row, behind) = rest.split_at(frames::fitting(sizes, MAX_ROW_BYTES));
            match self.commit_row(row, now_ms) {
                Ok(told) => results.extend(told.into_iter().map(Ok)),
                Err(error) => results.extend(row.iter().map(|_| Err(error.clone()))),
            }
            rest = behind;
        }
        results
    }

    fn commit_row(&mut self, batches: &[Incoming], now_ms: i64) -> Result<Vec<Ack>, StoreError> {
        self.complete();
        // The result of a row that was finished before its initiator asked.
        let earlier = self.applied.take();
        let told = self.begin(batches, now_ms).and_then(|()| self.finish());
        self.applied = earlier;
        told
    }

    /// Appends batches to the log as one row, which consumers then take by [`Self::go_on`].
    pub fn begin(&mut self, batches: &[Incoming], now_ms: i64) -> Result<(), StoreError> {
        self.complete();
        self.applied = None;
        let next_series = self.dictionary.next();
        let appended = self.decide(batches, now_ms).and_then(|bytes| {
            let first = Some(self.accepted() + 1);
            let row = LogRow { seq: self.next_seq, at_ms: now_ms, first, bytes: bytes.len() };
            log::append(&self.sql, &row, &bytes)?;
            Ok((row, bytes))
        });
        if appended.is_err() {
            self.dictionary.retract(next_series);
        }
        let (row, bytes) = appended?;
        self.log.push(row);
        self.consumers.begin_row(now_ms);
        self.begin_row(row.seq, now_ms, bytes, true)
    }

    /// Whether so much is unsealed that sealing cannot wait for the alarm.
    fn has_much_unsealed(&self) -> bool {
        let Limits { unsealed_bytes, open_pieces, unsealed_answers, .. } = self.limits;
        let has_many_answers = self.answers.unsealed_count() > unsealed_answers;
        self.unsealed_bytes > unsealed_bytes || self.consumers.unsealed().pieces > open_pieces || has_many_answers
    }

    /// Whether a live series has this number.
    pub fn knows(&self, series: SeriesId) -> bool {
        self.dictionary.get(series).is_some()
    }

    #[cfg(test)]
    pub(super) fn has_series(&self, canonical: &str) -> bool {
        self.dictionary.has(canonical)
    }

    /// The stream as consumers see it.
    fn followed(&self) -> Followed<'_> {
        Followed { config: &self.record.config, log: &self.log, accepted: self.accepted() }
    }

    /// The labels that make no series, but whose values are counted.
    pub fn distinct(&self) -> &DistinctLabels {
        &self.distinct
    }

    /// When [`Self::tidy`] has something to do, if ever.
    pub fn tidy_due(&self) -> Option<i64> {
        let unsealed = self.log.behind(self.cursor.seq).next().map(|row| row.at_ms + KEY_WINDOW_MS);
        self.tidy.at_ms().into_iter().chain(unsealed).min()
    }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings, numbers and lists always serialise")
}

fn from_json<T: for<'a> Deserialize<'a>>(text: Option<String>) -> Result<Option<T>, StoreError> {
    text.map(|text| serde_json::from_slice(text.as_bytes()).map_err(|_| StoreError::Column("known JSON"))).transpose()
}
