//! The forwarder: what it has taken from the log, what is in flight, and what became of it.
//!
//! Points are packed into batches in order. A batch is durable before it is sent, and does not change until the
//! upstream has accepted it: an upstream that gets it twice sees the same id.

mod objections;
mod packing;
mod status;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::randomness::Randomness;
use appnet::channel::Audience;
use appnet::shape::Shape;
use config::forward::ForwardConfig;
use config::forward::dialect::Dialect;
use model::coarse::Counted;
use model::delivery::{Outcome, Step, step};
use store::sql::{Sql, StoreError};
use store::{meta, outbox};

use super::{Change, Consumer, Followed, Loading};
use crate::engine::{Engine, from_json, to_json};

pub use packing::{Coarsening, Packed, Parcel};

const STATE: &str = "forward";
/// How long new points wait for company.
pub const GATHER_MS: i64 = 1_000;
/// After this many further refused points, something else must be wrong, and forwarding pauses until the owner has
/// looked.
const MAX_ASIDE: u64 = 1_000;
const TOO_LARGE: &str = "the point is too large for a message";

/// The progress of forwarding. Persisted as JSON; fields are only added.
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Forwarding {
    is_on: bool,
    /// Points up to this number are in batches, or older than forwarding.
    packed: u64,
    /// A part of the batches' ids, as strangers who guess an id could write under it first; empty if forwarding began
    /// without it.
    nonce: String,
    /// The number of the next batch; numbers are never reused.
    next_batch: i64,
    outbox: Count,
    /// Whether the first batch was sent, so it must not change.
    is_attempted: bool,
    /// Where in the first batch the next points start, after a part of it was refused; if `len` is `None`, all from
    /// there on.
    from: usize,
    #[serde(serialize_with = "len_or_zero", deserialize_with = "len_of_number")]
    len: Option<usize>,
    /// Whether the channel exists and can be written to.
    is_checked: bool,
    failures: u32,
    /// Nothing is tried before this time.
    next_ms: i64,
    is_paused: bool,
    error: Option<(String, i64)>,
    delivered: Count,
    /// Points as written that were merged with others of the same labels, and the number of points delivered instead.
    coarsened: (u64, u64),
    /// Points as written that are set aside, and the number of points that they became.
    aside: u64,
    refused: u64,
    /// Who can read the channel, once that is known.
    audience: Option<Audience>,
    /// After coarsening has failed, it is not tried before this time; only in memory.
    #[serde(skip)]
    coarsen_after_ms: i64,
    /// The form in which the upstream accepts messages.
    shape: Shape,
    /// The number of consecutive 500 answers.
    erred: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    points: u64,
    messages: u64,
}

impl Forwarding {
    fn put(&self, sql: &impl Sql) -> Result<(), StoreError> {
        meta::put(sql, STATE, &to_json(self))
    }

    /// The state after a change by the owner: what was written before is not forwarded, and the reason for a pause may
    /// be gone.
    fn resumed(&self, is_same_place: bool, accepted: u64, randomness: Randomness) -> Self {
        let mut state = self.clone();
        if !self.is_on {
            let (next_batch, nonce) = (self.next_batch, (randomness.nonce)());
            state = Self { next_batch, nonce, packed: accepted, is_on: true, ..self.ended() };
        }
        state.is_checked &= is_same_place;
        if !is_same_place {
            state.shape = Shape::default();
        }
        // The owner may have closed the channel in the meantime.
        state.audience = state.audience.filter(|audience| is_same_place && audience.warning().is_none());
        (state.is_paused, state.failures, state.erred, state.next_ms, state.error) = (false, 0, 0, 0, None);
        state
    }

    /// The prefix of batches' ids, given the object's name.
    fn source(&self, name: &str) -> String {
        if self.nonce.is_empty() { name.to_owned() } else { format!("{name}-{}", self.nonce) }
    }

    /// The state without anything in flight.
    fn ended(&self) -> Self {
        Self { next_batch: self.next_batch, coarsen_after_ms: self.coarsen_after_ms, ..Self::default() }
    }

    /// The number of points that wait to be packed.
    fn unpacked(&self, accepted: u64) -> u64 {
        if self.is_on { accepted - self.packed } else { 0 }
    }

    /// The number of the next point to pack, if one waits.
    fn next_unpacked(&self, accepted: u64) -> Option<u64> {
        (self.unpacked(accepted) > 0).then_some(self.packed + 1)
    }
}

