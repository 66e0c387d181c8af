//! Sealing: the open buckets become chunks, answers leave the log, and what no one needs any more goes.

use crate::domain::open::OpenBuckets;
use crate::domain::tier::{Layer, RETENTION_MARGIN_S, Tier};
use crate::store::log::Cursor;
use crate::store::sql::{Sql, StoreError};
use crate::store::{chunks, log, meta};

use super::{CONSUMER, Engine, MAX_ROW_BYTES, TOTALS, to_json};

impl<S: Sql> Engine<S> {
    /// Whether so much is unsealed, as sealing fails, that no more can be taken.
    pub(in crate::object) fn is_behind(&self) -> bool {
        self.unsealed_bytes > 2 * self.limits.unsealed_bytes + MAX_ROW_BYTES
            || self.open.cells() > 2 * self.limits.open_cells
    }

    /// Moves all open buckets into chunks, and the answers to keys out of the log, which is empty then.
    pub(in crate::object) fn seal(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.seal_to(Cursor { seq: self.next_seq - 1, points: 0 }, now_ms)
    }

    pub(super) fn seal_to(&mut self, cursor: Cursor, now_ms: i64) -> Result<(), StoreError> {
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
    pub(in crate::object) fn tidy(&mut self, now_ms: i64) -> Result<Option<i64>, StoreError> {
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
}
