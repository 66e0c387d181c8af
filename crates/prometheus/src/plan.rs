//! Plans which cells answer a selector, so that each time gets the sums of whole buckets.
//!
//! Times are rounded down to buckets, and ranges up. Buckets are as wide as evenly divides start, step, range and
//! offset, but at least 10 s. They are wider where those are no longer kept or would be more than [`MAX_STEPS`]. A
//! single time is answered from the widest buckets that fit between its ends, which are rounded to the finest
//! buckets kept there.

use model::retention::Retention;
use model::tier::{Tier, floor_to};
use model::window::{MAX_STEPS, Window};

const FINEST_S: i64 = 10;
/// The bucket widths used if the exact one is too narrow; beyond these, whole days.
const WIDTHS_S: [i64; 16] =
    [10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400];
/// The most finest buckets for which a single range is read as one.
const FEW: i64 = 60;
/// How far in the future points may end; a request may also take a moment.
const AHEAD_S: i64 = 90;

/// The times of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The first, Unix milliseconds.
    pub start_ms: i64,
    /// The milliseconds between two.
    pub step_ms: i64,
    /// The number of times.
    pub count: usize,
}

impl Times {
    /// All times, Unix milliseconds.
    pub fn iter(&self) -> impl Iterator<Item = i64> + use<> {
        let Self { start_ms, step_ms, .. } = *self;
        (0..).map(move |at| start_ms + at * step_ms).take(self.count)
    }
}

/// The span of buckets for each time, as a half-open range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The windows to read: consecutive buckets without gaps.
    pub windows: Vec<Window>,
    /// Start and end of the buckets of each time, Unix seconds; equal if nothing is kept.
    pub spans: Vec<(i64, i64)>,
}

/// The stream's retention, and the current time.
#[derive(Clone, Copy, Debug)]
pub struct RetentionNow<'a> {
    /// How long buckets are kept.
    pub retention: &'a Retention,
    /// Unix milliseconds.
    pub now_ms: i64,
}

impl RetentionNow<'_> {
    fn start_s(&self, tier: Tier) -> Option<i64> {
        self.retention.start_s(tier, self.now_ms / 1000)
    }

    /// The earliest start: nothing earlier is kept or requested. 27 years are fewer days than a window may have.
    fn begin_s(&self) -> i64 {
        let oldest_s = self.now_ms / 1000 - 10_000 * 86_400;
        self.start_s(Tier::D1).map_or(oldest_s, |start_s| start_s.max(oldest_s))
    }

    fn has(&self, step_s: i64, from_s: i64) -> bool {
        self.start_s(Tier::for_step(step_s)).is_none_or(|start_s| start_s <= from_s)
    }

    /// The finest buckets that exist at a time.
    fn finest(&self, at_s: i64) -> i64 {
        Tier::ALL
            .into_iter()
            .map(Tier::width_s)
            .find(|width_s| self.has(*width_s, floor_to(at_s, *width_s)))
            .unwrap_or(86_400)
    }
}

/// Plans ranges of this many milliseconds that end at the times.
#[must_use]
pub fn of_ranges(times: &Times, range_ms: i64, offset_ms: i64, kept: RetentionNow<'_>) -> Plan {
    let range_s = range_ms.div_euclid(1000) + i64::from(range_ms % 1000 > 0);
    let (first_s, last_s) = ends(times, offset_ms);
    if times.count == 1 {
        let hi = floor_to(last_s, FINEST_S);
        let lo = hi - ceil_to(range_s, FINEST_S);
        let (windows, lo, hi) = pieces(lo, hi, kept);
        return Plan { windows, spans: vec![(lo, hi)] };
    }
    let width_s = width(times, range_s, offset_ms, kept, first_s - range_s, last_s);
    let spans = spans(times, offset_ms, |end_s| {
        let hi = floor_to(end_s, width_s);
        (hi - ceil_to(range_s, width_s), hi)
    });
    let (lo, hi) = (spans.first().map_or(0, |span| span.0), spans.last().map_or(0, |span| span.1));
    Plan { windows: window(lo, hi, width_s, kept), spans }
}

/// Plans everything after the times: the increase of counters since then. A time that is practically now has
/// nothing after it.
#[must_use]
pub fn of_rest(times: &Times, offset_ms: i64, kept: RetentionNow<'_>) -> Plan {
    let now_s = kept.now_ms / 1000;
    let end_s = ceil_to(now_s + AHEAD_S, FINEST_S);
    let is_now = |at_s: i64| at_s >= floor_to(now_s, FINEST_S);
    let (first_s, last_s) = ends(times, offset_ms);
    if is_now(first_s) {
        return Plan { windows: Vec::new(), spans: vec![(end_s, end_s); times.count] };
    }
    let width_s = if times.count == 1 { FINEST_S } else { width(times, 0, offset_ms, kept, first_s, last_s) };
    let (lo, hi) = (floor_to(first_s, width_s), floor_to(last_s.min(now_s), width_s));
    let (rest, hi, end_s) = pieces(hi, end_s, kept);
    let mut windows = window(lo, hi, width_s, kept);
    windows.extend(rest);
    let lo = windows.first().map_or(end_s, Window::from_s);
    let spans = spans(times, offset_ms, |at_s| {
        let from_s = if times.count == 1 { hi } else { floor_to(at_s, width_s).clamp(lo, end_s) };
        (if is_now(at_s) { end_s } else { from_s }, end_s)
    });
    Plan { windows, spans }
}

