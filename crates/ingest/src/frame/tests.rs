//! The form of a frame, byte by byte, and that each version is still read.

use super::*;
use crate::points::{BodyForm, each_point};
use model::point::Arrival;

const NOW_MS: u64 = 1_792_540_800_250;

fn frame(body: &str, key: Option<&BatchKey>) -> Vec<u8> {
    let known = |written: &[u8]| written.starts_with(b"{\"k\"").then_some(300);
    let mut builder = FrameBuilder::new(NOW_MS, [0; 16], known);
    let arrival = Arrival { at: builder.now(), lateness_s: 86_400 };
    each_point(body.as_bytes(), BodyForm::Json, arrival, &mut builder).expect("few");
    builder.finish(key).frame
}

#[test]
fn points_survive_a_round_trip_with_their_labels() {
    let body = r#"[{"n":1,"v":{"a":"x"}},{"n":2.5,"d":0,"p":3600,"t":1792540800,"v":{"a":"x"}},{"n":-3},{"n":true},{"n":4,"v":{"k":"1"}}]"#;
    let bytes = frame(body, Some(&BatchKey::from_bytes([7; 16])));
    let frame = Frame::parse(&bytes).expect("a frame");
    assert_eq!((frame.arrived_ms, frame.key), (NOW_MS, Some(BatchKey::from_bytes([7; 16]))));
    assert_eq!(
        frame.outcome.to_json(),
        r#"{"accepted":4,"rejected":1,"errors":[{"index":3,"field":"n","message":"n must be a finite number, not true"}]}"#
    );
    let mut seen = Vec::new();
    frame.each_point(|set, point| seen.push((set, *point))).expect("points");
    assert_eq!(frame.label_sets, ["a\u{1f}x\u{1e}", ""]);
    let now = 1_792_540_800.25;
    assert_eq!(
        seen,
        [
            (LabelSet::New(0), Point { n: 1.0, d: 1.0, p: None, t: now }),
            (LabelSet::New(0), Point { n: 2.5, d: 0.0, p: Some(3600.0), t: 1_792_540_800.0 }),
            (LabelSet::New(1), Point { n: -3.0, d: 1.0, p: None, t: now }),
            (LabelSet::Known(300), Point { n: 4.0, d: 1.0, p: None, t: now }),
        ]
    );
}

