//! How fast new series and new label names are admitted: a bounded number per time for open writers, by network and
//! together, and for write keys together. The owner may add any number. What exceeds the bounds becomes `overflow`.
//!
//! Nothing is refused here: the points of a series that is not admitted now are in the sums, and the series is tried
//! again with its next batch. What networks have used is only in memory, so a restart gives each a new burst; what all
//! share survives it.

use serde::{Deserialize, Serialize};

use config::limits::{Limit, Limits};
use model::class::Class;
use model::gcra::{Claim, Rate, Takers, Tat, charge};

/// The burst of a network, in hours' worth of series: 1,000. A page with hundreds of series works from its first
/// minute, and so does a server with a thousand; for more, a write key is the better choice.
const NETWORK_BURST_H: f64 = 5.0 / 3.0;
/// The burst of all open writers is 1 hour's worth: 5,000...
const OPEN_BURST_H: f64 = 1.0;
/// ...and a day's limit is 4 hours' worth: 20,000. So filling the 85,000 that open writers may have takes four days,
/// while those that nobody returns to are gone after two.
const OPEN_DAY_H: f64 = 4.0;
/// New names of a network: 8 an hour, and 64 as a burst, which are four points with 16 names each.
const NETWORK_NAMES: (f64, f64) = (8.0, 64.0);
/// The burst of all open writers is 4 hours' worth of names: 256.
const OPEN_NAMES_BURST_H: f64 = 4.0;
/// Write keys may add 10,000 series an hour, also as a burst, and 200 names.
const KEYED_SERIES: f64 = 10_000.0;
const KEYED_NAMES: f64 = 200.0;

/// Above this share of what all open writers may add, only networks that added little lately are admitted...
const OPEN_TO_ALL: f64 = 0.7;
/// ...which means this many series, so that one flood leaves room for others.
const LITTLE: f64 = 100.0;
/// Wider networks (an IPv4 /24, an IPv6 /48) may add this many times as much.
const WIDER: f64 = 4.0;
/// A network's writes go to a few shards.
const MAX_NETWORK_SHARDS: u16 = 4;

const HOUR_S: f64 = 3_600.0;
const DAY_S: f64 = 86_400.0;
const US_PER_MS: i64 = 1_000;

/// The hashes of a writer's network, and of the wider one around it.
pub(super) type Networks = [Option<u64>; 2];

/// The shared state, which survives a restart: Unix microseconds, see [`Tat`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Brought {
    hour: i64,
    day: i64,
    names: i64,
    keyed: i64,
    keyed_names: i64,
}

/// A writer that adds a series, and how many of the series' label names are new.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer {
    pub(super) class: Class,
    pub(super) networks: Networks,
    pub(super) names: usize,
}

/// The state of these budgets.
pub(super) struct Entry {
    hour: Tat,
    day: Tat,
    names: Tat,
    keyed: Tat,
    keyed_names: Tat,
    networks: Takers<2>,
}

struct Rates {
    hour: Rate,
    day: Rate,
    names: Rate,
    network: Rate,
    network_names: Rate,
    keyed: Rate,
    keyed_names: Rate,
}

impl Rates {
    #[expect(clippy::cast_precision_loss, reason = "limits are small")]
    fn new(limits: &Limits, shards: u16) -> Self {
        let part = f64::from(shards.max(1));
        let of = |limit: Limit, part: f64| limits.get(limit) as f64 / part;
        // A name is new in each shard that has a series with it.
        let (series, names) = (of(Limit::NewSeriesPerHour, part), of(Limit::NewNamesPerHour, 1.0));
        let network_part = f64::from(shards.clamp(1, MAX_NETWORK_SHARDS));
        let network = of(Limit::NetworkNewSeriesPerHour, network_part);
        let (network_names, names_burst) = NETWORK_NAMES;
        Self {
            hour: Rate::new(series, HOUR_S, series * OPEN_BURST_H),
            day: Rate::new(series * OPEN_DAY_H, DAY_S, series * OPEN_DAY_H),
            names: Rate::new(names, HOUR_S, names * OPEN_NAMES_BURST_H),
            network: Rate::new(network, HOUR_S, network * NETWORK_BURST_H),
            network_names: Rate::new(network_names, HOUR_S, names_burst),
            keyed: Rate::new(KEYED_SERIES / part, HOUR_S, KEYED_SERIES / part),
            keyed_names: Rate::new(KEYED_NAMES, HOUR_S, KEYED_NAMES),
        }
    }
}

impl Entry {
    pub(super) fn new(brought: Brought) -> Self {
        let Brought { hour, day, names, keyed, keyed_names } = brought;
        let [hour, day, names, keyed, keyed_names] = [hour, day, names, keyed, keyed_names].map(Tat);
        Self { hour, day, names, keyed, keyed_names, networks: Takers::default() }
    }

    /// The number of networks with a budget here.
    pub(super) fn takers_len(&self) -> usize {
        self.networks.len()
    }

