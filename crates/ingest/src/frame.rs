//! A frame: a batch of accepted points in the form in which the edge sends it to the object and the log keeps it.
//!
//! Version 3, in the forms of [`codec`]:
//! ```text
//! u8 version = 3, varint arrived_ms, u8 has_key [, 16 bytes key] varint accepted, 7 x varint rejected by reason, text
//! errors_json varint label sets, each a text (canonical labels) text posted (see [`appnet::posted`]) accepted x point:
//! u8 flags (1 d, 2 p, 4 t, 8 known), varint label set, number n [, number d] [, number p] [, number t]
//! ```
//! If a rule of the owner's rejected points, 64 is added to the version, and an eighth count follows the seven.
//! Absent fields have their defaults: d = 1, no period, t = `arrived_ms` / 1000. A label set is the index of one of
//! the frame's strings or, for a known series, the id that the object returned for it (see [`WriteAnswer`]).
//! Version 2 is the same without `posted`, and is still written if nothing was posted; version 1 has no known
//! series either. The answers to repeated keys are kept as frames without label sets and points.
//!
//! Frames are persisted in the log, so a change of form is a new version, and old versions must stay readable. The
//! log's order determines the ids of series, so the rule that assigns them is part of the form.
//!
//! [`WriteAnswer`]: protocol::command::WriteAnswer

mod without;

use std::ops::{Range, RangeInclusive};

use codec::{Malformed, Reader, put_bytes, put_len, put_number, put_varint};
use model::batch_key::BatchKey;
use model::open::SeriesId;
use model::point::Point;
use model::text_index::{HashKey, TextIndex};

use super::outcome::{ErrorEntry, MAX_ERRORS, WriteOutcome};
use super::rejection::{Reason, Rejection};
use super::sink::{PointLabels, Sink};
use config::accept::Binding;

const VERSIONS: RangeInclusive<u8> = 1..=3;
/// The `posted` of a frame that is not from a message.
const PLAIN: u8 = 2;
const WITH_POSTED: u8 = 3;
/// Added to the version if a rule rejected points.
const HAS_RULED: u8 = 64;
/// The number of reasons that every frame counts; later ones are only written if they are not zero.
const FIRST_REASONS: usize = 7;
const HAS_D: u8 = 1;
const HAS_P: u8 = 2;
const HAS_T: u8 = 4;
const IS_KNOWN: u8 = 8;

/// The labels of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelSet {
    /// The index of one of the frame's strings.
    New(usize),
    /// The id of a series that the object has returned.
    Known(SeriesId),
}

/// Builds a frame point by point. `known` returns the id of a series by its labels as written, if it has one.
pub struct FrameBuilder<K> {
    arrived_ms: u64,
    known: K,
    accepted: u64,
    rejected: [u64; Reason::ALL.len()],
    errors: Vec<ErrorEntry>,
    /// The canonical strings, as the frame has them.
    label_sets: Vec<u8>,
    new_labels: NewLabels,
    index: TextIndex,
    posted: String,
    points: Vec<u8>,
    binding: Binding,
}

/// The labels without an id, as they are written, in the order of the frame's label sets.
#[derive(Debug, Default)]
pub struct NewLabels {
    written: Vec<u8>,
    spans: Vec<Range<usize>>,
    /// Identifies the rules by which they were read (see [`Binding::id`]).
    pub rules: u64,
}

/// The batch that a request becomes.
pub struct FramedBatch {
    /// The frame's bytes.
    pub frame: Vec<u8>,
    /// What the writer is told: how many points were accepted and rejected.
    pub outcome: WriteOutcome,
    /// The rejections that are reported in full.
    pub errors: Vec<ErrorEntry>,
    /// The labels whose ids the object's answer contains.
    pub new_labels: NewLabels,
}

impl<K: Fn(&[u8]) -> Option<SeriesId>> FrameBuilder<K> {
    /// An empty frame that arrived at this time (Unix milliseconds).
    #[must_use]
    pub fn new(arrived_ms: u64, key: HashKey, known: K) -> Self {
        Self {
            arrived_ms,
            known,
            accepted: 0,
            rejected: [0; Reason::ALL.len()],
            errors: Vec::new(),
            label_sets: Vec::new(),
            new_labels: NewLabels::default(),
            index: TextIndex::new(key),
            posted: String::new(),
            points: Vec::new(),
            binding: Binding::default(),
        }
    }

    /// Applies these rules to points; `known` must use the same rules.
    #[must_use]
    pub fn bound(mut self, binding: Binding) -> Self {
        self.new_labels.rules = binding.id();
        self.binding = binding;
        self
    }

    /// Whether the rules leave these labels unchanged.
    #[must_use]
    pub fn keeps(&self, canonical: &str) -> bool {
        self.binding.labels(canonical).is_ok_and(|kept| kept == canonical)
    }

    /// The arrival in Unix seconds, which is the default time of points.
    #[must_use]
    pub fn now(&self) -> f64 {
        seconds(self.arrived_ms)
    }

