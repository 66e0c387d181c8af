//! Streams of several shards: sums are complete, keys count once despite changes of the number of shards, and a shard
//! that fails fails the read.

use std::collections::BTreeSet;

use serde_json::json;

use crate::directory::assert_empty;
use crate::http::Answer;
use crate::objects::Object;
use crate::server::{Server, State};
use crate::stream::{Stream, added, assert_close};

/// Enough batches that each of four shards gets some, except once in 10^11 times.
const MANY: u32 = 100;

fn with_shards(server: &Server, shards: u16) -> Stream {
    Stream::create(server, json!({ "name": "test", "shards": shards }))
}

fn raise(stream: &Stream, shards: u16) -> Answer {
    stream.owned("PATCH", "").body(json!({ "shards": shards }).to_string()).send()
}

/// Writes a good and a bad point under each key, and returns the answers.
fn write_keyed(stream: &Stream, keys: std::ops::Range<u32>) -> Vec<String> {
    let write = |key: u32| {
        let body = format!(r#"[{{"n":1,"v":{{"key":"{}"}}}},{{"n":"{key}"}}]"#, key % 4);
        let call = stream.call("POST", "/points").header("Idempotency-Key", key.to_string());
        call.body(body).send().expect(202).text().to_owned()
    };
    keys.map(write).collect()
}

fn write_unkeyed(stream: &Stream, count: u32) {
    for index in 0..count {
        stream.write(format!(r#"{{"n":1,"v":{{"key":"{}"}}}}"#, index % 4));
    }
}

#[track_caller]
fn assert_total(stream: &Stream, wanted: u32) {
    for aggregate in ["sum", "count"] {
        assert_close(stream.total(aggregate), wanted.into(), aggregate);
    }
}

#[test]
fn points_spread_over_all_shards_and_sums_are_complete() {
    let server = Server::start(State::new());
    let stream = with_shards(&server, 4);
    let answers = write_keyed(&stream, 0..MANY);
    write_unkeyed(&stream, MANY);
    assert_eq!(write_keyed(&stream, 0..MANY), answers, "keys are known");
    assert_total(&stream, 2 * MANY);
    let grouped = stream.rollup("from=-1h&step=1h&by=key&agg=sum,count");
    let groups = grouped["series"].as_array().expect("a list");
    assert_eq!(groups.len(), 4, "{grouped}");
    for group in groups {
        assert_close(added(&group["sum"]), f64::from(MANY / 2), "a group is in all shards");
    }
    let status = stream.read("/status").expect(200).json();
    assert_eq!((&status["accepted"], &status["rejected"]), (&json!(2 * MANY), &json!({ "n": MANY })));
    assert_eq!((&status["shards"], &status["series"]), (&json!(4), &json!(4)), "{status}");
    let labels = stream.read("/labels").expect(200).json();
    assert_eq!(labels, json!({ "labels": [{ "name": "key", "values": 4, "series": 4 }] }));
    let values = stream.read("/labels/key?limit=3").expect(200).json();
    assert_eq!((values["values"].as_array().map(Vec::len), &values["more"]), (Some(3), &json!(true)));
    let state = server.kill_9();
    let rows: Vec<i64> = Object::all(&state).iter().map(|object| object.number("SELECT COUNT(*) FROM log")).collect();
    assert!(rows.len() == 4 && rows.iter().all(|rows| *rows > 0), "{rows:?}");
}

#[test]
fn raising_the_shards_counts_each_point_once() {
    let stream = Stream::new();
    let first = write_keyed(&stream, 0..MANY);
    write_unkeyed(&stream, 10);
    assert_eq!(raise(&stream, 4).expect(200).json()["shards"], 4);
    assert_total(&stream, MANY + 10);
    assert_eq!(write_keyed(&stream, 0..MANY), first, "keys from before are known");
    let second = write_keyed(&stream, MANY..2 * MANY);
    write_unkeyed(&stream, 10);
    assert_eq!(raise(&stream, 64).expect(200).json()["shards"], 64);
    assert_eq!(write_keyed(&stream, 0..2 * MANY), [first, second].concat());
    write_unkeyed(&stream, 10);
    assert_total(&stream, 2 * MANY + 30);
    let status = stream.read("/status").expect(200).json();
    assert_eq!((&status["shards"], &status["accepted"]), (&json!(64), &json!(2 * MANY + 30)));
    assert_eq!(stream.owned("GET", "").send().expect(200).json()["shards"], 64);
}

#[test]
fn raising_the_shards_under_writes_counts_each_point_once() {
    let stream = Stream::new();
    let (writers, batches) = (4, 120);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let stream = &stream;
            scope.spawn(move || {
                for batch in 0..batches {
                    // Each key is used by two writers, some batches apart.
                    let key = writer / 2 * batches + (batch + writer % 2 * 7) % batches;
                    let call = stream.call("POST", "/points").header("Idempotency-Key", format!("{key}"));
                    call.body(r#"{"n":1}"#).send().expect(202);
                }
            });
        }
        for shards in [2, 3, 5, 16] {
            raise(&stream, shards).expect(200);
        }
    });
    assert_total(&stream, writers / 2 * batches);
}

#[test]
fn an_edge_with_an_old_shard_count_counts_no_key_twice() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let first = write_keyed(&stream, 0..MANY);
    let state = server.kill_9();
    let believed = state.copy_of_directory();
    let server = Server::start(state);
    let stream = stream.moved_to(&server);
    raise(&stream, 4).expect(200);
    let second = write_keyed(&stream, MANY..2 * MANY);
    let state = server.kill_9();
    state.restore_directory(&believed);
    let server = Server::start(state);
    let stream = stream.moved_to(&server);
    assert_eq!(write_keyed(&stream, MANY..2 * MANY), second);
    assert_eq!(write_keyed(&stream, 0..MANY), first);
    assert_total(&stream, 2 * MANY);
}

