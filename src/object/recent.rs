//! The idempotency keys of the last ten minutes, and which row of the log answered each.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::wire::frame::BatchKey;

/// The same key within this time is counted once.
pub(super) const KEY_WINDOW_MS: i64 = 600_000;
/// At most this many keys are remembered: 660 new ones a second for ten minutes, which is more than an object
/// takes, at some 90 bytes each: 36 of the 128 MB. Beyond, writes with a key are refused and not forgotten.
pub(super) const MAX_KEYS: usize = 400_000;

/// Keys with the row that holds their batch.
#[derive(Default)]
pub(super) struct RecentKeys {
    rows: FxHashMap<BatchKey, i64>,
    /// Time of the commit and key, oldest first.
    order: VecDeque<(i64, BatchKey)>,
}

impl RecentKeys {
    pub(super) fn insert(&mut self, key: BatchKey, seq: i64, at_ms: i64) {
        self.rows.insert(key, seq);
        self.order.push_back((at_ms, key));
    }

    /// The row that holds a key's batch, if the key is not older than the window.
    pub(super) fn row(&mut self, key: &BatchKey, now_ms: i64) -> Option<i64> {
        self.forget_before(now_ms - KEY_WINDOW_MS);
        self.rows.get(key).copied()
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= MAX_KEYS
    }

    fn forget_before(&mut self, oldest_ms: i64) {
        while let Some((_, key)) = self.order.pop_front_if(|(at_ms, _)| *at_ms < oldest_ms) {
            self.rows.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_for_ten_minutes_and_not_longer() {
        let mut keys = RecentKeys::default();
        keys.insert([1; 16], 7, 1_000);
        keys.insert([2; 16], 8, 2_000);
        assert_eq!(keys.row(&[1; 16], 1_000 + KEY_WINDOW_MS), Some(7));
        assert_eq!(keys.row(&[1; 16], 1_001 + KEY_WINDOW_MS), None);
        assert_eq!(keys.row(&[2; 16], 1_001 + KEY_WINDOW_MS), Some(8));
        assert_eq!(keys.row(&[3; 16], 0), None);
    }

    #[test]
    fn the_limit_is_told() {
        let mut keys = RecentKeys::default();
        for index in 0..MAX_KEYS as u128 {
            assert!(!keys.is_full());
            keys.insert(index.to_le_bytes(), 1, 0);
        }
        assert!(keys.is_full());
    }
}
