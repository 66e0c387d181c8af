//! Sealing: consumers persist what they hold, answers leave the log, and what no one needs any more goes.

use crate::entry::Brought;
use model::class::Class;
use model::retention::RETENTION_MARGIN_S;
use model::tier::{Layer, Tier};
use store::chunks;
use store::chunks::{Place, Sealed};
use store::log::Cursor;
use store::sql::{Sql, StoreError};
use store::{log, meta};

use super::due::Due;
use super::{BUDGETS, CURSOR, ENTRY, Engine, MAX_ROW_BYTES, TIDY, to_json};

/// Chunks expire in rounds a day apart. A round is an alarm, which is a request and a row written; a stream that is
/// idle for good has some 250 of them in two years, until only what is kept for ever is left: far less than a cent.
const EXPIRY_INTERVAL_MS: i64 = 86_400_000;

/// When sealing fails, open writers are taken up to so many halves of what is sealed at: each of their commits tries
/// again, so one that failed by chance keeps nobody out...
const OPEN_HALVES: usize = 3;
/// ...those with a write key up to so many, which open writers can't use up...
const KEYED_HALVES: usize = 4;
/// ...and the owner. Three times 50,000 cells of some 120 bytes and 8 MiB of sketches are 42 of the object's 128 MB;
/// the log, 26 MB then, is on disk.
const OWNER_HALVES: usize = 6;

/// Rows of the log go in rounds an hour apart.
const MESSAGES_INTERVAL_MS: i64 = 3_600_000;

impl<S: Sql> Engine<S> {
    /// Whether so much is unsealed, as sealing fails, that no more can be taken of this class. Open writers stop first
    /// and the owner last.
    pub fn is_behind(&self, class: Class) -> bool {
        let halves = match class {
            Class::Open => OPEN_HALVES,
            Class::Keyed => KEYED_HALVES,
            Class::Owner => OWNER_HALVES,
        };
        let is_above = |used: usize, limit: usize| used > limit / 2 * halves;
        let unsealed = self.consumers.unsealed();
        is_above(self.unsealed_bytes.saturating_sub(MAX_ROW_BYTES), self.limits.unsealed_bytes)
            || is_above(unsealed.cells, self.limits.open_cells)
            || is_above(unsealed.sketch_bytes, self.limits.sketch_bytes)
    }

    /// Whether so much is open that it has to be sealed now.
    pub(super) fn is_full(&self) -> bool {
        let unsealed = self.consumers.unsealed();
        unsealed.cells >= self.limits.open_cells || unsealed.sketch_bytes >= self.limits.sketch_bytes
    }

    /// The last row of the log that nobody needs when all up to a row is sealed.
    fn removable(&self, sealed_seq: i64, now_ms: i64) -> Option<i64> {
        self.log.removable(
            sealed_seq,
            self.consumers.needs(self.accepted()),
            now_ms - self.record.config.messages_s * 1000,
        )
    }

    /// Lets consumers persist all that they hold, and moves the answers to keys out of the log.
    pub fn seal(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.seal_to(Cursor { seq: self.next_seq - 1, points: 0 }, now_ms)
    }

    pub(super) fn seal_to(&mut self, cursor: Cursor, now_ms: i64) -> Result<(), StoreError> {
        while !self.seal_slice(cursor, now_ms, usize::MAX)? {}
        Ok(())
    }

    /// Does a slice of sealing up to the end of the log; whether all is sealed.
    pub fn seal_some(&mut self, now_ms: i64, slice_cells: usize) -> Result<bool, StoreError> {
        self.complete();
        self.seal_slice(Cursor { seq: self.next_seq - 1, points: 0 }, now_ms, slice_cells)
    }

    /// Does a slice of sealing: prepares so many cells, or carries out what is prepared. Nothing changes before that,
    /// so whatever changes open buckets or chunks meanwhile drops what is prepared. Whether all is sealed.
    pub(super) fn seal_slice(&mut self, cursor: Cursor, now_ms: i64, slice_cells: usize) -> Result<bool, StoreError> {
        if cursor == self.cursor {
            return Ok(true);
        }
        self.finish_places()?;
        if !self.consumers.prepare(&self.sql, cursor, slice_cells) {
            return Ok(false);
        }
        let sealed = self.seal_prepared(cursor, now_ms);
        // Also where it has failed, so that it is prepared anew.
        self.change_chunks();
        self.relieve(sealed?);
        Ok(true)
    }

    /// Carries out what is prepared; the places that are crowded then.
    fn seal_prepared(&mut self, cursor: Cursor, now_ms: i64) -> Result<Vec<(Place, usize)>, StoreError> {
        let (sql, dictionary, answers, consumers) = (&self.sql, &self.dictionary, &self.answers, &self.consumers);
        let entry = self.entry.brought();
        let removable = self.removable(cursor.seq, now_ms);
        let (mut sealed, mut budgets) = (None, None);
        let (admission, config) = (&self.admission, &self.record.config);
        let mut cells = Sealed::default();
        sql.atomically(&mut || {
            cells = Sealed::default();
            dictionary.persist(sql)?;
            consumers.persist(sql, &mut cells)?;
            sealed = Some(answers.seal(sql, cursor.seq, now_ms)?);
            if let Some(seq) = removable {
                log::remove_up_to(sql, seq)?;
            }
            if entry != Brought::default() {
                meta::put(sql, ENTRY, &to_json(&entry))?;
            }
            log::set_cursor(sql, CURSOR, cursor)?;
            let size_bytes = sql.size_bytes();
            let shared = admission.sealed(size_bytes, &config.limits, config.layout.shards(), now_ms);
            budgets = Some((shared, size_bytes));
            meta::put(sql, BUDGETS, &to_json(&shared))
        })?;
        if let Some((shared, size_bytes)) = budgets {
            self.admission.mark_sealed(shared, size_bytes);
        }
        if let Some(sealed) = sealed {
            self.answers.mark_sealed(sealed);
        }
        self.log.forget_up_to(removable.unwrap_or_default());
        self.unsealed_bytes = self.log.behind(cursor.seq).map(|row| row.bytes).sum();
        self.dictionary.mark_persisted();
        self.consumers.mark_persisted(&cells);
        self.cursor = cursor;
        Ok(cells.crowded)
    }

