//! Wasted work: bodies that are unpacked and read, and of which nothing is stored. No object charges them, so the edge
//! does. Each network has a budget for each stream; once it is spent, its requests are refused before their
//! bodies are read.
//!
//! Stored points are charged by their object, so honest writers use none of this. Writers with a credential have no
//! budget here, nor have those from an unknown network.

use std::cell::RefCell;
use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

use crate::random::hash_key;
use config::who::Who;
use model::gcra::{Rate, Takers, Tat};
use protocol::limited::{Budget, Hit, Holder, Limited};
use protocol::writer::Writer;

use super::problem::Problem;

/// The bytes that a network may waste per second on one stream. Unpacking and scanning a mebibyte takes some 5 to 10
/// ms, up to 40 if points are parsed and an object is asked as well, so this is at most 10 ms of each second...
const BYTES_PER_S: f64 = 262_144.0;
/// ...and as a burst, at most 160 ms: four of the largest bodies.
const BURST_BYTES: f64 = 4_194_304.0;
/// The least that a request counts. Pages that send one bad point each are refused beyond 256 per second, from 2,560
/// visitors in one network.
const REQUEST_BYTES: f64 = 1_024.0;
/// Wider networks (an IPv4 /24, an IPv6 /48) have this many times as much, as in objects' budgets.
const WIDER: f64 = 4.0;
const US_PER_MS: i64 = 1_000;
const US_PER_S: u64 = 1_000_000;

thread_local! {
    /// At most [`model::gcra::MAX_TAKERS`] of 16 bytes, in twice as many slots: half a mebibyte of the isolate's 128
    /// MB. Networks beyond that are not charged, as nobody should pay for what strangers do.
    static WASTED: RefCell<Takers<1>> = RefCell::default();
}

/// Who pays if nothing of a request is stored: a network and the wider one around it, in one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payer([u64; 2]);

/// Who pays for what a writer wastes; `None` for a writer with a credential, or from an unknown network.
///
/// # Errors
/// [`Problem::Limited`] if the network has already wasted too much.
pub(super) fn check(stream: &str, writer: &Writer<'_>, now_ms: i64) -> Result<Option<Payer>, Problem> {
    let Some(payer) = payer(stream, writer) else { return Ok(None) };
    match payer.wait_s(now_ms) {
        0 => Ok(Some(payer)),
        wait_s => Err(Problem::Limited(Box::new(Limited { detail: detail(), hits: vec![hit(wait_s)], closed_s: 0 }))),
    }
}

fn payer(stream: &str, writer: &Writer<'_>) -> Option<Payer> {
    if writer.who == Who::Open { networks(stream, writer.network).map(Payer) } else { None }
}

/// Hashes of a network and the wider one around it, in one stream; `None` if the string is not a network.
pub(super) fn networks(stream: &str, network: &str) -> Option<[u64; 2]> {
    const IPV4_REST: u32 = 0xff;
    const IPV6_REST: u128 = u128::MAX >> 48;
    let networks = match network.split('/').next()?.parse().ok()? {
        IpAddr::V4(address) => [address.to_bits(), address.to_bits() & !IPV4_REST].map(u128::from),
        IpAddr::V6(address) => [address.to_bits(), address.to_bits() & !IPV6_REST],
    };
    let hash = |index: usize| {
        let mut hasher = SipHasher13::new_with_key(&hash_key());
        hasher.write(stream.as_bytes());
        // A wider network may begin with the same address.
        hasher.write_usize(index);
        hasher.write(&networks[index].to_le_bytes());
        hasher.finish()
    };
    Some([hash(0), hash(1)])
}

impl Payer {
    /// Charges a request of which nothing is stored, with a body of this many bytes.
    pub(super) fn charge(self, body_bytes: usize, now_ms: i64) {
        #[expect(clippy::cast_precision_loss, reason = "a mebibyte")]
        let bytes = REQUEST_BYTES + body_bytes as f64;
        let now_us = now_ms * US_PER_MS;
        WASTED.with_borrow_mut(|wasted| {
            for (taker, rate) in self.0.into_iter().zip(rates()) {
                if let Some(tat) = own(wasted, taker, now_us) {
                    wasted.put(taker, [tat.spent(rate, bytes, now_us)], now_us);
                }
            }
        });
    }

    /// The seconds until the network may waste something again; 0 if it may now.
    #[expect(clippy::cast_possible_truncation, reason = "two bursts at most")]
    pub(super) fn wait_s(self, now_ms: i64) -> u32 {
        let now_us = now_ms * US_PER_MS;
        let waits_us = WASTED.with_borrow_mut(|wasted| {
            [0, 1].map(|index| {
                let (rate, tat) = (rates()[index], own(wasted, self.0[index], now_us));
                tat.map_or(0, |mut tat| {
                    tat.settle(rate, now_us);
                    // The wait until even the smallest amount fits.
                    tat.with(rate, f64::MIN_POSITIVE, now_us).err().unwrap_or_default()
                })
            })
        });
        waits_us[0].max(waits_us[1]).unsigned_abs().div_ceil(US_PER_S) as u32
    }
}

/// Extends an object's refusal for a network that would still be refused here when it comes again.
pub(super) fn prolong(limited: &mut Limited, wait_s: u32) {
    if wait_s > limited.retry_after_s() {
        limited.hits.insert(0, hit(wait_s));
    }
}

/// The bucket of a taker; `None` if there is no room for it.
fn own(wasted: &mut Takers<1>, taker: u64, now_us: i64) -> Option<Tat> {
    let ([tat], factor) = wasted.get(taker, now_us);
    (factor <= 1.0).then_some(tat)
}

