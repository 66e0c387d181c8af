//! The size of a query's last snapshot: the next one reserves its memory before it is made, not after the work.

use std::cell::RefCell;
use std::hash::Hasher;

use rustc_hash::FxHashMap;
use siphasher::sip::SipHasher13;

use crate::random::hash_key;

/// The most queries, at 16 bytes each; then all are forgotten.
const MAX_QUERIES: usize = 1_024;

thread_local! {
    static SIZES: RefCell<FxHashMap<u64, usize>> = RefCell::default();
}

/// A query to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastSize(u64);

impl LastSize {
    pub(super) fn of(stream: &str, query: &str) -> Self {
        let mut hasher = SipHasher13::new_with_key(&hash_key());
        hasher.write(stream.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(query.as_bytes());
        Self(hasher.finish())
    }

    /// In bytes; 0 if unknown.
    pub(super) fn bytes(self) -> usize {
        SIZES.with_borrow(|sizes| sizes.get(&self.0).copied().unwrap_or_default())
    }

    pub(super) fn set(self, bytes: usize) {
        SIZES.with_borrow_mut(|sizes| {
            if sizes.len() >= MAX_QUERIES && !sizes.contains_key(&self.0) {
                sizes.clear();
            }
            sizes.insert(self.0, bytes);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sizes_of_a_thousand_queries_are_remembered() {
        let (first, other) = (LastSize::of("s", "by=a"), LastSize::of("sb", "y=a"));
        first.set(3);
        first.set(5);
        assert_eq!((first.bytes(), other.bytes()), (5, 0));
        for query in 0..2 * MAX_QUERIES {
            LastSize::of("s", &query.to_string()).set(1);
            assert!(SIZES.with_borrow(FxHashMap::len) <= MAX_QUERIES);
        }
        assert_eq!(first.bytes(), 0);
    }
}
