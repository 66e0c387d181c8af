//! Packing: points of the log become batches, each of which is a message. If there are more than the upstream accepts
//! in time, they are coarsened first.

use appnet::message::Message;
use appnet::shape::Shape;
use config::forward::dialect::Dialect;
use ingest::frame::Frame;
use model::coarse::{Coarse, Counted};
use model::labels::Labels;
use model::point::{LabelledPoint, Point};
use store::log::LogRow;
use store::sql::{Sql, StoreError};
use store::{frames, outbox};

use super::super::Followed;
use super::{Count, Forwarding, TOO_LARGE, written};
use crate::engine::Engine;

/// A backlog that occupies this much of the log is coarsened, whether it can be sent or not.
const MAX_UNPACKED_BYTES: usize = 8 << 20;
/// The same for this many rows: memory holds 32 bytes of each, and each commit looks at them.
const MAX_UNPACKED_ROWS: usize = 10_000;
/// The longest id of a batch; the ids of parts are longer, but parts have fewer points.
const ID: &str = "................................................................................................";
const SECONDS_A_MINUTE: u64 = 60;

/// The result of packing.
#[derive(Debug, PartialEq, Eq)]
pub enum Packed {
    /// There is a batch to send, or nothing to pack.
    Ready,
    /// There is too much to send as written.
    Backlog,
}

/// A point whose labels, written as JSON, fit no message is delivered as overflow: everyone may write such points.
fn push_without_labels(message: &mut Message, point: &mut LabelledPoint) -> bool {
    point.labels = Labels::overflow();
    message.push(point)
}

/// A message to send.
#[derive(Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The body.
    pub body: String,
    /// The number of its batch.
    pub(super) number: i64,
    /// The number of points of the batch in it, after those that are done.
    pub(super) len: usize,
    pub(super) shape: Shape,
}

/// A backlog that is being coarsened, row by row.
pub struct Coarsening {
    coarse: Coarse,
    /// The next point to take.
    next: u64,
    /// `coarse` includes the batches with greater numbers than this.
    behind: i64,
    first_batch: i64,
    /// The progress of forwarding at the start.
    begun: Forwarding,
}

impl Forwarding {
    /// Whether the backlog is so large that it must be coarsened even if nothing can be sent.
    pub(super) fn has_large_backlog(&self, stream: &Followed<'_>) -> bool {
        let Some(next) = self.next_unpacked(stream.accepted) else { return false };
        let (mut rows, mut bytes) = (0, 0);
        stream.log.rows_from(next).any(|row| {
            rows += 1;
            bytes += row.bytes;
            bytes > MAX_UNPACKED_BYTES || rows > MAX_UNPACKED_ROWS
        })
    }
}

impl<S: Sql> Engine<S> {
    /// Whether to coarsen the backlog now.
    pub fn should_coarsen(&self, now_ms: i64) -> bool {
        let forwarding = &self.consumers.forwarding;
        forwarding.coarsen_after_ms <= now_ms && forwarding.has_large_backlog(&self.followed())
    }

    /// Packs the next batch as written, unless the backlog would take longer than the owner wants.
    pub fn pack(&mut self) -> Result<Packed, StoreError> {
        let (Some(next), Some(config)) =
            (self.consumers.forwarding.next_unpacked(self.accepted()), &self.record.config.forward)
        else {
            return Ok(Packed::Ready);
        };
        if self.consumers.forwarding.outbox.messages > 0 {
            return Ok(Packed::Ready);
        }
        let capacity = u64::from(config.policy.writes_per_minute) * config.policy.max_delay_s.unsigned_abs();
        let (mut message, mut points) = (Message::new(self.dialect(), ID), Vec::new());
        // Removed points are absent, but still have their numbers.
        let mut packed = self.accepted();
        for row in self.log.rows_from(next).copied().collect::<Vec<_>>() {
            let is_full = self.each_from(&row, next, &mut |number, labels, point| {
                let mut point = LabelledPoint { labels: labels.clone(), point: *point };
                let fits = message.push(&point) || points.is_empty() && push_without_labels(&mut message, &mut point);
                if fits {
                    points.push(Counted { point, written: 1 });
                } else {
                    packed = number - 1;
                }
                fits
            })?;
            if is_full {
                break;
            }
        }
        let len = points.len() as u64;
        if self.consumers.forwarding.unpacked(self.accepted()).div_ceil(len.max(1))
            > (capacity / SECONDS_A_MINUTE).max(1)
        {
            return Ok(Packed::Backlog);
        }
        let batches: &[_] = if points.is_empty() { &[] } else { &[points] };
        self.put_batches(Forwarding { packed, ..self.consumers.forwarding.clone() }, batches, None)?;
        Ok(Packed::Ready)
    }

    /// Begins to coarsen the whole backlog, including batches that were never sent.
    pub fn begin_coarsening(&self, key: [u8; 16]) -> Result<Coarsening, StoreError> {
        let attempted = outbox::first(&self.sql)?.filter(|_| self.consumers.forwarding.is_attempted);
        let behind = attempted.map_or(0, |(number, _)| number);
        let (mut coarse, mut first_batch) = (Coarse::new(key), self.consumers.forwarding.next_batch);
        outbox::each_behind(&self.sql, behind, |number, points| {
            first_batch = first_batch.min(number);
            for Counted { point: LabelledPoint { labels, point }, written } in points {
                coarse.push(&labels, &point, written);
            }
        })?;
        let begun = self.consumers.forwarding.clone();
        Ok(Coarsening { coarse, next: begun.packed + 1, behind, first_batch, begun })
    }

