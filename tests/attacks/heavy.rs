//! Work that costs a stranger little: large bodies, slow bodies, rubbish, and values that are counted.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;

use serde_json::json;

use crate::attacker::{Attacker, Body, FORWARDED_FOR, NETWORK, array};
use crate::frame::Attack;

/// The largest body.
const LARGE_BYTES: usize = 1 << 20;

#[test]
fn concurrent_1_mib_bodies_do_not_block_others() {
    let point = r#"{"n":1,"v":{"a":"1"}}"#;
    let body = [point, &" ".repeat(LARGE_BYTES - point.len())].concat();
    let body = Body::of(&body);
    let strike = |attacker: &mut Attacker<'_>| drop(attacker.repeat(&body));
    let attack = Attack { name: "large_bodies", config: json!({}), connections: 16, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}

#[test]
fn bodies_without_a_valid_point_cost_others_nothing() {
    let rubbish = [
        format!("[{}]", vec![r#"{"n":1,"kv":{"a":{"b":[1,2,3]}}}"#; 9_999].join(",")),
        ",".repeat(LARGE_BYTES),
        "[".repeat(LARGE_BYTES),
        "{\"n\":1}x".repeat(9_000),
        format!("{{\"n\":1,\"v\":{{\"{}\":\"1\"}}}}", "\\u0041".repeat(100_000)),
    ]
    .map(|text| Body::of(&text));
    let strike = |attacker: &mut Attacker<'_>| {
        let body = attacker.random.one_of(&rubbish);
        attacker.repeat(body);
    };
    let attack = Attack { name: "rubbish", config: json!({}), connections: 4, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}

#[test]
fn bodies_that_never_end_block_nobody() {
    /// Connections that stay open; a small machine does not take more.
    const MOST: usize = 200;
    let open = Mutex::new(Vec::new());
    let strike = |attacker: &mut Attacker<'_>| {
        let (url, id) = (&attacker.stream.url, &attacker.stream.id);
        let address = url.strip_prefix("http://").expect("plain HTTP");
        let head = format!(
            "POST /v1/streams/{id}/points HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             {FORWARDED_FOR}: {NETWORK}\r\nContent-Length: {LARGE_BYTES}\r\n\r\n[{{\"n\":1"
        );
        let mut open = open.lock().expect("no attacker panics here");
        if open.len() < MOST
            && let Ok(mut socket) = TcpStream::connect(address)
            && socket.write_all(head.as_bytes()).is_ok()
        {
            open.push(socket);
        }
        drop(open);
        attacker.post(r#"{"n":1,"v":{"a":"1"}}"#);
    };
    let attack = Attack { name: "slow_bodies", config: json!({}), connections: 2, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}

#[test]
fn distinct_counts_and_sketches_stay_within_the_budget() {
    let strike = |attacker: &mut Attacker<'_>| {
        let points: Vec<String> = (0..2_000)
            .map(|point| {
                let mut value = || attacker.random.below(1 << 40);
                let (n, one, two) = (value(), value(), value());
                format!(r#"{{"n":{n},"v":{{"a":"{}","client":"{one}","session":"{two}"}}}}"#, point % 50)
            })
            .collect();
        attacker.post(&array(points.into_iter()));
    };
    let config = json!({"distinct": ["client", "session"]});
    let attack = Attack { name: "distinct_values", config, connections: 4, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}
