//! Whether a write fits the budgets of its writer: by network and for all together without a credential, by key with a
//! write key. The owner has no budget.
//!
//! Nothing waits here, so checking, charging and taking a place in the queue are one step. A write is admitted in full
//! or not at all. When most of a shared budget is used, only networks that use little get a part of the rest, so one
//! flood, or a few, lock out nobody else. The tables of networks and keys are only in memory, so a restart gives each a
//! new burst. What open writers share is persisted by each seal; after a restart they get at most one new burst of it.

use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use config::limits::{Limit, Limits};
use config::who::Who;
use model::cost::{Cost, REPEATED_UNITS, REQUEST_UNITS};
use model::gcra::{Rate, Takers, Tat};
use model::shards::KEY_WINDOW_MS;
use model::text_index::HashKey;
use protocol::limited::{Budget, Hit, Holder, Limited};
use protocol::writer::Writer;

use super::answers::Held;

mod familiar;
mod terms;
#[cfg(test)]
mod tests;

use familiar::Familiar;
use terms::{KINDS, LATE, Terms, UNITS, wider};

/// Above this share of a shared budget, only networks that use little are admitted...
const OPEN_TO_ALL: f64 = 0.7;
/// ...namely those with at most this much outstanding: 4 s of the units, 8 s of the keys and 3 minutes of the late
/// places that a network may use. The bound falls to zero as the budget fills.
const LITTLE: [f64; KINDS] = [2_000.0, 30.0, 200.0];
/// For networks that were not there before a flood, the bound on units and late places is already zero at this share.
const OPEN_TO_STRANGERS: f64 = 0.9;
/// Wider networks (an IPv4 /24, an IPv6 /48) have this many times as much.
const WIDER: f64 = 4.0;
/// The wait when the disk is full: nobody knows when there will be room again.
const FULL_WAIT_S: u32 = 600;
/// The longest wait that is reported.
const MAX_WAIT_S: u32 = 86_400;

const US_PER_MS: i64 = 1_000;
const US_PER_S: i64 = 1_000_000;

/// The state of the shared budgets of open writers, which survives a restart: Unix microseconds, see [`Tat`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shared {
    #[serde(default)]
    units: i64,
    #[serde(default)]
    late: i64,
    #[serde(default)]
    disk: i64,
}

/// What a write was charged, to be refunded if the write is not stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Charge {
    /// Takers, and what was charged to each of their buckets, in microseconds.
    takers: [(u64, [i64; KINDS]); 2],
    is_keyed: bool,
    open: [i64; 2],
    /// The write's cost in units.
    pub units: u64,
}

/// A write that requests admission.
pub(super) struct Ask<'a> {
    pub(super) writer: &'a Writer<'a>,
    pub(super) cost: Cost,
    /// Whether it has an idempotency key to remember.
    pub(super) has_key: bool,
    /// The number of keys that are remembered.
    pub(super) held: Held,
}

/// The state of all budgets of an object.
pub(super) struct Admission {
    /// New in each life of the object, so that no network can be recognised by its hash.
    salt: HashKey,
    networks: Takers<KINDS>,
    keys: Takers<KINDS>,
    familiar: Familiar,
    open: [Tat; 2],
    disk: Tat,
    /// Units since the last seal: of open writers, and of all writers.
    open_units: u64,
    all_units: u64,
    /// The size of the database when it was last measured.
    used_bytes: u64,
}

/// The buckets after the charge, and the budgets that are exceeded.
struct Verdict {
    takers: [[Tat; KINDS]; 2],
    open: [Tat; 2],
    hits: Vec<Hit>,
}

impl Admission {
    pub(super) fn new(salt: HashKey, persisted: Shared, used_bytes: u64) -> Self {
        Self {
            salt,
            networks: Takers::default(),
            keys: Takers::default(),
            familiar: Familiar::default(),
            open: [Tat(persisted.units), Tat(persisted.late)],
            disk: Tat(persisted.disk),
            open_units: 0,
            all_units: 0,
            used_bytes,
        }
    }

    /// The number of networks and keys that have budgets or are familiar.
    pub(super) fn takers_len(&self) -> usize {
        self.networks.len() + self.keys.len() + self.familiar.len()
    }

