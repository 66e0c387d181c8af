//! A span of time in steps, and the tier that answers for it.

use super::retention::{RETENTION_MARGIN_S, Retention};
use super::tier::{Layer, Tier, floor_to};

/// The most steps in a window: a month of 5 minutes, or 30 hours of 10 seconds.
pub const MAX_STEPS: i64 = 11_000;
/// The most steps of a window without a given step: it gets the smallest step within this.
pub const DEFAULT_STEPS: i64 = 360;

/// A half-open span of time cut into equal steps. Aligned: both ends are multiples of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from_s: i64,
    to_s: i64,
    step_s: i64,
}

/// Why a window is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// An empty window.
    #[error("`from` must be before `to`")]
    Empty,
    /// A step that is not a multiple of the finest bucket's width.
    #[error("`step` must be a multiple of 10 seconds, not {0} seconds")]
    Step(i64),
    /// More steps than [`MAX_STEPS`].
    #[error("the window has {0} steps, more than the {MAX_STEPS} allowed: use a wider `step` or a shorter window")]
    TooManySteps(i64),
    /// Steps finer than what is kept of that time.
    #[error(
        "steps of {step_s} s are kept only since {start_s} ({ago_s} s ago), and `from` is earlier: use a `step` that is a multiple of {offer_s} s, or a later `from`"
    )]
    NotKept {
        /// The requested width.
        step_s: i64,
        /// The Unix second from which on its tier is kept.
        start_s: i64,
        /// How many seconds ago that is.
        ago_s: i64,
        /// The width of the finest tier that still has `from`.
        offer_s: i64,
    },
    /// A time before everything that is kept.
    #[error("nothing is kept from before {start_s}, in seconds since 1970: use a later `from`")]
    Gone {
        /// The Unix second from which on something is kept.
        start_s: i64,
    },
}

impl WindowError {
    /// Whether another retention would change or prevent this error.
    #[must_use]
    pub fn is_of_retention(self) -> bool {
        matches!(self, Self::NotKept { .. } | Self::Gone { .. })
    }
}

impl Window {
    /// The window that covers `from_ms` to `to_ms` (Unix milliseconds), widened to whole steps, at `now_ms`.
    /// Without a step, the window gets the smallest one that gives at most [`DEFAULT_STEPS`] and whose tier is kept for
    /// as long as the window reaches back.
    ///
    /// # Errors
    /// See [`WindowError`].
    pub fn new(
        from_ms: i64,
        to_ms: i64,
        step_s: Option<i64>,
        now_ms: i64,
        retention: &Retention,
    ) -> Result<Self, WindowError> {
        if from_ms >= to_ms {
            return Err(WindowError::Empty);
        }
        let (from_s, to_s) = (from_ms.div_euclid(1000), -(-to_ms).div_euclid(1000));
        let now_s = now_ms / 1000;
        let missing_s = |tier: Tier| retention.start_s(tier, now_s).filter(|start_s| from_s < *start_s);
        let kept = Tier::ALL.into_iter().find(|tier| missing_s(*tier).is_none()).unwrap_or(Tier::D1);
        let step_s = step_s.unwrap_or_else(|| default_step(from_s, to_s, kept));
        check_step(step_s)?;
        let window = Self::aligned(floor_to(from_s, step_s), ceil_to(to_s, step_s), step_s)?;
        window.check(now_s, missing_s)?;
        window.check_kept(retention, now_s)?;
        Ok(window)
    }

    /// Checks that all of the window is still kept, with the margin for windows that were widened or requested a
    /// moment ago.
    ///
    /// # Errors
    /// [`WindowError::NotKept`] and [`WindowError::Gone`]
    pub fn check_kept(&self, retention: &Retention, now_s: i64) -> Result<(), WindowError> {
        let is_missing = |start_s: &i64| self.from_s < start_s - RETENTION_MARGIN_S;
        self.check(now_s, |tier| retention.start_s(tier, now_s).filter(is_missing))
    }

    /// Since when a tier is kept, if that is too late.
    fn check(&self, now_s: i64, missing_s: impl Fn(Tier) -> Option<i64>) -> Result<(), WindowError> {
        let Some(start_s) = missing_s(self.tier()) else { return Ok(()) };
        let step_s = self.step_s;
        match Tier::ALL.into_iter().find(|tier| missing_s(*tier).is_none()) {
            Some(kept) => {
                Err(WindowError::NotKept { step_s, start_s, ago_s: now_s - start_s, offer_s: kept.width_s() })
            }
            None => Err(WindowError::Gone { start_s: missing_s(Tier::D1).unwrap_or(start_s) }),
        }
    }

