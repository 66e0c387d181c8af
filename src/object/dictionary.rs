//! The series of an object and their numbers. New ones live in memory until their cells are sealed; until then the
//! log has their labels.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::labels::Labels;
use crate::domain::open::SeriesId;
use crate::domain::text_index::{HashKey, TextIndex};
use crate::store::series;
use crate::store::sql::{Sql, StoreError};
use crate::wire::params::ValuesParams;

/// Beyond these, what would be a new series is `overflow`.
#[derive(Clone, Copy, Debug)]
pub(super) struct DictionaryLimits {
    /// Series besides `overflow`...
    pub(super) series: usize,
    /// ...the bytes of their canonical texts in all...
    pub(super) text_bytes: usize,
    /// ...and different names of their labels.
    pub(super) names: usize,
}

impl DictionaryLimits {
    /// A series takes some 80 bytes besides its text: 8 of the 128 MB. A thousand names are more than a person can pick
    /// from; they are listed in one answer of at most 100 KB.
    pub(super) const DEFAULT: Self = Self { series: 100_000, text_bytes: 16 << 20, names: 1_000 };
}

/// Where the points of a label set go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    pub(super) series: SeriesId,
    /// Whether it is `overflow` for want of room for a series of its own.
    pub(super) is_overflow: bool,
}

/// Labels by number and numbers by labels.
pub(super) struct Dictionary {
    limits: DictionaryLimits,
    labels: Vec<Labels>,
    index: TextIndex,
    text_bytes: usize,
    /// Of all labels but those of `overflow`.
    names: BTreeSet<Box<str>>,
    /// The number of `overflow`, if it has one.
    overflow: Option<SeriesId>,
    /// How many are in the database.
    persisted: usize,
}

/// A label name as `labels` lists it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct LabelEntry {
    name: String,
    values: usize,
    series: usize,
}

/// The values of a label, as `labels/{name}` lists them.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct LabelValues {
    name: String,
    values: Vec<ValueEntry>,
    /// Whether there are more than the limit.
    more: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct ValueEntry {
    value: String,
    series: usize,
}

impl Dictionary {
    fn new(key: HashKey, limits: DictionaryLimits) -> Self {
        let (labels, index, names) = (Vec::new(), TextIndex::new(key), BTreeSet::new());
        Self { limits, labels, index, text_bytes: 0, names, overflow: None, persisted: 0 }
    }

    pub(super) fn load(sql: &impl Sql, key: HashKey, limits: DictionaryLimits) -> Result<Self, StoreError> {
        let mut dictionary = Self::new(key, limits);
        for labels in series::all(sql)? {
            dictionary.push(labels);
        }
        dictionary.persisted = dictionary.labels.len();
        Ok(dictionary)
    }

    /// The number of a series, a new one if need be, or that of `overflow` when there are too many.
    pub(super) fn number(&mut self, canonical: &str) -> Numbered {
        if let Some(series) = self.find(canonical) {
            return Numbered { series, is_overflow: false };
        }
        let labels = Labels::from_canonical(canonical);
        if self.has_room(&labels) {
            return Numbered { series: self.push(labels), is_overflow: false };
        }
        Numbered { series: self.overflow(), is_overflow: true }
    }

    fn has_room(&self, labels: &Labels) -> bool {
        let new_names = labels.iter().filter(|(name, _)| !self.names.contains(*name)).count();
        self.series() < self.limits.series
            && self.text_bytes + labels.as_str().len() <= self.limits.text_bytes
            && (new_names == 0 || self.names.len() + new_names <= self.limits.names)
    }

    /// How many series there are besides `overflow`.
    pub(super) fn series(&self) -> usize {
        self.labels.len() - usize::from(self.overflow.is_some())
    }

    /// The number of the series that takes what has no room elsewhere.
    pub(super) fn overflow(&mut self) -> SeriesId {
        self.overflow.unwrap_or_else(|| self.push(Labels::overflow()))
    }

    /// Whether a label set has a series.
    pub(super) fn has(&self, canonical: &str) -> bool {
        self.find(canonical).is_some()
    }

    fn find(&self, canonical: &str) -> Option<SeriesId> {
        self.index.find(canonical.as_bytes(), |id| text_of(&self.labels, id))
    }

    #[expect(clippy::cast_possible_truncation, reason = "a few hundred thousand at most")]
    fn push(&mut self, labels: Labels) -> SeriesId {
        let id = self.labels.len() as SeriesId;
        self.text_bytes += labels.as_str().len();
        if labels.is_overflow() {
            self.overflow = Some(id);
        } else {
            self.add_names(&labels);
        }
        self.labels.push(labels);
        self.index.insert(id, |id| text_of(&self.labels, id));
        id
    }

    fn add_names(&mut self, labels: &Labels) {
        for (name, _) in labels.iter() {
            if !self.names.contains(name) {
                self.names.insert(name.into());
            }
        }
    }

    /// All labels in the order of their numbers.
    pub(super) fn labels(&self) -> &[Labels] {
        &self.labels
    }

    /// Writes the series that are not in the database yet; [`Self::mark_persisted`] when that has taken effect.
    pub(super) fn persist(&self, sql: &impl Sql) -> Result<(), StoreError> {
        for (id, labels) in (0..).zip(&self.labels).skip(self.persisted) {
            series::insert(sql, id, labels)?;
        }
        Ok(())
    }

    pub(super) fn mark_persisted(&mut self) {
        self.persisted = self.labels.len();
    }

