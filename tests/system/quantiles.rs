//! Quantiles of n/d: which points count, how exact they are, and that neither storage nor a restart changes them.

use serde_json::{Value, json};

use crate::clock::past_hour;
use crate::server::Server;
use crate::stream::Stream;

/// Whether a number is within 1 % of another.
#[track_caller]
fn assert_near(seen: &Value, wanted: f64, what: &str) {
    let number = seen.as_f64().unwrap_or_else(|| panic!("{seen} is not a number: {what}"));
    assert!((number - wanted).abs() <= 0.010_000_001 * wanted.abs(), "{number} is not {wanted}: {what}");
}

/// 1 to 1000 in a jumping order, this many seconds apart.
fn thousand(from_s: u64, apart_s: u64) -> String {
    let points: Vec<Value> = (0..1000).map(|k| json!({"n": k * 7 % 1000 + 1, "t": from_s + k * apart_s})).collect();
    Value::from(points).to_string()
}

/// Makes the stream seal everything, as the alarm does; the configuration ends up unchanged.
fn seal(stream: &Stream) {
    for body in [r#"{"distinct":["nothing"]}"#, r#"{"distinct":[]}"#] {
        stream.owned("PATCH", "").body(body).send().expect(200);
    }
    assert_eq!(stream.read("/status").json()["open_cells"], 0);
}

#[test]
fn quantiles_are_within_1_percent_sealed_and_restarted() {
    let (stream, hour) = (Stream::new(), past_hour());
    stream.write(thousand(hour, 3));
    let agg = "p50,p90,p95,p99,p99.9,p0.1,p12.345";
    let wanted = [500.0, 900.0, 950.0, 990.0, 999.0, 1.0, 124.0];
    let read = |step: &str, to: u64| {
        let rollup = stream.rollup(&format!("from={hour}&to={to}&step={step}&agg={agg}"));
        rollup["series"][0].clone()
    };
    let check = |when: &str| {
        let series = read("1h", hour + 3600);
        for (name, wanted) in agg.split(',').zip(wanted) {
            assert_near(&series[name][0], wanted, &format!("{name} {when}"));
        }
        (series, read("10s", hour + 3600), read("5m", hour + 3600))
    };
    let before = check("in memory");
    Server::shared().evict(&stream.object());
    assert_eq!(check("after a restart"), before);
    seal(&stream);
    assert_eq!(check("sealed"), before);
    Server::shared().evict(&stream.object());
    assert_eq!(check("sealed and restarted"), before);
    // Everything again, in a second part of each chunk: twice the points have the same quantiles.
    stream.write(thousand(hour, 3));
    seal(&stream);
    assert_eq!(check("in two parts"), before);
}

#[test]
fn negative_numbers_zero_and_fractions_have_quantiles() {
    let (stream, hour) = (Stream::new(), past_hour());
    let values = [-1e9, -5.5, -0.001, 0.0, 0.0, 1e-12, 7.25, 3e14, 9e15];
    let points: Vec<Value> = values.iter().map(|n| json!({"n": n, "t": hour})).collect();
    stream.write(Value::from(points).to_string());
    for (k, wanted) in values.iter().enumerate() {
        // In the middle of the share of this value.
        let percent = format!("p{:.3}", (f64::from(u8::try_from(k).expect("small")) + 0.5) * 100.0 / 9.0);
        let rollup = stream.rollup(&format!("from={hour}&to={}&agg={percent}", hour + 10));
        let name = rollup["agg"][0].as_str().expect("a name");
        assert_near(&rollup["series"][0][name][0], *wanted, name);
    }
}

#[test]
fn a_quantile_is_of_n_over_d_and_skips_points_without_one() {
    let (stream, hour) = (Stream::new(), past_hour());
    stream.write(format!(
        r#"[{{"n":30,"d":3,"t":{t0}}},{{"n":5,"d":0,"t":{t0}}},{{"n":40,"d":2,"p":20,"t":{t2}}},{{"n":1,"d":0,"t":{t3}}}]"#,
        t0 = hour + 1,
        t2 = hour + 20,
        t3 = hour + 30,
    ));
    let rollup = stream.rollup(&format!("from={hour}&to={}&step=10&agg=p50,count,sum", hour + 40));
    let series = &rollup["series"][0];
    assert_eq!(series["count"], json!([2, 0, 1, 1]));
    assert_eq!(series["sum"], json!([55, 20, null, 1]));
    let p50 = &series["p50"];
    assert_near(&p50[0], 10.0, "the one with a ratio");
    assert_eq!(p50[1], Value::Null, "a point counts only where its period ends");
    assert_near(&p50[2], 20.0, "in the step where the period ends");
    assert_eq!(p50[3], Value::Null);
}

#[test]
fn a_single_value_is_reported_exactly() {
    let (stream, hour) = (Stream::new(), past_hour());
    let points: Vec<Value> = (0..50).map(|k| json!({"n": 1, "d": 3, "t": hour + k})).collect();
    stream.write(Value::from(points).to_string());
    let rollup = stream.rollup(&format!("from={hour}&to={}&step=1m&agg=p1,p50,p99.999", hour + 60));
    for name in ["p1", "p50", "p99.999"] {
        assert_eq!(rollup["series"][0][name][0], 1.0 / 3.0);
    }
}

#[test]
fn groups_are_merged_ranked_and_folded_by_quantile() {
    let (stream, hour) = (Stream::new(), past_hour());
    let group = |name: &str, least: u64| {
        let name = name.to_owned();
        (0..100)
            .map(move |k| json!({"n": least + k, "v": {"page": name, "k": (k % 3).to_string()}, "t": hour + k * 30}))
    };
    let points: Vec<Value> = group("slow", 5_000).chain(group("fast", 1)).chain(group("middle", 400)).collect();
    stream.write(Value::from(points).to_string());
    let to = hour + 3600;
    let rollup = stream.rollup(&format!("from={hour}&to={to}&step=1h&by=page&agg=p99,sum&top=1"));
    let series = &rollup["series"];
    assert_eq!((&series[0]["labels"], &series[1]["other"]), (&json!({"page": "slow"}), &json!(true)));
    assert_near(&series[0]["p99"][0], 5_098.0, "of the top group");
    assert_near(&series[1]["p99"][0], 497.0, "of the others");
    let csv = stream.read(&format!("/rollup?from={hour}&to={to}&step=1h&agg=p50&format=csv&where=page%3Dfast"));
    let text = csv.expect(200).text().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines.len()), ("time,p50", 2));
    let ndjson = stream.read(&format!("/rollup?from={hour}&to={to}&step=1h&agg=p50.0&format=ndjson&where=page%3Dfast"));
    let row: Value = serde_json::from_str(ndjson.expect(200).text()).expect("one row");
    assert_near(&row["p50"], 50.0, "as NDJSON");
    assert_eq!(lines[1], format!("{hour},{}", row["p50"]));
}
