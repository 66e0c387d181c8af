//! Large answers come in pieces: complete, unchanged, and only as fast as the client reads.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clock::past_hour;
use crate::http::agent;
use crate::server::{Server, State};
use crate::stream::Stream;

/// The number of numbers in each of the largest answers.
const NUMBERS: u64 = 1_000_000;
const HOSTS: u64 = 100;
/// The most memory that an isolate may use.
const MAX_BYTES: u64 = 96 << 20;
/// Readers that never read.
const IDLE_READERS: usize = 60;
/// 100 hosts by 1,000 steps by ten numbers.
const AGGREGATES: &str = "sum,count,min,max,ratio,rate,p50,p90,p95,p99";

fn memory_bytes(stream: &Stream) -> u64 {
    stream.owned("GET", "/status").send().expect(200).json()["memory_bytes"].as_u64().expect("wasm reports its memory")
}

/// A stream with points of 100 hosts, and the query whose answer has a million numbers. Its window is closed.
fn filled(server: &Server) -> (Stream, String) {
    let stream = Stream::create(server, json!({ "name": "test", "lateness": "2d" }));
    let from = past_hour() - 30 * 3600;
    for step in 0..20 {
        let points: Vec<String> = (0..HOSTS)
            .map(|host| format!(r#"{{"n":{step}.25,"d":3,"t":{},"v":{{"host":"web-{host:03}"}}}}"#, from + step * 50))
            .collect();
        stream.write_as_owner(format!("[{}]", points.join(",")));
    }
    stream.owned("PATCH", "").body(r#"{"lateness":"1m"}"#).send().expect(200);
    let query = format!("from={from}&to={}&step=10s&by=host&top=100&agg={AGGREGATES}", from + 10_000);
    (stream, query)
}

#[test]
fn a_large_answer_is_complete_with_the_etag_of_its_bytes() {
    let (stream, query) = filled(Server::shared());
    let answer = stream.read(&format!("/rollup?{query}")).expect(200);
    assert!(answer.body.len() > 3_000_000 && !answer.headers.contains_key("content-length"));
    let json = answer.json();
    let series = json["series"].as_array().expect("a list");
    assert_eq!(series.len() as u64 * 1_000 * 10, NUMBERS);
    assert_eq!(series[99]["sum"].as_array().map(Vec::len), Some(1_000));
    let tag = answer.headers["etag"].to_str().expect("a string").to_owned();
    let again = stream.call("GET", &format!("/rollup?{query}")).bearer(&stream.read_key).header("If-None-Match", &*tag);
    assert_eq!(again.send().expect(304).body, b"");
    // A small answer, with fewer groups, is a single piece, and a different one.
    let small = stream.read(&format!("/rollup?{}", query.replace("top=100", "top=1").replace(AGGREGATES, "sum")));
    assert!(small.headers.contains_key("content-length") && small.headers["etag"] != *tag);
    // The rows are those of the points in every format.
    let query = query.replace("step=10s", "step=1h").replace("&top=100", "&top=1000");
    let rows = stream.read(&format!("/rollup?{query}&format=ndjson")).expect(200).body;
    let csv = stream.read(&format!("/rollup?{query}&format=csv")).expect(200).body;
    let lines = |bytes: &[u8]| std::str::from_utf8(bytes).expect("a string").lines().count();
    assert_eq!(lines(&rows) + 1, lines(&csv));
}

#[test]
fn stalled_readers_take_little_memory_and_block_nobody() {
    let server = Server::start(State::new());
    let (stream, query) = filled(&server);
    let whole = stream.read(&format!("/rollup?{query}")).expect(200).body;
    let address = stream.url.strip_prefix("http://").expect("a plain URL").to_owned();
    let request = format!(
        "GET /v1/streams/{}/rollup?{query} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n",
        stream.id, stream.read_key
    );
    let idle: Vec<TcpStream> = (0..IDLE_READERS)
        .map(|_| {
            let mut socket = TcpStream::connect(&address).expect("connects");
            socket.write_all(request.as_bytes()).expect("sending succeeds");
            socket
        })
        .collect();
    // Honest readers are answered meanwhile, each as soon as there is room.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (agent, deadline) = (agent(), Instant::now() + Duration::from_mins(5));
                loop {
                    let answer = stream.call("GET", &format!("/rollup?{query}")).bearer(&stream.read_key);
                    let answer = answer.send_over(&agent).expect("answers");
                    if answer.status == 200 {
                        assert!(answer.body == whole, "it is whole");
                        return;
                    }
                    assert_eq!(answer.status, 503);
                    assert!(answer.headers.contains_key("retry-after") && Instant::now() < deadline);
                }
            });
        }
    });
    let bytes = memory_bytes(&stream);
    assert!(bytes < MAX_BYTES, "{bytes} bytes");
    // Readers that resume get everything, and those that disconnected leave nothing behind.
    let mut socket = &idle[0];
    let mut first = [0; 12];
    socket.set_read_timeout(Some(Duration::from_mins(2))).expect("takes a timeout");
    socket.read_exact(&mut first).expect("has begun");
    assert!(first.starts_with(b"HTTP/1.1 "));
    drop(idle);
    for _ in 0..20 {
        stream.read(&format!("/rollup?{query}")).expect(200);
    }
    assert!(memory_bytes(&stream) < MAX_BYTES);
}
