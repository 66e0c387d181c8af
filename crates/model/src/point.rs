//! The numbers of one datapoint, and their rules. Its labels are in [`super::labels`].

use super::labels::Labels;

/// The largest numerator and denominator, chosen so that every sum is finite: 2^53 points have a sum of at most
/// 1e116.
pub const MAX_NUMBER: f64 = 1e100;
/// The smallest denominator that is not 0. Its share in a bucket of a period is then at least 1e-112, and a ratio
/// at most 1e228.
pub const MIN_DENOMINATOR: f64 = 1e-100;
/// The shortest period of a point.
pub const MIN_PERIOD_S: f64 = 0.001;
/// The longest period of a point.
pub const MAX_PERIOD_S: f64 = 86_400.0;
/// How far in the past a point may end, unless the owner sets another limit.
pub const DEFAULT_LATENESS_S: i64 = 86_400;
/// How far in the future a point may end, for clocks that run ahead.
pub const MAX_AHEAD_S: f64 = 60.0;

/// The numbers of a valid point: all finite, `n` and `d` within [`MAX_NUMBER`], `d` 0 or at least
/// [`MIN_DENOMINATOR`], `p` from [`MIN_PERIOD_S`] to [`MAX_PERIOD_S`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Numerator.
    pub n: f64,
    /// Denominator; 1 if the writer gave none.
    pub d: f64,
    /// The period in seconds that the point covers, `[t - p, t)`; `None` for an instant.
    pub p: Option<f64>,
    /// The end of the period, Unix seconds.
    pub t: f64,
}

/// A point with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledPoint {
    /// Its labels.
    pub labels: Labels,
    /// Its numbers.
    pub point: Point,
}

/// A point's numbers as a writer gave them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Given {
    /// Numerator.
    pub n: Option<f64>,
    /// Denominator.
    pub d: Option<f64>,
    /// Period in seconds.
    pub p: Option<f64>,
    /// End of the period, Unix seconds.
    pub t: Option<f64>,
}

/// The time at which points arrive, and how late they may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// Unix seconds.
    pub at: f64,
    /// How many seconds earlier a point may end.
    pub lateness_s: i64,
}

/// Why a point's numbers are rejected.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum PointError {
    /// No numerator.
    #[error("n is required")]
    MissingN,
    /// A number that f64 can't hold.
    #[error("{0} must be a finite number")]
    NotFinite(Field),
    /// A numerator beyond [`MAX_NUMBER`].
    #[error("n must be from -{MAX_NUMBER:?} to {MAX_NUMBER:?}, not {0:?}")]
    NumeratorRange(f64),
    /// A denominator that is neither 0 nor from [`MIN_DENOMINATOR`] to [`MAX_NUMBER`].
    #[error("d must be 0 or from {MIN_DENOMINATOR:?} to {MAX_NUMBER:?}, not {0:?}")]
    DenominatorRange(f64),
    /// A number that only writers with a write key may send.
    #[error(
        "{0} must be from -2^53 to 2^53 without a write key, not {1:?}; the owner can allow more with `accept.{0}`"
    )]
    OpenRange(Field, f64),
    /// A period outside [`MIN_PERIOD_S`] to [`MAX_PERIOD_S`].
    #[error("p must be from {MIN_PERIOD_S} to {MAX_PERIOD_S} seconds, not {0}")]
    PeriodRange(f64),
    /// An end before what the stream still accepts.
    #[error("t is {0} seconds ago, more than the {1} seconds that the stream accepts; t is in seconds since 1970")]
    TooOld(f64, i64),
    /// An end too far in the future.
    #[error("t is {0} seconds in the future, more than the {MAX_AHEAD_S} allowed; t is in seconds since 1970")]
    TooFarAhead(f64),
}

/// The parts of a point, as errors name them and `status` counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The numerator.
    N,
    /// The denominator.
    D,
    /// The period.
    P,
    /// The labels.
    V,
    /// The end of the period.
    T,
}

impl Field {
    /// The field's name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::N => "n",
            Self::D => "d",
            Self::P => "p",
            Self::V => "v",
            Self::T => "t",
        }
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

impl PointError {
    /// The invalid field.
    #[must_use]
    pub fn field(self) -> Field {
        match self {
            Self::MissingN | Self::NumeratorRange(_) => Field::N,
            Self::NotFinite(field) | Self::OpenRange(field, _) => field,
            Self::DenominatorRange(_) => Field::D,
            Self::PeriodRange(_) => Field::P,
            Self::TooOld(..) | Self::TooFarAhead(_) => Field::T,
        }
    }
}

