//! Tests of OpenTelemetry metrics, in both encodings.

use serde_json::{Value as Json, json};

use super::*;

mod bounded;
mod laws;
#[path = "../../../../tests/system/protobuf.rs"]
mod protobuf;

const NOW: f64 = 1_792_540_800.0;
const ARRIVAL: Arrival = Arrival { at: NOW, lateness_s: 86_400 };
const NOW_NS: u64 = 1_792_540_800_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// Each point as `index n/d/p/t-NOW labels`, each rejection as `index field: message`.
fn read(body: &[u8], encoding: Encoding) -> Result<Vec<String>, Refused> {
    let mut read = Vec::new();
    each_point(body, encoding, ARRIVAL, &mut |index, point| {
        read.push(match point {
            Ok((Point { n, d, p, t }, labels)) => {
                let labels = labels.replace('\u{1f}', "=").replace('\u{1e}', ";");
                format!("{index} {n}/{d}/{}/{} {labels}", p.unwrap_or_default(), t - NOW)
            }
            Err(rejection) => format!("{index} {}: {rejection}", rejection.field().unwrap_or("-")),
        });
    })?;
    Ok(read)
}

/// The result of both encodings, which must be the same.
#[track_caller]
fn both(request: &Json) -> Vec<String> {
    let of_json = read(request.to_string().as_bytes(), Encoding::Json).expect("well-formed");
    let of_protobuf = read(&protobuf::of_json(request), Encoding::Protobuf).expect("well-formed");
    assert_eq!(of_json, of_protobuf);
    of_json
}

