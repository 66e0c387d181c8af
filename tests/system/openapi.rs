//! The description of the API: each endpoint in it is called on a real Worker and answers as described.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::channel::{point, post};
use crate::http::{Answer, Call, agent, call};
use crate::server::{OWNER_TOKEN, Server};
use crate::stream::Stream;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A query string, a body and its media type with which an operation succeeds.
fn good(method: &str, path: &str) -> (&'static str, &'static str, &'static str) {
    let end = path.trim_start_matches("/v1/streams/{stream}");
    match (method, end) {
        ("POST", "/points") => ("", r#"{"n":1,"v":{"country":"US"}}"#, JSON),
        ("DELETE", "/points") => ("?where=country%3DUS&dry_run=1", "", ""),
        ("POST", "/statsd") => ("", "a:1|c", "text/plain"),
        ("GET", "/pixel.gif") => ("?n=1", "", ""),
        ("PATCH", "") | ("POST", "/v1/streams" | "/write-keys") => ("", r#"{"name":"x"}"#, JSON),
        ("POST", "/read-key" | "/forward/retry") => ("", "", ""),
        (_, "/graphite/render") => ("?target=constantLine(1)", "", FORM),
        (_, "/graphite/metrics/find" | "/graphite/metrics/expand") => ("?query=*", "", FORM),
        (_, "/graphite/tags/findSeries") => ("?expr=country%3DUS", "", FORM),
        (_, "/graphite/tags/autoComplete/values") => ("?tag=name", "", FORM),
        (_, "/prometheus/api/v1/query") => ("?query=heartbeat_n_total", "", FORM),
        (_, "/prometheus/api/v1/query_range") => {
            ("?query=heartbeat_n_total&start=1792540800&end=1792540860&step=60", "", FORM)
        }
        (_, "/prometheus/api/v1/series") => ("?match[]=heartbeat_n_total", "", FORM),
        ("POST", "/otlp/v1/metrics" | "/stream/0/channels") => ("", "{}", JSON),
        ("POST", "/stream/0/channels/{channel}/messages") => {
            let body = r#"{"machine_only":true,"annotations":[{"type":"net.app.contrib.timeseries","value":{"n":1}}]}"#;
            ("", body, JSON)
        }
        ("POST", _) => ("", "", FORM),
        _ => ("", "", ""),
    }
}

/// A path with values in place of its names.
fn named(path: &str, stream: &Stream, of: &str) -> String {
    let names = [("stream", of), ("channel", of), ("label", "country"), ("function", "sumSeries"), ("tag", "name")];
    let path = names.iter().fold(path.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
    let path = path.replace("{user}", "me");
    let path = if path.contains("{message}") { path.replace("{message}", &new_message(stream)) } else { path };
    if path.contains("{key}") { path.replace("{key}", &new_write_key(stream)) } else { path }
}

fn new_message(stream: &Stream) -> String {
    let posted = post(stream, &[point(serde_json::json!({"n": 1}))]).expect(200).json();
    posted["data"]["id"].as_str().expect("an id").to_owned()
}

fn new_write_key(stream: &Stream) -> String {
    let made = stream.owned("POST", "/write-keys").body(r#"{"name":"x"}"#).send().expect(201).json();
    made["id"].as_str().expect("an id").to_owned()
}

/// Fails unless the description lists the status and the media type for the operation.
#[track_caller]
fn assert_listed(operation: &Value, what: &str, status: u16, media_type: &str) {
    let response = &operation["responses"][status.to_string()];
    assert!(response.is_object(), "{what}: {status} is not listed");
    let essence = media_type.split(';').next().unwrap_or_default();
    match response["content"].as_object() {
        Some(content) => assert!(content.contains_key(essence), "{what}: {status} as {media_type:?} is not listed"),
        None => assert_eq!(essence, "", "{what}: {status} has a body"),
    }
}

fn described() -> Value {
    let answer = call("GET", format!("{}/openapi.json", Server::shared().url)).send().expect(200);
    assert_eq!(answer.header("Content-Type"), JSON);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), "*");
    answer.json()
}

/// The operations of a path.
fn operations(path: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
    let methods = [("get", "GET"), ("post", "POST"), ("patch", "PATCH"), ("delete", "DELETE")];
    methods.into_iter().filter_map(|(key, method)| path.get(key).map(|operation| (method, operation)))
}

fn paths(description: &Value) -> &Map<String, Value> {
    description["paths"].as_object().expect("an object")
}

/// The status and media type of an answer whose body does not end.
fn head_of(method: &'static str, url: &str) -> (u16, String) {
    let request = ureq::http::Request::builder().method(method).uri(url);
    let request = request.header("Authorization", format!("Bearer {OWNER_TOKEN}")).body(()).expect("a request");
    let response = agent().run(request).expect("an answer");
    let media_type = response.headers().get("Content-Type").map_or("", |value| value.to_str().expect("ASCII"));
    (response.status().as_u16(), media_type.to_owned())
}

#[test]
fn every_endpoint_answers_as_described() {
    let (description, stream) = (described(), Stream::new());
    stream.write(r#"{"n":1,"v":{"country":"US"}}"#);
    for (path, described) in paths(&description) {
        for (method, operation) in operations(described) {
            let (query, body, media_type) = good(method, path);
            let stream =
                if (method, path.as_str()) == ("DELETE", "/v1/streams/{stream}") { &Stream::new() } else { &stream };
            let url = |of: &str| format!("{}{}{query}", stream.url, named(path, stream, of));
            let what = format!("{method} {path}");
            let check = |answer: &Answer| {
                assert_listed(operation, &what, answer.status, answer.header("Content-Type"));
                answer.status
            };
            let send = |call: Call| call.header("Content-Type", media_type).body(body).send();
            let of_a_stream = path.contains("{stream}") || path.contains("{channel}");
            if of_a_stream {
                assert_eq!(check(&send(call(method, url("nobody")).bearer(OWNER_TOKEN))), 404, "{what}");
            }
            if path.ends_with("/live") {
                let (status, media_type) = head_of(method, &url(&stream.id));
                assert_listed(operation, &what, status, &media_type);
                assert_eq!(status, 200);
                continue;
            }
            let status = check(&send(call(method, url(&stream.id))));
            let is_open = operation["security"][0].as_object().is_some_and(Map::is_empty);
            assert!(is_open || status == 401, "{what}: {status} without a credential");
            let status = check(&send(call(method, url(&stream.id)).bearer(OWNER_TOKEN)));
            let wanted = if path.ends_with("/forward/retry") { 409..410 } else { 200..400 };
            assert!(wanted.contains(&status), "{what}: {status}");
            if let Some(content) = operation["requestBody"]["content"].as_object() {
                assert!(content.contains_key(media_type), "{what} takes no {media_type}");
                let broken = call(method, url(&stream.id)).bearer(OWNER_TOKEN).header("Content-Encoding", "br");
                assert_eq!(check(&broken.header("Content-Type", media_type).body("x").send()), 415, "{what}");
            }
        }
    }
}

#[test]
fn described_methods_match_allow_and_preflights() {
    let (description, stream) = (described(), Stream::new());
    assert_eq!(description["openapi"], "3.1.0");
    for (path, described) in paths(&description) {
        let methods: BTreeSet<&str> = operations(described).map(|(method, _)| method).collect();
        let url = format!("{}{}", stream.url, named(path, &stream, &stream.id));
        let refused = call("PUT", &url).bearer(OWNER_TOKEN).send().expect(405);
        let preflight = call("OPTIONS", &url).send().expect(204);
        for listed in [refused.header("Allow"), preflight.header("Access-Control-Allow-Methods")] {
            let listed: BTreeSet<&str> =
                listed.split(", ").filter(|name| !["HEAD", "OPTIONS"].contains(name)).collect();
            assert_eq!(listed, methods, "{path}");
        }
    }
}
