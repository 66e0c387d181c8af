//! The number of unfinished bodies at a time, per network and in total. Each holds a connection, a request and some
//! memory until its last byte arrives, which may be never.
//!
//! A page's body arrives with its headers, mostly in one packet, so it is unfinished for a few milliseconds, or for a
//! second on a bad line. A thousand visitors in one network who send every 10 s start 100 bodies per second: at 0.2 s
//! each, 20 of them are unfinished at a time, and 64 only at 0.64 s each. The owner, and senders with a write key that
//! is [proven](super::proven) in this isolate, are not counted: strangers cannot take their places. A client that
//! leaves in the middle of a body counts until the runtime notices, half a minute later. So tiny bodies, such as those
//! of pages that are closed, have four times the places.

use std::cell::{Cell, RefCell};

use rustc_hash::FxHashMap;

use super::problem::Problem;

/// The most unfinished bodies of a network...
const MAX_OF_NETWORK: u32 = 64;
/// ...of a wider one (an IPv4 /24, an IPv6 /48)...
const MAX_OF_WIDER: u32 = 4 * MAX_OF_NETWORK;
/// The most for tiny bodies, as a multiple of these.
const TINY_TIMES: u32 = 4;
/// ...and of all strangers. There is memory for [`super::room::TINY_BYTES`] of each, so pages can send while others
/// idle.
const MAX_IN_ALL: u32 = 1_024;
/// The most refused requests that are read to their end at a time, so that their clients learn why.
const MAX_DRAINS: u32 = 64;

thread_local! {
    static UNFINISHED: RefCell<Unfinished> = RefCell::default();
    static DRAINS: Cell<u32> = const { Cell::new(0) };
}

#[derive(Default)]
struct Unfinished {
    in_all: u32,
    /// Networks with unfinished bodies only: at most twice as many as the total.
    of: FxHashMap<u64, u32>,
}

/// The kind of sender, as far as uploads are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The owner, or a holder of a proven write key.
    Trusted,
    /// A stranger, by hashes of the network and the wider one; `None` if nothing that is trusted names the network.
    Stranger(Option<[u64; 2]>),
}

/// An unfinished body, until it is dropped.
#[derive(Debug)]
pub(super) struct Upload(Sender);

/// A refused request that is read to its end for its client's sake, until it is dropped.
pub(super) struct Drain(());

impl Upload {
    /// Counts one more.
    ///
    /// # Errors
    /// [`Problem::TooManyUploads`] for one network's limit, [`Problem::NoRoomForBody`] for the total.
    pub(super) fn begin(sender: Sender, is_tiny: bool) -> Result<Self, Problem> {
        let Sender::Stranger(networks) = sender else { return Ok(Self(sender)) };
        UNFINISHED.with_borrow_mut(|unfinished| {
            if unfinished.in_all >= MAX_IN_ALL {
                return Err(Problem::NoRoomForBody);
            }
            let times = if is_tiny { TINY_TIMES } else { 1 };
            let limits = networks.into_iter().flatten().zip([MAX_OF_NETWORK * times, MAX_OF_WIDER * times]);
            if limits.clone().any(|(network, most)| unfinished.of.get(&network).is_some_and(|count| *count >= most)) {
                return Err(Problem::TooManyUploads);
            }
            limits.for_each(|(network, _)| *unfinished.of.entry(network).or_default() += 1);
            unfinished.in_all += 1;
            Ok(Self(sender))
        })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Sender::Stranger(networks) = self.0 else { return };
        UNFINISHED.with_borrow_mut(|unfinished| {
            unfinished.in_all -= 1;
            for network in networks.into_iter().flatten() {
                let Some(count) = unfinished.of.get_mut(&network) else { continue };
                *count -= 1;
                if *count == 0 {
                    unfinished.of.remove(&network);
                }
            }
        });
    }
}

/// Whether so many bodies are unfinished that slow ones must make room.
pub(super) fn are_crowded() -> bool {
    UNFINISHED.with_borrow(|unfinished| unfinished.in_all > MAX_IN_ALL / 2)
}

impl Drain {
    /// `None` while too many are being drained.
    pub(super) fn begin() -> Option<Self> {
        (DRAINS.get() < MAX_DRAINS).then(|| {
            DRAINS.set(DRAINS.get() + 1);
            Self(())
        })
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        DRAINS.set(DRAINS.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(sender: Sender) -> Vec<Upload> {
        std::iter::from_fn(|| Upload::begin(sender, false).ok()).take(5_000).collect()
    }

    fn of(network: u64, wider: u64) -> Sender {
        Sender::Stranger(Some([network, wider]))
    }

    #[test]
    fn a_network_has_64_uploads_and_trusted_senders_have_no_limit() {
        let first = begun(of(1, 100));
        assert_eq!(first.len(), 64);
        assert_eq!(Upload::begin(of(1, 100), false).err(), Some(Problem::TooManyUploads));
        let wider: Vec<_> = (2..9).map(|network| begun(of(network, 100))).collect();
        assert_eq!(wider.iter().map(Vec::len).sum::<usize>(), 3 * 64);
        assert!(Upload::begin(of(9, 200), false).is_ok());
        assert_eq!(begun(Sender::Trusted).len(), 5_000);
        drop((first, wider));
        assert_eq!(begun(of(1, 100)).len(), 64);
    }

    #[test]
    fn at_most_1024_uploads_are_open_and_none_leaks() {
        let nowhere = begun(Sender::Stranger(None));
        assert_eq!((nowhere.len(), are_crowded()), (1_024, true));
        assert_eq!(Upload::begin(of(1, 2), false).err(), Some(Problem::NoRoomForBody));
        assert!(Upload::begin(Sender::Trusted, false).is_ok());
        drop(nowhere);
        drop(begun(of(1, 2)));
        assert_eq!(UNFINISHED.with_borrow(|unfinished| (unfinished.in_all, unfinished.of.len())), (0, 0));
        assert!(!are_crowded());
    }

    #[test]
    fn a_thousand_visitors_behind_one_address_stay_below_the_limit() {
        // 100 bodies per second for a minute, each of which takes 0.5 s.
        let mut open = std::collections::VecDeque::new();
        for _ in 0..6_000 {
            open.push_back(Upload::begin(of(1, 2), false).expect("is within the limit"));
            if open.len() > 50 {
                open.pop_front();
            }
        }
    }
}
