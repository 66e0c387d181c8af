//! The memory that a stream keeps between events.

use store::sql::{Sql, StoreError};
use store::{schema, series};

use super::Engine;

/// The memory of every stream: its record, small tables, and the allocator's losses.
const BASE_BYTES: usize = 64 << 10;
/// A series besides its string: the string's counters and block (24 bytes), its slots by number and by hash (up to 26)
/// and its totals (40, in a list that may be half empty).
const SERIES_BYTES: usize = 120;
/// An idempotency key: a slot of up to 64 bytes in a table, and its place in the order of expiry.
const KEY_BYTES: usize = 88;
/// A row of the log.
const ROW_BYTES: usize = 40;
/// A network or a key with a budget, and one that has added series.
const TAKER_BYTES: usize = 112;
/// A value of a label that has a maximum.
const VALUE_BYTES: usize = 96;

impl<S: Sql> Engine<S> {
    /// The memory that it keeps, calculated from the numbers of each kind.
    pub fn kept_bytes(&self) -> usize {
        let (keys, _) = self.answers.keys();
        BASE_BYTES
            + self.dictionary.text_bytes()
            + self.dictionary.series() * SERIES_BYTES
            + self.consumers.kept_bytes()
            + keys * KEY_BYTES
            + self.log.len() * ROW_BYTES
            + (self.admission.takers_len() + self.entry.takers_len()) * TAKER_BYTES
            + self.values.len() * VALUE_BYTES
    }

    /// The memory that the stream in this database will keep, as far as its sealed part shows.
    pub fn peek_kept_bytes(sql: &S) -> Result<usize, StoreError> {
        if !schema::exists(sql)? {
            return Ok(0);
        }
        let (series, text_bytes) = series::size(sql)?;
        Ok(BASE_BYTES + text_bytes + series * SERIES_BYTES)
    }
}