fn attributes(pairs: &[(&str, Json)]) -> Json {
    pairs.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

fn text(value: &str) -> Json {
    json!({ "stringValue": value })
}

/// A request of one resource.
fn request(resource: &Json, metrics: &Json) -> Json {
    json!({"resourceMetrics": [{
        "scopeMetrics": [{"metrics": metrics, "scope": {"name": "lib"}}],
        "resource": {"attributes": resource},
    }]})
}

/// A request of one data point of a metric `m` of this kind.
fn of(kind: &str, mut data: Json, point: &Json) -> Json {
    let mut full = json!({"timeUnixNano": NOW_NS.to_string()});
    full.as_object_mut().expect("an object").extend(point.as_object().expect("an object").clone());
    data["dataPoints"] = json!([full]);
    request(&json!([]), &json!([{"name": "m", "unit": "s", kind: data}]))
}

fn delta() -> Json {
    json!({"aggregationTemporality": 1, "isMonotonic": true})
}

fn since(seconds: u64) -> String {
    (NOW_NS - seconds * SECOND_NS).to_string()
}

#[test]
fn each_kind_becomes_what_the_table_says() {
    let one = |kind: &str, how: Json, point: Json| both(&of(kind, how, &point)).join("|");
    let start = since(60);
    assert_eq!(
        one("sum", delta(), json!({"asInt": "5", "startTimeUnixNano": start})),
        "0 5/1/60/0 metric=m;type=counter;"
    );
    assert_eq!(one("sum", delta(), json!({"asDouble": 2.5})), "0 2.5/1/0/0 metric=m;type=counter;");
    assert_eq!(
        one("sum", json!({"aggregationTemporality": 1}), json!({"asInt": "-5", "startTimeUnixNano": start})),
        "0 -5/1/60/0 metric=m;type=gauge_delta;"
    );
    assert_eq!(
        one("sum", json!({"aggregationTemporality": 2}), json!({"asInt": "7", "startTimeUnixNano": start})),
        "0 7/1/0/0 metric=m;type=gauge;"
    );
    assert_eq!(
        one("gauge", json!({}), json!({"asDouble": -0.5, "startTimeUnixNano": start})),
        "0 -0.5/1/0/0 metric=m;type=gauge;"
    );
    for kind in ["histogram", "exponentialHistogram"] {
        assert_eq!(
            one(
                kind,
                json!({"aggregationTemporality": 1}),
                json!({"count": "4", "sum": 10.5, "startTimeUnixNano": start})
            ),
            "0 10.5/4/60/0 metric=m;type=histogram;"
        );
    }
}

#[test]
fn empty_data_points_are_skipped() {
    assert_eq!(both(&of("gauge", json!({}), &json!({"asDouble": 1.0, "flags": 1}))), [""; 0]);
    assert_eq!(
        both(&of("sum", json!({"aggregationTemporality": 2, "isMonotonic": true}), &json!({"flags": 1}))),
        [""; 0]
    );
    assert_eq!(both(&of("histogram", json!({"aggregationTemporality": 1}), &json!({"count": "0"}))), [""; 0]);
    assert_eq!(both(&json!({})), [""; 0]);
    assert_eq!(both(&json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m"}]}]}]})), [""; 0]);
    assert_eq!(both(&of("gauge", json!({}), &json!({"asDouble": 1.0, "flags": 2}))).len(), 1);
    let points = json!([{"flags": 1}, {"asInt": "1", "timeUnixNano": NOW_NS.to_string()}]);
    let after = request(&json!([]), &json!([{"name": "m", "gauge": {"dataPoints": points}}]));
    assert_eq!(both(&after), ["1 1/1/0/0 metric=m;type=gauge;"]);
}

#[test]
fn only_the_metric_that_cannot_be_added_up_is_rejected() {
    let error = |kind: &str, how: Json, point: Json| both(&of(kind, how, &point)).join("|");
    let cumulative = json!({"aggregationTemporality": 2, "isMonotonic": true});
    let set = "set OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta in the SDK";
    let sum = error("sum", cumulative.clone(), json!({"asInt": "1"}));
    assert!(sum.starts_with("0 n: metric \"m\": cumulative sums are not accepted") && sum.contains(set), "{sum}");
    for kind in ["histogram", "exponentialHistogram"] {
        let histogram = error(kind, json!({"aggregationTemporality": 2}), json!({"count": "1", "sum": 1.0}));
        assert!(histogram.starts_with("0 n: metric \"m\": cumulative histograms are not accepted"), "{histogram}");
    }
    assert!(error("summary", json!({}), json!({"count": "1", "sum": 1.0})).contains("use a histogram"));
    assert_eq!(
        error("sum", json!({}), json!({"asInt": "1"})),
        "0 n: metric \"m\": aggregationTemporality must be 1 (delta)"
    );
    assert_eq!(error("gauge", json!({}), json!({})), "0 n: metric \"m\": asDouble or asInt is required");
    assert_eq!(
        error("histogram", json!({"aggregationTemporality": 1}), json!({"count": "1"})),
        "0 n: metric \"m\": a histogram must have a sum"
    );
    assert_eq!(
        error("gauge", json!({}), json!({"asInt": "1", "timeUnixNano": "0"})),
        "0 t: metric \"m\": timeUnixNano is required"
    );
    for bad in ["NaN", "Infinity", "-Infinity"] {
        assert_eq!(error("gauge", json!({}), json!({"asDouble": bad})), "0 n: metric \"m\": n must be a finite number");
    }
    assert!(
        error("gauge", json!({}), json!({"asInt": "1", "timeUnixNano": "1"})).starts_with("0 t: metric \"m\": t is")
    );
    let nameless = request(
        &json!([]),
        &json!([{"name": "", "gauge": {"dataPoints": [{"asInt": "1", "timeUnixNano": NOW_NS.to_string()}]}}]),
    );
    assert_eq!(both(&nameless), ["0 v: metric \"\": a metric must have a name"]);
    let point = json!({"asInt": "1", "timeUnixNano": NOW_NS.to_string()});
    let mut mixed = delta();
    mixed["dataPoints"] = json!([point, {"asInt": "1"}, point]);
    let seen = both(&request(&json!([]), &json!([{"name": "m", "sum": mixed}])));
    assert!(seen.len() == 3 && seen[0].starts_with("0 1/1") && seen[2].starts_with("2 1/1"), "{seen:?}");
}

/// The labels of a point with these attributes, of a resource with those.
#[track_caller]
fn labels(resource: &[(&str, Json)], point: &[(&str, Json)]) -> String {
    let point = json!({"asInt": "1", "timeUnixNano": NOW_NS.to_string(), "attributes": attributes(point)});
    let metrics = json!([{"gauge": {"dataPoints": [point]}, "name": "m"}]);
    let seen = both(&request(&attributes(resource), &metrics)).join("|");
    seen.strip_prefix("0 1/1/0/0 ").unwrap_or(&seen).to_owned()
}

#[test]
fn point_attributes_take_precedence_over_resource_ones() {
    assert_eq!(
        labels(
            &[("service.name", text("shop")), ("region", text("eu")), ("process.pid", json!({"intValue": "7"}))],
            &[("region", text("us")), ("http.route", text("/a"))]
        ),
        "http.route=/a;metric=m;region=us;service.name=shop;type=gauge;"
    );
    assert_eq!(
        labels(&[], &[("metric", text("x")), ("type", text("y")), ("member", text("z"))]),
        "member=z;metric=m;tag_metric=x;tag_type=y;type=gauge;"
    );
    assert_eq!(
        labels(
            &[],
            &[
                ("a", json!({"boolValue": true})),
                ("b", json!({"intValue": "-9007199254740993"})),
                ("c", json!({"doubleValue": 0.5})),
                ("d", json!({"doubleValue": 3.0})),
                ("e", text("")),
                ("f", json!({})),
            ]
        ),
        "a=true;b=-9007199254740993;c=0.5;d=3;metric=m;type=gauge;"
    );
}

#[test]
fn json_is_parsed_by_the_rules_of_proto3() {
    let of = |point: &str, how: &str| {
        let body = format!(
            r#" {{"unknown":[{{"x":"}}]"}}],"resourceMetrics":[{{"resource":null,"scopeMetrics":[{{"metrics":[{{"name":"m","sum":{{{how},"dataPoints":[ {{{point}}} ] }}}}]}}]}}]}} "#
        );
        read(body.as_bytes(), Encoding::Json).map(|seen| seen.join("|")).map_err(|error| error.to_string())
    };
    let good = Ok("0 5/1/0/0 metric=m;type=counter;".to_owned());
    let monotonic = r#""aggregationTemporality":1,"isMonotonic":true"#;
    for point in [
        r#""asInt":"5","timeUnixNano":"1792540800000000000""#,
        r#""asInt":5,"timeUnixNano":1792540800000000000"#,
        r#""asDouble":"5","timeUnixNano":"1.7925408e18""#,
        r#""timeUnixNano" : 1.7925408e18 , "asInt" : 5.0 , "attributes" : null"#,
        r#""asDouble":5e0,"timeUnixNano":"1792540800000000000","exemplars":[{"asInt":[[["}"]]]}],"startTimeUnixNano":"0""#,
    ] {
        assert_eq!(of(point, monotonic), good, "{point}");
    }
    let point = r#""asInt":"5","timeUnixNano":"1792540800000000000""#;
    assert_eq!(of(point, r#""aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA","isMonotonic":true"#), good);
    let refused = |point: &str, how: &str| of(point, how).expect_err("refused");
    for (bad, why) in [
        (r#""asInt":"5.5""#, "asInt must be a whole number of 64 bits"),
        (r#""asInt":9223372036854775808"#, "asInt must be a whole number of 64 bits"),
        (r#""timeUnixNano":-1"#, "timeUnixNano must be a whole number of 64 bits"),
        (r#""asDouble":true"#, "asDouble must be a number"),
    ] {
        assert_eq!(of(bad, monotonic), Ok(format!("0 n: metric \"m\": {why}")));
        let beside = of(&format!("{bad}}},{{{point}"), monotonic).expect("the other one is good");
        assert!(beside.ends_with("|1 5/1/0/0 metric=m;type=counter;"), "{beside}");
    }
    assert_eq!(refused(point, r#""isMonotonic":1"#), "isMonotonic must be true or false");
    assert!(refused(point, r#""aggregationTemporality":"DELTA""#).starts_with("aggregationTemporality must be"));
    for unreadable in
        [r#"["a"]"#, r#"[{"key":"\ud800"}]"#, r#"[{"key":7}]"#, r#"[{"key":"a","value":{"intValue":"x"}}]"#, "7"]
    {
        assert_eq!(of(&format!(r#"{point},"attributes":{unreadable}"#), monotonic), good, "{unreadable}");
    }
    for bad in [
        "",
        "x",
        "{",
        "[]",
        "7",
        "null",
        r#"{"resourceMetrics":[}"#,
        r#"{"resourceMetrics":7}"#,
        "{} x",
        "{\"a\":\"\u{1}\"}",
    ] {
        assert!(read(bad.as_bytes(), Encoding::Json).is_err(), "{bad}");
    }
}

#[test]
fn hostile_protobuf_is_rejected_or_skipped() {
    let of_json = |json: &[u8]| read(json, Encoding::Json);
    let read = |bytes: &[u8]| read(bytes, Encoding::Protobuf);
    let unknown =
        [&[0x78, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01][..], &[0x7d, 1, 2, 3, 4]].concat();
    assert_eq!(read(&unknown), Ok(vec![]));
    for bad in [
        &[0x0a][..],
        &[0x0a, 0x05, 0x01],
        &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0x0a, 0x80, 0x80, 0x80, 0x80, 0x10],
        &[0xff; 11],
        &[0x0b, 0x0c],
        &[0x0e],
        &[0x00, 0x01],
        &[0x02, 0x00],
        &[0x79, 0x00],
        &[0x7d, 0x00],
    ] {
        assert_eq!(read(bad), Err(Refused::NotProtobuf), "{bad:?}");
    }
    assert_eq!(read(&[0x08, 0x01]), Err(Refused::Field("resourceMetrics", "a message")));
    assert_eq!(read(b"{\"resourceMetrics\":[]}"), Err(Refused::NotProtobuf));
    let deep = (0..2_000).fold(Vec::new(), |value, _| message(5, &message(1, &value)));
    let point = message(7, &[message(1, b"a"), message(2, &deep)].concat());
    let metric = message(2, &message(2, &message(5, &message(1, &point))));
    assert_eq!(read(&message(1, &metric)).map(|seen| seen.len()), Ok(1));
    let half = 1 << 19;
    let deep = [&b"{\"a\":"[..], &vec![b'['; half], &vec![b']'; half], b"}"].concat();
    assert_eq!(of_json(&deep), Ok(vec![]));
    let not_utf8 = of("gauge", json!({}), &json!({"asInt": "1"}));
    let mut bytes = protobuf::of_json(&not_utf8);
    let name = bytes.windows(3).position(|part| part == [0x0a, 1, b'm']).expect("the name");
    bytes[name + 2] = 0xff;
    assert_eq!(read(&bytes), Err(Refused::Field("name", "UTF-8")));
}

/// A message in this field.
fn message(field: u8, message: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    codec::put_bytes(&mut out, message);
    out
}

#[test]
fn at_most_ten_thousand_data_points_are_accepted() {
    let body = |points: usize| {
        let points = vec![json!({"asInt": "1", "timeUnixNano": NOW_NS.to_string()}); points];
        request(&json!([]), &json!([{"name": "m", "gauge": {"dataPoints": points}}]))
    };
    assert_eq!(both(&body(MAX_POINTS)).len(), MAX_POINTS);
    let beyond = body(MAX_POINTS + 1);
    let too_many = Err(Refused::TooMany(TooManyPoints));
    assert_eq!(read(beyond.to_string().as_bytes(), Encoding::Json), too_many);
    assert_eq!(read(&protobuf::of_json(&beyond), Encoding::Protobuf), too_many);
}