fn rates() -> [Rate; 2] {
    let rate = Rate::new(BYTES_PER_S, 1.0, BURST_BYTES);
    [rate, rate.times(WIDER)]
}

fn hit(retry_after_s: u32) -> Hit {
    Hit { budget: Budget::Units, of: Holder::Network, retry_after_s }
}

fn detail() -> String {
    format!(
        "this network has sent too much of which nothing was stored: at most {} KiB per second and {} MiB at once are allowed; this request was not read; send it again after the time in Retry-After",
        BYTES_PER_S / 1_024.0,
        BURST_BYTES / 1_048_576.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::who::KeyHash;
    use model::gcra::MAX_TAKERS;

    const NOW_MS: i64 = 1_792_540_800_000;
    const MIB: usize = 1 << 20;

    fn open(network: &str) -> Writer<'_> {
        Writer { who: Who::Open, network, place: "", origin: None }
    }

    /// Sends something that is refused; returns the wait if the network is refused here instead.
    fn waste(stream: &str, network: &str, bytes: usize, now_ms: i64) -> Option<u32> {
        match check(stream, &open(network), now_ms) {
            Ok(payer) => payer.map(|payer| payer.charge(bytes, now_ms)).and(None),
            Err(Problem::Limited(limited)) => Some(limited.retry_after_s()),
            Err(problem) => panic!("{problem:?}"),
        }
    }

    #[test]
    fn a_wasteful_network_is_admitted_exactly_after_its_wait() {
        for _ in 0..4 {
            assert_eq!(waste("s", "192.0.2.1", MIB, NOW_MS), None);
        }
        let wait_s = waste("s", "192.0.2.1", 0, NOW_MS).expect("four of the largest");
        assert_eq!(wait_s, 1);
        assert_eq!(waste("s", "192.0.2.1", MIB, NOW_MS + 10), Some(1));
        assert_eq!(waste("s", "192.0.2.1", MIB, NOW_MS + 1_000), None);
        assert_eq!(waste("s", "192.0.2.1", MIB, NOW_MS + 2_000), Some(3), "a mebibyte in 4 s");
        assert_eq!(waste("s", "192.0.2.1", MIB, NOW_MS + 4_000), Some(1));
        assert_eq!(waste("s", "192.0.2.1", MIB, NOW_MS + 5_000), None);
        for (stream, network) in [("s", "192.0.2.2"), ("t", "192.0.2.1"), ("s", "2001:db8::/64"), ("s", "")] {
            assert_eq!(waste(stream, network, 0, NOW_MS), None, "{stream} {network}");
        }
    }

    #[test]
    fn credentials_and_unknown_networks_are_not_charged() {
        for who in [Who::Owner, Who::Keyed(KeyHash::from_bytes([1; 32]))] {
            assert_eq!(check("s", &Writer { who, ..open("192.0.2.1") }, NOW_MS), Ok(None));
        }
        assert_eq!(check("s", &open(""), NOW_MS), Ok(None));
        assert!(check("s", &open("2001:db8:1:2::/64"), NOW_MS).is_ok_and(|payer| payer.is_some()));
    }

    #[test]
    fn a_page_whose_points_are_all_bad_is_never_refused() {
        // A thousand visitors in one network, for an hour: 100 requests per second.
        for request in 0..360_000 {
            assert_eq!(waste("s", "192.0.2.1", 300, NOW_MS + request * 10), None);
        }
    }

    #[test]
    fn changing_addresses_in_a_wider_network_gives_4_times_as_much() {
        let address = |index: usize| [format!("192.0.2.{index}"), format!("2001:db8:1:{index:x}::/64")];
        for family in 0..2 {
            let sent = (0..200).filter(|index| waste("s", &address(*index)[family], MIB, NOW_MS).is_none()).count();
            assert_eq!(sent, 16);
        }
        assert_eq!(waste("s", "192.0.3.1", MIB, NOW_MS), None);
        assert_eq!(waste("s", "2001:db8:2:1::/64", MIB, NOW_MS), None);
    }

    #[test]
    fn concurrent_waste_costs_a_network_at_most_two_bursts() {
        let payer = check("s", &open("192.0.2.1"), NOW_MS).expect("is idle").expect("is known");
        (0..1_000).for_each(|_| payer.charge(MIB, NOW_MS));
        assert_eq!(payer.wait_s(NOW_MS), 17);
        assert_eq!((payer.wait_s(NOW_MS + 16_000), payer.wait_s(NOW_MS + 16_001)), (1, 0));
        assert!(payer.wait_s(NOW_MS - 3_600_000) <= 32, "the clock was set back");
    }

    #[test]
    fn a_full_table_refuses_no_network_that_is_not_in_it() {
        let mut sent = 0;
        for network in 0..200_000_u32 {
            let network = std::net::Ipv4Addr::from_bits(network << 8).to_string();
            sent += usize::from(waste("s", &network, MIB, NOW_MS).is_none());
        }
        assert_eq!((sent, WASTED.with_borrow(Takers::len)), (200_000, MAX_TAKERS));
        assert_eq!(waste("s", "192.0.2.1", MIB, NOW_MS + 5_000), None);
        assert!(WASTED.with_borrow(Takers::len) < 10, "what has flowed off makes room");
    }

    #[test]
    fn an_objects_refusal_lasts_until_the_edge_admits_too() {
        let limited = Limited { detail: "why".into(), hits: vec![hit(10)], closed_s: 5 };
        let prolonged = |wait_s| {
            let mut limited = limited.clone();
            prolong(&mut limited, wait_s);
            limited.retry_after_s()
        };
        assert_eq!((prolonged(0), prolonged(10), prolonged(11)), (10, 10, 11));
    }
}
