//! Chooses the steps at which a target's leaves are fetched. Cells merge exactly, so a window with more points than
//! the reader wants is fetched at wider steps, and functions see those. All leaves of a target have the same steps,
//! so that functions can combine them. Steps that the target itself sets are respected.

use model::retention::Retention;
use model::tier::{Tier, floor_to};
use model::window::{MAX_STEPS, Window};

use super::evaluate::Scope;

/// The widths that are used; beyond these, whole days.
const WIDTHS_S: [i64; 16] =
    [10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400];

/// What a stream keeps, and until when.
#[derive(Clone, Copy, Debug)]
pub struct RetentionNow<'a> {
    /// How long each step is kept.
    pub retention: &'a Retention,
    /// Unix second.
    pub now_s: i64,
}

impl RetentionNow<'_> {
    /// The part of a scope for which data may exist.
    fn part(&self, scope: Scope) -> Option<Scope> {
        let until_s = scope.until_s.min(self.now_s);
        let from_s = scope.from_s.max(self.start_s(Tier::D1).unwrap_or(i64::MIN)).max(0);
        (from_s <= until_s).then_some(Scope { from_s, until_s })
    }

    fn start_s(&self, tier: Tier) -> Option<i64> {
        self.retention.start_s(tier, self.now_s)
    }

    /// The window of such a part; `None` if such steps are not kept, or are too many.
    fn window(&self, Scope { from_s, until_s }: Scope, step_s: i64) -> Option<Window> {
        let after = |at_s: i64| floor_to(at_s, step_s) + step_s;
        let is_kept = self.start_s(Tier::for_step(step_s)).is_none_or(|start_s| start_s <= from_s);
        let (from_s, to_s) = (after(from_s), after(until_s));
        is_kept.then(|| Window::aligned(from_s, to_s.max(from_s + step_s), step_s).ok())?
    }
}

/// The steps of a target. They are chosen for the time range of the request. They change if a function needs a time
/// range for which such steps are not kept or are too many, or sets an interval that they should divide. The target
/// is then evaluated again; as steps only become wider, except for intervals, this terminates.
#[derive(Clone, Debug)]
pub struct Steps {
    /// The target's time range.
    base: Scope,
    /// The most points in that range, unless the target sets its consolidation.
    max_points: Option<i64>,
    /// Intervals that are multiples of the step.
    intervals_s: Vec<i64>,
    /// The scopes that have made them wider.
    others: Vec<Scope>,
    /// `None` before the first fetch.
    step_s: Option<i64>,
    /// Whether they have stayed the same since the evaluation began.
    is_held: bool,
}

impl Steps {
    /// The steps of a target with this time range and at most this many points.
    #[must_use]
    pub fn new(base: Scope, max_points: Option<i64>) -> Self {
        let (intervals_s, others) = (Vec::new(), Vec::new());
        Self { base, max_points, intervals_s, others, step_s: None, is_held: true }
    }

    /// Starts an evaluation of the target, which may be a repeated one.
    pub fn begin(&mut self) {
        self.is_held = true;
    }

    /// Whether all windows of this evaluation had the same steps.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// Makes them divide an interval, if they can.
    pub fn divide(&mut self, interval_s: i64, kept: RetentionNow<'_>) {
        if !self.intervals_s.contains(&interval_s) {
            self.intervals_s.push(interval_s);
            self.chosen_anew(kept);
        }
    }

    /// Makes them the finest.
    pub fn keep_points(&mut self, kept: RetentionNow<'_>) {
        if self.max_points.take().is_some() {
            self.chosen_anew(kept);
        }
    }

    fn chosen_anew(&mut self, kept: RetentionNow<'_>) {
        // The scope that made them wider may have been longer than it is at these steps.
        self.others.clear();
        self.change(kept);
    }

    fn change(&mut self, kept: RetentionNow<'_>) {
        let before = self.step_s;
        self.step_s = before.and_then(|_| self.chosen(kept));
        self.is_held &= self.step_s == before;
    }

    /// The window of a scope; `None` if there is no data for it yet or no longer, or if the steps had to change for
    /// it.
    #[must_use]
    pub fn window(&mut self, scope: Scope, kept: RetentionNow<'_>) -> Option<Window> {
        let part = kept.part(scope)?;
        if self.step_s.is_none() {
            self.step_s = self.chosen(kept);
        }
        let window = self.step_s.and_then(|step_s| kept.window(part, step_s));
        if window.is_none() {
            self.others.push(scope);
            self.change(kept);
        }
        window.filter(|_| self.is_held)
    }