    /// Charges a write, or returns the budgets that it exceeds.
    pub(super) fn admit(
        &mut self,
        ask: &Ask<'_>,
        limits: &Limits,
        shards: u16,
        now_ms: i64,
    ) -> Result<Charge, Box<Limited>> {
        let now_us = now_ms * US_PER_MS;
        if ask.writer.who == Who::Owner {
            self.all_units += ask.cost.units;
            return Ok(Charge { units: ask.cost.units, is_keyed: true, ..Charge::default() });
        }
        let terms = Terms::new(limits, shards, self.used_bytes);
        let is_keyed = ask.writer.who != Who::Open;
        let takers = self.takers(ask.writer);
        let mut before = [[Tat::default(); KINDS]; 2];
        let mut factors = [1.0; 2];
        for (index, taker) in takers.iter().enumerate() {
            let table = if is_keyed { &mut self.keys } else { &mut self.networks };
            if let Some(taker) = taker {
                (before[index], factors[index]) = table.get(*taker, now_us);
            }
        }
        let of_takers =
            if is_keyed { [terms.key, terms.key] } else { [terms.network, terms.network.map(|it| it.times(WIDER))] };
        let rates = [0, 1].map(|index| of_takers[index].map(|rate| rate.times(factors[index])));
        for index in 0..2 {
            for kind in 0..KINDS {
                before[index][kind].settle(rates[index][kind], now_us);
            }
        }
        for kind in [UNITS, LATE] {
            self.open[kind].settle(terms.open[kind], now_us);
        }
        self.disk.settle(terms.disk, now_us);
        let scene = Scene { terms: &terms, is_keyed, takers: &takers, before: &before, rates: &rates, now_us };
        let Verdict { takers: after, open, mut hits } = self.verdict(&scene, ask.cost, ask.has_key, ask.held);
        if !hits.is_empty() {
            let least = Cost { units: REQUEST_UNITS + 1, late_places: 0 };
            let closed = if is_keyed { Vec::new() } else { self.verdict(&scene, least, false, ask.held).hits };
            self.set(&takers, is_keyed, before, now_us, false);
            hits.sort_by_key(|hit| std::cmp::Reverse(hit.retry_after_s));
            let mut told = Vec::new();
            hits.retain(|hit| {
                let is_new = !told.contains(&(hit.budget, hit.of));
                told.push((hit.budget, hit.of));
                is_new
            });
            let closed_s = closed.iter().map(|hit| hit.retry_after_s).max().unwrap_or_default();
            return Err(Box::new(Limited { detail: terms.detail(hits[0]), hits, closed_s }));
        }
        let taken = |before: Tat, after: Tat| if before == after { 0 } else { after.0 - before.0.max(now_us) };
        let mut charge = Charge { is_keyed, units: ask.cost.units, ..Charge::default() };
        for index in 0..2 {
            let of_kinds = std::array::from_fn(|kind| taken(before[index][kind], after[index][kind]));
            charge.takers[index] = (takers[index].unwrap_or_default(), of_kinds);
        }
        charge.open = std::array::from_fn(|kind| taken(self.open[kind], open[kind]));
        self.set(&takers, is_keyed, after, now_us, true);
        self.open = open;
        if let (Some(network), false) = (takers[0], is_keyed) {
            let has_room = open[UNITS].fill(terms.open[UNITS], now_us) <= OPEN_TO_ALL;
            self.familiar.see(network, has_room, now_us);
        }
        self.all_units += charge.units;
        self.open_units += if is_keyed { 0 } else { charge.units };
        Ok(charge)
    }

    /// Refunds the charge of a write that was not stored.
    pub(super) fn refund(&mut self, charge: &Charge) {
        let table = if charge.is_keyed { &mut self.keys } else { &mut self.networks };
        for (taker, taken) in charge.takers {
            table.change(taker, |tats| tats.iter_mut().zip(taken).for_each(|(tat, taken_us)| tat.0 -= taken_us));
        }
        self.open.iter_mut().zip(charge.open).for_each(|(tat, taken_us)| tat.0 -= taken_us);
        self.all_units = self.all_units.saturating_sub(charge.units);
        self.open_units = self.open_units.saturating_sub(if charge.is_keyed { 0 } else { charge.units });
    }

    /// The most that a request of an open writer may cost.
    pub(super) fn most_open_units(&self, limits: &Limits, shards: u16) -> f64 {
        Terms::new(limits, shards, self.used_bytes).most_units()
    }

