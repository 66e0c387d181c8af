//! Accounts for the memory of an isolate, in bytes, where it is used.
//!
//! An isolate has 128 MB; if it uses more, it is terminated together with every stream in it. So whatever outlives
//! a turn of the event loop, or is larger than a few KiB, is reserved here before it is allocated. Each use has a
//! share of its own, so no use starves another. A [`Reservation`] returns its bytes when it is dropped: keep it in
//! the value that holds the memory, so that a dropped future can't leak it.

use std::cell::RefCell;

/// A use of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// What streams keep between events: dictionaries, open cells, sketches, idempotency keys, the log's index.
    State,
    /// Writes in progress: bodies, frames, waiting batches.
    Writes,
    /// Reads in progress: parts, grids, answers.
    Reads,
    /// Live readers: snapshots and broadcasts until the runtime has taken them.
    Live,
    /// Requests of the owner, and of holders of a key if the share of strangers is used up.
    Owner,
}

impl Share {
    /// In the order of their numbers.
    pub const ALL: [Self; 5] = [Self::State, Self::Writes, Self::Reads, Self::Live, Self::Owner];

    /// How much of the isolate's memory a use may take.
    #[expect(clippy::match_same_arms, reason = "a line for each, as in the table of docs/design/memory.md")]
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::State => 28 * MIB,
            Self::Writes => 16 * MIB,
            Self::Reads => 16 * MIB,
            Self::Live => 10 * MIB,
            Self::Owner => 6 * MIB,
        }
    }

    /// Its name in `status` and the documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Writes => "writes",
            Self::Reads => "reads",
            Self::Live => "live",
            Self::Owner => "owner",
        }
    }
}

const MIB: usize = 1 << 20;
/// The module itself with its stack, and the allocator's losses between blocks, add to the shares. Together they
/// stay below the 96 MiB that tests allow, of 128 MB.
const MAX_SHARES_BYTES: usize = 76 * MIB;
/// Larger reservations leave a quarter of their share to smaller ones, so a few large requests keep no small one
/// out.
const SMALL_BYTES: usize = 64 << 10;

const _: () = {
    let (mut sum, mut index) = (0, 0);
    while index < Share::ALL.len() {
        sum += Share::ALL[index].bytes();
        index += 1;
    }
    assert!(sum <= MAX_SHARES_BYTES, "the shares take more than there is");
};

thread_local! {
    static USED: RefCell<[usize; Share::ALL.len()]> = const { RefCell::new([0; Share::ALL.len()]) };
}

/// A share has too little room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// Reserved bytes of a share, until it is dropped.
#[derive(Debug)]
pub struct Reservation {
    share: Share,
    bytes: usize,
}

/// Reserves bytes of a share.
///
/// # Errors
/// [`NoRoom`], and nothing is reserved.
pub fn reserve(share: Share, bytes: usize) -> Result<Reservation, NoRoom> {
    let mut reservation = Reservation::none(share);
    reservation.resize(bytes).map(|()| reservation)
}

/// The reserved bytes of each share, by its name.
pub fn used_by_name() -> impl Iterator<Item = (&'static str, usize)> {
    Share::ALL.into_iter().map(|share| (share.name(), used(share)))
}

/// The reserved bytes of a share.
#[must_use]
pub fn used(share: Share) -> usize {
    USED.with_borrow(|used| used[share as usize])
}

impl Reservation {
    /// Its size in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// An empty reservation of a share.
    #[must_use]
    pub const fn none(share: Share) -> Self {
        Self { share, bytes: 0 }
    }

    /// Its share.
    #[must_use]
    pub const fn share(&self) -> Share {
        self.share
    }

    /// Resizes it to this many bytes. Shrinking always succeeds.
    ///
    /// # Errors
    /// [`NoRoom`]; it then stays as it was.
    pub fn resize(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.resize_leaving(bytes, 0)
    }

