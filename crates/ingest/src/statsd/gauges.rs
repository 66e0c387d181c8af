//! The current values of gauges.

use model::text_index::{HashKey, TextIndex};

/// Gauges by their canonical labels.
pub(super) struct Gauges {
    index: TextIndex,
    values: Vec<(Box<str>, f64)>,
}

impl Gauges {
    pub(super) fn new(key: HashKey) -> Self {
        Self { index: TextIndex::new(key), values: Vec::new() }
    }

    /// Sets a gauge and returns its value.
    #[expect(clippy::cast_possible_truncation, reason = "a request's points are counted in thousands")]
    pub(super) fn set(&mut self, labels: &str, value: f64) -> f64 {
        if let Some(known) = self.find(labels) {
            self.values[known].1 = value;
        } else {
            let number = self.values.len() as u32;
            self.values.push((labels.into(), value));
            self.index.insert(number, |number| self.values[number as usize].0.as_bytes());
        }
        value
    }

    /// Changes a gauge that was set and returns its value.
    pub(super) fn add(&mut self, labels: &str, change: f64) -> Option<f64> {
        let known = self.find(labels)?;
        let value = &mut self.values[known].1;
        *value += change;
        Some(*value)
    }

    fn find(&self, labels: &str) -> Option<usize> {
        self.index
            .find(labels.as_bytes(), |number| self.values[number as usize].0.as_bytes())
            .map(|number| number as usize)
    }
}