    /// The series that readers are told of: `overflow` has its number from the first, and is one when points are in it.
    fn listed(&self, has_overflow: bool) -> impl Iterator<Item = &Labels> {
        self.labels.iter().filter(move |labels| has_overflow || !labels.is_overflow())
    }

    /// The label names with how many values and series each has, sorted by name.
    pub(super) fn names(&self, has_overflow: bool) -> Vec<LabelEntry> {
        let mut names: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for (name, value) in self.listed(has_overflow).flat_map(Labels::iter) {
            *names.entry(name).or_default().entry(value).or_default() += 1;
        }
        let entry = |(name, values): (&str, BTreeMap<&str, usize>)| LabelEntry {
            name: name.to_owned(),
            values: values.len(),
            series: values.values().sum(),
        };
        names.into_iter().map(entry).collect()
    }

    /// The values of a label with how many series each has, most first.
    pub(super) fn values(&self, name: &str, params: &ValuesParams, has_overflow: bool) -> LabelValues {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for value in self.listed(has_overflow).map(|labels| labels.value(name)) {
            if !value.is_empty() && value.starts_with(&params.prefix) {
                *counts.entry(value).or_default() += 1;
            }
        }
        let mut values: Vec<ValueEntry> =
            counts.into_iter().map(|(value, series)| ValueEntry { value: value.to_owned(), series }).collect();
        values.sort_by(|a, b| b.series.cmp(&a.series).then_with(|| a.value.cmp(&b.value)));
        let more = values.len() > params.limit;
        values.truncate(params.limit);
        LabelValues { name: name.to_owned(), values, more }
    }
}

fn text_of(labels: &[Labels], id: SeriesId) -> &[u8] {
    labels[id as usize].as_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pairs: &[(&str, &str)]) -> String {
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}\u{1f}{value}\u{1e}")).collect();
        pairs.concat()
    }

    #[test]
    fn beyond_the_limit_series_share_the_overflow() {
        let mut dictionary = Dictionary::new([0; 16], DictionaryLimits { series: 1_000, ..DictionaryLimits::DEFAULT });
        for index in 0..1_000 {
            let numbered = dictionary.number(&text(&[("i", &index.to_string())]));
            assert_eq!(numbered, Numbered { series: index, is_overflow: false });
        }
        let overflow = Numbered { series: 1_000, is_overflow: true };
        assert_eq!(dictionary.number("x\u{1f}1\u{1e}"), overflow);
        assert_eq!(dictionary.number("x\u{1f}2\u{1e}"), overflow);
        assert_eq!(dictionary.number(&text(&[("i", "7")])).series, 7);
        assert_eq!(dictionary.labels()[1_000], Labels::overflow());
        let named = dictionary.number(Labels::overflow().as_str());
        assert_eq!(named, Numbered { is_overflow: false, ..overflow }, "who names it has not overflowed");
    }

    #[test]
    fn beyond_the_bytes_of_their_texts_series_share_the_overflow_too() {
        let limits = DictionaryLimits { text_bytes: 100_000, ..DictionaryLimits::DEFAULT };
        let mut dictionary = Dictionary::new([0; 16], limits);
        let long = |index: usize| text(&[("i", &format!("{index:05000}"))]);
        let count = limits.text_bytes / long(0).len();
        for index in 0..count + 10 {
            dictionary.number(&long(index));
        }
        assert_eq!(dictionary.labels().len(), count + 1);
        assert_eq!(dictionary.labels()[count], Labels::overflow());
    }

    #[test]
    fn beyond_the_limit_of_names_new_ones_share_the_overflow_and_known_ones_do_not() {
        let mut dictionary = Dictionary::new([0; 16], DictionaryLimits { names: 3, ..DictionaryLimits::DEFAULT });
        let mut is_overflow = |pairs: &[(&str, &str)]| dictionary.number(&text(pairs)).is_overflow;
        assert!(!is_overflow(&[("a", "1"), ("b", "1")]));
        assert!(is_overflow(&[("c", "1"), ("d", "1")]), "two more would be four");
        assert!(!is_overflow(&[("a", "1"), ("c", "1")]));
        assert!(is_overflow(&[("a", "1"), ("d", "1")]));
        assert!(!is_overflow(&[("a", "2"), ("b", "2"), ("c", "2")]));
        assert!(!is_overflow(&[]));
    }

    #[test]
    fn names_and_values_are_counted_in_series() {
        let mut dictionary = Dictionary::new([0; 16], DictionaryLimits::DEFAULT);
        for pairs in [&[("a", "1"), ("b", "x")][..], &[("a", "2"), ("b", "x")], &[("a", "1")]] {
            dictionary.number(&text(pairs));
        }
        let names = serde_json::to_string(&dictionary.names(false)).expect("serialises");
        assert_eq!(names, r#"[{"name":"a","values":2,"series":3},{"name":"b","values":1,"series":2}]"#);
        let values = |prefix: &str, limit| {
            let params = ValuesParams { prefix: prefix.into(), limit };
            serde_json::to_string(&dictionary.values("a", &params, false)).expect("serialises")
        };
        assert_eq!(
            values("", 9),
            r#"{"name":"a","values":[{"value":"1","series":2},{"value":"2","series":1}],"more":false}"#
        );
        assert_eq!(values("", 1), r#"{"name":"a","values":[{"value":"1","series":2}],"more":true}"#);
        assert_eq!(values("2", 1), r#"{"name":"a","values":[{"value":"2","series":1}],"more":false}"#);
    }
}
