//! Owning: making, listing, changing and deleting streams.

use serde_json::{Value, json};

use crate::clock::now_s;
use crate::http::{Answer, Call, call};
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

const MAX_OWNER_BODY_BYTES: usize = 16 << 10;
const WITH_FIELDS: [&str; 2] = ["forward", "carbon"];

fn streams(method: &'static str) -> Call {
    call(method, format!("{}/v1/streams", Server::shared().url))
}

fn create(body: impl Into<Vec<u8>>) -> Answer {
    streams("POST").bearer(OWNER_TOKEN).body(body).send()
}

fn patch(stream: &Stream, body: impl Into<Vec<u8>>) -> Answer {
    stream.owned("PATCH", "").body(body).send()
}

/// A stream as the owner sees it.
fn described(stream: &Stream) -> Value {
    stream.owned("GET", "").send().expect(200).json()
}

/// Configurations that are invalid for new and existing streams.
fn refused() -> Vec<Value> {
    let mut refused = vec![
        json!({"name": ""}),
        json!({"name": "x".repeat(101)}),
        json!({"name": format!("{}x", "é".repeat(50))}),
        json!({"name": 1}),
        json!({"name": ["x"]}),
        json!({"name": "x", "public_read": "yes"}),
        json!({"name": "x", "public_read": 1}),
        json!({"name": "x", "origins": "https://a.example"}),
        json!({"name": "x", "origins": [1]}),
        json!({"name": "x", "origins": vec!["https://a.example"; 51]}),
        json!({"name": "x", "colour": "red"}),
        json!({"name": "x", "retention": "2d"}),
        json!({"name": "x", "retention": {"5m": "2d"}}),
        json!({"name": "x", "retention": {"10s": 86400}}),
        json!({"name": "x", "retention": {"10s": "59m"}}),
        json!({"name": "x", "retention": {"10s": "15d"}}),
        json!({"name": "x", "retention": {"1d": "36501d"}}),
        json!({"name": "x", "lateness": 60}),
        json!({"name": "x", "lateness": null, "retention": {"10s": "soon"}}),
        json!({"name": "x", "lateness": "59s"}),
        json!({"name": "x", "lateness": "8d"}),
        json!({"name": "x", "read_key": "mine"}),
        json!({"name": "x", "id": "mine"}),
    ];
    for origin in ["a.example", "https://", "https://a.example/", "https://a.example/path", "", "https://a.example?x"] {
        refused.push(json!({"name": "x", "origins": [origin]}));
    }
    refused.extend(WITH_FIELDS.map(|name| json!({"name": "x", name: {}})));
    refused.extend(WITH_FIELDS.map(|name| json!({"name": "x", name: 1})));
    refused
}

