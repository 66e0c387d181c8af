//! The cost of a request for a stream's object, in work and storage, computed while its points are visited anyway.
//!
//! A *unit* is one piece of a point that is merged into an open bucket. A *late place* is a chunk, besides the
//! current ones, that the next seal must add to: a combination of an hour older than the previous one, and a block
//! of series.

use rustc_hash::FxHashSet;

use super::open::SeriesId;
use super::point::Point;
use super::tier::Tier;

/// The base cost of any request, in units: parsing, a place in the queue, a response.
pub const REQUEST_UNITS: u64 = 10;
/// The bytes that cost one unit to unpack, read and keep in the log: 1 MiB is 4,096 units, some 8 ms.
const BYTES_PER_UNIT: u64 = 256;
/// The cost of a repeated key: its answer is looked up, and mostly read.
pub const REPEATED_UNITS: u64 = 2;
/// The cost of a late hour: a chunk of 10 s steps, and its share of the chunks of wider steps and of long periods.
/// A device that comes back after a day touches 24 hours and some 50 chunks.
const PLACES_PER_HOUR: usize = 2;
/// Same as in [`store::chunks`].
const BLOCK_SERIES: SeriesId = 4_096;
/// The block of series that have no id yet.
const NEW_BLOCK: u64 = u32::MAX as u64;

/// The cost of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Pieces, and everything else measured in units.
    pub units: u64,
    /// The number of late places.
    pub late_places: u64,
}

/// Adds up the cost of a request.
pub struct Meter {
    units: u64,
    /// Points that start before this are late.
    late_s: f64,
    /// The hour and block of each late place; uses no memory if there are none.
    late: FxHashSet<u64>,
    last: u64,
}

impl Meter {
    /// A request of this many bytes (of its body, or of its frame if that is larger) that arrived at this time, in
    /// Unix milliseconds.
    #[must_use]
    pub fn new(bytes: u64, arrived_ms: u64) -> Self {
        let span_s = Tier::FINEST.span_s();
        let now_s = i64::try_from(arrived_ms / 1000).unwrap_or(i64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit 53 bits")]
        let late_s = ((now_s / span_s - 1) * span_s) as f64;
        let units = REQUEST_UNITS + bytes / BYTES_PER_UNIT;
        Self { units, late_s, late: FxHashSet::default(), last: u64::MAX }
    }

    /// Adds a point of a series; `None` for a series without an id.
    #[inline]
    pub fn add(&mut self, series: Option<SeriesId>, point: &Point) {
        self.units += pieces(point);
        let from = point.t - point.p.unwrap_or_default();
        if from < self.late_s {
            self.add_late(series, from);
            if point.t < self.late_s {
                self.add_late(series, point.t);
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates where nothing is kept")]
    fn add_late(&mut self, series: Option<SeriesId>, at: f64) {
        let hour = at as u64 / Tier::FINEST.span_s().unsigned_abs();
        let place = hour << u32::BITS | series.map_or(NEW_BLOCK, |series| u64::from(series / BLOCK_SERIES));
        if place != self.last {
            self.last = place;
            self.late.insert(place);
        }
    }

    /// The total cost.
    #[must_use]
    pub fn cost(&self) -> Cost {
        Cost { units: self.units, late_places: (self.late.len() * PLACES_PER_HOUR) as u64 }
    }
}

/// At least the number of pieces that [`super::spread`] makes of a point, without making them: the two ends, the
/// count, and the whole buckets of each tier up to the next wider ones.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a valid point's time is within days of now"
)]
pub fn pieces(point: &Point) -> u64 {
    /// The width of each tier in multiples of the one before.
    const WIDER: [u64; 4] = [6, 10, 6, 24];
    const FINEST_S: f64 = 10.0;
    const ENDS_AND_COUNT: u64 = 3;
    let Some(p) = point.p else { return 1 };
    if p <= FINEST_S {
        return 2;
    }
    let (mut from, mut to) = (((point.t - p) / FINEST_S).ceil() as u64, (point.t / FINEST_S) as u64);
    let mut pieces = ENDS_AND_COUNT;
    for wider in WIDER {
        let (next_from, next_to) = (from.div_ceil(wider), to / wider);
        if next_from > next_to {
            break;
        }
        pieces += (next_from * wider - from) + (to - next_to * wider);
        (from, to) = (next_from, next_to);
    }
    pieces + to.saturating_sub(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spread::spread;
    use proptest::prelude::*;

    const NOW_MS: u64 = 1_792_540_800_000;
    const NOW: f64 = 1_792_540_800.0;
    const HOUR: f64 = 3_600.0;

    fn point(p: Option<f64>, t: f64) -> Point {
        Point { n: 1.0, d: 1.0, p, t }
    }

    fn late_places(points: &[(Option<SeriesId>, Point)]) -> u64 {
        let mut meter = Meter::new(0, NOW_MS);
        for (series, point) in points {
            meter.add(*series, point);
        }
        meter.cost().late_places
    }

    proptest! {
        #[test]
        fn a_point_costs_at_least_its_pieces_and_little_over_sixty(p in prop_oneof![0.001f64..30.0, 1.0f64..86_400.0], back in 0.0f64..90_000.0) {
            let point = point(Some(p), NOW - back);
            let mut made = 0;
            spread(&point, |_, _, _| made += 1);
            let pieces = pieces(&point);
            prop_assert!((made..=64).contains(&pieces), "{pieces} for {made}");
        }
    }

    #[test]
    fn costs_are_those_in_the_design() {
        let of = |p| pieces(&point(Some(p), NOW + 1_234.5));
        assert_eq!((pieces(&point(None, NOW)), of(10.0)), (1, 2));
        assert!(
            (15..30).contains(&of(3_600.0)) && (30..64).contains(&of(86_400.0)),
            "{} {}",
            of(3_600.0),
            of(86_400.0)
        );
        // The page of one visitor, three times per 10 s, with 60 bytes each: some 2 units per second.
        let mut visitor = Meter::new(180, NOW_MS);
        (0..3).for_each(|_| visitor.add(Some(7), &point(Some(10.0), NOW)));
        assert_eq!(visitor.cost(), Cost { units: 16, late_places: 0 });
    }

    #[test]
    fn points_older_than_the_previous_hour_are_late_once_per_place() {
        let now = [point(None, NOW), point(Some(HOUR), NOW), point(None, NOW - HOUR)].map(|point| (Some(1), point));
        assert_eq!(late_places(&now), 0);
        let twice = [(Some(1), point(None, NOW - 2.0 * HOUR)), (Some(4_095), point(None, NOW - 2.0 * HOUR + 9.0))];
        assert_eq!(late_places(&twice), 2);
        assert_eq!(late_places(&[twice[0], (Some(4_096), twice[0].1), (None, twice[0].1)]), 6);
        // A device that comes back after a day.
        let day: Vec<_> = (0..8_640).map(|step| (Some(1), point(Some(10.0), NOW - f64::from(step) * 10.0))).collect();
        assert_eq!(late_places(&day), 46);
        assert_eq!(late_places(&[(Some(1), point(Some(86_400.0), NOW))]), 2, "its beginning");
    }
}
