//! The most expensive keys, in bounded memory: `SpaceSaving` (Metwally, Agrawal and El Abbadi 2005), by cost.
//!
//! There are K counters, each with a key and a cost that is at least the key's own and at most `error` more. If N
//! is the total cost, no error exceeds N / K, and each key with more than N / K has a counter. Both stay true when
//! lists are merged as in Cafaro, Tempesta and Pulimeno (2016): a key that a full list lacks may have had as much
//! as the lowest of that list.

/// The number of counters: every key above 0.8 % of the total has one.
pub const MAX_COUNTERS: usize = 128;
/// The longest label, in bytes; the longest useful ones are origins. 128 counters take at most 50 KiB, and 10
/// without origins.
pub const MAX_LABEL_BYTES: usize = 300;

/// What a key did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Points that were accepted.
    pub points: u64,
    /// Series that were new.
    pub new_series: u64,
    /// Points that were rejected.
    pub rejected: u64,
}

/// The counter of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The key that is counted.
    pub key: u64,
    /// Its label, truncated to [`MAX_LABEL_BYTES`].
    pub label: Box<str>,
    /// At least what the key cost...
    pub cost: u64,
    /// ...and at most this much more.
    pub error: u64,
    /// What the key did since it got this counter.
    pub tally: Tally,
}

/// The most expensive keys, unordered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Top(Vec<Counter>);

impl Top {
    /// A list of these counters, without those beyond the limit.
    #[must_use]
    pub fn of(mut counters: Vec<Counter>) -> Self {
        keep_most(&mut counters);
        Self(counters)
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> &[Counter] {
        &self.0
    }

    /// The most expensive keys first.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Counter> {
        let mut counters = self.0;
        sort(&mut counters);
        counters
    }

    /// Counts what a key did. A cost of zero never replaces another key's counter.
    pub fn add(&mut self, key: u64, label: &str, cost: u64, tally: Tally) {
        let counter = match self.0.iter().position(|counter| counter.key == key) {
            Some(at) => &mut self.0[at],
            None if cost == 0 && self.0.len() >= MAX_COUNTERS => return,
            None => self.make_room(key, label),
        };
        counter.cost = counter.cost.saturating_add(cost);
        counter.tally.add(&tally);
    }

    /// A counter for a key that has none: it replaces the lowest, whose cost may have been this key's.
    fn make_room(&mut self, key: u64, label: &str) -> &mut Counter {
        let least = self.least();
        let counter = Counter { key, label: cut(label).into(), cost: least, error: least, tally: Tally::default() };
        if self.0.len() < MAX_COUNTERS {
            self.0.push(counter);
            return self.0.last_mut().expect("was pushed");
        }
        let at = self.0.iter().position(|counter| counter.cost == least).unwrap_or_default();
        self.0[at] = counter;
        &mut self.0[at]
    }

    /// The most that a key without a counter may have cost.
    fn least(&self) -> u64 {
        if self.0.len() < MAX_COUNTERS { 0 } else { self.0.iter().map(|counter| counter.cost).min().unwrap_or(0) }
    }

    /// Adds the counts of another list.
    pub fn merge(&mut self, other: &Self) {
        let (least, others) = (self.least(), other.least());
        let mut rest: Vec<Option<&Counter>> = other.0.iter().map(Some).collect();
        for counter in &mut self.0 {
            let same = rest.iter_mut().find(|same| same.is_some_and(|same| same.key == counter.key));
            let (cost, error) = match same.and_then(Option::take) {
                Some(same) => {
                    counter.tally.add(&same.tally);
                    (same.cost, same.error)
                }
                None => (others, others),
            };
            counter.cost = counter.cost.saturating_add(cost);
            counter.error = counter.error.saturating_add(error);
        }
        for counter in rest.into_iter().flatten() {
            let (cost, error) = (counter.cost.saturating_add(least), counter.error.saturating_add(least));
            self.0.push(Counter { cost, error, ..counter.clone() });
        }
        keep_most(&mut self.0);
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.points += other.points;
        self.new_series += other.new_series;
        self.rejected += other.rejected;
    }
}

/// The most expensive first; equal ones by key, so that the order of merging makes no difference.
fn sort(counters: &mut [Counter]) {
    counters.sort_unstable_by_key(|counter| (std::cmp::Reverse(counter.cost), counter.key));
}

fn keep_most(counters: &mut Vec<Counter>) {
    if counters.len() > MAX_COUNTERS {
        sort(counters);
        counters.truncate(MAX_COUNTERS);
    }
}

