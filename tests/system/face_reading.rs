//! The app.net face: reading messages page by page.

use serde_json::{Value, json};

use crate::channel::{channel, channel_of, error, messages, point, post};
use crate::server::{OWNER_TOKEN, Server};
use crate::stream::Stream;

/// A channel with so many messages of one point each: the n of each is its id.
fn filled(count: u32) -> Stream {
    let channel = channel();
    for n in 1..=count {
        post(&channel, &[point(json!({"n": n}))]).expect(200);
    }
    channel
}

/// A page with all that can be shown.
fn page(channel: &Stream, parameters: &str) -> Value {
    let query = format!("?include_machine=1&include_annotations=1&{parameters}");
    messages(channel, "GET", &query).bearer(&channel.read_key).send().expect(200).json()
}

fn ids(page: &Value) -> Vec<u64> {
    let id = |message: &Value| message["id"].as_str().and_then(|id| id.parse().ok()).expect("a number");
    page["data"].as_array().expect("a list").iter().map(id).collect()
}

#[test]
fn pages_are_those_of_app_net() {
    let channel = filled(10);
    for (parameters, wanted, more) in [
        ("", (1..=10).rev().collect::<Vec<u64>>(), false),
        ("before_id=9&since_id=2&count=2", vec![8, 7], true),
        ("before_id=9&since_id=2&count=-2", vec![4, 3], true),
        ("since_id=8&count=-200", vec![10, 9], false),
        ("since_id=10", vec![], false),
        ("count=1", vec![10], true),
        ("before_id=2", vec![1], false),
    ] {
        let page = page(&channel, parameters);
        assert_eq!((ids(&page), &page["meta"]["more"]), (wanted.clone(), &json!(more)), "{parameters}");
        let end = |id: Option<&u64>| id.map(|id| json!(id.to_string()));
        assert_eq!(page["meta"].get("max_id"), end(wanted.first()).as_ref(), "{parameters}");
        assert_eq!(page["meta"].get("min_id"), end(wanted.last()).as_ref(), "{parameters}");
    }
}

#[test]
fn a_page_has_twenty_messages_unless_asked_otherwise_and_following_max_id_misses_none() {
    let channel = filled(23);
    assert_eq!(ids(&page(&channel, "since_id=")).len(), 20);
    let (mut seen, mut since) = (Vec::new(), "0".to_owned());
    loop {
        let page = page(&channel, &format!("since_id={since}&count=-7"));
        seen.extend(ids(&page).into_iter().rev());
        if page["meta"]["more"] == false {
            break;
        }
        page["meta"]["max_id"].as_str().expect("a text").clone_into(&mut since);
    }
    assert_eq!(seen, (1..=23).collect::<Vec<_>>());
}

#[test]
fn a_message_says_what_was_written() {
    let channel = channel();
    let kv = json!({"n": 2.5, "d": 4, "p": 10, "kv": {"join": 1, "c": "rando1"}});
    post(&channel, &[point(kv), point(json!({"n": 3}))]).expect(200);
    let page = page(&channel, "");
    let message = &page["data"][0];
    assert_eq!((&message["id"], &message["pagination_id"]), (&json!("1"), &json!("1")));
    assert_eq!((&message["machine_only"], &message["channel_id"]), (&json!(true), &json!(channel.id)));
    let annotations = message["annotations"].as_array().expect("a list");
    let value = &annotations[0]["value"];
    assert_eq!((&annotations[0]["type"], annotations.len()), (&json!("net.app.contrib.timeseries"), 2));
    assert_eq!((&value["n"], &value["d"], &value["p"]), (&json!(2.5), &json!(4), &json!(10)));
    assert_eq!(value["v"], json!({"join": "1", "c": "rando1"}));
    assert!(value["t"].as_f64().is_some_and(|t| t > 1.7e9), "{value}");
}

