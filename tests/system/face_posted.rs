//! The app.net face: a message is read back as it was posted.

use serde_json::{Value, json};

use crate::channel::{BATCH, channel, channel_on, messages, point, post, post_body};
use crate::http::call;
use crate::server::{Server, State};
use crate::stream::Stream;

/// A page with everything that can be included, newest first.
fn page(channel: &Stream) -> Vec<Value> {
    let all = "?include_machine=1&include_annotations=1&count=200";
    let page = messages(channel, "GET", all).bearer(&channel.read_key).send().expect(200).json();
    page["data"].as_array().expect("a list").clone()
}

/// The values of the points of a message that was posted with these values.
fn read_back(values: &[Value]) -> Vec<Value> {
    let channel = channel();
    post(&channel, &values.iter().map(|value| point(value.clone())).collect::<Vec<_>>()).expect(200);
    let message = page(&channel).remove(0);
    let annotations = message["annotations"].as_array().expect("a list");
    annotations.iter().map(|annotation| annotation["value"].clone()).collect()
}

/// A value without the time that the server added.
fn without_t(mut value: Value) -> Value {
    let t = value.as_object_mut().expect("an object").remove("t");
    assert!(t.is_some_and(|t| t.as_f64().is_some_and(|t| t > 1.7e9)), "{value}");
    value
}

#[test]
fn a_heartbeat_of_2013_is_read_back_with_its_numbers() {
    let value = read_back(&[json!({"n": 1, "kv": {"update": 1, "c": "x"}})]).remove(0);
    // The consumer of 2013 compares types: a string "1" draws a bar of height 0.
    assert_eq!(value["kv"], json!({"update": 1, "c": "x"}));
    let wanted = json!({"n": 1, "kv": {"update": 1, "c": "x"}, "v": {"update": "1", "c": "x"}});
    assert_eq!(without_t(value), wanted);
}

#[test]
fn types_and_unknown_fields_are_read_back_unchanged() {
    for posted in [
        json!({"n": 1, "kv": {"join": true, "ratio": 0.25, "big": u64::MAX, "e": ""}, "v": {"a": "b"}}),
        json!({"n": 2.5, "d": 4, "p": 10, "v": {"join": 1, "leave": false, "c": "rando1"}}),
        json!({"n": -1, "v": {}, "note": {"deep": [1, null, {"x": "é\u{1F600}\"\\"}]}}),
        json!({"n": 0, "kv": {}, "created": "2013-11-23T12:00:00Z", "zz": null, "aa": 1e300}),
    ] {
        let value = read_back(std::slice::from_ref(&posted)).remove(0);
        assert_eq!(without_t(value), posted, "nothing but the time is added");
    }
    let timed = json!({"t": crate::clock::now_whole_s(), "n": 3, "kv": {"a": 1}});
    let value = read_back(std::slice::from_ref(&timed)).remove(0);
    assert_eq!((&value["t"], &value["kv"], &value["v"]), (&timed["t"], &timed["kv"], &json!({"a": "1"})));
}