    /// The state to persist.
    pub(super) fn brought(&self) -> Brought {
        let Self { hour, day, names, keyed, keyed_names, .. } = self;
        Brought { hour: hour.0, day: day.0, names: names.0, keyed: keyed.0, keyed_names: keyed_names.0 }
    }

    /// Whether a series is admitted; if so, it is counted.
    pub(super) fn admits(&mut self, newcomer: &Newcomer, limits: &Limits, shards: u16, now_ms: i64) -> bool {
        let Newcomer { class, networks: [network, wider], names } = *newcomer;
        let rates = Rates::new(limits, shards);
        let now_us = now_ms * US_PER_MS;
        #[expect(clippy::cast_precision_loss, reason = "a point has few labels")]
        let names = names as f64;
        match class {
            Class::Owner => true,
            Class::Keyed => {
                let Self { keyed, keyed_names, .. } = self;
                let claims = [claim(keyed, rates.keyed, 1.0), claim(keyed_names, rates.keyed_names, names)];
                charge(claims, now_us).is_ok()
            }
            Class::Open => {
                let ([mut near, mut near_names], near_factor) = self.of(network, now_us);
                let ([mut far, mut far_names], far_factor) = self.of(wider, now_us);
                let of_network = [rates.network, rates.network_names];
                let [near_rate, near_names_rate] = of_network.map(|rate| rate.times(near_factor));
                let [far_rate, far_names_rate] = of_network.map(|rate| rate.times(far_factor * WIDER));
                // After a clock was set back, nobody waits for more than two bursts.
                [(&mut near, near_rate), (&mut near_names, near_names_rate)]
                    .into_iter()
                    .chain([(&mut far, far_rate), (&mut far_names, far_names_rate)])
                    .chain([(&mut self.hour, rates.hour), (&mut self.day, rates.day), (&mut self.names, rates.names)])
                    .for_each(|(tat, rate)| tat.settle(rate, now_us));
                let is_crowded = [(self.hour, rates.hour), (self.day, rates.day)]
                    .into_iter()
                    .any(|(tat, rate)| tat.fill(rate, now_us) > OPEN_TO_ALL);
                let is_held_up = is_crowded && network.is_some() && near.outstanding(near_rate, now_us) > LITTLE;
                let Self { hour, day, names: shared_names, .. } = self;
                let of = |network: Option<u64>, units: f64| if network.is_some() { units } else { 0.0 };
                let claims = [
                    claim(&mut near, near_rate, of(network, 1.0)),
                    claim(&mut near_names, near_names_rate, of(network, names)),
                    claim(&mut far, far_rate, of(wider, 1.0)),
                    claim(&mut far_names, far_names_rate, of(wider, names)),
                    claim(hour, rates.hour, 1.0),
                    claim(day, rates.day, 1.0),
                    claim(shared_names, rates.names, names),
                ];
                let is_admitted = !is_held_up && charge(claims, now_us).is_ok();
                self.set(network, [near, near_names], now_us);
                self.set(wider, [far, far_names], now_us);
                is_admitted
            }
        }
    }

    /// Counts again what was admitted before a restart.
    pub(super) fn count(&mut self, newcomer: &Newcomer, limits: &Limits, shards: u16, at_ms: i64) {
        // What was admitted in this order at the same time is admitted again; if not, because the state was persisted
        // in between, the budget is full in any case.
        self.admits(newcomer, limits, shards, at_ms);
    }

    fn of(&mut self, network: Option<u64>, now_us: i64) -> ([Tat; 2], f64) {
        network.map_or_else(Default::default, |network| self.networks.get(network, now_us))
    }

    fn set(&mut self, network: Option<u64>, tats: [Tat; 2], now_us: i64) {
        if let Some(network) = network {
            self.networks.put(network, tats, now_us);
        }
    }
}

