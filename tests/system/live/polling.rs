//! Polling `deltas`: a snapshot, then everything after the cursor.

use serde_json::{Value, json};

use super::view::View;
use crate::clock::now_whole_s;
use crate::http::call;
use crate::server::{Server, State};
use crate::stream::Stream;

const GROUPED: &str = "by=country&agg=sum,count,max,p50";

/// Asks for what follows the cursor, or for a snapshot.
fn poll(stream: &Stream, view: &mut View, query: &str) -> Value {
    let after = if view.cursor.is_empty() { String::new() } else { format!("&after={}", view.cursor) };
    let answer = stream.read(&format!("/deltas?{query}{after}")).expect(200);
    assert_eq!((answer.header("Cache-Control"), answer.header("Content-Type")), ("no-store", "application/json"));
    view.take(&answer.json());
    answer.json()
}

#[test]
fn deltas_after_the_cursor_add_up_to_the_rollup() {
    let (stream, mut view, now) = (Stream::new(), View::default(), now_whole_s());
    assert_eq!(poll(&stream, &mut view, GROUPED)["type"], "snapshot");
    for round in 0..8u64 {
        let late = now - 400 * round;
        let points = json!([
            {"n": 1.5, "d": 2, "t": late, "v": {"country": "DE"}},
            {"n": round, "v": {"country": "US"}},
            {"n": 60, "p": 600, "t": late, "v": {"country": "DE"}},
        ]);
        stream.write(points.to_string());
        assert_eq!(poll(&stream, &mut view, GROUPED)["type"], "delta");
    }
    view.assert_rollup(&stream, GROUPED);
    let nothing = poll(&stream, &mut view, GROUPED);
    assert_eq!((&nothing["times"], &nothing["series"]), (&json!([]), &json!([])));
    // A cursor belongs to the stream, not to the query.
    let mut other = View::default();
    other.cursor.clone_from(&view.cursor);
    stream.write(r#"{"n":5,"v":{"country":"FR"}}"#);
    let delta = poll(&stream, &mut other, "where=country%3DFR");
    assert_eq!((&delta["series"][0]["n"], delta["series"].as_array().map(Vec::len)), (&json!([5]), Some(1)));
    assert!(poll(&stream, &mut view, "where=country%3DDE")["series"] == json!([]));
}

#[test]
fn an_expired_cursor_gets_a_snapshot() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let mut view = View::default();
    poll(&stream, &mut view, "");
    // Nothing came, so nothing is missing.
    server.evict(&stream.object());
    assert_eq!(poll(&stream, &mut view, "")["type"], "delta");
    server.evict(&stream.object());
    stream.write(r#"{"n":5}"#);
    assert_eq!(poll(&stream, &mut view, "")["type"], "snapshot");
    for foreign in ["77", "1.2", "of-another-version", "0"] {
        view.cursor = foreign.to_owned();
        assert_eq!(poll(&stream, &mut view, "")["type"], "snapshot", "{foreign}");
    }
    view.assert_rollup(&stream, "agg=sum,count");
}

#[test]
fn wrong_parameters_are_named_to_readers_only() {
    let stream = Stream::new();
    for path in ["/deltas", "/live"] {
        assert_eq!(stream.call("GET", path).send().problem(401), "unauthorized");
        assert_eq!(stream.call("GET", &format!("{path}?key=wrong")).send().problem(401), "unauthorized");
        for query in ["from=-1h", "step=15s", "window=soon", "agg=x", "by=,", "where=x", "after=", "top=3"] {
            assert_eq!(stream.read(&format!("{path}?{query}")).problem(400), "invalid-request", "{query}");
        }
        assert_eq!(stream.read(&format!("{path}?window=2d&step=10s")).problem(422), "query-too-large");
        let forged = call("GET", format!("{}/v1/streams/forged{path}", stream.url)).bearer(&stream.read_key).send();
        assert_eq!(forged.problem(404), "not-found");
        stream.call("POST", path).send().problem(405);
    }
}

#[test]
fn too_many_groups_are_refused_and_sums_include_overflow() {
    let stream = Stream::new();
    let points = |from: u32| -> String {
        let lines: Vec<String> = (from..from + 600).map(|at| format!(r#"{{"n":1,"v":{{"id":"{at}"}}}}"#)).collect();
        lines.join("\n")
    };
    let mut view = View::default();
    stream.call("POST", "/points").header("Content-Type", "application/x-ndjson").body(points(0)).send().expect(202);
    poll(&stream, &mut view, "by=id");
    stream.call("POST", "/points").header("Content-Type", "application/x-ndjson").body(points(600)).send().expect(202);
    poll(&stream, &mut view, "by=id");
    assert!((view.count() - 1200.0).abs() < 0.5);
    assert_eq!(stream.read("/deltas?by=id").problem(422), "query-too-large");
    stream.read("/deltas").expect(200);
}