fn ends(times: &Times, offset_ms: i64) -> (i64, i64) {
    #[expect(clippy::cast_possible_wrap, reason = "at most 11,001")]
    let last_ms = times.start_ms + times.step_ms * (times.count as i64 - 1);
    ((times.start_ms - offset_ms).div_euclid(1000), (last_ms - offset_ms).div_euclid(1000))
}

fn spans(times: &Times, offset_ms: i64, span: impl Fn(i64) -> (i64, i64)) -> Vec<(i64, i64)> {
    times.iter().map(|at_ms| span((at_ms - offset_ms).div_euclid(1000))).collect()
}

/// One window, or `None` if it would be empty.
fn window(from_s: i64, to_s: i64, width_s: i64, kept: RetentionNow<'_>) -> Vec<Window> {
    Window::aligned(from_s.max(ceil_to(kept.begin_s(), width_s)), to_s, width_s).into_iter().collect()
}

/// The width of buckets for many times.
fn width(times: &Times, range_s: i64, offset_ms: i64, kept: RetentionNow<'_>, from_s: i64, to_s: i64) -> i64 {
    let all_ms = [times.start_ms, times.step_ms, offset_ms, range_s * 1000];
    let fitting_ms = all_ms.into_iter().fold(0, |one, other| gcd(one, other.abs()));
    let fitting_s = if fitting_ms % (FINEST_S * 1000) == 0 { (fitting_ms / 1000).max(FINEST_S) } else { FINEST_S };
    let wider = WIDTHS_S.into_iter().chain((2..=400).map(|days| days * 86_400));
    let fits = |width_s: &i64| {
        let from_s = floor_to(from_s, *width_s);
        kept.has(*width_s, from_s) && (to_s - from_s) / width_s < MAX_STEPS
    };
    let mut widths = std::iter::once(fitting_s).chain(wider.filter(|width_s| *width_s > fitting_s));
    widths.find(fits).unwrap_or_else(|| fitting_s.max(86_400))
}

/// The widest buckets between two times that are made of whole finest ones, and the part of the times for which
/// they are kept.
fn pieces(lo: i64, hi: i64, kept: RetentionNow<'_>) -> (Vec<Window>, i64, i64) {
    let lo = lo.max(ceil_to(kept.begin_s(), 86_400).min(hi));
    let lo = floor_to(lo, kept.finest(lo));
    if (hi - lo) / FINEST_S <= FEW && kept.has(FINEST_S, lo) {
        return (window(lo, hi, FINEST_S, kept), lo, hi.max(lo));
    }
    let mut windows = Vec::new();
    let mut at = lo;
    let mut push = |to: i64, width_s: i64, at: &mut i64| {
        if to > *at && kept.has(width_s, *at) {
            windows.extend(Window::aligned(*at, to, width_s));
            *at = to;
        }
    };
    let widths: Vec<i64> = Tier::ALL.into_iter().map(Tier::width_s).collect();
    for pair in widths.windows(2) {
        let to = ceil_to(at, pair[1]);
        if to <= hi {
            push(to, pair[0], &mut at);
        }
    }
    for width_s in widths.into_iter().rev() {
        if at % width_s == 0 {
            push(floor_to(hi, width_s), width_s, &mut at);
        }
    }
    (windows, lo, at)
}

fn gcd(one: i64, other: i64) -> i64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

