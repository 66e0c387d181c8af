//! Which points a rollup takes in, in which groups, and which numbers it gives.

use serde_json::{Value, json};

use crate::clock::past_hour;
use crate::http::encoded;
use crate::stream::{Stream, added, assert_close};

/// Series whose sums are powers of two, so that a sum tells which were taken.
fn three_series(hour: u64) -> Stream {
    let stream = Stream::new();
    let points = json!([
        {"n": 1, "t": hour, "v": {"country": "US", "path": "/blog/a"}},
        {"n": 2, "t": hour, "v": {"country": "DE", "path": "/shop"}},
        {"n": 4, "t": hour, "v": {"path": "/blog/b=c"}},
    ]);
    stream.write(points.to_string());
    stream
}

/// Parameters of one step that starts with an hour.
fn one_step(hour: u64, rest: &str) -> String {
    format!("from={hour}&to={}&step=10s&{rest}", hour + 10)
}

/// The labels of each series and its only value.
fn groups(rollup: &Value, aggregate: &str) -> Vec<(Value, Value)> {
    let series = rollup["series"].as_array().expect("a list");
    series.iter().map(|series| (series["labels"].clone(), series[aggregate][0].clone())).collect()
}

#[test]
fn aggregates_are_what_a_person_computes() {
    let (stream, hour) = (Stream::new(), past_hour());
    let points = json!([
        {"n": 10, "d": 4, "t": hour + 5},
        {"n": 2, "t": hour + 6},
        {"n": -3, "d": 2, "t": hour + 65},
        {"n": 7, "d": 0, "t": hour + 66},
        {"n": 8, "d": 0, "t": hour + 130},
    ]);
    stream.write(points.to_string());
    let query = format!("from={hour}&to={}&step=1m&agg=max,min,count,rate,ratio,sum", hour + 240);
    let rollup = stream.rollup(&query);
    assert_eq!(rollup["agg"], json!(["max", "min", "count", "rate", "ratio", "sum"]));
    assert_eq!(rollup["series"].as_array().map(Vec::len), Some(1));
    let series = &rollup["series"][0];
    assert_eq!(series["labels"], json!({}));
    assert_eq!(series["sum"], json!([12, 4, 8, null]));
    assert_eq!(series["ratio"], json!([2.4, 2, null, null]), "nothing is divided by 0");
    assert_eq!(series["count"], json!([2, 2, 1, null]));
    assert_eq!(series["min"], json!([2, -1.5, null, null]));
    assert_eq!(series["max"], json!([2.5, -1.5, null, null]));
    assert_close(series["rate"][0].as_f64().expect("a number"), 0.2, "rate");
    assert_close(series["rate"][1].as_f64().expect("a number"), 4.0 / 60.0, "rate");
    assert_eq!(series["rate"][3], Value::Null);
}

#[test]
fn the_sum_is_the_default_aggregate() {
    let hour = past_hour();
    let rollup = three_series(hour).rollup(&one_step(hour, ""));
    assert_eq!((&rollup["agg"], groups(&rollup, "sum")), (&json!(["sum"]), vec![(json!({}), json!(7))]));
}

#[test]
fn aggregates_that_do_not_exist_are_refused() {
    let stream = Stream::new();
    for agg in [
        "p0",
        "p100",
        "p99.9999",
        "sum,p-1",
        "p",
        "distinct:country",
        "distinct:",
        "distinct",
        "avg",
        "",
        "sum,",
        ",sum",
        "SUM",
        "sum;count",
    ] {
        assert_eq!(stream.read(&format!("/rollup?agg={}", encoded(agg))).problem(400), "invalid-request", "{agg}");
    }
    assert_eq!(stream.read("/rollup?agg=sum&agg=count").problem(400), "invalid-request");
}

