//! In which steps a target's leaves are fetched. Cells merge exactly, so a window with more points than the reader wants is
//! fetched in wider steps, and functions see those. What a target says itself of steps is respected.

use crate::domain::retention::Retention;
use crate::domain::tier::{Tier, floor_to};
use crate::domain::window::{MAX_STEPS, Window};

use super::evaluate::Scope;
use super::target::{Expr, Literal};
use super::time::offset_s;

/// The widths that are used; beyond, whole days.
const WIDTHS_S: [i64; 16] =
    [10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400];
/// Functions whose intervals steps must divide, and which argument the interval is.
const BY_INTERVAL: [(&str, usize); 13] = [
    ("summarize", 1),
    ("smartSummarize", 1),
    ("hitcount", 1),
    ("integralByInterval", 1),
    ("movingAverage", 1),
    ("movingMedian", 1),
    ("movingSum", 1),
    ("movingMin", 1),
    ("movingMax", 1),
    ("movingWindow", 1),
    ("exponentialMovingAverage", 1),
    ("holtWintersForecast", 2),
    ("holtWintersConfidenceBands", 3),
];

/// What decides about steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// At most so many points, unless the target says how points are put together.
    max_points: Option<i64>,
    /// Intervals that are multiples of the step.
    intervals_s: Vec<i64>,
}

impl Steps {
    /// What a target and a request that wants at most so many points say.
    #[must_use]
    pub fn of(target: &Expr, max_points: Option<i64>) -> Self {
        let mut steps = Self { max_points, intervals_s: Vec::new() };
        steps.look(target);
        steps
    }

    fn look(&mut self, expr: &Expr) {
        match expr {
            Expr::Template(inner, _) => self.look(inner),
            Expr::Call(call) => {
                if matches!(call.name.as_str(), "consolidateBy" | "cumulative") {
                    self.max_points = None;
                }
                let place = BY_INTERVAL.iter().find(|(name, _)| *name == call.name).map(|(_, place)| *place);
                let given = place.and_then(|place| call.args.get(place));
                let named = call.kwargs.iter().map(|(_, value)| value);
                let texts = given.into_iter().chain(named.filter(|_| place.is_some()));
                for text in texts {
                    if let Expr::Literal(Literal::Text(text)) = text {
                        self.intervals_s.extend(offset_s(text).ok().map(i64::abs).filter(|seconds| *seconds > 0));
                    }
                }
                call.args.iter().chain(call.kwargs.iter().map(|(_, value)| value)).for_each(|arg| self.look(arg));
            }
            Expr::Path(_) | Expr::Literal(_) => (),
        }
    }

    /// The window of a scope; `None` where it has nothing yet, or no more.
    #[must_use]
    pub fn window(&self, scope: Scope, now_s: i64, retention: &Retention) -> Option<Window> {
        let until_s = scope.until_s.min(now_s);
        let from_s = scope.from_s.max(retention.start_s(Tier::D1, now_s).unwrap_or(i64::MIN)).max(0);
        if from_s > until_s {
            return None;
        }
        let window = |step_s: i64| {
            let behind = |at_s: i64| floor_to(at_s, step_s) + step_s;
            let (from_s, to_s) = (behind(from_s), behind(until_s));
            Window::aligned(from_s, to_s.max(from_s + step_s), step_s).ok()
        };
        let is_kept =
            |step_s: i64| retention.start_s(Tier::for_step(step_s), now_s).is_none_or(|start_s| start_s <= from_s);
        let widths = WIDTHS_S.into_iter().chain((2..=400).map(|days| days * 86_400));
        let mut possible = widths.filter(|step_s| is_kept(*step_s)).filter_map(window).peekable();
        let finest = *possible.peek()?;
        let max_points = self.max_points.unwrap_or(MAX_STEPS);
        let mut last = finest;
        let mut divides = None;
        for window in possible {
            let fits = window.steps() <= max_points;
            if self.intervals_s.iter().all(|interval_s| interval_s % window.step_s() == 0) {
                divides = Some(window);
            }
            last = window;
            if fits {
                break;
            }
        }
        // The widest that divides all intervals, or the finest, which misses them least.
        Some(if self.intervals_s.is_empty() { last } else { divides.unwrap_or(finest) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphite::target::parse;

    const NOW: i64 = 1_792_540_800;
    const DAY: i64 = 86_400;

    fn window(target: &str, span_s: i64, max_points: Option<i64>) -> (i64, i64) {
        let steps = Steps::of(&parse(target).expect("a target"), max_points);
        let scope = Scope { from_s: NOW - span_s, until_s: NOW };
        let window = steps.window(scope, NOW, &Retention::default()).expect("some");
        (window.step_s(), window.steps())
    }

    #[test]
    fn steps_are_the_finest_that_give_few_enough_points() {
        assert_eq!(window("a", 3600, None), (10, 360));
        assert_eq!(window("a", 3600, Some(360)), (10, 360));
        assert_eq!(window("a", 3600, Some(359)), (20, 180));
        assert_eq!(window("a", 6 * 3600, Some(300)), (120, 180));
        assert_eq!(window("a", 7 * DAY, Some(1000)), (1200, 504));
        assert_eq!(window("a", 7 * DAY, None), (60, 10_080));
        assert_eq!(window("a", 8 * DAY, None), (120, 5760), "at most 11,000");
        assert_eq!(window("a", 30 * DAY, None), (600, 4320), "minutes are kept for 14 days");
        assert_eq!(window("a", 3600, Some(1)).1, 1);
    }

    #[test]
    fn who_says_how_points_are_put_together_gets_all_of_them() {
        assert_eq!(window("consolidateBy(a,'max')", 3600, Some(10)), (10, 360));
        assert_eq!(window("alias(cumulative(a),'b')", 3600, Some(10)), (10, 360));
    }

    #[test]
    fn intervals_are_whole_steps() {
        assert_eq!(window("summarize(a,'1min')", DAY, Some(100)).0, 60);
        assert_eq!(window("summarize(a,'1h','max')", 7 * DAY, Some(1000)).0, 1200);
        assert_eq!(window("a|summarize('50s')", 3600, Some(60)).0, 10);
        assert_eq!(window("movingAverage(summarize(a,'1h'),'90min')", DAY, Some(10)).0, 1800);
        assert_eq!(window("hitcount(a,intervalString='15s')", 3600, None).0, 10);
        assert_eq!(window("movingAverage(a,5)", DAY, Some(100)).0, 1200);
    }

    #[test]
    fn what_is_not_there_yet_or_no_more_has_no_window() {
        let none = |from_s, until_s, retention: &Retention| {
            Steps::default().window(Scope { from_s, until_s }, NOW, retention).is_none()
        };
        assert!(none(NOW + 1, NOW + 100, &Retention::default()));
        let month = [Tier::M10, Tier::H1, Tier::D1].map(|tier| (tier, Some(30 * DAY)));
        let retention = Retention::default().changed(&month, NOW).expect("valid");
        assert!(none(NOW - 60 * DAY, NOW - 50 * DAY, &retention));
        let partly = Steps::default().window(Scope { from_s: NOW - 60 * DAY, until_s: NOW }, NOW, &retention);
        assert_eq!(partly.map(|window| window.from_s()), Some(NOW - 30 * DAY + 600));
        let future = Steps::default().window(Scope { from_s: NOW - 60, until_s: NOW + 600 }, NOW, &retention);
        assert_eq!(future.map(|window| window.to_s()), Some(NOW + 10));
    }
}