impl Point {
    /// A point from what was given, with defaults for the rest.
    ///
    /// # Errors
    /// The first rule that a number breaks.
    #[expect(clippy::cast_precision_loss, reason = "a lateness is a few days")]
    pub fn new(given: &Given, arrival: Arrival) -> Result<Self, PointError> {
        let Arrival { at: now, lateness_s } = arrival;
        let n = given.n.ok_or(PointError::MissingN)?;
        let d = given.d.unwrap_or(1.0);
        let t = given.t.unwrap_or(now);
        let numbers = [(Field::N, n), (Field::D, d), (Field::P, given.p.unwrap_or(1.0)), (Field::T, t)];
        if let Some((field, _)) = numbers.iter().find(|(_, number)| !number.is_finite()) {
            return Err(PointError::NotFinite(*field));
        }
        if n.abs() > MAX_NUMBER {
            return Err(PointError::NumeratorRange(n));
        }
        if d != 0.0 && !(MIN_DENOMINATOR..=MAX_NUMBER).contains(&d) {
            return Err(PointError::DenominatorRange(d));
        }
        if let Some(p) = given.p.filter(|p| !(MIN_PERIOD_S..=MAX_PERIOD_S).contains(p)) {
            return Err(PointError::PeriodRange(p));
        }
        if now - t > lateness_s as f64 {
            return Err(PointError::TooOld((now - t).round(), lateness_s));
        }
        if t - now > MAX_AHEAD_S {
            return Err(PointError::TooFarAhead((t - now).round()));
        }
        Ok(Self { n, d, p: given.p, t })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_792_540_800.0;

    fn with(change: impl Fn(&mut Given)) -> Result<Point, PointError> {
        let mut given = Given { n: Some(1.0), ..Given::default() };
        change(&mut given);
        Point::new(&given, Arrival { at: NOW, lateness_s: 3600 })
    }

    #[test]
    fn absent_numbers_have_their_defaults() {
        assert_eq!(with(|_| ()), Ok(Point { n: 1.0, d: 1.0, p: None, t: NOW }));
    }

    #[test]
    fn ranges_are_inclusive() {
        for n in [MAX_NUMBER, -MAX_NUMBER, 5e-324] {
            assert!(with(|g| g.n = Some(n)).is_ok());
        }
        for n in [1.000_000_1e100, -1e101, f64::MAX] {
            assert_eq!(with(|g| g.n = Some(n)), Err(PointError::NumeratorRange(n)));
        }
        for d in [0.0, -0.0, MIN_DENOMINATOR, MAX_NUMBER] {
            assert!(with(|g| g.d = Some(d)).is_ok());
        }
        for d in [-0.5, 9.9e-101, 5e-324, 1.1e100] {
            assert_eq!(with(|g| g.d = Some(d)), Err(PointError::DenominatorRange(d)));
        }
        assert!(with(|g| g.p = Some(MIN_PERIOD_S)).is_ok());
        assert_eq!(with(|g| g.p = Some(0.000_999)), Err(PointError::PeriodRange(0.000_999)));
        assert!(with(|g| g.p = Some(MAX_PERIOD_S)).is_ok());
        assert_eq!(with(|g| g.p = Some(86_400.5)), Err(PointError::PeriodRange(86_400.5)));
        assert_eq!(with(|g| g.p = Some(0.0)), Err(PointError::PeriodRange(0.0)));
        assert!(with(|g| g.t = Some(NOW - 3600.0)).is_ok());
        assert_eq!(with(|g| g.t = Some(NOW - 3601.0)), Err(PointError::TooOld(3601.0, 3600)));
        assert!(with(|g| g.t = Some(NOW + MAX_AHEAD_S)).is_ok());
        assert_eq!(with(|g| g.t = Some(NOW + 61.0)), Err(PointError::TooFarAhead(61.0)));
    }

    #[test]
    fn every_number_must_be_finite() {
        assert_eq!(with(|g| g.n = None), Err(PointError::MissingN));
        assert_eq!(with(|g| g.n = Some(f64::INFINITY)), Err(PointError::NotFinite(Field::N)));
        assert_eq!(with(|g| g.d = Some(f64::NAN)), Err(PointError::NotFinite(Field::D)));
        assert_eq!(with(|g| g.p = Some(f64::INFINITY)), Err(PointError::NotFinite(Field::P)));
        assert_eq!(with(|g| g.t = Some(f64::NEG_INFINITY)), Err(PointError::NotFinite(Field::T)));
    }
}
