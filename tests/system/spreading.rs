//! Points with a period: spread in proportion, and the same sum at every step.

use serde_json::{Value, json};

use crate::clock::past_hour;
use crate::stream::{Stream, added, assert_close};

const STEPS: [&str; 7] = ["10s", "30s", "1m", "5m", "10m", "1h", "1d"];

/// The one series of a rollup.
#[track_caller]
fn only_series(rollup: &Value) -> &Value {
    assert_eq!(rollup["series"].as_array().map(Vec::len), Some(1), "{rollup}");
    &rollup["series"][0]
}

#[track_caller]
fn assert_all_close(actual: &Value, wanted: &[Option<f64>], what: &str) {
    let actual = actual.as_array().expect("a list");
    assert_eq!(actual.len(), wanted.len(), "{what}");
    for (index, (actual, wanted)) in actual.iter().zip(wanted).enumerate() {
        match (actual.as_f64(), wanted) {
            (Some(actual), Some(wanted)) => assert_close(actual, *wanted, &format!("{what}, step {index}")),
            (actual, wanted) => assert_eq!(actual, *wanted, "{what}, step {index}"),
        }
    }
}

#[test]
fn an_hour_shows_in_every_step_that_it_covers() {
    let (stream, hour) = (Stream::new(), past_hour());
    stream.write(json!({"n": 7200, "p": 3600, "t": hour + 3600}).to_string());
    for (step, width_s, n) in [("10s", 10, 20.0), ("1m", 60, 120.0), ("5m", 300, 600.0), ("1h", 3600, 7200.0)] {
        let rollup = stream.rollup(&format!("from={}&to={}&step={step}", hour - width_s, hour + 3600 + width_s));
        let covered = usize::try_from(3600 / width_s).expect("small");
        let wanted = [vec![None], vec![Some(n); covered], vec![None]].concat();
        assert_all_close(&only_series(&rollup)["sum"], &wanted, step);
    }
}

#[test]
fn each_step_gets_the_share_that_the_period_overlaps() {
    let (stream, hour) = (Stream::new(), past_hour());
    let end = f64::from(u32::try_from(hour).expect("before 2106")) + 37.5;
    stream.write(json!({"n": 60, "d": 30, "p": 30, "t": end}).to_string());
    let rollup = stream.rollup(&format!("from={hour}&to={}&step=10s&agg=sum,ratio,rate,min,max", hour + 60));
    let series = only_series(&rollup);
    let shares = [Some(5.0), Some(20.0), Some(20.0), Some(15.0), None, None];
    assert_all_close(&series["sum"], &shares, "sum");
    assert_all_close(&series["rate"], &shares.map(|n| n.map(|n| n / 10.0)), "rate");
    for name in ["ratio", "min", "max"] {
        assert_all_close(&series[name], &[Some(2.0), Some(2.0), Some(2.0), Some(2.0), None, None], name);
    }
}

#[test]
fn a_long_period_is_exact_at_its_ends() {
    let (stream, hour) = (Stream::new(), past_hour());
    let end = f64::from(u32::try_from(hour).expect("before 2106")) + 3607.5;
    stream.write(json!({"n": 3600, "p": 3600, "t": end}).to_string());
    let rollup = stream.rollup(&format!("from={hour}&to={}&step=10s", hour + 3620));
    let wanted = [vec![Some(2.5)], vec![Some(10.0); 359], vec![Some(7.5), None]].concat();
    assert_all_close(&only_series(&rollup)["sum"], &wanted, "10s");
    let rollup = stream.rollup(&format!("from={hour}&to={}&step=1m", hour + 3660));
    let wanted = [vec![Some(52.5)], vec![Some(60.0); 59], vec![Some(7.5)]].concat();
    assert_all_close(&only_series(&rollup)["sum"], &wanted, "1m");
}

#[test]
fn a_period_within_a_step_stays_there() {
    let (stream, hour) = (Stream::new(), past_hour());
    stream.write(json!({"n": 8, "p": 4, "t": hour + 17}).to_string());
    let rollup = stream.rollup(&format!("from={hour}&to={}&step=10s", hour + 30));
    assert_all_close(&only_series(&rollup)["sum"], &[None, Some(8.0), None], "sum");
}

