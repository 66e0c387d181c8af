//! The top writers, as the owner sees them, and what the owner can do about them.

use serde_json::{Value, json};

use crate::http::Answer;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;
use crate::write_keys::new_key;

const SHOP: &str = "https://shop.example";

fn writers(stream: &Stream, query: &str) -> Value {
    stream.owned("GET", &format!("/writers{query}")).send().expect(200).json()
}

/// Writes `points` points, each to a series of its own.
fn write(stream: &Stream, address: &str, token: &str, points: usize) -> Answer {
    let body: Vec<Value> = (0..points).map(|at| json!({"n": 1, "v": {"a": format!("{address}{at}")}})).collect();
    let call = stream.call("POST", "/points").header("X-Forwarded-For", address).bearer(token);
    call.body(json!(body).to_string()).send()
}

#[test]
fn the_top_writers_are_listed_by_cost() {
    let stream = Stream::new();
    let (id, key) = new_key(&stream, "ci");
    for (address, points) in [("192.0.2.1", 30), ("192.0.2.1", 30), ("2001:db8::1", 10), ("2001:db8::2", 10)] {
        write(&stream, address, "none", points).expect(202);
    }
    write(&stream, "192.0.2.1", &key, 5).expect(202);
    write(&stream, "192.0.2.1", OWNER_TOKEN, 500).expect(202);
    let mixed = r#"[{"n":1},{"n":"x"},{"n":"y"}]"#;
    stream
        .call("POST", "/points")
        .header("X-Forwarded-For", "192.0.2.9")
        .header("Origin", SHOP)
        .body(mixed)
        .send()
        .expect(202);
    write(&stream, "unknown", "none", 2).expect(202);
    for (query, window) in [("", "1h"), ("?window=1h", "1h"), ("?window=1d", "1d")] {
        let listed = writers(&stream, query);
        assert_eq!(listed["window"], window);
        assert!(listed["since"].as_i64().is_some_and(|since_s| since_s % 3_600 == 0), "{listed}");
        let networks = listed["networks"].as_array().expect("a list");
        let numbers: Vec<[&Value; 3]> =
            networks.iter().map(|entry| [&entry["points"], &entry["new_series"], &entry["rejected"]]).collect();
        assert_eq!(json!(numbers), json!([[60, 30, 0], [20, 20, 0], [2, 2, 0], [1, 1, 2]]), "{listed}");
        let costs: Vec<u64> = networks.iter().filter_map(|entry| entry["cost"].as_u64()).collect();
        assert!(costs.is_sorted_by(|more, less| more >= less) && costs[0] >= 80, "{listed}");
        assert!(networks.iter().all(|entry| entry["error"] == 0), "{listed}");
        let is_name =
            |entry: &Value| entry["network"].as_str().is_some_and(|name| name.len() == 12 && name.starts_with("n_"));
        assert_eq!(networks.iter().filter(|entry| is_name(entry)).count(), 3, "one is not known: {listed}");
        assert!(!listed.to_string().contains("192.0.2") && !listed.to_string().contains("2001:db8"), "{listed}");
        let origin = &listed["origins"][0];
        assert_eq!((&origin["origin"], &origin["points"], &origin["rejected"]), (&json!(SHOP), &json!(1), &json!(2)));
        let used = &listed["keys"][0];
        assert_eq!((&used["id"], &used["name"], &used["points"]), (&json!(id), &json!("ci"), &json!(5)));
        assert_eq!(
            (listed["origins"].as_array().map(Vec::len), listed["keys"].as_array().map(Vec::len)),
            (Some(1), Some(1))
        );
    }
    for query in ["?window=2h", "?top=5"] {
        assert_eq!(stream.owned("GET", &format!("/writers{query}")).send().problem(400), "invalid-request");
    }
}

#[test]
fn at_most_50_writers_are_listed_including_the_largest() {
    let stream = Stream::new();
    for round in 0..300 {
        write(&stream, &format!("198.51.{}.{}", round / 200, round % 200), "none", 1).expect(202);
        if round % 3 == 0 {
            write(&stream, "192.0.2.1", "none", 20).expect(202);
        }
    }
    let networks = writers(&stream, "")["networks"].as_array().expect("a list").clone();
    assert_eq!((networks.len(), &networks[0]["points"]), (50, &json!(2_000)));
    let cost = networks[0]["cost"].as_u64().expect("a number") - networks[0]["error"].as_u64().expect("a number");
    assert!(cost >= 100 * 30, "{:?}", networks[0]);
}

#[test]
fn a_network_can_be_blocked_by_its_listed_name() {
    let stream = Stream::create(Server::shared(), json!({"name": "test", "shards": 4}));
    for _ in 0..40 {
        write(&stream, "192.0.2.1", "none", 3).expect(202);
        write(&stream, "192.0.2.2", "none", 1).expect(202);
    }
    let listed = writers(&stream, "");
    let networks = listed["networks"].as_array().expect("a list");
    assert_eq!(networks.len(), 2, "all shards have the same names: {listed}");
    assert_eq!((&networks[0]["points"], &networks[1]["points"]), (&json!(120), &json!(40)));
    let blocked = json!({"blocked": {"networks": [networks[0]["network"]]}});
    stream.owned("PATCH", "").body(blocked.to_string()).send().expect(200);
    for _ in 0..40 {
        assert_eq!(write(&stream, "192.0.2.1", "none", 1).problem(403), "blocked");
        write(&stream, "192.0.2.2", "none", 1).expect(202);
    }
}

#[test]
fn names_of_writers_survive_a_restart_and_differ_per_stream() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let name = |stream: &Stream| {
        write(stream, "192.0.2.1", "none", 1).expect(202);
        writers(stream, "")["networks"][0]["network"].as_str().expect("a string").to_owned()
    };
    let (first, other) = (name(&stream), name(&Stream::on(&server)));
    assert_ne!(first, other);
    let server = Server::start(server.kill_9());
    assert_eq!(name(&stream.moved_to(&server)), first);
}
