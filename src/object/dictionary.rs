//! The series of an object and their numbers. New ones live in memory until their cells are sealed; until then the
//! log has their labels.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::labels::Labels;
use crate::domain::open::SeriesId;
use crate::domain::text_index::{HashKey, TextIndex};
use crate::store::series;
use crate::store::sql::{Sql, StoreError};
use crate::wire::params::ValuesParams;

/// An object has at most this many series besides `overflow`, at some 80 bytes besides their text: 8 of the 128 MB...
pub(super) const MAX_SERIES: usize = 100_000;
/// ...and their canonical texts at most so many bytes in all.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// Labels by number and numbers by labels.
pub(super) struct Dictionary {
    labels: Vec<Labels>,
    index: TextIndex,
    text_bytes: usize,
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
    fn new(key: HashKey) -> Self {
        Self { labels: Vec::new(), index: TextIndex::new(key), text_bytes: 0, persisted: 0 }
    }

    pub(super) fn load(sql: &impl Sql, key: HashKey) -> Result<Self, StoreError> {
        let mut dictionary = Self::new(key);
        for labels in series::all(sql)? {
            dictionary.push(labels);
        }
        dictionary.persisted = dictionary.labels.len();
        Ok(dictionary)
    }

    /// The number of a series, a new one if need be, or that of `overflow` when there are too many.
    pub(super) fn number(&mut self, canonical: &str) -> SeriesId {
        if let Some(id) = self.find(canonical) {
            return id;
        }
        if self.labels.len() < MAX_SERIES && self.text_bytes + canonical.len() <= MAX_TEXT_BYTES {
            return self.push(Labels::from_canonical(canonical));
        }
        let overflow = Labels::overflow();
        self.find(overflow.as_str()).unwrap_or_else(|| self.push(overflow))
    }

    /// What the edge is told of a number: not that of `overflow`, which many texts share.
    pub(super) fn told(&self, id: SeriesId) -> Option<SeriesId> {
        (self.labels[id as usize] != Labels::overflow()).then_some(id)
    }

    fn find(&self, canonical: &str) -> Option<SeriesId> {
        self.index.find(canonical.as_bytes(), |id| text_of(&self.labels, id))
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_SERIES + 1")]
    fn push(&mut self, labels: Labels) -> SeriesId {
        let id = self.labels.len() as SeriesId;
        self.text_bytes += labels.as_str().len();
        self.labels.push(labels);
        self.index.insert(id, |id| text_of(&self.labels, id));
        id
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

    /// The label names with how many values and series each has, sorted by name.
    pub(super) fn names(&self) -> Vec<LabelEntry> {
        let mut names: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for (name, value) in self.labels.iter().flat_map(Labels::iter) {
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
    pub(super) fn values(&self, name: &str, params: &ValuesParams) -> LabelValues {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for value in self.labels.iter().map(|labels| labels.value(name)) {
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
        let mut dictionary = Dictionary::new([0; 16]);
        for index in 0..MAX_SERIES {
            assert_eq!(dictionary.number(&text(&[("i", &index.to_string())])) as usize, index);
        }
        let overflow = dictionary.number("x\u{1f}1\u{1e}");
        assert_eq!(overflow as usize, MAX_SERIES);
        assert_eq!(dictionary.number("x\u{1f}2\u{1e}"), overflow);
        assert_eq!(dictionary.number(&text(&[("i", "7")])), 7);
        assert_eq!(dictionary.labels()[MAX_SERIES], Labels::overflow());
    }

    #[test]
    fn beyond_the_bytes_of_their_texts_series_share_the_overflow_too() {
        let mut dictionary = Dictionary::new([0; 16]);
        let long = |index: usize| text(&[("i", &format!("{index:05000}"))]);
        let count = MAX_TEXT_BYTES / long(0).len();
        for index in 0..count + 10 {
            dictionary.number(&long(index));
        }
        assert_eq!(dictionary.labels().len(), count + 1);
        assert_eq!(dictionary.labels()[count], Labels::overflow());
    }

    #[test]
    fn names_and_values_are_counted_in_series() {
        let mut dictionary = Dictionary::new([0; 16]);
        for pairs in [&[("a", "1"), ("b", "x")][..], &[("a", "2"), ("b", "x")], &[("a", "1")]] {
            dictionary.number(&text(pairs));
        }
        let names = serde_json::to_string(&dictionary.names()).expect("serialises");
        assert_eq!(names, r#"[{"name":"a","values":2,"series":3},{"name":"b","values":1,"series":2}]"#);
        let values = |prefix: &str, limit| {
            let params = ValuesParams { prefix: prefix.into(), limit };
            serde_json::to_string(&dictionary.values("a", &params)).expect("serialises")
        };
        assert_eq!(
            values("", 9),
            r#"{"name":"a","values":[{"value":"1","series":2},{"value":"2","series":1}],"more":false}"#
        );
        assert_eq!(values("", 1), r#"{"name":"a","values":[{"value":"1","series":2}],"more":true}"#);
        assert_eq!(values("2", 1), r#"{"name":"a","values":[{"value":"2","series":1}],"more":false}"#);
    }
}
