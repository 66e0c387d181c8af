//! What owners can configure, and what they see.

use serde_json::{Value, json};

use super::double::{Carbon, config};
use super::{SOON, is_done, pushing, shared, status, until};
use crate::ports;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

fn patch(stream: &Stream, body: &Value) -> crate::http::Answer {
    stream.owned("PATCH", "").body(body.to_string()).send()
}

/// Checks that a configuration is refused with this detail.
#[track_caller]
fn assert_refused(stream: &Stream, body: &Value, detail: &str) {
    let answer = patch(stream, body);
    assert_eq!(answer.problem(400), "invalid-request", "{}", answer.text());
    assert!(answer.text().contains(detail), "{}", answer.text());
}

#[test]
fn the_owner_sees_the_configuration_and_null_ends_it() {
    let stream = Stream::on(shared());
    let shown = |stream: &Stream| stream.owned("GET", "").send().expect(200).json()["carbon"].clone();
    assert_eq!((shown(&stream), status(&stream)), (Value::Null, Value::Null));
    let port = ports::unused();
    patch(&stream, &json!({ "carbon": { "host": "127.0.0.1", "port": port } })).expect(200);
    let all =
        json!({ "host": "127.0.0.1", "port": port, "prefix": "", "interval_s": 60, "aggregates": ["sum", "count"] });
    assert_eq!(shown(&stream), all);
    assert_eq!(status(&stream)["state"], "sending");
    patch(&stream, &json!({ "name": "other" })).expect(200);
    assert_eq!(shown(&stream), all);
    patch(&stream, &json!({ "carbon": null })).expect(200);
    assert_eq!((shown(&stream), status(&stream)), (Value::Null, Value::Null));
}

#[test]
fn invalid_fields_are_refused_and_named() {
    let stream = Stream::on(shared());
    let with = |field: &str, value: Value| {
        let mut carbon = config(2003);
        carbon[field] = value;
        json!({ "carbon": carbon })
    };
    for (field, value) in [
        ("host", json!("127.1")),
        ("host", json!("a b")),
        ("host", json!("")),
        ("port", json!(25)),
        ("port", json!(65_536)),
        ("prefix", json!("a..b")),
        ("interval_s", json!(15)),
        ("interval_s", json!("1m")),
        ("aggregates", json!(["median"])),
        ("aggregates", json!([])),
    ] {
        assert_refused(&stream, &with(field, value), &format!("`carbon.{field}`"));
    }
    assert_refused(&stream, &with("path", json!(1)), "unknown field");
    assert_refused(&stream, &json!({ "carbon": 7 }), "`carbon` must be an object");
    assert_refused(&stream, &with("aggregates", json!(["distinct:client"])), "`distinct:client`");
    assert_refused(&stream, &with("host", json!("carbon.example")), "CARBON_HOSTS");
    let mut sharded = json!({ "carbon": config(2003), "shards": 2 });
    assert_refused(&stream, &sharded, "`shards` of 1");
    let pushed = pushing(shared(), &config(ports::unused()));
    assert_refused(&pushed, &json!({ "shards": 2 }), "`shards` of 1");
    sharded["carbon"] = Value::Null;
    patch(&pushed, &sharded).expect(200);
}

#[test]
fn only_listed_hosts_are_allowed_outside_development() {
    let list = "carbon.example,other.example:2003";
    let environment = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "k"), ("CARBON_HOSTS", list)];
    let server = Server::start_with(State::new(), &environment);
    let stream = Stream::on(&server);
    let to = |host: &str, port: u16| json!({ "carbon": { "host": host, "port": port } });
    for (host, port) in [("carbon.example", 1), ("Carbon.Example", 65_535), ("other.example", 2003)] {
        patch(&stream, &to(host, port)).expect(200);
    }
    assert_refused(&stream, &to("other.example", 2004), list);
    for host in ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "::1"] {
        assert_refused(&stream, &to(host, 2003), "special network");
    }
    assert_refused(&Stream::new(), &to("carbon.example", 2003), "CARBON_HOSTS");
}

pub(crate) fn another_carbon_gets_only_later_buckets() {
    let (one, other) = (Carbon::start(&[]), Carbon::start(&[]));
    let stream = pushing(shared(), &one.config());
    stream.write(json!([{ "n": 1 }]).to_string());
    until(&stream, SOON, is_done);
    let sent = one.lines().batches.len();
    patch(&stream, &json!({ "carbon": other.config() })).expect(200);
    assert_eq!(status(&stream)["lines"], 0);
    stream.write(json!([{ "n": 2, "v": { "to": "other" } }]).to_string());
    until(&stream, SOON, is_done);
    assert_eq!(other.lines().sum("visits.sum;to=other"), 2.0);
    assert_eq!((other.lines().sum("visits.sum"), one.lines().batches.len()), (0.0, sent));
}
