//! The app.net face: each object has every field of app.net's specification, with the right type.

use serde_json::{Map, Value, json};

use crate::channel::{channel, channel_of, face, messages, point, post, post_body};
use crate::server::{OWNER_TOKEN, Server};
use crate::stream::Stream;

/// The type of a field. Ids are strings, even if they are numbers.
enum Kind {
    Text,
    Id,
    Date,
    Number,
    Flag,
    List,
    Object(&'static [(&'static str, Kind)]),
}

use Kind::{Date, Flag, Id, List, Number, Object, Text};

const ENTITIES: Kind = Object(&[("hashtags", List), ("links", List), ("mentions", List)]);
const IMAGE: Kind = Object(&[("height", Number), ("width", Number), ("url", Text), ("is_default", Flag)]);
const USER: &[(&str, Kind)] = &[
    ("id", Id),
    ("username", Text),
    ("name", Text),
    ("description", Object(&[("text", Text), ("html", Text), ("entities", ENTITIES)])),
    ("timezone", Text),
    ("locale", Text),
    ("avatar_image", IMAGE),
    ("cover_image", IMAGE),
    ("type", Text),
    ("created_at", Date),
    ("counts", Object(&[("following", Number), ("followers", Number), ("posts", Number), ("stars", Number)])),
    ("follows_you", Flag),
    ("you_blocked", Flag),
    ("you_follow", Flag),
    ("you_muted", Flag),
    ("you_can_subscribe", Flag),
    ("you_can_follow", Flag),
    ("canonical_url", Text),
];
const ACL: Kind =
    Object(&[("any_user", Flag), ("immutable", Flag), ("public", Flag), ("user_ids", List), ("you", Flag)]);
const CHANNEL: &[(&str, Kind)] = &[
    ("id", Text),
    ("type", Text),
    ("created_at", Date),
    ("owner", Object(USER)),
    ("counts", Object(&[("messages", Number), ("subscribers", Number)])),
    ("has_unread", Flag),
    ("is_inactive", Flag),
    ("readers", ACL),
    ("writers", ACL),
    ("editors", ACL),
    ("you_can_edit", Flag),
    ("you_subscribed", Flag),
    ("you_muted", Flag),
];
const MESSAGE: &[(&str, Kind)] = &[
    ("id", Id),
    ("channel_id", Text),
    ("thread_id", Id),
    ("created_at", Date),
    ("machine_only", Flag),
    ("num_replies", Number),
    ("entities", ENTITIES),
    ("source", Object(&[("client_id", Text), ("link", Text), ("name", Text)])),
    ("user", Object(USER)),
];
const TOKEN: &[(&str, Kind)] = &[
    ("app", Object(&[("client_id", Text), ("link", Text), ("name", Text)])),
    ("scopes", List),
    ("limits", Object(&[("following", Number), ("max_file_size", Number)])),
    ("storage", Object(&[("available", Number), ("used", Number)])),
    ("user", Object(USER)),
    ("invite_link", Text),
];
const ANNOTATED: Kind = Object(&[("annotation_max_bytes", Number)]);
const WRITTEN: Kind = Object(&[("annotation_max_bytes", Number), ("text_max_length", Number)]);
const CONFIG: &[(&str, Kind)] = &[
    ("text", Object(&[("uri_template_length", Object(&[("post_id", Number), ("message_id", Number)]))])),
    ("user", WRITTEN),
    ("post", WRITTEN),
    ("message", WRITTEN),
    ("channel", ANNOTATED),
    ("file", ANNOTATED),
];

#[track_caller]
fn check(object: &Value, fields: &[(&str, Kind)], place: &str) {
    let object: &Map<_, _> = object.as_object().unwrap_or_else(|| panic!("{place} is an object, not {object}"));
    for (name, kind) in fields {
        let place = format!("{place}.{name}");
        let value = object.get(*name).unwrap_or_else(|| panic!("{place} is missing"));
        let is_date =
            |text: &str| chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ").is_ok() && text.len() == 20;
        let is_right = match kind {
            Text => value.is_string(),
            Id => value.as_str().is_some_and(|id| id.parse::<u64>().is_ok()),
            Date => value.as_str().is_some_and(is_date),
            Number => value.is_u64(),
            Flag => value.is_boolean(),
            List => value.is_array(),
            Object(fields) => {
                check(value, fields, &place);
                true
            }
        };
        assert!(is_right, "{place} is {value}");
    }
}

