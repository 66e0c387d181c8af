//! The part of a share that each network's reads take, for networks of strangers: at most three quarters of what all
//! others leave. So there is room for the next network, however much one takes.

use std::cell::RefCell;

use rustc_hash::FxHashMap;

use memory::{Share, used};

thread_local! {
    /// Only networks that take something are listed, so there are never more entries than reads.
    static TAKEN: RefCell<FxHashMap<(u8, u64), usize>> = RefCell::default();
}

/// What one read adds to its network's part, until it is dropped.
#[derive(Debug)]
pub(super) struct NetworkPart {
    share: Share,
    /// A hash of the network; `None` if it is not limited here, because it is unknown or its reader is not a stranger.
    network: Option<u64>,
    bytes: usize,
}

impl NetworkPart {
    /// Takes nothing yet.
    pub(super) const fn of(share: Share, network: Option<u64>) -> Self {
        Self { share, network, bytes: 0 }
    }

    /// Whether the network may take this much for the read. Shrinking always succeeds.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let Some(key) = self.key().filter(|_| bytes > self.bytes) else { return true };
        let own = TAKEN.with_borrow(|taken| taken.get(&key).copied().unwrap_or_default());
        let left = self.share.bytes().saturating_sub(used(self.share).saturating_sub(own));
        own - self.bytes + bytes <= left / 4 * 3
    }

    /// Records the read's new size.
    pub(super) fn set(&mut self, bytes: usize) {
        let Some(key) = self.key() else { return };
        TAKEN.with_borrow_mut(|taken| {
            let own = taken.entry(key).or_default();
            *own = *own - self.bytes + bytes;
            if *own == 0 {
                taken.remove(&key);
            }
        });
        self.bytes = bytes;
    }

    fn key(&self) -> Option<(u8, u64)> {
        self.network.map(|network| (self.share as u8, network))
    }
}

impl Drop for NetworkPart {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_forgotten_when_its_reads_have_ended() {
        let mut parts = [1, 1, 2].map(|network| NetworkPart::of(Share::Reads, Some(network)));
        for part in &mut parts {
            part.set(1_000);
        }
        parts[0].set(10);
        assert_eq!(TAKEN.with_borrow(FxHashMap::len), 2);
        drop(parts);
        assert_eq!(TAKEN.with_borrow(FxHashMap::len), 0);
        NetworkPart::of(Share::Reads, None).set(1);
        assert_eq!(TAKEN.with_borrow(FxHashMap::len), 0);
    }
}