    /// The bytes of all labels so far that have no id.
    #[must_use]
    pub fn label_bytes(&self) -> usize {
        self.label_sets.len()
    }

    /// Keeps the message in which the points were posted, as [`appnet::posted::kept`] wrote it.
    pub fn keep_posted(&mut self, kept: String) {
        self.posted = kept;
    }

    /// Adds a point whose labels are given as a canonical string, or counts a rejection.
    pub fn push(&mut self, index: usize, point: Result<(Point, &str), Rejection>) {
        let point = point.map(|(point, canonical)| {
            let new = PointLabels::New { written: canonical.as_bytes(), canonical };
            (point, self.seen(canonical.as_bytes()).map_or(new, PointLabels::Seen))
        });
        self.take(index, point);
    }

    /// The number of points accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// The point and its labels, if the rules allow them.
    fn allowed(&mut self, point: &Point, labels: PointLabels<'_, LabelSet>) -> Result<LabelSet, Rejection> {
        self.binding.check(point, self.now())?;
        Ok(match labels {
            PointLabels::Seen(set) => set,
            PointLabels::New { written, canonical } => {
                let kept = self.binding.labels(canonical)?;
                self.push_label_set(written, &kept)
            }
        })
    }

    fn push_point(&mut self, point: &Point, set: LabelSet) {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let (has_d, has_t) = (point.d != 1.0, point.t != self.now());
        let shape = flag(has_d, HAS_D) | flag(point.p.is_some(), HAS_P) | flag(has_t, HAS_T);
        match set {
            LabelSet::New(number) => {
                self.points.push(shape);
                put_len(&mut self.points, number);
            }
            LabelSet::Known(series) => {
                self.points.push(shape | IS_KNOWN);
                put_varint(&mut self.points, u64::from(series));
            }
        }
        put_number(&mut self.points, point.n);
        let rest = [(has_d, point.d), (point.p.is_some(), point.p.unwrap_or_default()), (has_t, point.t)];
        for (_, number) in rest.into_iter().filter(|(is_set, _)| *is_set) {
            put_number(&mut self.points, number);
        }
        self.accepted += 1;
    }

    #[expect(clippy::cast_possible_truncation, reason = "a request's points are counted in thousands")]
    fn push_label_set(&mut self, written: &[u8], canonical: &str) -> LabelSet {
        put_bytes(&mut self.label_sets, canonical.as_bytes());
        let number = self.new_labels.spans.len();
        self.new_labels.push(written);
        self.index.insert(number as u32, |set| self.new_labels.get(set));
        LabelSet::New(number)
    }

    fn push_rejection(&mut self, index: usize, rejection: &Rejection) {
        let reason = rejection.reason();
        for (count, _) in self.rejected.iter_mut().zip(Reason::ALL).filter(|(_, known)| *known == reason) {
            *count += 1;
        }
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(ErrorEntry::new(index, rejection));
        }
    }

    /// The finished batch.
    #[must_use]
    pub fn finish(self, key: Option<&BatchKey>) -> FramedBatch {
        let outcome = WriteOutcome::new(self.accepted, self.rejected, &self.errors);
        let version = if self.posted.is_empty() { PLAIN } else { WITH_POSTED };
        let body_bytes = self.label_sets.len() + self.posted.len() + self.points.len();
        let mut frame = header(version, self.arrived_ms, key, &outcome, body_bytes);
        put_len(&mut frame, self.new_labels.spans.len());
        frame.extend_from_slice(&self.label_sets);
        if version == WITH_POSTED {
            put_bytes(&mut frame, self.posted.as_bytes());
        }
        frame.extend_from_slice(&self.points);
        FramedBatch { frame, outcome, errors: self.errors, new_labels: self.new_labels }
    }
}

impl<K: Fn(&[u8]) -> Option<SeriesId>> Sink for FrameBuilder<K> {
    type Set = LabelSet;

    fn seen(&self, written: &[u8]) -> Option<LabelSet> {
        let in_frame = || self.index.find(written, |set| self.new_labels.get(set));
        (self.known)(written).map(LabelSet::Known).or_else(|| in_frame().map(|set| LabelSet::New(set as usize)))
    }

    fn take(&mut self, index: usize, point: Result<(Point, PointLabels<'_, LabelSet>), Rejection>) {
        match point.and_then(|(point, labels)| Ok((point, self.allowed(&point, labels)?))) {
            Ok((point, set)) => self.push_point(&point, set),
            Err(rejection) => self.push_rejection(index, &rejection),
        }
    }
}

impl NewLabels {
    /// Adds labels that are written like this.
    pub fn push(&mut self, written: &[u8]) {
        let start = self.written.len();
        self.written.extend_from_slice(written);
        self.spans.push(start..self.written.len());
    }

    fn get(&self, number: u32) -> &[u8] {
        &self.written[self.spans[number as usize].clone()]
    }

    /// Each label set as it is written.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.spans.iter().map(|span| &self.written[span.clone()])
    }
}

