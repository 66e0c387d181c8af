//! Hands a row of the log to its consumers: in slices, between which others have their turn. Nobody sees half a row:
//! whoever reads or changes something else finishes it first.

use std::collections::VecDeque;

use codec::Malformed;
use ingest::frame::{Frame, LabelSet};
use model::class::Class;
use model::cost::pieces;
use store::frames;
use store::frames::Logged;
use store::log::Cursor;
use store::sql::{Sql, StoreError};

use super::consumers::Taken;
use super::targets::{KnownTargets, Target};
use super::{Ack, Engine};

/// The number of pieces of points that a slice merges: some 20 ms.
pub const SLICE_PIECES: u64 = 40_000;

/// A row that is being taken, and how far it is.
pub(super) struct Applying {
    seq: i64,
    at_ms: i64,
    bytes: Vec<u8>,
    /// Whether the row is new, not replayed.
    is_new: bool,
    /// The targets of the current frame and the following ones, if they were decided for the whole row.
    sets: VecDeque<Vec<Target>>,
    /// The current frame, the number of its points that are taken...
    frame: usize,
    points: u64,
    /// ...and the number of the row's that are taken.
    taken: i64,
    told: Vec<Ack>,
    /// The number of the frame's first point.
    first: u64,
    /// Points of the frame that have overflowed.
    overflow: u64,
    /// The cursor up to which to seal before the row continues.
    seals_to: Option<Cursor>,
    /// Whether sealing has failed since the frame began. Then its cells stay open, and the next frame, commit or alarm
    /// tries again.
    has_failed: bool,
    /// Whether all of the row's points are taken.
    is_taken: bool,
}

impl<S: Sql> Engine<S> {
    /// Begins to take a row into memory, except for points that are already in chunks.
    pub(super) fn begin_row(&mut self, seq: i64, at_ms: i64, bytes: Vec<u8>, is_new: bool) -> Result<(), StoreError> {
        self.next_seq = seq + 1;
        self.unsealed_bytes += bytes.len();
        let (logged, frames) = parsed(&bytes)?;
        // Decided for the whole row before its points are taken. Rows of earlier versions were decided frame by frame.
        let mut sets = VecDeque::with_capacity(frames.len());
        for (logged, frame) in logged.iter().zip(&frames) {
            let Some(class) = logged.class else { break };
            let target =
                |(set, labels): (usize, &&str)| self.decided_target(labels, logged.is_refused(set), class, at_ms);
            sets.push_back(frame.label_sets.iter().enumerate().map(target).collect());
        }
        for frame in &frames {
            self.answers.insert(frame, seq, at_ms);
        }
        self.applying = Some(Applying {
            seq,
            at_ms,
            is_new,
            sets,
            frame: 0,
            points: 0,
            taken: 0,
            told: Vec::with_capacity(frames.len()),
            first: self.accepted() + 1,
            overflow: 0,
            seals_to: None,
            has_failed: false,
            is_taken: false,
            bytes,
        });
        Ok(())
    }

    /// Takes another slice of a row. Returns the results of its frames once all is taken, and sealed if there was too
    /// much.
    pub fn go_on(&mut self, slice_pieces: u64, slice_cells: usize) -> Option<Result<Vec<Ack>, StoreError>> {
        if let Some(applied) = self.applied.take() {
            return Some(applied);
        }
        // Nobody waits for a row of an object that has restarted.
        let Some(mut applying) = self.applying.take() else { return Some(Err(StoreError::Stopped)) };
        if let Some(cursor) = applying.seals_to {
            match self.seal_slice(cursor, applying.at_ms, slice_cells) {
                Ok(false) => {}
                Ok(true) => applying.seals_to = None,
                // The log still has everything.
                Err(_) => (applying.seals_to, applying.has_failed) = (None, true),
            }
        } else if let Err(error) = self.take_slice(&mut applying, slice_pieces) {
            return Some(Err(error));
        }
        if applying.is_taken && applying.seals_to.is_none() {
            return Some(Ok(applying.told));
        }
        self.applying = Some(applying);
        None
    }

    /// Takes the rest of a row at once.
    pub(super) fn finish(&mut self) -> Result<Vec<Ack>, StoreError> {
        loop {
            if let Some(applied) = self.go_on(u64::MAX, usize::MAX) {
                return applied;
            }
        }
    }

