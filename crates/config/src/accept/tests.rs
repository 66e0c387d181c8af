//! Rules are parsed strictly and enforced.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::who::KeyHash;

const NOW: f64 = 1_792_540_800.0;

fn binding(rules: &Value, who: Who) -> Binding {
    Binding::of(&Accept::parse(rules).expect("valid"), who).expect("reads")
}

fn point(n: f64) -> Point {
    Point { n, d: 1.0, p: None, t: NOW }
}

fn canonical(labels: &[(&str, &str)]) -> String {
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}\u{1f}{value}\u{1e}")).collect();
    labels.concat()
}

/// The labels that are kept, or the message.
fn left(rules: &Value, labels: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let text = canonical(labels);
    let kept = binding(rules, Who::Keyed(KeyHash::from_bytes([0; 32]))).labels(&text).map_err(|error| {
        assert!(matches!(error, Forbidden::Rule(Field::V, _)), "{error:?}");
        error.to_string()
    })?;
    Ok(kept.split_terminator('\u{1e}').map(|pair| pair.replace('\u{1f}', "=")).collect())
}

fn refused(rules: &Value, point: &Point) -> String {
    let error = binding(rules, Who::Keyed(KeyHash::from_bytes([0; 32]))).check(point, NOW).expect_err("is refused");
    assert!(matches!(error, Forbidden::Rule(..)), "{error:?}");
    error.to_string()
}