    /// The finest step that is kept for all scopes and gives few enough points. With intervals, the widest step up
    /// to it that divides all of them, or else the finest that exists, which misses them least.
    fn chosen(&self, kept: RetentionNow<'_>) -> Option<i64> {
        let base = kept.part(self.base);
        let parts: Vec<Scope> =
            base.into_iter().chain(self.others.iter().filter_map(|scope| kept.part(*scope))).collect();
        let widths = WIDTHS_S.into_iter().chain((2..=400).map(|days| days * 86_400));
        let is_possible = |step_s: &i64| parts.iter().all(|part| kept.window(*part, *step_s).is_some());
        let points = |step_s: i64| base.and_then(|base| kept.window(base, step_s)).map_or(0, |window| window.steps());
        let max_points = self.max_points.unwrap_or(MAX_STEPS);
        let (mut finest, mut last, mut divides) = (None, None, None);
        for step_s in widths.filter(is_possible) {
            finest = finest.or(Some(step_s));
            last = Some(step_s);
            if self.intervals_s.iter().all(|interval_s| interval_s % step_s == 0) {
                divides = last;
            }
            if points(step_s) <= max_points {
                break;
            }
        }
        if self.intervals_s.is_empty() { last } else { divides.or(finest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_792_540_800;
    const DAY: i64 = 86_400;

    fn kept(retention: &Retention) -> RetentionNow<'_> {
        RetentionNow { retention, now_s: NOW }
    }

    fn last(span_s: i64) -> Scope {
        Scope { from_s: NOW - span_s, until_s: NOW }
    }

    /// Step and number of steps of the time range, for a target that sets these intervals and also needs these
    /// ranges.
    fn chosen(span_s: i64, max_points: Option<i64>, intervals_s: &[i64], others: &[Scope]) -> (i64, i64) {
        let retention = Retention::default();
        let kept = kept(&retention);
        let mut steps = Steps::new(last(span_s), max_points);
        loop {
            steps.begin();
            let window = steps.window(last(span_s), kept);
            for interval_s in intervals_s {
                steps.divide(*interval_s, kept);
            }
            for other in others {
                let _is_there = steps.window(*other, kept).is_some();
            }
            if steps.is_held() {
                let window = window.expect("there is something");
                return (window.step_s(), window.steps());
            }
        }
    }

    #[test]
    fn steps_are_the_finest_that_give_few_enough_points() {
        for (span_s, max_points, wanted) in [
            (3600, None, (10, 360)),
            (3600, Some(360), (10, 360)),
            (3600, Some(359), (20, 180)),
            (6 * 3600, Some(300), (120, 180)),
            (7 * DAY, Some(1000), (1200, 504)),
            (7 * DAY, None, (60, 10_080)),
            // At most 11,000 steps.
            (8 * DAY, None, (120, 5760)),
            // Minutes are kept for 14 days.
            (30 * DAY, None, (600, 4320)),
        ] {
            assert_eq!(chosen(span_s, max_points, &[], &[]), wanted, "{span_s} {max_points:?}");
        }
        assert_eq!(chosen(3600, Some(1), &[], &[]).1, 1);
    }

    #[test]
    fn all_ranges_of_a_target_have_steps_kept_for_all() {
        let shifted = |by_s: i64| last(3600).moved(-by_s);
        assert_eq!(chosen(3600, None, &[], &[shifted(DAY)]).0, 10);
        assert_eq!(chosen(3600, None, &[], &[shifted(3 * DAY)]), (60, 60));
        assert_eq!(chosen(3600, None, &[], &[shifted(DAY), shifted(20 * DAY), shifted(3 * DAY)]).0, 600);
        // An hour a week ago makes the steps wide enough, but not so wide that the hour has few points.
        assert_eq!(chosen(3600, Some(100), &[], &[last(7 * DAY + 3600)]), (60, 60));
        assert_eq!(chosen(3600, Some(30), &[], &[last(7 * DAY + 3600)]), (120, 30));
        assert_eq!(chosen(3600, None, &[], &[last(30 * DAY)]).0, 600);
    }

    #[test]
    fn a_target_that_sets_consolidation_gets_all_points() {
        let retention = Retention::default();
        let mut steps = Steps::new(last(3600), Some(10));
        assert_eq!(steps.window(last(3600), kept(&retention)).map(|window| window.step_s()), Some(600));
        steps.keep_points(kept(&retention));
        assert!(!steps.is_held());
        steps.begin();
        assert_eq!(steps.window(last(3600), kept(&retention)).map(|window| window.step_s()), Some(10));
        assert!(steps.is_held());
    }

    #[test]
    fn intervals_are_multiples_of_the_step() {
        assert_eq!(chosen(DAY, Some(100), &[60], &[]).0, 60);
        assert_eq!(chosen(7 * DAY, Some(1000), &[3600], &[]).0, 1200);
        assert_eq!(chosen(3600, Some(60), &[50], &[]).0, 10);
        assert_eq!(chosen(DAY, Some(10), &[5400, 3600], &[]).0, 1800);
        assert_eq!(chosen(3600, None, &[15], &[]).0, 10);
        // From three days ago nothing finer than a minute is kept.
        assert_eq!(chosen(3600, None, &[90], &[last(3600).moved(-3 * DAY)]).0, 60);
    }

    #[test]
    fn a_range_without_data_has_no_window() {
        let window = |from_s, until_s, retention: &Retention| {
            let scope = Scope { from_s, until_s };
            Steps::new(scope, None).window(scope, kept(retention))
        };
        assert!(window(NOW + 1, NOW + 100, &Retention::default()).is_none());
        let month = [Tier::M10, Tier::H1, Tier::D1].map(|tier| (tier, Some(30 * DAY)));
        let retention = Retention::default().changed(&month, NOW).expect("valid");
        assert!(window(NOW - 60 * DAY, NOW - 50 * DAY, &retention).is_none());
        let partly = window(NOW - 60 * DAY, NOW, &retention);
        assert_eq!(partly.map(|window| window.from_s()), Some(NOW - 30 * DAY + 600));
        let future = window(NOW - 60, NOW + 600, &retention);
        assert_eq!(future.map(|window| window.to_s()), Some(NOW + 10));
    }
}
