//! Distinct counts: labels that make no series, but whose values are counted.

use serde_json::{Value, json};

use crate::clock::past_hour;
use crate::server::Server;
use crate::stream::Stream;

/// A stream that counts the values of these labels.
fn counting(labels: &[&str]) -> Stream {
    Stream::create(Server::shared(), json!({"name": "test", "distinct": labels}))
}

fn list(stream: &Stream, labels: &[&str]) {
    let answer = stream.owned("PATCH", "").body(json!({"distinct": labels}).to_string()).send().expect(200);
    assert_eq!(answer.json()["distinct"], json!(labels));
}

/// One point per client, starting at a number.
fn clients(from: u32, count: u32, t: u64) -> String {
    let point = |k: u32| json!({"n": 1, "t": t + u64::from(k % 600), "v": {"client": format!("c{k}"), "page": format!("/{}", k % 2)}});
    Value::from((from..from + count).map(point).collect::<Vec<_>>()).to_string()
}

/// The distinct counts of an hour in one step.
fn counted(stream: &Stream, hour: u64, more: &str) -> Value {
    stream.rollup(&format!("from={hour}&to={}&step=1h&agg=distinct:client{more}", hour + 3600))["series"].clone()
}

#[test]
fn a_counted_label_makes_no_series() {
    let (stream, hour) = (counting(&["client"]), past_hour());
    stream.write(clients(0, 200, hour));
    stream.write(clients(100, 200, hour));
    stream.write(json!({"n": 1, "t": hour, "v": {"page": "/0"}}).to_string());
    assert_eq!(counted(&stream, hour, ""), json!([{"labels": {}, "distinct:client": [300]}]));
    let by_page = counted(&stream, hour, ",count&by=page");
    assert_eq!(by_page[0], json!({"labels": {"page": "/0"}, "distinct:client": [150], "count": [201]}));
    assert_eq!(by_page[1]["distinct:client"], json!([150]));
    assert_eq!(stream.read("/status").json()["series"], 2);
    assert_eq!(stream.read("/labels").json()["labels"].as_array().map(Vec::len), Some(1));
    let by_client = stream.rollup(&format!("from={hour}&to={}&step=1h&by=client&where=client%3D", hour + 3600));
    assert_eq!(by_client["series"], json!([{"labels": {}, "sum": [401]}]), "it is not a label of a series");
}

#[test]
fn fifty_thousand_clients_cost_one_sketch_within_2_percent() {
    let (stream, hour) = (counting(&["client"]), past_hour());
    for batch in 0..10 {
        stream.write_as_owner(clients(batch * 5_000, 5_000, hour));
    }
    let seen = counted(&stream, hour, "");
    let number = seen[0]["distinct:client"][0].as_f64().expect("a number");
    assert!((number / 50_000.0 - 1.0).abs() < 0.02, "{number}");
    assert_eq!(stream.read("/status").json()["series"], 2);
    Server::shared().evict(&stream.object());
    assert_eq!(counted(&stream, hour, ""), seen);
    list(&stream, &["client", "other"]);
    assert_eq!(stream.read("/status").json()["open_cells"], 0, "changing the list seals");
    assert_eq!(counted(&stream, hour, ""), seen);
    let steps = stream.rollup(&format!("from={hour}&to={}&step=10s&agg=distinct:client,count", hour + 600));
    let (clients, counts) = (&steps["series"][0]["distinct:client"], &steps["series"][0]["count"]);
    let first = |list: &Value| list[0].as_f64().expect("a number");
    assert!((first(clients) / first(counts) - 1.0).abs() < 0.02, "{clients} {counts}");
}

