//! What a request makes a stream's object do and keep, counted while its points are walked through anyway.
//!
//! A *unit* is one piece of a point that is merged into an open bucket. A *late place* is a chunk besides those of now that the next
//! seal has to add to: a span of an hour that is older than the one before, and a block of series.

use rustc_hash::FxHashSet;

use super::open::SeriesId;
use super::point::Point;
use super::tier::Tier;

/// A request costs so many units, whatever it brings: parsing, a place in the queue, an answer.
pub const REQUEST_UNITS: u64 = 10;
/// So many bytes that are unpacked and read, and kept in the log, cost one unit: 1 MiB 4,096 units, some 8 ms.
const BYTES_PER_UNIT: u64 = 256;
/// What a repeated key costs: its answer is looked up, and mostly read.
pub const REPEATED_UNITS: u64 = 2;
/// An hour that is late is a chunk of 10 s steps, and its share of the chunks of wider steps and of long periods: a device that comes
/// back after a day touches 24 hours and some 50 chunks.
const PLACES_PER_HOUR: usize = 2;
/// As [`store::chunks`] has it.
const BLOCK_SERIES: SeriesId = 4_096;
/// The block of series that have no number yet.
const NEW_BLOCK: u64 = u32::MAX as u64;

/// What a request costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Pieces, and what else counts as such.
    pub units: u64,
    /// Late places.
    pub late_places: u64,
}

/// Adds up the cost of a request.
pub struct Meter {
    units: u64,
    /// What begins before is late.
    late_s: f64,
    /// Hour and block of what is late; takes no memory where nothing is.
    late: FxHashSet<u64>,
    last: u64,
}

impl Meter {
    /// A request of so many bytes, of its body or of its frame if that is larger, that arrived at this time, in Unix milliseconds.
    #[must_use]
    pub fn new(bytes: u64, arrived_ms: u64) -> Self {
        let span_s = Tier::FINEST.span_s();
        let now_s = i64::try_from(arrived_ms / 1000).unwrap_or(i64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit 53 bits")]
        let late_s = ((now_s / span_s - 1) * span_s) as f64;
        let units = REQUEST_UNITS + bytes / BYTES_PER_UNIT;
        Self { units, late_s, late: FxHashSet::default(), last: u64::MAX }
    }

    /// Adds a point of a series; of one that has no number yet: `None`.
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

    /// What it comes to.
    #[must_use]
    pub fn cost(&self) -> Cost {
        Cost { units: self.units, late_places: (self.late.len() * PLACES_PER_HOUR) as u64 }
    }
}

/// At least as many as the pieces that [`super::spread`] makes of a point, without cutting it: the two ends, the count, and
/// the whole buckets of each tier up to the next wider ones.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a valid point's time is within days of now"
)]
pub fn pieces(point: &Point) -> u64 {
    /// The width of each tier in those of the one before.
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
        fn a_point_costs_at_least_its_pieces_and_at_most_sixty_and_some(p in prop_oneof![0.001f64..30.0, 1.0f64..86_400.0], back in 0.0f64..90_000.0) {
            let point = point(Some(p), NOW - back);
            let mut made = 0;
            spread(&point, |_, _, _| made += 1);
            let pieces = pieces(&point);
            prop_assert!((made..=64).contains(&pieces), "{pieces} for {made}");
        }
    }

    #[test]
    fn the_costs_of_the_design() {
        let of = |p| pieces(&point(Some(p), NOW + 1_234.5));
        assert_eq!((pieces(&point(None, NOW)), of(10.0)), (1, 2));
        assert!(
            (15..30).contains(&of(3_600.0)) && (30..64).contains(&of(86_400.0)),
            "{} {}",
            of(3_600.0),
            of(86_400.0)
        );
        // A visitor's page, three times 10 s of 60 bytes: some 2 units per second.
        let mut visitor = Meter::new(180, NOW_MS);
        (0..3).for_each(|_| visitor.add(Some(7), &point(Some(10.0), NOW)));
        assert_eq!(visitor.cost(), Cost { units: 16, late_places: 0 });
    }

    #[test]
    fn only_what_is_older_than_the_hour_before_is_late_and_each_place_counts_once() {
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
