//! An owner's change is done, whatever happens to the directory in KV: it takes one write per second per stream, is
//! down at times, and everything may crash in between. The list and the copies follow automatically.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::call;
use crate::objects::Object;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// Many times the wait that the platform's limit imposes on a change, plus the start of a server on a slow machine.
const PATIENCE: Duration = Duration::from_mins(4);

/// Takes KV down, or brings it back.
fn take_away(server: &Server, is_away: bool) {
    call("POST", format!("{}/double/kv?away={is_away}", server.url)).send().expect(204);
}

/// The names of the streams in the list, sorted, if there is one.
fn listed(url: &str) -> Option<Vec<String>> {
    let answer = call("GET", format!("{url}/v1/streams")).bearer(OWNER_TOKEN).send();
    let list = (answer.status == 200).then(|| answer.json())?;
    let name = |stream: &Value| stream["name"].as_str().expect("a name").to_owned();
    let mut names: Vec<String> = list["streams"].as_array().expect("a list").iter().map(name).collect();
    names.sort();
    Some(names)
}

#[track_caller]
fn until_listed(url: &str, names: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let listed = listed(url);
        if listed.as_ref().is_some_and(|listed| listed == names) {
            return;
        }
        assert!(Instant::now() < deadline, "the list is {listed:?}");
    }
}

fn rename(stream: &Stream, name: &str) -> Value {
    stream.owned("PATCH", "").body(json!({ "name": name }).to_string()).send().expect(200).json()
}

fn name_at_home(stream: &Stream) -> Value {
    stream.owned("GET", "").send().expect(200).json()["name"].take()
}

fn new_key(stream: &Stream) -> Stream {
    let answer = stream.owned("POST", "/read-key").send().expect(200).json();
    Stream { read_key: answer["read_key"].as_str().expect("a key").to_owned(), ..stream.clone() }
}

#[test]
fn a_new_key_is_shown_however_early_it_is_asked_for() {
    let server = Server::start(State::new());
    for shards in [1, 3] {
        let mut stream = Stream::create(&server, json!({ "name": "x", "shards": shards }));
        for _ in 0..3 {
            let newer = new_key(&stream);
            stream.read("/status").problem(401);
            newer.read("/status").expect(200);
            stream = newer;
        }
    }
}

#[test]
fn concurrent_changes_all_happen_and_the_list_follows() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    std::thread::scope(|scope| {
        for (field, value) in [("public_read", json!(true)), ("lateness", json!("1h")), ("shards", json!(3))] {
            let call = stream.owned("PATCH", "").body(json!({ field: value }).to_string());
            scope.spawn(move || call.send().expect(200));
        }
        scope.spawn(|| rename(&stream, "b"));
    });
    let home = stream.owned("GET", "").send().expect(200).json();
    let done = (&home["public_read"], &home["lateness"], &home["shards"], &home["name"]);
    assert_eq!(done, (&json!(true), &json!("1h"), &json!(3), &json!("b")));
    until_listed(&server.url, &["b"]);
    for name in ["c", "d", "e"] {
        assert_eq!(rename(&stream, name)["name"], *name);
        assert_eq!(name_at_home(&stream), *name);
    }
    until_listed(&server.url, &["e"]);
    // The view of another location, which has only the copy in KV.
    let server = Server::start(server.kill_9());
    stream.moved_to(&server).call("GET", "/rollup").send().expect(200);
    until_listed(&server.url, &["e"]);
}

#[test]
fn a_stream_deleted_right_away_leaves_no_trace() {
    let (server, mut last) = (Server::start(State::new()), None);
    for shards in [1, 3] {
        let stream = Stream::create(&server, json!({ "name": "x", "shards": shards }));
        rename(&stream, "y");
        stream.owned("DELETE", "").send().expect(204);
        for (method, path) in [("DELETE", ""), ("GET", ""), ("PATCH", ""), ("POST", "/read-key"), ("POST", "/points")] {
            let body = if method == "PATCH" { "{}" } else { "" };
            stream.owned(method, path).body(body).send().problem(404);
        }
        until_listed(&server.url, &[]);
        last = Some(stream);
    }
    assert_empty(server, &last.expect("there were two"));
}

