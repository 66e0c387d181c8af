//! The app.net face: making channels and posting messages.

use serde_json::{Value, json};

use crate::channel::{BATCH, TIMESERIES, channel, channel_of, error, face, messages, point, post, post_body};
use crate::http::call;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// Annotations with this many bytes as compact JSON, of which the first is a point.
fn annotations_of(bytes: usize) -> Vec<Value> {
    let list = |fill: usize| vec![point(json!({"n": 1})), json!({"type": "x", "value": {"x": "x".repeat(fill)}})];
    let rest = bytes - json!(list(0)).to_string().len();
    list(rest)
}

#[test]
fn a_channel_is_a_stream_and_its_key_is_told_once() {
    let body = json!({"type": TIMESERIES, "writers": {"any_user": true, "immutable": false}}).to_string();
    let made = face("POST", "/channels").bearer(OWNER_TOKEN).body(body).send().expect(200).json();
    let made_channel = &made["data"];
    assert_eq!((&made["meta"], &made_channel["type"]), (&json!({"code": 200}), &json!(TIMESERIES)));
    let who = |list: &str, field: &str| made_channel[list][field].as_bool().expect("a boolean");
    assert!(who("writers", "any_user") && who("writers", "you") && who("editors", "you") && who("readers", "you"));
    assert!(!who("readers", "public") && !who("readers", "any_user") && !who("editors", "any_user"));
    let told = &made_channel["annotations"][0];
    assert_eq!(told["type"], "net.app.contrib.timeseries.stream");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (id, read_key) = (text(&made_channel["id"]), text(&told["value"]["read_key"]));
    let stream = Stream { id, read_key, url: Server::shared().url.clone() };
    assert!(text(&told["value"]["links"]["points"]).ends_with(&format!("/v1/streams/{}/points", stream.id)));
    stream.write(r#"{"n":7}"#);
    assert!((stream.total("sum") - 7.0).abs() < f64::EPSILON);
    let described = stream.owned("GET", "").send().expect(200).json();
    assert_eq!((&described["name"], &described["public_read"]), (&json!(TIMESERIES), &json!(false)));
    for token in [None, Some(&*stream.read_key), Some(OWNER_TOKEN)] {
        let get = face("GET", &format!("/channels/{}?include_annotations=1", stream.id));
        let get = if let Some(token) = token { get.bearer(token) } else { get };
        let answer = get.send().expect(200);
        assert!(!answer.text().contains(&stream.read_key) && !answer.text().contains(OWNER_TOKEN));
        let channel = &answer.json()["data"];
        assert_eq!((&channel["id"], &channel["writers"]["you"]), (&json!(stream.id), &json!(true)));
        assert_eq!(channel["readers"]["you"], token.is_some());
        assert_eq!(channel["editors"]["you"], token == Some(OWNER_TOKEN));
    }
}

#[test]
fn the_owner_says_who_reads_a_channel_and_its_type_is_that_of_points() {
    for readers in [json!({"public": true}), json!({"any_user": true, "immutable": true})] {
        let channel = channel_of(&json!({"readers": readers}).to_string());
        channel.call("GET", "/rollup").send().expect(200);
        let view = face("GET", &format!("/channels/{}", channel.id)).send().expect(200).json();
        assert_eq!((&view["data"]["readers"]["public"], &view["data"]["readers"]["you"]), (&json!(true), &json!(true)));
    }
    for (body, word) in [
        (r#"{"type":"net.app.core.pm"}"#, "type"),
        (r#"{"type":null}"#, "type"),
        (r#"{"readers":[]}"#, "readers"),
        ("[]", "object"),
        ("type=x", "object"),
    ] {
        let (message, _) = error(&face("POST", "/channels").bearer(OWNER_TOKEN).body(body).send(), 400);
        assert!(message.contains(word), "{body}: {message}");
    }
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(16 << 10));
    error(&face("POST", "/channels").bearer(OWNER_TOKEN).body(large).send(), 413);
}

#[test]
fn only_the_owner_makes_channels_by_any_of_app_nets_ways_to_say_so() {
    let query = format!("/channels?access_token={OWNER_TOKEN}");
    face("POST", &query).body("{}").send().expect(200);
    let body = json!({"access_token": OWNER_TOKEN}).to_string();
    face("POST", "/channels").body(body).send().expect(200);
    let slug = |answer| error(&answer, 401).1;
    assert_eq!(slug(face("POST", "/channels").body("{}").send()).as_deref(), Some("not-authorized"));
    assert_eq!(slug(face("POST", "/channels").bearer("x").body("{}").send()).as_deref(), Some("invalid-token"));
    assert_eq!(slug(face("POST", "/channels?access_token=x").body("[").send()).as_deref(), Some("invalid-token"));
    slug(face("POST", "/channels").body(r#"{"access_token":"x"}"#).send());
    let none = Server::start_with(State::new(), &[("SIGNING_KEY", "k")]);
    let call = |token: &str| call("POST", format!("{}/stream/0/channels", none.url)).bearer(token).body("{}").send();
    error(&call(""), 403);
    error(&call(OWNER_TOKEN), 403);
}

#[test]
fn a_message_of_2013_is_a_point() {
    let channel = channel();
    let body = json!({
        "created_at": "2013-11-23T12:00:00Z", "channel_id": channel.id, "machine_only": true,
        "annotations": [point(json!({"n": 1, "kv": {"join": 1, "c": "rando1"}}))],
    });
    let answer = post_body(&channel, &body).expect(200).json();
    assert_eq!(answer["meta"], json!({"code": 200}));
    let message = &answer["data"];
    assert_eq!((&message["id"], &message["thread_id"]), (&json!("1"), &json!("1")));
    assert_eq!((&message["channel_id"], &message["machine_only"]), (&json!(channel.id), &json!(true)));
    assert_eq!((&message["num_replies"], message.get("annotations")), (&json!(0), None));
    assert!(message["created_at"].as_str().is_some_and(|date| date.len() == 20 && date.starts_with("20")), "{message}");
    let rollup = channel.rollup("from=-1h&by=*&step=1h&agg=count");
    assert_eq!(rollup["series"][0]["labels"], json!({"join": "1", "c": "rando1"}));
}

#[test]
fn each_annotation_is_a_point_and_ids_are_the_numbers_of_first_points() {
    let channel = channel();
    let other = json!({"type": "com.example.other", "value": {"n": 100}});
    let first = post(&channel, &[point(json!({"n": 1})), other, point(json!({"n": 2, "d": 4, "p": 10, "x": {}}))]);
    assert_eq!(first.expect(200).json()["data"]["id"], "1");
    assert_eq!(post(&channel, &[point(json!({"n": 4}))]).expect(200).json()["data"]["id"], "3");
    assert!((channel.total("sum") - 7.0).abs() < f64::EPSILON && (channel.total("count") - 3.0).abs() < f64::EPSILON);
}

#[test]
fn what_was_sent_is_echoed_where_app_net_echoed_it() {
    let channel = channel();
    let annotations = [point(json!({"n": 1, "v": {"a": "<é>"}})), json!({"type": "x", "value": {}})];
    let body = json!({"annotations": annotations, "text": "<script>", "entities": {"links": [{"url": "javascript:"}]}});
    let call = messages(&channel, "POST", "?include_annotations=1").body(body.to_string());
    let message = call.send().expect(200).json()["data"].clone();
    assert_eq!(message["annotations"], json!(annotations));
    assert_eq!((&message["text"], &message["html"]), (&json!("<script>"), &json!("&lt;script&gt;")));
    assert_eq!(message["entities"], json!({"hashtags": [], "links": [], "mentions": []}));
}

#[test]
fn whoever_posts_needs_no_credential_and_any_is_ignored() {
    let channel = channel();
    let body = json!({"annotations": [point(json!({"n": 1}))]}).to_string();
    for authorization in ["Bearer x", "Bearer ", "nonsense", OWNER_TOKEN] {
        let call = messages(&channel, "POST", "?access_token=y").header("Authorization", authorization);
        let answer = call.body(body.as_str()).send().expect(200);
        assert!(!answer.text().contains(OWNER_TOKEN));
    }
    for content_type in ["application/json", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded"] {
        let call = messages(&channel, "POST", "").header("Content-Type", content_type);
        call.body(body.as_str()).send().expect(200);
    }
    assert_eq!(channel.read("/status").json()["accepted"], 7);
}

#[test]
fn good_points_are_kept_and_bad_ones_are_told_by_their_places() {
    let channel = channel();
    let bad = [point(json!({"n": "1"})), point(json!({"d": 1})), point(json!({"n": 1, "kv": {"a": null}}))];
    let (message, slug) = error(&post(&channel, &bad), 400);
    assert_eq!(slug, None);
    for words in [
        "annotations[0].value.n must be a finite number, not a string",
        "annotations[1].value.n is required",
        "annotations[2].value: label \"a\" must be a string, not null",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let mixed = [&[point(json!({"n": 5}))], &bad[..]].concat();
    let answer = post(&channel, &mixed).expect(200).json();
    assert_eq!((&answer["meta"]["accepted"], &answer["meta"]["rejected"]), (&json!(1), &json!(3)));
    let errors = answer["meta"]["errors"].as_array().expect("a list");
    assert_eq!((&errors[0]["index"], &errors[0]["field"]), (&json!(1), &json!("n")));
    assert!((channel.total("sum") - 5.0).abs() < f64::EPSILON);
}

#[test]
fn a_batch_that_comes_again_counts_once_and_has_no_id() {
    let channel = channel();
    let send = |id: &str, n: u32| {
        post(&channel, &[point(json!({"n": n})), json!({"type": BATCH, "value": {"id": id}})]).expect(200).json()
    };
    assert_eq!(send("s/0-1", 1)["data"]["id"], "1");
    let again = send("s/0-1", 1);
    assert_eq!((again["data"].get("id"), &again["meta"]), (None, &json!({"code": 200})));
    assert_eq!(send("s/0-2", 2)["data"]["id"], "2");
    assert!((channel.total("sum") - 3.0).abs() < f64::EPSILON);
    assert_eq!(send("s/0-1", 4)["data"]["id"], "3", "with other points it is another batch");
    let wrong = json!({"type": BATCH, "value": {"id": 7}});
    let (message, _) = error(&post(&channel, &[point(json!({"n": 1})), wrong]), 400);
    assert!(message.contains("annotations[1].value.id"), "{message}");
}

#[test]
fn limits_hold_at_the_limit_and_not_one_beyond() {
    let channel = channel();
    post(&channel, &annotations_of(8_192)).expect(200);
    let (message, _) = error(&post(&channel, &annotations_of(8_193)), 400);
    assert!(message.contains("8193") && message.contains("8192"), "{message}");
    let with_text = |text: &str| post_body(&channel, &json!({"annotations": [point(json!({"n": 1}))], "text": text}));
    with_text(&"é".repeat(2_048)).expect(200);
    error(&with_text(&"x".repeat(2_049)), 400);
    let body_of = |bytes: usize| {
        let body = json!({"annotations": [point(json!({"n": 1}))]}).to_string();
        messages(&channel, "POST", "").body(format!("{body}{}", " ".repeat(bytes - body.len()))).send()
    };
    body_of(64 << 10).expect(200);
    error(&body_of((64 << 10) + 1), 413);
    assert_eq!(channel.read("/status").json()["accepted"], 3);
}

#[test]
fn hostile_messages_are_refused_and_store_nothing() {
    let channel = channel();
    let deep = format!(r#"{{"annotations":{}1{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    for body in [
        "",
        " ",
        "{",
        "[]",
        "1",
        "null",
        "{}",
        "n=1",
        "\u{0}",
        &deep,
        r#"{"annotations":null}"#,
        r#"{"annotations":[null]}"#,
        r#"{"annotations":[[]]}"#,
        r#"{"annotations":[{"value":{"n":1}}]}"#,
        r#"{"annotations":[{"type":7,"value":{"n":1}}]}"#,
        r#"{"annotations":[{"type":"net.app.contrib.timeseries"}]}"#,
        r#"{"annotations":[{"type":"net.app.contrib.timeseries","value":[1]}]}"#,
        r#"{"annotations":[{"type":"net.app.contrib.timeseries","value":{"n":1e999}}]}"#,
        r#"{"annotations":[{"type":"net.app.contrib.timeseries","value":{"n":NaN}}]}"#,
        r#"{"annotations":[{"type":"net.app.contrib.timeseries","value":{"n":1,"v":{"a":"\u0000"}}}]}"#,
    ] {
        let (message, _) = error(&messages(&channel, "POST", "").body(body).send(), 400);
        assert!(!message.is_empty() && message.len() < 2_000, "{body:.80}: {message}");
    }
    error(&messages(&channel, "POST", "").body(b"\xff\xfe".to_vec()).send(), 400);
    assert_eq!(channel.read("/status").json()["accepted"], 0);
}
