//! A test's own channel, as clients of the app.net face have one.

use serde_json::{Value, json};

use crate::http::{Answer, Call, call};
use crate::server::{OWNER_TOKEN, Server};
use crate::stream::Stream;

pub(crate) const TIMESERIES: &str = "net.app.contrib.timeseries";
pub(crate) const BATCH: &str = "net.app.contrib.timeseries.batch";

/// A call to a path of the face, for example `/channels`.
pub(crate) fn face(method: &'static str, path: &str) -> Call {
    call(method, format!("{}/stream/0{path}", Server::shared().url))
}

/// A new channel.
pub(crate) fn channel() -> Stream {
    channel_of("{}")
}

/// A new channel, created with this body.
pub(crate) fn channel_of(body: &str) -> Stream {
    made_on(Server::shared(), body)
}

/// A new channel on the test's own server.
pub(crate) fn channel_on(server: &Server) -> Stream {
    made_on(server, "{}")
}

fn made_on(server: &Server, body: &str) -> Stream {
    let create = call("POST", format!("{}/stream/0/channels", server.url)).bearer(OWNER_TOKEN);
    let made = create.body(body).send().expect(200).json();
    let text = |pointer: &str| made.pointer(pointer).and_then(Value::as_str).expect("a string").to_owned();
    let (id, read_key) = (text("/data/id"), text("/data/annotations/0/value/read_key"));
    Stream { id, read_key, url: server.url.clone() }
}

/// An annotation that is a point.
#[expect(clippy::needless_pass_by_value, reason = "given as a literal everywhere")]
pub(crate) fn point(value: Value) -> Value {
    json!({"type": TIMESERIES, "value": value})
}

/// Posts a machine-only message with these annotations.
pub(crate) fn post(channel: &Stream, annotations: &[Value]) -> Answer {
    post_body(channel, &json!({"machine_only": true, "annotations": annotations}))
}

/// Posts this body as a message.
pub(crate) fn post_body(channel: &Stream, body: &Value) -> Answer {
    messages(channel, "POST", "").body(body.to_string()).send()
}

/// A call to a channel's messages, or to a path below them.
pub(crate) fn messages(channel: &Stream, method: &'static str, rest: &str) -> Call {
    call(method, format!("{}/stream/0/channels/{}/messages{rest}", channel.url, channel.id))
}

/// The message in an error's envelope; checks that the envelope is complete.
#[track_caller]
pub(crate) fn error(answer: &Answer, status: u16) -> (String, Option<String>) {
    assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("Content-Type"), "application/json");
    assert_eq!(answer.header("Access-Control-Allow-Origin"), "*");
    assert_eq!(answer.header("Cache-Control"), "no-store");
    let envelope = answer.json();
    assert_eq!(envelope["meta"]["code"], status);
    assert_eq!(envelope.get("data"), None);
    let text = |field: &str| envelope["meta"][field].as_str().map(str::to_owned);
    (text("error_message").expect("a message"), text("error_slug"))
}
