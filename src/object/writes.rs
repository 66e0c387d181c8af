//! The writes of a call: which are admitted, which were done before, and what each waits for.

use futures_channel::oneshot::Receiver;

use crate::clock::now_ms;
use codec::Malformed;
use config::who::Who;
use ingest::frame::{Frame, LabelSet};
use ingest::outcome::WriteOutcome;
use model::batch_key::BatchKey;
use model::class::Class;
use model::cost::{Cost, Meter};
use model::open::SeriesId;
use model::top::Tally;
use protocol::command::{WriteAnswer, WriteRequest};
use protocol::refusal::Refusal;
use protocol::writer::Writer;
use protocol::writes::{Answered, decode_writes};

use super::queue::Committed;
use super::storage::ObjectSql;
use super::stream::{Shared, Stream, internal, other_version};
use engine::Known;
use engine::admission::Charge;
use engine::{Ack, Engine, Incoming};

/// An admitted write.
enum Accepted {
    /// There is nothing to do.
    Answered(WriteAnswer),
    /// It waits for a commit: its own or, if it was written before, that one.
    Waits { committed: Receiver<Committed>, earlier: Option<WriteOutcome> },
}

impl Accepted {
    async fn answer(self) -> Answered {
        let answer = match self {
            Self::Answered(answer) => answer,
            Self::Waits { committed, earlier } => {
                // A dropped sender means that the committing task died; the outcome of the batch is unknown.
                let Ack { numbers, first, overflow } = committed.await.unwrap_or(Err(Refusal::Internal))?;
                match earlier {
                    Some(earlier) => WriteAnswer::Earlier(earlier.to_json().into_bytes()),
                    None => WriteAnswer::Stored { numbers: numbers.to_vec(), first, overflow },
                }
            }
        };
        Ok(answer.to_bytes())
    }
}

impl Stream {
    /// Queues all writes of a call for the next commit; returns their answers then.
    pub(super) fn write(
        &self,
        body: &[u8],
    ) -> std::result::Result<impl Future<Output = Vec<Answered>> + use<>, Malformed> {
        let now = now_ms();
        let writes: Vec<_> = decode_writes(body)?.into_iter().map(|write| self.accept(write, now)).collect();
        if writes.iter().any(|write| matches!(write, Ok(Accepted::Waits { .. }))) {
            self.commit();
        }
        Ok(async move {
            let mut answers = Vec::with_capacity(writes.len());
            for write in writes {
                answers.push(match write {
                    Ok(accepted) => accepted.answer().await,
                    Err(refusal) => Err(refusal),
                });
            }
            answers
        })
    }