/// Whether no object stores anything, once deletions are complete. The directory may delay that.
#[track_caller]
pub(crate) fn assert_empty(mut server: Server, stream: &Stream) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = server.kill_9();
        if Object::all(&state).iter().all(|object| object.number("SELECT COUNT(*) FROM sqlite_master") == 0) {
            return;
        }
        assert!(Instant::now() < deadline, "something is left");
        server = Server::start(state);
        stream.moved_to(&server).owned("GET", "").send().problem(404);
    }
}

#[test]
fn streams_changed_while_kv_is_down_are_listed_later() {
    let server = Server::start(State::new());
    let gone = Stream::create(&server, json!({ "name": "gone" }));
    let renamed = Stream::create(&server, json!({ "name": "old", "shards": 2 }));
    until_listed(&server.url, &["gone", "old"]);
    take_away(&server, true);
    let made = Stream::create(&server, json!({ "name": "made" }));
    made.write(r#"{"n":1}"#);
    made.read("/rollup").expect(200);
    rename(&renamed, "new");
    new_key(&renamed).read("/status").expect(200);
    gone.owned("DELETE", "").send().expect(204);
    gone.owned("DELETE", "").send().problem(404);
    let refused = call("GET", format!("{}/v1/streams", server.url)).bearer(OWNER_TOKEN).send();
    assert_eq!((refused.problem(503), refused.header("Retry-After")), ("unavailable".to_owned(), "1"));
    // All memory of pending updates is lost, and the owner does nothing more.
    let server = Server::start(server.kill_9());
    until_listed(&server.url, &["made", "new"]);
    assert_eq!(name_at_home(&renamed.moved_to(&server)), "new");
    gone.moved_to(&server).owned("GET", "").send().problem(404);
}

#[test]
fn a_lost_list_entry_returns_when_its_stream_is_used() {
    let server = Server::start(State::new());
    let before = server.kill_9();
    let nothing = before.copy_of_directory();
    let server = Server::start(before);
    let stream = Stream::on(&server);
    until_listed(&server.url, &["test"]);
    let state = server.kill_9();
    state.restore_directory(&nothing);
    let server = Server::start(state);
    until_listed(&server.url, &[]);
    stream.moved_to(&server).write(r#"{"n":1}"#);
    until_listed(&server.url, &["test"]);
}

/// A stream of three shards, one of them broken: the server, the stream, the broken shard, and its intact file.
fn with_a_broken_shard() -> (Server, Stream, Object, Vec<u8>) {
    let server = Server::start(State::new());
    let stream = Stream::create(&server, json!({ "name": "x", "shards": 3 }));
    let state = server.kill_9();
    let broken = Object::all(&state).into_iter().find(|object| !object.is_home()).expect("two are not");
    let whole = broken.bytes();
    broken.corrupt();
    let server = Server::start(state);
    let stream = stream.moved_to(&server);
    (server, stream, broken, whole)
}

#[test]
fn an_unreachable_shard_blocks_no_change_and_catches_up() {
    let (server, stream, broken, whole) = with_a_broken_shard();
    let newer = new_key(&stream);
    assert_eq!(rename(&stream, "y")["name"], "y");
    assert_eq!(stream.owned("PATCH", "").body(r#"{"shards":4}"#).send().expect(200).json()["shards"], 4);
    until_listed(&server.url, &["y"]);
    let mut state = server.kill_9();
    broken.restore(&whole);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let server = Server::start(state);
        let newer = newer.moved_to(&server);
        newer.read("/status").expect(200);
        stream.moved_to(&server).read("/status").problem(401);
        state = server.kill_9();
        if Object::all(&state).iter().all(|object| object.layout().starts_with("4 ") && object.name() == "y") {
            return;
        }
        assert!(Instant::now() < deadline, "some shard has not heard of it");
    }
}

#[test]
fn a_deletion_finishes_when_a_broken_shard_recovers() {
    let (server, stream, broken, whole) = with_a_broken_shard();
    stream.owned("DELETE", "").send().expect(204);
    stream.owned("DELETE", "").send().problem(404);
    stream.read("/rollup").problem(404);
    let state = server.kill_9();
    broken.restore(&whole);
    let server = Server::start(state);
    let stream = stream.moved_to(&server);
    stream.owned("GET", "").send().problem(404);
    until_listed(&server.url, &[]);
    assert_empty(server, &stream);
}
