//! OpenTelemetry metrics over HTTP: what becomes of each, and what an exporter is answered.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::gzip::gzip;
use crate::http::Answer;
use crate::protobuf;
use crate::server::{OWNER_TOKEN, Server};
use crate::stream::{Stream, added, assert_close};

const PATH: &str = "/otlp/v1/metrics";
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";

/// This many seconds ago, in nanoseconds.
fn ago(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    (now.as_nanos() - u128::from(seconds) * 1_000_000_000).to_string()
}

fn post(stream: &Stream, media_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    stream.call("POST", PATH).header("Content-Type", media_type).body(body).send()
}

/// A request of one resource.
fn request(metrics: &Value) -> Value {
    let attributes = json!([{"key": "service.name", "value": {"stringValue": "shop"}},
        {"key": "process.pid", "value": {"intValue": "7"}}]);
    json!({"resourceMetrics": [{"resource": {"attributes": attributes}, "scopeMetrics": [{"metrics": metrics}]}]})
}

fn counter(temporality: u8, value: u32) -> Value {
    let point = json!({"asInt": value.to_string(), "startTimeUnixNano": ago(60), "timeUnixNano": ago(0),
        "attributes": [{"key": "plan", "value": {"stringValue": "free"}}]});
    json!({"name": "signups", "sum": {"aggregationTemporality": temporality, "isMonotonic": true, "dataPoints": [point]}})
}

fn all_kinds() -> Value {
    let (start, time) = (ago(60), ago(1));
    request(&json!([
        counter(1, 5),
        {"name": "queue", "gauge": {"dataPoints": [{"asDouble": 2.5, "timeUnixNano": time}]}},
        {"name": "users", "sum": {"aggregationTemporality": 2, "dataPoints": [{"asInt": "12", "timeUnixNano": time}]}},
        {"name": "took", "unit": "ms", "histogram": {"aggregationTemporality": 1, "dataPoints": [
            {"count": "4", "sum": 100.0, "startTimeUnixNano": start, "timeUnixNano": time}]}},
        {"name": "size", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [
            {"count": "2", "sum": 3.0, "startTimeUnixNano": start, "timeUnixNano": time}]}},
    ]))
}

/// Totals of n by metric, type and service.
fn totals(stream: &Stream) -> Value {
    let rollup = stream.rollup("from=-2h&step=1d&by=metric,type,service.name&agg=sum");
    let mut totals = json!({});
    for series in rollup["series"].as_array().expect("a list") {
        let text = |name: &str| series["labels"][name].as_str().unwrap_or_default().to_owned();
        let name = format!("{} {} {}", text("metric"), text("type"), text("service.name"));
        totals[name] = ((added(&series["sum"]) * 1e6).round() / 1e6).into();
    }
    totals
}

#[test]
fn each_metric_kind_is_stored_in_every_encoding() {
    let bodies = [JSON, PROTOBUF].map(|media_type| {
        let request = all_kinds();
        let body = if media_type == JSON { request.to_string().into_bytes() } else { protobuf::of_json(&request) };
        (media_type, body)
    });
    for ((media_type, body), is_packed) in bodies.into_iter().flat_map(|body| [(body.clone(), false), (body, true)]) {
        let stream = Stream::new();
        let answer = if is_packed {
            let call = stream.call("POST", PATH).header("Content-Type", media_type);
            call.header("Content-Encoding", "gzip").body(gzip(&body)).send()
        } else {
            post(&stream, media_type, body)
        }
        .expect(200);
        assert_eq!(answer.header("Content-Type"), media_type);
        assert_eq!(answer.text(), if media_type == JSON { "{}" } else { "" });
        assert_eq!(
            totals(&stream),
            json!({"signups counter shop": 5.0, "queue gauge shop": 2.5, "users gauge shop": 12.0,
                "took histogram shop": 100.0, "size histogram shop": 3.0})
        );
        let mean = stream.rollup("from=-2h&step=1d&where=metric%3Dtook&agg=ratio");
        assert_close(added(&mean["series"][0]["ratio"]), 25.0, "the mean of all that were timed");
        let labels = stream.rollup("from=-2h&step=1d&by=*&where=metric%3Dsignups")["series"][0]["labels"].clone();
        assert_eq!(labels, json!({"metric": "signups", "type": "counter", "plan": "free", "service.name": "shop"}));
    }
}