    /// Restores a window that [`Self::new`] made.
    ///
    /// # Errors
    /// If its ends are not multiples of the step, or it is too long.
    pub fn aligned(from_s: i64, to_s: i64, step_s: i64) -> Result<Self, WindowError> {
        check_step(step_s)?;
        if from_s % step_s != 0 || to_s % step_s != 0 || from_s >= to_s {
            return Err(WindowError::Empty);
        }
        let window = Self { from_s, to_s, step_s };
        if window.steps() > MAX_STEPS { Err(WindowError::TooManySteps(window.steps())) } else { Ok(window) }
    }

    /// The start, Unix seconds.
    #[must_use]
    pub fn from_s(&self) -> i64 {
        self.from_s
    }

    /// The end, exclusive, in Unix seconds.
    #[must_use]
    pub fn to_s(&self) -> i64 {
        self.to_s
    }

    /// The width of a step in seconds.
    #[must_use]
    pub fn step_s(&self) -> i64 {
        self.step_s
    }

    /// The length in seconds.
    #[must_use]
    pub fn width_s(&self) -> i64 {
        self.to_s - self.from_s
    }

    /// The number of steps.
    #[must_use]
    pub fn steps(&self) -> i64 {
        self.width_s() / self.step_s
    }

    /// The starts of the steps.
    pub fn times(&self) -> impl Iterator<Item = i64> + use<> {
        let Self { from_s, step_s, .. } = *self;
        (0..self.steps()).map(move |step| from_s + step * step_s)
    }

    /// The tier that answers the window.
    #[must_use]
    pub fn tier(&self) -> Tier {
        Tier::for_step(self.step_s)
    }

    /// The layers that contain the window's data: its tier's totals and spreads, and the spreads of coarser tiers.
    #[must_use]
    pub fn layers(&self) -> Vec<Layer> {
        let own = self.tier();
        let coarser = Tier::ALL.into_iter().filter(|tier| *tier > own);
        let spreads = coarser.flat_map(|tier| [Layer::Spread(tier), Layer::EarlierSpread(tier)]);
        let own_spread = Some(Layer::Spread(own)).filter(|_| own != Tier::FINEST);
        std::iter::once(Layer::Total(own)).chain(own_spread).chain(spreads).collect()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "only called within the window")]
    pub(super) fn step_of(&self, at_s: i64) -> u32 {
        ((at_s - self.from_s) / self.step_s) as u32
    }
}

fn check_step(step_s: i64) -> Result<(), WindowError> {
    let is_valid = step_s > 0 && step_s % Tier::FINEST.width_s() == 0;
    if is_valid { Ok(()) } else { Err(WindowError::Step(step_s)) }
}

/// Counts the steps after widening, which adds at most one.
fn default_step(from_s: i64, to_s: i64, kept: Tier) -> i64 {
    let unit_s = kept.width_s();
    let mut step_s = ceil_to((to_s - from_s) / DEFAULT_STEPS, unit_s).max(unit_s);
    while (ceil_to(to_s, step_s) - floor_to(from_s, step_s)) / step_s > DEFAULT_STEPS {
        step_s += unit_s;
    }
    step_s
}