fn get(path: &str) -> Value {
    face("GET", path).bearer(OWNER_TOKEN).send().expect(200).json()
}

#[test]
fn a_channel_always_has_all_its_fields() {
    let made = face("POST", "/channels/").bearer(OWNER_TOKEN).body("{}").send().expect(200).json();
    check(&made["data"], CHANNEL, "made");
    let id = made["data"]["id"].as_str().expect("a string").to_owned();
    let key = made["data"]["annotations"][0]["value"]["read_key"].as_str().expect("a key").to_owned();
    let now = crate::clock::now_s();
    for token in [OWNER_TOKEN, &key, "wrong", ""] {
        let call = face("GET", &format!("/channels/{id}"));
        let call = if token.is_empty() { call } else { call.bearer(token) };
        let channel = call.send().expect(200).json()["data"].clone();
        check(&channel, CHANNEL, "channel");
        assert_eq!(channel["created_at"], made["data"]["created_at"]);
        assert_eq!((&channel["owner"]["id"], &channel["owner"]["username"]), (&json!("1"), &json!("owner")));
    }
    let created = made["data"]["created_at"].as_str().expect("a date");
    let created = chrono::NaiveDateTime::parse_from_str(created, "%Y-%m-%dT%H:%M:%SZ").expect("a date");
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let age = now - created.and_utc().timestamp() as f64;
    assert!((-60.0..60.0).contains(&age), "{age}");
}

