//! The double behaves as app.net and pnut are documented, and fails as requested.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use model::labels::Labels;
use model::point::{LabelledPoint, Point};
use serde_json::{Value, json};

use super::{Dialect, Fault, Faults, Group, Peer, Plan};
use crate::http::{Answer, Call, agent, call};

const SOON: Duration = Duration::from_mins(2);

fn get(peer: &Peer, path: &str) -> Answer {
    call("GET", format!("{}/{path}", peer.root())).bearer(&peer.token).send()
}

fn post_call(peer: &Peer, path: &str, body: &Value) -> Call {
    let call = call("POST", format!("{}/{path}", peer.root())).header("Content-Type", "application/json");
    call.bearer(&peer.token).body(body.to_string())
}

fn post(peer: &Peer, path: &str, body: &Value) -> Answer {
    post_call(peer, path, body).send()
}

fn annotated(id: &str, points: &[Value]) -> Value {
    let points = points.iter().map(|point| json!({ "type": "net.app.contrib.timeseries", "value": point }));
    let batch = json!({ "type": "net.app.contrib.timeseries.batch", "value": { "id": id } });
    json!({ "machine_only": true, "annotations": points.chain([batch]).collect::<Vec<_>>() })
}

fn message(number: u32) -> Value {
    annotated(&format!("s/0-{number}"), &[json!({ "n": number, "t": 1, "v": { "a": "b" } })])
}

fn create(peer: &Peer) -> String {
    let body = json!({ "type": "net.app.contrib.timeseries", "writers": { "any_user": true } });
    let id = post(peer, "channels", &body).expect(200).json()["data"]["id"].clone();
    id.as_str().expect("ids are strings").to_owned()
}

/// A double with a channel, and the path of its messages.
fn with_channel(plan: Plan) -> (Peer, String) {
    let peer = Peer::start(plan);
    let path = format!("channels/{}/messages", create(&peer));
    (peer, path)
}

fn ids(answer: &Value) -> Vec<u64> {
    let data = answer["data"].as_array().expect("a list");
    data.iter().map(|item| item["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")).collect()
}

#[test]
fn annotations_are_answered_only_on_request() {
    let (peer, path) = with_channel(Plan::default());
    let answer = post(&peer, &path, &message(1)).expect(200);
    assert_eq!(answer.header("X-RateLimit-Limit"), "20");
    assert_eq!(answer.header("X-RateLimit-Remaining"), "18");
    let posted = answer.json()["data"].clone();
    assert!(posted["annotations"].is_null() && posted["machine_only"] == true && posted["text"].is_null(), "{posted}");
    let posted = post(&peer, &format!("{path}?include_annotations=1"), &message(2)).expect(200).json();
    assert_eq!(posted["data"]["annotations"][0]["value"]["n"], 2);
    assert_eq!(get(&peer, &path).expect(200).json()["data"], json!([]), "machine only");
    let listed = get(&peer, &format!("{path}?include_machine=1&include_annotations=1")).expect(200).json();
    assert_eq!(listed["data"][0]["annotations"][1]["value"], json!({ "id": "s/0-2" }));
}

