//! A batch of accepted points on its way from the edge to the object, and as the log keeps it.
//!
//! Version 1, in the forms of [`crate::domain::codec`]:
//! ```text
//! u8 version = 1, varint arrived_ms, u8 has_key [, 16 bytes key]
//! varint accepted, 7 x varint rejected by reason, text errors_json
//! varint label sets, each a text (canonical labels)
//! accepted x point: u8 flags (1 d, 2 p, 4 t), varint label set, number n [, number d] [, number p] [, number t]
//! ```
//! What is absent has its default: d = 1, no period, t = `arrived_ms` / 1000. What is kept for the answers to repeated keys are
//! frames without label sets and points. Frames are persisted in the log,
//! so a change of form is a new version, and old versions stay readable.

use std::collections::BTreeMap;

use crate::domain::codec::{Malformed, Reader, put_bytes, put_len, put_number, put_varint};
use crate::domain::point::Point;

use super::outcome::{ErrorEntry, MAX_ERRORS, Outcome};
use super::rejection::{Reason, Rejection};

const VERSION: u8 = 1;
const HAS_D: u8 = 1;
const HAS_P: u8 = 2;
const HAS_T: u8 = 4;

/// What an idempotency key becomes: the first 16 bytes of its SHA-256.
pub type BatchKey = [u8; 16];

/// Builds a frame point by point.
pub struct FrameBuilder {
    arrived_ms: u64,
    accepted: u64,
    rejected: [u64; Reason::ALL.len()],
    errors: Vec<ErrorEntry>,
    label_sets: Vec<u8>,
    /// Ordered, as a hash that strangers know would let them choose texts that collide.
    label_set_ids: BTreeMap<Box<str>, usize>,
    points: Vec<u8>,
}

impl FrameBuilder {
    /// An empty frame that arrived at this time (Unix milliseconds).
    #[must_use]
    pub fn new(arrived_ms: u64) -> Self {
        Self {
            arrived_ms,
            accepted: 0,
            rejected: [0; Reason::ALL.len()],
            errors: Vec::new(),
            label_sets: Vec::new(),
            label_set_ids: BTreeMap::new(),
            points: Vec::new(),
        }
    }

    /// The arrival in Unix seconds, which is the time of points that have none.
    #[must_use]
    pub fn now(&self) -> f64 {
        seconds(self.arrived_ms)
    }

    /// Adds a point, or counts a rejection.
    pub fn push(&mut self, index: usize, point: Result<(Point, &str), Rejection>) {
        match point {
            Ok((point, labels)) => self.push_point(&point, labels),
            Err(rejection) => self.push_rejection(index, &rejection),
        }
    }

    fn push_point(&mut self, point: &Point, labels: &str) {
        let set = self.label_set(labels);
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let (has_d, has_t) = (point.d != 1.0, point.t != self.now());
        self.points.push(flag(has_d, HAS_D) | flag(point.p.is_some(), HAS_P) | flag(has_t, HAS_T));
        put_len(&mut self.points, set);
        put_number(&mut self.points, point.n);
        let rest = [(has_d, point.d), (point.p.is_some(), point.p.unwrap_or_default()), (has_t, point.t)];
        for (_, number) in rest.into_iter().filter(|(is_set, _)| *is_set) {
            put_number(&mut self.points, number);
        }
        self.accepted += 1;
    }

