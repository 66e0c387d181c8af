//! Queries agree with rollups; errors and refusals have the form of Prometheus.

use serde_json::{Value, json};

use super::{data, form, get, number, vector};
use crate::clock::now_whole_s;
use crate::server::Server;
use crate::stream::Stream;

/// An hour of points, one every 7 s in two countries, up to a whole minute; returns that minute too.
fn hour(shards: u16) -> (Stream, u64) {
    let stream = Stream::create(Server::shared(), json!({"name": "test", "shards": shards}));
    let end_s = now_whole_s() / 60 * 60 - 60;
    let point = |i: u64| {
        let country = ["US", "DE", "US"][usize::try_from(i % 3).expect("small")];
        format!(
            r#"{{"n":{},"d":{},"t":{},"v":{{"country":"{country}","page path":"/{}"}}}}"#,
            i % 11,
            1 + i % 2,
            end_s - 1 - i * 7,
            i % 4
        )
    };
    let points: Vec<String> = (0..514).map(point).collect();
    for lines in points.chunks(60) {
        stream.write(lines.join("\n"));
    }
    (stream, end_s)
}

fn values(result: &Value) -> Vec<(i64, f64)> {
    let values = result["values"].as_array().expect("a list").iter();
    values.map(|pair| (pair[0].as_i64().expect("whole"), number(&pair[1]))).collect()
}

#[test]
fn a_rate_draws_what_the_rollup_contains() {
    for shards in [1, 3] {
        let (stream, end_s) = hour(shards);
        let rollup = stream.rollup(&format!("from={}&to={end_s}&step=1m&by=country&agg=rate,sum", end_s - 3540));
        let (start, end) = ((end_s - 3480).to_string(), end_s.to_string());
        let ask = |query: &str| {
            let data = data(get(
                &stream,
                "query_range",
                &[("query", query), ("start", &start), ("end", &end), ("step", "60")],
            ));
            assert_eq!(data["resultType"], "matrix");
            data["result"].as_array().expect("a list").clone()
        };
        for (query, aggregate) in [
            ("sum by (country) (rate(heartbeat_n_total[1m]))", "rate"),
            ("sum(increase(heartbeat_n_total[1m])) by (country)", "sum"),
        ] {
            let seen = ask(query);
            for seen in &seen {
                let mut groups = rollup["series"].as_array().expect("a list").iter();
                let wanted = groups.find(|group| group["labels"] == seen["metric"]).expect("the same groups");
                let wanted: Vec<f64> = wanted[aggregate]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .map(|value| value.as_f64().unwrap_or(0.0))
                    .collect();
                let seen = values(seen);
                assert_eq!(seen.len(), 59);
                for ((at_s, seen), (place, wanted)) in seen.iter().zip(wanted.iter().enumerate()) {
                    assert_eq!(
                        *at_s,
                        i64::try_from(end_s).expect("fits") - 3480 + 60 * i64::try_from(place).expect("fits")
                    );
                    assert!((seen - wanted).abs() < 1e-9, "{query} at {at_s}: {seen} is not {wanted}");
                }
            }
            assert_eq!(seen.len(), 2);
        }
        let ratio = "sum(rate(heartbeat_n_total[5m])) / sum(rate(heartbeat_d_total[5m]))";
        let last = vector(get(&stream, "query", &[("query", ratio), ("time", &end)]));
        // The points of the last five minutes.
        let (n, d) = (0..43u32).fold((0, 0), |(n, d), i| (n + i % 11, d + 1 + i % 2));
        assert!((last[0].1 - f64::from(n) / f64::from(d)).abs() < 1e-9, "{last:?}");
        let all = vector(get(&stream, "query", &[("query", "sum(increase(heartbeat_n_total[1h]))"), ("time", &end)]));
        let total = crate::stream::added(
            &stream.rollup(&format!("from={}&to={end_s}&step=10s", end_s - 3600))["series"][0]["sum"],
        );
        assert!((all[0].1 - total).abs() < 1e-9);
    }
}

#[test]
fn a_counter_is_as_scraped_now_and_as_it_was_before() {
    let (stream, end_s) = hour(2);
    let now = vector(get(&stream, "query", &[("query", "{__name__=~\".+\"}")]));
    let scraped = super::scraping::samples(stream.read("/metrics").expect(200).text());
    assert_eq!(now.len(), scraped.len() - 1, "but for how many are folded");
    for (metric, value) in now {
        let text = |name: &str| metric[name].as_str().expect("a string");
        let labels = format!("{{country=\"{}\",U__page_20_path=\"{}\"}}", text("country"), text("U__page_20_path"));
        assert!((scraped[&format!("{}{labels}", text("__name__"))] - value).abs() < 1e-9, "{metric}");
    }
    let at = |at_s: u64| {
        vector(get(&stream, "query", &[("query", "sum(heartbeat_points_total)"), ("time", &at_s.to_string())]))
    };
    assert_eq!((at(end_s)[0].1, at(end_s - 70)[0].1), (514.0, 504.0));
    assert_eq!(at(end_s - 4000), []);
    let (start, end) = ((end_s - 140).to_string(), end_s.to_string());
    let pairs = [("query", "sum(heartbeat_points_total)"), ("start", &start), ("end", &end), ("step", "70s")];
    let seen: Vec<f64> =
        values(&data(get(&stream, "query_range", &pairs))["result"][0]).into_iter().map(|pair| pair.1).collect();
    assert_eq!(seen, [494.0, 504.0, 514.0]);
}

