//! Paces the writes that share one token. Each write needs a grant, and in any minute no more writes arrive at the
//! upstream than its limit allows, whenever between its grant and its response each of them arrived.
//!
//! A grant holds a place until [`SPAN_MS`] after it was done, so whatever is granted later arrives more than a
//! minute after it. A writer that must wait joins a queue and learns when a place will be free for it. A later or
//! new writer gets a place only if all writers before it still find one at their times.

use codec::{Malformed, Reader, put_bytes, put_len, put_signed, put_varint};

/// How long after its write a place is free again: the minute of the limit, and half a second for clocks.
pub const SPAN_MS: i64 = 60_500;
/// How long after its grant an unreported write counts as done. Writers give up earlier.
pub const LEASE_MS: i64 = 45_000;
/// How late a waiting writer may ask before it loses its place in the queue.
pub const LATE_MS: i64 = 5_000;
/// The longest time that an upstream can ask for a pause.
const MAX_HOLD_MS: i64 = 3_600_000;
/// The longest queue; further writers learn when to ask, but no place is kept for them.
const MAX_PROMISES: usize = 1_000;
const VERSION: u8 = 1;

/// The grants of the last minute or so, and the queue. See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    last_ticket: u64,
    /// The upstream accepts nothing before this time.
    hold_until_ms: i64,
    /// Oldest first.
    grants: Vec<Grant>,
    /// In the order of their turns.
    promises: Vec<Promise>,
}

