//! Targets over a stream that always counts the same in each 10 s. Whatever makes steps coarse (retention, the
//! number of points requested, a shift, a bootstrap), functions see one step width, so a series divided by itself
//! is 1.

use proptest::prelude::*;

use super::error::Result;
use super::evaluate::{Evaluator, Scope};
use super::naming::Naming;
use super::series::Series;
use super::stock::{Query, Stock};
use super::target::parse;
use model::aggregate::Aggregate;
use model::cell::Cell;
use model::grid::Row;
use model::labels::{Labels, LabelsBuilder};
use model::point::Point;
use model::retention::Retention;
use model::tier::Tier;

const NOW: i64 = 1_792_540_800;
const DAY: i64 = 86_400;
/// What each of the two countries counts per second.
const RATE: f64 = 0.3;

/// The stream's answer: cells of the requested step.
#[expect(clippy::cast_precision_loss, reason = "a step")]
fn rows(query: &Query) -> Vec<Row> {
    let is_total = query.by.as_ref().is_some_and(Vec::is_empty);
    let countries = if is_total { [""].as_slice() } else { &["DE", "US"] };
    let n = RATE * query.window.step_s() as f64 * if is_total { 2.0 } else { 1.0 };
    let steps = u32::try_from(query.window.steps()).expect("a window has few");
    let cells: Vec<(u32, Cell)> =
        (0..steps).map(|step| (step, Cell::of(&Point { n, d: 1.0, p: None, t: 0.0 }))).collect();
    let labels = |country: &'static str| {
        let mut builder = LabelsBuilder::default();
        if !country.is_empty() {
            builder.push("country".into(), country.into());
        }
        Labels::from_canonical(builder.canonical().expect("valid"))
    };
    countries.iter().map(|country| (labels(country), cells.clone())).collect()
}

fn aggregate(name: &str) -> Option<Aggregate> {
    match name {
        "sum" => Some(Aggregate::Sum),
        "rate" => Some(Aggregate::Rate),
        "count" => Some(Aggregate::Count),
        _ => None,
    }
}

/// Answers a request as the edge does. Everything that a target reads together has one step.
fn answered(target: &str, scope: Scope, max_points: Option<i64>, retention: &Retention) -> Result<Vec<Series>> {
    let (naming, targets) = (Naming::new("visits", &[], aggregate), [parse(target)?]);
    let mut stock = Stock::new(&naming, retention, NOW);
    stock.max_points = max_points;
    for _ in 0..16 {
        // All values of an interval, or none: consolidated values at its ends are incomplete.
        let mut evaluator = Evaluator::new(&mut stock, NOW, &|_| 0).with(1.0, &[]);
        let made = evaluator.targets(&targets, scope);
        let wanted = stock.take_wanted()?;
        if wanted.is_empty() {
            return made;
        }
        made?;
        for query in wanted {
            let rows = rows(&query);
            stock.put(query, &rows)?;
        }
    }
    panic!("{target} asks again and again");
}

fn last(span_s: i64) -> Scope {
    Scope { from_s: NOW - span_s, until_s: NOW }
}

/// Retentions: the default, one that keeps only days after an hour, and one that keeps everything for ten days.
fn retentions() -> [Retention; 3] {
    let of = |kept: [i64; 5]| {
        let changes: Vec<(Tier, Option<i64>)> =
            Tier::ALL.into_iter().zip(kept).map(|(tier, for_s)| (tier, Some(for_s))).collect();
        Retention::default().changed(&changes, NOW - 4000 * DAY).expect("valid")
    };
    let hour = of([3600, 3600, 3600, 3600, 3000 * DAY]);
    [Retention::default(), hour, of([10 * DAY; 5])]
}

/// Whether all values equal this one. The ends may have none.
fn assert_all_are(series: &[Series], wanted: f64, of: &str) {
    assert!(!series.is_empty(), "{of} has no series");
    for one in series {
        let there: Vec<f64> = one.values.iter().copied().filter(|value| !value.is_nan()).collect();
        let off = there.iter().find(|value| (*value - wanted).abs() > 1e-6 * wanted.abs().max(1.0));
        assert_eq!(off, None, "{of}: {} is not {wanted} in steps of {} s", one.name, one.step_s);
        assert!(!there.is_empty(), "{of}: {} has no values", one.name);
    }
}

