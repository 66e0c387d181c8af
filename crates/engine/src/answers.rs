//! The answers to batches of the last ten minutes, by idempotency key.
//!
//! Until a batch is sealed, its answer is in the log; afterwards in a separate table, without the points. Memory holds
//! the hash of each key and where its answer is. All times are by the object's clock.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use ingest::frame::Frame;
use ingest::outcome::WriteOutcome;
use model::batch_key::BatchKey;
pub use model::shards::KEY_WINDOW_MS;
use store::sql::{Sql, StoreError};
use store::{answers, frames, log};

/// The most keys that are remembered: 375 new ones per second for ten minutes, which is what an object can take. They
/// fit a table of 2^18 slots, so they take 9 MB, and 6 for their order, of 128. Beyond this, writes with a key are
/// refused, rather than keys forgotten.
const MAX_KEYS: usize = 225_000;
/// The most of these keys that open writers may have: the rest is for holders of write keys and the owner.
pub(super) const OPEN_KEYS: u32 = 175_000;
/// The most of these keys that holders of write keys and the owner may have: the rest is for open writers. As both
/// orders may double when they are full, they take at most 12 MB.
const KEYED_KEYS: u32 = 175_000;
/// The most bytes of lists of errors; beyond this, a repeated batch gets the counts but not the list.
const MAX_ERROR_BYTES: usize = 4 << 20;

/// A row that contains an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// A row of the log, by its number.
    Log(i64),
    /// A row of the answers, by its number.
    Answers(i64),
}

/// A [`Row`] in eight bytes: those of the log count from 1, those of the answers are negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(i64);

impl From<Row> for Place {
    fn from(row: Row) -> Self {
        match row {
            Row::Log(seq) => Self(seq),
            Row::Answers(id) => Self(!id),
        }
    }
}

impl Place {
    fn row(self) -> Row {
        if self.0 < 0 { Row::Answers(!self.0) } else { Row::Log(self.0) }
    }
}

/// An answer that is only in the log.
struct Unsealed {
    seq: i64,
    key: BatchKey,
    frame: Vec<u8>,
    error_bytes: usize,
}

/// The size of a row of answers, approximately: each repeated key reads one.
const MAX_ANSWERS_BYTES: usize = 64 << 10;

/// A row of the answers.
struct SealedRow {
    id: i64,
    at_ms: i64,
    error_bytes: usize,
}

/// How many keys are remembered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) open: Share,
    pub(super) keyed: Share,
    /// If there is no room for anybody's key, the end of that; Unix milliseconds.
    pub(super) full_until_ms: Option<i64>,
}

/// The usage of one kind of writer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    /// The used part; 1 means that nothing is left.
    pub(super) fill: f64,
    /// When the oldest key expires, Unix milliseconds; 0 if there is none.
    pub(super) oldest_ends_ms: i64,
}

/// Answers that [`Answers::seal`] has written, for [`Answers::mark_sealed`].
pub(super) struct Sealed {
    count: usize,
    /// The row of each.
    places: Vec<i64>,
    rows: Vec<SealedRow>,
}

/// Keys, and where their answers are.
#[derive(Default)]
pub(super) struct Answers {
    known: FxHashMap<BatchKey, (i64, Place)>,
    /// Commit times and keys, oldest first, of open writers and of others.
    order: [VecDeque<(i64, BatchKey)>; 2],
    /// The keys of batches that wait for their commit, of open writers and of others.
    waiting: [FxHashSet<BatchKey>; 2],
    unsealed: Vec<Unsealed>,
    rows: VecDeque<SealedRow>,
    error_bytes: usize,
}

impl Answers {
    /// The rows of the table of answers.
    pub(super) fn load(sql: &impl Sql) -> Result<Self, StoreError> {
        let mut loaded = Self::default();
        answers::each(sql, |id, at_ms, bytes| {
            let mut error_bytes = 0;
            for bytes in frames::decode(bytes)? {
                let frame = Frame::parse(bytes)?;
                error_bytes += frame.outcome.errors_json.len();
                let committed_ms = i64::try_from(frame.arrived_ms).unwrap_or(i64::MAX);
                // The kind of writer is unknown; counted as a write key's, it could lock write keys out.
                loaded.remember(frame.key.ok_or(StoreError::Column("answer"))?, committed_ms, Row::Answers(id));
            }
            loaded.error_bytes += error_bytes;
            loaded.rows.push_back(SealedRow { id, at_ms, error_bytes });
            Ok(())
        })?;
        Ok(loaded)
    }

