//! Removing points: a person's data, a bad backfill, what an attacker wrote.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::clock::{now_whole_s, past_hour};
use crate::http::{Answer, encoded};
use crate::objects::Object;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::{Stream, added, assert_close};

const DEADLINE: Duration = Duration::from_mins(5);

fn remove(stream: &Stream, parameters: &str) -> Answer {
    stream.owned("DELETE", &format!("/points?{parameters}")).send()
}

/// Removes points, and continues until all are removed.
fn remove_all(stream: &Stream, parameters: &str) -> Value {
    continue_removal(stream, parameters, remove(stream, parameters))
}

fn continue_removal(stream: &Stream, parameters: &str, mut answer: Answer) -> Value {
    let begun = Instant::now();
    while answer.status == 202 {
        assert!(begun.elapsed() < DEADLINE, "{}", answer.text());
        let cursor = answer.json()["cursor"].as_str().expect("a string").to_owned();
        answer = remove(stream, &format!("{parameters}&after={cursor}"));
    }
    answer.expect(200).json()
}

/// Writes as the owner, whom no budget limits.
fn write_owned(stream: &Stream, body: impl Into<Vec<u8>>) {
    stream.owned("POST", "/points").body(body).send().expect(202);
}

fn user(user: &str) -> String {
    format!("where={}", encoded(&format!("user={user}")))
}

fn sums(stream: &Stream, parameters: &str) -> Vec<(String, f64)> {
    let rollup = stream.rollup(parameters);
    let series = rollup["series"].as_array().expect("a list").iter();
    let mut sums: Vec<_> = series.map(|series| (series["labels"].to_string(), added(&series["sum"]))).collect();
    sums.sort_by(|one, other| one.0.cmp(&other.0));
    sums
}

