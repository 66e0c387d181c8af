//! Folding: series leave the dictionary, and their totals become part of `overflow`.
//!
//! Which ones leave depends on how full the part of the dictionary for open writers is, so a stream with room keeps
//! every label for ever. Series that are not established leave before established ones, those seen in fewer hours
//! before those seen in more, and those idle for longer before those idle for less.

use rustc_hash::FxHashSet;

use model::open::SeriesId;
use model::standing::{Standing, hour_of};
use store::meta;
use store::sql::{Sql, StoreError};

use super::{Engine, FOLD, to_json};

/// Above this fill of the dictionary, series that are idle for this many hours leave until it is below: either
/// established ones or the others.
struct Rule {
    fill: f64,
    is_established: bool,
    idle_hours: u32,
}

const RULES: [Rule; 3] = [
    Rule { fill: 0.1, is_established: false, idle_hours: 48 },
    Rule { fill: 0.5, is_established: true, idle_hours: 90 * 24 },
    Rule { fill: 0.9, is_established: true, idle_hours: 48 },
];

/// A round of folding ends counters of labels, so there is at most one a day...
const INTERVAL_MS: i64 = 86_400_000;
/// ...in steps of this many series: each deletes a row, and rewrites at most 25 rows of totals of 140 KB.
const STEP_SERIES: usize = 4_096;
const STEP_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600_000;

impl<S: Sql> Engine<S> {
    /// Gives `overflow` a durable number before series are freed, whose numbers then refer to it. Not while part of the
    /// log is unsealed, because the order of its new series determines their numbers.
    pub(super) fn make_overflow(&mut self) -> Result<(), StoreError> {
        self.dictionary.overflow();
        self.sql.atomically(&mut || self.dictionary.persist(&self.sql))?;
        self.dictionary.mark_persisted();
        Ok(())
    }

    /// Folds series, given in numerical order, into `overflow`, when everything is sealed: their names and places
    /// become free, and their data is read under `overflow`. The next round is not before `fold_ms`.
    fn fold(&mut self, ids: &[SeriesId], fold_ms: i64) -> Result<(), StoreError> {
        self.make_overflow()?;
        self.change_chunks();
        let overflow = self.dictionary.overflow();
        let ids: Vec<SeriesId> = ids.iter().copied().filter(|id| *id != overflow).collect();
        let mut totals = self.series_totals().clone();
        let taken = totals.take_out(&ids);
        totals.add(overflow, &taken);
        self.sql.atomically(&mut || {
            totals.put(&self.sql)?;
            self.dictionary.delete(&self.sql, &ids)?;
            meta::put(&self.sql, FOLD, &to_json(&fold_ms))
        })?;
        self.set_series_totals(totals);
        self.dictionary.free(&ids);
        self.fold_ms = Some(fold_ms);
        self.consumers.forget_past();
        Ok(())
    }

    /// Folds one step of the series that should leave, if everything is sealed. Returns when there is something to fold
    /// next, if ever.
    pub(super) fn expire_series(&mut self, now_ms: i64) -> Result<Option<i64>, StoreError> {
        // Also if the clock was set back.
        let is_due = self.fold_ms.is_none_or(|fold_ms| fold_ms <= now_ms || fold_ms > now_ms + INTERVAL_MS);
        if is_due && self.cursor.seq + 1 == self.next_seq {
            let mut leaving = self.leaving(hour_of(now_ms));
            if !leaving.is_empty() {
                let has_more = leaving.len() > STEP_SERIES;
                leaving.truncate(STEP_SERIES);
                leaving.sort_unstable();
                self.fold(&leaving, if has_more { now_ms + STEP_MS } else { now_ms + INTERVAL_MS })?;
            }
        }
        Ok(self.fold_due().map(|due_ms| due_ms.max(now_ms + STEP_MS).max(self.fold_ms.unwrap_or(i64::MIN))))
    }

    /// Series that may leave by a rule, with their standings.
    fn leavers(&self, rule: &Rule) -> impl Iterator<Item = (SeriesId, Standing, usize)> {
        let is_wanted = self.dictionary.fill((0, 0)) >= rule.fill;
        let is_established = rule.is_established;
        self.dictionary.labels().filter(move |(_, labels)| is_wanted && !labels.is_overflow()).filter_map(
            move |(id, labels)| {
                let standing = self.series_totals().standing(id);
                (standing.is_established() == is_established).then(|| (id, standing, labels.as_str().len()))
            },
        )
    }

    /// The series that leave, in this order.
    fn leaving(&self, hour: u32) -> Vec<SeriesId> {
        let (mut leaving, mut chosen) = (Vec::new(), FxHashSet::default());
        // Series and bytes that are gone by then. The number of names is not known in advance.
        let mut gone = (0, 0);
        for rule in RULES {
            let is_idle = |(_, standing, _): &(SeriesId, Standing, usize)| standing.idle_hours(hour) >= rule.idle_hours;
            let mut leavers: Vec<_> = self.leavers(&rule).filter(is_idle).collect();
            leavers.sort_unstable_by_key(|(id, standing, _)| (standing.hours, standing.last_hour, *id));
            for (id, _, bytes) in leavers {
                if self.dictionary.fill(gone) < rule.fill {
                    break;
                }
                // Two rules may name the same series.
                if chosen.insert(id) {
                    leaving.push(id);
                    gone = (gone.0 + 1, gone.1 + bytes);
                }
            }
        }
        leaving
    }

    /// When the first series may leave.
    fn fold_due(&self) -> Option<i64> {
        let due_hours = RULES.iter().filter_map(|rule| {
            let last_hour = self.leavers(rule).map(|(_, standing, _)| standing.last_hour).min()?;
            Some(i64::from(last_hour) + i64::from(rule.idle_hours))
        });
        due_hours.min().map(|hour| hour * HOUR_MS)
    }
}
