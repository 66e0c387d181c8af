//! What expressions become: numbers and series at the times of the query.

use std::collections::BTreeMap;

use model::labels::Labels;

use super::metric::Metric;
use super::names::exported;
use super::parser::NAME;
use super::text::push_all;

/// Stands where a series has no value: the bits of a NaN that no arithmetic makes, which Prometheus uses likewise.
pub const ABSENT: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether there is no value.
#[must_use]
pub fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

/// A series, with a value for each time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Unless it is the number of something.
    pub name: Option<Metric>,
    /// As Prometheus has them, without the name.
    pub labels: Labels,
    /// [`ABSENT`] where there is none.
    pub values: Vec<f64>,
}

/// What an expression becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The same for all series.
    Scalar(Vec<f64>),
    /// Series.
    Vector(Vec<Series>),
}

impl Series {
    /// The labels that `keeps` wants, the name among them.
    #[must_use]
    pub fn key(&self, keeps: &dyn Fn(&str) -> bool) -> Labels {
        let mut text = String::new();
        for (name, value) in self.pairs().filter(|(name, _)| keeps(name)) {
            push_pair(&mut text, name, value);
        }
        Labels::from_canonical(&text)
    }

    /// Names and values of its labels, the name of its metric first.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.name.map(|metric| (NAME, metric.name())).into_iter().chain(self.labels.iter())
    }
}

/// A stream's labels as Prometheus has them.
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