#[test]
fn a_persons_data_are_erased_and_start_again_at_zero() {
    let stream = Stream::create(Server::shared(), json!({ "name": "test", "public_read": true }));
    stream
        .write(r#"[{"n":3,"v":{"user":"42"}},{"n":4,"p":7200,"v":{"user":"42","page":"/"}},{"n":5,"v":{"user":"7"}}]"#);
    let dry = remove(&stream, &format!("{}&dry_run=1", user("42"))).expect(200).json();
    assert_eq!((&dry["points"], &dry["series"]), (&json!(2), &json!(2)), "{dry}");
    assert_close(stream.total("sum"), 12.0, "a dry run removes nothing");
    let removed = remove(&stream, &user("42")).expect(200).json();
    // Bytes depend on what was sealed meanwhile.
    assert_eq!((&removed["points"], &removed["series"]), (&dry["points"], &dry["series"]), "{removed}");
    for step in ["10s", "1m", "10m", "1h"] {
        let left = sums(&stream, &format!("from=-3h&step={step}&by=*&agg=sum"));
        assert_eq!(left, [(r#"{"user":"7"}"#.to_owned(), 5.0)], "{step}");
    }
    let labels = stream.read("/labels").expect(200).json();
    assert_eq!(labels, json!({ "labels": [{ "name": "user", "values": 1, "series": 1 }] }));
    let metrics = stream.read("/metrics").expect(200);
    assert!(metrics.text().contains("user=\"7\"") && !metrics.text().contains("user=\"42\""), "{}", metrics.text());
    let status = stream.read("/status").expect(200).json();
    assert_eq!((&status["accepted"], &status["removed"]), (&json!(3), &json!({ "points": 2 })));
    // The edge knows a number for these labels that no longer means anything.
    stream.write(r#"{"n":1,"v":{"user":"42"}}"#);
    let again = sums(&stream, &format!("from=-3h&step=1h&by=*&agg=sum&{}", user("42")));
    assert_eq!(again, [(r#"{"user":"42"}"#.to_owned(), 1.0)]);
    let nothing = remove(&stream, &user("nobody")).expect(200).json();
    assert_eq!(nothing, json!({ "points": 0, "series": 0, "bytes": 0 }));
}

#[test]
fn no_data_of_a_person_remain_in_the_database() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    stream.write(r#"[{"n":3,"v":{"user":"somebody-special"}},{"n":5,"v":{"user":"7"}}]"#);
    remove_all(&stream, &user("somebody-special"));
    assert_close(stream.total("sum"), 5.0, "the rest is there");
    let state = server.kill_9();
    for object in Object::all(&state) {
        for (table, column) in
            [("log", "frames"), ("series", "labels"), ("removals", "state"), ("meta", "value"), ("chunks", "cells")]
        {
            let query =
                format!("SELECT COUNT(*) FROM {table} WHERE INSTR(CAST({column} AS BLOB), CAST('somebody' AS BLOB))");
            assert_eq!(object.number(&query), 0, "{table}");
        }
    }
}

#[test]
fn a_bad_backfill_is_undone_in_all_tiers() {
    let (stream, hour) = (Stream::new(), past_hour());
    let good: Vec<Value> = (0..60).map(|at| json!({ "n": 1, "t": hour + at * 60 })).collect();
    stream.write(Value::from(good).to_string());
    // From 20 minutes on, for 17 minutes and 10 s.
    let (from, to) = (hour + 1200, hour + 2230);
    let bad: Vec<Value> = (0..103).map(|at| json!({ "n": 1000, "t": from + at * 10 })).collect();
    stream.write(Value::from(bad).to_string());
    let time = format!("from={from}&to={to}");
    let dry = remove(&stream, &format!("{time}&dry_run=1")).expect(200).json();
    // The span also holds 18 good points, one at each whole minute from 20 to 37.
    assert_eq!((&dry["points"], &dry["series"]), (&json!(103 + 18), &json!(1)), "{dry}");
    assert_eq!(remove_all(&stream, &time), dry);
    for step in ["10s", "1m", "10m", "1h"] {
        let rollup = stream.rollup(&format!("from={hour}&to={}&step={step}&agg=sum,count,max", hour + 3600));
        let series = &rollup["series"][0];
        assert_eq!((added(&series["sum"]), added(&series["count"])), (42.0, 42.0), "{step}");
        assert!(series["max"].as_array().expect("a list").iter().all(|max| *max == 1 || max.is_null()), "{rollup}");
    }
    let day = stream.rollup("from=-1d&step=1d&agg=sum,max");
    assert_eq!(added(&day["series"][0]["sum"]), 42.0);
    // Written again, it counts.
    stream.write(json!({ "n": 7, "t": from }).to_string());
    assert_close(added(&stream.rollup("from=-1d&step=1d")["series"][0]["sum"]), 49.0, "later points stay");
}

#[test]
fn an_invalid_removal_is_refused_with_what_is_allowed() {
    let (stream, hour) = (Stream::new(), past_hour());
    stream.write(r#"{"n":1,"v":{"a":"b"}}"#);
    let refused = |parameters: &str, status| {
        let answer = remove(&stream, parameters);
        (answer.problem(status), answer.json()["detail"].as_str().expect("a string").to_owned())
    };
    for (parameters, detail) in [
        ("", "`where`, `from` or `to` must say"),
        ("dry_run=1", "`where`, `from` or `to` must say"),
        ("where=a", "`where`: a matcher must be"),
        ("step=10&where=a%3Db", "unknown parameter `step`"),
        ("where=a%3Db&after=x", "`after` must be a cursor"),
        ("where=a%3Db&after=r17", "`after` is not the cursor of the last removal"),
        ("from=now&to=-1h", "`from` must be before `to`"),
    ] {
        let (problem, message) = refused(parameters, 400);
        assert!(problem == "invalid-request" && message.starts_with(detail), "{parameters}: {message}");
    }
    let (problem, message) = refused(&format!("from={}", hour + 5), 422);
    assert!(problem == "query-too-large" && message.contains("a multiple of 10 seconds,"), "{message}");
    assert!(refused(&format!("to={}", hour - 30 * 86_400 + 60), 422).1.contains("a multiple of 600 seconds"));
    let path = format!("/points?{}", "where=a%3Db");
    assert_eq!(stream.call("DELETE", &path).send().problem(401), "unauthorized");
    assert_eq!(stream.call("DELETE", &path).bearer(&stream.read_key).send().problem(401), "unauthorized");
    assert_close(stream.total("sum"), 1.0, "nothing is removed");
    assert_eq!(remove(&stream, "from=-1h").expect(200).json()["points"], 1, "relative times are widened");
}

#[test]
fn a_live_reader_sees_a_removal() {
    let stream = Stream::new();
    stream.write(r#"[{"n":3,"v":{"user":"42"}},{"n":5,"v":{"user":"7"}}]"#);
    let deltas = |after: &str| stream.read(&format!("/deltas?agg=sum&by=*{after}")).expect(200).json();
    let first = deltas("");
    assert_eq!(first["series"].as_array().map(Vec::len), Some(2), "{first}");
    let after = format!("&after={}", first["cursor"].as_str().expect("a string"));
    assert_eq!(deltas(&after)["type"], "delta");
    remove_all(&stream, &user("42"));
    let next = deltas(&after);
    assert_eq!((&next["type"], next["series"].as_array().map(Vec::len)), (&json!("snapshot"), Some(1)), "{next}");
    let after = format!("&after={}", next["cursor"].as_str().expect("a string"));
    stream.write(r#"{"n":1,"v":{"user":"42"}}"#);
    let last = deltas(&after);
    assert_eq!((&last["type"], &last["series"][0]["n"]), (&json!("delta"), &json!([1])), "{last}");
}

#[test]
fn a_removal_immediately_makes_room_for_new_label_names() {
    const NAMES: usize = 1_000;
    let stream = Stream::new();
    let names: Vec<String> = (0..NAMES).map(|name| format!("name{name:04}")).collect();
    for some in names.chunks(500) {
        let points: Vec<Value> = some
            .chunks(16)
            .map(|names| json!({ "n": 1, "v": names.iter().map(|name| (name.clone(), json!("x"))).collect::<serde_json::Map<_, _>>() }))
            .collect();
        let body = Value::from(points).to_string();
        stream.owned("POST", "/points").body(body).send().expect(202);
    }
    let has_own = |name: &str| {
        stream.owned("POST", "/points").body(json!({ "n": 1, "v": { name: "x" } }).to_string()).send().expect(202);
        let labels = stream.read("/labels").expect(200).json();
        labels["labels"].as_array().expect("a list").iter().any(|label| label["name"] == name)
    };
    assert!(!has_own("one-more"));
    let removed = remove_all(&stream, &format!("where={}", encoded("name0000=x")));
    assert_eq!((&removed["points"], &removed["series"]), (&json!(1), &json!(1)));
    assert!(has_own("one-more"));
}

#[test]
fn every_shard_removes_the_same_and_missed_ones_catch_up() {
    let stream = Stream::create(Server::shared(), json!({ "name": "test", "shards": 4 }));
    for _ in 0..60 {
        stream.write(r#"[{"n":1,"v":{"user":"42"}},{"n":2,"v":{"user":"7"}}]"#);
    }
    let removed = remove_all(&stream, &user("42"));
    assert_eq!((&removed["points"], &removed["series"]), (&json!(60), &json!(1)), "{removed}");
    assert_close(stream.total("sum"), 120.0, "the rest");
    let second = remove_all(&stream, &user("7"));
    assert_eq!(second["points"], 60);
    assert_eq!(stream.total("count"), 0.0);
    let status = stream.read("/status").expect(200).json();
    assert_eq!(status["removed"], json!({ "points": 120 }), "{status}");
}

/// A server that removes in small steps.
fn start_with_small_steps(state: State) -> Server {
    let environment = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "k"), ("HEARTBEAT_REMOVAL_KIB", "1")];
    Server::start_with(state, &environment)
}

#[test]
fn a_killed_removal_resumes_and_is_never_seen_half_done() {
    let mut server = start_with_small_steps(State::new());
    let mut stream = Stream::on(&server);
    let now = now_whole_s();
    for series in 0..20 {
        let points: Vec<Value> = (0..200)
            .map(|at| json!({ "n": 1, "p": 40_000, "t": now - at * 200, "v": { "bad": format!("{series}") } }))
            .collect();
        write_owned(&stream, Value::from(points).to_string());
    }
    write_owned(&stream, r#"{"n":5,"v":{"good":"1"}}"#);
    let bad = format!("where={}", encoded("bad!="));
    let mut answer = remove(&stream, &bad).expect(202);
    for round in 0..3 {
        assert_eq!(answer.json()["points"], 4_000, "{}", answer.text());
        server = start_with_small_steps(server.kill_9());
        stream = stream.moved_to(&server);
        for step in ["10m", "1h"] {
            let left = sums(&stream, &format!("from=-1d&step={step}&by=*&agg=sum"));
            let late = (0..round).map(|_| 1.0).sum::<f64>();
            let wanted: Vec<_> = [(r#"{"bad":"1"}"#.to_owned(), late), (r#"{"good":"1"}"#.to_owned(), 5.0)].into();
            assert_eq!(left, wanted[usize::from(round == 0)..], "{step}");
        }
        // Points that come later stay, even late ones.
        write_owned(&stream, json!({ "n": 1, "t": now - 3_000, "v": { "bad": "1" } }).to_string());
        answer = remove(&stream, &format!("{bad}&after={}", answer.json()["cursor"].as_str().unwrap_or_default()));
        if answer.status == 200 {
            break;
        }
    }
    let removed = continue_removal(&stream, &bad, answer);
    assert_eq!((&removed["points"], &removed["series"]), (&json!(4_000), &json!(20)), "{removed}");
    assert_eq!(sums(&stream, "from=-1d&step=1h&by=*&agg=sum").len(), 2);
}

#[test]
fn an_interrupted_removal_resumes_automatically() {
    let server = start_with_small_steps(State::new());
    let stream = Stream::on(&server);
    let points: Vec<Value> =
        (0..200).map(|at| json!({ "n": 1, "p": 40_000, "t": now_whole_s() - at * 200, "v": { "bad": "1" } })).collect();
    stream.write(Value::from(points).to_string());
    assert_eq!(remove(&stream, "where=bad%3D1").expect(202).json()["points"], 200);
    let begun = Instant::now();
    // A second removal is refused until this one is done.
    while remove(&stream, "where=other%3D1").status == 409 {
        assert!(begun.elapsed() < DEADLINE);
    }
}

#[test]
fn removing_an_attackers_points_restores_the_file_size() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let now = now_whole_s();
    let storage = || stream.read("/status").expect(200).json()["storage_bytes"].as_f64().expect("a number");
    let write = |name: &str, first: u64, count: u64, p: u64| {
        let points: Vec<Value> = (first..first + count)
            .map(|at| json!({ "n": at % 7, "p": p, "t": now - at % 3_000, "v": { name: format!("{at}") } }))
            .collect();
        write_owned(&stream, Value::from(points).to_string());
    };
    for round in 0..3 {
        write("good", round * 1_000, 1_000, 7_000);
    }
    // Sealed, with nothing removed yet.
    remove_all(&stream, "where=nobody%3D1");
    let before = storage();
    for round in 0..6 {
        write("bad", round * 4_000, 4_000, 80_000);
    }
    remove_all(&stream, "where=nobody%3D1");
    let full = storage();
    let removed = remove_all(&stream, "where=bad!%3D");
    let after = storage();
    println!("{before} bytes before, {full} with 24,000 series more, {after} after removal of {removed}");
    assert!(full > 4.0 * before && after < 1.2 * before, "{before} {full} {after} {removed}");
    assert_eq!(removed["series"], 24_000);
}