/// Whether a write may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// It may be sent now.
    Granted {
        /// For [`Pace::done`].
        ticket: u64,
    },
    /// It may not be sent yet.
    Wait {
        /// When to ask again, Unix milliseconds. A writer that asks within [`LATE_MS`] after it keeps its turn.
        until_ms: i64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    ticket: u64,
    granted_ms: i64,
    done_ms: Option<i64>,
    limit: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Promise {
    who: String,
    at_ms: i64,
    limit: u16,
}

impl Pace {
    /// Asks for one write. `limit` is how many may arrive in any minute, at least 1; if callers differ, the
    /// smallest counts. The holder of a grant calls [`Self::done`] when the upstream has answered or will no longer
    /// answer.
    pub fn ask(&mut self, who: &str, limit: u16, now_ms: i64) -> Permit {
        self.forget(now_ms);
        let turn = self.promises.iter().position(|promise| promise.who == who);
        let ahead = &self.promises[..turn.unwrap_or(self.promises.len())];
        let limits = self.promises.iter().map(|promise| promise.limit);
        let smallest = limits.chain(self.grants.iter().map(|grant| grant.limit)).fold(limit, u16::min).max(1);
        let places = self.places(smallest.into(), now_ms);
        if leaves_enough(&places, ahead, now_ms) {
            turn.map(|turn| self.promises.remove(turn));
            // Never reuses a ticket, even when everything was forgotten in between: a report on it may come very
            // late.
            let ticket = u64::try_from(now_ms).unwrap_or_default().max(self.last_ticket.saturating_add(1));
            self.last_ticket = ticket;
            self.grants.push(Grant { ticket, granted_ms: now_ms, done_ms: None, limit });
            return Permit::Granted { ticket };
        }
        let until_ms = free_ms(&places, ahead.len());
        match turn {
            Some(turn) => self.promises[turn] = Promise { who: who.to_owned(), at_ms: until_ms, limit },
            None if self.promises.len() < MAX_PROMISES => {
                self.promises.push(Promise { who: who.to_owned(), at_ms: until_ms, limit });
            }
            None => (),
        }
        Permit::Wait { until_ms }
    }

    /// Notes that a write was answered or given up, and for how long from now the upstream accepts nothing.
    pub fn done(&mut self, ticket: u64, hold_ms: Option<i64>, now_ms: i64) {
        if let Some(hold_ms) = hold_ms {
            let until_ms = now_ms.saturating_add(hold_ms.clamp(0, MAX_HOLD_MS));
            self.hold_until_ms = self.hold_until_ms.max(until_ms);
        }
        if let Some(grant) = self.grants.iter_mut().find(|grant| grant.ticket == ticket) {
            grant.done_ms.get_or_insert(now_ms);
        }
        self.forget(now_ms);
    }

    /// Lets writes go out although the upstream accepts none yet; the limit still holds.
    pub fn lift(&mut self, now_ms: i64) {
        if self.hold_until_ms > now_ms {
            self.hold_until_ms = now_ms;
            // The waiting writers were told to come when the hold is over, which may be long from now.
            self.promises.clear();
        }
    }

    /// Whether there is nothing left to remember.
    #[must_use]
    pub fn is_idle(&self, now_ms: i64) -> bool {
        let mut rest = self.clone();
        rest.forget(now_ms);
        rest.grants.is_empty() && rest.promises.is_empty() && rest.hold_until_ms <= now_ms
    }

    /// The persisted form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_varint(&mut out, self.last_ticket);
        put_signed(&mut out, self.hold_until_ms);
        put_len(&mut out, self.grants.len());
        let mut before_ms = 0;
        for Grant { ticket, granted_ms, done_ms, limit } in &self.grants {
            put_varint(&mut out, self.last_ticket.wrapping_sub(*ticket));
            put_signed(&mut out, granted_ms.wrapping_sub(before_ms));
            before_ms = *granted_ms;
            out.push(done_ms.is_some().into());
            if let Some(done_ms) = done_ms {
                put_signed(&mut out, done_ms.wrapping_sub(*granted_ms));
            }
            put_varint(&mut out, (*limit).into());
        }
        put_len(&mut out, self.promises.len());
        for Promise { who, at_ms, limit } in &self.promises {
            put_bytes(&mut out, who.as_bytes());
            put_signed(&mut out, *at_ms);
            put_varint(&mut out, (*limit).into());
        }
        out
    }

    /// Decodes what [`Self::to_bytes`] made.
    ///
    /// # Errors
    /// [`Malformed`] if it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(Malformed(0));
        }
        let mut pace = Self { last_ticket: reader.varint()?, hold_until_ms: reader.signed()?, ..Self::default() };
        let mut before_ms = 0_i64;
        for _ in 0..reader.len()? {
            let ticket = pace.last_ticket.wrapping_sub(reader.varint()?);
            let granted_ms = before_ms.wrapping_add(reader.signed()?);
            before_ms = granted_ms;
            let is_done = reader.byte()? != 0;
            let done_ms = if is_done { Some(granted_ms.wrapping_add(reader.signed()?)) } else { None };
            pace.grants.push(Grant { ticket, granted_ms, done_ms, limit: limit(&mut reader)? });
        }
        for _ in 0..reader.len()? {
            let (who, at_ms) = (reader.text()?.to_owned(), reader.signed()?);
            pace.promises.push(Promise { who, at_ms, limit: limit(&mut reader)? });
        }
        if reader.is_empty() { Ok(pace) } else { Err(Malformed(bytes.len())) }
    }

    /// Forgets grants that no longer hold a place, and writers that didn't come.
    fn forget(&mut self, now_ms: i64) {
        self.grants.retain(|grant| grant.free_ms(now_ms) > now_ms);
        self.promises.retain(|promise| now_ms <= promise.at_ms.saturating_add(LATE_MS));
    }

    /// The earliest known time at which each of `limit` places is free, in order.
    fn places(&self, limit: usize, now_ms: i64) -> Vec<i64> {
        let taken = self.grants.iter().map(|grant| grant.free_ms(now_ms));
        let free = limit.saturating_sub(self.grants.len());
        let mut places: Vec<i64> = taken.chain(std::iter::repeat_n(now_ms, free)).collect();
        places.sort_unstable();
        // If the limit is smaller than before, the first places to become free are not given again.
        places.drain(..places.len() - limit);
        for at_ms in &mut places {
            *at_ms = self.hold_until_ms.max(*at_ms);
        }
        places
    }
}

impl Grant {
    /// When the write's place is free again; if the write is not done, the earliest possible time.
    fn free_ms(&self, now_ms: i64) -> i64 {
        let lease_ms = self.granted_ms.saturating_add(LEASE_MS);
        self.done_ms.unwrap_or(now_ms).min(lease_ms).saturating_add(SPAN_MS)
    }
}