#[test]
fn nothing_is_shown_that_is_not_asked_for() {
    let channel = filled(1);
    let read = |query: &str| messages(&channel, "GET", query).bearer(&channel.read_key).send().expect(200).json();
    for query in ["", "?include_machine=0", "?include_annotations=1"] {
        assert_eq!(read(query), json!({"data": [], "meta": {"code": 200, "more": false}}), "{query}");
    }
    assert_eq!(read("?include_machine=1")["data"][0].get("annotations"), None);
}

#[test]
fn one_message_is_there_or_it_is_not_found() {
    let channel = filled(3);
    let one = |id: &str| messages(&channel, "GET", &format!("/{id}?include_annotations=1")).bearer(&channel.read_key);
    let message = one("2").send().expect(200).json();
    assert_eq!((&message["data"]["id"], &message["meta"]), (&json!("2"), &json!({"code": 200})));
    assert_eq!(message["data"]["annotations"][0]["value"]["n"], 2);
    for id in ["0", "4", "x", "-1", "9007199254740992", "9007199254740993", "99999999999999999999999"] {
        error(&one(id).send(), 404);
    }
}

#[test]
fn reading_needs_the_key_in_one_of_app_nets_ways_unless_everyone_may() {
    let channel = filled(1);
    let rest = "?include_machine=1";
    let slug = |answer| error(&answer, 401).1;
    assert_eq!(slug(messages(&channel, "GET", rest).send()).as_deref(), Some("not-authorized"));
    assert_eq!(slug(messages(&channel, "GET", "/1").send()).as_deref(), Some("not-authorized"));
    assert_eq!(slug(messages(&channel, "GET", rest).bearer("rk_x").send()).as_deref(), Some("invalid-token"));
    assert_eq!(slug(messages(&channel, "GET", "?access_token=x").send()).as_deref(), Some("invalid-token"));
    for token in [&channel.read_key, OWNER_TOKEN] {
        let in_query = messages(&channel, "GET", &format!("{rest}&access_token={token}")).send();
        for answer in [in_query, messages(&channel, "GET", rest).bearer(token).send()] {
            assert!(!answer.text().contains(token));
            assert_eq!(ids(&answer.expect(200).json()), [1]);
        }
    }
    let public = channel_of(r#"{"readers":{"public":true}}"#);
    post(&public, &[point(json!({"n": 1}))]).expect(200);
    assert_eq!(ids(&messages(&public, "GET", rest).send().expect(200).json()), [1]);
}

#[test]
fn bad_parameters_are_named_and_unknown_ones_ignored() {
    let channel = filled(1);
    for (query, word) in [
        ("since_id=last_read", "since_id"),
        ("before_id=marker", "before_id"),
        ("since_id=-1", "since_id"),
        ("count=0", "count"),
        ("count=201", "count"),
        ("count=-201", "count"),
        ("count=-32768", "count"),
        ("count=many", "count"),
    ] {
        let answer = messages(&channel, "GET", &format!("?{query}")).bearer(&channel.read_key).send();
        assert!(error(&answer, 400).0.contains(word), "{query}");
    }
    assert_eq!(ids(&page(&channel, "include_deleted=0&include_marker=1&callback=f&count=200")), [1]);
}

#[test]
fn points_that_came_otherwise_are_messages_too() {
    let channel = channel();
    channel.write(r#"[{"n":1,"v":{"a":"x"}},{"n":2}]"#);
    post(&channel, &[point(json!({"n": 3}))]).expect(200);
    assert_eq!(ids(&page(&channel, "")), [3, 1]);
}

#[test]
fn messages_of_several_shards_are_refused_and_posts_to_them_have_no_id() {
    let stream = Stream::create(Server::shared(), json!({"name": "test", "shards": 2}));
    let posted = post(&stream, &[point(json!({"n": 1}))]).expect(200).json();
    assert_eq!(posted["data"].get("id"), None);
    let answer = messages(&stream, "GET", "?include_machine=1").bearer(&stream.read_key).send();
    assert!(error(&answer, 400).0.contains("several shards"));
    assert!((stream.total("sum") - 1.0).abs() < f64::EPSILON);
}
