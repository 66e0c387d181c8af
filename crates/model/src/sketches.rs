//! What a cell has beyond sums and extents: the distribution of its values, and distinct counts of its labels.

use super::distinct::Distinct;
use super::quantiles::Quantiles;

/// The most labels whose values are counted at a time.
pub const MAX_DISTINCT: usize = 4;
/// The most labels whose values a stream counts in its life, as [`Wanted`] has a bit for each.
pub const MAX_DISTINCT_LABELS: usize = 32;

/// The sketches of a cell; none of them is present without information.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketches {
    /// The values n/d of the counted points, if count and extent don't determine them.
    pub quantiles: Option<Quantiles>,
    /// Distinct values by label index, in order.
    pub distinct: Vec<(u8, Distinct)>,
}

/// A value of a label whose distinct values are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The label's index in its stream.
    pub label: u8,
    /// The value's [`super::distinct::hash`].
    pub hash: u64,
}

/// Which sketches a query needs. The others are neither read nor merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The quantiles.
    pub quantiles: bool,
    /// A bit for each label whose values to count, by its index.
    pub distinct: u32,
}

impl Wanted {
    /// All sketches.
    pub const ALL: Self = Self { quantiles: true, distinct: u32::MAX };

    /// Whether to count a label's values.
    #[must_use]
    pub fn has(self, label: u8) -> bool {
        u32::from(label) < u32::BITS && self.distinct & (1 << label) != 0
    }

    /// Whether no sketch is needed.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl Sketches {
    /// Whether there are no sketches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.quantiles.is_none() && self.distinct.is_empty()
    }

    /// A copy with the wanted sketches.
    #[must_use]
    pub fn kept(&self, wanted: Wanted) -> Self {
        let distinct = self.distinct.iter().filter(|(label, _)| wanted.has(*label));
        Self { quantiles: self.quantiles.clone().filter(|_| wanted.quantiles), distinct: distinct.cloned().collect() }
    }

    /// Counts a value of a label.
    pub fn mark(&mut self, mark: &Mark) {
        match self.place(mark.label) {
            Ok(at) => self.distinct[at].1.insert(mark.hash),
            Err(at) => self.distinct.insert(at, (mark.label, Distinct::of(mark.hash))),
        }
    }

    /// Adds the wanted distinct counts of another cell.
    pub fn merge_distinct(&mut self, other: &Self, wanted: Wanted) {
        for (label, set) in other.distinct.iter().filter(|(label, _)| wanted.has(*label)) {
            match self.place(*label) {
                Ok(at) => self.distinct[at].1.merge(set),
                Err(at) => self.distinct.insert(at, (*label, set.clone())),
            }
        }
    }

    /// The labels whose values were counted, in the order of their indices.
    pub fn distinct_sets(&self) -> impl Iterator<Item = (u8, &Distinct)> {
        self.distinct.iter().map(|(label, set)| (*label, set))
    }

    /// The number of distinct values of a label; 0 if it never occurred.
    #[must_use]
    pub fn distinct_values(&self, label: u8) -> f64 {
        self.place(label).map_or(0.0, |at| self.distinct[at].1.estimate())
    }

    fn place(&self, label: u8) -> Result<usize, usize> {
        self.distinct.binary_search_by_key(&label, |(label, _)| *label)
    }

    /// The memory that it takes, including its own.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.quantiles.as_ref().map_or(0, Quantiles::heap_bytes)
            + self.distinct.capacity() * size_of::<(u8, Distinct)>()
            + self.distinct.iter().map(|(_, set)| set.heap_bytes()).sum::<usize>()
    }
}