#[test]
fn field_order_and_number_spelling_are_kept() {
    let channel = channel();
    let value = r#"{"zeta":1.0,"n":1e0,"kv":{"z":1.50,"a":"\u00e9","m":18446744073709551615},"alpha":[1.0]}"#;
    let body = format!(r#"{{"annotations":[{{"type":"net.app.contrib.timeseries","value":{value}}}]}}"#);
    messages(&channel, "POST", "").body(body).send().expect(200);
    let read = messages(&channel, "GET", "?include_machine=1&include_annotations=1").bearer(&channel.read_key);
    let answer = read.send().expect(200);
    let text = answer.text();
    let begin = value.strip_suffix('}').expect("an object");
    assert!(text.contains(&format!(r#""value":{begin},"t":"#)), "{text}");
    assert!(text.contains(r#""v":{"a":"é","m":"18446744073709551615","z":"1.5"}"#), "{text}");
}

#[test]
fn a_message_keeps_text_annotations_and_machine_only() {
    let channel = channel();
    let other = json!({"type": "com.example.place", "value": {"lat": 52.5, "tags": ["a", 1]}});
    let batch = json!({"type": BATCH, "value": {"id": "s/0-1"}});
    let annotations = json!([other, point(json!({"n": 1, "v": {"a": "b"}, "t": crate::clock::now_whole_s()})), batch]);
    let body = json!({"text": "<hi> & welcome", "annotations": annotations});
    let posted = post_body(&channel, &body).expect(200).json()["data"].clone();
    assert_eq!(posted["machine_only"], false, "a message with a text is for people by default");
    let both = json!({"text": "ping", "machine_only": true, "annotations": [point(json!({"n": 2}))]});
    assert_eq!(post_body(&channel, &both).expect(200).json()["data"]["machine_only"], true);
    post(&channel, &[point(json!({"n": 3}))]).expect(200);
    channel.write(r#"{"n":4}"#);
    let read = page(&channel);
    let flags: Vec<_> = read.iter().map(|message| (&message["machine_only"], &message["text"])).collect();
    let none = Value::Null;
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(flags, [(&yes, &none), (&yes, &none), (&yes, &json!("ping")), (&no, &json!("<hi> & welcome"))]);
    assert_eq!(read[3]["annotations"], annotations);
    assert_eq!(read[3]["html"], "&lt;hi&gt; &amp; welcome");
    // Human messages are listed by default.
    let people = messages(&channel, "GET", "").bearer(&channel.read_key).send().expect(200).json();
    let ids: Vec<_> = people["data"].as_array().expect("a list").iter().map(|message| &message["id"]).collect();
    assert_eq!(ids, [&json!("1")]);
    assert_eq!(people["meta"], json!({"code": 200, "more": false, "max_id": "1", "min_id": "1"}));
}

#[test]
fn human_messages_are_paged_among_many_machine_only_ones() {
    let channel = channel();
    for round in 0..5 {
        channel.write(r#"[{"n":1},{"n":2}]"#);
        post_body(&channel, &json!({"text": format!("{round}"), "annotations": [point(json!({"n": 3}))]})).expect(200);
    }
    let list = |query: &str| {
        let page = messages(&channel, "GET", query).bearer(&channel.read_key).send().expect(200).json();
        let texts = page["data"].as_array().expect("a list").iter().map(|message| message["text"].clone());
        (texts.collect::<Vec<_>>(), page["meta"]["more"].clone(), page["meta"]["min_id"].clone())
    };
    assert_eq!(list("?count=2"), (vec![json!("4"), json!("3")], json!(true), json!("12")));
    assert_eq!(list("?count=2&before_id=12"), (vec![json!("2"), json!("1")], json!(true), json!("6")));
    assert_eq!(list("?count=2&before_id=6"), (vec![json!("0")], json!(false), json!("3")));
    assert_eq!(list("?count=-2"), (vec![json!("1"), json!("0")], json!(true), json!("3")));
}

#[test]
fn a_rejected_point_is_not_read_back() {
    let channel = channel();
    let other = json!({"type": "x", "value": {}});
    let posted = [
        point(json!({"n": "1"})),
        point(json!({"n": 1, "kv": {"a": 1}})),
        other.clone(),
        point(json!({"d": 1})),
        point(json!({"n": 2, "kv": {"a": 2}})),
    ];
    post(&channel, &posted).expect(200);
    let annotations = page(&channel)[0]["annotations"].clone();
    assert_eq!(annotations.as_array().map(Vec::len), Some(3), "{annotations}");
    assert_eq!((&annotations[0]["value"]["kv"], &annotations[0]["value"]["v"]), (&json!({"a": 1}), &json!({"a": "1"})));
    assert_eq!((&annotations[1], &annotations[2]["value"]["v"]), (&other, &json!({"a": "2"})));
}

#[test]
fn unreadable_details_cost_neither_point_nor_page() {
    let channel = channel();
    let deep = format!("{}1{}", "[".repeat(3_500), "]".repeat(3_500));
    let good = point(json!({"n": 1, "kv": {"update": 1}}));
    let bad = [deep.as_str(), "1e400", r#""\ud83d""#];
    for value in bad {
        let other = format!(r#"{{"annotations":[{{"type":"x","value":{value}}},{good}]}}"#);
        messages(&channel, "POST", "").body(other).send().expect(200);
        let own = good.to_string().replace(r#""n":1"#, &format!(r#""n":1,"note":{value}"#));
        let own = format!(r#"{{"text":"hi","annotations":[{own}]}}"#);
        messages(&channel, "POST", "?include_annotations=1").body(own).send().expect(200);
    }
    assert!((channel.total("sum") - 6.0).abs() < f64::EPSILON);
    // The parser here refuses all of that.
    let page = page(&channel);
    assert_eq!(page.len(), 2 * bad.len());
    for pair in page.chunks(2) {
        let [own, other] = [0, 1].map(|at| pair[at]["annotations"].as_array().expect("a list"));
        assert_eq!((own.len(), other.len()), (1, 1), "{pair:?}");
        assert_eq!((&own[0]["value"]["v"], own[0]["value"].get("note")), (&json!({"update": "1"}), None));
        assert_eq!(other[0]["value"]["kv"], json!({"update": 1}));
    }
    let recent = call("GET", format!("{}/stream/0/channels/{}?include_recent_message=1", channel.url, channel.id));
    let recent = recent.bearer(&channel.read_key).send().expect(200).json();
    assert_eq!(recent["data"]["recent_message"]["id"], recent["data"]["recent_message_id"]);
}

#[test]
fn a_large_message_of_many_points_stays_one_message() {
    let channel = channel();
    let posted: Vec<Value> =
        (0..70).map(|n| point(json!({"n": n, "kv": {"update": 1, "c": format!("r{n}")}}))).collect();
    assert!(json!(posted).to_string().len() < 8_192);
    assert_eq!(post(&channel, &posted).expect(200).json()["data"]["id"], "1");
    assert_eq!(post(&channel, &[point(json!({"n": 1}))]).expect(200).json()["data"]["id"], "71");
    let read = page(&channel);
    let ids: Vec<_> = read.iter().map(|message| &message["id"]).collect();
    assert_eq!(ids, [&json!("71"), &json!("1")]);
    assert_eq!(read[1]["annotations"].as_array().map(Vec::len), Some(70));
    assert_eq!(read[1]["annotations"][69]["value"]["kv"], json!({"update": 1, "c": "r69"}));
    // A single one too, and what follows it.
    let one = messages(&channel, "GET", "/1?include_annotations=1").bearer(&channel.read_key).send().expect(200).json();
    assert_eq!(one["data"]["annotations"], read[1]["annotations"]);
    let since = messages(&channel, "GET", "?include_machine=1&since_id=1&count=-200").bearer(&channel.read_key);
    assert_eq!(since.send().expect(200).json()["data"].as_array().map(Vec::len), Some(1));
}

#[test]
fn posts_are_read_back_after_kill_9() {
    let server = Server::start(State::new());
    let channel = channel_on(&server);
    post(&channel, &[point(json!({"n": 1, "kv": {"update": 1, "c": "x"}}))]).expect(200);
    post_body(&channel, &json!({"text": "hi", "annotations": [point(json!({"n": 2, "v": {"b": true}}))]})).expect(200);
    // Compared without the server's address, which has changed.
    let page = |channel: &Stream| {
        let fields = ["id", "created_at", "machine_only", "text", "annotations"];
        let of = |message: &Value| fields.into_iter().map(|name| (name.to_owned(), message[name].clone())).collect();
        page(channel).iter().map(of).collect::<Vec<Value>>()
    };
    let before = page(&channel);
    let server = Server::start(server.kill_9());
    let channel = channel.moved_to(&server);
    assert_eq!(page(&channel), before);
    assert_eq!((&before[1]["annotations"][0]["value"]["kv"]["update"], &before[0]["text"]), (&json!(1), &json!("hi")));
    assert!((channel.total("sum") - 3.0).abs() < f64::EPSILON);
}

#[test]
fn posting_what_was_read_gives_the_same_point() {
    let (first, second) = (channel(), channel());
    post(&first, &[point(json!({"n": 1, "kv": {"update": 1, "c": "x"}})), point(json!({"n": 2, "kv": {"a": true}}))])
        .expect(200);
    let read = page(&first)[0]["annotations"].clone();
    post(&second, read.as_array().expect("a list")).expect(200);
    assert_eq!(page(&second)[0]["annotations"], read);
    let window = "from=-1h&step=1h&by=*&agg=sum,count";
    assert_eq!(second.rollup(window)["series"], first.rollup(window)["series"]);
}