fn cut(label: &str) -> &str {
    &label[..label.floor_char_boundary(MAX_LABEL_BYTES)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A stream's load: keys, some of them frequent, with costs, each at one of three shards.
    fn writes() -> impl Strategy<Value = Vec<(u64, u64, usize)>> {
        let key = prop_oneof![0..4u64, 0..60u64, 0..600u64];
        prop::collection::vec((key, 1..1_000u64, 0..3usize), 0..1_500)
    }

    fn point() -> Tally {
        Tally { points: 1, ..Tally::default() }
    }

    #[track_caller]
    fn assert_law(top: &Top, exact: &BTreeMap<u64, (u64, u64)>) {
        let total: u64 = exact.values().map(|(cost, _)| cost).sum();
        let most = total / MAX_COUNTERS as u64;
        assert!(top.counters().len() <= MAX_COUNTERS);
        for counter in top.counters() {
            let (cost, points) = exact[&counter.key];
            assert!(counter.cost >= cost && counter.cost - counter.error <= cost, "{counter:?} of {cost}");
            assert!(counter.error <= most && counter.tally.points <= points, "{counter:?}, N/K = {most}");
            assert!(counter.error > 0 || counter.tally.points == points, "{counter:?} of {points}");
        }
        for (key, (cost, _)) in exact {
            let has = top.counters().iter().any(|counter| counter.key == *key);
            assert!(has || *cost <= most, "{key} with {cost} is not among those above {most}");
        }
    }

    proptest! {
        #[test]
        fn errors_are_bounded_and_every_heavy_key_is_listed(writes in writes()) {
            let (mut shards, mut exact) = (vec![Top::default(); 3], BTreeMap::<u64, (u64, u64)>::new());
            let mut own = vec![BTreeMap::new(); 3];
            for (key, cost, shard) in writes {
                shards[shard].add(key, "", cost, point());
                for exact in [&mut exact, &mut own[shard]] {
                    let (sum, points) = exact.entry(key).or_default();
                    (*sum, *points) = (*sum + cost, *points + 1);
                }
            }
            for (shard, own) in shards.iter().zip(&own) {
                assert_law(shard, own);
            }
            let (first, rest) = shards.split_first().expect("three");
            let mut merged = first.clone();
            for shard in rest {
                merged.merge(shard);
            }
            assert_law(&merged, &exact);
            // A merged list keeps counting.
            for key in 0..200 {
                merged.add(key * 7, "", key, point());
                let (sum, points) = exact.entry(key * 7).or_default();
                (*sum, *points) = (*sum + key, *points + 1);
            }
            assert_law(&merged, &exact);
        }
    }

    #[test]
    fn with_room_counts_are_exact_and_merging_commutes() {
        let list = |keys: std::ops::Range<u64>| {
            let mut top = Top::default();
            keys.for_each(|key| top.add(key, "a", key + 1, Tally { points: 1, new_series: 2, rejected: 3 }));
            top
        };
        let (mut one, mut other) = (list(0..60), list(30..100));
        one.merge(&list(30..100));
        other.merge(&list(0..60));
        let (one, other) = (one.into_sorted(), other.into_sorted());
        assert_eq!((one.len(), &one), (100, &other));
        let twice = one.iter().find(|counter| counter.key == 40).expect("is there");
        assert_eq!((twice.cost, twice.error), (82, 0));
        assert_eq!(twice.tally, Tally { points: 2, new_series: 4, rejected: 6 });
    }

    #[test]
    fn a_cost_of_zero_is_counted_but_replaces_no_counter() {
        let mut top = Top::default();
        (0..MAX_COUNTERS as u64 - 1).for_each(|key| top.add(key, "", 1, point()));
        top.add(1_000, "", 0, Tally { rejected: 5, ..Tally::default() });
        let full = top.clone();
        top.add(2_000, "", 0, Tally { rejected: 5, ..Tally::default() });
        assert_eq!((top.counters().len(), &top), (MAX_COUNTERS, &full));
        top.add(1_000, "", 0, Tally { rejected: 5, ..Tally::default() });
        assert_eq!(top.counters().last().map(|counter| counter.tally.rejected), Some(10));
    }

    #[test]
    fn a_label_is_truncated_between_characters() {
        let mut top = Top::default();
        top.add(1, &"ü".repeat(200), 1, Tally::default());
        top.add(2, &format!("a{}", "ü".repeat(200)), 1, Tally::default());
        let bytes: Vec<usize> = top.counters().iter().map(|counter| counter.label.len()).collect();
        assert_eq!(bytes, [300, 299]);
    }
}