#[test]
fn a_new_stream_has_an_id_a_name_a_read_key_and_links() {
    let answer = create(r#"{"name":"visits"}"#).expect(201);
    assert_eq!(answer.header("Content-Type"), "application/json");
    let created = answer.json();
    let id = created["id"].as_str().expect("an id");
    let read_key = created["read_key"].as_str().expect("a read key");
    assert_eq!(created["name"], "visits");
    let path = format!("{}/v1/streams/{id}", Server::shared().url);
    let link = |name: &str| created["links"][name].as_str().expect("a link").to_owned();
    assert_eq!(link("points"), format!("{path}/points"));
    assert_eq!(link("rollup"), format!("{path}/rollup"));
    assert_eq!(link("live"), format!("{path}/live"));
    call("POST", link("points")).body(r#"{"n":1}"#).send().expect(202);
    call("GET", link("rollup")).bearer(read_key).send().expect(200);
    let dashboard = link("dashboard");
    assert!(call("GET", dashboard.split('#').next().unwrap_or_default()).send().expect(200).text().contains("<html"));
    assert_eq!(answer.header("Location"), format!("/v1/streams/{id}"));
}

#[test]
fn each_stream_has_its_own_id_and_key() {
    let (one, two) = (Stream::new(), Stream::new());
    assert_ne!(one.id, two.id);
    assert_ne!(one.read_key, two.read_key);
    call("GET", format!("{}/v1/streams/{}/rollup", one.url, one.id)).bearer(&two.read_key).send().problem(401);
}

#[test]
fn a_read_key_is_shown_once() {
    let stream = Stream::new();
    let listing = streams("GET").bearer(OWNER_TOKEN).send().expect(200);
    for answer in [stream.owned("GET", "").send(), patch(&stream, "{}"), listing, stream.read("/status")] {
        assert!(!answer.text().contains(&stream.read_key), "{}", answer.text());
    }
}

#[test]
fn a_stream_is_described_as_it_was_created() {
    let before = now_s();
    let config = json!({"name": "é visits", "public_read": true, "origins": ["https://a.example"]});
    let seen = described(&Stream::create(Server::shared(), config.clone()));
    for field in ["name", "public_read", "origins"] {
        assert_eq!(seen[field], config[field], "{field}");
    }
    let created = seen["created"].as_f64().expect("Unix seconds");
    assert!(created >= before - 0.001 && created <= now_s(), "{created}");
    let plain = described(&Stream::new());
    assert_eq!((&plain["public_read"], &plain["origins"]), (&json!(false), &json!([])));
}

#[test]
fn a_name_has_1_to_100_bytes() {
    for name in ["x", &"x".repeat(100), &"é".repeat(50)] {
        let created = create(json!({"name": name}).to_string()).expect(201).json();
        assert_eq!(created["name"], *name);
    }
}

#[test]
fn an_allow_list_has_at_most_50_origins() {
    let origins: Vec<String> = (0..50).map(|index| format!("https://site{index}.example:8443")).collect();
    let stream = Stream::create(Server::shared(), json!({"name": "x", "origins": origins}));
    assert_eq!(described(&stream)["origins"], json!(origins));
    for origin in ["http://localhost", "http://127.0.0.1:3000", "http://[::1]:80", "https://xn--bcher-kva.example"] {
        create(json!({"name": "x", "origins": [origin]}).to_string()).expect(201);
    }
}

#[test]
fn invalid_settings_of_a_stream_are_refused() {
    let stream = Stream::new();
    let before = described(&stream);
    for config in refused() {
        assert_eq!(create(config.to_string()).problem(400), "invalid-request", "{config}");
        assert_eq!(patch(&stream, config.to_string()).problem(400), "invalid-request", "{config}");
    }
    for body in ["", "null", "[]", "\"name\"", "{", "{\"public_read\":true}", "{}"] {
        assert_eq!(create(body).problem(400), "invalid-request", "{body}");
    }
    assert_eq!(described(&stream), before);
}

#[test]
fn missing_fields_are_named() {
    for name in WITH_FIELDS {
        let answer = create(json!({"name": "x", name: {}}).to_string());
        answer.problem(400);
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains(name)), "{}", answer.text());
    }
}

#[test]
fn an_owner_body_has_at_most_16_kib() {
    let stream = Stream::new();
    let padded = |bytes: usize| format!("{:<bytes$}", r#"{"name":"x"}"#);
    create(padded(MAX_OWNER_BODY_BYTES)).expect(201);
    patch(&stream, padded(MAX_OWNER_BODY_BYTES)).expect(200);
    assert_eq!(create(padded(MAX_OWNER_BODY_BYTES + 1)).problem(413), "too-large");
    assert_eq!(patch(&stream, padded(MAX_OWNER_BODY_BYTES + 1)).problem(413), "too-large");
}

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    let config = json!({"name": "old", "public_read": true, "origins": ["https://a.example"]});
    let stream = Stream::create(Server::shared(), config);
    let mut wanted = described(&stream);
    for (change, field) in [
        (json!({"name": "new"}), "name"),
        (json!({"public_read": false}), "public_read"),
        (json!({"origins": ["https://b.example", "https://c.example"]}), "origins"),
        (json!({"origins": []}), "origins"),
    ] {
        wanted[field] = change[field].clone();
        assert_eq!(patch(&stream, change.to_string()).expect(200).json(), wanted);
        assert_eq!(described(&stream), wanted);
    }
    assert_eq!(patch(&stream, "{}").expect(200).json(), wanted);
    assert_eq!(stream.read("/status").json()["name"], "new");
}