#[test]
fn cumulative_points_are_reported_and_others_kept() {
    let stream = Stream::new();
    let body = request(&json!([counter(2, 3), counter(1, 5), counter(2, 4)]));
    let answer = post(&stream, JSON, body.to_string()).expect(200).json();
    let partial = &answer["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "2");
    let message = partial["errorMessage"].as_str().expect("a string");
    for part in ["data point 0: metric \"signups\"", "data point 2:", "_TEMPORALITY_PREFERENCE=delta"] {
        assert!(message.contains(part), "{message}");
    }
    assert_close(stream.total("sum"), 5.0, "the valid points");
    assert_eq!(stream.read("/status").json()["rejected"]["n"], 2);

    let in_protobuf = post(&stream, PROTOBUF, protobuf::of_json(&request(&json!([counter(2, 3), counter(1, 5)]))));
    let text = String::from_utf8_lossy(&in_protobuf.expect(200).body).into_owned();
    assert!(text.starts_with('\u{a}') && text.contains("data point 0: metric \"signups\""), "{text:?}");
}

/// The message of a `google.rpc.Status` in JSON.
#[track_caller]
fn refusal(answer: &Answer, status: u16, code: u8) -> String {
    assert_eq!((answer.status, answer.header("Content-Type")), (status, JSON), "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["code"], code);
    body["message"].as_str().expect("a string").to_owned()
}

#[test]
fn a_refused_request_is_a_status_and_stores_nothing() {
    let stream = Stream::new();
    let cumulative = request(&json!([counter(2, 3)])).to_string();
    let message = refusal(&post(&stream, JSON, cumulative.clone()), 400, 3);
    assert!(
        message.starts_with("every data point was rejected; data point 0: metric \"signups\": cumulative"),
        "{message}"
    );
    assert!(refusal(&post(&stream, JSON, "{"), 400, 3).starts_with("the body is not JSON"));
    let strange = r#"{"resourceMetrics":[{"scopeMetrics":7}]}"#;
    assert_eq!(refusal(&post(&stream, JSON, strange), 400, 3), "scopeMetrics must be a message");
    for media_type in ["", "text/plain", "application/x-www-form-urlencoded"] {
        assert!(refusal(&post(&stream, media_type, "{}"), 415, 3).contains("application/x-protobuf"));
    }
    let points = vec![json!({"asInt": "1", "timeUnixNano": ago(0)}); 10_001];
    let many = request(&json!([{"name": "m", "gauge": {"dataPoints": points}}]));
    assert_eq!(refusal(&post(&stream, JSON, many.to_string()), 413, 8), "a request can have at most 10000 points");
    let service = json!([{"key": "a", "value": {"stringValue": "x".repeat(256)}}]);
    let points: Vec<Value> = (0..4_500)
        .map(|number| {
            json!({"asInt": "1", "timeUnixNano": ago(0),
        "attributes": [{"key": "b", "value": {"intValue": number.to_string()}}]})
        })
        .collect();
    let metrics = json!([{"name": "m", "gauge": {"dataPoints": points}}]);
    let blown_up =
        json!({"resourceMetrics": [{"resource": {"attributes": service}, "scopeMetrics": [{"metrics": metrics}]}]});
    assert!(refusal(&post(&stream, JSON, blown_up.to_string()), 413, 8).contains("labels of all data points"));
    let large = format!("{}{}", cumulative, " ".repeat(1 << 20));
    assert!(refusal(&post(&stream, JSON, large), 413, 8).contains("at most 1048576 bytes"));
    let packed =
        stream.call("POST", PATH).header("Content-Type", JSON).header("Content-Encoding", "deflate").body("{}");
    refusal(&packed.send(), 415, 3);
    refusal(&stream.call("GET", PATH).send(), 405, 3);

    let broken = post(&stream, PROTOBUF, [0x0a, 0x05]);
    assert_eq!((broken.status, broken.header("Content-Type")), (400, PROTOBUF));
    assert!(broken.text().starts_with("\u{8}\u{3}\u{12}"), "{:?}", broken.text());
    let foreign = Stream { id: "a".repeat(stream.id.len()), ..stream.clone() };
    refusal(&post(&foreign, JSON, "{}"), 404, 5);
    assert_eq!(stream.call("POST", "/otlp/v1/traces").body("{}").send().problem(404), "not-found");
    assert_eq!(stream.read("/status").json()["accepted"], 0);
}

#[test]
fn a_request_without_data_points_succeeds() {
    let stream = Stream::new();
    let silent = json!([{"name": "m", "gauge": {"dataPoints": [{"flags": 1, "timeUnixNano": ago(0)}]}}]);
    for body in [json!({}), json!({"resourceMetrics": []}), request(&json!([])), request(&silent)] {
        assert_eq!(post(&stream, JSON, body.to_string()).expect(200).text(), "{}");
        assert_eq!(post(&stream, PROTOBUF, protobuf::of_json(&body)).expect(200).text(), "");
    }
    assert_eq!(stream.read("/status").json()["accepted"], 0);
}

#[test]
fn the_same_bytes_count_once_and_get_the_first_answer() {
    let stream = Stream::create(Server::shared(), json!({"name": "test"}));
    let body = request(&json!([counter(1, 5), counter(2, 1)])).to_string();
    let answers = [(); 3].map(|()| post(&stream, JSON, body.clone()).expect(200).json());
    assert!(answers.iter().all(|answer| answer["partialSuccess"]["rejectedDataPoints"] == "1"), "{answers:?}");
    assert_eq!((&answers[0], &answers[1]), (&answers[2], &answers[2]));
    let packed = stream.call("POST", PATH).header("Content-Type", JSON).header("Content-Encoding", "gzip");
    packed.body(gzip(body.as_bytes())).send().expect(200);
    assert_close(stream.total("sum"), 5.0, "once");
    post(&stream, JSON, request(&json!([counter(1, 5)])).to_string()).expect(200);
    assert_close(stream.total("sum"), 10.0, "the same later is something else");
    stream.owned("PATCH", "").body(r#"{"shards":4}"#).send().expect(200);
    post(&stream, JSON, body.clone()).expect(200);
    assert_close(stream.total("sum"), 10.0, "even with more shards now");
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.1"] {
        let call = stream.call("POST", PATH).header("Content-Type", JSON).header("X-Forwarded-For", address);
        call.body(body.clone()).send().expect(200);
    }
    assert_close(stream.total("sum"), 20.0, "once from each address");
    for key in ["one", "two"] {
        let call = stream.call("POST", PATH).header("Content-Type", JSON).header("Idempotency-Key", key);
        call.body(body.clone()).send().expect(200);
    }
    assert_close(stream.total("sum"), 30.0, "an explicit key takes precedence");
}

#[test]
fn exporters_on_pages_write_if_their_origin_may() {
    let listed = Stream::create(Server::shared(), json!({"name": "test", "origins": ["https://shop.example"]}));
    let from = |stream: &Stream, method, origin: &str| {
        let call = stream.call(method, PATH).header("Origin", origin).header("Content-Type", JSON);
        call.body(request(&json!([counter(1, 1)])).to_string()).send()
    };
    let open = Stream::new();
    let preflight = from(&open, "OPTIONS", "https://any.example").expect(204);
    assert_eq!(preflight.header("Access-Control-Allow-Methods"), "POST, OPTIONS");
    assert!(preflight.header("Access-Control-Allow-Headers").contains("Content-Type, Content-Encoding"));
    assert_eq!(from(&open, "POST", "https://any.example").expect(200).header("Access-Control-Allow-Origin"), "*");
    let page = "https://shop.example";
    assert_eq!(from(&listed, "POST", page).expect(200).header("Access-Control-Allow-Origin"), page);
    for method in ["POST", "OPTIONS"] {
        refusal(&from(&listed, method, "https://evil.example"), 403, 7);
    }
}

#[test]
fn a_point_means_the_same_on_every_path() {
    let stream = Stream::new();
    for _ in 0..2 {
        post(&stream, JSON, request(&json!([counter(1, 1)])).to_string()).expect(200);
        let statsd = "signups:1|c|#plan:free,service.name:shop";
        stream.call("POST", "/statsd").body(statsd).send().expect(202);
    }
    let rollup = stream.rollup("from=-2h&step=1d&by=*");
    assert_eq!(rollup["series"].as_array().map(Vec::len), Some(1), "{rollup}");
    assert_close(stream.total("sum"), 4.0, "sum");
}

#[test]
fn a_deleted_stream_is_gone() {
    let stream = Stream::new();
    stream.call("DELETE", "").bearer(OWNER_TOKEN).send().expect(204);
    refusal(&post(&stream, JSON, request(&json!([counter(1, 1)])).to_string()), 404, 5);
}

/// A point of a delta sum with these fields besides its value, 5.
fn five(more: &Value) -> Value {
    let mut point = json!({"asInt": "5", "timeUnixNano": ago(0)});
    point.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json!({"name": "m", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point]}})
}