    /// Resizes it to this many bytes if that leaves `rest` bytes of the share to others and, if it is large, a
    /// quarter of the remainder to smaller ones. Shrinking always succeeds.
    ///
    /// # Errors
    /// [`NoRoom`]; it then stays as it was.
    pub fn resize_leaving(&mut self, bytes: usize, rest: usize) -> Result<(), NoRoom> {
        let limit = self.share.bytes().saturating_sub(rest);
        let limit = if bytes > SMALL_BYTES { limit / 4 * 3 } else { limit };
        USED.with_borrow_mut(|used| {
            let used = &mut used[self.share as usize];
            let wanted = *used - self.bytes + bytes;
            if bytes > self.bytes && wanted > limit {
                return Err(NoRoom);
            }
            (*used, self.bytes) = (wanted, bytes);
            Ok(())
        })
    }

    /// Resizes it to this many bytes even without room, because they are already used. Later reservations find that
    /// much less room.
    pub fn set(&mut self, bytes: usize) {
        USED.with_borrow_mut(|used| {
            let used = &mut used[self.share as usize];
            *used = *used - self.bytes + bytes;
        });
        self.bytes = bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn large_reservations_leave_room_for_small_ones() {
        let large = reserve(Share::Live, Share::Live.bytes() / 4 * 3).expect("nothing else is reserved");
        assert_eq!(reserve(Share::Live, SMALL_BYTES + 1).err(), Some(NoRoom));
        let room = Share::Live.bytes() / 4 / SMALL_BYTES;
        let small: Vec<_> =
            (0..room).map(|_| reserve(Share::Live, SMALL_BYTES).expect("has room of its own")).collect();
        assert_eq!(reserve(Share::Live, 1).err(), Some(NoRoom));
        assert!(reserve(Share::Reads, 1).is_ok());
        drop((large, small));
        assert_eq!(used(Share::Live), 0);
    }

    #[test]
    fn reservations_that_leave_a_rest_fail_first() {
        let rest = Share::Owner.bytes() / 2;
        let mut first = Reservation::none(Share::Owner);
        let mut small = Reservation::none(Share::Owner);
        assert_eq!(first.resize_leaving(rest, rest), Err(NoRoom), "it is large");
        assert_eq!(first.resize_leaving(rest / 4 * 3, rest), Ok(()));
        let all: Vec<_> =
            (0..rest / 4 / SMALL_BYTES).map(|_| reserve(Share::Owner, SMALL_BYTES).expect("is left")).collect();
        assert_eq!(small.resize_leaving(1, rest), Err(NoRoom));
        assert_eq!(small.resize(1), Ok(()));
        assert_eq!(first.resize_leaving(1, Share::Owner.bytes()), Ok(()), "whatever may shrink");
        drop((first, small, all));
        assert_eq!(used(Share::Owner), 0);
    }

    proptest! {
        #[test]
        fn usage_is_the_sum_of_reservations_within_the_share(
            steps in prop::collection::vec((0usize..4, 0usize..8, 0usize..6_000_000), 1..100),
        ) {
            let mut held: Vec<Reservation> = Vec::new();
            for (what, at, bytes) in steps {
                match (what, held.len()) {
                    (0, _) | (_, 0) => held.extend(reserve(Share::Reads, bytes).ok()),
                    (1, count) => drop(held.swap_remove(at % count)),
                    (2, count) => {
                        let before = held[at % count].bytes();
                        let is_done = held[at % count].resize(bytes).is_ok();
                        prop_assert_eq!(held[at % count].bytes(), if is_done { bytes } else { before });
                    }
                    (_, count) => {
                        let wanted = held[at % count].bytes() + bytes;
                        held[at % count].resize(wanted).ok();
                    }
                }
                prop_assert_eq!(used(Share::Reads), held.iter().map(Reservation::bytes).sum::<usize>());
                prop_assert!(used(Share::Reads) <= Share::Reads.bytes());
            }
            drop(held);
            prop_assert_eq!(used(Share::Reads), 0);
        }
    }
}