#[test]
fn public_read_opens_and_closes_a_stream() {
    let stream = Stream::new();
    let read = || stream.call("GET", "/rollup").send();
    read().problem(401);
    patch(&stream, r#"{"public_read":true}"#).expect(200);
    read().expect(200);
    patch(&stream, r#"{"public_read":false}"#).expect(200);
    read().problem(401);
}

#[test]
fn a_new_read_key_revokes_the_old_one_immediately() {
    let stream = Stream::new();
    let answer = stream.owned("POST", "/read-key").send().expect(200);
    let read_key = answer.json()["read_key"].as_str().expect("a key").to_owned();
    assert_ne!(read_key, stream.read_key);
    for path in ["/rollup", "/labels", "/labels/a", "/status"] {
        stream.read(path).problem(401);
        stream.call("GET", &format!("{path}?key={}", stream.read_key)).send().problem(401);
        stream.call("GET", path).bearer(&read_key).send().expect(200);
    }
}

#[test]
fn owner_routes_require_the_owner() {
    let stream = Stream::new();
    let nobody = |method, path: &str| stream.call(method, path).body(r#"{"name":"mine"}"#);
    for (method, path) in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/read-key")] {
        let in_url = nobody(method, &format!("{path}?key={OWNER_TOKEN}"));
        let basic = nobody(method, path).header("Authorization", format!("Basic {OWNER_TOKEN}"));
        for call in [
            nobody(method, path),
            nobody(method, path).bearer("wrong"),
            nobody(method, path).bearer(""),
            nobody(method, path).bearer(&stream.read_key),
            nobody(method, path).bearer(&OWNER_TOKEN[1..]),
            in_url,
            basic,
        ] {
            let answer = call.send();
            assert_eq!(answer.problem(401), "unauthorized", "{method} {path}");
            assert!(answer.header("WWW-Authenticate").starts_with("Bearer"));
        }
    }
    for method in ["GET", "POST"] {
        streams(method).body(r#"{"name":"mine"}"#).send().problem(401);
        streams(method).bearer("wrong").body(r#"{"name":"mine"}"#).send().problem(401);
    }
    assert_eq!(described(&stream)["name"], "test");
}

#[test]
fn the_list_has_every_stream_in_pages() {
    let server = Server::start(State::new());
    let list = |query: &str| {
        call("GET", format!("{}/v1/streams{query}", server.url)).bearer(OWNER_TOKEN).send().expect(200).json()
    };
    assert_eq!(list("")["streams"], json!([]));
    let mut created: Vec<String> =
        (0..3).map(|index| Stream::create(&server, json!({"name": format!("s{index}")})).id).collect();
    created.sort();
    let ids = |page: &Value| -> Vec<String> {
        let streams = page["streams"].as_array().expect("a list").iter();
        streams.map(|stream| stream["id"].as_str().expect("an id").to_owned()).collect()
    };
    let all = list("");
    let mut listed = ids(&all);
    listed.sort();
    assert_eq!(listed, created);
    assert!(all["streams"].as_array().expect("a list").iter().any(|stream| stream["name"] == "s2"));
    let first = list("?limit=2");
    let rest = list(&format!("?limit=2&cursor={}", first["cursor"].as_str().expect("there is more")));
    assert_eq!((ids(&first).len(), ids(&rest).len(), &rest["cursor"]), (2, 1, &Value::Null));
    let mut paged = [ids(&first), ids(&rest)].concat();
    paged.sort();
    assert_eq!(paged, created);
}

#[test]
fn a_page_of_the_list_has_1_to_1000_streams() {
    let list =
        |query: &str| call("GET", format!("{}/v1/streams?{query}", Server::shared().url)).bearer(OWNER_TOKEN).send();
    list("limit=1").expect(200);
    list("limit=1000").expect(200);
    for query in ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1.5", "limit=", "page=2"] {
        assert_eq!(list(query).problem(400), "invalid-request", "{query}");
    }
}

#[test]
fn a_deleted_stream_is_gone_for_everyone() {
    let config = json!({"name": "x", "public_read": true});
    let stream = Stream::create(Server::shared(), config);
    stream.call("POST", "/points").header("Idempotency-Key", "k").body(r#"{"n":1}"#).send().expect(202);
    let deleted = stream.owned("DELETE", "").send().expect(204);
    assert!(deleted.body.is_empty());
    for (method, path) in [
        ("POST", "/points"),
        ("POST", "/points?batch=k"),
        ("OPTIONS", "/points"),
        ("GET", "/pixel.gif?n=1"),
        ("GET", "/rollup"),
        ("GET", "/labels"),
        ("GET", "/labels/a"),
        ("GET", "/status"),
        ("GET", ""),
        ("PATCH", ""),
        ("POST", "/read-key"),
        ("DELETE", ""),
    ] {
        let body = if path.starts_with("/points") { r#"{"n":1}"# } else { "{}" };
        let body = if matches!(method, "POST" | "PATCH") { body } else { "" };
        let call = stream.owned(method, path).header("Origin", "https://a.example");
        assert_eq!(call.body(body).send().problem(404), "not-found", "{method} {path}");
        if method == "GET" && !path.is_empty() {
            stream.read(path).problem(404);
        }
    }
    let listing = streams("GET").bearer(OWNER_TOKEN).send().expect(200);
    assert!(!listing.text().contains(&stream.id));
}
