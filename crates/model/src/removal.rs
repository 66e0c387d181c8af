//! What a removal takes out: which series, and which span of time.

use super::open::SeriesId;
use super::retention::{RETENTION_MARGIN_S, Retention};
use super::tier::{DAY, Tier, floor_to};
use codec::{Malformed, Reader, put_varint};

/// After all possible times: 2,000,000 days.
const LATEST_S: i64 = 2_000_000 * DAY;

/// Half-open, in whole seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its start, a multiple of 10.
    pub from_s: i64,
    /// Its end, likewise.
    pub to_s: i64,
}

/// Why a span can't be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{end}` must be a multiple of {width_s} seconds, the width of the stored buckets at that time, such as {before_s} or {after_s}, not {at_s}"
)]
pub struct Unaligned {
    end: &'static str,
    at_s: i64,
    width_s: i64,
    before_s: i64,
    after_s: i64,
}

impl Span {
    /// All of time.
    pub const ALL: Self = Self { from_s: 0, to_s: LATEST_S };

    /// A span clipped to the possible times; `None` if it would be empty.
    #[must_use]
    pub fn new(from_s: Option<i64>, to_s: Option<i64>) -> Option<Self> {
        let from_s = from_s.unwrap_or_default().clamp(0, LATEST_S);
        let to_s = to_s.unwrap_or(LATEST_S).clamp(0, LATEST_S);
        (from_s < to_s).then_some(Self { from_s, to_s })
    }

    /// Whether a bucket lies in the span, in full or in part.
    #[must_use]
    pub fn touches(self, tier: Tier, start_s: i64) -> bool {
        start_s < self.to_s && start_s + tier.width_s() > self.from_s
    }

    /// Whether a time lies in the span.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    pub fn holds(self, t: f64) -> bool {
        t >= self.from_s as f64 && t < self.to_s as f64
    }

    /// The starts of a tier's buckets that are only partly in the span.
    pub fn straddled(self, tier: Tier) -> impl Iterator<Item = i64> {
        let start = |at_s: i64| (at_s % tier.width_s() != 0).then(|| tier.bucket_of(at_s));
        let (first, last) = (start(self.from_s), start(self.to_s));
        first.into_iter().chain(last.filter(|last| Some(*last) != first))
    }

    /// The parts of a bucket before and after the span.
    pub fn outside(self, tier: Tier, start_s: i64) -> impl Iterator<Item = (i64, i64)> {
        let end_s = start_s + tier.width_s();
        [(start_s, end_s.min(self.from_s)), (start_s.max(self.to_s), end_s)]
            .into_iter()
            .filter(|(from_s, to_s)| from_s < to_s)
    }

    /// Checks that what is kept can be divided at both ends.
    ///
    /// # Errors
    /// The nearest times at which it can.
    pub fn check(self, retention: &Retention, now_s: i64) -> Result<(), Unaligned> {
        for (end, at_s, is_open) in [("from", self.from_s, self.from_s == 0), ("to", self.to_s, self.to_s == LATEST_S)]
        {
            let width_s = alignment(at_s, retention, now_s).width_s();
            if !is_open && at_s % width_s != 0 {
                let before_s = floor_to(at_s, width_s);
                return Err(Unaligned { end, at_s, width_s, before_s, after_s: before_s + width_s });
            }
        }
        Ok(())
    }
}

/// The finest tier whose buckets can be divided around a time. It must be kept there; and for each coarser bucket
/// that contains the time, so must the next finer tier, from which the rest of that bucket is rebuilt.
#[must_use]
pub fn alignment(at_s: i64, retention: &Retention, now_s: i64) -> Tier {
    let is_kept = |tier: Tier, from_s: i64| retention.start_s(tier, now_s).is_none_or(|start_s| from_s >= start_s);
    let is_whole = |(finer, coarser): (&Tier, &Tier)| is_kept(*finer, coarser.bucket_of(at_s) + RETENTION_MARGIN_S);
    let divides = |tier: &Tier| {
        let coarser = &Tier::ALL[*tier as usize..];
        is_kept(*tier, at_s) && coarser.iter().zip(&coarser[1..]).all(is_whole)
    };
    Tier::ALL.into_iter().find(divides).unwrap_or(Tier::D1)
}

/// Ids of series, as half-open ranges: those of removed series lie close together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(Vec<(SeriesId, SeriesId)>);

impl Numbers {
    /// Appends all ids from one up to another, after those already there.
    pub fn push(&mut self, from: SeriesId, end: SeriesId) {
        match self.0.last_mut() {
            _ if from >= end => {}
            Some((_, last)) if *last == from => *last = end,
            _ => self.0.push((from, end)),
        }
    }

