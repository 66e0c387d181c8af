//! Networks that wrote before a flood began.

use std::mem::take;

use rustc_hash::FxHashMap;

const US_PER_S: i64 = 1_000_000;
/// A network becomes familiar this long after it was first seen...
const AFTER_US: i64 = 120 * US_PER_S;
/// ...and stays so until it was not seen for one or two of these.
const GENERATION_US: i64 = 3_600 * US_PER_S;
/// A flood is over when nothing was taken from the reserve for small writers for this long.
const FLOOD_US: i64 = 600 * US_PER_S;
/// The most networks of a generation, of 16 bytes in 32,768 slots: two generations take 1.1 MB. Further networks stay
/// strangers.
const MAX: usize = 16_384;

/// When each network was first seen, by its hash.
#[derive(Default)]
pub(super) struct Familiar {
    current: FxHashMap<u64, i64>,
    before: FxHashMap<u64, i64>,
    since_us: i64,
    /// The start of the last flood, and when it was last noticed.
    flood_us: [i64; 2],
}

impl Familiar {
    pub(super) fn len(&self) -> usize {
        self.current.len() + self.before.len()
    }

    /// Notes that a network writes, and whether there is room for everybody. Writing during a flood makes no network
    /// familiar.
    pub(super) fn see(&mut self, network: u64, has_room: bool, now_us: i64) {
        if !has_room {
            let from_us = if self.is_flooded(now_us) { self.flood_us[0] } else { now_us };
            self.flood_us = [from_us, now_us];
        }
        if self.is_flooded(now_us) {
            return;
        }
        if !(0..GENERATION_US).contains(&(now_us - self.since_us)) {
            (self.before, self.since_us) = (take(&mut self.current), now_us);
        }
        if self.current.len() < MAX && !self.current.contains_key(&network) {
            let first_us = self.before.get(&network).map_or(now_us, |first_us| now_us.min(*first_us));
            self.current.insert(network, first_us);
        }
    }

    pub(super) fn has(&self, network: u64, now_us: i64) -> bool {
        // Networks whose writes started the flood are not familiar either.
        let until_us = if self.is_flooded(now_us) { self.flood_us[0] } else { now_us };
        let mut first_us = [&self.current, &self.before].into_iter().filter_map(|seen| seen.get(&network));
        first_us.any(|first_us| until_us - first_us >= AFTER_US)
    }

    fn is_flooded(&self, now_us: i64) -> bool {
        (0..FLOOD_US).contains(&(now_us - self.flood_us[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: i64 = 5 * GENERATION_US;

    #[test]
    fn a_network_is_familiar_from_2_minutes_to_an_hour_or_two() {
        let mut familiar = Familiar::default();
        familiar.see(1, true, NOW_US);
        familiar.see(1, true, NOW_US + US_PER_S);
        let at = |us: i64| NOW_US + us;
        assert!(!familiar.has(1, at(AFTER_US - 1)) && familiar.has(1, at(AFTER_US)) && !familiar.has(2, at(AFTER_US)));
        familiar.see(2, true, at(GENERATION_US));
        assert!(familiar.has(1, at(GENERATION_US)));
        familiar.see(1, true, at(GENERATION_US));
        familiar.see(2, true, at(2 * GENERATION_US));
        assert!(familiar.has(1, at(2 * GENERATION_US)), "it was seen since");
        familiar.see(2, true, at(3 * GENERATION_US));
        assert!(!familiar.has(1, at(3 * GENERATION_US)) && familiar.has(2, at(3 * GENERATION_US)));
    }

    #[test]
    fn familiar_networks_are_bounded() {
        let mut familiar = Familiar::default();
        (0..100_000).for_each(|network| familiar.see(network, true, NOW_US));
        assert!(familiar.has(7, NOW_US + AFTER_US) && !familiar.has(99_999, NOW_US + AFTER_US));
        assert_eq!(familiar.current.len(), MAX);
    }

    #[test]
    fn networks_that_arrive_in_a_flood_stay_strangers_until_it_ends() {
        let mut familiar = Familiar::default();
        familiar.see(1, true, NOW_US);
        let flood_us = NOW_US + AFTER_US;
        familiar.see(2, true, flood_us);
        for second in 0..1_000 {
            let now_us = flood_us + second * US_PER_S;
            // Bursts come and go.
            familiar.see(3, second % 100 == 99, now_us);
            assert!(familiar.has(1, now_us) && !familiar.has(2, now_us) && !familiar.has(3, now_us), "{second}");
        }
        let end_us = flood_us + 998 * US_PER_S + FLOOD_US;
        assert!(!familiar.has(2, end_us - 1) && familiar.has(2, end_us) && !familiar.has(3, end_us));
    }
}