fn claim(tat: &mut Tat, rate: Rate, units: f64) -> Claim<'_> {
    Claim { tat, rate, units }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_792_540_800_000;
    const HOUR_MS: i64 = 3_600_000;
    const MINUTE_MS: i64 = 60_000;

    fn from(network: u64, names: usize) -> Newcomer {
        Newcomer { class: Class::Open, networks: [Some(network), None], names }
    }

    /// How many of this many are admitted.
    fn admitted(entry: &mut Entry, newcomer: &Newcomer, count: usize, at_ms: i64) -> usize {
        (0..count).filter(|_| entry.admits(newcomer, &Limits::default(), 1, at_ms)).count()
    }

    fn new() -> Entry {
        Entry::new(Brought::default())
    }

    #[test]
    fn a_network_adds_1000_series_at_once_and_10_per_minute() {
        let mut entry = new();
        assert_eq!(admitted(&mut entry, &from(1, 0), 10_000, NOW_MS), 1_000);
        assert_eq!(admitted(&mut entry, &from(1, 0), 100, NOW_MS + MINUTE_MS), 10);
        assert_eq!(admitted(&mut entry, &from(2, 1), 30, NOW_MS), 30, "nobody else is held up");
        assert_eq!(admitted(&mut entry, &from(1, 0), 9_999, NOW_MS + 2 * HOUR_MS), 1_000);
    }

    #[test]
    fn many_networks_add_5000_series_at_once_and_leave_some_room() {
        let mut entry = new();
        let flood: usize = (0..100).map(|network| admitted(&mut entry, &from(network, 0), 1_100, NOW_MS)).sum();
        assert!((3_500..=5_000).contains(&flood), "{flood}");
        assert_eq!(admitted(&mut new(), &from(1, 0), 200, NOW_MS), 200, "a page with 200 series in its first minute");
        let mut entry = new();
        let flood: usize = (0..4).map(|network| admitted(&mut entry, &from(network, 0), 1_100, NOW_MS)).sum();
        assert!(flood < 4_000 && admitted(&mut entry, &from(9, 0), 50, NOW_MS) == 50, "{flood}");
    }

    #[test]
    fn open_writers_add_at_most_20000_series_a_day_beyond_bursts() {
        let (mut entry, mut brought) = (new(), Vec::new());
        for hour in 0..72 {
            let of_hour: usize =
                (0..60).map(|network| admitted(&mut entry, &from(network, 0), 600, NOW_MS + hour * HOUR_MS)).sum();
            assert!(of_hour <= 5_000, "{of_hour}");
            brought.push(of_hour);
        }
        for day in brought.chunks(24) {
            assert!(day.iter().sum::<usize>() <= 40_000, "{day:?}");
        }
        assert!(brought[24..].iter().sum::<usize>() <= 2 * 20_000 + 834, "{brought:?}");
    }

    #[test]
    fn one_request_cannot_use_up_the_names() {
        let mut entry = new();
        assert_eq!(admitted(&mut entry, &from(1, 16), 62, NOW_MS), 4);
        assert_eq!(admitted(&mut entry, &from(1, 0), 62, NOW_MS), 62, "what has no new name comes in");
        let names: usize = (2..100).map(|network| 16 * admitted(&mut entry, &from(network, 16), 62, NOW_MS)).sum();
        assert_eq!(names, 256 - 64);
        assert_eq!(admitted(&mut entry, &from(200, 16), 9, NOW_MS + HOUR_MS), 4);
    }

    #[test]
    fn a_wider_network_may_add_four_times_as_many_series() {
        let mut entry = new();
        let near = |near| Newcomer { class: Class::Open, networks: [Some(near), Some(1_000)], names: 16 };
        let series: usize = (0..100).map(|network| admitted(&mut entry, &near(network), 99, NOW_MS)).sum();
        assert_eq!(series, 16, "256 names");
    }

    #[test]
    fn write_keys_have_their_own_limit_and_the_owner_has_none() {
        let mut entry = new();
        let _ = (0..20).map(|network| admitted(&mut entry, &from(network, 16), 1_100, NOW_MS)).sum::<usize>();
        let keyed = |names| Newcomer { class: Class::Keyed, networks: [None; 2], names };
        assert_eq!(admitted(&mut entry, &keyed(1), 300, NOW_MS), 200);
        assert_eq!(admitted(&mut entry, &keyed(0), 11_000, NOW_MS), 9_800);
        let owner = Newcomer { class: Class::Owner, networks: [None; 2], names: 16 };
        assert_eq!(admitted(&mut entry, &owner, 30_000, NOW_MS), 30_000);
    }

    #[test]
    fn the_shared_limit_survives_a_restart_in_its_pinned_form() {
        let mut entry = new();
        let _ = (0..20).map(|network| admitted(&mut entry, &from(network, 16), 1_100, NOW_MS)).sum::<usize>();
        let json = serde_json::to_string(&entry.brought()).expect("serialises");
        let pinned = r#"{"hour":1,"day":2,"names":3,"keyed":4,"keyed_names":5}"#;
        let brought = Brought { hour: 1, day: 2, names: 3, keyed: 4, keyed_names: 5 };
        assert_eq!(serde_json::from_str::<Brought>(pinned).expect("is known"), brought);
        assert_eq!(serde_json::to_string(&brought).expect("serialises"), pinned);
        let mut again = Entry::new(serde_json::from_str(&json).expect("is known"));
        assert_eq!(admitted(&mut again, &from(999, 16), 99, NOW_MS), 0);
        assert_eq!(again.brought(), entry.brought());
    }

    #[test]
    fn a_clock_set_back_delays_new_series_by_two_bursts_at_most() {
        let mut entry = new();
        admitted(&mut entry, &from(1, 0), 9_999, NOW_MS);
        let back_ms = NOW_MS - HOUR_MS;
        assert_eq!(admitted(&mut entry, &from(1, 0), 1, back_ms), 0);
        assert_eq!(admitted(&mut entry, &from(1, 0), 99, NOW_MS + MINUTE_MS), 10);
        let long_ago_ms = NOW_MS - 1_000 * HOUR_MS;
        assert_eq!(admitted(&mut entry, &from(1, 0), 1, long_ago_ms), 0);
        assert_eq!(admitted(&mut entry, &from(1, 0), 1, long_ago_ms + 48 * HOUR_MS), 1);
    }
}
