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

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::engine::{Incoming, Limits};
    use crate::engine_model::record;
    use crate::randomness::Randomness;
    use config::who::Who;
    use ingest::frame::FrameBuilder;
    use model::batch_key::BatchKey;
    use model::cost::Cost;
    use model::point::Point;
    use protocol::writer::Writer;
    use store::testing::TestSql;

    const NOW_MS: i64 = 1_792_540_800_000;

    #[test]
    fn the_memory_of_a_stream_covers_all_that_it_keeps() {
        let sql = Rc::new(TestSql::new());
        let mut engine = Engine::create(sql, Limits::DEFAULT, Randomness::FIXED, &record(&[])).expect("creates");
        let empty = engine.kept_bytes();
        assert!((BASE_BYTES..BASE_BYTES + 1_000).contains(&empty), "{empty}");
        for number in 0..100 {
            let network = format!("192.0.2.{number}");
            let writer = Writer { who: Who::Open, network: &network, place: "", origin: None };
            engine.charge(&writer, Cost { units: 1, late_places: 0 }, None, NOW_MS).expect("admits");
        }
        let charged = engine.kept_bytes();
        let takers = charged - empty;
        assert!((100 * TAKER_BYTES..300 * TAKER_BYTES).contains(&takers), "{takers} for 100 networks");
        for number in 0..50u8 {
            let mut frame = FrameBuilder::new(NOW_MS.unsigned_abs(), [0; 16], |_: &[u8]| None);
            let text = format!("a\u{1f}{number:0>200}\u{1e}");
            let point = Point { n: 1.0, d: 1.0, p: None, t: 1_792_540_800.0 };
            frame.push(0, Ok((point, &text)));
            let frame = frame.finish(Some(&BatchKey::from_bytes([number; 16]))).frame;
            assert!(engine.commit(&[Incoming::of_owner(frame)], NOW_MS)[0].is_ok());
        }
        // A row, a key and a series with a text each.
        let written = engine.kept_bytes() - charged;
        let least = 50 * (ROW_BYTES + KEY_BYTES + SERIES_BYTES + 200);
        assert!((least..2 * least + 64_000).contains(&written), "{written}, not {least}");
    }
}
