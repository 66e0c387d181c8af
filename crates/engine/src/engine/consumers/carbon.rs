//! The pusher to carbon: which buckets carbon has, which ones to send, and what became of them.
//!
//! What is unsent is kept as spans of time that points have touched, not as points. A bucket is sent whole, with the
//! rollups' current values, and sent again when a later point has changed it. Carbon keeps the last value of a time, so
//! nothing counts twice. The spans are persisted with the cursor of the rollups and with the result of each batch,
//! together with the number of the last point that they include; later points are marked when the log is replayed.

mod lines;

use serde_json::{Map, Value, json};

use config::carbon::CarbonConfig;
use model::delivery::{Outcome, Step, step};
use model::point::Point;
use model::spans;
use model::spans::Span;
use model::tier::{Tier, floor_to};
use store::chunks::Sealed;
use store::meta;
use store::sql::{Sql, StoreError};

use super::{Change, Consumer, Followed, Loading, Taken};
use crate::engine::Engine;

pub use lines::{Batch, Lines};

const STATE: &str = "carbon";
/// How long after its end a bucket is sent: writers send what they have counted every 10 s.
const GRACE_S: i64 = 15;
/// How long after the first late point the buckets that late points have changed are sent again, together.
const LATE_MS: i64 = 60_000;
/// How much before the first batch after a failure is sent again; at least the last bucket.
const REWIND_S: i64 = 300;
/// The pause between two batches: missed buckets are sent at this pace.
const PACE_MS: i64 = 1_000;
/// The pause after a batch of late buckets, as a stranger's day-long points each change a day of buckets.
const LATE_PACE_MS: i64 = 5_000;

/// The progress of pushing. Persisted as lines of text: numbers, to which more may be added, the ends of the spans, and
/// an error. As JSON it would take kilobytes of code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pushing {
    is_on: bool,
    /// What points have touched since it was last sent; ends are multiples of 10 s.
    unsent: Vec<Span>,
    /// The number of the last point that `unsent` includes, or included.
    marked: u64,
    /// Buckets that ended before this are not sent.
    from_s: i64,
    /// Buckets before this were sent or had nothing; what is unsent before it is late.
    sent_s: i64,
    /// Late buckets are not sent before this time; `None` if none are late, except those in flight.
    late_ms: Option<i64>,
    /// How far the present pass over late buckets has come; each pass sends them oldest first.
    turn_s: i64,
    lines: u64,
    /// Buckets that were sent again.
    corrected: u64,
    /// Buckets that expired before they could be sent.
    skipped: u64,
    failures: u64,
    /// Nothing is sent before this time.
    next_ms: i64,
    /// The last error, with its time.
    error: Option<(String, i64)>,
    /// What is in flight; wherever the state is persisted, it is part of `unsent` again.
    flight: Option<Span>,
    /// The number of restarts; what was in flight before one is ignored.
    life: u32,
}

/// What to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticket {
    /// Whole buckets.
    span: Span,
    life: u32,
}