#[test]
fn errors_have_the_form_of_prometheus() {
    let stream = Stream::new();
    stream.write(r#"{"n":1}"#);
    let range = |query: &str, step: &str| {
        get(
            &stream,
            "query_range",
            &[("query", query), ("start", "1792540800"), ("end", "1792551800.5"), ("step", step)],
        )
    };
    for (answer, part) in [
        (
            get(&stream, "query", &[("query", "quantile_over_time(0.5, x[5m])")]),
            "this function, in: quantile_over_time(0.5",
        ),
        (get(&stream, "query", &[("query", "1"), ("time", "-1h")]), "invalid parameter \"time\""),
        (get(&stream, "query_range", &[("query", "1"), ("start", "5"), ("step", "1")]), "invalid parameter \"end\""),
        (
            get(&stream, "query_range", &[("query", "1"), ("start", "5"), ("end", "4"), ("step", "1")]),
            "end timestamp must not be before",
        ),
        (range("1", "0"), "invalid parameter \"step\""),
        (range("1", "0.9"), "exceeded maximum resolution of 11,000 points"),
        (get(&stream, "series", &[]), "no match[]"),
        (get(&stream, "series", &[("match[]", "rate(a[1m])")]), "not a series selector"),
        (get(&stream, "labels", &[("limit", "x")]), "invalid parameter \"limit\""),
    ] {
        let body = answer.expect(400).json();
        assert_eq!((&body["status"], &body["errorType"]), (&json!("error"), &json!("bad_data")));
        assert!(body["error"].as_str().is_some_and(|text| text.contains(part)), "{body}");
    }
    assert_eq!(data(range("1", "1"))["result"][0]["values"].as_array().map(Vec::len), Some(11_001));
    assert_eq!(get(&stream, "nothing", &[]).expect(404).json()["errorType"], "not_found");
    assert_eq!(stream.call("DELETE", "/prometheus/api/v1/query").send().expect(405).json()["errorType"], "bad_data");
    let large = form(&[("query", &"x".repeat(1 << 20))]);
    let post = stream.call("POST", "/prometheus/api/v1/query").bearer(&stream.read_key).body(large);
    assert_eq!(post.send().expect(413).json()["errorType"], "bad_data");
}

#[test]
fn even_queries_without_data_require_a_reader() {
    let stream = Stream::new();
    for path in
        ["query?query=1%2B1", "query?query=up", "labels", "metadata", "status/buildinfo", "rules", "series?match[]=up"]
    {
        let call = || stream.call("GET", &format!("/prometheus/api/v1/{path}"));
        let answer = call().bearer("rk_wrong").send().expect(401);
        assert_eq!(answer.json()["errorType"], "unauthorized", "{path}");
        call().bearer(&stream.read_key).send().expect(200);
    }
}

#[test]
fn too_many_values_are_refused_but_sums_of_many_series_work() {
    let stream = Stream::new();
    let now_s = now_whole_s() / 3600 * 3600;
    let point = |id: u32| format!(r#"{{"n":1,"t":{},"p":1200,"v":{{"id":"{id}","kind":"{}"}}}}"#, now_s, id % 2);
    stream.write_as_owner((0..3_000).map(point).collect::<Vec<_>>().join("\n"));
    let ask = |query: &str, step: &str| {
        let (start, end) = ((now_s - 3600).to_string(), now_s.to_string());
        get(&stream, "query_range", &[("query", query), ("start", &start), ("end", &end), ("step", step)])
    };
    let refused = ask("max(rate(heartbeat_n_total[1m]))", "10").expect(400).json();
    assert!(refused["error"].as_str().is_some_and(|text| text.contains("200000")), "{refused}");
    let refused = ask("max(heartbeat_n_total)", "5").expect(400).json();
    assert!(
        refused["error"].as_str().is_some_and(|text| text.contains("1000000") || text.contains("200000")),
        "{refused}"
    );
    // Each read of 3,000 series over 20 minutes touches 60,000 cells.
    let read = |id: u32| format!("max(rate(heartbeat_n_total{{id!=\"{id}\"}}[1m]))");
    assert_eq!(ask(&read(0), "60").expect(200).json()["status"], "success");
    let many: Vec<String> = (0..8).map(read).collect();
    let refused = ask(&many.join("+"), "60").expect(400).json();
    assert!(refused["error"].as_str().is_some_and(|text| text.contains("more than")), "{refused}");
    assert_eq!(
        data(ask("sum by (kind) (rate(heartbeat_n_total[1m]))", "10"))["result"].as_array().map(Vec::len),
        Some(2)
    );
}