    /// Queues a batch for the next commit, if it may be written and was not before. A batch without points only
    /// requests the earlier answer.
    fn accept(&self, write: &[u8], now_ms: i64) -> std::result::Result<Accepted, Refusal> {
        let WriteRequest { shards, writer, earlier_key, body_bytes, frame } =
            WriteRequest::parse(write).map_err(|error| other_version(&error))?;
        let (parsed, known, fence, earlier) = self.shared.amid_engine(|engine| {
            let knows = |series| engine.knows(series);
            let parsed = whole_frame(frame, body_bytes, knows).map_err(|error| other_version(&error))?;
            let (Frame { key, outcome, .. }, ..) = &parsed;
            let only_asks = outcome.accepted == 0;
            self.shared.renew_salt(engine, now_ms)?;
            let known = admit(engine, &writer, only_asks).inspect_err(|refusal| {
                if *refusal == Refusal::WrongWriteKey {
                    // A stranger that invents keys has a network, but no budget for each key.
                    engine.charge_repeated(&Writer { who: Who::Open, ..writer.clone() }, now_ms);
                }
            })?;
            if self.shared.residence.is_crowded() && known.class != Class::Owner && !only_asks {
                return Err(Refusal::Overloaded);
            }
            let fence = self.shared.hear(engine, shards).map_err(|error| internal(&error))?;
            let mut earlier = None;
            for key in [key.as_ref(), earlier_key.as_ref().filter(|_| key.is_some())].into_iter().flatten() {
                if earlier.is_none() {
                    earlier = engine.answered(key, now_ms).map_err(|error| internal(&error))?;
                }
            }
            if earlier.is_some() {
                engine.charge_repeated(&writer, now_ms);
            }
            Ok((parsed, known, fence, earlier))
        })?;
        let (Frame { key, outcome, label_sets, .. }, is_known, cost) = parsed;
        if let Some(earlier) = earlier {
            return Ok(Accepted::Answered(WriteAnswer::Earlier(earlier.to_json().into_bytes())));
        }
        if !is_known {
            return Ok(Accepted::Answered(WriteAnswer::UnknownSeries));
        }
        let mut queue = self.shared.queue.borrow_mut();
        if let Some((committed, outcome)) = key.and_then(|key| queue.join(&key)) {
            return Ok(Accepted::Waits { committed, earlier: Some(outcome) });
        }
        if outcome.accepted == 0 {
            return Ok(Accepted::Answered(WriteAnswer::Stored { numbers: Vec::new(), first: 0, overflow: 0 }));
        }
        if key.is_some() && !fence.admits(shards) {
            return Err(Refusal::Moved);
        }
        let room = queue.room(frame.len(), writer.who == Who::Open)?;
        let (points, rejected) = (outcome.accepted, outcome.rejected_total());
        let charged = self.shared.amid_engine(|engine| {
            let charge = engine.charge(&writer, cost, key, now_ms)?;
            // Looked up only for admitted batches: in a flood most are not.
            Ok((charge, engine.networks_of(&writer), engine.new_series(&label_sets)))
        });
        let (charge, networks, new_series) = charged.inspect_err(|_| {
            let tally = Tally { rejected: points + rejected, ..Tally::default() };
            self.shared.count(&writer, &known, 0, tally);
        })?;
        let incoming = Incoming { frame: frame.to_vec(), class: known.class, networks };
        let committed = queue.push(incoming, key, outcome, charge, room);
        drop(queue);
        self.shared.count(&writer, &known, cost.units, Tally { points, new_series, rejected });
        Ok(Accepted::Waits { committed, earlier: None })
    }
}

impl Shared {
    /// Refunds what was charged for a write that was not stored.
    pub(super) fn refund(&self, (key, charge): &(Option<BatchKey>, Charge)) {
        let refunded = self.amid_engine(|engine| {
            engine.refund(key.as_ref(), charge);
            Ok(())
        });
        // Without an engine there is nothing to refund.
        refunded.ok();
    }
}

/// Identifies the writer, if it may write and the stream accepts more.
fn admit(engine: &Engine<ObjectSql>, writer: &Writer<'_>, only_asks: bool) -> std::result::Result<Known, Refusal> {
    if !engine.record().config.admits(writer.origin) {
        return Err(Refusal::OriginNotAllowed);
    }
    let known = engine.record().known(writer)?;
    if engine.is_behind(known.class) && !only_asks { Err(Refusal::Overloaded) } else { Ok(known) }
}

/// Checks that a frame is valid to its last point, as everything in the log must be, and that all its series ids
/// are known. Returns its cost with a body of this many bytes. One pass, without allocation.
fn whole_frame(
    bytes: &[u8],
    body_bytes: u64,
    knows: impl Fn(SeriesId) -> bool,
) -> std::result::Result<(Frame<'_>, bool, Cost), Malformed> {
    let frame = Frame::parse(bytes)?;
    let (mut is_known, mut last) = (true, None);
    let mut meter = Meter::new(body_bytes.max(bytes.len() as u64), frame.arrived_ms);
    frame.each_point(|set, point| {
        let series = match set {
            LabelSet::Known(series) => Some(series),
            LabelSet::New(_) => None,
        };
        if series != last {
            is_known &= series.is_none_or(&knows);
            last = series;
        }
        meter.add(series, point);
    })?;
    Ok((frame, is_known, meter.cost()))
}