    /// Whether it contains an id.
    #[must_use]
    pub fn has(&self, series: SeriesId) -> bool {
        let behind = self.0.partition_point(|(from, _)| *from <= series);
        behind.checked_sub(1).is_some_and(|at| series < self.0[at].1)
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> impl Iterator<Item = (SeriesId, SeriesId)> {
        self.0.iter().copied()
    }

    /// The form in the table of removals: for each range, as varints, its distance from the one before, and its
    /// length.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (mut out, mut last) = (Vec::with_capacity(2 * self.0.len()), 0);
        for (from, end) in self.ranges() {
            put_varint(&mut out, u64::from(from - last));
            put_varint(&mut out, u64::from(end - from));
            last = end;
        }
        out
    }

    /// Decodes what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (mut reader, mut numbers, mut last) = (Reader::new(bytes), Vec::new(), 0u32);
        while !reader.is_empty() {
            let mut behind = |last: u32| {
                let step = u32::try_from(reader.varint()?).ok();
                step.and_then(|step| last.checked_add(step)).ok_or(Malformed(0))
            };
            let from = behind(last)?;
            last = behind(from)?;
            numbers.push((from, last));
        }
        Ok(Self(numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_792_540_800;

    #[test]
    fn the_form_of_numbers_is_pinned() {
        let mut numbers = Numbers::default();
        for (from, end) in [(0, 1), (7, 7), (7, 9), (9, 10), (300, 302)] {
            numbers.push(from, end);
        }
        assert_eq!(numbers.to_bytes(), [0, 1, 6, 3, 0xa2, 0x02, 2]);
        assert_eq!(Numbers::parse(&numbers.to_bytes()), Ok(numbers.clone()));
        let has = [0, 1, 6, 7, 9, 10, 299, 300, 301, 302].map(|series| numbers.has(series));
        assert_eq!(has, [true, false, false, true, true, false, false, true, true, false]);
        assert!(Numbers::parse(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1]).is_err());
    }

    #[test]
    fn a_span_divides_the_buckets_at_its_ends() {
        let span = Span { from_s: NOW + 600, to_s: NOW + 4210 };
        let straddled = |tier| span.straddled(tier).collect::<Vec<_>>();
        assert_eq!(straddled(Tier::S10), Vec::<i64>::new());
        assert_eq!(straddled(Tier::M1), [NOW + 4200]);
        assert_eq!(straddled(Tier::H1), [NOW, NOW + 3600]);
        assert_eq!(straddled(Tier::D1), [NOW], "one bucket holds both ends");
        let outside = |tier, start_s| span.outside(tier, start_s).collect::<Vec<_>>();
        assert_eq!(outside(Tier::D1, NOW), [(NOW, NOW + 600), (NOW + 4210, NOW + 86_400)]);
        assert_eq!(outside(Tier::H1, NOW), [(NOW, NOW + 600)]);
        assert_eq!(outside(Tier::H1, NOW + 3600), [(NOW + 4210, NOW + 7200)]);
        assert!(span.touches(Tier::H1, NOW) && !span.touches(Tier::M10, NOW) && span.touches(Tier::S10, NOW + 4200));
        assert_eq!(Span::new(Some(NOW), Some(NOW)), None);
        assert_eq!(Span::new(Some(-5), None), Some(Span::ALL));
        assert_eq!(Tier::ALL.map(|tier| Span::ALL.straddled(tier).count()), [0; 5]);
    }

    #[test]
    fn retention_determines_where_a_span_may_end() {
        let retention = Retention::default();
        let days = |days: i64| NOW - days * 86_400;
        for (at_s, wanted) in [
            (NOW, Tier::S10),
            (days(1), Tier::S10),
            (days(2) - 10, Tier::M1),
            (days(13), Tier::M1),
            (days(15), Tier::M10),
            (days(61), Tier::H1),
            (days(729), Tier::H1),
            (days(731), Tier::D1),
        ] {
            assert_eq!(alignment(at_s, &retention, NOW), wanted, "{at_s}");
        }
        let check = |from_s, to_s| Span::new(from_s, to_s).expect("not empty").check(&retention, NOW);
        assert_eq!(check(Some(days(1) + 10), None), Ok(()));
        assert_eq!(check(None, Some(days(61) + 7200)), Ok(()));
        let error = check(Some(days(15) + 60), None).expect_err("not a multiple").to_string();
        assert!(error.starts_with("`from` must be a multiple of 600 seconds"), "{error}");
        assert!(error.ends_with("such as 1791244800 or 1791245400, not 1791244860"), "{error}");
        assert!(check(None, Some(NOW + 5)).is_err());
    }
}
