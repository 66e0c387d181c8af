//! Where the points of a label set go.

use rustc_hash::FxHashMap;

use crate::domain::open::SeriesId;
use crate::domain::sketches::Mark;
use crate::object::dictionary::Numbered;
use crate::store::sql::Sql;

use super::Engine;

/// The series of a label set, and the values that are counted there.
pub(super) struct Target {
    pub(super) series: SeriesId,
    /// Whether the label set has no series of its own, as there are too many.
    pub(super) is_overflow: bool,
    pub(super) marks: Vec<Mark>,
    /// Whether the series has just these labels.
    is_whole: bool,
}

/// Of the known series of a frame.
pub(super) type KnownTargets = FxHashMap<SeriesId, Target>;

impl Target {
    /// What the edge is told of the label set: the number that it may say instead.
    pub(super) fn told(&self) -> Option<SeriesId> {
        (self.is_whole && !self.is_overflow).then_some(self.series)
    }
}

impl<S: Sql> Engine<S> {
    /// The target of a canonical label set; its series gets a number if it has none.
    pub(super) fn target(&mut self, canonical: &str) -> Target {
        let (labels, marks) = self.distinct.split(canonical);
        let Numbered { series, is_overflow } = self.dictionary.number(&labels);
        Target { series, is_overflow, is_whole: labels.len() == canonical.len(), marks }
    }

    /// The target of a series that an edge was told. It has other labels by now if the owner lists one of them as
    /// `distinct` since then.
    pub(super) fn known_target<'a>(&mut self, series: SeriesId, known: &'a mut KnownTargets) -> &'a Target {
        known.entry(series).or_insert_with(|| {
            let Some(labels) = self.dictionary.get(series) else {
                // It was freed while the batch waited for its commit.
                let series = self.dictionary.overflow();
                return Target { series, is_overflow: true, marks: Vec::new(), is_whole: false };
            };
            if self.distinct.counts_none() {
                return Target { series, is_overflow: false, marks: Vec::new(), is_whole: true };
            }
            let labels = labels.clone();
            self.target(labels.as_str())
        })
    }
}
