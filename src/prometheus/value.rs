//! What expressions become: numbers and series at the times of the query.

use super::metric::Metric;
use super::parser::NAME;

/// Stands where a series has no value: the bits of a NaN that no arithmetic makes, which Prometheus uses likewise.
pub const ABSENT: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether there is no value.
#[must_use]
pub fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

/// Name and value of labels, as Prometheus has them, sorted by name.
pub type Pairs = Vec<(String, String)>;

/// A series, with a value for each time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Unless it is the number of something.
    pub name: Option<Metric>,
    /// Without the name.
    pub labels: Pairs,
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
    /// The labels that `keeps` wants, the name among them, as one text.
    #[must_use]
    pub fn key(&self, keeps: &dyn Fn(&str) -> bool) -> String {
        let mut key = String::new();
        let name = self.name.map(|metric| (NAME, metric.name()));
        let labels = self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in name.into_iter().chain(labels).filter(|(name, _)| keeps(name)) {
            key.extend([name, "\u{1f}", value, "\u{1e}"]);
        }
        key
    }

    /// The labels of such a key.
    #[must_use]
    pub fn pairs(key: &str) -> Pairs {
        let pairs = key.split_terminator('\u{1e}').filter_map(|pair| pair.split_once('\u{1f}'));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}
