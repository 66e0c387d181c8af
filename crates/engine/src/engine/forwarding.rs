//! The second consumer of the log, the forwarder: what it has taken, what is on its way, and what became of it.
//!
//! Points are packed into batches in their order; a batch is durable before it is sent, and stays as it is until the upstream
//! has taken it: whoever has it twice has it with the same id.

use serde::{Deserialize, Serialize};

use crate::randomness::Randomness;
use appnet::channel::Audience;
use appnet::message::Message;
use appnet::shape::Shape;
use config::forward::dialect::Dialect;
use model::coarse::Counted;
use model::delivery::{Step, step};
use store::sql::{Sql, StoreError};
use store::{meta, outbox};

use super::{Engine, to_json};

pub(super) use model::delivery::Outcome;

const STATE: &str = "forward";
/// What was just written waits for company.
pub const GATHER_MS: i64 = 1_000;
/// With each so many refused points something else is wrong, and forwarding pauses for the owner to look.
const MAX_ASIDE: u64 = 1_000;
const TOO_LARGE: &str = "the point is larger than a message may be";

/// How far forwarding is. Persisted as JSON; fields are only added.
#[expect(clippy::struct_excessive_bools, reason = "each says a thing of its own")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Forwarding {
    pub(super) is_on: bool,
    /// Points up to this number are in batches, or were there before.
    pub(super) packed: u64,
    /// Part of the batches' ids, as strangers could write first under an id that they guess; empty where it began without.
    pub(super) nonce: String,
    /// The number of the next batch; never one that was there before.
    pub(super) next_batch: i64,
    pub(super) outbox: Count,
    /// Whether the first batch was sent, so that it must stay as it is.
    pub(super) is_attempted: bool,
    /// Which points of the first batch are next, as another part of it was refused; no `len`: all.
    pub(super) from: usize,
    pub(super) len: usize,
    /// Whether the channel is there and can be written to.
    pub(super) is_checked: bool,
    pub(super) failures: u32,
    /// Nothing is tried before.
    pub(super) next_ms: i64,
    pub(super) is_paused: bool,
    pub(super) error: Option<(String, i64)>,
    pub(super) delivered: Count,
    /// Points as written that were delivered together with others of the same labels, and as how many.
    pub(super) coarsened: (u64, u64),
    /// Points as written that are set aside, and as how many.
    pub(super) aside: u64,
    pub(super) refused: u64,
    /// Who reads the channel, once that is known.
    pub(super) audience: Option<Audience>,
    /// How the upstream takes messages.
    pub(super) shape: Shape,
    /// Answers in a row that say 500.
    pub(super) erred: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    pub(super) points: u64,
    pub(super) messages: u64,
}

/// A message that is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Parcel {
    pub body: String,
    /// Of its batch.
    number: i64,
    /// How many points of the batch it has, behind those that are done.
    len: usize,
    pub(super) shape: Shape,
}

impl Forwarding {
    pub(super) fn load(sql: &impl Sql) -> Result<Self, StoreError> {
        Ok(super::from_json(meta::get(sql, STATE)?)?.unwrap_or_default())
    }

    pub(super) fn put(&self, sql: &impl Sql) -> Result<(), StoreError> {
        meta::put(sql, STATE, &to_json(self))
    }

    /// As the owner wants it from now on: what was written before is not forwarded, and whatever paused it may be over.
    pub(super) fn resumed(&self, is_same_place: bool, accepted: u64, randomness: Randomness) -> Self {
        let mut state = self.clone();
        if !self.is_on {
            let (next_batch, nonce) = (self.next_batch, (randomness.nonce)());
            state = Self { next_batch, nonce, packed: accepted, is_on: true, ..Self::default() };
        }
        state.is_checked &= is_same_place;
        if !is_same_place {
            state.shape = Shape::default();
        }
        // The owner may have closed the channel meanwhile.
        state.audience = state.audience.filter(|audience| is_same_place && audience.warning().is_none());
        (state.is_paused, state.failures, state.erred, state.next_ms, state.error) = (false, 0, 0, 0, None);
        state
    }

    /// What batches' ids begin with, given the object's name.
    fn source(&self, name: &str) -> String {
        if self.nonce.is_empty() { name.to_owned() } else { format!("{name}-{}", self.nonce) }
    }

    /// Without anything that was on its way.
    pub(super) fn ended(&self) -> Self {
        Self { next_batch: self.next_batch, ..Self::default() }
    }
}

impl<S: Sql> Engine<S> {
    /// How many points wait to be packed.
    pub(super) fn unpacked(&self) -> u64 {
        if self.forwarding.is_on { self.totals.accepted - self.forwarding.packed } else { 0 }
    }

    /// The number of the point that is packed next, if one waits.
    pub(super) fn next_unpacked(&self) -> Option<u64> {
        (self.unpacked() > 0).then_some(self.forwarding.packed + 1)
    }

