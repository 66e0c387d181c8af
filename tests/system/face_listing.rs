//! The app.net face: channels are listed and searched, users are found, and unsupported requests say so.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::channel::{TIMESERIES, channel_of, channel_on, error, face, point, post};
use crate::http::{Answer, call};
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// A server with `count` channels, the newest last, a third of which are public.
fn with_channels(count: usize) -> (Server, Vec<Stream>) {
    let server = Server::start(State::new());
    let channels = (0..count).map(|index| {
        if !index.is_multiple_of(3) {
            return channel_on(&server);
        }
        let body = json!({"name": "test", "public_read": true});
        Stream::create(&server, body)
    });
    let channels = channels.collect();
    (server, channels)
}

fn get(server: &Server, path: &str, token: &str) -> Answer {
    let call = call("GET", format!("{}/stream/0{path}", server.url));
    if token.is_empty() { call.send() } else { call.bearer(token).send() }
}

fn owned(server: &Server, path: &str) -> Value {
    get(server, path, OWNER_TOKEN).expect(200).json()
}

fn ids(page: &Value) -> Vec<String> {
    let id = |channel: &Value| channel["id"].as_str().expect("a string").to_owned();
    page["data"].as_array().expect("a list").iter().map(id).collect()
}

fn set(ids: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    ids.into_iter().collect()
}

#[test]
fn the_owners_channels_are_listed_page_by_page() {
    let (server, channels) = with_channels(23);
    post(&channels[3], &[point(json!({"n": 1, "kv": {"a": 1}}))]).expect(200);
    let all = set(channels.iter().map(|channel| channel.id.clone()));
    for path in ["/channels", "/channels/", "/users/me/channels"] {
        let (mut seen, mut before) = (Vec::new(), String::new());
        loop {
            let page = owned(&server, &format!("{path}?count=7&before_id={before}"));
            let listed = ids(&page);
            assert_eq!(
                (&page["meta"]["max_id"], &page["meta"]["min_id"]),
                (&json!(listed[0]), &json!(listed[listed.len() - 1]))
            );
            assert_eq!(page["data"][0]["pagination_id"], page["data"][0]["id"]);
            seen.extend(listed);
            if page["meta"]["more"] == false {
                break;
            }
            page["meta"]["min_id"].as_str().expect("a string").clone_into(&mut before);
        }
        assert_eq!((seen.len(), set(seen.clone())), (23, all.clone()), "{path}");
        assert_eq!(ids(&owned(&server, path)), seen[..20], "twenty unless asked otherwise");
        assert_eq!(ids(&owned(&server, &format!("{path}?since_id={}&count=200", seen[5]))), seen[..5]);
        let oldest_first = owned(&server, &format!("{path}?since_id={}&count=-2", seen[5]));
        assert_eq!((ids(&oldest_first), &oldest_first["meta"]["more"]), (seen[3..5].to_vec(), &json!(true)));
    }
    let listed = owned(&server, "/channels?count=200&include_recent_message=1&include_message_annotations=1");
    for (channel, index) in listed["data"].as_array().expect("a list").iter().zip(0..) {
        let is_public = channels.iter().position(|other| channel["id"] == other.id).expect("one of them") % 3 == 0;
        assert_eq!(
            (&channel["readers"]["public"], &channel["type"]),
            (&json!(is_public), &json!(TIMESERIES)),
            "{index}"
        );
        let has_message = channel["id"] == channels[3].id;
        assert_eq!(channel["counts"]["messages"], u32::from(has_message));
        assert_eq!(channel.get("recent_message").is_some(), has_message);
        assert!(channel["owner"]["id"] == "1" && channel["you_can_edit"] == true && channel["you_subscribed"] == true);
    }
}

