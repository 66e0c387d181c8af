//! Checks that every sum stays finite: 2^53 points at each bound of the format, and the cells and totals that they
//! make.

use super::aggregate::Aggregate;
use super::cell::Cell;
use super::point::{Arrival, Given, MAX_NUMBER, MAX_PERIOD_S, MIN_DENOMINATOR, MIN_PERIOD_S, Point};
use super::quantiles::Percent;
use super::spread::spread;
use super::tier::Tier;
use super::total::Total;

const NOW: f64 = 1_792_540_800.0;
/// How often a cell is merged with itself to stand for 2^53 points.
const DOUBLINGS: usize = 53;

/// All combinations of the bounds; numbers in between make no larger sums or shares.
fn extremes() -> Vec<Point> {
    let mut points = Vec::new();
    for n in [MAX_NUMBER, -MAX_NUMBER, f64::MIN_POSITIVE, -5e-324, 0.0, 1.0] {
        for d in [0.0, MIN_DENOMINATOR, 1.0, MAX_NUMBER] {
            for p in [None, Some(MIN_PERIOD_S), Some(7.0), Some(12_345.678), Some(MAX_PERIOD_S)] {
                for t in [NOW, NOW - 3_599.999, NOW - 0.000_1] {
                    let given = Given { n: Some(n), d: Some(d), p, t: Some(t) };
                    points.push(Point::new(&given, Arrival { at: NOW, lateness_s: 86_400 }).expect("is at a bound"));
                }
            }
        }
    }
    points
}

fn often(mut cell: Cell) -> Cell {
    for _ in 0..DOUBLINGS {
        cell.merge(&cell.clone());
    }
    cell
}

fn assert_finite(cell: &Cell, what: &Point) {
    let percents = [1, 50_000, 99_999].map(|it| Aggregate::Quantile(Percent::from_thousandths(it).expect("a share")));
    for aggregate in
        [Aggregate::Sum, Aggregate::Ratio, Aggregate::Rate, Aggregate::Count, Aggregate::Min, Aggregate::Max]
            .iter()
            .chain(&percents)
    {
        for width_s in [Tier::FINEST.width_s(), 86_400] {
            let value = aggregate.of(cell, width_s);
            let may_be_none = match aggregate {
                Aggregate::Count => false,
                Aggregate::Sum | Aggregate::Rate => cell.cover.is_none(),
                Aggregate::Ratio => cell.cover.is_none_or(|cover| cover.d == 0.0),
                _ => true,
            };
            // `of` returns `None` for a number that is not finite, so `None` where there must be a number means an
            // overflow.
            assert!(value.is_some_and(f64::is_finite) || (value.is_none() && may_be_none), "{aggregate:?} of {what:?}");
        }
    }
    if let Some(cover) = cell.cover {
        assert!(cover.n.is_finite() && cover.d.is_finite() && cover.d >= 0.0, "{cover:?} of {what:?}");
        let extent = cover.extent.map(|extent| (extent.min.is_finite(), extent.max.is_finite()));
        assert!(extent.is_none_or(|ends| ends == (true, true)), "{cover:?} of {what:?}");
    }
}

#[test]
fn the_sums_of_2_to_the_53_points_at_each_bound_are_finite() {
    // Everything that ever falls into one bucket, even from different points; and all of one sign, so that nothing
    // cancels.
    let (mut all, mut positive): (Option<Cell>, Option<Cell>) = (None, None);
    for point in extremes() {
        spread(&point, |_, _, cell| {
            let cell = often(cell);
            assert_finite(&cell, &point);
            let sign = if point.n >= 0.0 { Some(&mut positive) } else { None };
            for sum in [Some(&mut all), sign].into_iter().flatten() {
                match sum {
                    Some(sum) => sum.merge(&cell),
                    None => *sum = Some(cell.clone()),
                }
                assert_finite(sum.as_ref().expect("is there"), &point);
            }
        });
        let mut total = Total::of(&point);
        (0..DOUBLINGS).for_each(|_| total.add(&total.clone()));
        assert!(total.n.is_finite() && total.d.is_finite(), "{point:?}");
    }
}

#[test]
fn the_smallest_share_of_a_denominator_is_not_zero() {
    for point in extremes().iter().filter(|point| point.d > 0.0) {
        spread(point, |_, _, cell| {
            assert!(cell.cover.is_none_or(|cover| cover.d > 1e-116), "{point:?}: {cell:?}");
        });
    }
}
