//! The memory that a read takes on its way through the edge.

use crate::memory::{Reservation, Share, reserve};
use crate::wire::command::Credential;
use crate::wire::stream::StreamConfig;

use super::Exchange;
use super::problem::Problem;
use super::sending::give_up_lost;

/// A read that needs more is too large whoever else reads: what large reads may have of their share.
const MAX_READ_BYTES: usize = Share::Reads.bytes() / 4 * 3;

/// Memory of one read, until it is dropped.
#[derive(Debug)]
pub(super) struct Kept {
    reservation: Reservation,
    /// Whether the owner's share may be used where that of reads has no room.
    is_trusted: bool,
}

impl Kept {
    /// Nothing yet.
    pub(super) fn of(is_trusted: bool) -> Self {
        Self { reservation: reserve(Share::Reads, 0).expect("nothing always fits"), is_trusted }
    }

    /// Makes it so many bytes. It may always shrink.
    pub(super) fn resize(&mut self, bytes: usize) -> Result<(), Problem> {
        if self.reservation.resize(bytes).is_ok() {
            return Ok(());
        }
        give_up_lost();
        if self.reservation.resize(bytes).is_ok() {
            return Ok(());
        }
        if self.is_trusted
            && let Ok(reservation) = reserve(Share::Owner, bytes)
        {
            self.reservation = reservation;
            return Ok(());
        }
        Err(Self::problem(bytes))
    }

    /// Adds bytes to it.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        self.resize(self.reservation.bytes() + bytes)
    }

    pub(super) const fn bytes(&self) -> usize {
        self.reservation.bytes()
    }

    fn problem(bytes: usize) -> Problem {
        if bytes <= MAX_READ_BYTES {
            return Problem::Overloaded;
        }
        let mib = MAX_READ_BYTES >> 20;
        let detail = format!(
            "the answer would take more than {mib} MiB while it is made: ask for a shorter window, a wider step, fewer groups in `by` or a narrower `where`"
        );
        Problem::QueryTooLarge(detail)
    }
}

impl Exchange {
    /// Where a read's memory is counted. Only home knows a read key. It lets nobody else in, unless everyone may read: there anything passes
    /// for a key, so a key is no reason to trust.
    pub(super) fn kept(&self, config: &StreamConfig) -> Kept {
        Kept::of(match self.credential() {
            Credential::Owner => true,
            Credential::Key(_) => !config.public_read,
            Credential::Nobody => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::used;

    #[test]
    fn a_read_that_finds_no_room_comes_again_and_one_that_never_fits_is_told_so() {
        let mut large = Kept::of(false);
        assert!(matches!(large.resize(MAX_READ_BYTES + 1), Err(Problem::QueryTooLarge(_))));
        assert_eq!((large.resize(MAX_READ_BYTES), large.bytes()), (Ok(()), MAX_READ_BYTES));
        let (mut stranger, mut reader) = (Kept::of(false), Kept::of(true));
        assert_eq!(stranger.resize(1 << 20), Err(Problem::Overloaded));
        assert_eq!((stranger.bytes(), stranger.grow(1 << 10)), (0, Ok(())));
        assert_eq!((reader.resize(1 << 20), used(Share::Owner)), (Ok(()), 1 << 20));
        assert_eq!(reader.grow(1 << 20), Ok(()));
        drop((large, stranger, reader));
        assert_eq!((used(Share::Reads), used(Share::Owner)), (0, 0));
    }
}
