//! What Grafana's Graphite data source sends, byte for byte, and the fields of answers that it reads. Recorded from its
//! sources: `public/app/plugins/datasource/graphite/datasource.ts` and
//! `pkg/tsdb/graphite/{query,healthcheck,resource_handler}.go`.

use serde_json::Value;

use super::{form, get, post, visits};
use crate::http::call;

/// Values and their times.
type Points = Vec<(Option<f64>, i64)>;

/// What both of Grafana's sides read of an answer to `render`.
fn checked(answer: &Value) -> Vec<(String, Points)> {
    let series = answer.as_array().expect("a list");
    let point = |point: &Value| {
        assert_eq!(point.as_array().map(Vec::len), Some(2), "{point}");
        assert!(point[0].is_null() || point[0].is_number(), "{point}");
        (point[0].as_f64(), point[1].as_i64().expect("whole seconds"))
    };
    let one = |series: &Value| {
        assert!(series["tags"].as_object().is_some_and(|tags| tags.values().all(Value::is_string)), "{series}");
        assert!(series["tags"]["name"].is_string(), "{series}");
        let points = series["datapoints"].as_array().expect("a list").iter().map(point).collect::<Vec<_>>();
        assert!(points.is_sorted_by_key(|(_, at_s)| *at_s));
        (series["target"].as_str().expect("a string").to_owned(), points)
    };
    series.iter().map(one).collect()
}

/// Alias as the frontend wraps every target since 11.6.
fn wrapped(target: &str, ref_id: &str) -> String {
    format!(r#"aliasSub({target}, "(^.*$)", "\1 {ref_id}")"#)
}

#[test]
fn save_and_test_works_in_frontend_and_backend() {
    let (stream, end_s) = visits();
    let (from, until) = ((end_s - 3600).to_string(), end_s.to_string());
    let frontend = form(&[
        ("target", &wrapped("constantLine(100)", "A")),
        ("from", "-1h"),
        ("until", "now"),
        ("format", "json"),
        ("maxDataPoints", "300"),
    ]);
    let backend = form(&[
        ("from", &from),
        ("until", &until),
        ("format", "json"),
        ("maxDataPoints", "100"),
        ("target", "constantLine(100)"),
    ]);
    for (body, name) in [(frontend, "100.0 A"), (backend, "100.0")] {
        let series = checked(&post(&stream, "render", &body).expect(200).json());
        assert_eq!((series.len(), series[0].0.as_str()), (1, name));
        assert!(series[0].1.iter().all(|(value, _)| *value == Some(100.0)), "{series:?}");
        // A wrong key is refused immediately, although lines need no data.
        let wrong = stream.call("POST", "/graphite/render").bearer("rk_wrong").body(body);
        assert_eq!(
            wrong.header("Content-Type", "application/x-www-form-urlencoded").send().problem(401),
            "unauthorized"
        );
    }
}

#[test]
fn a_panel_of_two_queries_keeps_their_names_and_tags() {
    let (stream, end_s) = visits();
    let target = "groupByTags(seriesByTag('name=visits.sum'),'sum','country')";
    let body = form(&[
        ("target", &wrapped(target, "A")),
        ("target", &wrapped(&format!("aliasByTags({target}, 'country', 'name')"), "B")),
        ("from", &(end_s - 300).to_string()),
        ("until", &(end_s - 1).to_string()),
        ("format", "json"),
        ("maxDataPoints", "1086"),
    ]);
    let answer = post(&stream, "render", &body).expect(200).json();
    let series = checked(&answer);
    let names: Vec<&str> = series.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..3], ["visits.sum;country=DE A", "visits.sum;country=FR A", "visits.sum;country=US A"]);
    assert_eq!(names[3..], ["DE.visits.sum B", "FR.visits.sum B", "US.visits.sum B"]);
    assert_eq!(answer[0]["tags"]["country"], "DE");
    // The last token belongs to the query, and what precedes it to the series.
    assert!(names.iter().all(|name| name.rsplit_once(' ').is_some()));
    let times: Vec<i64> = series[0].1.iter().map(|(_, at_s)| *at_s).collect();
    assert_eq!((times.first(), times.last(), times.len()), (Some(&(end_s - 290)), Some(&(end_s - 10)), 29));
}

