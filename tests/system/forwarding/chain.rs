//! Two Heartbeats in a chain: the second's app.net face is the first's upstream.

use std::time::Instant;

use serde_json::{Value, json};

use super::{SOON, forward_status, forwarding, is_done, points, shared, with, write};
use crate::clock::past_hour;
use crate::http::call;
use crate::peer::TOKENS_BEGIN;
use crate::server::OWNER_TOKEN;
use crate::stream::Stream;

/// Sums and counts of an hour by label set.
fn by_set(stream: &Stream, hour: u64) -> Value {
    let window = format!("from={hour}&to={}&step=10s&by=*&agg=sum,count,ratio", hour + 3_600);
    stream.rollup(&window)["series"].clone()
}

#[test]
fn points_written_to_one_server_are_read_from_the_next() {
    let second = crate::server::Server::shared();
    let create = call("POST", format!("{}/stream/0/channels", second.url)).bearer(OWNER_TOKEN);
    let body = json!({ "type": "net.app.contrib.timeseries", "writers": { "any_user": true } });
    let created = create.header("Content-Type", "application/json").body(body.to_string()).send().expect(200).json();
    let channel = created["data"]["id"].as_str().expect("an id").to_owned();
    let mut owned = created["data"]["annotations"].as_array().expect("a list").iter();
    let read_key = owned.find_map(|annotation| annotation["value"]["read_key"].as_str()).expect("a key");
    let far = Stream { id: channel.clone(), read_key: read_key.to_owned(), url: second.url.clone() };

    let root = format!("{}/stream/0", second.url);
    let forward = json!({ "dialect": "app.net", "api_root": root, "token": TOKENS_BEGIN,
        "policy": { "writes_per_minute": 6_000 } });
    let near = forwarding(&with(&forward, "channel", channel));
    let hour = past_hour();
    let mut written = points(3_000, 40);
    for (index, point) in written.iter_mut().enumerate() {
        point["t"] = json!(hour + 1 + index as u64 % 3_600);
    }
    write(&near, &written);
    let deadline = Instant::now() + 2 * SOON;
    while !is_done(&forward_status(&near)) {
        assert!(Instant::now() < deadline, "{}", forward_status(&near));
    }
    assert_eq!(by_set(&far, hour), by_set(&near, hour));
    assert_eq!(by_set(&far, hour).as_array().map(Vec::len), Some(40));
    assert_eq!(shared().log().matches("panicked").count(), 0);
}

#[test]
fn a_server_makes_a_channel_with_the_upstreams_owner_token() {
    let second = crate::server::Server::shared();
    // The second's owner token is the first's upstream token.
    let forward = json!({ "dialect": "app.net", "api_root": format!("{}/stream/0", second.url),
        "token": OWNER_TOKEN, "policy": { "writes_per_minute": 6_000 } });
    let near = forwarding(&forward);
    write(&near, &points(10, 10));
    let deadline = Instant::now() + SOON;
    while !is_done(&forward_status(&near)) {
        assert!(Instant::now() < deadline, "{}", forward_status(&near));
    }
    let channel = forward_status(&near)["channel"].as_str().expect("an id").to_owned();
    let far = Stream { id: channel, read_key: OWNER_TOKEN.to_owned(), url: second.url.clone() };
    assert_eq!(far.total("count"), 10.0);
    assert_eq!(far.total("sum"), 45.0);
}