    /// When there is something to send or to coarsen, if there is.
    pub fn forward_due(&self) -> Option<i64> {
        let state = &self.forwarding;
        if state.is_on && self.has_large_backlog() {
            return Some(self.coarsen_after_ms);
        }
        let has_work = self.unpacked() > 0 || state.outbox.messages > 0 || !state.is_checked;
        (state.is_on && !state.is_paused && has_work).then_some(state.next_ms)
    }

    /// Coarsening failed: not again before this time.
    pub fn put_off_coarsening(&mut self, until_ms: i64) {
        self.coarsen_after_ms = until_ms;
    }

    /// Whether the channel has to be made or looked at before anything is sent.
    pub fn needs_channel(&self) -> bool {
        !self.forwarding.is_checked || self.forwarding.audience.is_none()
    }

    /// Whether all that is not known of the channel is who reads it.
    pub fn is_checked(&self) -> bool {
        self.forwarding.is_checked
    }

    /// Changes how far forwarding is, durably.
    #[inline(never)]
    pub(super) fn set_forwarding(&mut self, state: Forwarding) -> Result<(), StoreError> {
        state.put(&self.sql)?;
        self.forwarding = state;
        Ok(())
    }

    /// The upstream's channel may be written to, and this is who can read it.
    pub fn mark_checked(&mut self, audience: Audience) -> Result<(), StoreError> {
        let checked = Forwarding { is_checked: true, audience: Some(audience), ..self.forwarding.clone() };
        // What it failed at was no message.
        self.set_forwarding(Forwarding { failures: 0, erred: 0, error: None, ..checked })
    }

    /// Lets nothing be sent before this time.
    pub fn wait_until(&mut self, next_ms: i64) -> Result<(), StoreError> {
        self.set_forwarding(Forwarding { next_ms, ..self.forwarding.clone() })
    }

    /// Lets nothing be sent until the owner changes something.
    pub fn pause(&mut self, reason: &str, now_ms: i64) -> Result<(), StoreError> {
        let error = Some((reason.to_owned(), now_ms));
        self.set_forwarding(Forwarding { is_paused: true, error, ..self.forwarding.clone() })
    }

    /// Tries now, also what is set aside.
    pub fn retry_forward(&mut self) -> Result<bool, StoreError> {
        if !self.forwarding.is_on {
            return Ok(false);
        }
        let mut state = self.forwarding.resumed(true, self.totals.accepted, self.randomness);
        let mut aside = outbox::aside(&self.sql, usize::MAX)?;
        aside.reverse();
        let points: Vec<Counted> = aside.into_iter().flat_map(|aside| aside.points).collect();
        let batches = self.batches(points);
        self.sql.atomically(&mut || {
            let mut changed = state.clone();
            outbox::clear_aside(&self.sql)?;
            (changed.aside, changed.refused) = (0, 0);
            self.insert_batches(&mut changed, &batches)?;
            changed.put(&self.sql)?;
            state = changed;
            Ok(())
        })?;
        self.forwarding = state;
        Ok(true)
    }

    /// The message that is next, which is the same each time until it is settled. `name` is this object's.
    pub fn parcel(&mut self, name: &str, now_ms: i64) -> Result<Option<Parcel>, StoreError> {
        let source = self.forwarding.source(name);
        loop {
            let Some((number, points)) = outbox::first(&self.sql)? else { return Ok(None) };
            let rest = &points[self.forwarding.from.min(points.len())..];
            let wanted = if self.forwarding.len == 0 { rest.len() } else { self.forwarding.len.min(rest.len()) };
            let (dialect, shape) = (self.dialect(), self.next_shape());
            let is_whole = self.forwarding.from == 0 && wanted == points.len();
            let mut parcel = None;
            if is_whole {
                parcel = parcel_of((dialect, shape), &format!("{source}-{number}"), rest);
            }
            let mut len = wanted;
            while parcel.is_none() && len > 0 {
                // The upstream's dialect may have changed since the batch was packed.
                let id = format!("{source}-{number}.{}+{len}", self.forwarding.from);
                parcel = parcel_of((dialect, shape), &id, &rest[..len]);
                len = if parcel.is_none() { len / 2 } else { len };
            }
            if let Some(body) = parcel {
                if !self.forwarding.is_attempted {
                    self.set_forwarding(Forwarding { is_attempted: true, ..self.forwarding.clone() })?;
                }
                return Ok(Some(Parcel { body, number, len, shape }));
            }
            self.put_aside(number, &points, TOO_LARGE, now_ms)?;
        }
    }

