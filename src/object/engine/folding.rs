//! Folding: series leave the dictionary, and what they had is part of `overflow`.

use crate::domain::open::SeriesId;
use crate::store::sql::{Sql, StoreError};

use super::Engine;

#[allow(dead_code)]
impl<S: Sql> Engine<S> {
    /// Gives `overflow` a number that is durable: before series are freed, as their numbers stand for it then. Not while some of
    /// the log is unsealed, whose new series have their numbers by its order.
    pub(super) fn make_overflow(&mut self) -> Result<(), StoreError> {
        self.dictionary.overflow();
        self.sql.atomically(&mut || self.dictionary.persist(&self.sql))?;
        self.dictionary.mark_persisted();
        Ok(())
    }

    /// Folds series, given in the order of their numbers, into `overflow`, where all is sealed: their names and places are free,
    /// and what they had is read under `overflow`.
    pub(super) fn fold(&mut self, ids: &[SeriesId]) -> Result<(), StoreError> {
        self.make_overflow()?;
        let overflow = self.dictionary.overflow();
        let ids: Vec<SeriesId> = ids.iter().copied().filter(|id| *id != overflow).collect();
        let mut totals = self.series_totals.clone();
        let taken = totals.take(&ids);
        totals.add(overflow, &taken);
        self.sql.atomically(&mut || {
            totals.persist(&self.sql)?;
            self.dictionary.delete(&self.sql, &ids)
        })?;
        totals.mark_persisted();
        self.series_totals = totals;
        self.dictionary.free(&ids);
        Ok(())
    }
}
