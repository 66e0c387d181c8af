//! The number of different values of labels whose values are limited (`max` in the owner's `accept`).
//!
//! Values are those of existing series, so freed series make room. What is decided by them is in the log: the label is
//! removed before a batch is stored. Only in memory, and counted again whenever series or rules have changed in other
//! ways.

use std::borrow::Cow;
use std::collections::BTreeSet;

use config::accept::Accept;
use model::labels::{Labels, split};
use model::open::SeriesId;

use super::dictionary::Dictionary;

/// The values of the labels that have a maximum: at most 20,000 in total, of at most 256 bytes, some 6 MB.
#[derive(Default)]
pub(super) struct Values {
    counted: Vec<Counted>,
    /// The rules and series that were counted.
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
    /// Whether a label has a maximum; if so, its values are those of the series now.
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

    /// The labels of a canonical string, without those that would add a value beyond the limit.
    pub(super) fn kept<'a>(&self, canonical: &'a str) -> Cow<'a, str> {
        split(canonical, |name, value| {
            self.counted.iter().find(|counted| counted.name == name).is_none_or(|counted| counted.admits(value))
        })
    }

    /// The number of values that are counted.
    pub(super) fn len(&self) -> usize {
        self.counted.iter().map(|counted| counted.values.len()).sum()
    }

    /// Adds a new series.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::DictionaryLimits;
    use serde_json::json;
    use store::schema;
    use store::testing::TestSql;

    #[test]
    fn a_maximum_that_the_owner_has_removed_limits_nothing() {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        let dictionary = Dictionary::load(&sql, [0; 16], DictionaryLimits::DEFAULT).expect("loads");
        let accept = |rules| Accept::parse(&rules).expect("valid");
        let (max, any) = (accept(json!({ "labels": { "a": { "max": 1 } } })), accept(json!({ "labels": { "a": {} } })));
        let mut values = Values::default();
        for _ in 0..2 {
            assert!(values.prepare(&max, &dictionary) && values.prepare(&max, &dictionary));
            assert!(!values.prepare(&Accept::default(), &dictionary));
            assert!(!values.prepare(&any, &dictionary) && !values.prepare(&any, &dictionary));
        }
    }
}
