//! Values are kept even when other parts must be bounded or left out.

use super::*;

/// A delta with these times, in seconds before now.
fn delta_of(start_s: i64, time_s: i64) -> String {
    let ns = |ago_s: i64| i128::from(ago_s) * i128::from(SECOND_NS);
    delta_of_ns(ns(start_s), ns(time_s))
}

/// The same, in nanoseconds before now.
fn delta_of_ns(start: i128, time: i128) -> String {
    let at = |ago: i128| (i128::from(NOW_NS) - ago).to_string();
    let point = json!({"asInt": "5", "startTimeUnixNano": at(start), "timeUnixNano": at(time)});
    both(&of("sum", delta(), &point)).join("|").replace(" metric=m;type=counter;", "")
}

#[test]
fn a_value_is_kept_whatever_its_period() {
    let day = 86_400;
    assert_eq!(delta_of(day, 0), "0 5/1/86400/0");
    assert_eq!(delta_of_ns(10_105, 0), "0 5/1/0.001/0", "two exports may be so near");
    for longer in [day + 1, 3 * day, 400 * day] {
        assert_eq!(delta_of(longer, 0), "0 5/1/86400/0", "{longer}");
    }
    assert_eq!(delta_of(2 * day + 60, 60), "0 5/1/86400/-60");
    for not_before in [-5, 0, -day] {
        assert_eq!(delta_of(not_before, 0), "0 5/1/0/0", "{not_before}");
    }
    let histogram = json!({"count": "4", "sum": 10.5, "startTimeUnixNano": since(100_000)});
    let seen = both(&of("histogram", json!({"aggregationTemporality": 1}), &histogram));
    assert_eq!(seen, ["0 10.5/4/86400/0 metric=m;type=histogram;"]);
}

#[test]
fn a_clock_ahead_loses_nothing_and_a_wrong_one_is_reported() {
    assert_eq!(delta_of(0, -60), "0 5/1/60/60");
    for ahead in [61, 300, 86_400] {
        assert_eq!(delta_of(0, -ahead), format!("0 5/1/{ahead}/0"), "{ahead}");
    }
    assert!(delta_of(0, -86_401).starts_with("0 t: metric \"m\": t is 86401 seconds in the future"));
    assert!(delta_of(90_000, 86_401).starts_with("0 t: metric \"m\": t is 86401 seconds ago"));
}

#[test]
fn attributes_that_no_label_can_hold_cost_no_point() {
    let list = json!({"arrayValue": {"values": [{"stringValue": "a"}]}});
    let map = json!({"kvlistValue": {"values": [{"key": "a", "value": {"stringValue": "b"}}]}});
    for value in [
        list,
        map,
        json!({"bytesValue": "AAEC"}),
        json!({"doubleValue": "NaN"}),
        json!({"doubleValue": "-Infinity"}),
        json!({}),
        text(""),
    ] {
        assert_eq!(labels(&[], &[("tags", value.clone()), ("b", text("1"))]), "b=1;metric=m;type=gauge;", "{value}");
        assert_eq!(labels(&[("tags", value.clone()), ("b", text("1"))], &[]), "b=1;metric=m;type=gauge;", "{value}");
    }
    assert_eq!(labels(&[("", text("x"))], &[("", text("x"))]), "metric=m;type=gauge;");
}

