//! The plan of a removal, before anything changes: which series and cells go, what replaces them, and the remaining
//! totals.

use rustc_hash::FxHashMap;

use crate::engine::Engine;
use model::labels::Labels;
use model::matcher::Matcher;
use model::open::SeriesId;
use model::removal::{Numbers, Span};
use model::sketches::Wanted;
use model::tier::{Layer, Tier};
use model::total::Total;
use protocol::removal::{Remove, Removed};
use store::chunk_read;
use store::removal::{Added, Rewriting, Scope, bytes_added};
use store::sql::{Sql, StoreError};

use super::RemoveError;

/// The most cells from which partly removed buckets are rebuilt; they take 20 MB.
const MAX_REST_CELLS: usize = 200_000;
/// The most day buckets that are read to settle totals: half a second.
const MAX_DAYS: usize = 2_000_000;
/// The most that a dry run reads of what would be rewritten; beyond this, it estimates.
const SAMPLE_STEPS: i64 = 4;
/// From this size on, sums are not exact, and the rest is added up again.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The plan of a removal.
pub(super) struct Plan {
    pub(super) scope: Scope,
    pub(super) is_whole: bool,
    /// The replacements for buckets that are partly removed.
    pub(super) added: Added,
    /// The new totals of series that stay.
    pub(super) totals: Vec<(SeriesId, Total)>,
    /// The series that are freed.
    pub(super) freed: Vec<SeriesId>,
    pub(super) points: u64,
    pub(super) series: u64,
}

impl<S: Sql> Engine<S> {
    pub(super) fn plan(&self, ask: &Remove, now_ms: i64) -> Result<Plan, RemoveError> {
        let matchers = Matcher::parse_all(&ask.matchers);
        let matchers = matchers.map_err(|error| RemoveError::Matcher(error.to_string()))?;
        let is_wanted = |labels: &Labels| matchers.iter().all(|matcher| matcher.accepts(labels));
        let wanted: Vec<SeriesId> =
            self.dictionary.labels().filter(|(_, labels)| is_wanted(labels)).map(|(series, _)| series).collect();
        Matcher::check_all(&matchers).map_err(|error| RemoveError::Matcher(error.to_string()))?;
        let series = self.numbers(&wanted);
        let Some(span) = ask.span() else { return Ok(self.whole(series, wanted)) };
        span.check(&self.record.config.retention, now_ms / 1000)?;
        self.part(Scope { series, span })
    }

    /// The numbers that refer to live series; for `overflow`, also all that no longer belong to a series.
    fn numbers(&self, wanted: &[SeriesId]) -> Numbers {
        let (mut numbers, mut rest) = (Numbers::default(), wanted);
        let has_overflow = wanted.iter().any(|series| self.is_overflow(*series));
        let mut next = 0;
        for (series, _) in self.dictionary.labels() {
            if has_overflow {
                numbers.push(next, series);
            }
            next = series + 1;
            if rest.first() == Some(&series) {
                rest = &rest[1..];
                numbers.push(series, next);
            }
        }
        if has_overflow {
            numbers.push(next, self.dictionary.next());
        }
        numbers
    }

    fn is_overflow(&self, series: SeriesId) -> bool {
        self.dictionary.get(series).is_some_and(Labels::is_overflow)
    }