    fn label_set(&mut self, labels: &str) -> usize {
        if let Some(known) = self.label_set_ids.get(labels) {
            return *known;
        }
        put_bytes(&mut self.label_sets, labels.as_bytes());
        let next = self.label_set_ids.len();
        self.label_set_ids.insert(labels.into(), next);
        next
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

    /// Whether a point was rejected for this reason.
    #[must_use]
    pub fn has_rejected(&self, reason: Reason) -> bool {
        self.rejected.iter().zip(Reason::ALL).any(|(count, known)| *count > 0 && known == reason)
    }

    /// The rejections that are told in full.
    #[must_use]
    pub fn errors(&self) -> &[ErrorEntry] {
        &self.errors
    }

    /// What the writer is told.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let errors_json = if self.errors.is_empty() {
            String::new()
        } else {
            serde_json::to_string(&self.errors).expect("indices and texts always serialise")
        };
        Outcome { accepted: self.accepted, rejected: self.rejected, errors_json }
    }

    /// The frame's bytes.
    #[must_use]
    pub fn finish(self, key: Option<&BatchKey>) -> Vec<u8> {
        let mut out = header(self.arrived_ms, key, &self.outcome(), self.label_sets.len() + self.points.len());
        put_len(&mut out, self.label_set_ids.len());
        out.extend_from_slice(&self.label_sets);
        out.extend_from_slice(&self.points);
        out
    }
}

/// All before the label sets, with room for what follows.
fn header(arrived_ms: u64, key: Option<&BatchKey>, outcome: &Outcome, body_bytes: usize) -> Vec<u8> {
    const HEADER_BYTES: usize = 64;
    let mut out = Vec::with_capacity(HEADER_BYTES + outcome.errors_json.len() + body_bytes);
    out.push(VERSION);
    put_varint(&mut out, arrived_ms);
    out.push(u8::from(key.is_some()));
    out.extend_from_slice(key.map_or(&[], |key| &key[..]));
    put_varint(&mut out, outcome.accepted);
    outcome.rejected.iter().for_each(|count| put_varint(&mut out, *count));
    put_bytes(&mut out, outcome.errors_json.as_bytes());
    out
}

/// A frame that is read point by point.
pub struct Frame<'a> {
    /// Unix milliseconds.
    pub arrived_ms: u64,
    /// The idempotency key, if the writer gave one.
    pub key: Option<BatchKey>,
    /// What the writer is told.
    pub outcome: Outcome,
    /// The canonical label sets that the points refer to.
    pub label_sets: Vec<&'a str>,
    points: Reader<'a>,
}

