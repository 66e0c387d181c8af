//! The queue for the turns of a long query: first the owner and holders of the key in the order in which they came,
//! then strangers in theirs.
//!
//! Whoever waits polls repeatedly. One that stops polling is gone, and delays others for no longer than a lease: a
//! request that ends with its object gives no notice.

/// Who waits, and who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The owner, holders of the key, and home's requests for its readers.
    Holder,
    /// Anybody else, on a public stream.
    Stranger,
}

impl Rank {
    /// The most that wait.
    const fn most(self) -> usize {
        match self {
            Self::Holder => 32,
            Self::Stranger => 8,
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Line {
    waiting: Vec<Waiting>,
    last_number: u64,
    lease_ms: i64,
}

/// A ticket of one that waits. A lower one goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    rank: Rank,
    number: u64,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    looked_ms: i64,
}

/// Too many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowded;

impl Line {
    /// A queue in which those that have not polled for this long are gone.
    pub(super) const fn new(lease_ms: i64) -> Self {
        Self { waiting: Vec::new(), last_number: 0, lease_ms }
    }

    /// Adds one that waits.
    pub(super) fn enter(&mut self, rank: Rank, now_ms: i64) -> Result<Ticket, Crowded> {
        self.forget_gone(now_ms);
        let count = self.waiting.iter().filter(|other| other.ticket.rank == rank).count();
        if count >= rank.most() {
            return Err(Crowded);
        }
        self.last_number += 1;
        let ticket = Ticket { rank, number: self.last_number };
        self.waiting.push(Waiting { ticket, looked_ms: now_ms });
        Ok(ticket)
    }

    /// Whether anybody waits.
    pub(super) fn is_busy(&mut self, now_ms: i64) -> bool {
        self.forget_gone(now_ms);
        !self.waiting.is_empty()
    }

    /// Checks whether all that go before are gone.
    pub(super) fn is_first(&mut self, ticket: Ticket, now_ms: i64) -> bool {
        // It may have been considered gone.
        self.leave(ticket);
        self.waiting.push(Waiting { ticket, looked_ms: now_ms });
        self.forget_gone(now_ms);
        self.waiting.iter().all(|other| other.ticket >= ticket)
    }

    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.waiting.retain(|other| other.ticket != ticket);
    }

    fn forget_gone(&mut self, now_ms: i64) {
        let lease_ms = self.lease_ms;
        self.waiting.retain(|other| now_ms < other.looked_ms + lease_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDER: Rank = Rank::Holder;
    const STRANGER: Rank = Rank::Stranger;

    fn line() -> Line {
        Line::new(100)
    }

    #[test]
    fn holders_precede_strangers_each_in_order_of_arrival() {
        let mut line = line();
        let tickets = [STRANGER, HOLDER, STRANGER, HOLDER].map(|kind| line.enter(kind, 0).expect("has room"));
        let mut order = Vec::new();
        for _ in 0..4 {
            let first: Vec<_> = (0..4).filter(|at| !order.contains(at) && line.is_first(tickets[*at], 1)).collect();
            assert_eq!(first.len(), 1, "{first:?} after {order:?}");
            order.push(first[0]);
            line.leave(tickets[first[0]]);
        }
        assert_eq!(order, [1, 3, 0, 2]);
    }

    #[test]
    fn strangers_leave_places_to_holders_of_the_key() {
        let mut line = line();
        let mut fill = |kind| std::iter::from_fn(|| line.enter(kind, 0).ok()).count();
        assert_eq!([fill(STRANGER), fill(HOLDER), fill(STRANGER)], [8, 32, 0]);
    }

    #[test]
    fn one_that_stops_polling_delays_nobody() {
        let mut line = line();
        let (gone, stays) = (line.enter(HOLDER, 0), line.enter(STRANGER, 0));
        let (gone, stays) = (gone.expect("has room"), stays.expect("has room"));
        assert_eq!([50, 99, 100].map(|now_ms| line.is_first(stays, now_ms)), [false, false, true]);
        // One that was only late has its place again.
        assert!(line.is_first(gone, 1_000) && !line.is_first(stays, 1_000));
        line.leave(gone);
        assert!(line.is_busy(1_099) && !line.is_busy(1_100));
    }
}