#[test]
fn only_readers_see_a_channels_messages() {
    let channel = channel();
    let describe = |token: &str, query: &str| {
        let call = face("GET", &format!("/channels/{}/{query}", channel.id));
        let call = if token.is_empty() { call } else { call.bearer(token) };
        call.send().expect(200).json()["data"].clone()
    };
    let empty = describe(&channel.read_key, "?include_recent_message=1");
    assert_eq!((&empty["counts"]["messages"], empty.get("recent_message_id")), (&json!(0), None));
    assert_eq!(empty.get("recent_message"), None);
    post(&channel, &[point(json!({"n": 1})), point(json!({"n": 2}))]).expect(200);
    post(&channel, &[point(json!({"n": 3, "kv": {"a": 1}}))]).expect(200);
    for token in [&channel.read_key, OWNER_TOKEN] {
        let channel = describe(token, "");
        assert_eq!((&channel["counts"]["messages"], &channel["recent_message_id"]), (&json!(3), &json!("3")));
        assert_eq!(channel.get("recent_message"), None, "it was not asked for");
        let recent =
            describe(token, "?include_recent_message=1&include_message_annotations=1")["recent_message"].clone();
        check(&recent, MESSAGE, "recent_message");
        assert_eq!((&recent["id"], &recent["annotations"][0]["value"]["kv"]), (&json!("3"), &json!({"a": 1})));
        let bare = describe(token, "?include_recent_message=1")["recent_message"].clone();
        assert_eq!((&bare["id"], bare.get("annotations")), (&json!("3"), None));
    }
    for token in ["", "rk_wrong"] {
        let channel = describe(token, "?include_recent_message=1&include_annotations=1");
        assert_eq!(
            (&channel["counts"]["messages"], &channel["readers"]["you"]),
            (&json!(0), &json!(false)),
            "{channel}"
        );
        assert!(channel.get("recent_message").is_none() && channel.get("recent_message_id").is_none(), "{channel}");
    }
    let public = channel_of(r#"{"readers":{"public":true}}"#);
    post(&public, &[point(json!({"n": 1}))]).expect(200);
    let channel = face("GET", &format!("/channels/{}", public.id)).send().expect(200).json()["data"].clone();
    assert_eq!((&channel["counts"]["messages"], &channel["recent_message_id"]), (&json!(1), &json!("1")));
    // A stream of several shards has messages that nobody can read.
    let sharded = Stream::create(Server::shared(), json!({"name": "test", "shards": 2}));
    post(&sharded, &[point(json!({"n": 1}))]).expect(200);
    let channel = get(&format!("/channels/{}", sharded.id))["data"].clone();
    check(&channel, CHANNEL, "sharded");
    assert_eq!((&channel["readers"]["you"], channel.get("recent_message_id")), (&json!(true), None));
}

#[test]
fn a_message_always_has_all_its_fields() {
    let channel = channel();
    let texts = ["", r#""text":"hi","#];
    for (text, id) in texts.into_iter().zip(["1", "2"]) {
        let body = format!(r#"{{{text}"annotations":[{}]}}"#, point(json!({"n": 1, "kv": {"a": 1}})));
        let posted = messages(&channel, "POST", "/").body(body).send().expect(200).json()["data"].clone();
        let single = format!("/{id}/?include_annotations=0&include_message_annotations=1");
        let read = |rest: &str| messages(&channel, "GET", rest).bearer(&channel.read_key).send().expect(200).json();
        let listed = read("/?include_machine=1&include_message_annotations=1")["data"][0].clone();
        let single = read(&single)["data"].clone();
        for (place, message) in [("posted", &posted), ("listed", &listed), ("single", &single)] {
            check(message, MESSAGE, place);
            assert_eq!(message["id"], id);
            let is_for_people = !text.is_empty();
            assert_eq!((message.get("text").is_some(), message.get("html").is_some()), (is_for_people, is_for_people));
        }
        for message in [&listed, &single] {
            assert_eq!(message["annotations"][0]["value"]["kv"], json!({"a": 1}));
        }
        check(&listed, &[("pagination_id", Id)], "listed");
        let plain = read(&format!("/{id}?include_html=0"))["data"].clone();
        assert_eq!((plain.get("html"), plain.get("annotations")), (None, None));
    }
    let echo = messages(&channel, "POST", "?include_message_annotations=1");
    let body = json!({"annotations": [point(json!({"n": 1}))]});
    assert_eq!(echo.body(body.to_string()).send().expect(200).json()["data"]["annotations"], body["annotations"]);
    let none = messages(&channel, "GET", "?include_machine=1").bearer(&channel.read_key).send().expect(200).json();
    assert_eq!(none["data"][0].get("annotations"), None);
}

#[test]
fn users_tokens_and_configuration_have_all_their_fields() {
    for path in ["/users/me", "/users/me/", "/users/1", "/users/@owner"] {
        let user = get(path)["data"].clone();
        check(&user, USER, path);
        assert_eq!((&user["id"], &user["username"]), (&json!("1"), &json!("owner")), "{path}");
    }
    for path in ["/token", "/token/"] {
        let token = get(path)["data"].clone();
        check(&token, TOKEN, path);
        assert_eq!(token["user"], get("/users/me")["data"]);
    }
    for path in ["/config", "/config/"] {
        let config = face("GET", path).send().expect(200).json()["data"].clone();
        check(&config, CONFIG, path);
        assert_eq!(config["message"], json!({"annotation_max_bytes": 8192, "text_max_length": 2048}));
    }
}

#[test]
fn the_pictures_and_pages_of_users_exist() {
    let user = get("/users/me")["data"].clone();
    for url in [&user["avatar_image"]["url"], &user["cover_image"]["url"], &user["canonical_url"]] {
        let url = url.as_str().expect("a string");
        assert!(url.starts_with(&Server::shared().url), "{url}");
        crate::http::call("GET", url).send().expect(200);
    }
}

#[test]
fn the_author_of_a_post_is_a_user_but_not_the_owner() {
    let channel = channel();
    let message = post_body(&channel, &json!({"annotations": [point(json!({"n": 1}))]})).expect(200).json();
    let writer = message["data"]["user"].clone();
    assert_ne!(writer["id"], "1", "anyone may post, so no author is named");
    let id = writer["id"].as_str().expect("a string");
    assert_eq!(get(&format!("/users/{id}"))["data"], writer);
}
