//! How much memory a stream keeps between events.

use store::sql::{Sql, StoreError};
use store::{schema, series};

use super::Engine;

/// What every stream has: its record, small tables, and what the allocator loses.
const BASE_BYTES: usize = 64 << 10;
/// A series besides its text: the text's counters and its block (24 bytes), its place by number and by hash (up to 26)
/// and its totals (40, in a list that may be half empty).
const SERIES_BYTES: usize = 120;
/// An idempotency key: in a table of up to 64 bytes a place, and in the order of their ends.
const KEY_BYTES: usize = 88;
/// A row of the log.
const ROW_BYTES: usize = 40;
/// A network or a key with a budget, and one that brought series.
const TAKER_BYTES: usize = 112;
/// A value of a label that has a maximum.
const VALUE_BYTES: usize = 96;

impl<S: Sql> Engine<S> {
    /// How many bytes it keeps, by what there is of each kind.
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

    /// How many bytes the stream that is in this database will keep, as far as its sealed part tells.
    pub fn peek_kept_bytes(sql: &S) -> Result<usize, StoreError> {
        if !schema::exists(sql)? {
            return Ok(0);
        }
        let (series, text_bytes) = series::size(sql)?;
        Ok(BASE_BYTES + text_bytes + series * SERIES_BYTES)
    }
}
