//! Live readers of streams with several shards, and readers who differ.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::json;

use super::socket::{Reader, open, open_from};
use super::view::View;
use crate::eviction::alarm_in_ns;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

const QUERY: &str = "by=key&agg=sum,count,max,p50,p99,distinct:who";

fn write(stream: &Stream, range: std::ops::Range<u32>) {
    for at in range {
        let point = json!({ "n": at, "v": { "key": (at % 3).to_string(), "who": (at % 7).to_string() } });
        stream
            .call("POST", "/points")
            .header("Idempotency-Key", at.to_string())
            .body(point.to_string())
            .send()
            .expect(202);
    }
}

#[test]
fn readers_of_four_shards_see_one_stream() {
    let server = Server::start(State::new());
    let stream = Stream::create(&server, json!({ "name": "x", "shards": 4, "distinct": ["who"] }));
    write(&stream, 0..20);
    let mut reader = Reader::of(&stream, QUERY);
    reader.until_count(20);
    let mut view = View::default();
    let mut poll = || {
        let after = if view.cursor.is_empty() { String::new() } else { format!("&after={}", view.cursor) };
        view.take(&stream.read(&format!("/deltas?{QUERY}{after}")).expect(200).json());
        view.assert_rollup(&stream, QUERY);
        (view.snapshots, view.deltas)
    };
    assert_eq!(poll(), (1, 0));
    write(&stream, 20..60);
    assert_eq!(poll(), (1, 1));
    reader.until_count(60);
    reader.view.assert_rollup(&stream, QUERY);
    assert_eq!(reader.view.snapshots, 1);
    stream.owned("PATCH", "").body(r#"{"shards":6}"#).send().expect(200);
    write(&stream, 60..120);
    poll();
    reader.until_count(120);
    reader.view.assert_rollup(&stream, QUERY);
    // One shard loses its memory: earlier points are only in its log.
    server.evict(&format!("{}/2", stream.id));
    write(&stream, 120..180);
    poll();
    reader.until_count(180);
    reader.view.assert_rollup(&stream, QUERY);
}

#[test]
fn home_wakes_for_its_readers_without_writes() {
    const WATCH: Range<i64> = 15_000_000_000..31_000_000_000;
    let server = Server::start(State::new());
    let stream = Stream::create(&server, json!({ "name": "x", "shards": 4 }));
    let until = |is_reached: &dyn Fn(Option<i64>) -> bool| {
        let deadline = Instant::now() + Duration::from_mins(5);
        while !is_reached(alarm_in_ns(&server)) {
            assert!(Instant::now() < deadline, "next in {:?} ns", alarm_in_ns(&server));
        }
    };
    let is_watched = |next_ns: Option<i64>| next_ns.is_some_and(|next_ns| WATCH.contains(&next_ns));
    // The pending work for the new shards is done.
    until(&|next_ns| next_ns.is_none_or(|next_ns| next_ns > WATCH.end));
    let reader = Reader::of(&stream, "agg=count");
    until(&is_watched);
    // The change makes the alarm due, and it sets the next one.
    stream.owned("PATCH", "").body("{}").send().expect(200);
    until(&is_watched);
    drop(reader);
}

#[test]
fn readers_with_different_queries_get_their_own_answers() {
    let stream = Stream::create(Server::shared(), json!({ "name": "x", "distinct": ["who"] }));
    let queries = ["", "by=key&agg=count,p50", "where=key%3D1&agg=distinct:who,max", "by=*&agg=min", ""];
    let mut readers: Vec<Reader> = queries.iter().map(|query| Reader::of(&stream, query)).collect();
    write(&stream, 0..30);
    let rollups = ["", "by=key", "where=key%3D1", "by=*", ""];
    for ((reader, rollup), query) in readers.iter_mut().zip(rollups).zip(queries) {
        reader.until_count(if rollup.starts_with("where") { 10 } else { 30 });
        let (_, agg) = query.split_once("agg=").unwrap_or_default();
        reader
            .view
            .assert_rollup(&stream, &format!("{rollup}&agg=sum,count,{}", if agg.is_empty() { "sum" } else { agg }));
    }
}

#[test]
fn live_queries_are_limited_but_their_readers_are_not() {
    let stream = Stream::new();
    let query = |at: usize| format!("where=a%3D{at}");
    let mut readers: Vec<Reader> = (0..64).map(|at| Reader::of(&stream, &query(at))).collect();
    assert_eq!(open(&stream, &query(64), Some(&stream.read_key)).err(), Some(503));
    readers.push(Reader::of(&stream, &query(7)));
    drop(readers.remove(0));
    // It is gone when the object has noticed.
    let start = std::time::Instant::now();
    while open(&stream, &query(64), Some(&stream.read_key)).is_err() {
        assert!(start.elapsed() < super::socket::DEADLINE);
    }
}

#[test]
fn strangers_leave_places_for_others_and_key_holders() {
    let secrets = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "k"), ("TRUSTED_PROXIES", "1")];
    let server = Server::start_with(State::new(), &secrets);
    let stream = Stream::create(&server, json!({ "name": "x", "public_read": true }));
    let query = |at: usize| format!("where=a%3D{at}");
    let from = |network: &str, at, token| open_from(&stream, &query(at), token, Some(network));
    let mut strangers = Vec::new();
    let mut fill = |network: &str| {
        let before: usize = strangers.len();
        strangers.extend((before..64).map_while(|at| from(network, at, None).ok()));
        strangers.len() - before
    };
    assert_eq!(["192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8::1", "2001:db8::2"].map(&mut fill), [36, 9, 0, 3, 0]);
    // A string that merely looks like a key is not one.
    assert_eq!(from("192.0.2.3", 48, Some("wrong")).err(), Some(503));
    let _shares_a_query = from("192.0.2.3", 7, None).unwrap_or_else(|status| panic!("{status}"));
    for (at, token) in [(100, OWNER_TOKEN), (101, &stream.read_key)] {
        let mut reader = from("192.0.2.1", at, Some(token)).unwrap_or_else(|status| panic!("{status}"));
        reader.next_message();
    }
}
