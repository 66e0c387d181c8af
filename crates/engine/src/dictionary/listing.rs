//! The names and values of labels, as readers see them.

use std::collections::BTreeMap;

use serde::Serialize;

use model::labels::Labels;
use protocol::params::ValuesParams;

use super::Dictionary;

/// A label name as `labels` lists it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LabelEntry {
    name: String,
    values: usize,
    series: usize,
}

/// The values of a label, as `labels/{name}` lists them.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LabelValues {
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
    /// The series that readers see: `overflow` has its number from the start, but counts as a series only once it has
    /// points.
    fn listed(&self, has_overflow: bool) -> impl Iterator<Item = &Labels> {
        self.labels.items().iter().filter(move |labels| has_overflow || !labels.is_overflow())
    }

    /// The label names with their numbers of values and series, sorted by name.
    pub(crate) fn names(&self, has_overflow: bool) -> Vec<LabelEntry> {
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

    /// The values of a label with their numbers of series, most frequent first.
    pub(crate) fn values(&self, name: &str, params: &ValuesParams, has_overflow: bool) -> LabelValues {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::DictionaryLimits;

    fn text(pairs: &[(&str, &str)]) -> String {
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}\u{1f}{value}\u{1e}")).collect();
        pairs.concat()
    }

    #[test]
    fn names_and_values_count_their_series() {
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