    /// A plan that removes series completely.
    fn whole(&self, series: Numbers, wanted: Vec<SeriesId>) -> Plan {
        let total = |series: &SeriesId| self.series_totals().of(*series);
        let points = wanted.iter().map(|series| total(series).points).sum();
        let (overflow, freed): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|series| self.is_overflow(*series));
        let had_some = overflow.iter().filter(|series| !total(series).is_none()).count();
        Plan {
            series: (freed.len() + had_some) as u64,
            scope: Scope { series, span: Span::ALL },
            is_whole: true,
            added: Added::new(),
            totals: overflow.into_iter().map(|series| (series, Total::default())).collect(),
            freed,
            points,
        }
    }

    /// A plan that removes a time range of series.
    fn part(&self, scope: Scope) -> Result<Plan, RemoveError> {
        let added = scope.rest(&self.sql, MAX_REST_CELLS).map_err(|error| match error {
            StoreError::Full => RemoveError::TooMuch,
            error => error.into(),
        })?;
        // Each point once: days contain everything that any tier has.
        let days = Layer::Total(Tier::D1);
        // The data of a number without a series is part of the overflow's total.
        let overflow = self.dictionary.labels().find(|(_, labels)| labels.is_overflow()).map(|(series, _)| series);
        let live = |series| if self.dictionary.get(series).is_some() { series } else { overflow.unwrap_or(series) };
        let mut before: FxHashMap<SeriesId, Total> = FxHashMap::default();
        let mut after = before.clone();
        self.each_day(&scope, (scope.span.from_s, scope.span.to_s), &mut |start_s, series, cell| {
            if scope.covers(days, start_s, series) {
                before.entry(live(series)).or_default().add(cell);
            }
        })?;
        for ((series, _), cell) in added.get(&days).into_iter().flatten() {
            after.entry(live(*series)).or_default().add(&Total::of_cell(cell));
        }
        let (mut totals, mut points, mut inexact) = (Vec::new(), 0, FxHashMap::default());
        for (series, before) in before {
            let after = after.remove(&series).unwrap_or_default();
            let gone = before.without(&after);
            if gone.points == 0 && is_same(before.n, after.n) && is_same(before.d, after.d) {
                continue;
            }
            points += gone.points;
            let total = self.series_totals().of(series);
            if [total, before].iter().any(|sums| !(sums.n.abs() < EXACT && sums.d.abs() < EXACT)) {
                inexact.insert(series, Total { points: total.points.saturating_sub(gone.points), ..after });
            }
            let left = total.without(&gone);
            // A rounding error counts as zero.
            let n = if is_same(total.n, gone.n) { 0.0 } else { left.n };
            let d = if is_same(total.d, gone.d) { 0.0 } else { left.d };
            totals.push((series, Total { n, d, ..left }));
        }
        if !inexact.is_empty() {
            self.each_day(&scope, (Span::ALL.from_s, Span::ALL.to_s), &mut |start_s, series, cell| {
                if let Some(left) = inexact.get_mut(&live(series)).filter(|_| !scope.covers(days, start_s, series)) {
                    left.add(&Total { points: 0, ..*cell });
                }
            })?;
            for (series, total) in &mut totals {
                *total = inexact.get(series).copied().unwrap_or(*total);
            }
        }
        let series = totals.len() as u64;
        Ok(Plan { scope, is_whole: false, added, totals, freed: Vec::new(), points, series })
    }

    /// Hands on the day cells of series.
    fn each_day(
        &self,
        scope: &Scope,
        (from_s, to_s): (i64, i64),
        each: &mut dyn FnMut(i64, SeriesId, &Total),
    ) -> Result<(), RemoveError> {
        let (wants, mut left) = (|series| scope.series.has(series), MAX_DAYS);
        for layer in [Layer::Total(Tier::D1), Layer::Spread(Tier::D1)] {
            let read = chunk_read::each::<StoreError>(
                &self.sql,
                layer,
                from_s,
                to_s,
                wants,
                Wanted::default(),
                |start_s, series, cell| {
                    left = left.checked_sub(1).ok_or(StoreError::Stopped)?;
                    each(start_s, series, &Total::of_cell(cell));
                    Ok(())
                },
            );
            read.map_err(|error| match error {
                StoreError::Stopped => RemoveError::TooMuch,
                error => error.into(),
            })?;
        }
        Ok(())
    }

    /// What a dry run reports. The bytes that rewriting would free are estimated from a sample if there is much.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "an estimate of bytes")]
    pub(super) fn counted(&self, plan: &Plan) -> Result<Removed, StoreError> {
        let places = plan.scope.places(&self.sql)?;
        let (mut lost, mut looked) = (0, 0usize);
        let mut budget = self.limits.removal_bytes * SAMPLE_STEPS;
        // Spread over all layers and times.
        let stride = places.len() / 2 + 1;
        for at in 0..places.len() {
            let place = places[at * stride % places.len()];
            let mut rewriting = Rewriting::new(place, None, budget);
            rewriting.take_out(&self.sql, &plan.scope, false)?;
            (lost, looked, budget) = (lost + rewriting.lost, looked + 1, rewriting.budget);
            if budget <= 0 {
                break;
            }
        }
        let share = places.len() as f64 / looked.max(1) as f64;
        let bytes = (lost as f64 * share) as i64 - bytes_added(&plan.added);
        let (points, series) = (plan.points, plan.series);
        Ok(Removed { points, series, bytes: bytes.max(0).unsigned_abs(), is_done: true, ..Removed::default() })
    }
}

/// Whether two sums are equal, except for the order in which they were added up.
fn is_same(one: f64, other: f64) -> bool {
    const ROUNDING: f64 = 1e-9;
    one == other || (one - other).abs() <= ROUNDING * one.abs().max(other.abs())
}