    /// Adds the answer of a batch in a row of the log.
    pub(super) fn insert(&mut self, frame: &Frame<'_>, seq: i64, committed_ms: i64) {
        let Some(key) = frame.key else { return };
        self.remember(key, committed_ms, Row::Log(seq));
        let has_errors = self.error_bytes + frame.outcome.errors_json.len() <= MAX_ERROR_BYTES;
        let error_bytes = if has_errors { frame.outcome.errors_json.len() } else { 0 };
        self.error_bytes += error_bytes;
        let frame = frame.answer(u64::try_from(committed_ms).unwrap_or_default(), has_errors);
        self.unsealed.push(Unsealed { seq, key, frame, error_bytes });
    }

    fn remember(&mut self, key: BatchKey, committed_ms: i64, row: Row) {
        let side = usize::from(self.waiting[1].remove(&key));
        self.waiting[0].remove(&key);
        self.known.insert(key, (committed_ms, row.into()));
        self.order[side].push_back((committed_ms, key));
    }

    /// Counts a key whose batch waits for its commit, of an open writer or another.
    pub(super) fn wait_for(&mut self, key: BatchKey, is_open: bool) {
        self.waiting[usize::from(!is_open)].insert(key);
    }

    /// Stops counting it, as the batch is not stored.
    pub(super) fn give_up(&mut self, key: &BatchKey) {
        for keys in &mut self.waiting {
            keys.remove(key);
        }
    }

    /// The number of keys that are remembered or wait to be.
    pub(super) fn held(&self) -> Held {
        let ends_ms = |side: usize| self.order[side].front().map(|(at_ms, _)| at_ms + KEY_WINDOW_MS + 1);
        let count = |side: usize| f64::from(u32::try_from(self.count(side)).unwrap_or(u32::MAX));
        let share = |side: usize, most: u32| Share {
            fill: count(side) / f64::from(most),
            oldest_ends_ms: ends_ms(side).unwrap_or_default(),
        };
        let is_full = self.count(0) + self.count(1) >= MAX_KEYS;
        let full_until_ms = ends_ms(0).into_iter().chain(ends_ms(1)).min().filter(|_| is_full);
        Held { open: share(0, OPEN_KEYS), keyed: share(1, KEYED_KEYS), full_until_ms }
    }

    /// The number of keys that are held, and the limit.
    pub(super) fn keys(&self) -> (usize, usize) {
        (self.count(0) + self.count(1), MAX_KEYS)
    }

    fn count(&self, side: usize) -> usize {
        self.order[side].len() + self.waiting[side].len()
    }

    /// The answer to the first batch with this key, if that is within the window.
    pub(super) fn find(
        &mut self,
        sql: &impl Sql,
        key: &BatchKey,
        now_ms: i64,
    ) -> Result<Option<WriteOutcome>, StoreError> {
        self.forget_before(now_ms - KEY_WINDOW_MS);
        let Some((_, place)) = self.known.get(key) else { return Ok(None) };
        let row = match place.row() {
            Row::Log(seq) => match self.unsealed(key, seq)? {
                Some(outcome) => return Ok(Some(outcome)),
                None => log::row(sql, seq)?,
            },
            Row::Answers(id) => answers::row(sql, id)?,
        };
        for bytes in frames::decode(&row.ok_or(StoreError::Column("answer"))?)? {
            let frame = Frame::parse(bytes)?;
            if frame.key.as_ref() == Some(key) {
                return Ok(Some(frame.outcome));
            }
        }
        Err(StoreError::Column("answer"))
    }

    /// The answer to a key in a row of the log, if memory has all of it: reading the row is costly, as it is large and
    /// a stranger may ask again and again.
    fn unsealed(&self, key: &BatchKey, seq: i64) -> Result<Option<WriteOutcome>, StoreError> {
        let of_row = &self.unsealed[self.unsealed.partition_point(|answer| answer.seq < seq)..];
        let of_key = of_row.iter().take_while(|answer| answer.seq == seq).find(|answer| answer.key == *key);
        let outcome = of_key.map(|answer| Frame::parse(&answer.frame)).transpose()?.map(|frame| frame.outcome);
        Ok(outcome.filter(|outcome| outcome.rejected_total() == 0 || !outcome.errors_json.is_empty()))
    }

