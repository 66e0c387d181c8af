//! How many different values the labels have that may have only so many (`max` in the owner's `accept`).
//!
//! Values are those of the series that there are, so freed series make room. What is decided by them is in the log: the
//! label is taken off before a batch is stored. Only in memory, and counted anew when series or rules have changed
//! otherwise.

use std::borrow::Cow;
use std::collections::BTreeSet;

use config::accept::Accept;
use model::labels::{Labels, split};
use model::open::SeriesId;

use super::dictionary::Dictionary;

/// The values of the labels that have a maximum. All together may have 20,000, of at most 256 bytes: some 6 MB.
#[derive(Default)]
pub(super) struct Values {
    counted: Vec<Counted>,
    /// Of which rules and series.
    of: Option<(Accept, SeriesId, usize)>,
}

struct Counted {
    name: String,
    max: usize,
    values: BTreeSet<Box<str>>,
}

impl Counted {
    fn admits(&self, value: &str) -> bool {
        self.values.len() < self.max || self.values.contains(value)
    }
}

impl Values {
    /// Whether a label has a maximum; its values are those of the series then.
    pub(super) fn prepare(&mut self, accept: &Accept, dictionary: &Dictionary) -> bool {
        let is_current = |(of, next, series): &(Accept, SeriesId, usize)| {
            of == accept && (*next, *series) == (dictionary.next(), dictionary.series())
        };
        if accept.is_none() || self.of.as_ref().is_some_and(is_current) {
            return !accept.is_none() && !self.counted.is_empty();
        }
        let rules = accept.rules().ok().flatten();
        let counted =
            |(name, max): (&str, u32)| Counted { name: name.to_owned(), max: max as usize, values: BTreeSet::new() };
        self.counted = rules.iter().flat_map(|rules| rules.maxes()).map(counted).collect();
        if !self.counted.is_empty() {
            dictionary.labels().for_each(|(_, labels)| self.count(labels));
        }
        self.of = Some((accept.clone(), dictionary.next(), dictionary.series()));
        !self.counted.is_empty()
    }

    /// The labels of a canonical text without those that would have one value too many.
    pub(super) fn kept<'a>(&self, canonical: &'a str) -> Cow<'a, str> {
        split(canonical, |name, value| {
            self.counted.iter().find(|counted| counted.name == name).is_none_or(|counted| counted.admits(value))
        })
    }

    /// How many values are counted.
    pub(super) fn len(&self) -> usize {
        self.counted.iter().map(|counted| counted.values.len()).sum()
    }

    /// Takes in a series that has come.
    pub(super) fn add(&mut self, canonical: &str, dictionary: &Dictionary) {
        self.count(&Labels::from_canonical(canonical));
        if let Some((_, next, series)) = &mut self.of {
            (*next, *series) = (dictionary.next(), dictionary.series());
        }
    }

    fn count(&mut self, labels: &Labels) {
        for (name, value) in labels.iter() {
            if let Some(counted) = self.counted.iter_mut().find(|counted| counted.name == name)
                && !counted.values.contains(value)
            {
                counted.values.insert(value.into());
            }
        }
    }
}