#[test]
fn a_shifted_series_over_itself_is_one_at_any_step() {
    let targets = [
        "divideSeries(visits.sum,timeShift(visits.sum,'SHIFT'))",
        "divideSeries(timeShift(visits.sum,'SHIFT'),visits.sum)",
        "divideSeriesLists(visits.sum.country.*,timeShift(visits.sum.country.*,'SHIFT'))",
        "divideSeries(timeShift(timeShift(visits.sum,'1h'),'SHIFT'),timeShift(visits.sum,'2d'))",
        "divideSeries(visits.sum,movingAverage(visits.sum,'SHIFT'))",
        "divideSeries(movingMax(visits.sum,5),timeShift(movingAverage(visits.sum,7),'SHIFT'))",
        "divideSeries(exponentialMovingAverage(visits.sum,5),timeShift(visits.sum,'SHIFT'))",
        "divideSeries(delay(visits.sum,1),timeShift(visits.sum,'SHIFT'))",
        "scale(asPercent(visits.sum,timeShift(visits.sum,'SHIFT')),0.01)",
        "offset(diffSeries(timeShift(visits.sum,'SHIFT'),visits.sum),1)",
        "scale(divideSeries(sumSeries(timeStack(visits.sum,'SHIFT',0,3)),visits.sum),0.333333333333)",
        "divideSeries(holtWintersForecast(visits.sum,'7d','1d'),timeShift(visits.sum,'SHIFT'))",
        "offset(holtWintersAberration(timeShift(visits.sum,'SHIFT')),1)",
        "divideSeries(summarize(visits.sum,'1h','avg'),timeShift(summarize(visits.sum,'1h','avg'),'SHIFT'))",
        "divideSeries(hitcount(visits.rate,'1h'),timeShift(hitcount(visits.rate,'1h'),'SHIFT'))",
        "weightedAverage(divideSeries(visits.sum,timeShift(visits.sum,'SHIFT')),visits.count,0)",
        "divideSeries(linearRegression(visits.sum,'-SHIFT','now'),visits.sum)",
        "isNonNull(divideSeries(visits.sum,timeShift(visits.sum,'SHIFT')))|scale(1)",
    ];
    let [default, hour, _] = retentions();
    for target in targets {
        for shift in ["1min", "90min", "3d", "20d", "200d"] {
            for (span_s, max_points) in [(7200, None), (3 * DAY, Some(100)), (3 * DAY, Some(5000)), (20 * DAY, None)] {
                // A minute is shorter than the ten-minute steps kept from 20 days ago, and has no point in steps of
                // an hour.
                let is_too_fine = shift == "1min"
                    && (target.contains("moving") && span_s > 14 * DAY || target.contains("linear") && span_s > 7200);
                let is_plain = target.starts_with("divideSeries(timeShift")
                    || target.starts_with("divideSeries(visits.sum,timeShift");
                let target = target.replace("SHIFT", shift);
                let of = format!("{target} in {span_s} s, {max_points:?} points");
                for (retention, is_answered) in [(&default, !is_too_fine), (&hour, is_plain && span_s >= DAY)] {
                    if is_answered {
                        let made = answered(&target, last(span_s), max_points, retention).expect(&target);
                        assert_all_are(&made, 1.0, &of);
                    }
                }
            }
        }
    }
}

#[test]
fn the_bands_of_a_series_have_its_times() {
    let zeros = |target: &str, max_points| {
        let made = answered(target, last(3600), max_points, &Retention::default()).expect(target);
        assert_all_are(&made, 0.0, target);
        made[0].values.len()
    };
    assert_eq!(zeros("holtWintersAberration(visits.sum)", None), 60);
    assert_eq!(zeros("holtWintersAberration(visits.sum)", Some(30)), 30);
    assert_eq!(zeros("holtWintersAberration(visits.sum,3,'1d','1h')", None), 360);
    assert_eq!(zeros("holtWintersAberration(alias(visits.sum.country.*,'a'))", None), 60);
    // The bands of a constant line have no width.
    assert_eq!(zeros("diffSeries(holtWintersConfidenceBands(visits.sum,0,'3d'))", Some(1000)), 60);
}

