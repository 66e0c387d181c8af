//! The writes of a call: which may be done, which were done before, and what each waits for.

use futures_channel::oneshot::Receiver;

use crate::clock::now_ms;
use crate::domain::codec::Malformed;
use crate::domain::open::SeriesId;
use crate::wire::command::{Refusal, WriteAnswer, WriteRequest};
use crate::wire::frame::{BatchKey, Frame, LabelSet};
use crate::wire::outcome::Outcome;
use crate::wire::writer::Writer;
use crate::wire::writes::{Answered, decode_writes};

use super::engine::{Engine, Told};
use super::queue::Committed;
use super::storage::ObjectSql;
use super::stream::{Stream, internal, other_version};

/// A write that may be done.
enum Accepted {
    /// There is nothing to do.
    Answered(WriteAnswer),
    /// It waits for a commit: its own or, if it was written before, that one.
    Waits { committed: Receiver<Committed>, earlier: Option<Outcome> },
}

impl Accepted {
    async fn answer(self) -> Answered {
        let answer = match self {
            Self::Answered(answer) => answer,
            Self::Waits { committed, earlier } => {
                // A sender that is dropped means that the committing task died; nobody knows what became of the batch.
                let Told { numbers, first } = committed.await.unwrap_or(Err(Refusal::Internal))?;
                match earlier {
                    Some(earlier) => WriteAnswer::Earlier(earlier.to_json().into_bytes()),
                    None => WriteAnswer::Stored { numbers: numbers.to_vec(), first },
                }
            }
        };
        Ok(answer.to_bytes())
    }
}

impl Stream {
    /// Lets all writes of a call wait for the next commit; what they are answered then.
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

    /// Lets a batch wait for the next commit, if it may be written and was not before. A batch without points only asks
    /// for that.
    fn accept(&self, write: &[u8], now_ms: i64) -> std::result::Result<Accepted, Refusal> {
        let WriteRequest { shards, writer, frame } =
            WriteRequest::parse(write).map_err(|error| other_version(&error))?;
        let (Frame { key, outcome, .. }, known) = whole_frame(frame).map_err(|error| other_version(&error))?;
        let only_asks = outcome.accepted == 0;
        let (fence, earlier, is_known) = self.shared.try_with_engine(|engine| {
            admit(engine, &writer, only_asks)?;
            let fence = self.shared.hear(engine, shards).map_err(|error| internal(&error))?;
            let is_known = known.iter().all(|series| engine.knows(*series));
            Ok((fence, earlier(engine, key.as_ref(), only_asks, now_ms)?, is_known))
        })?;
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
        if only_asks {
            return Ok(Accepted::Answered(WriteAnswer::Stored { numbers: Vec::new(), first: 0 }));
        }
        if key.is_some() && !fence.admits(shards) {
            return Err(Refusal::Moved);
        }
        let committed = queue.push(frame.to_vec(), key, outcome).ok_or(Refusal::Overloaded)?;
        Ok(Accepted::Waits { committed, earlier: None })
    }
}

/// Whether the writer may write, and the stream takes more.
fn admit(engine: &Engine<ObjectSql>, writer: &Writer<'_>, only_asks: bool) -> std::result::Result<(), Refusal> {
    if !engine.record().config.admits(writer.origin) {
        return Err(Refusal::OriginNotAllowed);
    }
    if engine.is_behind() && !only_asks { Err(Refusal::Overloaded) } else { Ok(()) }
}

/// What was answered if the batch was written before.
fn earlier(
    engine: &mut Engine<ObjectSql>,
    key: Option<&BatchKey>,
    only_asks: bool,
    now_ms: i64,
) -> std::result::Result<Option<Outcome>, Refusal> {
    let Some(key) = key else { return Ok(None) };
    let earlier = engine.answered(key, now_ms).map_err(|error| internal(&error))?;
    if earlier.is_none() && !only_asks && !engine.takes_keys() {
        return Err(Refusal::Overloaded);
    }
    Ok(earlier)
}

/// A frame that is sound to its last point, as what is in the log must be, and the numbers of known series in it.
fn whole_frame(bytes: &[u8]) -> std::result::Result<(Frame<'_>, Vec<SeriesId>), Malformed> {
    let (frame, mut known) = (Frame::parse(bytes)?, Vec::new());
    frame.each_point(|set, _| {
        if let LabelSet::Known(series) = set
            && known.last() != Some(&series)
        {
            known.push(series);
        }
    })?;
    Ok((frame, known))
}
