//! Concurrent writes of many clients share a call to the stream's object: each gets its own answer, and none depends on
//! the client of another.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::http::agent;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

const CLIENTS: usize = 64;
/// Below the 15 s after which a writer is told that the outcome is unknown.
const SOON: Duration = Duration::from_secs(14);

/// Runs this many clients concurrently, each with its number.
fn concurrently(clients: usize, client: impl Fn(usize) + Sync) {
    let barrier = Barrier::new(clients);
    std::thread::scope(|scope| {
        for number in 0..clients {
            let (barrier, client) = (&barrier, &client);
            scope.spawn(move || {
                barrier.wait();
                client(number);
            });
        }
    });
}

fn status(stream: &Stream, field: &str) -> usize {
    let number = stream.read("/status").json()[field].as_u64().expect("a number");
    usize::try_from(number).expect("small")
}

/// When a client that does not wait for its answer disconnects.
#[derive(Clone, Copy)]
enum Leaves {
    InTheMiddleOfTheBody,
    AtOnce,
    /// After another client was answered.
    Later,
}

/// Sends a write and resets the connection, like a killed client: unread data turns
/// closing into a reset.
fn write_and_reset(stream: &Stream, when: Leaves) {
    let address = stream.url.strip_prefix("http://").expect("plain HTTP");
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(SOON)).expect("not zero");
    write!(socket, "GET /v1/nothing HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("it reads");
    socket.peek(&mut [0]).expect("it answers");
    let body = "{\"n\":1}";
    let path = format!("/v1/streams/{}/points", stream.id);
    let request = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let sent = if matches!(when, Leaves::InTheMiddleOfTheBody) { request.len() - 3 } else { request.len() };
    socket.write_all(&request.as_bytes()[..sent]).expect("it reads");
    if matches!(when, Leaves::Later) {
        let mut other = TcpStream::connect(address).expect("the server listens");
        write!(other, "GET /v1/nothing HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("it reads");
        other.read_to_end(&mut Vec::new()).expect("it answers");
    }
}

#[test]
fn reset_connections_do_not_delay_other_writers() {
    const ROUNDS: usize = 25;
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let (acknowledged, left) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for round in 0..ROUNDS {
        concurrently(CLIENTS, |number| {
            // Each round mixes the disconnecting clients and their moments differently.
            let when = match (number * 7 + round * 13) % 8 {
                0 | 1 => Leaves::AtOnce,
                2 => Leaves::Later,
                3 => Leaves::InTheMiddleOfTheBody,
                _ => {
                    // Half of them resend their write under its key, which counts once.
                    for _ in 0..=number % 2 {
                        let begun = Instant::now();
                        let write =
                            stream.call("POST", "/points").header("Idempotency-Key", format!("{round}-{number}"));
                        write.body(r#"{"n":1}"#).send_over(&agent()).expect("an answer").expect(202);
                        assert!(begun.elapsed() < SOON, "round {round}: a writer waited for {:?}", begun.elapsed());
                    }
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            };
            write_and_reset(&stream, when);
            left.fetch_add(usize::from(!matches!(when, Leaves::InTheMiddleOfTheBody)), Ordering::Relaxed);
        });
    }
    let begun = Instant::now();
    stream.write(r#"{"n":1}"#);
    assert!(begun.elapsed() < SOON, "a write to an idle stream took {:?}", begun.elapsed());
    let (accepted, acknowledged) = (status(&stream, "accepted"), 1 + acknowledged.into_inner());
    let sent = acknowledged + left.into_inner();
    assert!((acknowledged..=sent).contains(&accepted), "{accepted} accepted, {acknowledged} acknowledged, {sent} sent");
}

#[test]
fn concurrent_writers_each_get_their_own_answer() {
    const ROUNDS: usize = 10;
    let streams = [Stream::new(), Stream::new()];
    let deleted = Stream::new();
    deleted.owned("DELETE", "").send().expect(204);
    for round in 0..ROUNDS {
        concurrently(CLIENTS, |number| {
            if number % 8 == 7 {
                assert_eq!(deleted.post(r#"{"n":1}"#).problem(404), "not-found");
                return;
            }
            // These points are accepted, and one is not.
            let points = number % 5 + 1;
            let body = format!("[{}{{\"n\":{number}}},{{\"n\":\"bad\"}}]", "{\"n\":1},".repeat(points - 1));
            let answer = streams[number % 2].post(body).expect(202).json();
            assert_eq!((&answer["accepted"], &answer["rejected"]), (&points.into(), &1.into()), "round {round}");
        });
    }
    let points =
        |of: usize| (0..CLIENTS).filter(move |number| number % 8 != 7 && number % 2 == of).map(|number| number % 5 + 1);
    for (of, stream) in streams.iter().enumerate() {
        assert_eq!(status(stream, "accepted"), ROUNDS * points(of).sum::<usize>());
    }
}

#[test]
fn a_key_sent_concurrently_counts_once_beside_others() {
    let stream = Stream::new();
    concurrently(CLIENTS, |number| {
        let of_key = number % 8 + 1;
        let body = format!("[{}]", vec!["{\"n\":1}"; of_key].join(","));
        let write = stream.call("POST", "/points").header("Idempotency-Key", of_key.to_string()).body(body);
        assert_eq!(write.send().expect(202).json()["accepted"], of_key);
    });
    assert_eq!(status(&stream, "accepted"), (1..=8).sum::<usize>());
}

#[test]
fn a_refused_write_does_not_affect_others_of_its_call() {
    let environment = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "k"), ("HEARTBEAT_PENDING_KIB", "16")];
    let server = Server::start_with(State::new(), &environment);
    let (narrow, other) = (Stream::on(&server), Stream::on(&server));
    // New labels each time, as known ones take few bytes.
    let large = |round: usize, number: usize| {
        let point = |n| format!("{{\"n\":1,\"v\":{{\"a\":\"{round} {number} {n} {}\"}}}}", "x".repeat(200));
        format!("[{}]", (0..40).map(point).collect::<Vec<_>>().join(","))
    };
    let (accepted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for round in 0..10 {
        concurrently(CLIENTS, |number| {
            if number % 4 == 0 {
                other.post(r#"{"n":1}"#).expect(202);
                return;
            }
            let answer = narrow.post(if number % 4 == 1 { large(round, number) } else { r#"{"n":1}"#.to_owned() });
            if answer.status == 503 {
                assert_eq!(answer.problem(503), "overloaded");
                refused.fetch_add(1, Ordering::Relaxed);
            } else {
                let points = answer.expect(202).json()["accepted"].as_u64().expect("a number");
                accepted.fetch_add(usize::try_from(points).expect("small"), Ordering::Relaxed);
            }
        });
    }
    assert!(refused.into_inner() > 0, "the burst is too large");
    assert_eq!(status(&narrow, "accepted"), accepted.into_inner());
    assert_eq!(status(&other, "accepted"), 10 * CLIENTS / 4);
}

/// V8 compiles hot code to a form that behaves differently at the runtime's seams. It takes some 20,000 writes to
/// get there.
#[test]
fn warm_code_answers_every_writer_and_shares_rows() {
    const WRITES: usize = 700;
    let server = Server::start(State::new());
    let stream = Stream::unlimited(&server);
    concurrently(CLIENTS, |_| {
        let agent = agent();
        for _ in 0..WRITES {
            let begun = Instant::now();
            let write = stream.call("POST", "/points").body(r#"{"n":1}"#);
            write.send_over(&agent).expect("an answer").expect(202);
            assert!(begun.elapsed() < SOON, "a writer waited for {:?}", begun.elapsed());
        }
    });
    assert_eq!(status(&stream, "accepted"), CLIENTS * WRITES);
    let rows = stream.read("/status").json()["log"]["rows"].as_u64().expect("a number");
    assert!(rows < (CLIENTS * WRITES / 8) as u64, "{rows} rows");
}
