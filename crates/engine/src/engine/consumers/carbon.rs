//! The carbon: which buckets it has, which it is to be sent, and what became of that.
//!
//! What is not sent yet is kept as spans of time that points have touched, not as points: a bucket is sent whole, as
//! the rollups have it then, and again when a later point changed it. Carbon keeps the last value of a time, so nothing
//! counts twice. The spans are persisted with the cursor of the rollups and with what became of a batch, together with
//! the number of the last point that they know of; those behind it are marked when the log is replayed.

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
/// A bucket is sent so long after its end: writers send what they have counted every 10 s.
const GRACE_S: i64 = 15;
/// Buckets that late points have changed are sent again so long after the first of these points, together.
const LATE_MS: i64 = 60_000;
/// Of so much time before the first batch behind a failure all is sent once more; the last bucket at least.
const REWIND_S: i64 = 300;
/// Between two batches: what was missed goes out at this pace.
const PACE_MS: i64 = 1_000;
/// Behind a batch of what is late, as a stranger's points of a day each change a day of buckets.
const LATE_PACE_MS: i64 = 5_000;

/// How far pushing is. Persisted as lines of a text: numbers, to which more may be added, the ends of the spans, and an
/// error. A form in JSON would be kilobytes of code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pushing {
    is_on: bool,
    /// What points have touched since it was sent, and is to be sent; ends are multiples of 10 s.
    unsent: Vec<Span>,
    /// The number of the last point that is in `unsent`, or was.
    marked: u64,
    /// No bucket that ended before is sent.
    from_s: i64,
    /// Buckets before it were sent, or had nothing; what is unsent before it is late.
    sent_s: i64,
    /// What is late is not sent before; `None` where nothing is late that is not on its way.
    late_ms: Option<i64>,
    /// Late buckets go out in passes, oldest first. This pass has come this far.
    turn_s: i64,
    lines: u64,
    /// Buckets that were sent again.
    corrected: u64,
    /// Buckets that went before they could be sent.
    skipped: u64,
    failures: u64,
    /// Nothing is sent before.
    next_ms: i64,
    /// And when.
    error: Option<(String, i64)>,
    /// What is on its way; part of `unsent` again wherever it is persisted.
    flight: Option<Span>,
    /// How often it began anew; what was on its way before is nobody's.
    life: u32,
}

/// What is to be sent next.
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
    /// The carbon has them; so many of them not for the first time.
    Sent { lines: u64, corrected: u64 },
    /// They will never be sent.
    Skipped { buckets: u64, reason: &'a str },
    /// Nobody knows what the carbon has.
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

    /// What [`Self::text`] wrote.
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

    /// As the owner wants it from now on. To another carbon what points touch from now on is sent, and nothing of
    /// before.
    fn resumed(&self, before: Option<&CarbonConfig>, after: Option<&CarbonConfig>, accepted: u64, now_s: i64) -> Self {
        let life = self.life + 1;
        match (before, after) {
            (Some(before), Some(after)) if self.is_on && before.is_same_place(after) => {
                // At once, and still behind a failure.
                Self { failures: self.failures.min(1), next_ms: 0, ..self.clone() }
            }
            (_, Some(after)) => {
                let from_s = floor_to(now_s, after.interval_s);
                Self { is_on: true, from_s, sent_s: from_s, marked: accepted, life, ..Self::default() }
            }
            (_, None) => Self { life, ..Self::default() },
        }
    }

    /// Marks what a point touches; `number` is the point's in the stream.
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

    /// Sets when what is late is due.
    fn look_for_late(&mut self, now_ms: i64) {
        let is_late = self.unsent.first().is_some_and(|span| span.0 < self.sent_s);
        match (is_late, self.late_ms) {
            (false, _) => (self.late_ms, self.turn_s) = (None, 0),
            (true, None) => self.late_ms = Some(now_ms + LATE_MS),
            (true, Some(_)) => (),
        }
    }

    /// Whether what is late has waited long enough.
    fn may_send_late(&self, now_ms: i64) -> bool {
        self.late_ms.is_none_or(|late_ms| late_ms <= now_ms)
    }

    /// With what is on its way among what is unsent.
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

    /// Takes what is to be sent next: at most so many buckets one after another, those of the present before those that
    /// are late.
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

    /// Nothing late is behind this turn any more. What points changed before it since waits for the next one: so nobody
    /// who writes the oldest bucket again and again keeps the others from being sent.
    fn end_turn(&mut self, now_ms: i64) {
        if self.turn_s > 0 && self.may_send_late(now_ms) {
            (self.turn_s, self.late_ms) = (0, Some(now_ms + LATE_MS));
        }
    }

    /// Sends once more what was sent in the time before this one, and now: a carbon that was killed has lost what it
    /// had not written yet.
    fn rewind(&mut self, until_s: i64, interval_s: i64, now_ms: i64) {
        let from_s = (until_s - REWIND_S.max(interval_s)).max(self.from_s);
        if from_s < until_s {
            spans::add(&mut self.unsent, (from_s, until_s));
            (self.turn_s, self.late_ms) = (0, Some(now_ms));
        }
    }

    /// Ends what is on its way, if it still is: its buckets are done up to a time.
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

    /// Lets nothing be pushed before this time; only in memory.
    pub fn put_off_carbon(&mut self, until_ms: i64) {
        let carbon = &mut self.consumers.carbon;
        *carbon = Pushing { next_ms: until_ms, ..carbon.landed() };
    }

    /// What follows from what became of buckets up to a time: those behind it are to be sent again.
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
                    // Before the last that is new, also where late ones failed: or each failure would go further back.
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