fn ceil_to(at_s: i64, width_s: i64) -> i64 {
    -floor_to(-at_s, width_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_792_540_800;
    const DAY: i64 = 86_400;

    fn times(start_s: i64, step_s: i64, count: usize) -> Times {
        Times { start_ms: start_s * 1000, step_ms: step_s * 1000, count }
    }

    fn kept(retention: &Retention) -> RetentionNow<'_> {
        RetentionNow { retention, now_ms: NOW * 1000 }
    }

    /// Checks that windows have no gaps and cover the spans.
    fn check(plan: &Plan) {
        assert!(plan.windows.windows(2).all(|pair| pair[0].to_s() == pair[1].from_s()), "{plan:?}");
        let (from_s, to_s) = (plan.windows[0].from_s(), plan.windows[plan.windows.len() - 1].to_s());
        assert!(plan.spans.iter().all(|(lo, hi)| *lo >= from_s && *hi <= to_s && lo <= hi), "{plan:?}");
        for window in &plan.windows {
            assert_eq!(window.check_kept(&Retention::default(), NOW), Ok(()));
        }
    }

    #[test]
    fn buckets_are_the_widest_that_divide_the_query_times() {
        let retention = Retention::default();
        let steps = |times, range_s: i64| {
            let plan = of_ranges(&times, range_s * 1000, 0, kept(&retention));
            check(&plan);
            (plan.windows[0].step_s(), plan.spans[0].1 - plan.spans[0].0)
        };
        assert_eq!(steps(times(NOW - 3600, 60, 61), 300), (60, 300));
        assert_eq!(steps(times(NOW - 3600, 15, 241), 60), (10, 60));
        assert_eq!(steps(times(NOW - 3600, 15, 241), 65), (10, 70), "a range is rounded up");
        assert_eq!(steps(times(NOW - 30 * DAY, 60, 10), 60), (600, 600), "what is kept of that time");
        assert_eq!(steps(times(NOW - 10 * DAY, 60, 11_001), 60), (120, 120), "at most so many");
        assert_eq!(steps(times(NOW - 7 * DAY, DAY, 7), DAY), (DAY, DAY));
        assert_eq!(steps(times(NOW - 7 * DAY, 3 * DAY, 3), 3 * DAY).1, 3 * DAY);
    }

    #[test]
    fn a_single_range_uses_the_widest_buckets_between_its_ends() {
        let retention = Retention::default();
        let plan = |at_s, range_s: i64| {
            let plan = of_ranges(&times(at_s, 1, 1), range_s * 1000, 0, kept(&retention));
            check(&plan);
            (plan.windows.iter().map(Window::step_s).collect::<Vec<_>>(), plan.spans[0])
        };
        assert_eq!(plan(NOW - 3, 300), (vec![10], (NOW - 310, NOW - 10)));
        assert_eq!(plan(NOW, 3600), (vec![3600], (NOW - 3600, NOW)));
        assert_eq!(plan(NOW - 20, DAY), (vec![10, 3600, 600, 60, 10], (NOW - DAY - 20, NOW - 20)));
        let (widths, span) = plan(NOW - 25, 30 * DAY);
        assert_eq!(widths, [600, 86_400, 3600, 600, 60, 10]);
        assert_eq!(span, (NOW - 30 * DAY - 600, NOW - 30), "the finest of thirty days ago");
    }

    #[test]
    fn the_span_after_a_time_ends_after_now() {
        let retention = Retention::default();
        let plan = of_rest(&times(NOW - 600, 60, 11), 0, kept(&retention));
        check(&plan);
        assert_eq!((plan.spans[0], plan.spans[10]), ((NOW - 600, NOW + 90), (NOW + 90, NOW + 90)));
        let old = of_rest(&times(NOW - 40 * DAY, 3600, 24), 0, kept(&retention));
        check(&old);
        assert_eq!(of_rest(&times(NOW + 5, 1, 1), 0, kept(&retention)).windows, []);
        check(&of_rest(&times(NOW - 33, 1, 1), 7000, kept(&retention)));
    }

    #[test]
    fn expired_times_have_no_buckets() {
        let month = [Tier::M10, Tier::H1, Tier::D1].map(|tier| (tier, Some(30 * DAY)));
        let retention = Retention::default().changed(&month, NOW).expect("valid");
        let gone = of_ranges(&times(NOW - 90 * DAY, 3600, 24), 3_600_000, 0, kept(&retention));
        assert_eq!((gone.windows, gone.spans.len()), (Vec::new(), 24));
        let single = of_ranges(&times(NOW - 90 * DAY, 1, 1), 3_600_000, 0, kept(&retention));
        assert_eq!(single.windows, []);
        let partly = of_ranges(&times(NOW, 1, 1), 60 * DAY * 1000, 0, kept(&retention));
        assert!(partly.windows[0].from_s() >= NOW - 30 * DAY, "{partly:?}");
    }

    proptest! {
        #[test]
        fn any_query_has_kept_windows_without_gaps(
            start_s in prop_oneof![NOW - 100..NOW + 100, NOW - 100 * DAY..NOW, 0i64..1000],
            step_s in prop_oneof![1i64..100, Just(3600i64), Just(86_400)],
            count in prop_oneof![Just(1usize), 2usize..11_001],
            range_s in prop_oneof![1i64..1000, Just(3600i64), Just(30 * DAY), Just(36_500 * DAY)],
            offset_s in prop_oneof![Just(0i64), -100i64..100, Just(DAY)],
            kept_days in prop::option::of(1i64..60),
        ) {
            let changes: Vec<_> = Tier::ALL.into_iter().map(|tier| (tier, kept_days.map(|days| days * DAY))).collect();
            let retention = Retention::default().changed(&changes, NOW).expect("valid");
            let times = times(start_s, step_s, count);
            for plan in [
                of_ranges(&times, range_s * 1000, offset_s * 1000, kept(&retention)),
                of_rest(&times, offset_s * 1000, kept(&retention)),
            ] {
                prop_assert_eq!(plan.spans.len(), count);
                prop_assert!(plan.windows.windows(2).all(|pair| pair[0].to_s() == pair[1].from_s()), "{:?}", plan.windows);
                prop_assert!(plan.spans.iter().all(|(lo, hi)| lo <= hi));
            }
        }
    }
}