fn ceil_to(at_s: i64, width_s: i64) -> i64 {
    -floor_to(-at_s, width_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_792_540_800;

    /// In seconds, which are easier to read.
    fn window(from_s: i64, to_s: i64, step_s: Option<i64>) -> Result<Window, WindowError> {
        Window::new(from_s * 1000, to_s * 1000, step_s, NOW * 1000, &Retention::default())
    }

    #[test]
    fn the_default_step_is_the_smallest_that_gives_at_most_360() {
        for width_s in [10, 3600, 3601, 86_400, 7 * 86_400, 400 * 86_400] {
            for shift_s in [0, 1, 9, 59, 1234] {
                let (from_s, to_s) = (NOW - width_s - shift_s, NOW - shift_s);
                let chosen = window(from_s, to_s, None).expect("valid");
                assert!(chosen.steps() <= DEFAULT_STEPS, "{chosen:?}");
                let finer = window(from_s, to_s, Some(chosen.step_s() - 10));
                assert!(finer.is_err() || finer.is_ok_and(|finer| finer.steps() > DEFAULT_STEPS), "{chosen:?}");
            }
        }
        assert_eq!(window(NOW - 3600, NOW, None).expect("valid").step_s(), 10);
        assert_eq!(window(NOW - 3605, NOW - 5, None).expect("valid").step_s(), 20);
    }

    #[test]
    fn the_window_is_widened_to_whole_steps() {
        let minutes = window(NOW - 61, NOW + 1, Some(60)).expect("valid");
        assert_eq!((minutes.from_s(), minutes.to_s(), minutes.steps()), (NOW - 120, NOW + 60, 3));
        assert_eq!(minutes.times().collect::<Vec<_>>(), [NOW - 120, NOW - 60, NOW]);
        let within_a_second =
            Window::new(NOW * 1000 + 250, NOW * 1000 + 500, Some(10), NOW * 1000, &Retention::default())
                .expect("valid");
        assert_eq!((within_a_second.from_s(), within_a_second.to_s()), (NOW, NOW + 10));
    }

    #[test]
    fn windows_that_cannot_be_answered_are_rejected() {
        assert_eq!(window(NOW, NOW, None), Err(WindowError::Empty));
        assert_eq!(window(NOW - 60, NOW, Some(15)), Err(WindowError::Step(15)));
        assert_eq!(window(NOW - 60, NOW, Some(0)), Err(WindowError::Step(0)));
        assert!(window(NOW - MAX_STEPS * 10, NOW, Some(10)).is_ok());
        assert_eq!(window(NOW - MAX_STEPS * 10 - 1, NOW, Some(10)), Err(WindowError::TooManySteps(11_001)));
        let three_days_ago = NOW - 3 * 86_400;
        assert!(window(three_days_ago, three_days_ago + 60, Some(60)).is_ok());
        let not_kept = window(three_days_ago, three_days_ago + 60, Some(10));
        assert!(matches!(not_kept, Err(WindowError::NotKept { offer_s: 60, ago_s: 172_800, .. })));
    }

    #[test]
    fn windows_respect_the_retention_of_the_owner() {
        const DAY: i64 = 86_400;
        let month = [Tier::M10, Tier::H1, Tier::D1].map(|tier| (tier, Some(30 * DAY)));
        let retention = Retention::default().changed(&month, NOW).expect("valid");
        let new = |ago_s: i64, step_s| {
            Window::new((NOW - ago_s) * 1000, NOW * 1000, step_s, NOW * 1000, &retention).map(|window| window.step_s())
        };
        assert_eq!(new(30 * DAY, Some(600)), Ok(600));
        let start_s = NOW - 30 * DAY;
        assert_eq!(new(30 * DAY + 1, Some(600)), Err(WindowError::Gone { start_s }));
        assert_eq!(new(400 * DAY, None), Err(WindowError::Gone { start_s }));
        let not_kept = |start_s, ago_s, offer_s| Err(WindowError::NotKept { step_s: 60, start_s, ago_s, offer_s });
        let to_ms = (NOW - 14 * DAY) * 1000;
        let minutes = Window::new((NOW - 15 * DAY) * 1000, to_ms, Some(60), NOW * 1000, &retention).map(|_| ());
        assert_eq!(minutes, not_kept(NOW - 14 * DAY, 14 * DAY, 600));
        let raised = Retention::default().changed(&[(Tier::S10, Some(14 * DAY))], NOW).expect("valid");
        let ten_days = Window::new((NOW - 7 * DAY) * 1000, NOW * 1000, None, NOW * 1000, &raised).expect("valid");
        assert!(ten_days.tier() > Tier::S10, "what was gone when more was kept is still gone: {ten_days:?}");
    }

    #[test]
    fn a_window_is_kept_for_a_moment_but_not_for_a_day() {
        let window = Window::aligned(NOW - 2 * 86_400, NOW - 86_400, 10).expect("valid");
        assert_eq!(window.check_kept(&Retention::default(), NOW + 86_400), Ok(()));
        let later = window.check_kept(&Retention::default(), NOW + 86_401);
        assert!(matches!(later, Err(WindowError::NotKept { offer_s: 60, .. })), "{later:?}");
    }
}