/// Whether a place is free now, and all of these writers would still find one at their times if it was taken.
fn leaves_enough(places: &[i64], ahead: &[Promise], now_ms: i64) -> bool {
    let mut times: Vec<i64> = ahead.iter().map(|promise| promise.at_ms.max(now_ms)).collect();
    times.sort_unstable();
    let mut each = [now_ms].into_iter().chain(times).enumerate();
    each.all(|(index, at_ms)| free_ms(places, index) <= at_ms)
}

/// When a place is free for a writer after this many others. After the last place comes the first again, a span
/// later.
fn free_ms(places: &[i64], index: usize) -> i64 {
    let rounds = i64::try_from(index / places.len()).unwrap_or(i64::MAX);
    places[index % places.len()].saturating_add(rounds.saturating_mul(SPAN_MS))
}

fn limit(reader: &mut Reader<'_>) -> Result<u16, Malformed> {
    u16::try_from(reader.varint()?).map_err(|_| Malformed(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn granted(pace: &mut Pace, who: &str, limit: u16, now_ms: i64) -> u64 {
        match pace.ask(who, limit, now_ms) {
            Permit::Granted { ticket } => ticket,
            Permit::Wait { until_ms } => panic!("{who} waits until {until_ms}"),
        }
    }

    fn told(pace: &mut Pace, who: &str, limit: u16, now_ms: i64) -> i64 {
        match pace.ask(who, limit, now_ms) {
            Permit::Wait { until_ms } => until_ms,
            Permit::Granted { ticket } => panic!("{who} is granted {ticket}"),
        }
    }

    #[test]
    fn a_place_is_free_again_a_span_after_its_write_was_done() {
        let mut pace = Pace::default();
        let ticket = granted(&mut pace, "a", 1, 1_000);
        pace.done(ticket, None, 4_000);
        pace.done(ticket, None, 9_000);
        assert_eq!(told(&mut pace, "a", 1, 5_000), 4_000 + SPAN_MS, "the first word counts");
        assert_eq!(told(&mut pace, "a", 1, 4_000 + SPAN_MS - 1), 4_000 + SPAN_MS);
        assert_ne!(granted(&mut pace, "a", 1, 4_000 + SPAN_MS), ticket);
    }

    #[test]
    fn a_hold_stops_all_until_lifted_but_the_limit_remains() {
        let mut pace = Pace::default();
        let ticket = granted(&mut pace, "a", 2, 0);
        pace.done(ticket, Some(600_000), 100);
        assert_eq!(told(&mut pace, "a", 2, 200), 600_100);
        assert_eq!(told(&mut pace, "b", 2, 200), 600_100);
        pace.lift(300);
        granted(&mut pace, "b", 2, 300);
        pace.lift(400);
        assert_eq!(told(&mut pace, "a", 2, 400), 100 + SPAN_MS);
        pace.lift(500);
        assert_eq!(told(&mut pace, "c", 2, 500), 500 + SPAN_MS, "a has kept its turn");
    }

    #[test]
    fn an_unreported_write_holds_its_place_for_lease_and_span() {
        let mut pace = Pace::default();
        let ticket = granted(&mut pace, "a", 1, 0);
        assert_eq!(told(&mut pace, "a", 1, 1_000), 1_000 + SPAN_MS, "were it done now");
        let free_ms = LEASE_MS + SPAN_MS;
        assert_eq!(told(&mut pace, "a", 1, 1_000 + SPAN_MS), free_ms);
        pace.done(ticket, None, 1_001 + SPAN_MS);
        assert_eq!(told(&mut pace, "a", 1, free_ms - 1), free_ms, "late word changes nothing");
        granted(&mut pace, "a", 1, free_ms);
    }

    #[test]
    fn a_promised_place_is_not_given_to_others() {
        let mut pace = Pace::default();
        for at_ms in [0, 10, 20] {
            let ticket = granted(&mut pace, "a", 3, at_ms);
            pace.done(ticket, None, at_ms + 1);
        }
        let times: Vec<i64> = ["a", "b", "c", "d"].iter().map(|who| told(&mut pace, who, 3, 30)).collect();
        assert_eq!(times, [1 + SPAN_MS, 11 + SPAN_MS, 21 + SPAN_MS, 1 + 2 * SPAN_MS]);
        let now_ms = 1 + SPAN_MS;
        assert_eq!(told(&mut pace, "e", 3, now_ms), 11 + 2 * SPAN_MS, "who is new does not get it");
        assert_eq!(told(&mut pace, "c", 3, now_ms), 21 + SPAN_MS, "nor who is too early");
        granted(&mut pace, "a", 3, now_ms + LATE_MS);
        assert_eq!(told(&mut pace, "a", 3, now_ms + LATE_MS) / SPAN_MS, 2, "and then it is last");
    }

    #[test]
    fn a_writer_that_does_not_come_loses_its_turn() {
        let mut pace = Pace::default();
        let ticket = granted(&mut pace, "a", 1, 0);
        pace.done(ticket, None, 0);
        assert_eq!(told(&mut pace, "b", 1, 1), SPAN_MS);
        assert_eq!(told(&mut pace, "c", 1, SPAN_MS + LATE_MS), 2 * SPAN_MS + LATE_MS, "it may still come");
        granted(&mut pace, "c", 1, SPAN_MS + LATE_MS + 1);
    }

    #[test]
    fn places_not_needed_by_earlier_writers_are_given_now() {
        let mut pace = Pace::default();
        for who in ["a", "a"] {
            let ticket = granted(&mut pace, who, 2, 0);
            pace.done(ticket, None, 0);
        }
        assert_eq!(told(&mut pace, "b", 2, 1), SPAN_MS);
        granted(&mut pace, "c", 3, SPAN_MS);
    }

    #[test]
    fn an_upstream_can_pause_writes_for_at_most_an_hour() {
        let mut pace = Pace::default();
        let ticket = granted(&mut pace, "a", 20, 0);
        pace.done(ticket, Some(600_000), 1_000);
        pace.done(ticket, Some(1), 2_000);
        assert_eq!(told(&mut pace, "a", 20, 3_000), 601_000);
        assert!(!pace.is_idle(600_999) && pace.is_idle(601_000 + LATE_MS + 1));
        granted(&mut pace, "a", 20, 601_000);
        pace.done(0, Some(i64::MAX), 700_000);
        assert_eq!(told(&mut pace, "a", 20, 700_000), 700_000 + MAX_HOLD_MS);
    }

    #[test]
    fn a_lowered_limit_applies_immediately() {
        let mut pace = Pace::default();
        for at_ms in 0..5 {
            let ticket = granted(&mut pace, "a", 5, at_ms);
            pace.done(ticket, None, at_ms);
        }
        assert_eq!(told(&mut pace, "b", 2, 10), 3 + SPAN_MS, "four are over, one is left");
        assert_eq!(told(&mut pace, "a", 5, 3 + SPAN_MS - 1), 4 + SPAN_MS);
    }

    #[test]
    fn a_writer_beyond_the_bounded_queue_still_gets_a_time() {
        let mut pace = Pace::default();
        granted(&mut pace, "a", 20, 0);
        pace.done(0, Some(1_000_000), 0);
        for who in 0..MAX_PROMISES + 50 {
            assert!(told(&mut pace, &who.to_string(), 20, 1) >= 1_000_000);
        }
        assert_eq!(pace.promises.len(), MAX_PROMISES);
    }

    #[test]
    fn the_form_of_a_pace_is_pinned() {
        let mut pace = Pace::default();
        let ticket = granted(&mut pace, "a", 2, 1_000);
        pace.done(ticket, Some(2_000), 1_100);
        granted(&mut pace, "b", 2, 3_100);
        told(&mut pace, "a", 2, 3_100);
        let pinned =
            [1, 156, 24, 184, 48, 2, 180, 16, 208, 15, 1, 200, 1, 2, 0, 232, 32, 0, 2, 1, 1, 97, 192, 194, 7, 2];
        assert_eq!(pace.to_bytes(), pinned);
        assert_eq!(Pace::from_bytes(&pinned), Ok(pace));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), now_ms in -(1_i64 << 53)..1 << 53) {
            let bytes: Vec<u8> = [VERSION].into_iter().chain(bytes).collect();
            if let Ok(mut pace) = Pace::from_bytes(&bytes) {
                let was_idle = pace.is_idle(now_ms);
                pace.done(1, Some(now_ms), now_ms);
                let permit = pace.ask("a", 2, now_ms);
                prop_assert!(!was_idle || !pace.is_idle(now_ms), "{:?}", permit);
            }
        }
    }
}
