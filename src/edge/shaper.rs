//! The pace of refused requests: a network that is refused again and again is heard ever later, so that whoever does not heed a
//! refusal costs little. Nobody is refused here, and nothing of a request is read before its turn.
//!
//! Each network has a bucket for each stream, and all networks together that have written nothing yet have one more: so a flood from
//! ever new networks waits as well, and those who were there do not. A refused request is charged when it is answered or, if it had to wait,
//! when its turn was set: turns are then a fixed time apart, however many connections there are.

use std::cell::{Cell, RefCell};
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::clock::now_ms;
use crate::random::hash_key;
use memory::{Reservation, Share, reserve};
use model::gcra::{Rate, Takers, Tat};

use super::bell::Bell;
use super::{Exchange, StreamId, proven, wasted};

/// Refused requests of one network and stream: a request costs up to a millisecond, so this is 2 % of a second...
const REFUSED_PER_S: f64 = 20.0;
/// ...and so many at once. Nobody waits longer than these take: 2 s.
const REFUSED_BURST: f64 = 40.0;
/// Wider networks (an IPv4 /24, an IPv6 /48) have so many times as many, as with objects' budgets.
const WIDER: f64 = 4.0;
/// Those of all networks that have written nothing to the stream through this isolate lately.
const STRANGERS_PER_S: f64 = 50.0;
const STRANGERS_BURST: f64 = 100.0;
/// Who has written something is no stranger for so long.
const KNOWN_US: i64 = 600_000_000;
/// At most so many wait at a time...
const MAX_WAITING: u32 = 256;
/// ...of some 8 KiB each, with what the runtime keeps of a request. Beyond either, a request has its turn at once.
const WAITING_BYTES: usize = 8 << 10;
const US_PER_MS: i64 = 1_000;

thread_local! {
    /// Both have at most [`model::gcra::MAX_TAKERS`] of 16 bytes, in twice as many places: a mebibyte of the isolate's 128 MB. Those
    /// beyond do not wait here...
    static REFUSED: RefCell<Takers<1>> = RefCell::default();
    /// ...and stay strangers here. A bucket ends when its network is a stranger again.
    static KNOWN: RefCell<Takers<1>> = RefCell::default();
    static WAITING: Cell<u32> = const { Cell::new(0) };
}

/// Whose refusals are counted: a network, the wider one that it is part of, and whoever is a stranger in the same stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shaped {
    takers: [u64; 3],
    /// Whether it was charged when it came.
    is_paid: bool,
}

/// A request that waits, until it is dropped.
struct Waiting {
    _room: Reservation,
}

impl Exchange {
    /// Waits for the turn of a request that would store something, if its network, or strangers together, have been refused too often.
    pub(super) async fn wait_for_turn(&mut self, id: &StreamId) {
        if proven::is_trusted(id.as_str(), &self.who_writes()) {
            return;
        }
        let Some(mut shaped) = Shaped::of(id.as_str(), &self.network()) else { return };
        let wait_ms = shaped.enter(self.now_ms);
        self.shaped.set(Some(shaped));
        if let (Some(_waiting), true) = (Waiting::begin(), wait_ms > 0) {
            Bell::new(wait_ms).wait().await;
            self.now_ms = now_ms();
        }
    }

    /// Takes in the status of the problem that became of a request which had its turn, if one did. What went wrong here is not its fault.
    pub(super) fn had_turn(&self, problem: Option<u16>) {
        match (self.shaped.take(), problem) {
            (Some(shaped), None) => shaped.wrote(self.now_ms),
            (Some(shaped), Some(400..500)) => shaped.refused(self.now_ms),
            _ => (),
        }
    }
}

impl Shaped {
    /// `None` where nobody who is trusted says the network.
    fn of(stream: &str, network: &str) -> Option<Self> {
        let [network, wider] = wasted::networks(stream, network)?;
        let mut hasher = SipHasher13::new_with_key(&hash_key());
        hasher.write(stream.as_bytes());
        Some(Self { takers: [network, wider, hasher.finish()], is_paid: false })
    }

    fn is_known(self, now_us: i64) -> bool {
        KNOWN.with_borrow_mut(|known| own(known, self.takers[0], now_us).is_some_and(|until| until.0 > now_us))
    }

    /// The buckets that it is counted in.
    fn buckets(self, now_us: i64) -> impl Iterator<Item = (u64, Rate)> {
        let network = Rate::new(REFUSED_PER_S, 1.0, REFUSED_BURST);
        let rates = [network, network.times(WIDER), Rate::new(STRANGERS_PER_S, 1.0, STRANGERS_BURST)];
        let count = if self.is_known(now_us) { 2 } else { 3 };
        self.takers.into_iter().zip(rates).take(count)
    }

    /// For how long a request is to wait, in milliseconds; if it is, its turn is taken.
    fn enter(&mut self, now_ms: i64) -> u32 {
        let now_us = now_ms * US_PER_MS;
        let wait_us = REFUSED.with_borrow_mut(|refused| {
            let waits = self
                .buckets(now_ms)
                .filter_map(|(taker, rate)| own(refused, taker, now_us)?.with(rate, 1.0, now_us).err());
            waits.max().unwrap_or_default()
        });
        if wait_us > 0 {
            self.charge(now_ms);
            self.is_paid = true;
        }
        u32::try_from(wait_us / US_PER_MS).unwrap_or_default()
    }

