//! The write keys that are valid: those with which an object accepted a write from this isolate. Only objects know the
//! keys, so a writer with a key that is not proven counts as a stranger.

use std::cell::RefCell;
use std::hash::Hasher;

use rustc_hash::FxHashSet;
use siphasher::sip::SipHasher13;

use crate::random::hash_key;
use config::who::Who;

/// The most keys, at 8 bytes each; beyond this, all are forgotten, and the next write with each proves it again.
const MAX_KEYS: usize = 4_096;

thread_local! {
    static PROVEN: RefCell<FxHashSet<u64>> = RefCell::default();
}

/// Whether a writer is the owner, or holds a key of this stream, as far as is known here.
pub(super) fn is_trusted(stream: &str, who: &Who) -> bool {
    match place(stream, who) {
        Some(place) => PROVEN.with_borrow(|proven| proven.contains(&place)),
        None => *who == Who::Owner,
    }
}

/// Records whether a stream has accepted a write with a key.
pub(super) fn learn(stream: &str, who: &Who, holds: bool) {
    let Some(place) = place(stream, who) else { return };
    PROVEN.with_borrow_mut(|proven| {
        if !holds {
            proven.remove(&place);
        } else if proven.len() < MAX_KEYS || proven.contains(&place) {
            proven.insert(place);
        } else {
            proven.clear();
        }
    });
}

fn place(stream: &str, who: &Who) -> Option<u64> {
    let Who::Keyed(hash) = who else { return None };
    let mut hasher = SipHasher13::new_with_key(&hash_key());
    hasher.write(hash.as_bytes());
    hasher.write(stream.as_bytes());
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::who::KeyHash;

    #[test]
    fn a_key_is_proven_from_an_accepted_write_to_a_refusal() {
        let key = Who::Keyed(KeyHash::from_bytes([7; 32]));
        assert!(!is_trusted("a", &key));
        learn("a", &key, true);
        assert!(
            is_trusted("a", &key)
                && !is_trusted("b", &key)
                && !is_trusted("a", &Who::Keyed(KeyHash::from_bytes([8; 32])))
        );
        learn("a", &key, false);
        assert!(!is_trusted("a", &key));
        learn("a", &Who::Open, true);
        assert!(!is_trusted("a", &Who::Open) && is_trusted("a", &Who::Owner));
    }

    #[test]
    fn proven_keys_are_bounded() {
        for key in 0..10_000_u32 {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&key.to_le_bytes());
            learn("a", &Who::Keyed(KeyHash::from_bytes(hash)), true);
        }
        assert!(PROVEN.with_borrow(FxHashSet::len) <= MAX_KEYS);
    }
}