#[test]
fn points_keep_the_distinct_list_of_their_arrival() {
    let (stream, hour) = (Stream::new(), past_hour());
    let write = |n: u32| stream.write(json!({"n": n, "t": hour, "v": {"client": "a"}}).to_string());
    let sums = || {
        Server::shared().evict(&stream.object());
        let rollup = stream.rollup(&format!("from={hour}&to={}&step=1h&by=client", hour + 3600));
        let mut sums: Vec<(String, u64)> = Vec::new();
        for series in rollup["series"].as_array().expect("a list") {
            sums.push((series["labels"].to_string(), series["sum"][0].as_u64().expect("a number")));
        }
        sums.sort();
        sums
    };
    let of_a = |sum| (r#"{"client":"a"}"#.to_owned(), sum);
    write(1);
    list(&stream, &["client"]);
    assert_eq!(sums(), [of_a(1)]);
    write(2);
    assert_eq!(sums(), [of_a(1), ("{}".to_owned(), 2)].map(|sum| sum).to_vec());
    assert_eq!(counted(&stream, hour, "")[0]["distinct:client"], json!([1]));
    list(&stream, &[]);
    write(4);
    assert_eq!(sums(), [of_a(5), ("{}".to_owned(), 2)].to_vec());
    let refused = stream.read("/rollup?agg=distinct:client");
    assert_eq!(refused.problem(400), "invalid-request");
    assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains("distinct:client")));
    list(&stream, &["page", "client"]);
    assert_eq!(counted(&stream, hour, "")[0]["distinct:client"], json!([1]), "points counted before the change");
}

#[test]
fn each_counted_label_is_counted_under_its_own_name() {
    let (stream, hour) = (counting(&["session", "a b\"c", "client", "d"]), past_hour());
    let points: Vec<Value> = (0..60)
        .map(|k| json!({"n": k, "t": hour, "v": {"client": (k % 20).to_string(), "session": k.to_string(), "a b\"c": "x"}}))
        .collect();
    stream.write(Value::from(points).to_string());
    let agg = "distinct:client,p50,distinct:session,distinct:d,distinct:a%20b%22c";
    let rollup = stream.rollup(&format!("from={hour}&to={}&step=1h&agg={agg}", hour + 3600));
    let series = &rollup["series"][0];
    let seen = ["distinct:client", "distinct:session", "distinct:d", "distinct:a b\"c"].map(|name| &series[name][0]);
    assert_eq!(seen, [&json!(20), &json!(60), &json!(0), &json!(1)]);
    assert_eq!(rollup["agg"][4], "distinct:a b\"c");
    let csv = stream.read(&format!(
        "/rollup?from={hour}&to={}&step=1h&agg=distinct:session,distinct:a%20b%22c&format=csv",
        hour + 3600
    ));
    assert_eq!(csv.expect(200).text(), format!("time,distinct:session,\"distinct:a b\"\"c\"\r\n{hour},60,1\r\n"));
}

#[test]
fn groups_are_ranked_by_distinct_count_over_the_window() {
    let (stream, hour) = (counting(&["client"]), past_hour());
    let point = |page: &str, k: u64| json!({"n": 1, "t": hour + k * 60, "v": {"page": page, "client": k.to_string()}});
    // One page has the same client in each minute, the other has many.
    let same = (0..50).map(|k| json!({"n": 1, "t": hour + k * 60, "v": {"page": "/same", "client": "1"}}));
    let points: Vec<Value> =
        same.chain((0..9).map(|k| point("/many", k))).chain((0..3).map(|k| point("/few", k))).collect();
    stream.write(Value::from(points).to_string());
    let rollup = stream.rollup(&format!("from={hour}&to={}&step=1m&by=page&agg=distinct:client&top=2", hour + 3600));
    let pages: Vec<&Value> =
        rollup["series"].as_array().expect("a list").iter().map(|series| &series["labels"]["page"]).collect();
    assert_eq!(pages[..2], ["/many", "/few"]);
    assert_eq!(rollup["series"][2]["other"], true);
}

#[test]
fn invalid_lists_and_a_33rd_counted_label_are_refused() {
    let stream = counting(&["l0"]);
    for wrong in
        [json!("client"), json!(["a", "a"]), json!([""]), json!(["a,b"]), json!(["a", "b", "c", "d", "e"]), json!([1])]
    {
        let answer = stream.owned("PATCH", "").body(json!({"distinct": wrong}).to_string()).send();
        assert_eq!(answer.problem(400), "invalid-request", "{wrong}");
    }
    for four in 0..8 {
        let names: Vec<String> = (0..4).map(|k| format!("l{}", four * 4 + k)).collect();
        list(&stream, &names.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let answer = stream.owned("PATCH", "").body(r#"{"distinct":["one more"]}"#).send();
    assert_eq!(answer.problem(400), "invalid-request");
    assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains("32")), "{}", answer.text());
    list(&stream, &["l0", "l31"]);
    assert_eq!(stream.owned("GET", "").send().expect(200).json()["distinct"], json!(["l0", "l31"]));
}
