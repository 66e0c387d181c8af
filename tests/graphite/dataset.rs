//! The data of the differential tests: points of a stream called `visits`, and the same as the series of whisper files.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A step of the data, the finest that a stream keeps.
pub(crate) const STEP_S: i64 = 10;
/// The number of steps that the data cover.
const STEPS: i64 = 180;

/// A point of the stream: in the middle of the step at `at_s`.
pub(crate) struct Point {
    pub(crate) at_s: i64,
    pub(crate) labels: [(&'static str, &'static str); 2],
    pub(crate) n: f64,
    pub(crate) d: f64,
}

/// All points up to `end_s`, a multiple of the step. The fractions make sums exact in any order.
pub(crate) fn points(end_s: i64) -> Vec<Point> {
    const SERIES: [(&str, &str); 5] = [("US", "200"), ("US", "500"), ("DE", "200"), ("FR", "200"), ("FR", "500")];
    let mut points = Vec::new();
    for (at, (country, status)) in (0i32..).zip(SERIES) {
        for step in 0..i32::try_from(STEPS).expect("few") {
            // Gaps of one to three steps, and one sparse series.
            let is_gap = (step * (at + 1)) % 13 == 5 || (step + 7 * at) % 29 < at || (at == 4 && step % 7 > 1);
            if is_gap {
                continue;
            }
            let n = f64::from((step * 37 + at * 11 + step * step) % (11 + 9 * at)) / 2.0 + f64::from(at);
            let d = [1.0, 2.0, 4.0][usize::try_from((step + at) % 3).expect("small")];
            let at_s = end_s - (STEPS - i64::from(step)) * STEP_S;
            points.push(Point { at_s, labels: [("country", country), ("status", status)], n, d });
        }
    }
    points
}

/// The value of each aggregate of the points, by path and time.
pub(crate) fn series(end_s: i64) -> BTreeMap<String, BTreeMap<i64, f64>> {
    let mut sums: BTreeMap<String, BTreeMap<i64, (f64, f64, f64)>> = BTreeMap::new();
    for point in points(end_s) {
        let [country, status] = point.labels.map(|(_, value)| value);
        for rest in [
            format!(";country={country};status={status}"),
            String::new(),
            format!(".country.{country}"),
            format!(".status.{status}"),
        ] {
            let sum = sums.entry(rest).or_default().entry(point.at_s).or_default();
            *sum = (sum.0 + point.n, sum.1 + point.d, sum.2 + 1.0);
        }
    }
    let mut series = BTreeMap::new();
    for (rest, steps) in sums {
        let mut put = |aggregate: &str, value: fn((f64, f64, f64)) -> f64| {
            let values = steps.iter().map(|(at_s, sum)| (*at_s, value(*sum))).collect();
            series.insert(format!("visits.{aggregate}{rest}"), values);
        };
        put("sum", |(n, _, _)| n);
        put("count", |(_, _, count)| count);
        put("ratio", |(n, d, _)| n / d);
    }
    series
}

/// The data in the form that the oracle reads.
pub(crate) fn order(end_s: i64) -> Value {
    let series: Vec<Value> = series(end_s)
        .iter()
        .map(|(path, points)| json!({"path": path, "points": points.iter().collect::<Vec<_>>()}))
        .collect();
    json!({"now": end_s, "step": STEP_S, "series": series})
}

/// The targets of the list, and the parameters of each request except `now`. Half of the requests have plain ends.
pub(crate) fn requests(end_s: i64) -> Vec<Vec<(String, String)>> {
    let targets = include_str!("targets.txt").lines().filter(|line| !line.starts_with('#'));
    let ranges = [(end_s - 200, end_s - 1, ""), (end_s - 453, end_s - 296, ""), (end_s - 600, end_s - 300, "7")];
    let mut requests = Vec::new();
    for (at, target) in targets.enumerate() {
        // A target that names its consolidation is consolidated as in graphite-web; the third range is for these.
        let count = if target.contains("consolidateBy") || target.contains("cumulative") { 3 } else { 2 };
        for (from_s, until_s, max_points) in ranges.iter().take(count) {
            let middle = (from_s + until_s) / 2;
            let target = target
                .replace("(S", "(seriesByTag('name=visits.sum')")
                .replace(" S", " seriesByTag('name=visits.sum')")
                .replace("@FROM", &from_s.to_string())
                .replace("@MID", &middle.to_string());
            let target = match target.strip_prefix('S') {
                Some(rest) if rest.is_empty() || rest.starts_with(' ') => {
                    format!("seriesByTag('name=visits.sum'){rest}")
                }
                _ => target,
            };
            let mut pairs = vec![("target", target), ("from", from_s.to_string()), ("until", until_s.to_string())];
            pairs.push(("format", "json".to_owned()));
            pairs.extend((!max_points.is_empty()).then(|| ("maxDataPoints", (*max_points).to_owned())));
            pairs.extend((at % 9 == 4).then(|| ("noNullPoints", "1".to_owned())));
            pairs.extend((at % 9 == 6).then(|| ("xFilesFactor", "0.7".to_owned())));
            requests.push(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        }
    }
    // A setting of one target applies to the next as well.
    for (one, other) in [
        ("stacked(visits.sum.country.US)", "stacked(visits.sum.country.DE)"),
        ("stacked(visits.sum.country.*,'mine')", "stacked(visits.count.country.*,'mine')"),
        ("setXFilesFactor(visits.sum,0.9)", "summarize(visits.sum.country.FR,'1min')"),
    ] {
        let (from, until) = ((end_s - 200).to_string(), (end_s - 1).to_string());
        let pairs = [("target", one), ("from", &from), ("until", &until), ("target", other), ("format", "json")];
        requests.push(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    }
    for format in ["csv", "raw", "dygraph", "rickshaw"] {
        for target in
            ["visits.sum", "seriesByTag('name=visits.ratio')", "alias(summarize(visits.sum,'1min'),'a, \"b\"')"]
        {
            let pairs = [
                ("target", target),
                ("from", &(end_s - 200).to_string()),
                ("until", &(end_s - 1).to_string()),
                ("format", format),
            ];
            requests.push(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        }
    }
    requests
}
