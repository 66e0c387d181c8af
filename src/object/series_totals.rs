//! What each series has had since the stream began: in memory for all, in the database up to the cursor of the rollups.

use crate::domain::open::SeriesId;
use crate::domain::sketches::Wanted;
use crate::domain::tier::{Layer, Tier};
use crate::domain::total::Total;
use crate::store::chunks;
use crate::store::sql::{Sql, StoreError};
use crate::store::totals::{self, BLOCK_SERIES, block_of};

/// Later than any bucket.
const LATEST_S: i64 = i64::MAX / 2;

/// Totals by the numbers of series: 24 bytes each.
#[derive(Debug, Default)]
pub(super) struct SeriesTotals {
    totals: Vec<Total>,
    /// Blocks that the database has otherwise.
    changed: Vec<bool>,
}

impl SeriesTotals {
    /// Those up to the cursor. A stream whose points were sealed by a version that kept no totals begins with what its
    /// chunks of days have.
    pub(super) fn load(sql: &impl Sql, is_sealed: bool) -> Result<Self, StoreError> {
        if let Some(totals) = totals::all(sql)? {
            return Ok(Self { totals, changed: Vec::new() });
        }
        let mut loaded = Self::default();
        if is_sealed {
            let days = Layer::Total(Tier::D1);
            chunks::each::<StoreError>(
                sql,
                days,
                0,
                LATEST_S,
                |_| true,
                Wanted::default(),
                |_, series, cell| {
                    loaded.add(series, &Total::of_cell(cell));
                    Ok(())
                },
            )?;
            sql.atomically(&mut || loaded.persist(sql))?;
            loaded.mark_persisted();
        }
        Ok(loaded)
    }

    /// Adds to a series.
    pub(super) fn add(&mut self, series: SeriesId, part: &Total) {
        let at = series as usize;
        if at >= self.totals.len() {
            self.totals.resize(at + 1, Total::default());
        }
        self.totals[at].add(part);
        let block = block_of(series);
        if block >= self.changed.len() {
            self.changed.resize(block + 1, false);
        }
        self.changed[block] = true;
    }

    /// Of a series.
    pub(super) fn of(&self, series: usize) -> Total {
        self.totals.get(series).copied().unwrap_or_default()
    }

    /// Writes the blocks that changed; [`Self::mark_persisted`] when that has taken effect.
    pub(super) fn persist(&self, sql: &impl Sql) -> Result<(), StoreError> {
        for (block, _) in self.changed.iter().enumerate().filter(|(_, is_changed)| **is_changed) {
            let end = self.totals.len().min((block + 1) * BLOCK_SERIES);
            totals::put(sql, block, &self.totals[block * BLOCK_SERIES..end])?;
        }
        Ok(())
    }

    pub(super) fn mark_persisted(&mut self) {
        self.changed.clear();
    }
}