    /// Charges a repeated key, which is answered whatever its writer has left.
    pub(super) fn repeated(&mut self, writer: &Writer<'_>, limits: &Limits, shards: u16, now_ms: i64) {
        let (terms, now_us) = (Terms::new(limits, shards, self.used_bytes), now_ms * US_PER_MS);
        let (table, rates) = match writer.who {
            Who::Open => (&mut self.networks, terms.network),
            Who::Keyed(_) => (&mut self.keys, terms.key),
            Who::Owner => return,
        };
        if let Some(taker) = taker(&self.salt, writer) {
            let (mut tats, factor) = table.get(taker, now_us);
            #[expect(clippy::cast_precision_loss, reason = "2")]
            let units = REPEATED_UNITS as f64;
            tats[UNITS] = tats[UNITS].spent(rates[UNITS].times(factor), units, now_us);
            table.put(taker, tats, now_us);
        }
    }

    /// The state to persist, given the size of the database at the end of a seal. It charges open writers for the
    /// growth, in proportion to their part of all units.
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub(super) fn sealed(&self, size_bytes: u64, limits: &Limits, shards: u16, now_ms: i64) -> Shared {
        let share = if self.all_units == 0 { 1.0 } else { self.open_units as f64 / self.all_units as f64 };
        let grown = size_bytes.saturating_sub(self.used_bytes) as f64 * share;
        let terms = Terms::new(limits, shards, self.used_bytes);
        let disk = if grown > 0.0 { self.disk.spent(terms.disk, grown, now_ms * US_PER_MS) } else { self.disk };
        Shared { units: self.open[UNITS].0, late: self.open[LATE].0, disk: disk.0 }
    }

    /// Adopts what was persisted.
    pub(super) fn mark_sealed(&mut self, shared: Shared, size_bytes: u64) {
        self.disk = Tat(shared.disk);
        (self.open_units, self.all_units, self.used_bytes) = (0, 0, size_bytes);
    }

    /// The size of the database after a removal.
    pub(super) fn shrunk_to(&mut self, size_bytes: u64) {
        self.used_bytes = self.used_bytes.min(size_bytes);
    }

    /// The hashes of who pays: the network and the wider one around it, or the write key.
    pub(super) fn takers(&self, writer: &Writer<'_>) -> [Option<u64>; 2] {
        let wider = if writer.who == Who::Open { wider(writer.network) } else { None };
        [taker(&self.salt, writer), wider.map(|wider| hash(&self.salt, wider.as_bytes()))]
    }

