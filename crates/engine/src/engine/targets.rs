//! Where the points of a label set go.

use rustc_hash::FxHashMap;

use crate::dictionary::Numbered;
use crate::entry::Newcomer;
use model::class::Class;
use model::open::{Owner, SeriesId};
use model::sketches::Mark;
use model::standing::hour_of;
use store::sql::Sql;

use super::Engine;

/// The series of a label set, and the values that are counted there.
pub(super) struct Target {
    pub(super) series: SeriesId,
    /// Whether the label set has no series of its own because there are too many.
    pub(super) is_overflow: bool,
    /// Whether the series has a place in every bucket.
    is_established: bool,
    pub(super) marks: Vec<Mark>,
    /// Whether the series has exactly these labels.
    is_whole: bool,
}

/// The targets of a frame's known series.
pub(super) type KnownTargets = FxHashMap<SeriesId, Target>;

impl Target {
    /// The class of the points' writer.
    pub(super) fn owner(&self) -> Owner {
        Owner { series: self.series, is_established: self.is_established }
    }

    /// What the edge learns about the label set: the number that it may send instead.
    pub(super) fn told(&self) -> Option<SeriesId> {
        (self.is_whole && !self.is_overflow).then_some(self.series)
    }
}

impl<S: Sql> Engine<S> {
    /// The target of a frame's label set, as decided.
    pub(super) fn decided_target(&mut self, canonical: &str, is_refused: bool, class: Class, at_ms: i64) -> Target {
        let (labels, marks) = self.distinct.split(canonical);
        let is_whole = labels.len() == canonical.len();
        if is_refused {
            return Target {
                series: self.dictionary.overflow(),
                is_overflow: true,
                is_established: true,
                is_whole,
                marks,
            };
        }
        let series = self.dictionary.find(&labels).unwrap_or_else(|| {
            // It was admitted before a restart.
            let names = self.dictionary.room_for(&labels, Class::Owner).unwrap_or_default();
            let newcomer = Newcomer { class, networks: [None; 2], names };
            let config = &self.record.config;
            self.entry.count(&newcomer, &config.limits, config.layout.shards(), at_ms);
            self.dictionary.admit(&labels)
        });
        let is_established = self.see_at(series, class, at_ms);
        Target { series, is_overflow: false, is_established, marks, is_whole }
    }

    /// Records that a writer has written to a series; returns whether the series keeps its place in every bucket.
    fn see_at(&mut self, series: SeriesId, class: Class, at_ms: i64) -> bool {
        if series == self.dictionary.overflow() {
            return true;
        }
        self.see(series, class, hour_of(at_ms))
    }

    /// The target of a canonical label set; its series gets a number if it has none.
    pub(super) fn target(&mut self, canonical: &str, class: Class, at_ms: i64) -> Target {
        let (labels, marks) = self.distinct.split(canonical);
        let Numbered { series, is_overflow } = self.dictionary.number(&labels);
        let is_whole = labels.len() == canonical.len();
        let is_established = self.see_at(series, class, at_ms);
        Target { series, is_overflow, is_established, marks, is_whole }
    }

    /// The target of a series that an edge has learned. Its labels have changed if the owner has since listed one of
    /// them as `distinct`.
    pub(super) fn known_target<'a>(
        &mut self,
        series: SeriesId,
        known: &'a mut KnownTargets,
        class: Class,
        at_ms: i64,
    ) -> &'a Target {
        known.entry(series).or_insert_with(|| {
            let Some(labels) = self.dictionary.get(series) else {
                // It was freed while the batch waited for its commit.
                let (series, marks) = (self.dictionary.overflow(), Vec::new());
                return Target { series, is_overflow: true, is_established: true, marks, is_whole: false };
            };
            if self.distinct.counts_none() {
                let is_established = self.see_at(series, class, at_ms);
                return Target { series, is_overflow: false, is_established, marks: Vec::new(), is_whole: true };
            }
            let labels = labels.clone();
            self.target(labels.as_str(), class, at_ms)
        })
    }
}
