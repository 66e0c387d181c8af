//! The values of expressions: numbers and series at the times of the query.

use std::collections::BTreeMap;

use model::labels::Labels;

use super::metric::Metric;
use super::names::exported;
use super::parser::NAME;
use super::text::push_all;

/// Marks a missing value of a series: the bits of a NaN that no arithmetic produces, which Prometheus uses too.
pub const ABSENT: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value is missing.
#[must_use]
pub fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

/// A series, with a value for each time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The metric's name; `None` once an operation has dropped it.
    pub name: Option<Metric>,
    /// The labels as Prometheus has them, without the name.
    pub labels: Labels,
    /// A value for each time, [`ABSENT`] if missing.
    pub values: Vec<f64>,
}

/// The value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number at each time.
    Scalar(Vec<f64>),
    /// Series.
    Vector(Vec<Series>),
}

impl Series {
    /// The labels that `keeps` accepts; it is also asked about the metric's name.
    #[must_use]
    pub fn key(&self, keeps: &dyn Fn(&str) -> bool) -> Labels {
        let mut text = String::new();
        for (name, value) in self.pairs().filter(|(name, _)| keeps(name)) {
            push_pair(&mut text, name, value);
        }
        Labels::from_canonical(&text)
    }

    /// Names and values of its labels, the metric's name first.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.name.map(|metric| (NAME, metric.name())).into_iter().chain(self.labels.iter())
    }
}

/// A stream's labels with their Prometheus names.
#[must_use]
pub fn exported_labels(labels: &Labels) -> Labels {
    let mut all = BTreeMap::<String, String>::new();
    for (name, value) in labels.iter() {
        all.insert(exported(name), value.to_owned());
    }
    let mut text = String::new();
    for (name, value) in &all {
        push_pair(&mut text, name, value);
    }
    Labels::from_canonical(&text)
}

fn push_pair(text: &mut String, name: &str, value: &str) {
    push_all(text, &[name, "\u{1f}", value, "\u{1e}"]);
}