    fn set(&mut self, takers: &[Option<u64>; 2], is_keyed: bool, tats: [[Tat; KINDS]; 2], now_us: i64, makes: bool) {
        let table = if is_keyed { &mut self.keys } else { &mut self.networks };
        for (taker, tats) in takers.iter().zip(tats).filter_map(|(taker, tats)| taker.map(|taker| (taker, tats))) {
            if makes {
                table.put(taker, tats, now_us);
            } else {
                table.change(taker, |there| *there = tats);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "costs are far below 2^53")]
    fn verdict(&self, scene: &Scene<'_>, cost: Cost, has_key: bool, held: Held) -> Verdict {
        let Scene { terms, is_keyed, takers, before, rates, now_us } = scene;
        let wanted = [cost.units as f64, cost.late_places as f64, f64::from(u8::from(has_key))];
        let mut verdict = Verdict { takers: **before, open: self.open, hits: Vec::new() };
        let holder = if *is_keyed { Holder::Key } else { Holder::Network };
        for kind in 0..KINDS {
            for index in (0..2).filter(|index| takers[*index].is_some()) {
                match before[index][kind].with(rates[index][kind], wanted[kind], *now_us) {
                    Ok(next) => verdict.takers[index][kind] = next,
                    Err(wait_us) => verdict.hit(BUDGETS[kind], holder, seconds(wait_us)),
                }
            }
        }
        let held_here = if *is_keyed { held.keyed } else { held.open };
        let shared = if *is_keyed { Holder::Key } else { Holder::Open };
        let full_until_ms = held.full_until_ms.or((held_here.fill >= 1.0).then_some(held_here.oldest_ends_ms));
        if let Some(until_ms) = full_until_ms.filter(|_| has_key) {
            verdict.hit(Budget::Keys, shared, seconds(until_ms * US_PER_MS - now_us));
        }
        let is_closed = if *is_keyed { terms.is_full } else { terms.is_closed };
        if is_closed {
            verdict.hit(Budget::Disk, shared, FULL_WAIT_S);
        }
        if *is_keyed {
            return verdict;
        }
        for kind in [UNITS, LATE] {
            match self.open[kind].with(terms.open[kind], wanted[kind], *now_us) {
                Ok(next) => verdict.open[kind] = next,
                Err(wait_us) => verdict.hit(BUDGETS[kind], Holder::Open, seconds(wait_us)),
            }
        }
        if let (Err(wait_us), false) = (self.disk.with(terms.disk, 1.0, *now_us), is_closed) {
            verdict.hit(Budget::Disk, Holder::Open, seconds(wait_us));
        }
        if takers[0].is_some() {
            self.leave_the_rest_to_those_who_take_little(scene, wanted, held_here.fill, &mut verdict.hits);
        }
        verdict
    }

    /// See [`OPEN_TO_ALL`].
    fn leave_the_rest_to_those_who_take_little(
        &self,
        scene: &Scene<'_>,
        wanted: [f64; KINDS],
        keys_fill: f64,
        hits: &mut Vec<Hit>,
    ) {
        let Scene { terms, takers, before, rates, now_us, .. } = scene;
        let is_familiar = takers[0].is_some_and(|network| self.familiar.has(network, *now_us));
        for (kind, budget) in
            [(UNITS, Budget::Units), (LATE, Budget::Late), (KEYS, Budget::Keys), (UNITS, Budget::Disk)]
        {
            let passes = |after_s: u32| {
                let at_us = now_us + i64::from(after_s) * US_PER_S;
                let fill = match budget {
                    // A body larger than the whole budget passes when nothing is outstanding.
                    Budget::Units | Budget::Late if self.open[kind].0 <= at_us => 0.0,
                    Budget::Units | Budget::Late => {
                        self.open[kind].spent(terms.open[kind], wanted[kind], at_us).fill(terms.open[kind], at_us)
                    }
                    Budget::Keys => keys_fill,
                    Budget::Disk => self.disk.fill(terms.disk, at_us),
                };
                let taken = before[0][kind].outstanding(rates[0][kind], at_us) + wanted[kind];
                let is_reserved = !is_familiar && matches!(budget, Budget::Units | Budget::Late);
                let end = if is_reserved { OPEN_TO_STRANGERS } else { 1.0 };
                let little = LITTLE[kind] * (end - fill) / (end - OPEN_TO_ALL);
                // One key always counts as little.
                fill <= OPEN_TO_ALL || taken <= little.max(f64::from(u8::from(budget == Budget::Keys)))
            };
            if wanted[kind] > 0.0 && !passes(0) {
                hits.push(Hit { budget, of: Holder::Open, retry_after_s: first_second(passes) });
            }
        }
    }
}

const KEYS: usize = 2;
const BUDGETS: [Budget; KINDS] = [Budget::Units, Budget::Late, Budget::Keys];

/// Everything that a write is judged by.
struct Scene<'a> {
    terms: &'a Terms,
    is_keyed: bool,
    takers: &'a [Option<u64>; 2],
    before: &'a [[Tat; KINDS]; 2],
    rates: &'a [[Rate; KINDS]; 2],
    now_us: i64,
}

impl Verdict {
    fn hit(&mut self, budget: Budget, of: Holder, retry_after_s: u32) {
        self.hits.push(Hit { budget, of, retry_after_s });
    }
}

/// The first second from which a condition holds; the last one if it never does.
fn first_second(holds: impl Fn(u32) -> bool) -> u32 {
    let (mut not_yet, mut holds_at) = (0, MAX_WAIT_S);
    while holds_at - not_yet > 1 {
        let middle = not_yet.midpoint(holds_at);
        if holds(middle) { holds_at = middle } else { not_yet = middle }
    }
    holds_at
}

fn seconds(wait_us: i64) -> u32 {
    u32::try_from(wait_us.max(1).unsigned_abs().div_ceil(US_PER_S.unsigned_abs())).unwrap_or(MAX_WAIT_S).min(MAX_WAIT_S)
}

/// A writer's entry in a table; `None` if its network is unknown.
fn taker(salt: &HashKey, writer: &Writer<'_>) -> Option<u64> {
    match &writer.who {
        Who::Keyed(key) => Some(hash(salt, key.as_bytes())),
        Who::Open | Who::Owner => (!writer.network.is_empty()).then(|| hash(salt, writer.network.as_bytes())),
    }
}

fn hash(salt: &HashKey, text: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(salt);
    hasher.write(text);
    hasher.finish()
}