#[test]
fn expired_values_are_missing_and_shift_nothing() {
    let [.., ten_days] = retentions();
    let quotients = |target: &str| {
        let made = answered(target, last(8 * DAY), Some(96), &ten_days).expect(target);
        let first = made[0].values.iter().position(|value| !value.is_nan()).expect("some");
        assert_all_are(&made, 1.0, target);
        made[0].start_s + i64::try_from(first).expect("few") * made[0].step_s - (NOW - 8 * DAY)
    };
    // Four days before the last eight span ten days, of which two are gone.
    assert_eq!(quotients("divideSeries(timeShift(visits.sum,'4d'),visits.sum)"), 2 * DAY + 7200);
    assert_eq!(quotients("divideSeries(visits.sum,timeShift(timeShift(visits.sum,'2d'),'2d'))"), 2 * DAY + 7200);
    assert_eq!(quotients("divideSeries(sumSeries(timeStack(visits.sum,'4d',1,2)),visits.sum)"), 2 * DAY + 7200);
    assert_eq!(quotients("divideSeries(movingAverage(visits.sum,'4d'),visits.sum)"), 2 * DAY + 7200);
    assert_eq!(quotients("divideSeries(holtWintersForecast(visits.sum,'4d'),visits.sum)"), 2 * DAY + 7200);
}

/// A target over a constant rate, and its expected value.
fn any_target() -> impl Strategy<Value = (String, f64)> {
    let leaf = prop_oneof![
        Just(("visits.rate".to_owned(), 2.0 * RATE)),
        Just(("visits.rate.country.US".to_owned(), RATE)),
        Just(("seriesByTag('name=visits.rate','country=DE')".to_owned(), RATE)),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let window = prop_oneof![Just("'1h'"), Just("3"), Just("'6h'"), Just("2"), Just("'12h'"), Just("12")];
        let shift = prop_oneof![Just("1h"), Just("1d"), Just("3d"), Just("9d"), Just("90s"), Just("40d")];
        let how = prop_oneof![Just("avg"), Just("max"), Just("min"), Just("last"), Just("median")];
        prop_oneof![
            (inner.clone(), shift).prop_map(|((x, value), shift)| (format!("timeShift({x},'{shift}')"), value)),
            (inner.clone(), window).prop_map(|((x, value), window)| (format!("movingAverage({x},{window})"), value)),
            (inner.clone(), 1u32..5).prop_map(|((x, value), n)| (format!("movingMedian({x},{n})"), value)),
            // Where the first n have no value, graphite-web starts at 0.
            (inner.clone(), 9u32..12).prop_map(|((x, value), n)| (format!("exponentialMovingAverage({x},{n})"), value)),
            (inner.clone(), how.clone()).prop_map(|((x, value), how)| (format!("summarize({x},'1h','{how}')"), value)),
            (inner.clone(), how)
                .prop_map(|((x, value), how)| (format!("smartSummarize({x},'1h','{how}','hours')"), value)),
            inner.clone().prop_map(|(x, value)| (format!("holtWintersForecast({x},'2d','6h')"), value)),
            inner.clone().prop_map(|(x, value)| (format!("linearRegression({x})"), value)),
            inner.clone().prop_map(|(x, value)| (format!("delay({x},1)"), value)),
            inner.clone().prop_map(|(x, value)| (format!("timeStack({x},'1d',2,3)"), value)),
            inner.clone().prop_map(|(x, value)| (format!("scale({x},2)"), value * 2.0)),
            (inner.clone(), inner.clone())
                .prop_map(|((x, one), (y, other))| (format!("sumSeries({x},{y})"), one + other)),
            (inner.clone(), inner.clone())
                .prop_map(|((x, one), (y, other))| (format!("maxSeries({x},{y})"), one.max(other))),
            (inner.clone(), inner.clone())
                .prop_map(|((x, one), (y, other))| (format!("divideSeries({x},{y})"), one / other)),
            (inner.clone(), inner)
                .prop_map(|((x, one), (y, other))| (format!("asPercent({x},{y})"), 100.0 * one / other)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_target_over_a_constant_rate_is_independent_of_steps(
        (target, value) in any_target(),
        span_s in prop_oneof![Just(DAY), Just(3 * DAY), Just(15 * DAY)],
        max_points in prop_oneof![Just(None), Just(Some(24)), Just(Some(300)), Just(Some(5000))],
    ) {
        let made = answered(&target, last(span_s), max_points, &Retention::default()).expect("a target");
        assert_all_are(&made, value, &target);
    }
}