    /// The number of answers that are only in the log.
    pub(super) fn unsealed_count(&self) -> usize {
        self.unsealed.len()
    }

    fn forget_before(&mut self, oldest_ms: i64) {
        let Self { order, known, .. } = self;
        for order in order {
            while let Some((committed_ms, key)) = order.pop_front_if(|(committed_ms, _)| *committed_ms < oldest_ms) {
                // A key that was reused in the meantime is a new one.
                if known.get(&key).is_some_and(|(known_ms, _)| *known_ms == committed_ms) {
                    known.remove(&key);
                }
            }
        }
    }

    /// Writes the answers in the log up to row `seq` to their table, many to a row.
    pub(super) fn seal(&self, sql: &impl Sql, seq: i64, now_ms: i64) -> Result<Sealed, StoreError> {
        let count = self.unsealed.partition_point(|answer| answer.seq <= seq);
        let (mut places, mut rows) = (Vec::with_capacity(count), Vec::new());
        let mut rest = &self.unsealed[..count];
        while !rest.is_empty() {
            let (row, behind) =
                rest.split_at(frames::fitting(rest.iter().map(|answer| answer.frame.len()), MAX_ANSWERS_BYTES));
            let id = answers::insert(sql, now_ms, &frames::encode(row.iter().map(|answer| &answer.frame[..])))?;
            let error_bytes = row.iter().map(|answer| answer.error_bytes).sum();
            rows.push(SealedRow { id, at_ms: now_ms, error_bytes });
            places.extend(row.iter().map(|_| id));
            rest = behind;
        }
        Ok(Sealed { count, places, rows })
    }

    /// Adopts what was sealed, once that has taken effect.
    pub(super) fn mark_sealed(&mut self, sealed: Sealed) {
        for (answer, id) in self.unsealed.drain(..sealed.count).zip(sealed.places) {
            if let Some((_, place)) = self.known.get_mut(&answer.key)
                && *place == Row::Log(answer.seq).into()
            {
                *place = Row::Answers(id).into();
            }
        }
        self.rows.extend(sealed.rows);
    }

