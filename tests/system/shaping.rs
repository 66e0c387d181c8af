//! A client that ignores refusals is answered ever later, and nobody else is.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::agent;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// How many refused requests are answered in a burst and per second: of one network, and of all new networks.
const NETWORK: (f64, f64) = (40.0, 20.0);
const STRANGERS: (f64, f64) = (100.0, 50.0);
const CONNECTIONS: u32 = 16;
const FLOOD: Duration = Duration::from_secs(3);

fn proxied() -> Server {
    let environment = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "k"), ("TRUSTED_PROXIES", "1")];
    Server::start_with(State::new(), &environment)
}

/// Sends bad bodies over many connections from the networks that `network` gives; returns the answers and the seconds.
fn flood(stream: &Stream, network: impl Fn(u32) -> String + Sync) -> (f64, f64) {
    let (start, answered) = (Instant::now(), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let agent = agent();
                while start.elapsed() < FLOOD {
                    let number = answered.fetch_add(1, Ordering::Relaxed);
                    let call = stream.call("POST", "/points").header("X-Forwarded-For", network(number)).body("[]");
                    assert_eq!(call.send_over(&agent).expect("an answer").status, 400);
                }
            });
        }
    });
    (f64::from(answered.into_inner()), start.elapsed().as_secs_f64())
}

/// A network that has written before can write meanwhile, and does not wait for a turn.
fn with_honest(stream: &Stream, attack: impl FnOnce() -> (f64, f64) + Send) -> (f64, f64) {
    let write = || {
        let call = stream.call("POST", "/points").header("X-Forwarded-For", "198.51.100.7").body(r#"{"n":1}"#);
        assert_eq!(call.send().status, 202);
    };
    write();
    std::thread::scope(|scope| {
        let attack = scope.spawn(attack);
        while !attack.is_finished() {
            write();
        }
        attack.join().expect("ends")
    })
}

fn assert_paced((answered, seconds): (f64, f64), (at_once, per_s): (f64, f64)) {
    let most = at_once + per_s * seconds + f64::from(CONNECTIONS);
    assert!(answered <= most, "{answered} requests were answered in {seconds} s, at most {most} are to be");
}

#[test]
fn a_network_that_ignores_refusals_is_throttled() {
    let server = proxied();
    let stream = Stream::create(&server, json!({ "name": "flooded" }));
    let flooded = with_honest(&stream, || flood(&stream, |_| "203.0.113.66".to_owned()));
    assert_paced(flooded, NETWORK);
}

#[test]
fn endless_new_networks_are_throttled_together() {
    let server = proxied();
    let stream = Stream::create(&server, json!({ "name": "flooded" }));
    let network = |number: u32| format!("100.{}.{}.1", 64 + (number >> 8), number & 255);
    assert_paced(with_honest(&stream, || flood(&stream, network)), STRANGERS);
}
