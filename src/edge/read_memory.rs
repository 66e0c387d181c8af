//! The memory that a read takes on its way through the edge.

use config::stream::StreamConfig;
use memory::{Reservation, Share, reserve};
use protocol::command::Credential;

use super::events::forget_old;
use super::network_part::NetworkPart;
use super::problem::Problem;
use super::sending::give_up_lost;
use super::{Exchange, wasted};

/// The most that one read may reserve, however little others take: the part of the share that large reservations may
/// have.
const fn max_bytes(share: Share) -> usize {
    share.bytes() / 4 * 3
}

/// The kind of reader, as far as memory is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// May also use the owner's share when the share of reads is full.
    Trusted,
    /// A reader of this network, by its hash; `None` if nothing that is trusted names it.
    Stranger(Option<u64>),
}

/// Memory of one read, until it is dropped.
#[derive(Debug)]
pub(super) struct ReadMemory {
    reservation: Reservation,
    reader: Reader,
    part: NetworkPart,
}

impl ReadMemory {
    /// Reserves nothing yet.
    fn of(share: Share, reader: Reader) -> Self {
        let network = if let Reader::Stranger(network) = reader { network } else { None };
        Self { reservation: Reservation::none(share), reader, part: NetworkPart::of(share, network) }
    }

    /// Changes the reservation to this size. Shrinking always succeeds.
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

    /// Reserves this much; returns whether there was room.
    fn takes(&mut self, bytes: usize) -> bool {
        let takes = self.part.has_room(bytes) && self.reservation.resize(bytes).is_ok();
        if takes {
            self.part.set(bytes);
        }
        takes
    }

    /// Reserves additional bytes.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        self.resize(self.reservation.bytes() + bytes)
    }

    /// The most that can be reserved, however little others take.
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
            "the answer would take more than {mib} MiB of memory: use a shorter window, a wider step, fewer groups in `by` or a narrower `where`"
        );
        Problem::QueryTooLarge(detail)
    }
}

impl Exchange {
    /// The reservation for a read. Only home can verify a read key. On a private stream it admits nobody without the
    /// right key; on a public one any string passes for a key, so a key earns no trust there.
    pub(super) fn read_memory(&self, config: &StreamConfig) -> ReadMemory {
        ReadMemory::of(Share::Reads, self.reader(config))
    }

    /// The same for a live reader.
    pub(super) fn live_memory(&self, config: &StreamConfig) -> ReadMemory {
        ReadMemory::of(Share::Live, self.reader(config))
    }

    fn reader(&self, config: &StreamConfig) -> Reader {
        match self.credential() {
            Credential::Owner => Reader::Trusted,
            Credential::Key(_) if !config.public_read => Reader::Trusted,
            // A network is counted once, whichever streams it reads.
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
    fn a_read_without_room_may_retry_unless_it_can_never_fit() {
        const MAX: usize = max_bytes(Share::Reads);
        const NOWHERE: Reader = Reader::Stranger(None);
        let mut large = ReadMemory::of(Share::Reads, NOWHERE);
        assert!(matches!(large.resize(MAX + 1), Err(Problem::QueryTooLarge(_))));
        assert_eq!((large.resize(MAX), large.bytes()), (Ok(()), MAX));
        let (mut stranger, mut reader) =
            (ReadMemory::of(Share::Reads, NOWHERE), ReadMemory::of(Share::Reads, Reader::Trusted));
        assert_eq!(stranger.resize(1 << 20), Err(Problem::Overloaded));
        assert_eq!((stranger.bytes(), stranger.grow(1 << 10)), (0, Ok(())));
        assert_eq!((reader.resize(1 << 20), used(Share::Owner)), (Ok(()), 1 << 20));
        assert_eq!(reader.grow(1 << 20), Ok(()));
        drop((large, stranger, reader));
        assert_eq!((used(Share::Reads), used(Share::Owner)), (0, 0));
    }

    #[test]
    fn a_network_takes_at_most_three_quarters_of_what_others_leave() {
        const PIECE: usize = 48 << 10;
        const ALL: usize = Share::Reads.bytes();
        let fill = |network| -> Vec<ReadMemory> {
            let kept = || {
                let mut kept = ReadMemory::of(Share::Reads, Reader::Stranger(Some(network)));
                kept.resize(PIECE).ok().map(|()| kept)
            };
            std::iter::from_fn(kept).collect()
        };
        let (first, second) = (fill(1), fill(2));
        let [most, next] = [ALL / 4 * 3, (ALL - first.len() * PIECE) / 4 * 3].map(|bytes| bytes / PIECE);
        assert_eq!([first.len(), second.len()], [most, next]);
        // A known holder of a key is not a stranger.
        let mut reader = ReadMemory::of(Share::Reads, Reader::Trusted);
        assert_eq!(reader.resize(PIECE), Ok(()));
        drop(first);
        assert!(fill(2).len() > second.len());
        drop((second, reader));
        assert_eq!(used(Share::Reads), 0);
        // On its own, a network may read the largest answer that is allowed.
        assert_eq!(ReadMemory::of(Share::Reads, Reader::Stranger(Some(1))).resize(max_bytes(Share::Reads)), Ok(()));
    }
}