/// The pinned bytes of version 1, all before the last point of version 2.
const PINNED: [&[u8]; 5] = [
    &[0xfa, 0xe9, 0x87, 0xde, 0x95, 0x34],
    &[1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
    &[0, 0, 0, 0, 0, 0, 0, 0],
    &[1, 4, b'a', 0x1f, b'x', 0x1e],
    &[0, 0, 4, 7, 0, 1, 0, 0, 0, 0, 0, 0, 4, 0x40, 0, 0xf0, 1, 0x80, 0x84, 0x80, 0xdb, 0x1a],
];

fn pinned(version: u8, accepted: u8, last_point: &[u8]) -> Vec<u8> {
    let [arrived, key, rejected, label_sets, points] = PINNED;
    [&[version], arrived, key, &[accepted], rejected, label_sets, points, last_point].concat()
}

#[test]
fn version_1_is_pinned() {
    let bytes = pinned(1, 2, &[]);
    let frame = Frame::parse(&bytes).expect("a frame");
    assert_eq!((frame.arrived_ms, frame.key, frame.outcome.accepted), (NOW_MS, Some(BatchKey::from_bytes([7; 16])), 2));
    assert_eq!(frame.label_sets, ["a\u{1f}x\u{1e}"]);
    let mut seen = Vec::new();
    frame.each_point(|set, point| seen.push((set, *point))).expect("points");
    let now = 1_792_540_800.25;
    let second = Point { n: 2.5, d: 0.0, p: Some(60.0), t: 1_792_540_800.0 };
    assert_eq!(seen, [(LabelSet::New(0), Point { n: 1.0, d: 1.0, p: None, t: now }), (LabelSet::New(0), second)]);
}

#[test]
fn version_2_is_pinned() {
    let body = r#"[{"n":1,"v":{"a":"x"}},{"n":2.5,"d":0,"p":60,"t":1792540800,"v":{"a":"x"}},{"n":4,"v":{"k":"1"}}]"#;
    assert_eq!(frame(body, Some(&BatchKey::from_bytes([7; 16]))), pinned(2, 3, &[8, 0xac, 2, 16]));
}

#[test]
fn version_3_is_pinned() {
    let mut builder = FrameBuilder::new(NOW_MS, [0; 16], |_: &[u8]| None);
    let arrival = Arrival { at: builder.now(), lateness_s: 86_400 };
    let body = br#"[{"n":1,"v":{"a":"x"}},{"n":2.5,"d":0,"p":60,"t":1792540800,"v":{"a":"x"}}]"#;
    each_point(body, BodyForm::Json, arrival, &mut builder).expect("few");
    builder.keep_posted("{}".into());
    let bytes = builder.finish(Some(&BatchKey::from_bytes([7; 16]))).frame;
    let [arrived, key, rejected, label_sets, points] = PINNED;
    assert_eq!(bytes, [&[3], arrived, key, &[2], rejected, label_sets, &[2, b'{', b'}'], points].concat());
    let frame = Frame::parse(&bytes).expect("a frame");
    assert_eq!((frame.posted, frame.label_sets.len()), ("{}", 1));
    let mut points = 0;
    frame.each_point(|_, _| points += 1).expect("points");
    assert_eq!(points, 2);
    let answer = frame.answer(7, true);
    assert_eq!(Frame::parse(&answer).expect("a frame").posted, "", "an answer contains nothing of a message");
    assert_eq!(answer[0], 2);
    for version in [1, 2] {
        assert_eq!(Frame::parse(&pinned(version, 2, &[])).expect("a frame").posted, "");
    }
}

#[test]
fn an_answer_keeps_the_key_and_the_outcome() {
    let bytes = frame(r#"[{"n":1,"v":{"a":"x"}},{"n":"two"}]"#, Some(&BatchKey::from_bytes([7; 16])));
    let whole = Frame::parse(&bytes).expect("a frame");
    let kept = whole.answer(7, true);
    let answer = Frame::parse(&kept).expect("a frame");
    assert_eq!(
        (answer.arrived_ms, answer.key, &answer.outcome),
        (7, Some(BatchKey::from_bytes([7; 16])), &whole.outcome)
    );
    let short = whole.answer(7, false);
    let answer = Frame::parse(&short).expect("a frame").outcome;
    assert_eq!(answer.to_json(), r#"{"accepted":1,"rejected":1,"errors":[]}"#);
}

#[test]
fn a_truncated_frame_is_an_error_and_not_a_panic() {
    let bytes = frame(r#"[{"n":1,"v":{"a":"x"}},{"n":2.5,"d":0,"p":60}]"#, None);
    for end in 0..bytes.len() {
        let read = Frame::parse(&bytes[..end]).and_then(|frame| frame.each_point(|_, _| ()));
        assert!(read.is_err(), "cut at {end}");
    }
}

#[test]
fn a_frame_with_other_label_sets_is_otherwise_the_same() {
    let mut builder = FrameBuilder::new(NOW_MS, [0; 16], |_: &[u8]| None);
    let arrival = Arrival { at: builder.now(), lateness_s: 86_400 };
    let body = br#"[{"n":1,"v":{"a":"x"}},{"n":2,"v":{"a":"y","b":"z"}},{"n":null}]"#;
    each_point(body, BodyForm::Json, arrival, &mut builder).expect("few");
    builder.keep_posted("{}".into());
    let bytes = builder.finish(Some(&BatchKey::from_bytes([7; 16]))).frame;
    let frame = Frame::parse(&bytes).expect("a frame");
    assert_eq!(frame.relabelled(&frame.label_sets), bytes);
    let other = frame.relabelled(&["a\u{1f}x\u{1e}", ""]);
    let read = Frame::parse(&other).expect("a frame");
    assert_eq!(
        (&read.label_sets[..], read.key, &read.outcome, read.posted),
        (&["a\u{1f}x\u{1e}", ""][..], frame.key, &frame.outcome, "{}")
    );
    let points = |frame: &Frame<'_>| {
        let mut points = Vec::new();
        frame.each_point(|set, point| points.push((set, *point))).expect("points");
        points
    };
    assert_eq!(points(&read), points(&frame));
}

#[test]
fn the_form_of_a_frame_with_rule_rejections_is_pinned() {
    let accept =
        config::accept::Accept::parse(&serde_json::json!({"labels": {"a": {}}, "n": {"max": 2}})).expect("valid");
    let binding = Binding::of(&accept, config::who::Who::Open).expect("reads");
    let (id, known) = (binding.id(), |_: &[u8]| None);
    let mut builder = FrameBuilder::new(NOW_MS, [0; 16], known).bound(binding);
    let arrival = Arrival { at: builder.now(), lateness_s: 86_400 };
    let body = br#"[{"n":1,"v":{"b":"y","a":"x"}},{"n":3},{"n":2.5},{"n":null},{"n":1,"v":{"b":"z","a":"x"}}]"#;
    each_point(body, BodyForm::Json, arrival, &mut builder).expect("few");
    assert!(builder.keeps("a\u{1f}x\u{1e}") && !builder.keeps("b\u{1f}x\u{1e}"));
    let FramedBatch { frame: bytes, new_labels, .. } = builder.finish(None);
    assert_eq!((new_labels.rules, new_labels.iter().len()), (id, 2), "as they are written, with what the rules drop");
    let frame = Frame::parse(&bytes).expect("a frame");
    assert_eq!(frame.label_sets, ["a\u{1f}x\u{1e}"; 2]);
    assert_eq!(frame.outcome.rejected, [0, 0, 1, 0, 0, 0, 0, 2]);
    assert!(frame.outcome.errors_json.contains("the rule is `accept.n`"));
    let [arrived, ..] = PINNED;
    assert_eq!(
        frame.answer(NOW_MS, false),
        [&[2 + 64], arrived, &[0, 2], &[0, 0, 1, 0, 0, 0, 0, 2][..], &[0, 0]].concat()
    );
    assert_eq!(Frame::parse(&frame.answer(7, true)).expect("a frame").outcome, frame.outcome);
    for version in [64, 64 + 4, 128 + 2] {
        assert!(Frame::parse(&[&[version], &bytes[1..]].concat()).is_err());
    }
}
