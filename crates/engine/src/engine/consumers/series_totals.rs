//! The totals of each series since the stream began, and how established it is: in memory for all, in the database up
//! to the cursor of the rollups.

use std::collections::BTreeMap;

use model::class::Class;
use model::open::SeriesId;
use model::query::Query;
use model::sketches::Wanted;
use model::sparse::Sparse;
use model::standing::{ESTABLISHED_HOURS, Standing, hour_of};
use model::tier::{Layer, Tier};
use model::total::{MAX_SHOWN, MAX_SHOWN_BYTES, ShownTotals, Total};
use store::chunk_read;
use store::chunks::Sealed;
use store::log::Cursor;
use store::series_totals;
use store::series_totals::{BLOCK_SERIES, SeriesTotal, block_of};
use store::sql::{Sql, StoreError};

use super::totals::Totals;
use super::{Consumer, Loading, Taken};
use crate::engine::{Engine, QueryError};

/// Later than any bucket.
const LATEST_S: i64 = i64::MAX / 2;

/// Totals by series number: 32 bytes each.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeriesTotals {
    totals: Sparse<SeriesTotal>,
    /// Blocks that differ from the database.
    changed: Vec<bool>,
}

impl SeriesTotals {
    fn add_days(&mut self, sql: &impl Sql) -> Result<(), StoreError> {
        self.touch(0);
        chunk_read::each::<StoreError>(
            sql,
            Layer::Total(Tier::D1),
            0,
            LATEST_S,
            |_| true,
            Wanted::default(),
            |_, series, cell| {
                self.add(series, &Total::of_cell(cell));
                Ok(())
            },
        )
    }

    /// The total of a live series; a new one gets an entry, as do those before it.
    fn of_mut(&mut self, series: SeriesId) -> &mut SeriesTotal {
        while self.totals.next() <= series {
            self.totals.push(SeriesTotal::default());
        }
        let slot = self.totals.slot(series).unwrap_or_default();
        self.totals.at_mut(slot)
    }

    fn touch(&mut self, series: SeriesId) {
        let block = block_of(series) as usize;
        if block >= self.changed.len() {
            self.changed.resize(block + 1, false);
        }
        self.changed[block] = true;
    }

    /// Adds to a series' total.
    pub(crate) fn add(&mut self, series: SeriesId, part: &Total) {
        self.of_mut(series).total.add(part);
        self.touch(series);
    }

    /// Records that a writer has written to a series in this hour; returns whether the series is established.
    fn see(&mut self, series: SeriesId, class: Class, hour: u32) -> bool {
        self.touch(series);
        let standing = &mut self.of_mut(series).standing;
        standing.see(class, hour);
        standing.is_established()
    }

    /// Sets a series' total after a removal.
    pub(crate) fn set(&mut self, series: SeriesId, total: Total) {
        self.of_mut(series).total = total;
        self.touch(series);
    }

    /// The total of a series.
    pub(crate) fn of(&self, series: SeriesId) -> Total {
        self.totals.get(series).map(|series| series.total).unwrap_or_default()
    }

    /// How established a series is.
    pub(crate) fn standing(&self, series: SeriesId) -> Standing {
        self.totals.get(series).map(|series| series.standing).unwrap_or_default()
    }

    /// Writes the blocks that changed; call [`Self::mark_put`] once that has taken effect.
    pub(crate) fn put(&self, sql: &impl Sql) -> Result<(), StoreError> {
        let changed = self.changed.iter().enumerate().filter(|(_, is_changed)| **is_changed);
        for (block, _) in changed {
            let block = SeriesId::try_from(block).map_err(|_| StoreError::Column("block"))?;
            let in_block = self.totals.iter_from(block * BLOCK_SERIES);
            let in_block = in_block.take_while(|(series, _)| block_of(*series) == block);
            series_totals::put(sql, block, in_block)?;
        }
        Ok(())
    }

    fn mark_put(&mut self) {
        self.changed.clear();
    }