/// What became of buckets.
enum Became<'a> {
    /// There was nothing to send.
    Empty,
    /// Carbon has received them; `corrected` of them were not new.
    Sent { lines: u64, corrected: u64 },
    /// The buckets will never be sent.
    Skipped { buckets: u64, reason: &'a str },
    /// It is unknown what carbon has received.
    Unknown { reason: &'a str, jitter: f64 },
}

impl Pushing {
    fn put(&self, sql: &impl Sql) -> Result<(), StoreError> {
        meta::put(sql, STATE, &self.landed().text())
    }

    fn text(&self) -> String {
        if !self.is_on {
            return String::new();
        }
        let at_ms = self.error.as_ref().map_or(0, |(_, at_ms)| *at_ms);
        let Self { from_s, sent_s, late_ms, next_ms, .. } = self;
        let counts = [self.marked, self.lines, self.corrected, self.skipped, self.failures].map(u64::cast_signed);
        let mut text = String::new();
        let mut put = |number: i64| text.extend([&number.to_string(), " "]);
        [*from_s, *sent_s, late_ms.unwrap_or_default(), *next_ms, at_ms].into_iter().chain(counts).for_each(&mut put);
        text.push('\n');
        let mut put = |number: i64| text.extend([&number.to_string(), " "]);
        self.unsent.iter().flat_map(|span| [span.0, span.1]).for_each(&mut put);
        text.push('\n');
        text.extend(self.error.as_ref().map(|(message, _)| message.as_str()));
        text
    }

    /// Parses what [`Self::text`] wrote.
    fn from_text(text: &str) -> Self {
        let mut lines = text.splitn(3, '\n');
        let mut next = || lines.next().unwrap_or_default();
        let numbers_of = |text: &str| -> Vec<i64> { text.split(' ').map_while(|number| number.parse().ok()).collect() };
        let (numbers, ends, message) = (numbers_of(next()), numbers_of(next()), next());
        let number = |at: usize| numbers.get(at).copied().unwrap_or_default();
        let count = |at: usize| number(at).unsigned_abs();
        Self {
            is_on: !numbers.is_empty(),
            unsent: ends.chunks_exact(2).map(|ends| (ends[0], ends[1])).collect(),
            from_s: number(0),
            sent_s: number(1),
            late_ms: Some(number(2)).filter(|late_ms| *late_ms != 0),
            next_ms: number(3),
            error: (!message.is_empty()).then(|| (message.to_owned(), number(4))),
            marked: count(5),
            lines: count(6),
            corrected: count(7),
            skipped: count(8),
            failures: count(9),
            ..Self::default()
        }
    }

    /// The state after a change by the owner. A new carbon gets what points touch from now on, and nothing earlier.
    fn resumed(&self, before: Option<&CarbonConfig>, after: Option<&CarbonConfig>, accepted: u64, now_s: i64) -> Self {
        let life = self.life + 1;
        match (before, after) {
            (Some(before), Some(after)) if self.is_on && before.is_same_place(after) => {
                // Immediately, but still marked as after a failure.
                Self { failures: self.failures.min(1), next_ms: 0, ..self.clone() }
            }
            (_, Some(after)) => {
                let from_s = floor_to(now_s, after.interval_s);
                Self { is_on: true, from_s, sent_s: from_s, marked: accepted, life, ..Self::default() }
            }
            (_, None) => Self { life, ..Self::default() },
        }
    }

    /// Marks what a point touches; `number` is the point's number in the stream.
    fn mark(&mut self, point: &Point, number: u64, at_ms: i64) {
        if !self.is_on || number <= self.marked {
            return;
        }
        self.marked = number;
        let bucket = |at: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "a valid point's time is within days of now")]
            let at_s = at.floor() as i64;
            Tier::FINEST.bucket_of(at_s)
        };
        let from_s = bucket(point.t - point.p.unwrap_or_default()).max(floor_to(self.from_s, Tier::FINEST.width_s()));
        let to_s = bucket(point.t) + Tier::FINEST.width_s();
        if from_s < to_s {
            spans::add(&mut self.unsent, (from_s, to_s));
            self.look_for_late(at_ms);
        }
    }

    /// Sets when late buckets are due.
    fn look_for_late(&mut self, now_ms: i64) {
        let is_late = self.unsent.first().is_some_and(|span| span.0 < self.sent_s);
        match (is_late, self.late_ms) {
            (false, _) => (self.late_ms, self.turn_s) = (None, 0),
            (true, None) => self.late_ms = Some(now_ms + LATE_MS),
            (true, Some(_)) => (),
        }
    }

    /// Whether late buckets have waited long enough.
    fn may_send_late(&self, now_ms: i64) -> bool {
        self.late_ms.is_none_or(|late_ms| late_ms <= now_ms)
    }

    /// The state with the buckets in flight among the unsent ones.
    fn landed(&self) -> Self {
        let mut landed = self.clone();
        if let Some(span) = landed.flight.take() {
            spans::add(&mut landed.unsent, span);
        }
        landed
    }

    /// When there is something to send, in buckets of this width.
    fn next_due_ms(&self, interval_s: i64) -> Option<i64> {
        let due_ms = |from_s: i64| (floor_to(from_s, interval_s) + interval_s + GRACE_S) * 1000;
        let fresh = spans::first(&self.unsent, (self.sent_s, i64::MAX)).map(|span| due_ms(span.0));
        let late = self.unsent.first().filter(|span| span.0 < self.sent_s);
        let late = late.map(|span| due_ms(span.0).max(self.late_ms.unwrap_or(i64::MIN)));
        fresh.into_iter().chain(late).min().map(|due_ms| due_ms.max(self.next_ms)).filter(|_| self.is_on)
    }

    /// Takes what to send next: at most this many consecutive buckets, current ones before late ones.
    fn depart(&mut self, interval_s: i64, buckets: i64, now_ms: i64) -> Option<Ticket> {
        *self = self.landed();
        let closed_s = floor_to(now_ms / 1000 - GRACE_S, interval_s);
        let fresh = spans::first(&self.unsent, (self.sent_s, closed_s));
        let late = || spans::first(&self.unsent, (self.turn_s, self.sent_s.min(closed_s)));
        let Some((from_s, to_s)) = fresh.or_else(|| if self.may_send_late(now_ms) { late() } else { None }) else {
            self.end_turn(now_ms);
            return None;
        };
        let from_s = floor_to(from_s, interval_s);
        let to_s = (-floor_to(-to_s, interval_s)).min(from_s + buckets * interval_s);
        spans::remove(&mut self.unsent, (from_s, to_s));
        self.flight = Some((from_s, to_s));
        Some(Ticket { span: (from_s, to_s), life: self.life })
    }

    /// No late bucket is left in this pass. Earlier ones that points have changed since then wait for the next pass, so
    /// repeated writes to the oldest bucket do not keep others from being sent.
    fn end_turn(&mut self, now_ms: i64) {
        if self.turn_s > 0 && self.may_send_late(now_ms) {
            (self.turn_s, self.late_ms) = (0, Some(now_ms + LATE_MS));
        }
    }

    /// Sends again, now, what was sent shortly before this time: a carbon that was killed has lost what it had not
    /// written yet.
    fn rewind(&mut self, until_s: i64, interval_s: i64, now_ms: i64) {
        let from_s = (until_s - REWIND_S.max(interval_s)).max(self.from_s);
        if from_s < until_s {
            spans::add(&mut self.unsent, (from_s, until_s));
            (self.turn_s, self.late_ms) = (0, Some(now_ms));
        }
    }

    /// Ends the flight, if it is still current: its buckets are done up to a time.
    fn arrive(&mut self, ticket: &Ticket, done_s: i64, now_ms: i64) -> bool {
        if ticket.life != self.life || self.flight != Some(ticket.span) {
            return false;
        }
        self.flight = None;
        if ticket.span.1 <= self.sent_s && done_s >= ticket.span.0 {
            self.turn_s = done_s;
        }
        if done_s < ticket.span.1 {
            spans::add(&mut self.unsent, (done_s.max(ticket.span.0), ticket.span.1));
        }
        self.sent_s = self.sent_s.max(done_s);
        self.look_for_late(now_ms);
        true
    }
}