#[test]
fn an_alert_rule_without_the_wrapping_is_answered_in_numbers() {
    let (stream, end_s) = visits();
    let body = form(&[
        ("from", &(end_s - 600).to_string()),
        ("until", &(end_s - 1).to_string()),
        ("format", "json"),
        ("maxDataPoints", "43200"),
        (
            "target",
            "divideSeries(sumSeries(seriesByTag('name=visits.sum', 'status=500')), sumSeries(seriesByTag('name=visits.sum')))",
        ),
    ]);
    let series = checked(&post(&stream, "render/", &body).expect(200).json());
    assert_eq!(series.len(), 1);
    assert!(series[0].1.iter().filter_map(|(value, _)| *value).count() > 10);
}

#[test]
fn consolidation_merges_cells() {
    let (stream, end_s) = visits();
    let ask = |target: &str, max: &str| {
        let body = form(&[
            ("target", target),
            ("from", &(end_s - 1201).to_string()),
            ("until", &(end_s - 1).to_string()),
            ("maxDataPoints", max),
        ]);
        checked(&post(&stream, "render", &body).expect(200).json()).remove(0).1
    };
    let total = |points: &[(Option<f64>, i64)]| points.iter().filter_map(|(value, _)| *value).sum::<f64>();
    // Steps are whole and in the window, so each wide value is that of its fine ones.
    let (fine, wide) = (ask("visits.sum", "1000"), ask("visits.sum", "11"));
    assert!(fine.len() == 120 && wide.len() <= 11, "{} {}", fine.len(), wide.len());
    let step_s = wide[1].1 - wide[0].1;
    for (value, at_s) in &wide[..wide.len() - 1] {
        let part: Vec<_> = fine.iter().filter(|(_, fine_s)| (*at_s..at_s + step_s).contains(fine_s)).copied().collect();
        assert!((value.unwrap_or_default() - total(&part)).abs() < 1e-9, "{at_s}");
    }
    let (sums, ratios, counts) = (ask("visits.sum", "11"), ask("visits.ratio", "11"), ask("visits.count", "11"));
    let fine_ratio = total(&ask("visits.ratio", "1000")) / 120.0;
    let plain = ratios.iter().filter_map(|(value, _)| *value).sum::<f64>() / 11.0;
    assert!(sums.len() == ratios.len() && counts.len() == sums.len());
    assert!((plain - fine_ratio).abs() > 1e-6, "an average of averages is another number");
}

#[test]
fn explore_and_builder_pick_tags_and_values() {
    let (stream, end_s) = visits();
    let (from, until) = ((end_s - 3600).to_string(), end_s.to_string());
    let range = [("from", from.as_str()), ("until", until.as_str())];
    let list = |path: &str, pairs: &[(&str, &str)]| {
        let pairs: Vec<(&str, &str)> = pairs.iter().chain(&range).copied().collect();
        get(&stream, path, &pairs).expect(200).json()
    };
    assert_eq!(list("tags/autoComplete/tags", &[]), serde_json::json!(["country", "name", "status"]));
    // The backend's way: no limit and an empty prefix.
    assert_eq!(
        list("tags/autoComplete/tags", &[("tagPrefix", ""), ("limit", "0")]),
        serde_json::json!(["country", "name", "status"])
    );
    assert_eq!(
        list("tags/autoComplete/tags", &[("expr", "name=visits.sum"), ("expr", "country=US")]),
        serde_json::json!(["status"])
    );
    let values = |pairs: &[(&str, &str)]| list("tags/autoComplete/values", pairs);
    assert_eq!(values(&[("tag", "country")]), serde_json::json!(["DE", "FR", "US"]));
    assert_eq!(
        values(&[("expr", "name=visits.sum"), ("tag", "country"), ("valuePrefix", "U")]),
        serde_json::json!(["US"])
    );
    assert_eq!(values(&[("expr", "status=500"), ("tag", "country")]), serde_json::json!(["FR", "US"]));
    assert_eq!(values(&[("tag", "name"), ("valuePrefix", "visits.c")]), serde_json::json!(["visits.count"]));
    assert_eq!(get(&stream, "tags/autoComplete/values", &range).problem(400), "invalid-request");
    // The menu of functions, as a string that JavaScript parses.
    let functions = get(&stream, "functions", &[]).expect(200).json();
    for name in ["aliasSub", "seriesByTag", "groupByTags", "scaleToSeconds", "constantLine", "movingAverage"] {
        let function = &functions[name];
        assert_eq!(function["name"], name);
        for field in ["description", "module", "group", "function"] {
            assert!(function[field].is_string(), "{function}");
        }
        for param in function["params"].as_array().expect("a list") {
            assert!(param["name"].is_string() && param["type"].is_string(), "{param}");
        }
    }
    assert_eq!(get(&stream, "version", &[]).expect(200).text(), "1.1.10");
    assert_eq!(get(&stream, "events/get_data", &[("tags", "deploy")]).expect(200).json(), serde_json::json!([]));
}