    /// Whether a row can only continue after something is sealed.
    pub fn is_to_seal(&self) -> bool {
        self.applying.as_ref().is_some_and(|applying| applying.seals_to.is_some())
    }

    /// Whether a row is half taken.
    pub fn is_amid(&self) -> bool {
        self.applying.as_ref().is_some_and(|applying| !applying.is_taken)
    }

    /// Finishes a row that is half taken. Its initiator gets the result when it asks.
    pub fn complete(&mut self) {
        while self.is_amid() {
            self.applied = self.go_on(u64::MAX, usize::MAX);
        }
        // Only sealing is left, which the next commit or the alarm does.
        if let Some(applying) = self.applying.take() {
            self.applied = Some(Ok(applying.told));
        }
    }

    fn take_slice(&mut self, applying: &mut Applying, slice_pieces: u64) -> Result<(), StoreError> {
        self.consumers.drop_prepared();
        let bytes = std::mem::take(&mut applying.bytes);
        let (logged, frames) = parsed(&bytes)?;
        let mut left = slice_pieces;
        while let (Some(logged), Some(frame)) = (logged.get(applying.frame), frames.get(applying.frame)) {
            let class = logged.class.unwrap_or(Class::Keyed);
            if applying.sets.is_empty() {
                let target = |labels: &&str| self.target(labels, class, applying.at_ms);
                applying.sets.push_back(frame.label_sets.iter().map(target).collect());
            }
            self.take_points(applying, frame, class, &mut left)?;
            if applying.points < frame.outcome.accepted {
                break;
            }
            let sets = applying.sets.pop_front().unwrap_or_default();
            let (numbers, first) = (sets.iter().map(Target::told).collect(), applying.first);
            applying.told.push(Ack { numbers, first, overflow: applying.overflow });
            applying.first += frame.outcome.accepted;
            (applying.frame, applying.points) = (applying.frame + 1, 0);
            (applying.overflow, applying.has_failed) = (0, false);
            if left == 0 || applying.seals_to.is_some() {
                break;
            }
        }
        if applying.frame == frames.len() && applying.seals_to.is_none() {
            // After the points, because sealing in the middle of a row does not count the row.
            for frame in &frames {
                self.consumers.end_frame(frame);
            }
            applying.is_taken = true;
            if applying.is_new && self.has_much_unsealed() {
                applying.seals_to = Some(Cursor { seq: applying.seq, points: 0 });
            }
        }
        applying.bytes = bytes;
        Ok(())
    }

    /// Takes points of a frame until too much is open or the slice is full.
    fn take_points(
        &mut self,
        applying: &mut Applying,
        frame: &Frame<'_>,
        class: Class,
        left: &mut u64,
    ) -> Result<(), Malformed> {
        let accepted = self.accepted();
        let Applying { seq, at_ms, sets, points, taken, overflow, seals_to, has_failed, .. } = applying;
        let (seq, at_ms) = (*seq, *at_ms);
        let Some(sets) = sets.front() else { return Ok(()) };
        let skip = if seq == self.cursor.seq + 1 { self.cursor.points } else { 0 };
        let mut known = KnownTargets::default();
        let (mut before, mut is_stopped) = (*points, false);
        frame.each_point(|set, point| {
            if is_stopped || before > 0 {
                before = before.saturating_sub(1);
                return;
            }
            *taken += 1;
            *points += 1;
            if *taken > skip {
                let target = match set {
                    LabelSet::New(set) => &sets[set],
                    LabelSet::Known(series) => self.known_target(series, &mut known, class, at_ms),
                };
                let mut taking = Taken {
                    point,
                    number: accepted + taken.unsigned_abs(),
                    at_ms,
                    target,
                    dictionary: &mut self.dictionary,
                    pieces: &mut self.pieces,
                    has_overflowed: false,
                };
                self.consumers.take(&mut taking);
                *overflow += u64::from(taking.has_overflowed);
                *left = left.saturating_sub(pieces(point));
                if self.is_full() && !*has_failed {
                    *seals_to = Some(Cursor { seq: seq - 1, points: *taken });
                    is_stopped = true;
                }
                is_stopped |= *left == 0;
            }
        })
    }
}

fn parsed(bytes: &[u8]) -> Result<(Vec<Logged<'_>>, Vec<Frame<'_>>), StoreError> {
    let logged = frames::decode_logged(bytes)?;
    let frames = logged.iter().map(|logged| Frame::parse(logged.frame)).collect::<Result<_, _>>()?;
    Ok((logged, frames))
}