impl Consumer for Pushing {
    fn load(stream: &Loading<'_, impl Sql>) -> Result<Self, StoreError> {
        Ok(Self::from_text(&meta::get(stream.sql, STATE)?.unwrap_or_default()))
    }

    fn resume(before: Option<&Self>, sql: &impl Sql, change: &Change<'_>) -> Result<Option<Self>, StoreError> {
        let (was, wanted) = (change.before.and_then(|config| config.carbon.as_ref()), change.after.carbon.as_ref());
        if was.is_none() && wanted.is_none() {
            return Ok(None);
        }
        let resumed = before.cloned().unwrap_or_default().resumed(was, wanted, change.accepted, change.now_s);
        resumed.put(sql)?;
        Ok(Some(resumed))
    }

    #[inline]
    fn take(&mut self, taken: &mut Taken<'_>) {
        self.mark(taken.point, taken.number, taken.at_ms);
    }

    fn persist(&self, sql: &impl Sql, _sealed: &mut Sealed) -> Result<(), StoreError> {
        if self.is_on { self.put(sql) } else { Ok(()) }
    }

    fn due_ms(&self, stream: &Followed<'_>) -> Option<i64> {
        self.next_due_ms(stream.config.carbon.as_ref()?.interval_s)
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
    fn describe(&self, _sql: &impl Sql, stream: &Followed<'_>, status: &mut Map<String, Value>) {
        let of = |CarbonConfig { host, port, interval_s, .. }: &CarbonConfig| {
            let state = self.landed();
            let seconds = |ms: i64| ms as f64 / 1000.0;
            let error = state.error.as_ref();
            json!({
                "state": if state.failures > 0 { "waiting" } else { "sending" },
                "host": host,
                "port": port,
                "interval_s": interval_s,
                "sent_until": state.sent_s,
                "pending_since": state.unsent.first().map(|span| floor_to(span.0, *interval_s)),
                "lines": state.lines,
                "corrected": state.corrected,
                "skipped": state.skipped,
                "last_error": error.map(|(message, at_ms)| json!({ "message": message, "at": seconds(*at_ms) })),
                "next_try": state.next_due_ms(*interval_s).map(seconds),
            })
        };
        status.insert("carbon".into(), stream.config.carbon.as_ref().map_or(Value::Null, of));
    }
}

impl<S: Sql> Engine<S> {
    /// When there is something to push.
    pub fn carbon_due(&self) -> Option<i64> {
        self.consumers.carbon.due_ms(&self.followed())
    }

