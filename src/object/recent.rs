//! The idempotency keys of the last ten minutes, and where the answer to each is kept.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::wire::frame::{BatchKey, Frame};

/// The same key within this time is counted once.
pub(super) const KEY_WINDOW_MS: i64 = 600_000;
/// Answers are kept a minute longer than their keys, as those go by the clock of the edge where they arrived.
pub(super) const ANSWERS_KEPT_MS: i64 = KEY_WINDOW_MS + 60_000;
/// At most this many keys are remembered: 660 new ones a second for ten minutes, which is more than an object
/// takes, at some 90 bytes each: 36 of the 128 MB. Beyond, writes with a key are refused and not forgotten.
pub(super) const MAX_KEYS: usize = 400_000;

/// A row that holds what a key was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A row of the log, by its number.
    Log(i64),
    /// A row of the answers, by its number.
    Answers(i64),
}

/// Keys and places.
#[derive(Default)]
pub(super) struct RecentKeys {
    places: FxHashMap<BatchKey, Place>,
    /// Arrival and key, oldest first.
    order: VecDeque<(i64, BatchKey)>,
}

impl RecentKeys {
    /// Remembers the key of a batch, if it has one.
    pub(super) fn insert(&mut self, frame: &Frame<'_>, place: Place) {
        if let Some(key) = frame.key {
            self.places.insert(key, place);
            self.order.push_back((i64::try_from(frame.arrived_ms).unwrap_or(i64::MAX), key));
        }
    }

    /// Tells that the answer to a key is kept elsewhere now.
    pub(super) fn relocate(&mut self, key: &BatchKey, place: Place) {
        if let Some(known) = self.places.get_mut(key) {
            *known = place;
        }
    }

    /// Where the answer to a key is, if the key is not older than the window.
    pub(super) fn place(&mut self, key: &BatchKey, now_ms: i64) -> Option<Place> {
        self.forget_before(now_ms - KEY_WINDOW_MS);
        self.places.get(key).copied()
    }

    pub(super) fn is_full(&self) -> bool {
        self.places.len() >= MAX_KEYS
    }

    fn forget_before(&mut self, oldest_ms: i64) {
        while let Some((_, key)) = self.order.pop_front_if(|(arrived_ms, _)| *arrived_ms < oldest_ms) {
            self.places.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::FrameBuilder;

    fn insert(keys: &mut RecentKeys, key: BatchKey, arrived_ms: u64, place: Place) {
        let bytes = FrameBuilder::new(arrived_ms).finish(Some(&key));
        keys.insert(&Frame::parse(&bytes).expect("a frame"), place);
    }

    #[test]
    fn a_key_is_known_for_ten_minutes_and_not_longer() {
        let mut keys = RecentKeys::default();
        insert(&mut keys, [1; 16], 1_000, Place::Log(7));
        insert(&mut keys, [2; 16], 2_000, Place::Log(8));
        keys.relocate(&[2; 16], Place::Answers(1));
        assert_eq!(keys.place(&[1; 16], 1_000 + KEY_WINDOW_MS), Some(Place::Log(7)));
        assert_eq!(keys.place(&[1; 16], 1_001 + KEY_WINDOW_MS), None);
        assert_eq!(keys.place(&[2; 16], 1_001 + KEY_WINDOW_MS), Some(Place::Answers(1)));
        assert_eq!(keys.place(&[3; 16], 0), None);
    }

    #[test]
    fn the_limit_is_told() {
        let mut keys = RecentKeys::default();
        for index in 0..MAX_KEYS as u128 {
            assert!(!keys.is_full());
            insert(&mut keys, index.to_le_bytes(), 0, Place::Log(1));
        }
        assert!(keys.is_full());
    }
}