    /// Removes the rows whose keys have all expired. Returns when there is something to remove next, if ever.
    pub(super) fn expire(&mut self, sql: &impl Sql, now_ms: i64) -> Result<Option<i64>, StoreError> {
        let is_expired = |row: &&SealedRow| row.at_ms < now_ms - KEY_WINDOW_MS;
        if let Some(last) = self.rows.iter().take_while(is_expired).last().map(|row| row.id) {
            answers::remove_up_to(sql, last)?;
            while let Some(row) = self.rows.pop_front_if(|row| row.id <= last) {
                self.error_bytes -= row.error_bytes.min(self.error_bytes);
            }
        }
        Ok(self.rows.front().map(|row| row.at_ms + KEY_WINDOW_MS + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ingest::frame::{FrameBuilder, FramedBatch};
    use model::point::PointError;
    use store::schema;
    use store::testing::TestSql;

    fn ready() -> TestSql {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        sql
    }

    fn key(number: u128) -> BatchKey {
        BatchKey::from_bytes(number.to_le_bytes())
    }

    /// Commits a batch with this key, as the engine does.
    fn commit(answers: &mut Answers, sql: &TestSql, key: BatchKey, seq: i64, at_ms: i64) {
        let bytes = FrameBuilder::new(0, [0; 16], |_| None).finish(Some(&key)).frame;
        let row = log::LogRow { seq, at_ms, first: Some(1), bytes: bytes.len() };
        log::append(sql, &row, &frames::encode([&bytes[..]].into_iter())).expect("appends");
        answers.insert(&Frame::parse(&bytes).expect("a frame"), seq, at_ms);
    }

    fn is_known(answers: &mut Answers, sql: &TestSql, key: BatchKey, now_ms: i64) -> bool {
        answers.find(sql, &key, now_ms).expect("reads").is_some()
    }

    #[test]
    fn a_key_is_remembered_for_exactly_ten_minutes() {
        let (sql, mut answers) = (ready(), Answers::default());
        commit(&mut answers, &sql, key(1), 1, 1_000);
        commit(&mut answers, &sql, key(2), 2, 2_000);
        assert!(is_known(&mut answers, &sql, key(1), 1_000 + KEY_WINDOW_MS));
        assert!(!is_known(&mut answers, &sql, key(1), 1_001 + KEY_WINDOW_MS));
        assert!(is_known(&mut answers, &sql, key(2), 1_001 + KEY_WINDOW_MS));
        assert!(!is_known(&mut answers, &sql, key(3), 0));
    }

    #[test]
    fn a_repeated_key_reads_no_log_row_and_only_small_answer_rows() {
        let (sql, mut answers) = (ready(), Answers::default());
        for number in 0..3_000u128 {
            commit(&mut answers, &sql, key(number), i64::try_from(number).expect("small") + 1, 1_000);
        }
        log::remove_up_to(&sql, 3_000).expect("removes");
        assert!((0..3_000u128).all(|number| is_known(&mut answers, &sql, key(number), 1_000)));
        let sealed = answers.seal(&sql, 3_000, 2_000).expect("seals");
        answers.mark_sealed(sealed);
        assert_eq!(sql.count("answers"), 2);
        assert!(is_known(&mut answers, &sql, key(2_999), 1_000));
    }

    #[test]
    fn a_key_reused_after_its_window_survives_a_restart() {
        let (sql, mut answers) = (ready(), Answers::default());
        let again_ms = 1_000 + KEY_WINDOW_MS + 5_000;
        commit(&mut answers, &sql, key(1), 1, 1_000);
        let sealed = answers.seal(&sql, 1, 2_000).expect("seals");
        answers.mark_sealed(sealed);
        assert!(!is_known(&mut answers, &sql, key(1), again_ms));
        commit(&mut answers, &sql, key(1), 2, again_ms);
        let sealed = answers.seal(&sql, 2, again_ms).expect("seals");
        answers.mark_sealed(sealed);
        let mut restarted = Answers::load(&sql).expect("loads");
        assert!(is_known(&mut restarted, &sql, key(1), again_ms + 1_000));
    }

    #[test]
    fn beyond_the_limit_only_the_counts_of_errors_are_kept() {
        let (sql, mut answers) = (ready(), Answers::default());
        let mut builder = FrameBuilder::new(0, [0; 16], |_| None);
        (0..20).for_each(|index| builder.push(index, Err(PointError::MissingN.into())));
        let FramedBatch { frame: bytes, outcome: WriteOutcome { errors_json, .. }, .. } = builder.finish(Some(&key(1)));
        let frame = Frame::parse(&bytes).expect("a frame");
        let count = MAX_ERROR_BYTES / errors_json.len();
        for _ in 0..=count {
            answers.insert(&frame, 1, 0);
        }
        assert_eq!(answers.error_bytes, count * errors_json.len());
        let kept = |index: usize| Frame::parse(&answers.unsealed[index].frame).expect("a frame").outcome;
        assert_eq!((kept(count - 1).errors_json, kept(count).errors_json), (errors_json, String::new()));
        assert_eq!(kept(count).rejected_total(), 20);
        let sealed = answers.seal(&sql, 1, 0).expect("seals");
        answers.mark_sealed(sealed);
        assert_eq!(Answers::load(&sql).expect("loads").error_bytes, answers.error_bytes);
        answers.expire(&sql, KEY_WINDOW_MS + 1).expect("expires");
        assert_eq!(answers.error_bytes, 0);
    }

    fn fills(answers: &Answers) -> (f64, f64, bool) {
        let held = answers.held();
        (held.open.fill, held.keyed.fill, held.full_until_ms.is_some())
    }

    #[test]
    fn a_refusal_names_the_limit_of_keys() {
        // Open writers and others have separate shares, and batches that wait for their commit count.
        let mut answers = Answers::default();
        let remember = |answers: &mut Answers, keys: std::ops::Range<u128>, is_open: bool| {
            for index in keys {
                answers.wait_for(key(index), is_open);
                answers.remember(key(index), 0, Row::Log(1));
            }
        };
        remember(&mut answers, 0..174_999, true);
        assert!(answers.held().open.fill < 1.0);
        answers.wait_for(key(u128::MAX), true);
        assert_eq!(fills(&answers), (1.0, 0.0, false));
        answers.give_up(&key(u128::MAX));
        assert!(answers.held().open.fill < 1.0);
        remember(&mut answers, 1_000_000..1_000_000 + 50_001, false);
        assert_eq!(answers.held().full_until_ms, Some(KEY_WINDOW_MS + 1));
        assert!(answers.known.capacity() < MAX_KEYS * 8 / 7, "a table twice as large would be needed");
        answers.forget_before(1);
        assert_eq!(fills(&answers), (0.0, 0.0, false));
    }
}
