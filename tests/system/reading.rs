//! Reading: who may read, in which format, and how long an answer may be cached.

use serde_json::{Value, json};

use crate::clock::{now_s, now_whole_s, past_hour};
use crate::http::{Answer, encoded};
use crate::server::Server;
use crate::stream::Stream;

/// No point can fall into a window after this: a point may be a day late and cover the day before that.
const CLOSED_AFTER_S: u64 = 2 * 86_400;
const READS: [&str; 3] = ["/rollup", "/labels", "/labels/country"];

/// Two groups in the first and the third step of an hour.
fn written(hour: u64) -> Stream {
    let stream = Stream::new();
    let points = json!([
        {"n": 5, "d": 2, "t": hour, "v": {"country": "U\"S,\n".trim_end()}},
        {"n": 3, "t": hour + 20, "v": {"country": "DE"}},
    ]);
    stream.write(points.to_string());
    stream
}

fn window(hour: u64) -> String {
    format!("from={hour}&to={}&step=10s&by=country&agg=sum,ratio", hour + 30)
}

fn with_accept(stream: &Stream, query: &str, accept: &str) -> Answer {
    stream.call("GET", &format!("/rollup?{query}")).bearer(&stream.read_key).header("Accept", accept).send().expect(200)
}

#[test]
fn the_read_key_grants_reading() {
    let stream = Stream::new();
    for path in READS {
        stream.read(path).expect(200);
        stream.call("GET", path).header("Authorization", format!("bearer {}", stream.read_key)).send().expect(200);
        stream.call("GET", &format!("{path}?key={}", stream.read_key)).send().expect(200);
    }
}

#[test]
fn without_the_read_key_reading_is_refused() {
    let stream = Stream::new();
    let key = &stream.read_key;
    for path in READS {
        for query in ["", "?key=", "?key=wrong", &format!("?key={}", &key[1..]), &format!("?key={key}x")] {
            let answer = stream.call("GET", &format!("{path}{query}")).send();
            assert_eq!(answer.problem(401), "unauthorized", "{path}{query}");
            assert!(answer.header("WWW-Authenticate").starts_with("Bearer"));
        }
        for token in ["wrong", "", &key.to_uppercase()] {
            assert_eq!(stream.call("GET", path).bearer(token).send().problem(401), "unauthorized", "{path} {token}");
        }
        let basic = stream.call("GET", path).header("Authorization", format!("Basic {key}"));
        basic.send().problem(401);
    }
}

#[test]
fn everyone_reads_a_public_stream() {
    let stream = Stream::create(Server::shared(), json!({"name": "x", "public_read": true}));
    for path in READS {
        stream.call("GET", path).send().expect(200);
        stream.call("GET", path).bearer("wrong").send().expect(200);
    }
}

#[test]
fn json_answers_match_the_contract() {
    let hour = past_hour();
    let stream = written(hour);
    let answer = stream.read(&format!("/rollup?{}", window(hour))).expect(200);
    assert_eq!(answer.header("Content-Type"), "application/json");
    let wanted = json!({
        "stream": stream.id, "from": hour, "to": hour + 30, "step": 10, "agg": ["sum", "ratio"],
        "times": [hour, hour + 10, hour + 20],
        "series": [
            {"labels": {"country": "U\"S,"}, "sum": [5, null, null], "ratio": [2.5, null, null]},
            {"labels": {"country": "DE"}, "sum": [null, null, 3], "ratio": [null, null, 3]},
        ],
    });
    assert_eq!(answer.json(), wanted);
}

