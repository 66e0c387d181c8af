//! Folding: series leave the dictionary, and what they had is part of `overflow`.
//!
//! Who leaves depends on how full the dictionary is, as measured by what open writers may have of it, so that a stream
//! that has room keeps every label for ever. What is only known for a while leaves before what is established, what was
//! in fewer hours before what was in more, and what is idle for longer before what is idle for less.

use rustc_hash::FxHashSet;

use model::open::SeriesId;
use model::standing::{Standing, hour_of};
use store::meta;
use store::sql::{Sql, StoreError};

use super::{Engine, FOLD, to_json};

/// Above a share of the dictionary, series that are idle for so many hours leave until it is below: others, and
/// established ones.
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

/// A round of folding lets counters by labels end, so there is one a day at most...
const INTERVAL_MS: i64 = 86_400_000;
/// ...in steps of so many series: each deletes a row, and rewrites at most 25 rows of totals of 140 KB.
const STEP_SERIES: usize = 4_096;
const STEP_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600_000;

impl<S: Sql> Engine<S> {
    /// Gives `overflow` a number that is durable: before series are freed, as their numbers stand for it then. Not
    /// while some of the log is unsealed, whose new series have their numbers by its order.
    pub(super) fn make_overflow(&mut self) -> Result<(), StoreError> {
        self.dictionary.overflow();
        self.sql.atomically(&mut || self.dictionary.persist(&self.sql))?;
        self.dictionary.mark_persisted();
        Ok(())
    }

    /// Folds series, given in the order of their numbers, into `overflow`, where all is sealed: their names and places
    /// are free, and what they had is read under `overflow`. The next round is not before `fold_ms`.
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

    /// Folds a step of what is to leave, where all is sealed. When there is something to fold next, if ever.
    pub(super) fn expire_series(&mut self, now_ms: i64) -> Result<Option<i64>, StoreError> {
        // Also when the clock was set back.
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

    /// Which series leave, who leaves first before the others.
    fn leaving(&self, hour: u32) -> Vec<SeriesId> {
        let (mut leaving, mut chosen) = (Vec::new(), FxHashSet::default());
        // Series and bytes of texts that are gone then. Of names nobody knows before.
        let mut gone = (0, 0);
        for rule in RULES {
            let is_idle = |(_, standing, _): &(SeriesId, Standing, usize)| standing.idle_hours(hour) >= rule.idle_hours;
            let mut leavers: Vec<_> = self.leavers(&rule).filter(is_idle).collect();
            leavers.sort_unstable_by_key(|(id, standing, _)| (standing.hours, standing.last_hour, *id));
            for (id, _, bytes) in leavers {
                if self.dictionary.fill(gone) < rule.fill {
                    break;
                }
                // Two rules have the same series.
                if chosen.insert(id) {
                    leaving.push(id);
                    gone = (gone.0 + 1, gone.1 + bytes);
                }
            }
        }
        leaving
    }

    /// When the first series that may leave does.
    fn fold_due(&self) -> Option<i64> {
        let due_hours = RULES.iter().filter_map(|rule| {
            let last_hour = self.leavers(rule).map(|(_, standing, _)| standing.last_hour).min()?;
            Some(i64::from(last_hour) + i64::from(rule.idle_hours))
        });
        due_hours.min().map(|hour| hour * HOUR_MS)
    }
}
