//! The memory that a read takes on its way through the edge.

use config::stream::StreamConfig;
use memory::{Reservation, Share, reserve};
use protocol::command::Credential;

use super::events::forget_old;
use super::network_part::NetworkPart;
use super::problem::Problem;
use super::sending::give_up_lost;
use super::{Exchange, wasted};

/// What needs more is too large whoever else reads: what large reservations may have of their share.
const fn max_bytes(share: Share) -> usize {
    share.bytes() / 4 * 3
}

/// Who reads, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// The owner's share may be used where that of reads has no room.
    Trusted,
    /// Of a network, by its hash; `None` where nobody who is trusted says it.
    Stranger(Option<u64>),
}

/// Memory of one read, until it is dropped.
#[derive(Debug)]
pub(super) struct Kept {
    reservation: Reservation,
    reader: Reader,
    part: NetworkPart,
}

impl Kept {
    /// Nothing yet.
    fn of(share: Share, reader: Reader) -> Self {
        let network = if let Reader::Stranger(network) = reader { network } else { None };
        Self { reservation: Reservation::none(share), reader, part: NetworkPart::of(share, network) }
    }

    /// Makes it so many bytes. It may always shrink.
    pub(super) fn resize(&mut self, bytes: usize) -> Result<(), Problem> {
        if self.takes(bytes) {
            return Ok(());
        }
        give_up_lost();
        forget_old();
        if self.takes(bytes) {
            return Ok(());
        }
        if self.reader == Reader::Trusted
            && let Ok(reservation) = reserve(Share::Owner, bytes)
        {
            self.reservation = reservation;
            return Ok(());
        }
        Err(Self::problem(self.reservation.share(), bytes))
    }

    /// Whether there was room for so many.
    fn takes(&mut self, bytes: usize) -> bool {
        let takes = self.part.has_room(bytes) && self.reservation.resize(bytes).is_ok();
        if takes {
            self.part.set(bytes);
        }
        takes
    }

    /// Adds bytes to it.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        self.resize(self.reservation.bytes() + bytes)
    }

    /// What needs more is refused however little others take.
    pub(super) const fn most_bytes(&self) -> usize {
        max_bytes(self.reservation.share())
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
        Kept::of(Share::Reads, self.reader(config))
    }

    /// The same of a live reader.
    pub(super) fn kept_live(&self, config: &StreamConfig) -> Kept {
        Kept::of(Share::Live, self.reader(config))
    }

    fn reader(&self, config: &StreamConfig) -> Reader {
        match self.credential() {
            Credential::Owner => Reader::Trusted,
            Credential::Key(_) if !config.public_read => Reader::Trusted,
            // Whatever streams a network reads, it is one.
            Credential::Key(_) | Credential::Nobody => {
                Reader::Stranger(wasted::networks("", &self.network()).map(|[network, _]| network))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memory::used;

    #[test]
    fn a_read_that_finds_no_room_comes_again_and_one_that_never_fits_is_told_so() {
        const MAX: usize = max_bytes(Share::Reads);
        const NOWHERE: Reader = Reader::Stranger(None);
        let mut large = Kept::of(Share::Reads, NOWHERE);
        assert!(matches!(large.resize(MAX + 1), Err(Problem::QueryTooLarge(_))));
        assert_eq!((large.resize(MAX), large.bytes()), (Ok(()), MAX));
        let (mut stranger, mut reader) = (Kept::of(Share::Reads, NOWHERE), Kept::of(Share::Reads, Reader::Trusted));
        assert_eq!(stranger.resize(1 << 20), Err(Problem::Overloaded));
        assert_eq!((stranger.bytes(), stranger.grow(1 << 10)), (0, Ok(())));
        assert_eq!((reader.resize(1 << 20), used(Share::Owner)), (Ok(()), 1 << 20));
        assert_eq!(reader.grow(1 << 20), Ok(()));
        drop((large, stranger, reader));
        assert_eq!((used(Share::Reads), used(Share::Owner)), (0, 0));
    }

    #[test]
    fn a_network_has_three_quarters_of_what_others_leave() {
        const PIECE: usize = 48 << 10;
        const ALL: usize = Share::Reads.bytes();
        let fill = |network| -> Vec<Kept> {
            let kept = || {
                let mut kept = Kept::of(Share::Reads, Reader::Stranger(Some(network)));
                kept.resize(PIECE).ok().map(|()| kept)
            };
            std::iter::from_fn(kept).collect()
        };
        let (first, second) = (fill(1), fill(2));
        let [most, next] = [ALL / 4 * 3, (ALL - first.len() * PIECE) / 4 * 3].map(|bytes| bytes / PIECE);
        assert_eq!([first.len(), second.len()], [most, next]);
        // Whoever is known to hold a key is none of them.
        let mut reader = Kept::of(Share::Reads, Reader::Trusted);
        assert_eq!(reader.resize(PIECE), Ok(()));
        drop(first);
        assert!(fill(2).len() > second.len());
        drop((second, reader));
        assert_eq!(used(Share::Reads), 0);
        // Alone, a network may read what is as large as an answer may be.
        assert_eq!(Kept::of(Share::Reads, Reader::Stranger(Some(1))).resize(max_bytes(Share::Reads)), Ok(()));
    }
}
