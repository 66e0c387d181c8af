//! Sealing: consumers persist what they hold, answers leave the log, and what nobody needs any more is deleted.

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

/// Chunks expire in rounds a day apart. A round is an alarm, which is a request and a written row. A stream that stays
/// idle has some 250 of them in two years, until only what is kept for ever is left: far less than a cent.
const EXPIRY_INTERVAL_MS: i64 = 86_400_000;

/// While sealing fails, open writers are accepted up to this many halves of the sealing threshold. Each of their
/// commits tries again, so a chance failure locks nobody out...
const OPEN_HALVES: usize = 3;
/// ...those with a write key up to this many, which open writers cannot use up...
const KEYED_HALVES: usize = 4;
/// ...and the owner. Three times 50,000 cells of some 120 bytes and 8 MiB of sketches take 42 of the object's 128 MB;
/// the log, 26 MB by then, is on disk.
const OWNER_HALVES: usize = 6;

/// Rows of the log are deleted in rounds an hour apart.
const MESSAGES_INTERVAL_MS: i64 = 3_600_000;

impl<S: Sql> Engine<S> {
    /// Whether, because sealing fails, so much is unsealed that nothing more can be accepted from this class. Open
    /// writers stop first, and the owner last.
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

    /// Whether so much is open that it must be sealed now.
    pub(super) fn is_full(&self) -> bool {
        let unsealed = self.consumers.unsealed();
        unsealed.cells >= self.limits.open_cells || unsealed.sketch_bytes >= self.limits.sketch_bytes
    }

    /// The last row of the log that nobody needs once everything up to a row is sealed.
    fn removable(&self, sealed_seq: i64, now_ms: i64) -> Option<i64> {
        self.log.removable(
            sealed_seq,
            self.consumers.needs(self.accepted()),
            now_ms - self.record.config.messages_s * 1000,
        )
    }

    /// Makes consumers persist everything that they hold, and moves the answers to keys out of the log.
    pub fn seal(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.seal_to(Cursor { seq: self.next_seq - 1, points: 0 }, now_ms)
    }

    pub(super) fn seal_to(&mut self, cursor: Cursor, now_ms: i64) -> Result<(), StoreError> {
        while !self.seal_slice(cursor, now_ms, usize::MAX)? {}
        Ok(())
    }

    /// Does a slice of sealing up to the end of the log; returns whether everything is sealed.
    pub fn seal_some(&mut self, now_ms: i64, slice_cells: usize) -> Result<bool, StoreError> {
        self.complete();
        self.seal_slice(Cursor { seq: self.next_seq - 1, points: 0 }, now_ms, slice_cells)
    }

    /// Does a slice of sealing: prepares this many cells, or carries out what is prepared. Nothing changes before that,
    /// so anything that changes open buckets or chunks in the meantime drops the preparation. Returns whether
    /// everything is sealed.
    pub(super) fn seal_slice(&mut self, cursor: Cursor, now_ms: i64, slice_cells: usize) -> Result<bool, StoreError> {
        if cursor == self.cursor {
            return Ok(true);
        }
        self.finish_places()?;
        if !self.consumers.prepare(&self.sql, cursor, slice_cells) {
            return Ok(false);
        }
        let sealed = self.seal_prepared(cursor, now_ms);
        // Even if it has failed, so that it is prepared again.
        self.change_chunks();
        self.relieve(sealed?);
        Ok(true)
    }

    /// Carries out what is prepared; returns the places that are crowded then.
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

    /// The work of the alarm: tidies when it is time, and merges some of what is crowded.
    pub fn tidy_if_due(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let tidied = if self.is_tidy_due(now_ms) { self.tidy(now_ms).map(|_| ()) } else { Ok(()) };
        self.compact();
        tidied
    }

    /// Removes what nobody needs any more: chunks beyond their tier's retention, and answers whose keys have expired.
    /// Then seals. Removing comes first, as it makes room, and does not depend on sealing. Returns when there is
    /// something to do next, if ever.
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

    /// When there is something to do next, if ever: to tidy or to send. A large backlog is coarsened even while nothing
    /// can be sent.
    fn next_due(&self) -> Option<i64> {
        self.tidy_due().into_iter().chain(self.sending_due()).chain(self.removal_due()).min()
    }

    /// The same, except that a stream that was never written to has nothing to tidy.
    pub fn alarm_due(&self) -> Option<i64> {
        if self.next_seq == 1 { self.sending_due() } else { self.next_due() }
    }

    /// When there is something to do that should not wait for the next round of tidying: to send, or to merge.
    pub fn soon_due(&self, now_ms: i64) -> Option<i64> {
        self.sending_due().into_iter().chain(self.is_crowded().then_some(now_ms)).min()
    }

    /// When a consumer has something to do, such as sending.
    pub fn sending_due(&self) -> Option<i64> {
        self.consumers.due_ms(&self.followed())
    }

    /// Deletes rows of the log that are no longer kept for readers of messages. Returns when the next one is due, if
    /// any.
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

    /// When the next chunk exceeds its tier's retention, if any.
    fn chunks_due(&self) -> Result<Option<i64>, StoreError> {
        let mut next_s = None;
        for (layer, kept_s) in self.kept() {
            let due_s = chunks::oldest_end_s(&self.sql, layer)?.map(|end_s| end_s + kept_s);
            next_s = next_s.into_iter().chain(due_s).min();
        }
        Ok(next_s.map(|next_s| next_s * 1000))
    }

    /// The layers that are not kept for ever, and how long they are kept.
    fn kept(&self) -> impl Iterator<Item = (Layer, i64)> {
        let retention = self.record.config.retention;
        let kept = move |tier| Some((tier, retention.kept_s(tier)? + RETENTION_MARGIN_S));
        let of_tier = |(tier, kept_s)| Layer::all_of(tier).map(|layer| (layer, kept_s));
        Tier::ALL.into_iter().filter_map(kept).flat_map(of_tier)
    }
}