impl Consumer for Forwarding {
    fn load(stream: &Loading<'_, impl Sql>) -> Result<Self, StoreError> {
        Ok(from_json(meta::get(stream.sql, STATE)?)?.unwrap_or_default())
    }

    fn resume(before: Option<&Self>, sql: &impl Sql, change: &Change<'_>) -> Result<Option<Self>, StoreError> {
        let state = before.cloned().unwrap_or_default();
        let was = change.before.and_then(|config| config.forward.as_ref());
        let resumed = match (was, &change.after.forward) {
            (_, None) => state.ended(),
            (None, Some(_)) => state.resumed(false, change.accepted, change.randomness),
            (Some(was), Some(wanted)) => {
                let place = |config: &ForwardConfig| (config.dialect, config.api_root.clone(), config.channel.clone());
                state.resumed(place(was) == place(wanted), change.accepted, change.randomness)
            }
        };
        if resumed != state {
            resumed.put(sql)?;
        }
        if was.is_some() && change.after.forward.is_none() {
            outbox::remove_behind(sql, 0)?;
            outbox::clear_aside(sql)?;
        }
        Ok(Some(resumed))
    }

    fn needs(&self, accepted: u64) -> Option<u64> {
        self.next_unpacked(accepted)
    }

    /// A large backlog is coarsened even while nothing can be sent.
    fn due_ms(&self, stream: &Followed<'_>) -> Option<i64> {
        if self.is_on && self.has_large_backlog(stream) {
            return Some(self.coarsen_after_ms);
        }
        let has_work = self.unpacked(stream.accepted) > 0 || self.outbox.messages > 0 || !self.is_checked;
        (self.is_on && !self.is_paused && has_work).then_some(self.next_ms)
    }

    fn describe(&self, sql: &impl Sql, stream: &Followed<'_>, status: &mut Map<String, Value>) {
        status.insert("forward".into(), self.status(sql, stream));
    }
}

impl<S: Sql> Engine<S> {
    /// When there is something to send or to coarsen, if ever.
    pub fn forward_due(&self) -> Option<i64> {
        self.consumers.forwarding.due_ms(&self.followed())
    }

    /// Records that coarsening failed: not again before this time.
    pub fn put_off_coarsening(&mut self, until_ms: i64) {
        self.consumers.forwarding.coarsen_after_ms = until_ms;
    }

    /// Whether the channel must be created or checked before anything is sent.
    pub fn needs_channel(&self) -> bool {
        !self.consumers.forwarding.is_checked || self.consumers.forwarding.audience.is_none()
    }

    /// Whether the only thing unknown about the channel is who reads it.
    pub fn is_checked(&self) -> bool {
        self.consumers.forwarding.is_checked
    }

    /// Changes the progress of forwarding, durably.
    #[inline(never)]
    fn set_forwarding(&mut self, state: Forwarding) -> Result<(), StoreError> {
        state.put(&self.sql)?;
        self.consumers.forwarding = state;
        Ok(())
    }

    /// Records that the upstream's channel can be written to, and who can read it.
    pub fn mark_checked(&mut self, audience: Audience) -> Result<(), StoreError> {
        let checked = Forwarding { is_checked: true, audience: Some(audience), ..self.consumers.forwarding.clone() };
        // What failed was not a message.
        self.set_forwarding(Forwarding { failures: 0, erred: 0, error: None, ..checked })
    }

    /// Pauses sending until this time.
    pub fn wait_until(&mut self, next_ms: i64) -> Result<(), StoreError> {
        self.set_forwarding(Forwarding { next_ms, ..self.consumers.forwarding.clone() })
    }

    /// Pauses sending until the owner changes something.
    pub fn pause(&mut self, reason: &str, now_ms: i64) -> Result<(), StoreError> {
        let error = Some((reason.to_owned(), now_ms));
        self.set_forwarding(Forwarding { is_paused: true, error, ..self.consumers.forwarding.clone() })
    }

    /// Retries now, including what is set aside.
    pub fn retry_forward(&mut self) -> Result<bool, StoreError> {
        if !self.consumers.forwarding.is_on {
            return Ok(false);
        }
        let mut state = self.consumers.forwarding.resumed(true, self.accepted(), self.randomness);
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
        self.consumers.forwarding = state;
        Ok(true)
    }

