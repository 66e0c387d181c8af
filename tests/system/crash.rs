//! Acknowledged points survive kill -9, and a retry counts once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use serde_json::{Value, json};

use crate::http::agent;
use crate::server::{Server, State};
use crate::stream::{Stream, added};

const ROUNDS: usize = 20;
const CLIENTS: usize = 8;
/// After this many acknowledgements of a round the server is killed, while all clients are writing.
const ACKNOWLEDGED_BEFORE_KILL: usize = 60;

/// A writer that numbers its batches and sends each until it is answered.
struct Client {
    name: usize,
    /// Answered batches, of one point each.
    answered: usize,
}

impl Client {
    /// Sends the next batch, or the last one again if it got no answer. All clients share keys, but not points.
    fn send_next(&mut self, stream: &Stream, agent: &ureq::Agent) -> bool {
        let body = format!("{{\"n\":1,\"v\":{{\"client\":\"{}\"}}}}", self.name);
        let key = self.answered.to_string();
        let sent = stream.call("POST", "/points").header("Idempotency-Key", key).body(body).send_over(agent);
        let is_answered = sent.is_ok_and(|answer| {
            assert_eq!(answer.expect(202).json()["accepted"], 1);
            true
        });
        self.answered += usize::from(is_answered);
        is_answered
    }

    /// Writes until the server is gone, reporting each acknowledgement.
    fn write_until_killed(&mut self, stream: &Stream, acknowledged: &Sender<()>) {
        let agent = agent();
        while self.send_next(stream, &agent) {
            acknowledged.send(()).ok();
        }
    }
}

#[test]
fn acknowledged_points_count_exactly_once_after_kill_9() {
    crash_rounds(1);
}

#[test]
fn points_of_4_shards_count_exactly_once_after_kill_9() {
    crash_rounds(4);
}

fn crash_rounds(shards: u16) {
    let mut server = Server::start(State::new());
    let mut stream = Stream::create(&server, json!({ "name": "test", "shards": shards }));
    let mut clients: Vec<Client> = (0..CLIENTS).map(|name| Client { name, answered: 0 }).collect();
    for round in 0..ROUNDS {
        let (sender, acknowledged) = channel();
        let state = std::thread::scope(|scope| {
            for client in &mut clients {
                let (stream, sender) = (&stream, sender.clone());
                scope.spawn(move || client.write_until_killed(stream, &sender));
            }
            acknowledged.iter().take(ACKNOWLEDGED_BEFORE_KILL).for_each(drop);
            server.kill_9()
        });
        server = Server::start(state);
        stream = stream.moved_to(&server);
        for client in &mut clients {
            assert!(client.send_next(&stream, &agent()), "the retry is answered");
        }
        let rollup = stream.rollup("from=-1h&step=1h&by=client&agg=count,sum");
        for client in &clients {
            let name = Value::from(client.name.to_string());
            let series = rollup["series"].as_array().expect("a list");
            let own = series.iter().find(|series| series["labels"]["client"] == name).expect("each client wrote");
            #[expect(clippy::cast_precision_loss)]
            let answered = client.answered as f64;
            assert!((added(&own["count"]) - answered).abs() < 0.5, "round {round}: {own} is not {answered}");
            assert!((added(&own["sum"]) - answered).abs() < 0.5, "round {round}: {own} is not {answered}");
        }
    }
}

#[test]
fn a_retry_after_a_crash_gets_the_first_answer() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let write = |stream: &Stream, body: &str| {
        stream.call("POST", "/points").header("Idempotency-Key", "once").body(body).send().expect(202).json()
    };
    let first = write(&stream, r#"[{"n":1},{"n":"two"}]"#);
    let server = Server::start(server.kill_9());
    let stream = stream.moved_to(&server);
    assert_eq!(write(&stream, r#"[{"n":1},{"n":"two"}]"#), first);
    assert!((stream.total("count") - 1.0).abs() < 0.5);
    assert_eq!(write(&stream, r#"[{"n":1},{"n":2},{"n":3}]"#)["accepted"], 3);
    assert!((stream.total("count") - 4.0).abs() < 0.5, "the key with other points is another batch");
}

#[test]
fn sigterm_stops_the_server_cleanly() {
    assert_eq!(Server::start(State::new()).terminate(), Some(0));
}

#[test]
fn a_disconnected_writer_stops_no_other_writer() {
    use std::io::Write;
    use std::net::TcpStream;

    let stream = Stream::new();
    let address = stream.url.strip_prefix("http://").expect("plain HTTP");
    let body = "{\"n\":1,\"v\":{\"who\":\"leaver\"}}";
    let request = format!(
        "POST /v1/streams/{}/points HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        stream.id,
        body.len()
    );
    let (leavers, stayers) = (4, 4);
    let (barrier, stayed) = (Barrier::new(leavers + stayers), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..leavers {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..50 {
                    let mut socket = TcpStream::connect(address).expect("the server listens");
                    socket.write_all(request.as_bytes()).expect("it reads");
                    // Disconnected before the answer.
                }
            });
        }
        for _ in 0..stayers {
            scope.spawn(|| {
                barrier.wait();
                let agent = agent();
                for _ in 0..50 {
                    let write = stream.call("POST", "/points").body(r#"{"n":1,"v":{"who":"stayer"}}"#);
                    write.send_over(&agent).expect("an answer").expect(202);
                    stayed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let rollup = stream.rollup("from=-1h&step=1h&by=who&agg=count&where=who%3Dstayer");
    assert!((added(&rollup["series"][0]["count"]) - 200.0).abs() < 0.5, "{rollup}");
    assert_eq!(stayed.load(Ordering::Relaxed), 200);
}