#[test]
fn the_count_goes_to_the_step_with_the_end_of_the_period() {
    let (stream, hour) = (Stream::new(), past_hour());
    stream.write(json!({"n": 30, "p": 30, "t": hour + 35}).to_string());
    let rollup = stream.rollup(&format!("from={hour}&to={}&step=10s&agg=count", hour + 60));
    let counts = only_series(&rollup)["count"].clone();
    assert_eq!((&counts[3], added(&counts)), (&json!(1), 1.0), "{counts}");
    assert_eq!((&counts[4], &counts[5]), (&Value::Null, &Value::Null), "no point covers these: {counts}");
}

#[test]
fn sums_are_the_same_at_every_step() {
    let (stream, hour) = (Stream::new(), past_hour());
    let base = f64::from(u32::try_from(hour).expect("before 2106"));
    let points = [
        (1234.0, Some(3600.0), 3599.75),
        (0.1, Some(86_400.0), 3333.333),
        (-7.5, Some(59.999), 60.0),
        (1e9, Some(1e-3), 10.0),
        (3.0, Some(0.001), 20.0),
        (9e15, Some(7777.7), 1.0),
        (1e-300, Some(12.0), 6.5),
        (0.3, Some(10.0), 10.0),
        (11.0, Some(601.0), 600.5),
        (42.0, None, 1234.5),
    ];
    let body: Vec<Value> = points
        .iter()
        .enumerate()
        .map(|(index, (n, p, at))| {
            let mut point = json!({"n": n, "d": 2, "t": base + at, "v": {"point": index.to_string()}});
            if let Some(p) = p {
                point["p"] = json!(p);
            }
            point
        })
        .collect();
    assert_eq!(stream.write(Value::from(body).to_string())["rejected"], 0);
    for step in STEPS {
        let query = format!("from={}&to={}&step={step}&by=point&agg=sum,count", hour - 86_400, hour + 3600);
        let rollup = stream.rollup(&query);
        for (index, (n, ..)) in points.iter().enumerate() {
            let labels = json!({"point": index.to_string()});
            let mut series = rollup["series"].as_array().expect("a list").iter();
            let series = series.find(|series| series["labels"] == labels).expect("each point has a series");
            assert_close(added(&series["sum"]), *n, &format!("point {index} at {step}"));
            assert_close(added(&series["count"]), 1.0, &format!("count of point {index} at {step}"));
        }
    }
}

#[test]
fn sums_over_many_points_are_the_same_at_every_step() {
    let (stream, hour) = (Stream::new(), past_hour());
    let base = f64::from(u32::try_from(hour).expect("before 2106"));
    let points: Vec<Value> = (0..2000u32)
        .map(|index| {
            let (at, p) = (f64::from(index * 7919 % 36_000) / 10.0, f64::from(index * 104_729 % 50_000) / 7.0 + 0.01);
            json!({"n": f64::from(index % 97) / 8.0, "d": 2, "p": p, "t": base + at})
        })
        .collect();
    let n: f64 = points.iter().filter_map(|point| point["n"].as_f64()).sum();
    stream.write(Value::from(points).to_string());
    for step in STEPS {
        let rollup = stream.rollup(&format!("from={}&to={}&step={step}&agg=sum,count", hour - 86_400, hour + 3600));
        assert_close(added(&only_series(&rollup)["sum"]), n, step);
        assert_close(added(&only_series(&rollup)["count"]), 2000.0, step);
    }
}

#[test]
fn points_of_several_periods_add_up() {
    let (stream, hour) = (Stream::new(), past_hour());
    let points = json!([
        {"n": 3600, "d": 3600, "p": 3600, "t": hour + 3600},
        {"n": 60, "d": 30, "p": 60, "t": hour + 60},
        {"n": 5, "d": 1, "t": hour + 5},
    ]);
    stream.write(points.to_string());
    let rollup = stream.rollup(&format!("from={hour}&to={}&step=10s&agg=sum,ratio,min,max", hour + 70));
    let series = only_series(&rollup);
    let wanted = [vec![Some(25.0)], vec![Some(20.0); 5], vec![Some(10.0)]].concat();
    assert_all_close(&series["sum"], &wanted, "sum");
    let wanted = [vec![Some(25.0 / 16.0)], vec![Some(20.0 / 15.0); 5], vec![Some(1.0)]].concat();
    assert_all_close(&series["ratio"], &wanted, "ratio");
    assert_all_close(&series["min"], &[Some(1.0); 7], "min");
    assert_all_close(&series["max"], &[vec![Some(5.0)], vec![Some(2.0); 5], vec![Some(1.0)]].concat(), "max");
}