    /// Takes one more row; returns whether there was one.
    pub fn coarsen_row(&self, coarsening: &mut Coarsening) -> Result<bool, StoreError> {
        let Coarsening { coarse, next, .. } = coarsening;
        if *next > self.accepted() {
            return Ok(false);
        }
        let Some(row) = self.log.rows_from(*next).next().copied() else { return Ok(false) };
        let from = *next;
        self.each_from(&row, from, &mut |_, labels, point| {
            coarse.push(labels, point, 1);
            true
        })?;
        let behind = self.log.behind(row.seq).next();
        *next = behind.and_then(|row| row.first).unwrap_or(self.accepted() + 1);
        Ok(*next > from)
    }

    /// Replaces what was coarsened.
    pub fn finish_coarsening(&mut self, coarsening: Coarsening) -> Result<(), StoreError> {
        let Coarsening { coarse, next, behind, first_batch, begun } = coarsening;
        if begun != self.consumers.forwarding {
            // The owner ended forwarding in the meantime, or restarted it.
            return Ok(());
        }
        let batches = self.batches(coarse.into_points());
        let left = outbox::first(&self.sql)?.filter(|_| behind > 0).map(|(_, points)| written(&points[begun.from..]));
        let outbox = Count { points: left.unwrap_or_default(), messages: u64::from(left.is_some()) };
        self.put_batches(
            Forwarding { packed: next - 1, next_batch: first_batch, outbox, ..begun },
            &batches,
            Some(behind),
        )
    }

    /// Divides points into batches that fit a message.
    pub(super) fn batches(&self, points: Vec<Counted>) -> Vec<Vec<Counted>> {
        let mut batches: Vec<Vec<Counted>> = Vec::new();
        let mut message = Message::new(self.dialect(), ID);
        for mut point in points {
            match batches.last_mut() {
                Some(batch) if message.push(&point.point) => batch.push(point),
                _ => {
                    message = Message::new(self.dialect(), ID);
                    if !message.push(&point.point) {
                        push_without_labels(&mut message, &mut point.point);
                    }
                    batches.push(vec![point]);
                }
            }
        }
        batches
    }

    /// The next message, the same each time until it is settled. `name` is this object's.
    pub fn parcel(&mut self, name: &str, now_ms: i64) -> Result<Option<Parcel>, StoreError> {
        let source = self.consumers.forwarding.source(name);
        loop {
            let Some((number, points)) = outbox::first(&self.sql)? else { return Ok(None) };
            let rest = &points[self.consumers.forwarding.from.min(points.len())..];
            let wanted = self.consumers.forwarding.len.map_or(rest.len(), |len| len.min(rest.len()));
            let (dialect, shape) = (self.dialect(), self.next_shape());
            let is_whole = self.consumers.forwarding.from == 0 && wanted == points.len();
            let mut parcel = None;
            if is_whole {
                parcel = parcel_of((dialect, shape), &format!("{source}-{number}"), rest);
            }
            let mut len = wanted;
            while parcel.is_none() && len > 0 {
                // The upstream's dialect may have changed since the batch was packed.
                let id = format!("{source}-{number}.{}+{len}", self.consumers.forwarding.from);
                parcel = parcel_of((dialect, shape), &id, &rest[..len]);
                len = if parcel.is_none() { len / 2 } else { len };
            }
            if let Some(body) = parcel {
                if !self.consumers.forwarding.is_attempted {
                    self.set_forwarding(Forwarding { is_attempted: true, ..self.consumers.forwarding.clone() })?;
                }
                return Ok(Some(Parcel { body, number, len, shape }));
            }
            self.put_aside(number, &points, TOO_LARGE, now_ms)?;
        }
    }

    /// Appends batches to the others.
    pub(super) fn insert_batches(&self, state: &mut Forwarding, batches: &[Vec<Counted>]) -> Result<(), StoreError> {
        for batch in batches {
            state.next_batch = state.next_batch.max(1);
            outbox::insert(&self.sql, state.next_batch, batch)?;
            state.next_batch += 1;
            state.outbox.points += written(batch);
            state.outbox.messages += 1;
        }
        Ok(())
    }

    fn put_batches(
        &mut self,
        state: Forwarding,
        batches: &[Vec<Counted>],
        replaced_behind: Option<i64>,
    ) -> Result<(), StoreError> {
        let mut put = None;
        self.sql.atomically(&mut || {
            let mut state = state.clone();
            if let Some(behind) = replaced_behind {
                outbox::remove_behind(&self.sql, behind)?;
            }
            self.insert_batches(&mut state, batches)?;
            state.put(&self.sql)?;
            put = Some(state);
            Ok(())
        })?;
        self.consumers.forwarding = put.unwrap_or(state);
        Ok(())
    }

    /// Hands on the points of a row with their numbers, starting at a number, until one is not wanted; returns whether
    /// that happened.
    fn each_from(
        &self,
        row: &LogRow,
        from: u64,
        each: &mut dyn FnMut(u64, &Labels, &Point) -> bool,
    ) -> Result<bool, StoreError> {
        let bytes = self.row_bytes(row.seq)?;
        let Some(mut number) = row.first else { return Ok(false) };
        let mut is_done = false;
        for frame in frames::decode(&bytes)? {
            let frame = Frame::parse(frame)?;
            let behind = number + frame.outcome.accepted;
            if behind > from && !is_done && !frame.is_gap() {
                self.each_labelled(&frame, |labels, point| {
                    if number >= from && !is_done {
                        is_done = !each(number, labels, point);
                    }
                    number += 1;
                })?;
            }
            number = behind;
        }
        Ok(is_done)
    }
}

/// A message with all of these points, if they fit.
fn parcel_of((dialect, shape): (Dialect, Shape), id: &str, points: &[Counted]) -> Option<String> {
    let mut message = Message::new(dialect, id);
    points.iter().all(|point| message.push(&point.point)).then(|| message.into_body(shape))
}