impl<'a> Frame<'a> {
    /// Reads all but the points.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are no frame of a known version.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(Malformed(0));
        }
        let arrived_ms = reader.varint()?;
        let key = if reader.byte()? == 0 { None } else { Some(reader.array()?) };
        let accepted = reader.varint()?;
        let mut rejected = [0; Reason::ALL.len()];
        for count in &mut rejected {
            *count = reader.varint()?;
        }
        let errors_json = reader.text()?.to_owned();
        let label_sets = (0..reader.len()?).map(|_| reader.text()).collect::<Result<_, _>>()?;
        Ok(Self { arrived_ms, key, outcome: Outcome { accepted, rejected, errors_json }, label_sets, points: reader })
    }

    /// The bytes of a frame that has only the key of this one and what its writer was told, with or without the list
    /// of errors, as of the time of its commit.
    #[must_use]
    pub fn answer(&self, committed_ms: u64, has_errors: bool) -> Vec<u8> {
        let errors_json = if has_errors { self.outcome.errors_json.clone() } else { String::new() };
        let outcome = Outcome { errors_json, ..self.outcome.clone() };
        let mut out = header(committed_ms, self.key.as_ref(), &outcome, 1);
        put_len(&mut out, 0);
        out
    }

    /// Hands on each point with the number of its label set.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes end early or name a label set that is not there.
    pub fn each_point(&self, mut each: impl FnMut(usize, &Point)) -> Result<(), Malformed> {
        let mut reader = self.points;
        for _ in 0..self.outcome.accepted {
            let flags = reader.byte()?;
            let set = reader.len()?;
            if set >= self.label_sets.len() {
                return Err(Malformed(set));
            }
            let n = reader.number()?;
            let mut optional = |flag: u8| if flags & flag == 0 { Ok(None) } else { reader.number().map(Some) };
            let d = optional(HAS_D)?.unwrap_or(1.0);
            let p = optional(HAS_P)?;
            let t = optional(HAS_T)?.unwrap_or_else(|| seconds(self.arrived_ms));
            each(set, &Point { n, d, p, t });
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::point::Arrival;
    use crate::wire::points::{BodyForm, each_point};

    const NOW_MS: u64 = 1_792_540_800_250;

    fn frame(body: &str, key: Option<&BatchKey>) -> Vec<u8> {
        let mut builder = FrameBuilder::new(NOW_MS);
        let arrival = Arrival { at: builder.now(), lateness_s: 86_400 };
        each_point(body.as_bytes(), BodyForm::Json, arrival, |index, point| builder.push(index, point)).expect("few");
        builder.finish(key)
    }

    #[test]
    fn points_come_back_with_their_labels() {
        let body =
            r#"[{"n":1,"v":{"a":"x"}},{"n":2.5,"d":0,"p":3600,"t":1792540800,"v":{"a":"x"}},{"n":-3},{"n":true}]"#;
        let bytes = frame(body, Some(&[7; 16]));
        let frame = Frame::parse(&bytes).expect("a frame");
        assert_eq!((frame.arrived_ms, frame.key), (NOW_MS, Some([7; 16])));
        assert_eq!(
            frame.outcome.to_json(),
            r#"{"accepted":3,"rejected":1,"errors":[{"index":3,"field":"n","message":"n must be a finite number, not true"}]}"#
        );
        let mut seen = Vec::new();
        frame.each_point(|set, point| seen.push((frame.label_sets[set], *point))).expect("points");
        let now = 1_792_540_800.25;
        assert_eq!(
            seen,
            [
                ("a\u{1f}x\u{1e}", Point { n: 1.0, d: 1.0, p: None, t: now }),
                ("a\u{1f}x\u{1e}", Point { n: 2.5, d: 0.0, p: Some(3600.0), t: 1_792_540_800.0 }),
                ("", Point { n: -3.0, d: 1.0, p: None, t: now }),
            ]
        );
    }

    #[test]
    fn version_1_is_pinned() {
        let bytes = frame(r#"[{"n":1,"v":{"a":"x"}},{"n":2.5,"d":0,"p":60,"t":1792540800}]"#, Some(&[7; 16]));
        let pinned = [
            &[1, 0xfa, 0xe9, 0x87, 0xde, 0x95, 0x34][..],
            &[1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
            &[2, 0, 0, 0, 0, 0, 0, 0, 0],
            &[2, 4, b'a', 0x1f, b'x', 0x1e, 0],
            &[0, 0, 4],
            &[7, 1, 1, 0, 0, 0, 0, 0, 0, 4, 0x40, 0, 0xf0, 1, 0x80, 0x84, 0x80, 0xdb, 0x1a],
        ];
        assert_eq!(bytes, pinned.concat());
    }

    #[test]
    fn an_answer_keeps_the_key_and_what_the_writer_was_told() {
        let bytes = frame(r#"[{"n":1,"v":{"a":"x"}},{"n":"two"}]"#, Some(&[7; 16]));
        let whole = Frame::parse(&bytes).expect("a frame");
        let kept = whole.answer(7, true);
        let answer = Frame::parse(&kept).expect("a frame");
        assert_eq!((answer.arrived_ms, answer.key, &answer.outcome), (7, Some([7; 16]), &whole.outcome));
        let short = whole.answer(7, false);
        let answer = Frame::parse(&short).expect("a frame").outcome;
        assert_eq!(answer.to_json(), r#"{"accepted":1,"rejected":1,"errors":[]}"#);
    }

    #[test]
    fn a_frame_cut_anywhere_is_an_error_and_no_panic() {
        let bytes = frame(r#"[{"n":1,"v":{"a":"x"}},{"n":2.5,"d":0,"p":60}]"#, None);
        for end in 0..bytes.len() {
            let read = Frame::parse(&bytes[..end]).and_then(|frame| frame.each_point(|_, _| ()));
            assert!(read.is_err(), "cut at {end}");
        }
    }
}
