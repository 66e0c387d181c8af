//! `accept`: the owner's rules hold on every path that takes points, and are shown and changed with the configuration.

use serde_json::{Value, json};

use crate::server::{Server, State};
use crate::stream::Stream;

fn ruled(rules: &Value) -> Stream {
    Stream::create(Server::shared(), json!({"name": "test", "accept": rules}))
}

/// The sums by label set, as `name=value` strings.
fn sums(stream: &Stream, by: &str) -> Vec<(String, f64)> {
    let rollup = stream.rollup(&format!("from=-1h&step=1h&agg=sum&by={by}"));
    let mut sums: Vec<_> = rollup["series"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|series| (series["labels"].to_string(), crate::stream::added(&series["sum"])))
        .collect();
    sums.sort_by(|one, two| one.0.cmp(&two.0));
    sums
}

#[test]
fn rules_drop_disallowed_labels_on_every_path() {
    let stream = ruled(&json!({"labels": {"country": {"values": ["US"]}, "metric": {}}}));
    for _ in 0..3 {
        stream.write(r#"[{"n":1,"v":{"country":"US","mail":"a@b"}},{"n":1,"v":{"country":"XX"}}]"#);
        stream.call("GET", "/pixel.gif?n=1&v.country=US&v.mail=x").send().expect(200);
        stream.call("POST", "/statsd").body("a:1|c|#country:US,mail:x").send().expect(202);
        let form = stream.call("POST", "/points").header("Content-Type", "application/x-www-form-urlencoded");
        form.body("n=1&v.mail=x").send().expect(204);
        let point =
            json!({"type": "net.app.contrib.timeseries", "value": {"n": 1, "v": {"country": "US", "mail": "secret"}}});
        let url = format!("{}/stream/0/channels/{}/messages", stream.url, stream.id);
        crate::http::call("POST", url).body(json!({"annotations": [point]}).to_string()).send().expect(200);
    }
    let wanted = [(r#"{"country":"US","metric":"a"}"#, 3.0), (r#"{"country":"US"}"#, 9.0), ("{}", 6.0)];
    assert_eq!(sums(&stream, "*"), wanted.map(|(labels, sum)| (labels.to_owned(), sum)));
    let url =
        format!("{}/stream/0/channels/{}/messages?include_machine=1&include_annotations=1", stream.url, stream.id);
    let messages = crate::http::call("GET", url).bearer(&stream.read_key).send().expect(200);
    assert!(messages.text().contains("country") && !messages.text().contains("secret"), "{}", messages.text());
    // The same bytes now follow the current rules.
    let patch = |accept: Value| {
        let answer = stream.owned("PATCH", "").body(json!({ "accept": accept }).to_string()).send().expect(200).json();
        assert_eq!(answer["accept"], accept);
    };
    let body = r#"{"n":100,"v":{"country":"US","mail":"a@b"}}"#;
    patch(json!({"labels": {}}));
    stream.write(body);
    assert_eq!(sums(&stream, "*")[2], ("{}".to_owned(), 106.0));
    patch(json!({"labels": {"country": {}}, "others": "reject"}));
    let errors = stream.refused(body);
    assert_eq!((&errors[0]["field"], errors.len()), (&json!("v"), 1));
    assert!(
        errors[0]["message"].as_str().is_some_and(|it| it.contains("\"mail\" is not among those of `accept.labels`"))
    );
    patch(Value::Null);
    stream.write(body);
    assert_eq!(sums(&stream, "mail"), [(r#"{"mail":"a@b"}"#.to_owned(), 100.0), ("{}".to_owned(), 118.0)]);
}

#[test]
fn values_beyond_a_labels_limit_count_without_the_label() {
    let server = Server::start(State::new());
    let stream =
        Stream::create(&server, json!({"name": "test", "accept": {"labels": {"client": {"max": 2}, "a": {}}}}));
    let values = |stream: &Stream| {
        let rollup = stream.rollup("from=-1h&step=1h&agg=sum&by=client");
        let series = rollup["series"].as_array().cloned().expect("a list");
        let mut sums: Vec<_> = series
            .iter()
            .map(|one| {
                (one["labels"]["client"].as_str().unwrap_or_default().to_owned(), crate::stream::added(&one["sum"]))
            })
            .collect();
        sums.sort_by(|one, two| one.0.cmp(&two.0));
        sums
    };
    let four = r#"[{"n":1,"v":{"client":"1"}},{"n":1,"v":{"client":"2","a":"x"}},{"n":1,"v":{"client":"3","a":"x"}},{"n":1,"v":{"client":"4"}}]"#;
    for _ in 0..2 {
        stream.write(four);
    }
    let wanted = |rest: f64| [("", rest), ("1", 2.0), ("2", 2.0)].map(|(value, sum)| (value.to_owned(), sum));
    assert_eq!(values(&stream), wanted(4.0));
    // A known value in another series; decisions survive a crash.
    let server = Server::start(server.kill_9());
    let stream = stream.moved_to(&server);
    assert_eq!(values(&stream), wanted(4.0));
    stream.write(r#"[{"n":0,"v":{"client":"2","a":"y"}},{"n":1,"v":{"client":"5"}}]"#);
    assert_eq!(values(&stream), wanted(5.0));
    stream.owned("POST", "/points").body(r#"{"n":1,"v":{"client":"own"}}"#).send().expect(202);
    assert_eq!(values(&stream).len(), 4, "the owner is not bound");
    stream.owned("PATCH", "").body(r#"{"accept":{"labels":{"client":{"max":4}}}}"#).send().expect(200);
    stream.write(r#"[{"n":1,"v":{"client":"5"}},{"n":1,"v":{"client":"6"}}]"#);
    assert_eq!(values(&stream).len(), 5, "one more");
}

#[test]
fn numbers_outside_the_owners_bounds_are_rejected_by_rule() {
    let stream = ruled(&json!({"n": {"min": 0, "max": 1e20}, "t": {"past": "1h", "ahead": "0s"}, "p": {"max": 60}}));
    let old = crate::clock::now_s() - 3_700.0;
    let body = format!(r#"[{{"n":-1}},{{"n":1e19}},{{"n":1,"t":{old}}},{{"n":1,"p":61}},{{"n":1e21}},{{"n":"x"}}]"#);
    let answer = stream.call("POST", "/points").header("Idempotency-Key", "k").body(body.clone()).send().expect(202);
    assert_eq!((&answer.json()["accepted"], &answer.json()["rejected"]), (&json!(1), &json!(5)));
    let rules: Vec<_> = ["accept.n", "accept.t.past", "accept.p", "accept.n"].into();
    let errors = answer.json()["errors"].as_array().cloned().expect("a list");
    for (rule, error) in rules.iter().zip(&errors) {
        assert!(error["message"].as_str().is_some_and(|it| it.contains(&format!("`{rule}`"))), "{error}");
    }
    assert_eq!(stream.read("/status").json()["rejected"], json!({"n": 1, "rule": 4}));
    Server::shared().evict(&stream.object());
    assert_eq!(stream.read("/status").json()["rejected"], json!({"n": 1, "rule": 4}), "restored from the log too");
    let again = stream.call("POST", "/points").header("Idempotency-Key", "k").body(body).send().expect(202);
    assert_eq!(again.text(), answer.text());
    assert_eq!(stream.owned("POST", "/points").body(r#"{"n":-5,"p":600}"#).send().expect(202).json()["accepted"], 1);
}

#[test]
fn a_retry_under_new_rules_gets_the_first_answer() {
    let stream = Stream::new();
    let send = || stream.call("POST", "/points").header("Idempotency-Key", "k").body(r#"{"n":7}"#).send().expect(202);
    let first = send();
    stream.owned("PATCH", "").body(r#"{"accept":{"n":{"max":1}}}"#).send().expect(200);
    assert_eq!(send().text(), first.text());
    assert_eq!(stream.total("sum"), 7.0);
}

#[test]
fn invalid_rules_are_refused_and_change_nothing() {
    let rules = json!({"labels": {"a": {"pattern": "x.*"}}});
    let stream = ruled(&rules);
    for wrong in [
        json!([]),
        json!({"label": {}}),
        json!({"labels": {"a": {"pattern": "("}}}),
        json!({"n": {"max": "5"}}),
        json!({"t": {"past": "9d"}}),
    ] {
        let answer = stream.owned("PATCH", "").body(json!({ "accept": wrong }).to_string()).send();
        assert_eq!(answer.problem(400), "invalid-request", "{wrong}");
        assert!(answer.json()["detail"].as_str().is_some_and(|it| it.contains("`accept")), "{}", answer.text());
    }
    assert_eq!(stream.owned("GET", "").send().expect(200).json()["accept"], rules);
}