#[test]
fn matchers_pick_series() {
    let hour = past_hour();
    let stream = three_series(hour);
    for (matchers, sum) in [
        (&["country=US"][..], 1.0),
        (&["country!=US"], 6.0),
        (&["country="], 4.0),
        (&["country!="], 3.0),
        (&["country=us"], 0.0),
        (&["country=~US|DE"], 3.0),
        (&["country!~US|DE"], 4.0),
        (&["country=~.*"], 7.0),
        (&["country=~.+"], 3.0),
        (&["country!~.+"], 4.0),
        (&["country=~"], 4.0),
        (&["country=~U"], 0.0),
        (&["country=~S"], 0.0),
        (&["country!~U"], 7.0),
        (&["path=~/blog/.*"], 5.0),
        (&["path=~^/blog/"], 0.0),
        (&["path=~^/blog/.*$"], 5.0),
        (&["path=~/blog/a|/shop"], 3.0),
        (&["path=~(?i)/BLOG/A"], 1.0),
        (&["path!~/blog/.*"], 2.0),
        (&["path=/blog/b=c"], 4.0),
        (&["path!=/blog/b=c"], 3.0),
        (&["nobody="], 7.0),
        (&["nobody!=x"], 7.0),
        (&["nobody=x"], 0.0),
        (&["country=US", "path=/blog/a"], 1.0),
        (&["country=US", "path=/shop"], 0.0),
        (&["country!=US", "country!=DE"], 4.0),
    ] {
        let parameters: Vec<String> = matchers.iter().map(|matcher| format!("where={}", encoded(matcher))).collect();
        let rollup = stream.rollup(&one_step(hour, &parameters.join("&")));
        let total: f64 = rollup["series"].as_array().expect("a list").iter().map(|one| added(&one["sum"])).sum();
        assert_eq!(total, sum, "{matchers:?}");
    }
}

#[test]
fn what_is_no_matcher_is_refused() {
    let stream = Stream::new();
    for matcher in
        ["", "country", "=US", "!=US", "country!US", "country~US", "path=~(", "path=~[", "path=~a)(b", r"path=~(a)\1"]
    {
        let answer = stream.read(&format!("/rollup?where={}", encoded(matcher)));
        assert_eq!(answer.problem(400), "invalid-request", "{matcher}");
    }
}

#[test]
fn a_regular_expression_cannot_take_long() {
    let (stream, hour) = (Stream::new(), past_hour());
    stream.write(json!({"n": 1, "t": hour, "v": {"a": format!("{}!", "a".repeat(255))}}).to_string());
    for regex in ["(a+)+", "(a|a)*b", "(.*)*x", "(a?){200}a{200}"] {
        let answer =
            stream.read(&format!("/rollup?{}", one_step(hour, &format!("where={}", encoded(&format!("a=~{regex}"))))));
        assert_eq!(answer.expect(200).json()["series"], json!([]), "{regex}");
    }
    let huge = stream.read(&format!("/rollup?where={}", encoded("a=~((a{1000}){1000}){1000}")));
    assert_eq!(huge.problem(400), "invalid-request");
}

#[test]
fn at_most_32_matchers_are_allowed() {
    let stream = Stream::new();
    stream.read(&format!("/rollup?{}", "where=a%3Db&".repeat(32))).expect(200);
    assert_eq!(stream.read(&format!("/rollup?{}", "where=a%3Db&".repeat(33))).problem(400), "invalid-request");
}

#[test]
fn groups_are_by_one_or_several_labels_or_all() {
    let hour = past_hour();
    let stream = three_series(hour);
    stream.write(json!({"n": 8, "t": hour, "v": {"country": "US", "path": "/shop", "city": "NY"}}).to_string());
    let by = |by: &str| {
        let mut groups = groups(&stream.rollup(&one_step(hour, &format!("by={by}"))), "sum");
        groups.sort_by_key(|(_, sum)| sum.as_u64());
        groups
    };
    assert_eq!(by(""), [(json!({}), json!(15))]);
    assert_eq!(
        by("country"),
        [(json!({"country": "DE"}), json!(2)), (json!({}), json!(4)), (json!({"country": "US"}), json!(9))]
    );
    assert_eq!(by("nobody"), [(json!({}), json!(15))]);
    let both = [
        (json!({"country": "US", "path": "/blog/a"}), json!(1)),
        (json!({"country": "DE", "path": "/shop"}), json!(2)),
        (json!({"path": "/blog/b=c"}), json!(4)),
        (json!({"country": "US", "path": "/shop"}), json!(8)),
    ];
    assert_eq!(by("country,path"), both);
    assert_eq!(by("path,country,path"), both);
    let all = by("*");
    assert_eq!((all.len(), &all[3].0), (4, &json!({"city": "NY", "country": "US", "path": "/shop"})));
}

#[test]
fn groups_are_by_at_most_16_labels() {
    let stream = Stream::new();
    let names = |count: usize| (0..count).map(|index| format!("l{index}")).collect::<Vec<_>>().join(",");
    stream.read(&format!("/rollup?by={}", names(16))).expect(200);
    stream.read(&format!("/rollup?by={}", "k".repeat(64))).expect(200);
    for by in [&names(17), &"k".repeat(65), "a,,b", ",", "a,"] {
        assert_eq!(stream.read(&format!("/rollup?by={by}")).problem(400), "invalid-request", "{by}");
    }
}

