//! Removing points: at once for readers, and in steps on disk.
//!
//! First everything is sealed, so what is to be removed is in chunks and in rows of the log, and what arrives later is
//! not. Then one transaction frees the series, settles the totals and notes what to rewrite. From then on readers skip
//! the removed data, while steps rewrite it. Before more is sealed into a place, the place is finished, so later data
//! there is not touched.

mod plan;

use std::collections::BTreeSet;

use crate::removal::{Removal, State};
use ingest::frame::{Frame, LabelSet};
use model::labels::Labels;
use model::removal::Unaligned;
use protocol::removal::{Remove, Removed};
use store::removal;
use store::removal::{Rewriting, Row, bytes_added};
use store::sql::{Sql, StoreError};
use store::{frames, log};

use super::{Engine, to_json};
use plan::Plan;

/// A place that is finished in one go.
const ALL: i64 = i64::MAX / 2;

/// Why a request to remove points is rejected.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum RemoveError {
    /// The SQL failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ends of the time range do not lie between buckets.
    #[error(transparent)]
    Unaligned(#[from] Unaligned),
    /// The removal would rewrite more at once than is allowed.
    #[error(
        "the ends of this time range split buckets of too many series: align `from` and `to` to whole days (multiples of 86400), or let `where` match fewer series"
    )]
    TooMuch,
    /// Another removal is in progress.
    #[error(
        "another removal is in progress, with the cursor r{0}, and a stream allows one at a time: repeat this request once that one is done"
    )]
    UnderWay(u64),
    /// The cursor does not belong to a removal of this stream.
    #[error("`after` is not the cursor of the last removal of this stream")]
    Unknown,
    /// An invalid matcher.
    #[error("`where`: {0}")]
    Matcher(String),
}

impl<S: Sql> Engine<S> {
    /// Removes points, or continues to; returns the progress. A removal that home has not numbered gets a number here.
    pub fn remove(&mut self, ask: &Remove, now_ms: i64) -> Result<Removed, RemoveError> {
        let last = self.removal.state.call;
        match ask.call {
            // From another shard that was told late: a later removal waits until all shards are done with the one
            // before.
            Some(call) if call < last => return Ok(Removed { call, is_done: true, ..Removed::default() }),
            Some(call) if call == last => {}
            Some(_) if ask.resumes => return Err(RemoveError::Unknown),
            call => {
                if !self.removal.state.is_done {
                    return Err(RemoveError::UnderWay(last));
                }
                self.seal(now_ms)?;
                let plan = self.plan(ask, now_ms)?;
                if ask.dry_run {
                    return Ok(self.counted(&plan)?);
                }
                self.make_overflow()?;
                let call = call.unwrap_or_else(|| now_ms.unsigned_abs().max(last + 1));
                self.begin_removal(ask, plan, call)?;
            }
        }
        self.removal_step()?;
        Ok(self.removal.removed())
    }

    fn begin_removal(&mut self, ask: &Remove, plan: Plan, call: u64) -> Result<(), StoreError> {
        self.change_chunks();
        let Plan { scope, is_whole, added, totals, freed, points, series } = plan;
        let mut series_totals = self.series_totals().clone();
        series_totals.take_out(&freed);
        for (series, total) in &totals {
            series_totals.set(*series, *total);
        }
        let state = State {
            call,
            matchers: ask.matchers.clone(),
            from_s: scope.span.from_s,
            to_s: scope.span.to_s,
            is_whole,
            log_next: 1,
            log_last: self.next_seq - 1,
            points,
            series,
            bytes: -bytes_added(&added),
            is_done: false,
            is_untold: ask.call.is_none() && self.record.config.layout.shards() > 1,
            points_before: self.removal.points(),
        };
        let row = Row { id: self.removal.id + 1, state: to_json(&state), series: scope.series.to_bytes() };
        let places = scope.places(&self.sql)?;
        let (sql, dictionary) = (&self.sql, &self.dictionary);
        let mut begun = None;
        sql.atomically(&mut || {
            removal::begin(sql, &row, &places, &added)?;
            dictionary.delete(sql, &freed)?;
            series_totals.put(sql)?;
            begun = Some(Removal::load(sql)?);
            Ok(())
        })?;
        self.dictionary.free(&freed);
        self.set_series_totals(series_totals);
        self.consumers.forget_past();
        self.removal = begun.unwrap_or_else(|| unreachable!("it is loaded"));
        Ok(())
    }

    #[cfg(test)]
    /// The number of removals.
    pub fn removals(&self) -> i64 {
        self.removal.id
    }

    /// When there is something to rewrite, or another shard to be asked whether it is done.
    pub fn removal_due(&self) -> Option<i64> {
        let State { is_done, is_untold, .. } = self.removal.state;
        if is_done && !is_untold { None } else { Some(if is_done { self.removal.tell_ms } else { 0 }) }
    }

    /// Whether there is something to rewrite here.
    pub fn is_removing(&self) -> bool {
        !self.removal.state.is_done
    }

    /// What to tell the other shards, unless home knows that they are done.
    pub fn untold_removal(&self) -> Option<Remove> {
        let State { call, matchers, from_s, to_s, is_whole, is_untold, .. } = &self.removal.state;
        let time = |at_s: &i64| (!is_whole).then_some(*at_s);
        is_untold.then(|| Remove {
            matchers: matchers.clone(),
            from_s: time(from_s),
            to_s: time(to_s),
            call: Some(*call),
            ..Remove::default()
        })
    }