    /// Something of it is stored, so its network is no stranger's.
    fn wrote(self, now_ms: i64) {
        let now_us = now_ms * US_PER_MS;
        KNOWN.with_borrow_mut(|known| known.put(self.takers[0], [Tat(now_us + KNOWN_US)], now_us));
    }

    fn refused(self, now_ms: i64) {
        if !self.is_paid {
            self.charge(now_ms);
        }
    }

    fn charge(self, now_ms: i64) {
        let now_us = now_ms * US_PER_MS;
        REFUSED.with_borrow_mut(|refused| {
            for (taker, rate) in self.buckets(now_us) {
                if let Some(mut tat) = own(refused, taker, now_us) {
                    tat.settle(rate, now_us);
                    refused.put(taker, [tat.spent(rate, 1.0, now_us)], now_us);
                }
            }
        });
    }
}

impl Waiting {
    /// `None` where too many wait.
    fn begin() -> Option<Self> {
        let room = (WAITING.get() < MAX_WAITING).then(|| reserve(Share::Writes, WAITING_BYTES).ok()).flatten()?;
        WAITING.set(WAITING.get() + 1);
        Some(Self { _room: room })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.set(WAITING.get() - 1);
    }
}

/// The bucket of a taker; none where there is no room for it.
fn own(refused: &mut Takers<1>, taker: u64, now_us: i64) -> Option<Tat> {
    let ([tat], factor) = refused.get(taker, now_us);
    (factor <= 1.0).then_some(tat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::gcra::MAX_TAKERS;

    const NOW_MS: i64 = 1_792_540_800_000;

    fn of(stream: &str, network: &str) -> Shaped {
        Shaped::of(stream, network).expect("is a network")
    }

    /// For how long a request waits that is refused then.
    fn refused(stream: &str, network: &str, now_ms: i64) -> u32 {
        let mut shaped = of(stream, network);
        let wait_ms = shaped.enter(now_ms);
        shaped.refused(now_ms + i64::from(wait_ms));
        wait_ms
    }

    /// How many requests of each connection end in a time, if each is sent when the one before was answered.
    fn answered(connections: u32, within_ms: i64, network: impl Fn(u32) -> String) -> u32 {
        let mut due = vec![NOW_MS; connections as usize];
        let mut answered = 0;
        for number in 0.. {
            let (next, _) = due.iter().enumerate().min_by_key(|(_, due)| **due).expect("there is one");
            if due[next] >= NOW_MS + within_ms {
                break;
            }
            due[next] += 1 + i64::from(refused("s", &network(number), due[next]));
            answered = number;
        }
        answered
    }

    #[test]
    fn a_network_that_heeds_no_refusal_has_20_per_second_over_however_many_connections() {
        for (connections, network) in [(1, "192.0.2.1"), (8, "198.51.100.1"), (39, "203.0.113.1")] {
            let answered = answered(connections, 10_000, |_| network.to_owned());
            assert!((200..=40 + 10 * 20 + connections).contains(&answered), "{connections}: {answered}");
        }
    }

    #[test]
    fn ever_new_networks_have_50_per_second_together_and_those_who_were_there_do_not_wait() {
        of("s", "192.0.2.1").wrote(NOW_MS);
        let answered = answered(8, 10_000, |number| format!("100.{}.{}.1", number >> 8, number & 255));
        assert!((500..=100 + 10 * 50 + 8).contains(&answered), "{answered}");
        let end_ms = NOW_MS + 10_000;
        let stranger_ms = of("s", "192.0.3.1").enter(end_ms);
        assert!((1..=2_000).contains(&stranger_ms), "{stranger_ms}");
        assert_eq!((of("s", "192.0.2.1").enter(end_ms), of("t", "192.0.3.1").enter(end_ms)), (0, 0));
        assert!(of("s", "192.0.2.1").enter(NOW_MS + 600_000) == 0, "the flood is over");
        assert!(!of("s", "192.0.2.1").is_known(NOW_MS * US_PER_MS + KNOWN_US));
    }

    #[test]
    fn who_is_refused_seldom_or_comes_again_when_told_never_waits() {
        for second in 0..1_000 {
            for _ in 0..15 {
                assert_eq!(refused("s", "192.0.2.1", NOW_MS + second * 1_000), 0);
            }
        }
    }

    #[test]
    fn nobody_waits_for_more_than_2_s_also_when_the_clock_was_set_back() {
        let most = (0..1_000).map(|_| refused("s", "192.0.2.1", NOW_MS)).max();
        assert!(most.is_some_and(|most| (1_500..=2_050).contains(&most)), "{most:?}");
        assert!(of("s", "192.0.2.1").enter(NOW_MS - 3_600_000) <= 2_050);
        assert_eq!(of("s", "192.0.2.1").enter(NOW_MS + 5_000), 0);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_so_is_how_many_wait() {
        for number in 0..40_000_u32 {
            of("s", &std::net::Ipv4Addr::from_bits(number << 8).to_string()).wrote(NOW_MS);
        }
        assert_eq!(KNOWN.with_borrow(Takers::len), MAX_TAKERS);
        let waiting: Vec<_> = std::iter::from_fn(Waiting::begin).collect();
        assert_eq!(waiting.len(), MAX_WAITING as usize);
        drop(waiting);
        assert!(Waiting::begin().is_some());
    }
}
