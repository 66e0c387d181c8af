//! Removes points from frames of the log; the others keep their numbers.

use crate::outcome::WriteOutcome;
use codec::{put_bytes, put_len};
use model::point::Point;

use super::{Frame, FrameBuilder, LabelSet, Malformed, PLAIN, header};

impl Frame<'_> {
    /// Whether it only stands for removed points: as many as it says were accepted.
    #[must_use]
    pub fn is_gap(&self) -> bool {
        self.points.is_empty()
    }

    /// Frames with the same points except the removed ones, in whose place there are gaps; `None` if nothing is
    /// removed. They lack the writer's outcome and the posted message; rows with such frames are read by nobody who
    /// counts points.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn without(
        &self,
        removes: &mut dyn FnMut(LabelSet, &Point) -> bool,
    ) -> Result<Option<Vec<Vec<u8>>>, Malformed> {
        if self.is_gap() {
            return Ok(None);
        }
        let (mut runs, mut has_removed) = (Vec::<(bool, Vec<(LabelSet, Point)>)>::new(), false);
        self.each_point(|set, point| {
            let is_removed = removes(set, point);
            has_removed |= is_removed;
            match runs.last_mut() {
                Some((run, points)) if *run == is_removed => points.push((set, *point)),
                _ => runs.push((is_removed, vec![(set, *point)])),
            }
        })?;
        let frame = |(is_removed, points): &(bool, Vec<(LabelSet, Point)>)| match is_removed {
            true => self.gap(points.len()),
            false => self.of(points),
        };
        Ok(has_removed.then(|| runs.iter().map(frame).collect()))
    }

    fn gap(&self, points: usize) -> Vec<u8> {
        let outcome = WriteOutcome { accepted: points as u64, ..WriteOutcome::default() };
        let mut out = header(PLAIN, self.arrived_ms, None, &outcome, 1);
        put_len(&mut out, 0);
        out
    }

    fn of(&self, points: &[(LabelSet, Point)]) -> Vec<u8> {
        let mut builder = FrameBuilder::new(self.arrived_ms, [0; 16], |_| None);
        let mut sets: Vec<usize> = Vec::new();
        let mut place = vec![None; self.label_sets.len()];
        for (set, point) in points {
            let set = match *set {
                LabelSet::Known(series) => LabelSet::Known(series),
                LabelSet::New(set) => LabelSet::New(*place[set].get_or_insert_with(|| {
                    sets.push(set);
                    sets.len() - 1
                })),
            };
            builder.push_point(point, set);
        }
        let outcome = WriteOutcome { accepted: points.len() as u64, ..WriteOutcome::default() };
        let mut out = header(PLAIN, self.arrived_ms, None, &outcome, builder.points.len());
        put_len(&mut out, sets.len());
        for set in sets {
            put_bytes(&mut out, self.label_sets[set].as_bytes());
        }
        out.extend_from_slice(&builder.points);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::batch_key::BatchKey;

    const ARRIVED_MS: u64 = 1_792_540_800_000;

    fn point(n: f64, t: f64) -> Point {
        Point { n, d: 1.0, p: None, t }
    }

    #[test]
    fn points_keep_their_numbers_when_others_are_removed() {
        let known = |written: &[u8]| (written == b"k\x1f1\x1e").then_some(9);
        let mut builder = FrameBuilder::new(ARRIVED_MS, [0; 16], known);
        for (n, labels) in
            [(1.0, "a\u{1f}1\u{1e}"), (2.0, "a\u{1f}2\u{1e}"), (3.0, "k\u{1f}1\u{1e}"), (4.0, "a\u{1f}2\u{1e}")]
        {
            builder.push(0, Ok((point(n, 7.0), labels)));
        }
        builder.keep_posted("{}".into());
        let bytes = builder.finish(Some(&BatchKey::from_bytes([1; 16]))).frame;
        let frame = Frame::parse(&bytes).expect("a frame");
        assert!(!frame.is_gap());
        assert_eq!(frame.without(&mut |_, _| false), Ok(None));
        let without = |removed: LabelSet| {
            let frames = frame.without(&mut |set, _| set == removed).expect("reads").expect("one is removed");
            let mut seen = Vec::new();
            for bytes in frames {
                let frame = Frame::parse(&bytes).expect("a frame");
                assert!(frame.key.is_none() && frame.posted.is_empty() && frame.arrived_ms == ARRIVED_MS);
                if frame.is_gap() {
                    seen.push(format!("{} gone", frame.outcome.accepted));
                    continue;
                }
                frame
                    .each_point(|set, point| {
                        assert_eq!(point.t, 7.0);
                        seen.push(match set {
                            LabelSet::New(set) => format!("{} {}", point.n, frame.label_sets[set]),
                            LabelSet::Known(series) => format!("{} #{series}", point.n),
                        });
                    })
                    .expect("reads");
            }
            seen.join(", ")
        };
        assert_eq!(without(LabelSet::New(1)), "1 a\u{1f}1\u{1e}, 1 gone, 3 #9, 1 gone");
        assert_eq!(without(LabelSet::New(0)), "1 gone, 2 a\u{1f}2\u{1e}, 3 #9, 4 a\u{1f}2\u{1e}");
        assert_eq!(without(LabelSet::Known(9)), "1 a\u{1f}1\u{1e}, 2 a\u{1f}2\u{1e}, 1 gone, 4 a\u{1f}2\u{1e}");
    }
}
