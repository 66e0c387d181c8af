//! Coarsens points: points with the same labels are merged into one, as `{n, d, p, v}` is its own aggregate. n and
//! d add up, and p covers the union. Sums stay exact, points of one label set stay in order, and nothing is
//! dropped.

use super::labels::Labels;
use super::point::{LabelledPoint, MAX_NUMBER, MAX_PERIOD_S, MIN_PERIOD_S, Point};
use super::text_index::{HashKey, TextIndex};

/// The most label sets; further ones become `overflow=true`, as in the rollups.
pub const MAX_LABEL_SETS: usize = 50_000;
/// The most bytes of labels, likewise: a stranger may write 5 KB with each point.
pub const MAX_LABEL_BYTES: usize = 8 << 20;
/// Beyond this many points, those with the same labels are merged even if they are more than a day apart; p is then
/// a day.
pub const MAX_POINTS: usize = 100_000;

/// A point, and how many original points it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// The point.
    pub point: LabelledPoint,
    /// The number of original points.
    pub written: u64,
}

/// Points that are merged as they arrive.
pub struct Coarse {
    points: Vec<Counted>,
    /// The index of the last point of each label set, by its labels.
    sets: TextIndex,
    last: Vec<usize>,
    label_bytes: usize,
    max_sets: usize,
    max_points: usize,
}

impl Coarse {
    /// No points yet.
    #[must_use]
    pub fn new(key: HashKey) -> Self {
        Self::within(key, MAX_LABEL_SETS, MAX_POINTS)
    }

    fn within(key: HashKey, max_sets: usize, max_points: usize) -> Self {
        Self { points: Vec::new(), sets: TextIndex::new(key), last: Vec::new(), label_bytes: 0, max_sets, max_points }
    }

    /// Adds a point that stands for this many.
    pub fn push(&mut self, labels: &Labels, point: &Point, written: u64) {
        let set = self.find(labels);
        let is_full = self.last.len() >= self.max_sets || self.label_bytes + labels.as_str().len() > MAX_LABEL_BYTES;
        if set.is_none() && is_full && !labels.is_overflow() {
            return self.push(&Labels::overflow(), point, written);
        }
        if let Some(set) = set {
            let has_to_be = self.points.len() >= self.max_points;
            let last = &mut self.points[self.last[set as usize]];
            if let Some(sum) = sum(&last.point.point, point, has_to_be) {
                last.point.point = sum;
                last.written += written;
                return;
            }
            // All points of a set share one string.
            let labels = last.point.labels.clone();
            self.last[set as usize] = self.points.len();
            self.points.push(Counted { point: LabelledPoint { labels, point: *point }, written });
            return;
        }
        self.label_bytes += labels.as_str().len();
        self.points.push(Counted { point: LabelledPoint { labels: labels.clone(), point: *point }, written });
        let set = u32::try_from(self.last.len()).expect("their number is bounded");
        self.last.push(self.points.len() - 1);
        let (points, last) = (&self.points, &self.last);
        self.sets.insert(set, |set| text(points, last, set));
    }

    fn find(&self, labels: &Labels) -> Option<u32> {
        self.sets.find(labels.as_str().as_bytes(), |set| text(&self.points, &self.last, set))
    }

    /// The points, in the order of the first point of each.
    #[must_use]
    pub fn into_points(self) -> Vec<Counted> {
        self.points
    }
}

fn text<'a>(points: &'a [Counted], last: &[usize], set: u32) -> &'a [u8] {
    points[last[set as usize]].point.labels.as_str().as_bytes()
}

/// Merges two points; `None` if the result would not be a valid point, unless merging is forced.
fn sum(one: &Point, other: &Point, has_to_be: bool) -> Option<Point> {
    let start = |point: &Point| point.t - point.p.unwrap_or_default();
    let t = one.t.max(other.t);
    let p = t - start(one).min(start(other));
    let (n, d) = (one.n + other.n, one.d + other.d);
    if has_to_be {
        let (n, d) = (n.clamp(-MAX_NUMBER, MAX_NUMBER), d.min(MAX_NUMBER));
        return Some(Point { n, d, p: period(p.min(MAX_PERIOD_S)), t });
    }
    let is_valid = p <= MAX_PERIOD_S && n.abs() <= MAX_NUMBER && d <= MAX_NUMBER;
    is_valid.then_some(Point { n, d, p: period(p), t })
}