#[test]
fn totals_are_exact_over_the_whole_window() {
    let hour = past_hour();
    let stream = Stream::new();
    let at = |t: u64, n: f64, d: f64, country: &str| json!({"t": t, "n": n, "d": d, "v": {"country": country}});
    stream.write(
        json!([
            at(hour, 1.0, 3.0, "US"),
            at(hour + 10, 4.0, 847.0, "US"),
            at(hour + 20, 0.0, 150.0, "US"),
            at(hour, 1.0, 2.0, "DE"),
            at(hour + 20, 9.0, 2.0, "FR"),
        ])
        .to_string(),
    );
    let path = format!("/rollup?from={hour}&to={}&step=10&by=country&agg=ratio,sum,p50,rate&top=2", hour + 30);
    assert!(stream.read(&path).expect(200).json()["series"][0].get("total").is_none());
    let answer = stream.read(&format!("{path}&totals=1")).expect(200).json();
    let now = answer["now"].as_f64().expect("a clock");
    assert!((now - now_s()).abs() < 120.0, "{now}");
    let total = |series: usize, agg: &str| answer["series"][series]["total"][agg].as_f64().expect("a number");
    assert_eq!([total(0, "ratio"), total(1, "ratio"), total(2, "ratio")], [4.5, 0.5, 5.0 / 1000.0]);
    assert_eq!((total(2, "sum"), total(2, "rate")), (5.0, 5.0 / 30.0));
    assert!((total(2, "p50") - 4.0 / 847.0).abs() < 4.0 / 847.0 / 50.0, "the middle of three, of different steps");
    assert_eq!(answer["series"][2]["other"], json!(true));
    stream.read(&format!("{path}&totals=yes")).problem(400);
}

#[test]
fn csv_follows_rfc_4180() {
    let hour = past_hour();
    let stream = written(hour);
    let answer = stream.read(&format!("/rollup?{}&format=csv", window(hour))).expect(200);
    assert!(answer.header("Content-Type").starts_with("text/csv"));
    let rows: Vec<&str> = answer.text().split("\r\n").collect();
    assert_eq!(rows[0], "time,country,sum,ratio");
    assert!(rows.contains(&format!("{hour},\"U\"\"S,\",5,2.5").as_str()), "{rows:?}");
    assert!(rows.contains(&format!("{},DE,3,3", hour + 20).as_str()), "{rows:?}");
}

#[test]
fn ndjson_has_one_object_per_line() {
    let hour = past_hour();
    let stream = written(hour);
    let answer = stream.read(&format!("/rollup?{}&format=ndjson", window(hour))).expect(200);
    assert_eq!(answer.header("Content-Type"), "application/x-ndjson");
    let lines: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert!(
        lines.contains(&json!({"time": hour, "labels": {"country": "U\"S,"}, "sum": 5, "ratio": 2.5})),
        "{lines:?}"
    );
    assert!(answer.text().ends_with('\n'));
}

#[test]
fn accept_picks_the_format_unless_the_parameter_does() {
    let stream = Stream::new();
    for (accept, query, media_type) in [
        ("", "", "application/json"),
        ("*/*", "", "application/json"),
        ("application/json", "", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "", "application/json"),
        ("text/csv", "", "text/csv"),
        ("application/x-ndjson", "", "application/x-ndjson"),
        ("text/csv, */*;q=0.1", "", "text/csv"),
        ("text/csv;q=0.5, application/json", "", "application/json"),
        ("text/csv", "format=json", "application/json"),
        ("application/json", "format=csv", "text/csv"),
        ("text/csv", "format=ndjson", "application/x-ndjson"),
    ] {
        let answer = with_accept(&stream, query, accept);
        assert!(answer.header("Content-Type").starts_with(media_type), "{accept} {query}: {:?}", answer.headers);
    }
    for format in ["xml", "", "JSON"] {
        assert_eq!(stream.read(&format!("/rollup?format={format}")).problem(400), "invalid-request", "{format}");
    }
}

#[test]
fn accept_is_weighed_by_the_rules_of_http() {
    let stream = Stream::new();
    let picked = |accept: &str| with_accept(&stream, "", accept).header("Content-Type").to_owned();
    assert!(picked("application/json;q=0.5, text/csv").starts_with("text/csv"));
    assert!(picked("Text/CSV").starts_with("text/csv"), "media types have no case");
    assert!(picked("text/csv;q=0, */*").starts_with("application/json"));
}

#[test]
fn a_window_that_can_change_is_not_cached() {
    let stream = Stream::new();
    let end = now_whole_s() - CLOSED_AFTER_S + 180;
    for query in [String::new(), "from=-1d".into(), format!("from={}&to={end}&step=1m", end - 3600)] {
        let answer = stream.read(&format!("/rollup?{query}")).expect(200);
        assert_eq!((answer.header("Cache-Control"), answer.header("ETag")), ("no-store", ""), "{query}");
    }
}