#[test]
fn the_top_groups_are_kept_and_the_rest_is_folded() {
    let (stream, hour) = (Stream::new(), past_hour());
    let point = |name: &str, n: u32, d: u32, at: u64| json!({"n": n, "d": d, "t": hour + at, "v": {"k": name}});
    let points = [
        point("c", 3, 1, 0),
        point("a", 5, 1, 0),
        point("d", 2, 4, 0),
        point("b", 1, 1, 0),
        point("b", 3, 1, 10),
        point("e", 1, 1, 0),
    ];
    stream.write(Value::from(points.to_vec()).to_string());
    let top = |top: u32| {
        let query = format!("from={hour}&to={}&step=10s&by=k&agg=sum,ratio,count&top={top}", hour + 20);
        stream.rollup(&query)["series"].clone()
    };
    let series = top(2);
    assert_eq!(series.as_array().map(Vec::len), Some(3));
    assert_eq!((&series[0]["labels"], &series[0]["sum"]), (&json!({"k": "a"}), &json!([5, null])));
    assert_eq!((&series[1]["labels"], &series[1]["sum"]), (&json!({"k": "b"}), &json!([1, 3])));
    let other = &series[2];
    assert_eq!((&other["other"], &other["sum"]), (&json!(true), &json!([6, null])));
    assert_eq!((&other["ratio"], &other["count"]), (&json!([1, null]), &json!([3, null])), "n and d are folded");
    assert_eq!(top(1)[1]["sum"], json!([7, 3]));
    let all = top(5);
    assert_eq!(all.as_array().map(Vec::len), Some(5));
    assert!(all.as_array().expect("a list").iter().all(|series| series.get("other").is_none()), "{all}");
}

#[test]
fn top_is_100_by_default_and_1_to_10_000() {
    let (stream, hour) = (Stream::new(), past_hour());
    let points: Vec<Value> = (0..101).map(|k| json!({"n": 1, "t": hour, "v": {"k": k.to_string()}})).collect();
    stream.write(Value::from(points).to_string());
    let series = |top: &str| stream.rollup(&one_step(hour, &format!("by=k{top}")))["series"].clone();
    let folded = series("");
    assert_eq!((folded.as_array().map(Vec::len), &folded[100]["other"]), (Some(101), &json!(true)));
    assert_eq!(folded[100]["sum"], json!([1]));
    assert_eq!(series("&top=101").as_array().map(Vec::len), Some(101));
    assert_eq!(series("&top=101")[100].get("other"), None);
    assert_eq!(series("&top=10000").as_array().map(Vec::len), Some(101));
    assert_eq!(series("&top=1").as_array().map(Vec::len), Some(2));
    for top in ["0", "10001", "-1", "1.5", "x", ""] {
        assert_eq!(stream.read(&format!("/rollup?top={top}")).problem(400), "invalid-request", "{top}");
    }
}

#[test]
fn an_answer_has_at_most_200_000_cells_of_groups_and_steps() {
    let (stream, hour) = (Stream::new(), past_hour());
    // A day of 10 seconds is 8,640 steps: 23 groups are 198,720 cells and 24 are 207,360.
    let points: Vec<Value> =
        (0..24).map(|k| json!({"n": 1, "p": 86400, "t": hour, "v": {"k": format!("{k:02}")}})).collect();
    stream.write(Value::from(points).to_string());
    let read = |rest: &str| stream.read(&format!("/rollup?from={}&to={hour}&step=10s{rest}", hour - 86_400));
    read("").expect(200);
    let one_less = format!("&by=k&where={}", encoded("k!=23"));
    assert_eq!(read(&one_less).expect(200).json()["series"].as_array().map(Vec::len), Some(23));
    assert_eq!(read("&by=k").problem(422), "query-too-large");
}

#[test]
fn an_answer_has_at_most_a_million_numbers_also_where_most_are_null() {
    let stream = Stream::new();
    let points: Vec<Value> = (0..100).map(|k| json!({"n": 1, "v": {"k": k.to_string()}})).collect();
    stream.write(Value::from(points).to_string());
    let read = |aggregates: &str| stream.read(&format!("/rollup?from=-20h&step=10s&by=k&agg={aggregates}"));
    read("sum").expect(200);
    assert_eq!(read("sum,count").problem(422), "query-too-large");
}

#[test]
fn a_regular_expression_that_is_too_large_when_compiled_is_refused() {
    let stream = Stream::new();
    let query = format!("/rollup?where={}", encoded("a=~(?:x{1000}){300}"));
    assert_eq!(stream.read(&query).problem(400), "invalid-request");
}
