//! A stream that counts 6 in each 10 s for a week: functions see steps of one width, whatever makes steps coarse.

use serde_json::{Value, json};

use super::get;
use crate::clock::now_whole_s;
use crate::server::Server;
use crate::stream::Stream;

const DAY_S: i64 = 86_400;

/// The stream, and the end of its week: a whole hour.
fn steady() -> (Stream, i64) {
    let stream = Stream::create(Server::shared(), json!({"name": "visits", "lateness": "7d"}));
    let end_s = i64::try_from(now_whole_s()).expect("this century") / 3600 * 3600;
    // A day that is divided evenly has 6 in each 10 s.
    let day = |ago: i64| json!({"n": 6 * DAY_S / 10, "p": DAY_S, "t": end_s - ago * DAY_S, "v": {"country": "US"}});
    let days: Vec<String> = (0..7).map(|ago| day(ago).to_string()).collect();
    assert_eq!(stream.write(days.join("\n"))["rejected"], 0);
    (stream, end_s)
}

/// The values of a target's only series over the last hour of the week, without the first one.
fn values(stream: &Stream, end_s: i64, target: &str, max_points: &str) -> Vec<Option<f64>> {
    let (from, until) = ((end_s - 3600).to_string(), (end_s - 1).to_string());
    let mut pairs = vec![("target", target), ("from", &from), ("until", &until)];
    pairs.extend((!max_points.is_empty()).then_some(("maxDataPoints", max_points)));
    let answer = get(stream, "render", &pairs).expect(200).json();
    let list = answer.as_array().expect("a list");
    assert_eq!(list.len(), 1, "{target}: {answer}");
    list[0]["datapoints"].as_array().expect("points").iter().map(|point: &Value| point[0].as_f64()).collect()
}

fn assert_all_are(wanted: f64, values: &[Option<f64>], of: &str) {
    let is_wanted = |value: &Option<f64>| value.is_some_and(|value| (value - wanted).abs() < 1e-6);
    assert!(!values.is_empty() && values.iter().all(is_wanted), "{of} is not {wanted}: {values:?}");
}

#[test]
fn a_steady_stream_over_its_shifted_self_is_one() {
    let (stream, end_s) = steady();
    for max_points in ["", "1000", "60", "17"] {
        for target in [
            "divideSeries(visits.sum,timeShift(visits.sum,'3d'))",
            "divideSeries(timeShift(visits.sum,'3d'),visits.sum)",
            "divideSeries(visits.sum,timeShift(timeShift(visits.sum,'1d'),'4d'))",
            "divideSeries(visits.sum,timeShift(visits.sum,'1h'))",
            "divideSeries(movingAverage(visits.sum,'3d'),visits.sum)",
            "divideSeries(movingMedian(visits.sum,5),timeShift(visits.sum,'5d'))",
            "divideSeries(visits.sum,holtWintersForecast(visits.sum))",
            "divideSeries(seriesByTag('name=visits.sum','country=US'),timeShift(visits.sum,'3d'))",
            "scale(asPercent(visits.sum,timeShift(visits.sum,'3d')),0.01)",
            "scale(divideSeries(sumSeries(timeStack(visits.sum,'1d',0,4)),visits.sum),0.25)",
            "divideSeries(linearRegression(visits.sum,'-4d'),visits.sum)",
        ] {
            assert_all_are(1.0, &values(&stream, end_s, target, max_points), &format!("{target} in {max_points}"));
        }
    }
}

#[test]
fn a_steady_stream_stays_inside_its_bands() {
    let (stream, end_s) = steady();
    for max_points in ["", "1000", "30"] {
        let minutes = values(&stream, end_s, "holtWintersAberration(visits.sum)", max_points);
        assert_all_are(0.0, &minutes, "the aberration");
        assert_eq!(minutes.len(), if max_points == "30" { 29 } else { 59 });
    }
    let fine = values(&stream, end_s, "holtWintersAberration(visits.sum,3,'1d','1h')", "");
    assert_all_are(0.0, &fine, "the aberration after a day");
    assert_eq!(fine.len(), 359, "10 s are kept for a day");
}

#[test]
fn sums_grow_with_the_step_of_the_farthest_time() {
    let (stream, end_s) = steady();
    assert_all_are(6.0, &values(&stream, end_s, "visits.sum", ""), "the sum in 10 s");
    assert_all_are(36.0, &values(&stream, end_s, "timeShift(visits.sum,'3d')", ""), "that of a minute");
    assert_all_are(72.0, &values(&stream, end_s, "sumSeries(visits.sum,timeShift(visits.sum,'3d'))", ""), "both");
    assert_all_are(
        0.6,
        &values(&stream, end_s, "averageSeries(visits.rate,timeShift(visits.rate,'3d'))", "40"),
        "rates",
    );
}