#[test]
fn a_value_is_kept_whatever_surrounds_it() {
    let ahead = (ago(0).parse::<u128>().expect("a number") + 300_000_000_000).to_string();
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let list = json!({"key": "a", "value": {"arrayValue": {"values": [{"stringValue": "x"}]}}});
    for more in [
        json!({"startTimeUnixNano": ago(90_000)}),
        json!({"startTimeUnixNano": ago(30 * 86_400)}),
        json!({"startTimeUnixNano": "0"}),
        json!({"startTimeUnixNano": ahead}),
        json!({"startTimeUnixNano": ago(60), "timeUnixNano": ahead}),
        json!({"attributes": [text("a", &"x".repeat(257))]}),
        json!({"attributes": [text(&"x".repeat(65), "a")]}),
        json!({"attributes": [text("a", "line\nline")]}),
        json!({"attributes": [text("a", "1"), text("a", "2")]}),
        json!({"attributes": [text("", "1")]}),
        json!({"attributes": [list]}),
        json!({"attributes": [{"key": "a", "value": {"doubleValue": "NaN"}}]}),
        json!({"attributes": [{"key": "a"}, {}]}),
        json!({"attributes": (0..40).map(|number| text(&format!("a{number}"), "x")).collect::<Vec<_>>()}),
    ] {
        for media_type in [JSON, PROTOBUF] {
            let stream = Stream::new();
            let body = request(&json!([five(&more)]));
            let body = if media_type == JSON { body.to_string().into_bytes() } else { protobuf::of_json(&body) };
            let answer = post(&stream, media_type, body).expect(200);
            assert_eq!(answer.text(), if media_type == JSON { "{}" } else { "" }, "{more}");
            // Also what counts as of the next minutes, before midnight.
            let all = stream.rollup(&format!("from=-3d&to={}&step=1d&agg=sum", crate::clock::now_whole_s() + 600));
            assert_close(
                all["series"].as_array().expect("a list").iter().map(|series| added(&series["sum"])).sum(),
                5.0,
                &more.to_string(),
            );
        }
    }
}

