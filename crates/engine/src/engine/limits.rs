//! How much an engine holds in memory, and before it seals.

use crate::dictionary::DictionaryLimits;
use model::increments::IncrementLimits;

/// When buckets are sealed before their time, and how much they hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// With this many open cells.
    pub open_cells: usize,
    /// With this many bytes in the log that are not in chunks yet...
    pub unsealed_bytes: usize,
    /// ...or this many pieces of points merged, which is what a restart has to do again...
    pub open_pieces: usize,
    /// ...or this many answers to keys.
    pub unsealed_answers: usize,
    /// With this many bytes of sketches in open cells.
    pub sketch_bytes: usize,
    /// An open bucket has cells of so many series that are not established, and of any number of others: the bound of
    /// `open_cells` holds for all together.
    pub bucket_series: usize,
    /// A step of a removal rewrites so many bytes, or reads eight times as many.
    pub removal_bytes: i64,
    /// How many series and names there may be.
    pub dictionary: DictionaryLimits,
    /// How much is kept for live readers.
    pub increments: IncrementLimits,
}

impl Limits {
    /// Open cells take some 100 bytes each, and references to them while they are sealed: 6 of the 128 MB; their
    /// sketches 8. Answers take some 90 without their lists of errors: 5. Two million pieces are some 200 ms, which
    /// only a restart does at once; a MB of chunks that are decoded and encoded is some 50.
    pub const DEFAULT: Self = Self {
        open_cells: 50_000,
        unsealed_bytes: 8 << 20,
        open_pieces: 2_000_000,
        unsealed_answers: 50_000,
        sketch_bytes: 8 << 20,
        bucket_series: 4_000,
        removal_bytes: 1 << 20,
        dictionary: DictionaryLimits::DEFAULT,
        increments: IncrementLimits::DEFAULT,
    };
}