    /// Pauses pushing until this time; only in memory.
    pub fn put_off_carbon(&mut self, until_ms: i64) {
        let carbon = &mut self.consumers.carbon;
        *carbon = Pushing { next_ms: until_ms, ..carbon.landed() };
    }

    /// Records what became of buckets up to a time; those after it are sent again.
    fn settle_buckets(
        &mut self,
        ticket: &Ticket,
        (done_s, became): (i64, Became<'_>),
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let mut state = self.consumers.carbon.clone();
        let sent_s = state.sent_s;
        if !state.arrive(ticket, done_s, now_ms) {
            return Ok(());
        }
        match became {
            Became::Empty => (),
            Became::Sent { lines, corrected } => {
                if state.failures > 0 {
                    let interval_s = self.record.config.carbon.as_ref().map_or(0, |carbon| carbon.interval_s);
                    // Before the last new bucket, even if late ones failed: otherwise each failure would go further
                    // back.
                    state.rewind(sent_s.max(ticket.span.0), interval_s, now_ms);
                }
                state.lines += lines;
                state.corrected += corrected;
                let pace_ms = if corrected > 0 { LATE_PACE_MS } else { PACE_MS };
                (state.failures, state.error, state.next_ms) = (0, None, now_ms + pace_ms);
            }
            Became::Skipped { buckets, reason } => {
                state.skipped += buckets;
                state.error = Some((reason.to_owned(), now_ms));
            }
            Became::Unknown { reason, jitter } => {
                let (failed, failures) =
                    (Outcome::Failed(String::new()), u32::try_from(state.failures).unwrap_or(u32::MAX));
                if let Step::RetryAt { at_ms, .. } = step(&failed, failures, jitter, now_ms) {
                    state.next_ms = at_ms;
                }
                state.failures += 1;
                state.error = Some((reason.to_owned(), now_ms));
            }
        }
        state.put(&self.sql)?;
        self.consumers.carbon = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_pushing_progress_is_pinned() {
        let state = Pushing {
            is_on: true,
            unsent: vec![(10, 20), (40, 70)],
            marked: 5,
            from_s: 1,
            sent_s: 2,
            late_ms: Some(3),
            lines: 6,
            corrected: 7,
            skipped: 8,
            failures: 9,
            next_ms: 4,
            error: Some(("no connection\nat all".to_owned(), 11)),
            ..Pushing::default()
        };
        let pinned = "1 2 3 4 11 5 6 7 8 9 \n10 20 40 70 \nno connection\nat all";
        assert_eq!(state.text(), pinned);
        assert_eq!(Pushing::from_text(pinned), state);
        for state in [Pushing::default(), Pushing { error: None, unsent: Vec::new(), ..state }] {
            assert_eq!(Pushing::from_text(&state.text()), state);
        }
    }
}
