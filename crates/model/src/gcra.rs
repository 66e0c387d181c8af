//! Rate limits with bursts, by the generic cell rate algorithm (ITU-T I.371, annex A).
//!
//! A bucket is one number, its *theoretical arrival time* (TAT): when everything taken from it has drained. A
//! bucket whose time has come is like one that was never used, so it need not be kept. A taker is [`charge`]d in
//! all of its buckets or in none. The wait reported on rejection is exact: the same request is admitted then, if
//! nobody else takes anything in the meantime.

use rustc_hash::FxHashMap;

const US_PER_S: f64 = 1e6;
/// How long to wait before retrying something whose rate is 0.
pub const CLOSED_WAIT_US: i64 = 86_400_000_000;
/// The most takers in a table; with 5 buckets each, 16,384 takers of 48 bytes in 32,768 slots are 1.6 MB.
pub const MAX_TAKERS: usize = 16_384;
/// How often at most a full table is searched for entries that are no longer needed.
const SWEEP_US: i64 = 1_000_000;
/// How many times the rate is given to the entry that all takers share who find the table full.
pub const SHARED_ENTRY_FACTOR: f64 = 4.0;

/// The rate and the burst of a budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    us_per_unit: f64,
    /// The time in which a burst drains.
    burst_us: i64,
    /// The longest wait: the time of two bursts, or of the largest body.
    longest_us: i64,
}

impl Rate {
    /// This many units per `per_s` seconds, and as many in one burst. Nothing at all if `units` is 0.
    #[must_use]
    pub fn new(units: f64, per_s: f64, burst: f64) -> Self {
        let us_per_unit = per_s * US_PER_S / units;
        let burst_us = if us_per_unit.is_finite() { whole(burst * us_per_unit) } else { 0 };
        Self { us_per_unit, burst_us, longest_us: 2 * burst_us }
    }

    /// The same, for bodies of up to this many units: all of them are paid for.
    #[must_use]
    pub fn with_largest(self, units: f64) -> Self {
        Self { longest_us: self.longest_us.max(self.us(units)), ..self }
    }

    /// This many times the rate and the burst.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { us_per_unit: self.us_per_unit / factor, ..self }
    }

    /// The units that drain in this many seconds.
    #[must_use]
    pub fn units_in(self, seconds: f64) -> f64 {
        seconds * US_PER_S / self.us_per_unit
    }

    /// The units in a burst.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "rounded for a person")]
    pub fn burst(self) -> f64 {
        (self.burst_us as f64 / self.us_per_unit).round()
    }

    /// The time in which this many units drain.
    fn us(self, units: f64) -> i64 {
        whole(units * self.us_per_unit)
    }
}

/// The state of a bucket: the Unix time, in microseconds, at which it is drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tat(pub i64);

impl Tat {
    /// Limits the wait to two bursts, or to the largest body, after a clock is set back.
    pub fn settle(&mut self, rate: Rate, now_us: i64) {
        self.0 = self.0.min(now_us.saturating_add(rate.longest_us));
    }

    /// The units that have not drained.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "two bursts at most")]
    pub fn outstanding(self, rate: Rate, now_us: i64) -> f64 {
        (self.0 - now_us).max(0) as f64 / rate.us_per_unit
    }

    /// The share of a burst that has not drained: more than 1 after a body larger than a burst.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "two bursts at most")]
    pub fn fill(self, rate: Rate, now_us: i64) -> f64 {
        (self.0 - now_us).max(0) as f64 / rate.burst_us.max(1) as f64
    }

    /// Adds units to the bucket, or returns how long to wait, in microseconds, if it can't take them now. A drained
    /// bucket takes more than its burst, or a large body could never be sent.
    ///
    /// # Errors
    /// See above.
    /// See above.
    pub fn with(self, rate: Rate, units: f64, now_us: i64) -> Result<Self, i64> {
        if units <= 0.0 {
            return Ok(self);
        }
        if !rate.us_per_unit.is_finite() {
            return Err(CLOSED_WAIT_US);
        }
        let mut tat = self;
        tat.settle(rate, now_us);
        let next = tat.0.max(now_us).saturating_add(rate.us(units));
        if next - now_us <= rate.burst_us || tat.0 <= now_us {
            return Ok(Self(next.min(now_us + rate.longest_us)));
        }
        Err((next - rate.burst_us).min(tat.0) - now_us)
    }
}