    /// Records what the upstream did with a message.
    pub fn settle(&mut self, parcel: &Parcel, outcome: &Outcome, jitter: f64, now_ms: i64) -> Result<(), StoreError> {
        let Some((number, points)) = outbox::first(&self.sql)? else { return Ok(()) };
        if number != parcel.number {
            // The owner ended forwarding in the meantime.
            return Ok(());
        }
        if let Some(shape) = self.shape_after(parcel, outcome) {
            let state = Forwarding { shape, failures: 0, erred: 0, error: None, ..self.consumers.forwarding.clone() };
            return self.set_forwarding(state);
        }
        match step(outcome, self.consumers.forwarding.failures, jitter, now_ms) {
            Step::Done => self.delivered(parcel, &points),
            Step::Split if parcel.len == 1 => {
                let Outcome::Refused(reason) = outcome else { return Ok(()) };
                self.put_aside(number, &points, reason, now_ms)
            }
            Step::Split => self.set_forwarding(Forwarding {
                len: Some(parcel.len / 2),
                failures: 0,
                ..self.consumers.forwarding.clone()
            }),
            other => self.put_off(&other, outcome, now_ms),
        }
    }

    /// Waits or pauses, as the step says.
    pub fn put_off(&mut self, step: &Step, outcome: &Outcome, now_ms: i64) -> Result<(), StoreError> {
        let mut state = self.consumers.forwarding.clone();
        let reason = match outcome {
            Outcome::Failed(reason) | Outcome::Erred(reason) | Outcome::Denied(reason) | Outcome::Refused(reason) => {
                reason.clone()
            }
            Outcome::Held { for_ms } => format!("the upstream asked for a pause of {} s", for_ms / 1000),
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

    /// Records what became of a request that was not a message.
    pub fn settle_channel(&mut self, outcome: &Outcome, jitter: f64, now_ms: i64) -> Result<(), StoreError> {
        self.put_off(&step(outcome, self.consumers.forwarding.failures, jitter, now_ms), outcome, now_ms)
    }

    fn delivered(&mut self, parcel: &Parcel, points: &[Counted]) -> Result<(), StoreError> {
        let mut state = self.consumers.forwarding.clone();
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
            // The batch may contain one point that the upstream cannot accept.
            state.erred = 0;
        }
        self.advance(state, parcel.number, parcel.len, points)
    }

    /// Sets the next point of the first batch aside.
    fn put_aside(&mut self, number: i64, points: &[Counted], reason: &str, now_ms: i64) -> Result<(), StoreError> {
        let mut state = self.consumers.forwarding.clone();
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
        self.consumers.forwarding = advanced.unwrap_or(state);
        Ok(())
    }

    fn advance(&mut self, state: Forwarding, number: i64, len: usize, points: &[Counted]) -> Result<(), StoreError> {
        let mut advanced = None;
        self.sql.atomically(&mut || {
            advanced = Some(self.advanced(state.clone(), number, len, points)?);
            Ok(())
        })?;
        self.consumers.forwarding = advanced.unwrap_or(state);
        Ok(())
    }

    /// Persists that this many further points of the first batch are done.
    fn advanced(
        &self,
        mut state: Forwarding,
        number: i64,
        len: usize,
        points: &[Counted],
    ) -> Result<Forwarding, StoreError> {
        state.outbox.points -= written(&points[state.from..state.from + len]);
        state.from += len;
        // The others of the batch must not change either.
        (state.len, state.is_attempted) = (None, true);
        if state.from >= points.len() {
            outbox::remove(&self.sql, number)?;
            (state.from, state.is_attempted) = (0, false);
            state.outbox.messages -= 1;
        }
        state.put(&self.sql)?;
        Ok(state)
    }

    fn dialect(&self) -> Dialect {
        self.record.config.forward.as_ref().map_or(Dialect::AppNet, |forward| forward.dialect)
    }
}

fn written(points: &[Counted]) -> u64 {
    points.iter().map(|point| point.written).sum()
}

#[expect(clippy::ref_option, reason = "as serde calls it")]
fn len_or_zero<T: Serializer>(len: &Option<usize>, serializer: T) -> Result<T::Ok, T::Error> {
    len.unwrap_or_default().serialize(serializer)
}

fn len_of_number<'de, T: Deserializer<'de>>(deserializer: T) -> Result<Option<usize>, T::Error> {
    usize::deserialize(deserializer).map(|len| Some(len).filter(|len| *len > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_the_next_parcel_is_pinned() {
        for (len, pinned) in [(None, "\"len\":0,"), (Some(7), "\"len\":7,")] {
            let state = Forwarding { len, ..Forwarding::default() };
            assert!(to_json(&state).contains(pinned));
            assert_eq!(from_json(Some(to_json(&state))), Ok(Some(state)));
        }
    }
}