/// The period of two points with this distance.
fn period(p: f64) -> Option<f64> {
    (p > 0.0).then_some(p.max(MIN_PERIOD_S))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const DAY_S: f64 = 86_400.0;

    fn labels(number: u8) -> Labels {
        Labels::from_canonical(&format!("a\u{1f}{number}\u{1e}"))
    }

    proptest! {
        #[test]
        fn sums_are_exact_and_every_point_is_covered(
            drawn in proptest::collection::vec((0u8..6, -99i16..99, 0u16..9, proptest::option::of(1u32..86_401), 0u32..200_000), 0..200),
            max_sets in 1usize..9,
            max_points in 1usize..40,
        ) {
            let mut coarse = Coarse::within([0; 16], max_sets, max_points);
            let mut wanted: BTreeMap<Labels, (f64, f64, u64)> = BTreeMap::new();
            let mut sets = Vec::new();
            for (set, n, d, p, t) in &drawn {
                let point = Point { n: f64::from(*n), d: f64::from(*d), p: p.map(f64::from), t: f64::from(*t) };
                coarse.push(&labels(*set), &point, 1);
                if !sets.contains(set) && sets.len() < max_sets {
                    sets.push(*set);
                }
                let labels = if sets.contains(set) { labels(*set) } else { Labels::overflow() };
                let sum = wanted.entry(labels).or_default();
                *sum = (sum.0 + point.n, sum.1 + point.d, sum.2 + 1);
            }
            let points = coarse.into_points();
            prop_assert!(points.len() <= max_points + max_sets + 1);
            let mut seen: BTreeMap<Labels, (f64, f64, u64)> = BTreeMap::new();
            for Counted { point: LabelledPoint { labels, point }, written } in points {
                prop_assert!(point.p.is_none_or(|p| p > 0.0 && p <= MAX_PERIOD_S));
                let sum = seen.entry(labels).or_default();
                *sum = (sum.0 + point.n, sum.1 + point.d, sum.2 + written);
            }
            prop_assert_eq!(seen, wanted);
        }
    }

    #[test]
    fn label_sets_beyond_the_byte_limit_merge_with_exact_sums() {
        let mut coarse = Coarse::new([0; 16]);
        let point = Point { n: 1.0, d: 1.0, p: None, t: 7.0 };
        for number in 0..3_000 {
            let labels = format!("a\u{1f}{number}{}\u{1e}", "x".repeat(5_000));
            coarse.push(&Labels::from_canonical(&labels), &point, 1);
        }
        let points = coarse.into_points();
        let bytes: usize = points.iter().map(|point| point.point.labels.as_str().len()).sum();
        assert!(bytes <= MAX_LABEL_BYTES + 20 && points.len() > 1_000, "{bytes}");
        assert_eq!(points.iter().map(|point| point.written).sum::<u64>(), 3_000);
    }

    #[test]
    fn the_period_is_the_union_and_at_most_a_day() {
        let point = |p: Option<f64>, t: f64| Point { n: 1.0, d: 2.0, p, t };
        let two = |one: Point, other: Point| {
            let mut coarse = Coarse::new([0; 16]);
            coarse.push(&labels(1), &one, 1);
            coarse.push(&labels(1), &other, 3);
            coarse.into_points()
        };
        let both = two(point(Some(10.0), 100.0), point(None, 250.0));
        assert_eq!((both.len(), both[0].written), (1, 4));
        assert_eq!(both[0].point.point, Point { n: 2.0, d: 4.0, p: Some(160.0), t: 250.0 });
        assert_eq!(two(point(None, 7.0), point(None, 7.0))[0].point.point.p, None);
        assert_eq!(two(point(Some(10.0), 20.0), point(None, DAY_S + 10.0)).len(), 1);
        assert_eq!(two(point(Some(10.0), 20.0), point(None, DAY_S + 11.0)).len(), 2);
        assert_eq!(two(point(None, 7.0), point(None, 7.000_5))[0].point.point.p, Some(MIN_PERIOD_S));
        let huge = Point { n: MAX_NUMBER, ..point(None, 7.0) };
        assert_eq!(two(huge, huge).len(), 2, "nobody would take their sum");
    }
}