/// Everything before the label sets, with capacity for the rest.
fn header(version: u8, arrived_ms: u64, key: Option<&BatchKey>, outcome: &WriteOutcome, body_bytes: usize) -> Vec<u8> {
    const HEADER_BYTES: usize = 64;
    let mut out = Vec::with_capacity(HEADER_BYTES + outcome.errors_json.len() + body_bytes);
    let (first, ruled) = outcome.rejected.split_at(FIRST_REASONS);
    let ruled = ruled.iter().filter(|_| outcome.has_rejected(Reason::Rule));
    out.push(if outcome.has_rejected(Reason::Rule) { version | HAS_RULED } else { version });
    put_varint(&mut out, arrived_ms);
    out.push(u8::from(key.is_some()));
    out.extend_from_slice(key.map_or(&[], |key| &key.as_bytes()[..]));
    put_varint(&mut out, outcome.accepted);
    first.iter().chain(ruled).for_each(|count| put_varint(&mut out, *count));
    put_bytes(&mut out, outcome.errors_json.as_bytes());
    out
}

/// A frame that is read point by point.
pub struct Frame<'a> {
    /// Unix milliseconds.
    pub arrived_ms: u64,
    /// The idempotency key, if the writer gave one.
    pub key: Option<BatchKey>,
    /// The numbers of accepted and rejected points.
    pub outcome: WriteOutcome,
    /// The canonical label sets that the points refer to.
    pub label_sets: Vec<&'a str>,
    /// The message in which the points were posted; empty if they weren't.
    pub posted: &'a str,
    points: Reader<'a>,
    bytes: &'a [u8],
    /// Where the label sets are in the bytes, and their number.
    sets_at: Range<usize>,
}

impl<'a> Frame<'a> {
    /// Reads everything except the points.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not a frame of a known version.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (version, counts) = match reader.byte()? {
            plain @ 0..HAS_RULED => (plain, FIRST_REASONS),
            ruled => (ruled - HAS_RULED, Reason::ALL.len()),
        };
        if !VERSIONS.contains(&version) {
            return Err(Malformed(0));
        }
        let arrived_ms = reader.varint()?;
        let key = if reader.byte()? == 0 { None } else { Some(BatchKey::from_bytes(reader.array()?)) };
        let accepted = reader.varint()?;
        let mut rejected = [0; Reason::ALL.len()];
        for count in &mut rejected[..counts] {
            *count = reader.varint()?;
        }
        let errors_json = reader.text()?.to_owned();
        let sets_start = bytes.len() - reader.rest().len();
        let label_sets = (0..reader.len()?).map(|_| reader.text()).collect::<Result<_, _>>()?;
        let sets_at = sets_start..bytes.len() - reader.rest().len();
        let posted = if version == WITH_POSTED { reader.text()? } else { "" };
        let outcome = WriteOutcome { accepted, rejected, errors_json };
        Ok(Self { arrived_ms, key, outcome, label_sets, posted, points: reader, bytes, sets_at })
    }

    /// The bytes of a frame with only this one's key and outcome, with or without the list of errors, as of the
    /// time of its commit.
    #[must_use]
    pub fn answer(&self, committed_ms: u64, has_errors: bool) -> Vec<u8> {
        let errors_json = if has_errors { self.outcome.errors_json.clone() } else { String::new() };
        let outcome = WriteOutcome { errors_json, ..self.outcome.clone() };
        let mut out = header(PLAIN, committed_ms, self.key.as_ref(), &outcome, 1);
        put_len(&mut out, 0);
        out
    }

    /// The bytes of the same frame with as many other label sets.
    #[must_use]
    pub fn relabelled(&self, label_sets: &[impl AsRef<str>]) -> Vec<u8> {
        let mut out = self.bytes[..self.sets_at.start].to_vec();
        put_len(&mut out, label_sets.len());
        for labels in label_sets {
            put_bytes(&mut out, labels.as_ref().as_bytes());
        }
        out.extend_from_slice(&self.bytes[self.sets_at.end..]);
        out
    }

    /// Calls back with each point and the index of its label set.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes end early or refer to a label set that does not exist.
    pub fn each_point(&self, mut each: impl FnMut(LabelSet, &Point)) -> Result<(), Malformed> {
        let mut reader = self.points;
        for _ in 0..self.outcome.accepted {
            let flags = reader.byte()?;
            let set = reader.varint()?;
            let set = if flags & IS_KNOWN == 0 {
                self.new_label_set(set)
            } else {
                SeriesId::try_from(set).ok().map(LabelSet::Known)
            };
            let set = set.ok_or(Malformed(0))?;
            let n = reader.number()?;
            let mut optional = |flag: u8| if flags & flag == 0 { Ok(None) } else { reader.number().map(Some) };
            let d = optional(HAS_D)?.unwrap_or(1.0);
            let p = optional(HAS_P)?;
            let t = optional(HAS_T)?.unwrap_or_else(|| seconds(self.arrived_ms));
            each(set, &Point { n, d, p, t });
        }
        Ok(())
    }

    fn new_label_set(&self, number: u64) -> Option<LabelSet> {
        usize::try_from(number).ok().filter(|set| *set < self.label_sets.len()).map(LabelSet::New)
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests;
