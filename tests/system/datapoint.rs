//! The datapoint: what each field allows, at its limits and beyond.

use serde_json::{Value, json};

use crate::clock::{now_s, past_hour};
use crate::server::Server;
use crate::stream::Stream;

const MAX_LABELS: usize = 16;

/// Each of these points is accepted.
#[track_caller]
fn assert_accepted(points: &[Value]) {
    let stream = Stream::new();
    for point in points {
        assert_eq!(stream.write(point.to_string()), json!({"accepted": 1, "rejected": 0, "errors": []}), "{point}");
    }
}

/// Each of these points is rejected for this field, with a reason.
#[track_caller]
fn assert_rejected(field: &str, points: &[String]) {
    let stream = Stream::new();
    for point in points {
        let errors = stream.refused(point.as_str());
        assert_eq!(errors.len(), 1, "{point}: {errors:?}");
        assert_eq!((&errors[0]["index"], &errors[0]["field"]), (&json!(0), &json!(field)), "{point}: {errors:?}");
        assert!(errors[0]["message"].as_str().is_some_and(|message| !message.is_empty()), "{point}: {errors:?}");
    }
}

/// Each of these strings is rejected as the value of a field.
#[track_caller]
fn assert_values_rejected(field: &str, values: &[&str]) {
    let point = |value: &&str| match field {
        "n" => format!(r#"{{"n":{value}}}"#),
        _ => format!(r#"{{"n":1,"{field}":{value}}}"#),
    };
    assert_rejected(field, &values.iter().map(point).collect::<Vec<_>>());
}

/// A point with this many labels.
fn labelled(count: usize) -> Value {
    let labels: serde_json::Map<_, _> = (0..count).map(|index| (format!("label{index}"), "x".into())).collect();
    json!({"n": 1, "v": labels})
}

#[test]
fn a_point_needs_only_a_numerator() {
    assert_accepted(&[json!({"n": 1})]);
    assert_rejected("n", &["{}".into(), r#"{"d":1}"#.into(), r#"{"v":{"a":"b"},"p":10}"#.into()]);
}

#[test]
fn the_example_of_the_contract_is_accepted() {
    assert_accepted(&[json!({"n": 1234, "d": 3, "p": 10, "v": {"country": "US"}, "t": now_s()})]);
}

#[test]
fn the_numerator_is_a_json_number_within_bounds() {
    let stream = Stream::new();
    for number in ["0", "-0", "-1.5", "9007199254740992", "-9007199254740992", "5e-324", "1E+2", "1e-999"] {
        stream.write(format!("{{\"n\":{number}}}"));
    }
    let large = ["9007199254740994", "-1e16", "1e100", "1e300", "-1e308", "123456789012345678901234567890"];
    assert_values_rejected("n", &large);
    let values = ["null", "true", "\"1\"", "[1]", "{}", "NaN", "-NaN", "Infinity", "-Infinity", "1e999", "-1e999"];
    assert_values_rejected("n", &values);
}

#[test]
fn malformed_numbers_are_rejected() {
    let stream = Stream::new();
    for number in ["0x10", "01", "+1", ".5", "1.", "1e", "--1", "1_000", "1,5", "", "1n", "1 2", "1f64"] {
        let errors = stream.refused(format!(r#"{{"n":{number}}}"#));
        assert_eq!((errors.len(), &errors[0]["index"]), (1, &json!(0)), "{number}: {errors:?}");
    }
}

#[test]
fn a_denominator_is_0_or_positive_within_bounds() {
    let largest = json!({"n": 1, "d": 9_007_199_254_740_992_u64});
    assert_accepted(&[json!({"n": 1, "d": 0}), largest, json!({"n": 1, "d": 0.001}), json!({"n": 1, "d": 1e-100})]);
    assert_values_rejected("d", &["-1", "-0.001", "-1e-300", "1e999", "NaN", "Infinity", "null", "\"1\"", "true"]);
    assert_values_rejected("d", &["5e-324", "9.9e-101", "1e16", "1e100", "1e308"]);
}

#[test]
fn the_owner_may_write_1e100_and_its_sums_stay_finite() {
    let stream = Stream::new();
    let write = |body: &str| stream.owned("POST", "/points").body(body).send();
    let bounds = r#"[{"n":1e100,"d":1e-100},{"n":1e100,"d":1e-100},{"n":-1e100,"d":1e100,"p":86400},{"n":1e-300,"d":0,"p":0.001}]"#;
    assert_eq!(write(bounds).expect(202).json()["rejected"], 0);
    for beyond in [r#"{"n":1.1e100}"#, r#"{"n":-1e300}"#, r#"{"n":1,"d":1.1e100}"#, r#"{"n":1,"d":1e-101}"#] {
        let answer = write(beyond);
        assert_eq!(answer.problem(400), "invalid-points");
        assert!(answer.text().contains("1e100"), "the reason does not say what is allowed: {}", answer.text());
    }
    let rollup = stream.rollup("from=-3d&step=1d&agg=sum,ratio,rate,min,max,p50,p99");
    let is_there = |name: &str| rollup["series"][0][name].as_array().expect("a list").iter().any(Value::is_number);
    assert!(["sum", "ratio", "rate", "min", "max", "p50", "p99"].into_iter().all(is_there), "{rollup}");
}

#[test]
fn an_absent_denominator_counts_as_1() {
    let (stream, hour) = (Stream::new(), past_hour());
    stream.write(json!([{"n": 6, "t": hour}, {"n": 2, "d": 3, "t": hour}]).to_string());
    let rollup = stream.rollup(&format!("from={hour}&to={}&step=10s&agg=ratio", hour + 10));
    assert_eq!(rollup["series"][0]["ratio"], json!([2]));
}

#[test]
fn a_period_is_from_a_millisecond_to_a_day() {
    assert_accepted(&[json!({"n": 1, "p": 86400}), json!({"n": 1, "p": 0.001})]);
    let values = [
        "0",
        "-0",
        "-1",
        "5e-324",
        "0.00099",
        "-5e-324",
        "86400.001",
        "86401",
        "1e308",
        "1e999",
        "NaN",
        "null",
        "\"10\"",
        "[10]",
    ];
    assert_values_rejected("p", &values);
}

#[test]
fn a_point_without_a_period_is_an_instant() {
    let (stream, hour) = (Stream::new(), past_hour());
    stream.write(json!({"n": 5, "t": hour + 19}).to_string());
    let rollup = stream.rollup(&format!("from={hour}&to={}&step=10s&agg=sum,count", hour + 30));
    assert_eq!(rollup["series"][0]["sum"], json!([null, 5, null]));
    assert_eq!(rollup["series"][0]["count"], json!([null, 1, null]));
}

#[test]
fn a_point_has_at_most_16_labels() {
    assert_accepted(&[labelled(0), labelled(1), labelled(MAX_LABELS)]);
    assert_rejected("v", &[labelled(MAX_LABELS + 1).to_string(), labelled(1000).to_string()]);
}

#[test]
fn a_label_key_has_1_to_64_bytes_of_utf_8() {
    let point = |key: &str| json!({"n": 1, "v": {key: "x"}});
    assert_accepted(&[point("k"), point(&"k".repeat(64)), point(&"é".repeat(32)), point(&"🫀".repeat(16))]);
    let rejected = ["", &"k".repeat(65), &format!("{}k", "é".repeat(32)), &"🫀".repeat(17)];
    assert_rejected("v", &rejected.map(|key| point(key).to_string()));
}

#[test]
fn a_label_value_has_0_to_256_bytes_of_utf_8() {
    let point = |value: &str| json!({"n": 1, "v": {"k": value}});
    assert_accepted(&[point(""), point(&"x".repeat(256)), point(&"é".repeat(128)), point(&"🫀".repeat(64))]);
    let rejected = ["x".repeat(257), format!("{}x", "é".repeat(128)), "🫀".repeat(65)];
    assert_rejected("v", &rejected.map(|value| point(&value).to_string()));
}

#[test]
fn escapes_in_labels_are_decoded() {
    let stream = Stream::new();
    let value = r"\u0041".repeat(256);
    stream.write(format!(r#"{{"n":1,"v":{{"\u0061\/\\\"":"{value}"}}}}"#));
    stream.write(r#"{"n":1,"v":{"heart":"\ud83e\udec0"}}"#);
    let rollup = stream.rollup("from=-1h&by=*&step=1h");
    let labels: Vec<_> = rollup["series"].as_array().expect("a list").iter().map(|series| &series["labels"]).collect();
    assert!(labels.contains(&&json!({"a/\\\"": "A".repeat(256)})), "{labels:?}");
    assert!(labels.contains(&&json!({"heart": "🫀"})), "{labels:?}");
}

#[test]
fn labels_have_no_control_characters() {
    let controls = ['\0', '\t', '\n', '\r', '\u{1b}', '\u{1e}', '\u{1f}', '\u{7f}', '\u{85}', '\u{9f}'];
    let in_value = controls.map(|control| json!({"n": 1, "v": {"k": format!("a{control}b")}}).to_string());
    let in_key = controls.map(|control| json!({"n": 1, "v": {format!("a{control}b"): "x"}}).to_string());
    assert_rejected("v", &in_value);
    assert_rejected("v", &in_key);
    let raw = Stream::new().call("POST", "/points").header("Content-Type", "application/json");
    assert_eq!(raw.body("{\"n\":1,\"v\":{\"k\":\"a\nb\"}}").send().problem(400), "invalid-points");
    assert_accepted(&[json!({"n": 1, "v": {"k": "a b\u{a0}\u{2028}"}})]);
}

#[test]
fn labels_are_an_object_of_strings() {
    assert_values_rejected("v", &["null", "[]", "\"country=US\"", "1", "true"]);
    let values = ["1", "1.5", "true", "null", "{}", "[\"US\"]"];
    assert_values_rejected(
        "v",
        &values.map(|value| format!(r#"{{"country":{value}}}"#)).each_ref().map(String::as_str),
    );
    assert_accepted(&[json!({"n": 1, "v": {}})]);
}

#[test]
fn a_point_may_be_up_to_a_day_late() {
    let slow_test_s = 60.0;
    // Its start is not among what may take so long.
    Server::shared();
    assert_accepted(&[json!({"n": 1, "t": now_s() - 86_400.0 + slow_test_s}), json!({"n": 1, "t": now_s() - 0.25})]);
    assert_rejected("t", &[json!({"n": 1, "t": now_s() - 86_401.0}).to_string()]);
}

#[test]
fn a_point_may_be_up_to_a_minute_ahead() {
    let slow_test_s = 60.0;
    Server::shared();
    assert_accepted(&[json!({"n": 1, "t": now_s() + 59.999})]);
    assert_rejected("t", &[json!({"n": 1, "t": now_s() + 60.001 + slow_test_s}).to_string()]);
}

#[test]
fn a_time_is_a_number_of_seconds() {
    assert_values_rejected("t", &["null", "\"now\"", "\"2026-11-23T12:00:00Z\"", "0", "-1", "1e999", "NaN"]);
    let milliseconds = now_s() * 1000.0;
    assert_rejected("t", &[json!({"n": 1, "t": milliseconds}).to_string()]);
}

#[test]
fn a_missing_time_is_the_time_of_arrival() {
    let stream = Stream::new();
    let before = now_s();
    stream.write(r#"{"n":1}"#);
    let after = now_s();
    let rollup = stream.rollup("from=-2m&step=10s&agg=count");
    let counts = rollup["series"][0]["count"].as_array().expect("a list");
    let index = counts.iter().position(|count| *count == 1).expect("the point is there");
    let bucket_s = rollup["times"][index].as_f64().expect("a time");
    assert!(bucket_s + 10.0 > before && bucket_s <= after, "{before} {bucket_s} {after}");
}

#[test]
fn an_unknown_field_is_named() {
    let stream = Stream::new();
    for (point, name, words) in [
        (r#"{"n":1,"value":2}"#, "value", r#"unknown field "value""#),
        (r#"{"value":2}"#, "value", r#"unknown field "value""#),
        (r#"{"n":1,"N":2}"#, "N", r#"unknown field "N""#),
        (r#"{"n":1,"kv":{"country":"US"}}"#, "kv", "labels go in `v`"),
        (r#"{"kv":{"country":"US"},"n":1}"#, "kv", "labels go in `v`"),
    ] {
        let errors = stream.refused(point);
        assert_eq!(errors[0]["field"], name, "{point}");
        assert!(errors[0]["message"].as_str().is_some_and(|message| message.contains(words)), "{point}: {errors:?}");
    }
}

#[test]
fn a_repeated_field_or_label_is_rejected() {
    for (field, point) in [
        ("n", r#"{"n":1,"n":1}"#),
        ("n", r#"{"n":1,"\u006e":2}"#),
        ("d", r#"{"n":1,"d":1,"d":1}"#),
        ("p", r#"{"p":1,"n":1,"p":2}"#),
        ("t", r#"{"n":1,"t":1,"t":2}"#),
        ("v", r#"{"n":1,"v":{},"v":{}}"#),
        ("v", r#"{"n":1,"v":{"a":"1","a":"1"}}"#),
        ("v", r#"{"n":1,"v":{"a":"1","\u0061":"2"}}"#),
        ("v", r#"{"n":1,"v":{"a":"1","a":""}}"#),
    ] {
        assert_rejected(field, &[point.to_owned()]);
    }
}
