//! What each budget grants in this object, according to the stream's limits, the number of its shards, and its size on
//! disk.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Budget, Hit, Holder, KEY_WINDOW_MS, Limit, Limits, Rate};
use crate::answers::OPEN_KEYS;

/// The budgets of each network and key: units, late places, idempotency keys.
pub(super) const KINDS: usize = 3;
pub(super) const UNITS: usize = 0;
pub(super) const LATE: usize = 1;

/// The burst of a budget is what it regains in this time: units of a network...
const NETWORK_BURST_S: f64 = 120.0;
/// ...of a write key...
const KEY_BURST_S: f64 = 600.0;
/// ...and of all open writers, whose sum is even because they are many. A unit is some 2 us of the object's time: these
/// 300,000 are 0.6 s, during which others wait...
const OPEN_BURST_S: f64 = 30.0;
/// The most that a request of an open writer may cost, unless its network's burst is larger: others wait 0.2 s for it.
const MAX_OPEN_UNITS: f64 = 100_000.0;
/// ...of late places...
const LATE_BURST_S: f64 = 1_800.0;
/// ...and of bytes on disk.
const DISK_BURST_S: f64 = 2.0 * DAY_S;
const HOUR_S: f64 = 3_600.0;
const DAY_S: f64 = 86_400.0;

/// The most keys that are remembered per network, half of which may come at once: 27 new ones per second, from 270
/// visitors.
const NETWORK_KEYS: f64 = 33_000.0;
/// The same for a write key: 83 per second, from 830 agents that report every 10 s.
const KEY_KEYS: f64 = 100_000.0;
/// A network's writes with idempotency keys are spread over the shards; all others may go to one shard.
const MAX_SPREAD: u16 = 4;

/// From this share of the storage on, open writers get less...
const FALLS_FROM: f64 = 0.5;
/// ...and from this one on, nothing.
const CLOSED_FROM: f64 = 0.85;
/// From this share on, write keys get nothing either. The rest is for sealing, expiry and removal, and for the owner.
const FULL_FROM: f64 = 0.95;

/// The rates of all budgets.
pub(super) struct Terms {
    pub(super) network: [Rate; KINDS],
    pub(super) key: [Rate; KINDS],
    pub(super) open: [Rate; 2],
    pub(super) disk: Rate,
    /// Whether the disk has no room for open writers.
    pub(super) is_closed: bool,
    /// Whether it has none for write keys.
    pub(super) is_full: bool,
    used: f64,
}

impl Terms {
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    pub(super) fn new(limits: &Limits, shards: u16, used_bytes: u64) -> Self {
        let limit = |limit| limits.get(limit) as f64;
        let (all, spread) = (f64::from(shards.max(1)), f64::from(shards.clamp(1, MAX_SPREAD)));
        let rate = |units: f64, per_s: f64, burst_s: f64| Rate::new(units, per_s, units * burst_s / per_s);
        let held = |keys: f64| {
            let window_s = KEY_WINDOW_MS as f64 / 1_000.0;
            rate(keys / 2.0 / spread, window_s, window_s)
        };
        let taker = |units, burst_s, late, keys| {
            [
                rate(limit(units) / spread, 1.0, burst_s).with_largest(MAX_OPEN_UNITS),
                rate(limit(late) / spread, HOUR_S, LATE_BURST_S),
                held(keys),
            ]
        };
        let used = used_bytes as f64 / limit(Limit::StorageBytes);
        let left = ((CLOSED_FROM - used) / (CLOSED_FROM - FALLS_FROM)).clamp(0.0, 1.0);
        Self {
            network: taker(Limit::NetworkUnitsPerS, NETWORK_BURST_S, Limit::NetworkLatePerHour, NETWORK_KEYS),
            key: taker(Limit::KeyUnitsPerS, KEY_BURST_S, Limit::KeyLatePerHour, KEY_KEYS),
            open: [
                rate(limit(Limit::OpenUnitsPerS) / all, 1.0, OPEN_BURST_S).with_largest(MAX_OPEN_UNITS),
                rate(limit(Limit::OpenLatePerHour) / all, HOUR_S, LATE_BURST_S),
            ],
            disk: rate(limit(Limit::DiskBytesPerDay) / all * left, DAY_S, DISK_BURST_S),
            is_closed: left <= 0.0,
            is_full: used >= FULL_FROM,
            used,
        }
    }

    /// The most that a request of an open writer may cost.
    pub(super) fn most_units(&self) -> f64 {
        self.network[UNITS].burst().max(MAX_OPEN_UNITS)
    }

    /// Describes an exceeded budget, for people.
    pub(super) fn detail(&self, hit: Hit) -> String {
        let rates = |kind: usize| match hit.of {
            Holder::Network => self.network[kind],
            Holder::Key => self.key[kind],
            Holder::Open => self.open[kind.min(LATE)],
        };
        let whose = match hit.of {
            Holder::Network => "a network",
            Holder::Key => "a write key",
            Holder::Open => "all writers without a key together",
        };
        let gives = match hit.budget {
            Budget::Units => {
                format!("{} units per second and {} at once", rates(0).units_in(1.0).round(), rates(0).burst())
            }
            Budget::Late => {
                format!("{} late places per hour and {} at once", rates(1).units_in(HOUR_S).round(), rates(1).burst())
            }
            Budget::Keys => {
                let keys = match hit.of {
                    Holder::Network => NETWORK_KEYS,
                    Holder::Key => KEY_KEYS,
                    Holder::Open => f64::from(OPEN_KEYS),
                };
                format!("{keys} idempotency keys in ten minutes")
            }
            Budget::Disk if self.is_closed => return self.no_room(hit.of),
            Budget::Disk => {
                format!("{} bytes on disk per day and {} at once", self.disk.units_in(DAY_S).round(), self.disk.burst())
            }
        };
        let few = if hit.of == Holder::Open {
            "; above 70 % of that, only networks that use little of it are admitted"
        } else {
            ""
        };
        format!(
            "this request exceeds the stream's budget for {whose}, which is {gives}{few}; nothing from the request was stored; send it again after the time in Retry-After"
        )
    }

    fn no_room(&self, of: Holder) -> String {
        let who = if of == Holder::Key { "only for the owner" } else { "only for write keys and the owner" };
        format!(
            "{:.0} % of the disk space that the stream may use is taken, so there is room {who}; nothing from this request was stored",
            self.used * 100.0
        )
    }
}

/// The /24 of an IPv4 address, or the /48 of an IPv6 network.
pub(super) fn wider(network: &str) -> Option<String> {
    const IPV4_REST: u32 = 0xff;
    const IPV6_REST: u128 = u128::MAX >> 48;
    let address = network.split('/').next().unwrap_or_default();
    if let Ok(address) = address.parse::<Ipv4Addr>() {
        return Some(format!("{}/24", Ipv4Addr::from_bits(address.to_bits() & !IPV4_REST)));
    }
    let address = address.parse::<Ipv6Addr>().ok()?;
    Some(format!("{}/48", Ipv6Addr::from_bits(address.to_bits() & !IPV6_REST)))
}