#[test]
fn a_closed_window_is_cached_only_briefly() {
    let stream = Stream::new();
    let end = now_whole_s() - CLOSED_AFTER_S - 120;
    let path = format!("/rollup?from={}&to={end}&step=1m", end - 3600);
    let answer = stream.read(&path).expect(200);
    let etag = answer.header("ETag");
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2, "{etag}");
    let max_age = answer.header("Cache-Control").split("max-age=").nth(1).and_then(|text| text.parse::<u32>().ok());
    assert_eq!(max_age, Some(300), "{}", answer.header("Cache-Control"));
    assert!(answer.header("Cache-Control").contains("private"), "a shared cache knows no read keys");
    assert_eq!(stream.read(&path).expect(200).header("ETag"), etag);
}

#[test]
fn a_cached_closed_window_is_not_sent_again() {
    let stream = Stream::new();
    let end = now_whole_s() - CLOSED_AFTER_S - 120;
    let path = format!("/rollup?from={}&to={end}&step=1m", end - 3600);
    let etag = stream.read(&path).expect(200).header("ETag").to_owned();
    let known = |etag: &str| stream.call("GET", &path).header("If-None-Match", etag);
    for list in [etag.clone(), format!("\"other\", {etag}"), format!("W/{etag}")] {
        let answer = known(&list).bearer(&stream.read_key).send().expect(304);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("ETag"), etag, "{list}");
        assert_eq!(answer.header("Access-Control-Allow-Origin"), "*");
    }
    known("\"other\"").bearer(&stream.read_key).send().expect(200);
    assert_eq!(known(&etag).send().problem(401), "unauthorized");
    let csv = stream.read(&format!("{path}&format=csv")).expect(200);
    assert_ne!(csv.header("ETag"), etag, "another format is another answer");
}

#[test]
fn labels_are_counted_in_series() {
    let stream = Stream::new();
    assert_eq!(stream.read("/labels").expect(200).json(), json!({"labels": []}));
    stream.write(
        r#"[{"n":1,"v":{"a":"1","b":"x"}},{"n":1,"v":{"a":"2","b":"x"}},{"n":1,"v":{"a":"1"}},{"n":2,"v":{"a":"1"}}]"#,
    );
    let labels = stream.read("/labels").expect(200).json();
    let wanted = json!([{"name": "a", "values": 2, "series": 3}, {"name": "b", "values": 1, "series": 2}]);
    assert_eq!(labels["labels"], wanted);
    let values = stream.read("/labels/a").expect(200).json();
    assert_eq!(values["name"], "a");
    assert_eq!(values["values"], json!([{"value": "1", "series": 2}, {"value": "2", "series": 1}]));
    assert_eq!(stream.read("/labels/nobody").expect(200).json()["values"], json!([]));
}

#[test]
fn a_label_name_in_a_path_is_percent_encoded() {
    let stream = Stream::new();
    for name in ["a/b", "a b", "a+b", "é", "a%2Fb", "?", "a&b=c", "#"] {
        stream.write(json!({"n": 1, "v": {name: "x"}}).to_string());
        let in_path = encoded(name).replace('+', "%20");
        let values = stream.read(&format!("/labels/{in_path}")).expect(200).json();
        assert_eq!((&values["name"], values["values"].as_array().map(Vec::len)), (&json!(name), Some(1)), "{name}");
    }
}

#[test]
fn values_are_picked_by_prefix_up_to_a_limit() {
    let stream = Stream::new();
    stream.write(r#"[{"n":1,"v":{"a":"one"}},{"n":1,"v":{"a":"other"}},{"n":1,"v":{"a":"two"}}]"#);
    let values = |query: &str| -> Vec<Value> {
        let answer = stream.read(&format!("/labels/a?{query}")).expect(200).json();
        answer["values"].as_array().expect("a list").iter().map(|value| value["value"].clone()).collect()
    };
    assert_eq!(values("prefix=o"), ["one", "other"]);
    assert_eq!(values("prefix=one"), ["one"]);
    assert_eq!((values("limit=1").len(), values("limit=3").len(), values("limit=10000").len()), (1, 3, 3));
    for query in ["limit=0", "limit=10001", "limit=-1", "limit=x", "limit=", "suffix=o", "limit=1&limit=2"] {
        assert_eq!(stream.read(&format!("/labels/a?{query}")).problem(400), "invalid-request", "{query}");
    }
    assert_eq!(stream.read("/labels?prefix=o").problem(400), "invalid-request");
}
