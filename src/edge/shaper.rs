//! The pace of refused requests. A network that is refused again and again waits longer and longer, so clients that
//! ignore a refusal cost little. Nothing is refused here, and nothing of a request is read before its turn.
//!
//! Each network has a bucket for each stream, and all networks that have written nothing yet share one more. So a flood
//! from ever new networks waits as well, while known networks do not. A refused request is charged when it is answered
//! or, if it had to wait, when its turn was set: so turns are a fixed time apart, however many connections there are.

use std::cell::{Cell, RefCell};
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::clock::now_ms;
use crate::random::hash_key;
use memory::{Reservation, Share, reserve};
use model::gcra::{Rate, Takers, Tat};

use super::bell::Bell;
use super::{Exchange, StreamId, proven, wasted};

/// Refused requests of one network and stream per second: a request costs up to a millisecond, so this is 2 % of a
/// second...
const REFUSED_PER_S: f64 = 20.0;
/// ...and as a burst. Nobody waits longer than a burst takes: 2 s.
const REFUSED_BURST: f64 = 40.0;
/// Wider networks (an IPv4 /24, an IPv6 /48) have this many times as much, as in objects' budgets.
const WIDER: f64 = 4.0;
/// The same for all networks together that have not written to the stream through this isolate lately.
const STRANGERS_PER_S: f64 = 50.0;
const STRANGERS_BURST: f64 = 100.0;
/// How long a network counts as known after a write.
const KNOWN_US: i64 = 600_000_000;
/// The most requests that wait at a time...
const MAX_WAITING: u32 = 256;
/// ...of some 8 KiB each, with what the runtime keeps of a request. Beyond either limit, a request has its turn at
/// once.
const WAITING_BYTES: usize = 8 << 10;
const US_PER_MS: i64 = 1_000;

thread_local! {
    /// Each has at most [`model::gcra::MAX_TAKERS`] of 16 bytes, in twice as many slots: together a mebibyte of the
    /// isolate's 128 MB. Networks beyond that do not wait here...
    static REFUSED: RefCell<Takers<1>> = RefCell::default();
    /// ...and stay strangers here. An entry ends when its network becomes a stranger again.
    static KNOWN: RefCell<Takers<1>> = RefCell::default();
    static WAITING: Cell<u32> = const { Cell::new(0) };
}

/// The buckets that count a refusal: of a network, of the wider one around it, and of all strangers of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shaped {
    takers: [u64; 3],
    /// Whether it was charged when it arrived.
    is_paid: bool,
}

/// A request that waits, until it is dropped.
struct Waiting {
    _room: Reservation,
}

impl Exchange {
    /// Waits for the turn of a request that wants to store something, if its network, or strangers together, were
    /// refused too often.
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

    /// Records how a request ended that had its turn: the status of its problem, or `None`. Our own failures are not
    /// charged.
    pub(super) fn had_turn(&self, problem: Option<u16>) {
        match (self.shaped.take(), problem) {
            (Some(shaped), None) => shaped.wrote(self.now_ms),
            (Some(shaped), Some(400..500)) => shaped.refused(self.now_ms),
            _ => (),
        }
    }
}

impl Shaped {
    /// `None` if nothing that is trusted names the network.
    fn of(stream: &str, network: &str) -> Option<Self> {
        let [network, wider] = wasted::networks(stream, network)?;
        let mut hasher = SipHasher13::new_with_key(&hash_key());
        hasher.write(stream.as_bytes());
        Some(Self { takers: [network, wider, hasher.finish()], is_paid: false })
    }

    fn is_known(self, now_us: i64) -> bool {
        KNOWN.with_borrow_mut(|known| own(known, self.takers[0], now_us).is_some_and(|until| until.0 > now_us))
    }

    /// The buckets that count it.
    fn buckets(self, now_us: i64) -> impl Iterator<Item = (u64, Rate)> {
        let network = Rate::new(REFUSED_PER_S, 1.0, REFUSED_BURST);
        let rates = [network, network.times(WIDER), Rate::new(STRANGERS_PER_S, 1.0, STRANGERS_BURST)];
        let count = if self.is_known(now_us) { 2 } else { 3 };
        self.takers.into_iter().zip(rates).take(count)
    }

    /// How long the request must wait, in milliseconds. If it must, this also takes its turn.
    fn enter(&mut self, now_ms: i64) -> u32 {
        let now_us = now_ms * US_PER_MS;
        let wait_us = REFUSED.with_borrow_mut(|refused| {
            let waits = self
                .buckets(now_us)
                .filter_map(|(taker, rate)| own(refused, taker, now_us)?.with(rate, 1.0, now_us).err());
            waits.max().unwrap_or_default()
        });
        if wait_us > 0 {
            self.charge(now_ms);
            self.is_paid = true;
        }
        u32::try_from(wait_us / US_PER_MS).unwrap_or_default()
    }

    /// Records that something was stored: the network is known now.
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
    /// `None` if too many wait.
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

/// The bucket of a taker; `None` if there is no room for it.
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

    /// How long a request waits that is then refused.
    fn refused(stream: &str, network: &str, now_ms: i64) -> u32 {
        let mut shaped = of(stream, network);
        let wait_ms = shaped.enter(now_ms);
        shaped.refused(now_ms + i64::from(wait_ms));
        wait_ms
    }

    /// The number of requests that end within a time, if each connection sends its next one as soon as the last is
    /// answered.
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
    fn a_network_that_ignores_refusals_gets_20_per_second() {
        for (connections, network) in [(1, "192.0.2.1"), (8, "198.51.100.1"), (39, "203.0.113.1")] {
            let answered = answered(connections, 10_000, |_| network.to_owned());
            assert!((200..=40 + 10 * 20 + connections).contains(&answered), "{connections}: {answered}");
        }
    }

    #[test]
    fn new_networks_share_50_per_second_and_known_ones_do_not_wait() {
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
    fn a_network_is_a_stranger_again_ten_minutes_after_its_last_write() {
        of("s", "192.0.2.1").wrote(NOW_MS);
        let later_ms = NOW_MS + KNOWN_US / US_PER_MS;
        for number in 0..200 {
            refused("s", &format!("100.64.{number}.1"), later_ms);
        }
        assert!(of("s", "192.0.2.1").enter(later_ms) > 0);
        of("s", "192.0.2.1").wrote(later_ms);
        assert_eq!(of("s", "192.0.2.1").enter(later_ms), 0);
    }

    #[test]
    fn a_network_that_respects_refusals_never_waits() {
        for second in 0..1_000 {
            for _ in 0..15 {
                assert_eq!(refused("s", "192.0.2.1", NOW_MS + second * 1_000), 0);
            }
        }
    }

    #[test]
    fn nobody_waits_over_2_s_even_if_the_clock_is_set_back() {
        let most = (0..1_000).map(|_| refused("s", "192.0.2.1", NOW_MS)).max();
        assert!(most.is_some_and(|most| (1_500..=2_050).contains(&most)), "{most:?}");
        assert!(of("s", "192.0.2.1").enter(NOW_MS - 3_600_000) <= 2_050);
        assert_eq!(of("s", "192.0.2.1").enter(NOW_MS + 5_000), 0);
    }

    #[test]
    fn remembered_networks_and_waiting_requests_are_bounded() {
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
