//! The memory that a read takes on its way through the edge.

use crate::memory::{Reservation, Share, reserve};
use crate::wire::command::Credential;
use crate::wire::stream::StreamConfig;

use super::Exchange;
use super::problem::Problem;
use super::sending::give_up_lost;

/// What needs more is too large whoever else reads: what large reservations may have of their share.
const fn max_bytes(share: Share) -> usize {
    share.bytes() / 4 * 3
}

/// Memory of one read, until it is dropped.
#[derive(Debug)]
pub(super) struct Kept {
    reservation: Reservation,
    /// Whether the owner's share may be used where that of reads has no room.
    is_trusted: bool,
}

impl Kept {
    /// Nothing yet.
    fn of(share: Share, is_trusted: bool) -> Self {
        Self { reservation: Reservation::none(share), is_trusted }
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
        Err(Self::problem(self.reservation.share(), bytes))
    }

    /// Adds bytes to it.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        self.resize(self.reservation.bytes() + bytes)
    }

    pub(super) const fn bytes(&self) -> usize {
        self.reservation.bytes()
    }

    fn problem(share: Share, bytes: usize) -> Problem {
        if bytes <= max_bytes(share) {
            return Problem::Overloaded;
        }
        let mib = max_bytes(share) >> 20;
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
        Kept::of(Share::Reads, self.is_trusted(config))
    }

    /// The same of a live reader.
    pub(super) fn kept_live(&self, config: &StreamConfig) -> Kept {
        Kept::of(Share::Live, self.is_trusted(config))
    }

    fn is_trusted(&self, config: &StreamConfig) -> bool {
        match self.credential() {
            Credential::Owner => true,
            Credential::Key(_) => !config.public_read,
            Credential::Nobody => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::used;

    #[test]
    fn a_read_that_finds_no_room_comes_again_and_one_that_never_fits_is_told_so() {
        const MAX: usize = max_bytes(Share::Reads);
        let mut large = Kept::of(Share::Reads, false);
        assert!(matches!(large.resize(MAX + 1), Err(Problem::QueryTooLarge(_))));
        assert_eq!((large.resize(MAX), large.bytes()), (Ok(()), MAX));
        let (mut stranger, mut reader) = (Kept::of(Share::Reads, false), Kept::of(Share::Reads, true));
        assert_eq!(stranger.resize(1 << 20), Err(Problem::Overloaded));
        assert_eq!((stranger.bytes(), stranger.grow(1 << 10)), (0, Ok(())));
        assert_eq!((reader.resize(1 << 20), used(Share::Owner)), (Ok(()), 1 << 20));
        assert_eq!(reader.grow(1 << 20), Ok(()));
        drop((large, stranger, reader));
        assert_eq!((used(Share::Reads), used(Share::Owner)), (0, 0));
    }
}
