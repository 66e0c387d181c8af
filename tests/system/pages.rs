//! Whether a page may write if its browser does not send `Origin`: images, links, and forms of older browsers.

use serde_json::json;

use crate::http::Call;
use crate::server::Server;
use crate::stream::Stream;

const OURS: &str = "https://shop.example";
const THEIRS: &str = "https://evil.example";

fn listed() -> Stream {
    Stream::create(Server::shared(), json!({"name": "test", "origins": [OURS]}))
}

/// A call on each path that takes points, without `Origin`.
fn writes(stream: &Stream) -> Vec<(&'static str, Call)> {
    let form = stream.call("POST", "/points").header("Content-Type", "application/x-www-form-urlencoded");
    let message = json!({"annotations": [{"type": "net.app.contrib.timeseries", "value": {"n": 1}}]});
    let messages = format!("{}/stream/0/channels/{}/messages", stream.url, stream.id);
    let empty = stream.call("POST", "/otlp/v1/metrics").header("Content-Type", "application/json");
    vec![
        ("pixel", stream.call("GET", "/pixel.gif?n=1")),
        ("points", stream.call("POST", "/points").body(r#"{"n":1}"#)),
        ("form", form.body("n=1")),
        ("statsd", stream.call("POST", "/statsd").body("a:1|c")),
        ("otlp", empty.body(r#"{"resourceMetrics":[]}"#)),
        ("message", crate::http::call("POST", messages).body(message.to_string())),
    ]
}

/// What a browser sends of its own; an empty string is no header.
fn of_page(call: Call, [site, referer, origin]: [&str; 3]) -> Call {
    let headers = [("Sec-Fetch-Site", site), ("Referer", referer), ("Origin", origin)];
    headers
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .fold(call, |call, (name, value)| call.header(name, value))
}

#[test]
fn an_unlisted_page_writes_on_no_path_whatever_it_hides() {
    let stream = listed();
    let theirs = format!("{THEIRS}/page?{OURS}");
    for page in [
        ["cross-site", &theirs, ""],
        ["cross-site", "", ""],
        ["same-site", "", ""],
        ["same-origin", "", ""],
        ["", &theirs, ""],
        ["", "https://shop.example.evil.example/", ""],
        ["", "https://shop.example@evil.example/", ""],
        ["", "http://shop.example/", ""],
        ["", "https://shop.example:8443/", ""],
        ["", "about:blank", ""],
        ["cross-site", OURS, "null"],
        ["cross-site", OURS, THEIRS],
        ["none", "", THEIRS],
    ] {
        for (path, call) in writes(&stream) {
            let answer = of_page(call, page).send();
            assert_eq!(answer.status, 403, "{path} {page:?}: {}", answer.text());
            assert_eq!(
                answer.header("Access-Control-Allow-Origin"),
                if path == "message" { "*" } else { "" },
                "{page:?}"
            );
        }
    }
    assert_eq!(stream.read("/status").json()["accepted"], 0);
}

#[test]
fn listed_pages_and_programs_write_on_every_path() {
    let stream = listed();
    let ours = format!("{OURS}/cart?x=1");
    let pages = [["cross-site", &ours, ""], ["", &ours, ""], ["cross-site", "", OURS], ["none", "", ""], ["", "", ""]];
    for page in pages {
        for (path, call) in writes(&stream) {
            let answer = of_page(call, page).send();
            assert!((200..300).contains(&answer.status), "{path} {page:?}: {}", answer.text());
        }
    }
    // Every request except that of OpenTelemetry has a point.
    assert_eq!(stream.read("/status").json()["accepted"], pages.len() * 5);
}

#[test]
fn without_a_list_every_page_writes_whatever_it_hides() {
    let stream = Stream::new();
    for page in [["cross-site", "", ""], ["cross-site", THEIRS, ""], ["", "nonsense", ""], ["same-origin", "", "null"]]
    {
        for (path, call) in writes(&stream) {
            let answer = of_page(call, page).send();
            assert!((200..300).contains(&answer.status), "{path} {page:?}: {}", answer.text());
        }
    }
}