#[test]
fn long_values_are_truncated_and_control_characters_replaced() {
    let long = "é".repeat(200);
    assert_eq!(labels(&[], &[("a", text(&long))]), format!("a={};metric=m;type=gauge;", "é".repeat(128)));
    assert_eq!(
        labels(&[("a", text(&format!("x{long}")))], &[]),
        format!("a=x{};metric=m;type=gauge;", "é".repeat(127))
    );
    assert_eq!(labels(&[], &[(&"n".repeat(65), text("1"))]), format!("metric=m;{}=1;type=gauge;", "n".repeat(64)));
    let alike = ["n".repeat(65), "n".repeat(66)];
    assert_eq!(
        labels(&[(&alike[0], text("1"))], &[(&alike[1], text("2"))]),
        format!("metric=m;{}=2;type=gauge;", "n".repeat(64))
    );
    assert_eq!(labels(&[], &[("a\tb", text("c\r\nd\u{7f}"))]), "a b=c  d ;metric=m;type=gauge;");
    assert_eq!(labels(&[], &[("a", text("1")), ("a", text("2"))]), "a=1;metric=m;type=gauge;", "the first of two");
    assert_eq!(labels(&[], &[("tag_type", text("1")), ("type", text("2"))]), "metric=m;tag_type=1;type=gauge;");
    let point = json!({"asInt": "1", "timeUnixNano": NOW_NS.to_string()});
    let named =
        |name: &str| both(&request(&json!([]), &json!([{"name": name, "gauge": {"dataPoints": [point]}}]))).join("|");
    assert_eq!(named(&"m".repeat(300)), format!("0 1/1/0/0 metric={};type=gauge;", "m".repeat(256)));
    assert_eq!(named("a\nb"), "0 1/1/0/0 metric=a b;type=gauge;");
}

/// This many attributes, from `a` on, in this order or the reverse.
fn many(prefix: &str, number: usize, is_reversed: bool) -> Vec<(String, Json)> {
    let mut all: Vec<_> = (0..number).map(|at| (format!("{prefix}{at:02}"), text("x"))).collect();
    if is_reversed {
        all.reverse();
    }
    all
}

/// The names of the labels, without `metric` and `type`.
#[track_caller]
fn kept(resource: &[(String, Json)], point: &[(String, Json)]) -> Vec<String> {
    let resource: Vec<(&str, Json)> = resource.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let point: Vec<(&str, Json)> = point.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let seen = labels(&resource, &point);
    assert!(seen.contains("metric=m;") && seen.contains("type=gauge;"), "{seen}");
    let names = seen.split_terminator(';').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name.to_owned());
    names.filter(|name| !["metric", "type"].contains(&name.as_str())).collect()
}

#[test]
fn of_too_many_attributes_the_least_important_are_left_out() {
    let named = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), text("x"))).collect::<Vec<_>>();
    let names = |all: Vec<(String, Json)>| all.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    // The attributes of HTTP's and Kubernetes' conventions together: 21.
    let http = [
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "network.protocol.name",
        "network.protocol.version",
        "server.address",
        "server.port",
        "url.scheme",
    ];
    let kubernetes = [
        "cloud.platform",
        "cloud.provider",
        "cloud.region",
        "deployment.environment.name",
        "k8s.cluster.name",
        "k8s.cronjob.name",
        "k8s.daemonset.name",
        "k8s.deployment.name",
        "k8s.namespace.name",
        "service.name",
        "service.namespace",
        "service.version",
    ];
    let mut wanted = http.to_vec();
    wanted.extend([
        "service.name",
        "service.namespace",
        "service.version",
        "deployment.environment.name",
        "cloud.platform",
    ]);
    wanted.sort_unstable();
    let (mut resource, mut point) = (named(&kubernetes), named(&http));
    for _ in 0..2 {
        assert_eq!(kept(&resource, &point), wanted);
        resource.reverse();
        point.reverse();
    }
    for is_reversed in [false, true] {
        let own = many("l", 20, is_reversed);
        assert_eq!(kept(&[], &own), names(many("l", 14, false)));
        assert_eq!(kept(&own, &[]), names(many("l", 14, false)));
        let with_service = kept(&named(&["a", "service.version", "service.name"]), &own);
        assert_eq!(with_service, [names(many("l", 13, false)), vec!["service.name".to_owned()]].concat());
        assert_eq!(kept(&many("l", 14, is_reversed), &many("l", 14, is_reversed)), names(many("l", 14, false)));
        assert_eq!(kept(&many("l", 16, is_reversed), &many("l", 3, is_reversed)), names(many("l", 14, false)));
        assert_eq!(kept(&[], &many("l", 14, is_reversed)).len(), 14, "all of those for which there is room");
        assert_eq!(kept(&many("l", 7, is_reversed), &many("m", 7, is_reversed)).len(), 14);
    }
}