#[test]
fn variables_find_and_expand_paths() {
    let (stream, end_s) = visits();
    let range = form(&[("from", &(end_s - 3600).to_string()), ("until", &end_s.to_string())]);
    let find = |query: &str| {
        let answer = post(&stream, &format!("metrics/find?{range}"), &form(&[("query", query)])).expect(200).json();
        let entry = |one: &Value| {
            for field in ["allowChildren", "expandable", "leaf"] {
                assert!(matches!(one[field].as_i64(), Some(0 | 1)), "{one}");
            }
            (one["text"].as_str().expect("a string").to_owned(), one["expandable"] == 1)
        };
        answer.as_array().expect("a list").iter().map(entry).collect::<Vec<_>>()
    };
    assert_eq!(find("*"), [("visits".to_owned(), true)]);
    assert!(find("visits.*").contains(&("sum".to_owned(), true)));
    assert_eq!(find("visits.sum.*"), [("country".to_owned(), true), ("status".to_owned(), true)]);
    assert_eq!(find("visits.sum.country.*"), ["DE", "FR", "US"].map(|value| (value.to_owned(), false)));
    assert_eq!(find("nothing.*"), []);
    let expanded = get(&stream, "metrics/expand", &[("query", "visits.sum.country.{U,D}*")]).expect(200).json();
    assert_eq!(expanded, serde_json::json!({"results": ["visits.sum.country.DE", "visits.sum.country.US"]}));
}

#[test]
fn a_read_key_is_taken_as_bearer_url_or_password() {
    let (stream, _) = visits();
    let url = format!("{}/v1/streams/{}/graphite/render?target=constantLine(1)&from=-1h", stream.url, stream.id);
    let basic = |text: &str| {
        let text = text.as_bytes().chunks(3).map(base64).collect::<String>();
        call("GET", &*url).header("Authorization", format!("Basic {text}")).send()
    };
    basic(&format!("heartbeat:{}", stream.read_key)).expect(200);
    assert_eq!(basic("heartbeat:rk_wrong").problem(401), "unauthorized");
    assert_eq!(basic("no colon").problem(401), "unauthorized");
    call("GET", format!("{url}&key={}", stream.read_key)).send().expect(200);
    call("GET", &*url).bearer(&stream.read_key).send().expect(200);
    assert_eq!(call("GET", &*url).send().problem(401), "unauthorized");
}

/// Up to three bytes.
pub(crate) fn base64(chunk: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = (0..3).fold(0usize, |bits, at| bits << 8 | usize::from(chunk.get(at).copied().unwrap_or(0)));
    let digit = |at: usize| if at <= chunk.len() { char::from(DIGITS[bits >> (18 - 6 * at) & 63]) } else { '=' };
    (0..4).map(digit).collect()
}