#[test]
fn shards_are_1_to_64_and_never_fewer_than_before() {
    let stream = with_shards(Server::shared(), 3);
    for shards in [json!(0), json!(65), json!(-1), json!(1.5), json!("4")] {
        let patched = stream.owned("PATCH", "").body(json!({ "shards": shards }).to_string()).send();
        assert_eq!(patched.problem(400), "invalid-request", "{shards}");
    }
    for shards in [1, 2] {
        let lowered = raise(&stream, shards);
        assert_eq!(lowered.problem(409), "conflict");
        let detail = lowered.json()["detail"].as_str().map(str::to_owned).unwrap_or_default();
        assert!(detail.contains(&format!("`shards` is 3 and can't be lowered to {shards}, only raised")), "{detail}");
    }
    raise(&stream, 3).expect(200);
    for shards in 4..10 {
        raise(&stream, shards).expect(200);
    }
    assert_eq!(raise(&stream, 10).problem(409), "conflict", "six raises within ten minutes are enough");
    assert_eq!(stream.owned("GET", "").send().expect(200).json()["shards"], 9);
}

#[test]
fn a_new_read_key_and_new_origins_apply_at_every_shard() {
    let stream = with_shards(Server::shared(), 8);
    write_keyed(&stream, 0..MANY);
    let created = stream.owned("POST", "/read-key").send().expect(200).json();
    assert_eq!(stream.read("/rollup").problem(401), "unauthorized");
    let read_key = created["read_key"].as_str().expect("a key").to_owned();
    let stream = Stream { read_key, ..stream };
    assert_total(&stream, MANY);
    stream.owned("PATCH", "").body(r#"{"origins":["https://a.example"]}"#).send().expect(200);
    let write = |origin: &str| stream.call("POST", "/points").header("Origin", origin).body(r#"{"n":1}"#).send();
    for _ in 0..MANY {
        write("https://a.example").expect(202);
        assert_eq!(write("https://b.example").problem(403), "origin-not-allowed");
    }
    assert_total(&stream, 2 * MANY);
}

#[test]
fn a_stale_copy_of_the_read_key_changes_no_decision() {
    let server = Server::start(State::new());
    let stream = with_shards(&server, 4);
    write_keyed(&stream, 0..MANY);
    let state = server.kill_9();
    let old = Object::all(&state).into_iter().find(|object| !object.is_home()).expect("three are not");
    old.run("UPDATE meta SET value = json_set(value, '$.read_key_hash', json_array(0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0)) WHERE key = 'stream'");
    let server = Server::start(state);
    let stream = stream.moved_to(&server);
    assert_total(&stream, MANY);
    assert_eq!(stream.call("GET", "/rollup").bearer("rk_wrong").send().problem(401), "unauthorized");
    let state = server.kill_9();
    // Now only home lacks the key.
    let home = Object::all(&state).into_iter().find(Object::is_home).expect("there is one");
    home.run("UPDATE meta SET value = json_set(value, '$.read_key_hash', json_array(0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0)) WHERE key = 'stream'");
    let server = Server::start(state);
    let stream = stream.moved_to(&server);
    for path in ["/rollup", "/labels", "/labels/key", "/status"] {
        assert_eq!(stream.read(path).problem(401), "unauthorized", "home has the last word");
    }
}

#[test]
fn a_deleted_stream_leaves_no_shard_that_takes_points() {
    let server = Server::start(State::new());
    let stream = with_shards(&server, 8);
    write_keyed(&stream, 0..MANY);
    stream.owned("DELETE", "").send().expect(204);
    for _ in 0..MANY {
        assert_eq!(stream.post(r#"{"n":1}"#).problem(404), "not-found");
    }
    assert_eq!(stream.read("/rollup").problem(404), "not-found");
    assert_eq!(stream.owned("DELETE", "").send().problem(404), "not-found");
    assert_empty(server, &stream);
}

#[test]
fn the_next_deletion_finishes_an_interrupted_one() {
    let server = Server::start(State::new());
    let stream = with_shards(&server, 4);
    write_keyed(&stream, 0..MANY);
    let state = server.kill_9();
    let home = Object::all(&state).into_iter().find(Object::is_home).expect("there is one");
    home.run("UPDATE meta SET value = json_set(value, '$.is_closed', json('true')) WHERE key = 'stream'");
    let server = Server::start(state);
    let stream = stream.moved_to(&server);
    assert_eq!(stream.read("/rollup").problem(404), "not-found");
    assert_eq!(raise(&stream, 5).problem(404), "not-found");
    stream.owned("DELETE", "").send().expect(204);
    assert_eq!(stream.post(r#"{"n":1}"#).problem(404), "not-found");
    assert_empty(server, &stream);
}

/// A stream of one shard whose home had learned of four when everything stopped.
fn half_raised() -> (Server, Stream, Vec<String>) {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let first = write_keyed(&stream, 0..MANY);
    let state = server.kill_9();
    let home = Object::all(&state).pop().expect("the only one");
    home.run("UPDATE meta SET value = json_set(value, '$.config.layout', '4 1', '$.version', 9) WHERE key = 'stream'");
    let server = Server::start(state);
    let stream = stream.moved_to(&server);
    (server, stream, first)
}

#[test]
fn the_next_change_finishes_an_interrupted_raise() {
    let (server, stream, first) = half_raised();
    assert_total(&stream, MANY);
    assert_eq!(write_keyed(&stream, 0..MANY), first);
    let second = write_keyed(&stream, MANY..2 * MANY);
    write_unkeyed(&stream, 20);
    assert_total(&stream, 2 * MANY + 20);
    assert_eq!(raise(&stream, 4).expect(200).json()["shards"], 4);
    assert_eq!(write_keyed(&stream, 0..2 * MANY), [first, second].concat());
    assert_total(&stream, 2 * MANY + 20);
    let layouts: Vec<String> = Object::all(&server.kill_9()).iter().map(Object::layout).collect();
    assert!(layouts.len() == 4 && layouts.iter().all(|layout| layout.starts_with("4 1")), "{layouts:?}");
    assert_eq!(layouts.iter().filter(|layout| layout.starts_with("4 1@")).count(), 1, "home knows it settled");
}

/// The keys that belong to the second shard if there are two.
fn keys_of_the_second_of_two() -> Vec<u32> {
    let server = Server::start(State::new());
    let stream = with_shards(&server, 2);
    for key in 0..MANY {
        let call = stream.call("POST", "/points").header("Idempotency-Key", key.to_string());
        call.body(format!(r#"{{"n":1,"v":{{"key":"({key})"}}}}"#)).send().expect(202);
    }
    let state = server.kill_9();
    let second = Object::all(&state).into_iter().find(|object| !object.is_home()).expect("one of two");
    let has = |key: &u32| {
        second.number(&format!("SELECT COUNT(*) FROM log WHERE instr(frames, CAST('({key})' AS BLOB)) > 0")) > 0
    };
    (0..MANY).filter(has).collect()
}

#[test]
fn a_shards_configuration_survives_a_crash() {
    let server = Server::start(State::new());
    let stream = with_shards(&server, 2);
    let state = server.kill_9();
    let home = Object::all(&state).into_iter().find(Object::is_home).expect("there is one");
    home.run("UPDATE meta SET value = json_set(value, '$.config.layout', '8 2', '$.version', 9) WHERE key = 'stream'");
    let server = Server::start(state);
    let stream = stream.moved_to(&server);
    assert_eq!(stream.owned("GET", "").send().expect(200).json()["shards"], 8, "so this edge knows, but KV does not");
    write_keyed(&stream, 0..MANY);
    let server = Server::start(server.kill_9());
    let stream = stream.moved_to(&server);
    // Not the keys of home, which would tell this edge the number of shards.
    for key in keys_of_the_second_of_two() {
        write_keyed(&stream, key..key + 1);
    }
    assert_total(&stream, MANY);
}

#[test]
fn a_half_raised_stream_is_deleted_completely() {
    let (server, stream, _) = half_raised();
    write_keyed(&stream, MANY..2 * MANY);
    stream.owned("DELETE", "").send().expect(204);
    assert_empty(server, &stream);
}

#[test]
fn a_broken_shard_is_named_and_no_partial_sum_is_given() {
    let server = Server::start(State::new());
    let stream = with_shards(&server, 3);
    write_keyed(&stream, 0..MANY);
    let mut state = server.kill_9();
    let mut named = BTreeSet::new();
    for damage in [Object::corrupt, Object::remove] {
        let count = Object::all(&state).len();
        for index in 0..count {
            let object = Object::all(&state).swap_remove(index);
            let is_home = object.is_home();
            let whole = object.bytes();
            damage(&object);
            let server = Server::start(state);
            let stream = stream.moved_to(&server);
            for path in ["/rollup", "/labels", "/labels/key", "/status"] {
                let answer = stream.read(path);
                if is_home {
                    assert!(matches!(answer.status, 404 | 500 | 503), "{}", answer.text());
                    continue;
                }
                assert_eq!(answer.problem(503), "unavailable", "{path}");
                let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
                named.insert(detail.split(" of").next().unwrap_or_default().to_owned());
            }
            state = server.kill_9();
            object.restore(&whole);
        }
    }
    assert_eq!(named, BTreeSet::from(["shard 1".to_owned(), "shard 2".to_owned()]));
    let server = Server::start(state);
    assert_total(&stream.moved_to(&server), MANY);
}