    /// Takes out series, given in numerical order; returns the sum of their totals.
    pub(crate) fn take_out(&mut self, ids: &[SeriesId]) -> Total {
        let mut taken = Total::default();
        for series in self.totals.remove(ids) {
            taken.add(&series.total);
        }
        // The first block stays, as evidence that totals were kept.
        ids.iter().chain(&[0]).for_each(|id| self.touch(*id));
        taken
    }
}

impl Consumer for SeriesTotals {
    /// The totals of a stream whose points were sealed by a version that kept none: those of its day chunks. For series
    /// that earlier versions knew, the last points are assumed to be from the hour in which the stream was last written
    /// to.
    fn load(stream: &Loading<'_, impl Sql>) -> Result<Self, StoreError> {
        let Loading { sql, dictionary, cursor, .. } = *stream;
        let hour = hour_of(Totals::read(sql)?.last_write_ms.unwrap_or_default().cast_signed());
        let mut found = BTreeMap::new();
        let has_any = series_totals::each(sql, hour, |series, total| {
            found.insert(series, total);
        })?;
        let is_older = !has_any && cursor != Cursor::default();
        let mut loaded = Self::default();
        for (series, _) in dictionary.labels() {
            loaded.totals.skip_to(series);
            let standing = Standing { hours: if is_older { ESTABLISHED_HOURS } else { 0 }, last_hour: hour };
            let unknown = SeriesTotal { total: Total::default(), standing };
            loaded.totals.push(found.remove(&series).unwrap_or(unknown));
        }
        loaded.totals.skip_to(dictionary.next());
        if is_older {
            loaded.add_days(sql)?;
            sql.atomically(&mut || loaded.put(sql))?;
            loaded.mark_put();
        }
        Ok(loaded)
    }

    #[inline]
    fn take(&mut self, taken: &mut Taken<'_>) {
        let series = taken.target.series;
        let (mut here, mut elsewhere) = (Total::default(), Total::default());
        for piece in &*taken.pieces {
            let part = if piece.series == series { &mut here } else { &mut elsewhere };
            part.add(&Total::of_cell(&piece.cell));
        }
        if elsewhere.is_none() {
            // The value as written: the pieces may add up to slightly more or less.
            self.add(series, &Total::of(taken.point));
        } else {
            self.add(series, &here);
            self.add(taken.dictionary.overflow(), &elsewhere);
        }
    }

    fn persist(&self, sql: &impl Sql, _sealed: &mut Sealed) -> Result<(), StoreError> {
        self.put(sql)
    }

    fn mark_persisted(&mut self, _sealed: &Sealed) {
        self.mark_put();
    }
}

impl<S: Sql> Engine<S> {
    /// The totals of each series, up to the end of the log.
    pub(crate) fn series_totals(&self) -> &SeriesTotals {
        &self.consumers.series_totals
    }

    /// Replaces them with others that are persisted.
    pub(crate) fn set_series_totals(&mut self, mut totals: SeriesTotals) {
        totals.mark_put();
        self.consumers.series_totals = totals;
    }

    /// Records that a writer has written to a series in this hour; returns whether the series is established.
    pub(crate) fn see(&mut self, series: SeriesId, class: Class, hour: u32) -> bool {
        self.consumers.series_totals.see(series, class, hour)
    }

    /// The totals of series since the stream began.
    pub fn shown(&self, query: &Query) -> Result<ShownTotals, QueryError> {
        let totals = self.series_totals();
        let series = self.dictionary.labels().map(|(series, labels)| (labels, totals.of(series)));
        let shown = ShownTotals::collect(series, query, MAX_SHOWN, MAX_SHOWN_BYTES);
        query.check()?;
        Ok(shown)
    }

    /// Whether `overflow` contains anything: points that found no room, or those of folded series.
    pub(crate) fn has_overflow(&self) -> bool {
        let mut overflow = self.dictionary.labels().filter(|(_, labels)| labels.is_overflow());
        overflow.next().is_some_and(|(series, _)| !self.series_totals().of(series).is_none())
            || self.consumers.totals.overflow_points > 0
    }
}