    /// Sets when other shards are asked again. Only in memory.
    pub fn put_off_telling(&mut self, until_ms: i64) {
        self.removal.tell_ms = until_ms;
    }

    /// Records that all shards are done with a removal.
    pub fn removal_told(&mut self, call: u64) -> Result<(), StoreError> {
        if self.removal.state.call == call && self.removal.state.is_untold {
            let state = forgotten(State { is_untold: false, ..self.removal.state.clone() });
            removal::set_state(&self.sql, &to_json(&state))?;
            self.removal.state = state;
        }
        Ok(())
    }

    /// One step of rewriting: bounded work, all or nothing.
    pub fn removal_step(&mut self) -> Result<(), StoreError> {
        if self.removal.state.is_done {
            return Ok(());
        }
        self.change_chunks();
        let (mut state, mut next_part) = (self.removal.state.clone(), self.removal.next_part);
        let (mut done, mut rows, mut budget) = (BTreeSet::new(), Vec::new(), self.limits.removal_bytes);
        // A span's attic is its last place, and is rewritten first: from then on it receives what full places get,
        // which must not be removed again.
        let places: Vec<i64> = self.removal.pending.iter().rev().copied().collect();
        self.sql.atomically(&mut || {
            while budget > 0 && state.log_next <= state.log_last {
                let Some(row) = self.log.behind(state.log_next - 1).next().copied() else {
                    state.log_next = state.log_last + 1;
                    break;
                };
                state.log_next = row.seq + 1;
                if row.seq > state.log_last {
                    break;
                }
                budget -= i64::try_from(row.bytes).unwrap_or(i64::MAX);
                if let Some(bytes) = self.row_without(row.seq)? {
                    log::replace(&self.sql, row.seq, &bytes)?;
                    rows.push((row.seq, bytes.len()));
                }
            }
            for place in &places {
                if budget <= 0 {
                    break;
                }
                let part = next_part.take().filter(|(at, _)| at == place).map(|(_, part)| part);
                let mut rewriting = Rewriting::new(*place, part, budget);
                let is_done = rewriting.take_out(&self.sql, &self.removal.scope, true)?;
                (budget, state.bytes) = (rewriting.budget, state.bytes + rewriting.lost);
                if is_done {
                    rewriting.put_in(&self.sql)?;
                    done.insert(*place);
                } else {
                    next_part = Some((*place, rewriting.next()));
                }
            }
            state.is_done = done.len() == places.len() && state.log_next > state.log_last;
            state = forgotten(std::mem::take(&mut state));
            removal::set_state(&self.sql, &to_json(&state))
        })?;
        self.removal.pending.retain(|place| !done.contains(place));
        for (seq, bytes) in rows {
            self.log.resize(seq, bytes);
        }
        (self.removal.state, self.removal.next_part) = (state, next_part);
        Ok(())
    }

    /// Called before open buckets are sealed: finishes their places, as what is sealed there must not be removed.
    pub(super) fn finish_places(&mut self) -> Result<(), StoreError> {
        if self.removal.pending.is_empty() {
            return Ok(());
        }
        let places = self.unsealed_places();
        let places: Vec<i64> = places.intersection(&self.removal.pending).copied().collect();
        // From last to first, as in a step.
        for place in places.iter().rev() {
            let mut rewriting = Rewriting::new(*place, None, ALL);
            let mut state = self.removal.state.clone();
            self.sql.atomically(&mut || {
                rewriting.take_out(&self.sql, &self.removal.scope, true)?;
                rewriting.put_in(&self.sql)?;
                state.bytes += rewriting.lost;
                removal::set_state(&self.sql, &to_json(&state))
            })?;
            self.removal.state = state;
            self.removal.pending.remove(place);
        }
        Ok(())
    }

    /// A row of the log, without the points that are removed.
    pub(super) fn row_bytes(&self, seq: i64) -> Result<Vec<u8>, StoreError> {
        let bytes = log::row(&self.sql, seq)?.ok_or(StoreError::Column("row of the log"))?;
        if !self.removal.has_in_row(seq) {
            return Ok(bytes);
        }
        Ok(self.without(&bytes)?.unwrap_or(bytes))
    }

    /// A row of the log without the points that are removed; `None` if it has none of them.
    fn row_without(&self, seq: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes = log::row(&self.sql, seq)?.ok_or(StoreError::Column("row of the log"))?;
        self.without(&bytes)
    }

    fn without(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let (mut kept, mut is_changed) = (Vec::new(), false);
        for bytes in frames::decode(bytes)? {
            let frame = Frame::parse(bytes)?;
            // The series' name at that time, and the writer's own.
            let labels = |set: usize| {
                let written = frame.label_sets[set];
                let (of_series, _) = self.distinct.split(written);
                [written, &of_series].map(Labels::from_canonical)
            };
            let sets: Vec<_> = (0..frame.label_sets.len()).map(labels).collect();
            let removed = frame.without(&mut |set, point| match set {
                LabelSet::New(set) => sets[set].iter().any(|labels| self.removal.takes(labels, point)),
                LabelSet::Known(series) => self.removal.takes_of(series, point),
            })?;
            is_changed |= removed.is_some();
            kept.extend(removed.unwrap_or_else(|| vec![bytes.to_vec()]));
        }
        Ok(is_changed.then(|| frames::encode(kept.iter().map(Vec::as_slice))))
    }
}

/// The matchers of a removal, which may identify a person, are not kept longer than needed.
fn forgotten(state: State) -> State {
    if state.is_done && !state.is_untold { State { matchers: Vec::new(), ..state } } else { state }
}