    /// What follows from what the upstream did with a message.
    pub fn settle(&mut self, parcel: &Parcel, outcome: &Outcome, jitter: f64, now_ms: i64) -> Result<(), StoreError> {
        let Some((number, points)) = outbox::first(&self.sql)? else { return Ok(()) };
        if number != parcel.number {
            // The owner ended forwarding meanwhile.
            return Ok(());
        }
        if let Some(shape) = self.shape_after(parcel, outcome) {
            let state = Forwarding { shape, failures: 0, erred: 0, error: None, ..self.forwarding.clone() };
            return self.set_forwarding(state);
        }
        match step(outcome, self.forwarding.failures, jitter, now_ms) {
            Step::Done => self.delivered(parcel, &points),
            Step::Split if parcel.len == 1 => {
                let Outcome::Refused(reason) = outcome else { return Ok(()) };
                self.put_aside(number, &points, reason, now_ms)
            }
            Step::Split => {
                self.set_forwarding(Forwarding { len: parcel.len / 2, failures: 0, ..self.forwarding.clone() })
            }
            other => self.put_off(&other, outcome, now_ms),
        }
    }

    /// Waits or pauses, as is told.
    pub fn put_off(&mut self, step: &Step, outcome: &Outcome, now_ms: i64) -> Result<(), StoreError> {
        let mut state = self.forwarding.clone();
        let reason = match outcome {
            Outcome::Failed(reason) | Outcome::Erred(reason) | Outcome::Denied(reason) | Outcome::Refused(reason) => {
                reason.clone()
            }
            Outcome::Held { for_ms } => format!("the upstream wants no more for {} s", for_ms / 1000),
            Outcome::Delivered => return Ok(()),
        };
        state.error = Some((reason, now_ms));
        state.erred += u32::from(matches!(outcome, Outcome::Erred(_)));
        match step {
            Step::RetryAt { at_ms, counts } => {
                state.next_ms = *at_ms;
                state.failures += u32::from(*counts);
            }
            Step::Pause(_) | Step::Split | Step::Done => state.is_paused = true,
        }
        self.set_forwarding(state)
    }

    /// What follows from what became of a request that was no message.
    pub fn settle_channel(&mut self, outcome: &Outcome, jitter: f64, now_ms: i64) -> Result<(), StoreError> {
        self.put_off(&step(outcome, self.forwarding.failures, jitter, now_ms), outcome, now_ms)
    }

    fn delivered(&mut self, parcel: &Parcel, points: &[Counted]) -> Result<(), StoreError> {
        let mut state = self.forwarding.clone();
        let done = &points[state.from..state.from + parcel.len];
        state.delivered.points += written(done);
        state.delivered.messages += 1;
        for Counted { written, .. } in done.iter().filter(|point| point.written > 1) {
            state.coarsened.0 += written;
            state.coarsened.1 += 1;
        }
        (state.failures, state.error) = (0, None);
        state.shape = parcel.shape;
        if state.from + parcel.len >= points.len() {
            // Within a batch one point may still be what the upstream can't take.
            state.erred = 0;
        }
        self.advance(state, parcel.number, parcel.len, points)
    }

    /// Sets the next point of the first batch aside.
    fn put_aside(&mut self, number: i64, points: &[Counted], reason: &str, now_ms: i64) -> Result<(), StoreError> {
        let mut state = self.forwarding.clone();
        let at = state.from;
        let refused = &points[at..=at];
        state.aside += written(refused);
        state.refused += 1;
        if state.refused.is_multiple_of(MAX_ASIDE) {
            state.is_paused = true;
            state.error = Some((format!("{} points are set aside; the last one: {reason}", state.refused), now_ms));
        }
        let mut advanced = None;
        self.sql.atomically(&mut || {
            outbox::set_aside(&self.sql, now_ms, reason, refused)?;
            advanced = Some(self.advanced(state.clone(), number, 1, points)?);
            Ok(())
        })?;
        self.forwarding = advanced.unwrap_or(state);
        Ok(())
    }

    fn advance(&mut self, state: Forwarding, number: i64, len: usize, points: &[Counted]) -> Result<(), StoreError> {
        let mut advanced = None;
        self.sql.atomically(&mut || {
            advanced = Some(self.advanced(state.clone(), number, len, points)?);
            Ok(())
        })?;
        self.forwarding = advanced.unwrap_or(state);
        Ok(())
    }

    /// Persists that so many points more of the first batch are done.
    fn advanced(
        &self,
        mut state: Forwarding,
        number: i64,
        len: usize,
        points: &[Counted],
    ) -> Result<Forwarding, StoreError> {
        state.outbox.points -= written(&points[state.from..state.from + len]);
        state.from += len;
        // The others of the batch must stay as they are, too.
        (state.len, state.is_attempted) = (0, true);
        if state.from >= points.len() {
            outbox::remove(&self.sql, number)?;
            (state.from, state.is_attempted) = (0, false);
            state.outbox.messages -= 1;
        }
        state.put(&self.sql)?;
        Ok(state)
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.record.config.forward.as_ref().map_or(Dialect::AppNet, |forward| forward.dialect)
    }
}

/// A message of all of these points, if they fit.
fn parcel_of((dialect, shape): (Dialect, Shape), id: &str, points: &[Counted]) -> Option<String> {
    let mut message = Message::new(dialect, id);
    points.iter().all(|point| message.push(&point.point)).then(|| message.into_body(shape))
}

pub(super) fn written(points: &[Counted]) -> u64 {
    points.iter().map(|point| point.written).sum()
}