    /// Whether there is something to tidy now.
    pub fn is_tidy_due(&self, now_ms: i64) -> bool {
        self.tidy_due().is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// What the alarm does: tidies when it is time, and merges a bit of what is crowded.
    pub fn tidy_if_due(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let tidied = if self.is_tidy_due(now_ms) { self.tidy(now_ms).map(|_| ()) } else { Ok(()) };
        self.compact();
        tidied
    }

    /// Removes what no one needs any more: chunks beyond their tier's retention, answers whose keys have expired; and
    /// seals. Removing comes first, as it makes room, and does not wait for sealing to succeed. The next time there is
    /// something to do, if any.
    pub fn tidy(&mut self, now_ms: i64) -> Result<Option<i64>, StoreError> {
        self.expire_chunks(now_ms)?;
        let sealed = self.seal(now_ms);
        let messages_ms = self.expire_messages(now_ms)?;
        let answers_ms = self.answers.expire(&self.sql, now_ms)?;
        sealed?;
        self.search_crowded()?;
        let series_ms = self.expire_series(now_ms)?;
        let chunks_ms = self.chunks_due()?.map(|due_ms| due_ms.max(now_ms + EXPIRY_INTERVAL_MS));
        let next_ms = answers_ms.into_iter().chain(series_ms).chain(chunks_ms).chain(messages_ms).min();
        let tidy = next_ms.map_or(Due::Never, Due::from);
        if tidy != self.tidy {
            meta::put(&self.sql, TIDY, &to_json(&tidy))?;
            self.tidy = tidy;
        }
        self.admission.shrunk_to(self.sql.size_bytes());
        Ok(next_ms)
    }

    /// When there is something to do next, if ever: to tidy or to send. A large backlog is coarsened also while nothing
    /// can be sent.
    fn next_due(&self) -> Option<i64> {
        self.tidy_due().into_iter().chain(self.sending_due()).chain(self.removal_due()).min()
    }

    /// The same, but that a stream that was never written to has nothing to tidy.
    pub fn alarm_due(&self) -> Option<i64> {
        if self.next_seq == 1 { self.sending_due() } else { self.next_due() }
    }

    /// When there is something that should not wait for the next round of tidying: to send, or to merge.
    pub fn soon_due(&self, now_ms: i64) -> Option<i64> {
        self.sending_due().into_iter().chain(self.is_crowded().then_some(now_ms)).min()
    }

    /// When a consumer has something to do, as to send.
    pub fn sending_due(&self) -> Option<i64> {
        self.consumers.due_ms(&self.followed())
    }

    /// Removes rows of the log that are kept for readers of messages no longer. When the next one is, if any.
    fn expire_messages(&mut self, now_ms: i64) -> Result<Option<i64>, StoreError> {
        if let Some(seq) = self.removable(self.cursor.seq, now_ms) {
            log::remove_up_to(&self.sql, seq)?;
            self.log.forget_up_to(seq);
        }
        let oldest = self.log.behind(0).next();
        let due_ms = oldest.map(|row| row.at_ms + self.record.config.messages_s * 1000);
        Ok(due_ms.map(|due_ms| due_ms.max(now_ms + MESSAGES_INTERVAL_MS)))
    }

    /// Removes chunks beyond their tier's retention.
    fn expire_chunks(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.change_chunks();
        self.sql.atomically(&mut || {
            for (layer, kept_s) in self.kept() {
                chunks::remove_before(&self.sql, layer, now_ms / 1000 - kept_s)?;
            }
            Ok(())
        })
    }

    /// When the next chunk is beyond its tier's retention, if any.
    fn chunks_due(&self) -> Result<Option<i64>, StoreError> {
        let mut next_s = None;
        for (layer, kept_s) in self.kept() {
            let due_s = chunks::oldest_end_s(&self.sql, layer)?.map(|end_s| end_s + kept_s);
            next_s = next_s.into_iter().chain(due_s).min();
        }
        Ok(next_s.map(|next_s| next_s * 1000))
    }

    /// The layers that are not kept for ever, and for how long.
    fn kept(&self) -> impl Iterator<Item = (Layer, i64)> {
        let retention = self.record.config.retention;
        let kept = move |tier| Some((tier, retention.kept_s(tier)? + RETENTION_MARGIN_S));
        let of_tier = |(tier, kept_s)| Layer::all_of(tier).map(|layer| (layer, kept_s));
        Tier::ALL.into_iter().filter_map(kept).flat_map(of_tier)
    }
}