#[test]
fn paging_gives_the_newest_or_by_negative_count_the_oldest() {
    let (peer, path) = with_channel(Plan { limit: 100, ..Plan::default() });
    let all: Vec<u64> = (0..10)
        .map(|number| {
            let posted = post(&peer, &path, &message(number)).json();
            posted["data"]["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
        })
        .collect();
    let page = |query: &str| get(&peer, &format!("{path}?include_machine=1&{query}")).expect(200).json();
    let between = format!("since_id={}&before_id={}", all[1], all[8]);
    assert_eq!(ids(&page(&format!("{between}&count=2"))), [all[7], all[6]]);
    let oldest = page(&format!("{between}&count=-2"));
    assert_eq!(ids(&oldest), [all[3], all[2]]);
    let meta = json!({ "code": 200, "more": true, "max_id": all[3].to_string(), "min_id": all[2].to_string() });
    assert_eq!(oldest["meta"], meta);
    assert_eq!(page("count=200")["meta"]["more"], false);
    assert_eq!(page(&format!("since_id={}", all[9]))["meta"], json!({ "code": 200, "more": false }));
    get(&peer, &format!("{path}?count=201")).expect(400);
}

#[test]
fn wrong_requests_get_their_status_in_the_envelope() {
    let (peer, path) = with_channel(Plan { limit: 100, ..Plan::default() });
    let locked = peer.add_channel(2, Group::default(), Group::default());
    let statuses = [
        (post(&peer, &path, &json!({ "annotations": [] })), 400),
        (post(&peer, &path, &json!({ "machine_only": true, "annotations": [{ "type": "a", "value": 1 }] })), 400),
        (post(&peer, "channels", &json!({ "type": "a", "writers": { "any_user": true, "user_ids": ["1"] } })), 400),
        (post(&peer, "channels", &json!({})), 400),
        (call("POST", format!("{}/{path}", peer.root())).bearer(&peer.token).body("{}").send(), 400),
        (post(&peer, &format!("channels/{locked}/messages"), &message(1)), 403),
        (post(&peer, "channels/999/messages", &message(1)), 404),
        (get(&peer, &format!("channels/{locked}")), 403),
        (get(&peer, "nowhere"), 404),
        (call("GET", format!("{}/{path}", peer.root())).bearer("unknown").send(), 401),
    ];
    for (answer, status) in statuses {
        let envelope = answer.expect(status).json();
        assert!(envelope["meta"]["code"] == status && envelope["data"].is_null(), "{envelope}");
    }
    peer.give_channel(&locked, 1, Group::default());
    post(&peer, &format!("channels/{locked}/messages"), &message(1)).expect(200);
    peer.revoke(&peer.other_token);
    assert_eq!(call("GET", format!("{}/{path}", peer.root())).bearer(&peer.other_token).send().status, 401);
}

#[test]
fn annotations_have_at_most_8192_bytes_of_compact_json() {
    let (peer, path) = with_channel(Plan::default());
    let sized = |bytes: usize| {
        let empty = annotated("s/0-1", &[json!({ "n": 1, "x": "" })]);
        let rest = bytes - empty["annotations"].to_string().len();
        annotated("s/0-1", &[json!({ "n": 1, "x": "é".repeat(rest / 2) + &"y".repeat(rest % 2) })])
    };
    post(&peer, &path, &sized(8_192)).expect(200);
    post(&peer, &path, &sized(8_193)).expect(400);
}

#[test]
fn pnut_wants_text_and_a_map_of_lists_and_answers_201() {
    let peer = Peer::start(Plan { dialect: Dialect::Pnut, ..Plan::default() });
    let kind = "net.app.contrib.timeseries";
    let body = json!({ "type": kind, "acl": { "write": { "any_user": true } } });
    let created = post(&peer, "channels", &body).expect(201).json()["data"].clone();
    assert_eq!((&created["acl"]["write"]["you"], &created["acl"]["full"]["you"]), (&json!(true), &json!(true)));
    let path = format!("channels/{}/messages", created["id"].as_str().expect("a string"));
    let raw = json!({ kind: [{ "n": 1 }, { "n": 2 }], format!("{kind}.batch"): [{ "id": "s/0-1" }] });
    post(&peer, &path, &json!({ "raw": raw })).expect(400);
    post(&peer, &path, &json!({ "text": ".", "raw": { kind: { "n": 1 } } })).expect(400);
    post(&peer, &path, &json!({ "text": ".", "raw": [{ "type": kind, "value": { "n": 1 } }] })).expect(400);
    post(&peer, &path, &json!({ "text": ".", "raw": raw })).expect(201);
    let listed = get(&peer, &format!("{path}?include_raw=1")).expect(200).json();
    assert_eq!((&listed["data"][0]["raw"], &listed["data"][0]["content"]["text"]), (&raw, &json!(".")));
    assert_eq!(peer.sums().into_values().collect::<Vec<_>>(), [(3.0, 2.0)]);
}

#[test]
fn writes_over_the_limit_are_refused_until_the_window_ends() {
    let window = Duration::from_millis(1_500);
    let (peer, path) = with_channel(Plan { limit: 3, window, ..Plan::default() });
    (1..3).for_each(|number| drop(post(&peer, &path, &message(number)).expect(200)));
    let refused = post(&peer, &path, &message(3)).expect(429);
    assert!(["1", "2"].contains(&refused.header("Retry-After")), "{:?}", refused.headers);
    assert_eq!(refused.header("X-RateLimit-Remaining"), "0");
    get(&peer, &path).expect(200);
    peer.until(SOON, "the window is over", |peer| post(peer, &path, &message(4)).status == 200);
    assert!(peer.exceeded() >= 1 && peer.max_writes_in_any(window) > 3 && peer.stored() == 3);
    assert_eq!(peer.writes(), peer.arrivals_s().len());
}

#[test]
fn pnut_refuses_excess_writers_for_ten_minutes() {
    let peer = Peer::start(Plan { dialect: Dialect::Pnut, limit: 1, rate_headers: false, ..Plan::default() });
    let body = json!({ "type": "a" });
    post(&peer, "channels", &body).expect(201);
    let refused = post(&peer, "channels", &body).expect(429);
    assert_eq!((refused.json()["meta"]["retry_in"].clone(), refused.header("Retry-After")), (json!(600), ""));
    assert_eq!(refused.header("X-RateLimit-Limit"), "");
}

#[test]
fn each_fault_fails_and_stores_as_specified() {
    let (peer, path) =
        with_channel(Plan { limit: 1_000, redirect_to: "http://x.example/".to_owned(), ..Plan::default() });
    let mut stored = 0;
    let mut fails = |fault: Fault, stores: bool| {
        peer.next([Some(fault)]);
        stored += usize::from(stores);
        let answer = post_call(&peer, &path, &message(7)).send_over(&agent());
        assert_eq!(peer.stored(), stored, "{fault:?}");
        answer
    };
    for (fault, status) in [
        (Fault::RetryAfter(7), 429),
        (Fault::RetryIn(7), 429),
        (Fault::TooMany, 429),
        (Fault::ServerError, 500),
        (Fault::Unavailable, 503),
        (Fault::Html, 200),
        (Fault::Redirect, 302),
        (Fault::Status(403), 403),
    ] {
        let answer = fails(fault, false).expect("an answer").expect(status);
        let headers = [answer.header("Retry-After"), answer.header("Location")].concat();
        let is_page = answer.header("Content-Type").starts_with("text/html");
        assert_eq!(is_page, matches!(fault, Fault::Unavailable | Fault::Html | Fault::Redirect));
        let retry_in = if is_page { Value::Null } else { answer.json()["meta"]["retry_in"].clone() };
        match fault {
            Fault::RetryAfter(_) => assert_eq!(headers, "7"),
            Fault::Redirect => assert_eq!(headers, "http://x.example/"),
            Fault::RetryIn(_) => assert_eq!(retry_in, 7),
            _ => assert!(headers.is_empty() && retry_in.is_null(), "{fault:?}"),
        }
    }
    assert!(fails(Fault::CutBefore, false).is_err());
    assert!(fails(Fault::CutAfter, true).is_err());
    assert!(fails(Fault::CutInside, true).is_err());
    for deviation in [Fault::NumericIds, Fault::NoPaging, Fault::NoRateHeaders] {
        let answer = fails(deviation, true).expect("an answer").expect(200);
        assert_eq!(answer.json()["data"]["id"].is_u64(), deviation == Fault::NumericIds);
        assert_eq!(answer.header("X-RateLimit-Limit").is_empty(), deviation == Fault::NoRateHeaders);
    }
    assert_eq!(peer.failed().len(), 14);
    assert_eq!(peer.first_deliveries().len(), 1, "all the same");
    peer.next([Some(Fault::Telltale)]);
    let answer = call("GET", peer.root()).bearer("secret").send().expect(500);
    assert!(answer.text().contains("Bearer secret"), "{}", answer.text());
    peer.replan(|plan| plan.always = &[Fault::NoPaging]);
    assert_eq!(get(&peer, &format!("{path}?include_machine=1")).json()["meta"], json!({ "code": 200 }));
}

#[test]
fn a_hanging_request_ends_with_its_client_or_the_double() {
    let (peer, path) = with_channel(Plan::default());
    let token = &peer.token;
    let open = || {
        let mut socket = TcpStream::connect(peer.root().split('/').nth(2).expect("an authority")).expect("it listens");
        write!(socket, "GET /stream/0/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n")
            .expect("it reads");
        socket
    };
    peer.next([Some(Fault::Hang), Some(Fault::Hang)]);
    let (one, mut other) = (open(), open());
    peer.until(SOON, "both hang", |peer| peer.hanging() == 2);
    drop(one);
    peer.until(SOON, "one is gone", |peer| peer.hanging() == 1);
    get(&peer, &path).expect(200);
    other.set_read_timeout(Some(SOON)).expect("more than nothing");
    drop(peer);
    assert_eq!(other.read(&mut [0]).expect("the connection ends"), 0);
}

#[test]
fn faults_follow_the_seed_and_about_the_requested_share() {
    let kinds = &[Fault::ServerError, Fault::Html, Fault::CutAfter];
    let drawn = |seed| {
        let mut faults = Faults { seed, share: 0.5, kinds };
        (0..1_000).map(|_| faults.draw()).collect::<Vec<_>>()
    };
    assert!(drawn(1) == drawn(1) && drawn(1) != drawn(2));
    for kind in kinds {
        let count = drawn(3).iter().filter(|fault| **fault == Some(*kind)).count();
        assert!((120..220).contains(&count), "{kind:?}: {count}");
    }
}

#[test]
fn a_message_with_the_offending_point_is_refused() {
    let (peer, path) = with_channel(Plan { offender: Some(("a", "bad")), ..Plan::default() });
    let bad = annotated("s/0-2", &[json!({ "n": 1 }), json!({ "n": 1, "v": { "a": "bad" } })]);
    post(&peer, &path, &bad).expect(400);
    post(&peer, &path, &message(1)).expect(200);
    assert_eq!(peer.sums().len(), 1);
}

#[test]
fn the_wire_is_recorded_and_chunked_bodies_are_read() {
    let (peer, path) = with_channel(Plan::default());
    post_call(&peer, &path, &message(1)).send_chunked().expect(200);
    let exchange = peer.captured().pop().expect("two");
    assert_eq!(exchange.what(), format!("POST /stream/0/{path}"));
    let sent = String::from_utf8(exchange.sent).expect("UTF-8");
    let received = String::from_utf8(exchange.received).expect("UTF-8");
    assert!(received.contains(&peer.token) && sent.starts_with("HTTP/1.1 200"), "{received}{sent}");
    assert_eq!(peer.requests(), ["POST /stream/0/channels".to_owned(), format!("POST /stream/0/{path}")]);
    assert_eq!(peer.channels().len(), 1);
    assert_eq!(peer.batches()[0].number(), (1, ""));
    peer.assert_in_order();
}

#[test]
fn a_full_message_is_accepted_and_has_no_room_left() {
    for dialect in [Dialect::AppNet, Dialect::Pnut] {
        let peer = Peer::start(Plan { dialect, ..Plan::default() });
        let channel = peer.add_channel(1, Group::default(), Group::default());
        let spoken = config::forward::dialect::Dialect::named(dialect.name()).expect("the same name");
        let mut message = appnet::message::Message::new(spoken, "s/0-1");
        let point = |n: u32| LabelledPoint {
            labels: Labels::from_canonical("\u{e9}\"\u{1f}\u{1F600}\\\u{1e}"),
            point: Point { n: f64::from(n), d: 1.0, p: None, t: 7.0 },
        };
        let count = (0..1_000).take_while(|n| message.push(&point(*n))).count();
        let body = message.into_body(appnet::shape::Shape::Silent);
        let posted: Value = serde_json::from_str(&body).expect("JSON");
        let bytes = [&posted["annotations"], &posted["raw"]].map(|part| part.to_string().len());
        assert!(bytes.into_iter().any(|bytes| (8_050..=8_192).contains(&bytes)), "{bytes:?}");
        let path = format!("channels/{channel}/messages");
        assert!(post(&peer, &path, &posted).status < 300);
        assert_eq!(peer.batches()[0].points.len(), count);
    }
}
