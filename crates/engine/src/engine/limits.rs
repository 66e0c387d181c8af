//! How much an engine holds in memory, in total and before it seals.

use crate::dictionary::DictionaryLimits;
use model::increments::IncrementLimits;

/// When buckets are sealed early, and how much they hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// With this many open cells.
    pub open_cells: usize,
    /// With this many bytes in the log that are not in chunks yet...
    pub unsealed_bytes: usize,
    /// ...or this many merged pieces of points, which a restart has to merge again...
    pub open_pieces: usize,
    /// ...or this many answers to keys.
    pub unsealed_answers: usize,
    /// With this many bytes of sketches in open cells.
    pub sketch_bytes: usize,
    /// The most series in an open bucket that are not established; established ones are only bounded by `open_cells`,
    /// over all buckets.
    pub bucket_series: usize,
    /// A step of a removal rewrites at most this many bytes, or reads eight times as many.
    pub removal_bytes: i64,
    /// The most series and names.
    pub dictionary: DictionaryLimits,
    /// How much is kept for live readers.
    pub increments: IncrementLimits,
}

impl Limits {
    /// Open cells take some 100 bytes each, and references to them while they are sealed: 6 of the 128 MB; their
    /// sketches 8. Answers take some 90 without their lists of errors: 5. Two million pieces take some 200 ms, which
    /// only a restart spends at once; decoding and encoding a MB of chunks takes some 50.
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