#[test]
fn channels_are_searched_by_their_properties() {
    let (server, channels) = with_channels(7);
    let is_public = |index: &usize| index.is_multiple_of(3);
    let of = |wanted: &dyn Fn(&usize) -> bool| {
        set((0..7).filter(|index| wanted(index)).map(|index| channels[index].id.clone()))
    };
    for (query, wanted) in [
        (String::new(), of(&|_| true)),
        (format!("type={TIMESERIES}&creator_id=1"), of(&|_| true)),
        ("type=com.example.other".to_owned(), BTreeSet::new()),
        ("creator_id=2".to_owned(), BTreeSet::new()),
        (format!("type={TIMESERIES}&is_public=1"), of(&is_public)),
        ("is_public=true".to_owned(), of(&is_public)),
        ("is_public=0".to_owned(), of(&|index| !is_public(index))),
        ("is_private=1&order=id".to_owned(), of(&|index| !is_public(index))),
        ("creator_id=me&is_private=false".to_owned(), of(&is_public)),
        ("q=test".to_owned(), of(&is_public)),
        ("q=nothing+so+named".to_owned(), BTreeSet::new()),
        ("tags=x".to_owned(), BTreeSet::new()),
    ] {
        let found = owned(&server, &format!("/channels/search?{query}"));
        assert_eq!(set(ids(&found)), wanted, "{query}");
        assert_eq!(found["meta"]["more"], false);
    }
    assert_eq!(owned(&server, "/channels/search/?count=2")["meta"]["more"], true);
    assert_eq!(ids(&owned(&server, "/channels?channel_types=a.b,net.app.contrib.timeseries")).len(), 7);
    assert_eq!(ids(&owned(&server, "/channels?channel_types=net.app.core.pm")).len(), 0);
}

#[test]
fn looking_up_ids_returns_only_readable_channels() {
    let (mine, other) = (channel_of("{}"), channel_of("{}"));
    let public = channel_of(r#"{"readers":{"public":true}}"#);
    let wanted = format!("/channels?ids={},{},{},nonsense,{}", mine.id, other.id, public.id, "a".repeat(32));
    let seen = |token: &str| set(ids(&get(Server::shared(), &wanted, token).expect(200).json()));
    assert_eq!(seen(OWNER_TOKEN), set([mine.id.clone(), other.id.clone(), public.id.clone()]));
    assert_eq!(seen(&mine.read_key), set([mine.id.clone(), public.id.clone()]));
    assert_eq!(seen(""), set([public.id.clone()]));
    let many = vec![mine.id.as_str(); 201].join(",");
    assert!(error(&get(Server::shared(), &format!("/channels?ids={many}"), OWNER_TOKEN), 400).0.contains("200"));
}

#[test]
fn lists_are_for_the_owner_and_user_paths_need_a_user() {
    for path in ["/channels", "/channels/search", "/users/me", "/users/me/channels"] {
        assert_eq!(error(&face("GET", path).send(), 401).1.as_deref(), Some("not-authorized"), "{path}");
        assert_eq!(error(&face("GET", path).bearer("x").send(), 401).1.as_deref(), Some("invalid-token"), "{path}");
        let query = face("GET", &format!("{path}?access_token={OWNER_TOKEN}"));
        assert!(!query.send().expect(200).text().contains(OWNER_TOKEN));
    }
    for path in ["/users/7", "/users/@somebody", "/users/x"] {
        error(&face("GET", path).bearer(OWNER_TOKEN).send(), 404);
    }
    let both = face("GET", "/users?ids=1,2,7").bearer(OWNER_TOKEN).send().expect(200).json();
    assert_eq!(ids(&both), ["1", "2"]);
    for query in ["count=0", "count=201", "before_id=nonsense", "since_id=x"] {
        assert!(!error(&face("GET", &format!("/channels?{query}")).bearer(OWNER_TOKEN).send(), 400).0.is_empty());
    }
}

#[test]
fn unsupported_requests_say_so_in_the_envelope() {
    let id = channel_of("{}").id;
    for (method, path) in [
        ("GET", "/streams"),
        ("POST", "/streams/"),
        ("GET", "/streams?key=consumer-channel-1"),
        ("GET", "/filters"),
        ("GET", "/posts/stream/global"),
        ("GET", "/users/me/files"),
        ("GET", "/users/me/messages"),
        ("GET", "/users/search?q=x"),
        ("GET", "/channels/messages?ids=1"),
        ("GET", "/channels/pm/num_unread"),
        ("POST", &format!("/channels/{id}/subscribe")),
        ("GET", &format!("/channels/{id}/subscribers")),
        ("POST", "/posts/marker"),
    ] {
        let (message, slug) = error(&face(method, path).bearer(OWNER_TOKEN).body("").send(), 404);
        assert!(message.contains("not supported") && slug.is_none(), "{method} {path}: {message}");
    }
    for (method, path) in [
        ("DELETE", "/channels".to_owned()),
        ("PUT", format!("/channels/{id}")),
        ("DELETE", format!("/channels/{id}/messages/1")),
        ("PATCH", "/users/me".to_owned()),
        ("DELETE", "/token".to_owned()),
    ] {
        let answer = face(method, &path).bearer(OWNER_TOKEN).send();
        error(&answer, 405);
        assert!(answer.header("Allow").contains("GET"), "{method} {path}");
    }
}