#[test]
fn labels_that_no_rule_allows_are_dropped_rejected_or_kept() {
    let rules = |others: &str| {
        let labels = json!({"country": {"values": ["US", "DE"]}, "path": {"pattern": "/blog/.*"}, "plan": {}, "client": {"max": 9}});
        json!({ "labels": labels, "others": others })
    };
    let good = [("client", "x"), ("country", "US"), ("path", "/blog/1"), ("plan", "any")];
    for others in ["drop", "reject", "keep"] {
        assert_eq!(left(&rules(others), &good).map(|left| left.len()), Ok(4), "{others}");
        assert_eq!(left(&rules(others), &[]), Ok(vec![]));
    }
    let mixed = [("country", "XX"), ("mail", "a@b"), ("path", "/x/blog/1"), ("plan", "p")];
    assert_eq!(left(&rules("drop"), &mixed), Ok(vec!["plan=p".to_owned()]));
    assert_eq!(left(&rules("keep"), &mixed), Ok(vec!["mail=a@b".to_owned(), "plan=p".to_owned()]));
    assert_eq!(
        left(&rules("reject"), &mixed),
        Err(r#"label "country" must not be "XX": the rule is `values` of "country" in `accept.labels`"#.into())
    );
    assert!(left(&rules("reject"), &mixed[2..]).is_err_and(|error| error.contains("`pattern` of \"path\"")));
    assert_eq!(
        left(&rules("reject"), &mixed[1..2]),
        Err(r#"label "mail" is not among those of `accept.labels`"#.into())
    );
    assert_eq!(left(&json!({"labels": {}}), &good), Ok(vec![]), "no label at all");
    assert_eq!(left(&json!({"n": {"min": 0}}), &good).map(|left| left.len()), Ok(4), "nothing is said of labels");
    let both = json!({"labels": {"a": {"values": ["x1", "y1"], "pattern": "x."}}});
    assert_eq!((left(&both, &[("a", "x1")]), left(&both, &[("a", "y1")])), (Ok(vec!["a=x1".into()]), Ok(vec![])));
}

#[test]
fn numbers_and_times_out_of_bounds_name_the_rule() {
    let rules = json!({"n": {"min": 0, "max": 1e6}, "d": {"max": 5}, "p": {"min": 1, "max": 3600}, "t": {"past": "1h", "ahead": "5s"}});
    for good in [
        point(0.0),
        point(1e6),
        Point { d: 0.0, ..point(1.0) },
        Point { p: Some(3600.0), t: NOW - 3600.0, ..point(1.0) },
        Point { t: NOW + 5.0, ..point(1.0) },
    ] {
        assert_eq!(binding(&rules, Who::Open).check(&good, NOW), Ok(()), "{good:?}");
    }
    for (bad, message) in [
        (point(-1.0), "n must be from 0.0 to 1000000.0, not -1.0: the rule is `accept.n`"),
        (Point { d: 6.0, ..point(1.0) }, "d must be from 0.0 to 5.0, not 6.0: the rule is `accept.d`"),
        (Point { p: Some(0.5), ..point(1.0) }, "p must be from 1.0 to 3600.0, not 0.5: the rule is `accept.p`"),
        (
            Point { t: NOW - 3601.0, ..point(1.0) },
            "t is 3601 seconds ago, more than the 3600 of the rule `accept.t.past`",
        ),
        (
            Point { t: NOW + 6.0, ..point(1.0) },
            "t is 6 seconds in the future, more than the 5 of the rule `accept.t.ahead`",
        ),
    ] {
        assert_eq!(refused(&rules, &bad), message);
        assert_eq!(binding(&rules, Who::Owner).check(&bad, NOW), Ok(()), "rules do not bind the owner");
    }
}

#[test]
fn open_writers_have_default_bounds_unless_the_owner_sets_some() {
    let (none, wide) = (Value::Null, json!({"n": {"max": 1e100}, "d": {"max": 1e20}}));
    for (number, who, rules, is_good) in [
        (MAX_OPEN, Who::Open, &none, true),
        (-MAX_OPEN, Who::Open, &none, true),
        (MAX_OPEN + 2.0, Who::Open, &none, false),
        (-1e100, Who::Open, &none, false),
        (1e100, Who::Keyed(KeyHash::from_bytes([0; 32])), &none, true),
        (1e100, Who::Owner, &none, true),
        (1e100, Who::Open, &wide, true),
        (-1e100, Who::Open, &wide, true),
    ] {
        let checked = binding(rules, who).check(&point(number), NOW);
        assert_eq!(checked.is_ok(), is_good, "{number} {who:?} {rules}: {checked:?}");
    }
    let error = binding(&none, Who::Open).check(&Point { d: 1e99, ..point(1.0) }, NOW).expect_err("too large");
    assert!(matches!(error, Forbidden::Point(PointError::OpenRange(Field::D, _))), "{error:?}");
    assert!(error.to_string().contains("`accept.d`"), "{error}");
}

#[test]
fn rules_are_parsed_strictly_and_errors_name_the_place() {
    let error = |rules: Value| Accept::parse(&rules).expect_err("is refused").to_string();
    for (rules, at) in [
        (json!([]), "`accept` must be an object"),
        (json!({"label": {}}), "`accept` has the unknown field \"label\"; it can have labels, others, n, d, p, t"),
        (json!({"others": "ignore"}), "`accept.others` must be"),
        (json!({"others": null}), "`accept.others` must be"),
        (json!({"labels": []}), "`accept.labels` must be"),
        (json!({"labels": {"": {}}}), "`accept.labels` must be"),
        (json!({"labels": {"a": []}}), "`accept.labels.a` must be an object"),
        (json!({"labels": {"a": {"value": ["x"]}}}), "`accept.labels.a` has the unknown field"),
        (json!({"labels": {"a": {"values": []}}}), "`accept.labels.a.values` must be"),
        (json!({"labels": {"a": {"values": [1]}}}), "`accept.labels.a.values` must be"),
        (json!({"labels": {"a": {"values": [""]}}}), "`accept.labels.a.values` must be"),
        (json!({"labels": {"a": {"values": vec!["x"; 257]}}}), "`accept.labels.a.values` must be"),
        (json!({"labels": {"a": {"values": ["x".repeat(257)]}}}), "`accept.labels.a.values` must be"),
        (json!({"labels": {"a": {"pattern": "("}}}), "`accept.labels.a.pattern` must be"),
        (json!({"labels": {"a": {"pattern": "a)(b"}}}), "`accept.labels.a.pattern` must be"),
        (json!({"labels": {"a": {"pattern": "(?:x{1000}){300}"}}}), "`accept.labels.a.pattern` must be"),
        (json!({"labels": {"a": {"pattern": "x".repeat(1025)}}}), "`accept.labels.a.pattern` must be"),
        (json!({"labels": {"a": {"max": 0}}}), "`accept.labels.a.max` must be"),
        (json!({"labels": {"a": {"max": 1.5}}}), "`accept.labels.a.max` must be"),
        (json!({"n": 5}), "`accept.n` must be an object"),
        (json!({"n": {"min": 2, "max": 1}}), "`accept.n` must have"),
        (json!({"n": {"max": 1e101}}), "`accept.n` must have"),
        (json!({"n": {"max": null}}), "`accept.n` must have"),
        (json!({"d": {"min": -1}}), "`accept.d` must have"),
        (json!({"p": {"max": 86401}}), "`accept.p` must have"),
        (json!({"t": {"past": "8d"}}), "`accept.t.past` must be"),
        (json!({"t": {"past": 60}}), "`accept.t.past` must be"),
        (json!({"t": {"ahead": "61s"}}), "`accept.t.ahead` must be"),
    ] {
        let said = error(rules.clone());
        assert!(said.starts_with(at), "{rules}: {said}");
    }
    let many = |count: usize, rule: Value| {
        let labels: serde_json::Map<_, _> = (0..count).map(|index| (format!("l{index}"), rule.clone())).collect();
        json!({ "labels": labels })
    };
    assert!(Accept::parse(&many(64, json!({}))).is_ok() && Accept::parse(&many(65, json!({}))).is_err());
    let pattern = json!({"pattern": "a.*"});
    assert!(Accept::parse(&many(16, pattern.clone())).is_ok());
    assert!(error(many(17, pattern)).contains("at most 16 labels"));
    assert!(error(many(60, json!({"values": ["x".repeat(250)]}))).contains("more than the 12288 allowed"));
    let max = |max: u32| many(2, json!({ "max": max }));
    assert!(Accept::parse(&max(10_000)).is_ok() && error(max(10_001)).contains("add up to at most 20000"));
    assert!(Accept::parse(&json!({})).is_ok());
}

#[test]
fn rules_are_returned_as_written_and_null_means_none() {
    let rules = json!({"labels": {"a": {"values": ["é\""]}}, "n": {"max": 1e20}, "t": {"past": "1h"}});
    let accept = Accept::parse(&rules).expect("valid");
    assert_eq!((accept.view(), accept.is_none()), (rules, false));
    let kept = serde_json::to_string(&accept).expect("serialises");
    assert_eq!(serde_json::from_str::<Accept>(&kept).expect("reads"), accept);
    let none = Accept::parse(&Value::Null).expect("valid");
    assert_eq!((none.is_none(), none.view(), none.id()), (true, Value::Null, 0));
    assert_ne!(accept.id(), Accept::parse(&json!({})).expect("valid").id());
    let foreign = Accept::from(r#"{"from_the_future":1}"#.to_owned());
    assert!(Binding::of(&foreign, Who::Open).is_err(), "what is not understood does not let all in");
}

proptest! {
    #[test]
    fn of_any_labels_only_allowed_ones_stay(
        pairs in proptest::collection::btree_map("[a-c]", "[x-z]", 0..4),
        others in prop_oneof![Just("drop"), Just("reject"), Just("keep")],
    ) {
        let rules = json!({"labels": {"a": {"values": ["x"]}, "b": {"pattern": "[xy]"}}, "others": others});
        let is_allowed = |name: &str, value: &str| match name {
            "a" => value == "x",
            "b" => value != "z",
            _ => others == "keep",
        };
        let labels: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let wanted: Vec<_> = labels.iter().filter(|(name, value)| is_allowed(name, value)).map(|(name, value)| format!("{name}={value}")).collect();
        match left(&rules, &labels) {
            Ok(left) => prop_assert!(left == wanted && (others != "reject" || wanted.len() == labels.len())),
            Err(_) => prop_assert!(others == "reject" && wanted.len() < labels.len()),
        }
    }
}