#[test]
fn beyond_the_limit_the_least_important_attributes_go() {
    let attributes = |names: &[&str]| {
        names.iter().map(|name| json!({"key": name, "value": {"stringValue": "x"}})).collect::<Vec<_>>()
    };
    let resource = [
        "k8s.namespace.name",
        "k8s.deployment.name",
        "k8s.cluster.name",
        "cloud.region",
        "cloud.provider",
        "service.version",
        "service.name",
        "deployment.environment.name",
        "team",
        "zone",
        "rack",
        "tier",
    ];
    let point = [
        "http.route",
        "http.request.method",
        "http.response.status_code",
        "url.scheme",
        "server.address",
        "server.port",
        "network.protocol.name",
        "network.protocol.version",
        "error.type",
    ];
    let stream = Stream::new();
    for is_reversed in [false, true] {
        let (mut resource, mut point) = (resource, point);
        if is_reversed {
            resource.reverse();
            point.reverse();
        }
        let metrics = json!([five(&json!({"attributes": attributes(&point)}))]);
        let body = json!({"resourceMetrics": [{"resource": {"attributes": attributes(&resource)}, "scopeMetrics": [{"metrics": metrics}]}]});
        assert_eq!(post(&stream, JSON, body.to_string()).expect(200).text(), "{}");
    }
    let rollup = stream.rollup("from=-2h&step=1d&by=*");
    assert_eq!(rollup["series"].as_array().map(Vec::len), Some(1), "in whatever order: {rollup}");
    let labels = rollup["series"][0]["labels"].as_object().expect("an object");
    assert_eq!(labels.len(), 16);
    let kept = ["metric", "type", "service.name", "service.version", "deployment.environment.name"];
    for name in kept.iter().chain(&point) {
        assert!(labels.contains_key(*name), "{name} is not in {labels:?}");
    }
}

#[test]
fn one_bad_point_of_a_large_batch_costs_no_other() {
    let stream = Stream::new();
    let mut points: Vec<Value> = (0..2_000).map(|_| json!({"asInt": "1", "timeUnixNano": ago(0)})).collect();
    for (place, bad) in [
        (7, json!({"asDouble": "NaN", "timeUnixNano": ago(0)})),
        (300, json!({"asInt": "five", "timeUnixNano": ago(0)})),
        (1_999, json!({"asInt": "1"})),
        (20, json!({"flags": 1, "timeUnixNano": ago(0)})),
    ] {
        points[place] = bad;
    }
    let body = request(&json!([{"name": "m", "gauge": {"dataPoints": points}}]));
    let partial = post(&stream, JSON, body.to_string()).expect(200).json()["partialSuccess"].clone();
    assert_eq!(partial["rejectedDataPoints"], "3");
    let message = partial["errorMessage"].as_str().expect("a string");
    for part in ["data point 7: ", "data point 300: metric \"m\": asInt must be a whole number", "data point 1999: "] {
        assert!(message.contains(part), "{message}");
    }
    assert_close(stream.total("count"), 1_996.0, "all others");
}