impl Tat {
    /// Adds units to the bucket even if it has no room: they are already spent.
    #[must_use]
    pub fn spent(self, rate: Rate, units: f64, now_us: i64) -> Self {
        let next = self.0.max(now_us).saturating_add(rate.us(units));
        Self(next.min(now_us.saturating_add(rate.longest_us)).max(self.0))
    }
}

/// A claim on a bucket.
#[derive(Debug)]
pub struct Claim<'a> {
    /// The bucket.
    pub tat: &'a mut Tat,
    /// The rate of its budget.
    pub rate: Rate,
    /// The units claimed.
    pub units: f64,
}

/// Takes everything that is claimed, or nothing. Returns the microseconds taken from each bucket, for [`refund`].
///
/// # Errors
/// How long to wait for each bucket, in microseconds; 0 for those that could give now.
pub fn charge<const N: usize>(claims: [Claim<'_>; N], now_us: i64) -> Result<[i64; N], [i64; N]> {
    let mut waits = [0; N];
    let mut nexts = [Tat(0); N];
    for (index, claim) in claims.iter().enumerate() {
        match claim.tat.with(claim.rate, claim.units, now_us) {
            Ok(next) => nexts[index] = next,
            Err(wait_us) => waits[index] = wait_us,
        }
    }
    let is_given = waits.iter().all(|wait_us| *wait_us == 0);
    let mut taken = [0; N];
    for (index, claim) in claims.into_iter().enumerate() {
        if is_given {
            taken[index] = if claim.units > 0.0 { nexts[index].0 - claim.tat.0.max(now_us) } else { 0 };
            *claim.tat = nexts[index];
        } else {
            // The wait reported now must hold later.
            claim.tat.settle(claim.rate, now_us);
        }
    }
    if is_given { Ok(taken) } else { Err(waits) }
}

/// Returns what was taken from a bucket but not used.
pub fn refund(tat: &mut Tat, taken_us: i64) {
    tat.0 -= taken_us;
}

/// The buckets of many takers, by the hash of their identity. Bounded by [`MAX_TAKERS`].
#[derive(Debug)]
pub struct Takers<const N: usize> {
    buckets: FxHashMap<u64, [Tat; N]>,
    /// The shared entry of all takers that find no room.
    rest: [Tat; N],
    swept_us: i64,
}

impl<const N: usize> Default for Takers<N> {
    fn default() -> Self {
        Self { buckets: FxHashMap::default(), rest: [Tat::default(); N], swept_us: 0 }
    }
}

impl<const N: usize> Takers<N> {
    /// A copy of a taker's buckets, and the factor for their rates: see [`Self::put`].
    pub fn get(&mut self, taker: u64, now_us: i64) -> ([Tat; N], f64) {
        if let Some(tats) = self.buckets.get(&taker) {
            return (*tats, 1.0);
        }
        if self.has_room(now_us) { ([Tat::default(); N], 1.0) } else { (self.rest, SHARED_ENTRY_FACTOR) }
    }

    /// Stores buckets that [`Self::get`] returned.
    pub fn put(&mut self, taker: u64, tats: [Tat; N], now_us: i64) {
        if let Some(there) = self.buckets.get_mut(&taker) {
            *there = tats;
        } else if self.has_room(now_us) {
            self.buckets.insert(taker, tats);
        } else {
            self.rest = tats;
        }
    }

    /// Changes the buckets of a taker, if it has any.
    pub fn change(&mut self, taker: u64, change: impl FnOnce(&mut [Tat; N])) {
        if let Some(tats) = self.buckets.get_mut(&taker) {
            change(tats);
        }
    }

    fn has_room(&mut self, now_us: i64) -> bool {
        if self.buckets.len() >= MAX_TAKERS && (now_us - self.swept_us).abs() >= SWEEP_US {
            self.sweep(now_us);
        }
        self.buckets.len() < MAX_TAKERS
    }

    /// Forgets takers whose buckets are drained: they are as if never used.
    pub fn sweep(&mut self, now_us: i64) {
        self.swept_us = now_us;
        self.buckets.retain(|_, tats| tats.iter().any(|tat| tat.0 > now_us));
    }

    /// The number of takers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether there are no takers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }
}

/// Whole microseconds, rounded up: rounding must not give anything away.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and 2^53 microseconds are 285 years")]
fn whole(us: f64) -> i64 {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    us.ceil().clamp(0.0, LIMIT) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_792_540_800_000_000;
    const S: i64 = 1_000_000;
    const HOUR: i64 = 3_600 * S;

    fn one(tat: &mut Tat, rate: Rate, units: f64, now_us: i64) -> Result<i64, i64> {
        charge([Claim { tat, rate, units }], now_us).map(|[taken]| taken).map_err(|[wait]| wait)
    }

    fn rates() -> impl Strategy<Value = Rate> {
        (1u32..100_000, prop::sample::select(vec![1u32, 3_600, 86_400]), 1u32..1_000_000)
            .prop_map(|(units, per_s, burst)| Rate::new(units.into(), per_s.into(), burst.into()))
    }

    proptest! {
        #[test]
        fn at_most_a_burst_plus_the_rate_times_the_time_is_given(
            (units, burst) in (1u32..10_000, 1u32..100_000),
            steps in prop::collection::vec((0i64..20 * S, 1u32..30_000), 1..200),
        ) {
            let rate = Rate::new(units.into(), 1.0, burst.into());
            let (mut tat, mut now, mut given) = (Tat::default(), NOW, 0.0);
            for (wait_us, cost) in steps {
                now += wait_us;
                let cost = f64::from(cost.min(burst));
                given += if one(&mut tat, rate, cost, now).is_ok() { cost } else { 0.0 };
                #[expect(clippy::cast_precision_loss, reason = "of a test")]
                let most = f64::from(burst) + f64::from(units) * (now - NOW) as f64 / 1e6;
                prop_assert!(given <= most + 1.0, "{given} of {most}");
            }
        }

        #[test]
        fn the_reported_wait_is_sufficient_and_necessary(
            rate in rates(),
            before in prop::collection::vec((0i64..100 * S, 1u32..2_000_000), 0..20),
            cost in 1u32..2_000_000,
            back_us in prop::sample::select(vec![0, S, HOUR]),
        ) {
            let (mut tat, mut now) = (Tat::default(), NOW);
            for (wait_us, cost) in before {
                now += wait_us;
                let _ = one(&mut tat, rate, cost.into(), now);
            }
            now -= back_us;
            if let Err(wait_us) = one(&mut tat, rate, cost.into(), now) {
                prop_assert!(wait_us > 0 && wait_us <= 2 * rate.burst_us);
                let (mut then, mut sooner) = (tat, tat);
                prop_assert!(one(&mut sooner, rate, cost.into(), now + wait_us - 1).is_err());
                prop_assert!(one(&mut then, rate, cost.into(), now + wait_us).is_ok());
            }
        }

        #[test]
        fn a_taker_that_waits_as_answered_never_starves(rate in rates(), costs in prop::collection::vec(1u32..5_000_000, 1..50)) {
            let (mut tat, mut now) = (Tat::default(), NOW);
            for cost in costs {
                if let Err(wait_us) = one(&mut tat, rate, cost.into(), now) {
                    now += wait_us;
                    prop_assert!(one(&mut tat, rate, cost.into(), now).is_ok());
                }
            }
        }

        #[test]
        fn all_claims_are_charged_or_none(
            rates in [rates(), rates()], fills in [0u32..2_000_000, 0u32..2_000_000], costs in [0u32..2_000_000, 0u32..2_000_000],
        ) {
            let mut tats = [Tat::default(); 2];
            for index in 0..2 {
                let _ = one(&mut tats[index], rates[index], fills[index].into(), NOW);
            }
            let before = tats;
            let [first, second] = &mut tats;
            let claims = [
                Claim { tat: first, rate: rates[0], units: costs[0].into() },
                Claim { tat: second, rate: rates[1], units: costs[1].into() },
            ];
            match charge(claims, NOW) {
                Ok(taken) => {
                    for index in 0..2 {
                        prop_assert!(taken[index] >= 0 && (taken[index] > 0) == (costs[index] > 0));
                        refund(&mut tats[index], taken[index]);
                        prop_assert_eq!(tats[index].0.max(NOW), before[index].0.max(NOW), "a refund undoes it");
                    }
                }
                Err(waits) => {
                    prop_assert!(waits.iter().any(|wait_us| *wait_us > 0));
                    prop_assert_eq!(tats, before);
                }
            }
        }
    }

    #[test]
    fn a_body_above_the_burst_passes_when_idle_and_is_paid() {
        let rate = Rate::new(500.0, 1.0, 300_000.0);
        let mut tat = Tat::default();
        assert!(one(&mut tat, rate, 440_000.0, NOW).is_ok());
        assert_eq!(tat.outstanding(rate, NOW), 440_000.0);
        assert_eq!(one(&mut tat, rate, 440_000.0, NOW), Err(880 * S), "when all has flowed off");
        assert_eq!(one(&mut tat, rate, 10.0, NOW), Err(280 * S + 20_000), "when it is below the burst");
        // A body of more than two bursts is paid for in full if the rate allows for such bodies.
        let small = Rate::new(500.0, 1.0, 60_000.0).with_largest(440_000.0);
        let mut tat = Tat::default();
        assert!(one(&mut tat, small, 440_000.0, NOW).is_ok());
        assert_eq!(one(&mut tat, small, 440_000.0, NOW), Err(880 * S));
        assert!(one(&mut tat, small, 440_000.0, NOW + 880 * S).is_ok());
    }

    #[test]
    fn after_a_clock_is_set_back_waits_are_at_most_two_bursts() {
        let rate = Rate::new(10.0, 1.0, 100.0);
        let mut tat = Tat::default();
        assert!(one(&mut tat, rate, 100.0, NOW).is_ok());
        assert!(matches!(one(&mut tat, rate, 1.0, NOW - HOUR), Err(wait_us) if wait_us <= 20 * S));
        assert!(one(&mut tat, rate, 1.0, NOW - HOUR + 20 * S).is_ok());
    }

    #[test]
    fn a_rate_of_zero_rejects_and_a_cost_of_zero_passes() {
        let (closed, mut tat) = (Rate::new(0.0, 1.0, 100.0), Tat::default());
        assert_eq!(one(&mut tat, closed, 1.0, NOW), Err(CLOSED_WAIT_US));
        assert_eq!(one(&mut tat, closed, 0.0, NOW), Ok(0));
        let rate = Rate::new(1.0, 1.0, 1.0);
        assert!(one(&mut tat, rate, 100.0, NOW).is_ok());
        assert_eq!(one(&mut tat, rate, 0.0, NOW), Ok(0));
    }

    #[test]
    fn a_full_table_drops_drained_takers_or_shares_an_entry() {
        let rate = Rate::new(1.0, 1.0, 10.0);
        let mut takers = Takers::<1>::default();
        let take = |takers: &mut Takers<1>, taker: u64, units: f64, now_us: i64| {
            let ([mut tat], factor) = takers.get(taker, now_us);
            one(&mut tat, rate.times(factor), units, now_us).expect("is idle");
            takers.put(taker, [tat], now_us);
            (tat.outstanding(rate.times(factor), now_us), factor)
        };
        for taker in 0..MAX_TAKERS as u64 {
            let units = if taker == 7 { 5.0 } else { 2.0 };
            assert_eq!(take(&mut takers, taker, units, NOW), (units, 1.0));
        }
        assert_eq!(take(&mut takers, u64::MAX, 20.0, NOW), (20.0, SHARED_ENTRY_FACTOR));
        assert_eq!(take(&mut takers, u64::MAX - 1, 20.0, NOW), (40.0, SHARED_ENTRY_FACTOR), "it is the same entry");
        assert_eq!(take(&mut takers, 7, 1.0, NOW), (6.0, 1.0), "who is there keeps its own");
        assert_eq!(take(&mut takers, u64::MAX, 1.0, NOW + 3 * S), (1.0, 1.0));
        assert_eq!(takers.len(), 2);
    }
}
