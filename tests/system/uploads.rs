//! Uploads that idle, crawl, abort or come by the hundred: the server ends them and frees what they held.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::gzip::gzip;
use crate::http::agent;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// The most wasm memory that an isolate may use.
const MAX_MEMORY_BYTES: u64 = 96 << 20;
/// When an idle or crawling upload is ended, with time for a slow and busy machine.
const ENDED: Duration = Duration::from_mins(1);
/// The longest that an honest writer may wait: less than an idle upload lasts.
const SOON: Duration = Duration::from_secs(9);
/// How long anything else may take.
const PATIENCE: Duration = Duration::from_mins(2);
const MIB: usize = 1 << 20;

/// A server behind a proxy, so that a client can name its network.
fn server() -> Server {
    let environment = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "k"), ("TRUSTED_PROXIES", "1")];
    Server::start_with(State::new(), &environment)
}

fn memory_bytes(stream: &Stream) -> u64 {
    stream.read("/status").expect(200).json()["memory_bytes"].as_u64().expect("wasm reports its memory")
}

/// An upload whose headers have been sent.
struct Upload {
    socket: TcpStream,
}

impl Upload {
    /// An upload from this network, with more header lines.
    fn begin(stream: &Stream, network: &str, head: &str) -> Self {
        let address = stream.url.strip_prefix("http://").expect("plain HTTP");
        let mut socket = TcpStream::connect(address).expect("the server listens");
        let path = format!("/v1/streams/{}/points", stream.id);
        let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nX-Forwarded-For: {network}\r\n{head}\r\n\r\n");
        socket.write_all(head.as_bytes()).expect("the server reads the head");
        socket.set_write_timeout(Some(PATIENCE)).expect("not zero");
        Self { socket }
    }

    fn chunked(stream: &Stream, network: &str) -> Self {
        Self::begin(stream, network, "Transfer-Encoding: chunked")
    }

    /// Sends a chunk, as much of it as the server takes.
    fn chunk(&mut self, bytes: &[u8]) {
        let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.socket.write_all(&chunk).ok();
    }

    /// Whether the server answers or ends the connection within this time.
    fn is_ended_within(&self, time: Duration) -> bool {
        self.socket.set_read_timeout(Some(time)).expect("not zero");
        let read = self.socket.peek(&mut [0]);
        !read.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// The whole answer until the server closes; panics if that takes too long.
    fn answer(mut self, within: Duration) -> String {
        let (deadline, mut answer) = (Instant::now() + within, Vec::new());
        let mut buffer = [0; 4096];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not ended: {}", String::from_utf8_lossy(&answer));
            self.socket.set_read_timeout(Some(left)).expect("not zero");
            match self.socket.read(&mut buffer) {
                Ok(0) => break,
                Ok(bytes) => answer.extend_from_slice(&buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => assert!(Instant::now() < deadline, "{error}: {}", String::from_utf8_lossy(&answer)),
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// Checks that an answer is a complete problem that ends its connection.
#[track_caller]
fn assert_timeout(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("problems#request-timeout") && answer.contains("at least 8 KiB"), "{answer}");
}

#[test]
fn the_server_ends_an_idle_or_crawling_upload() {
    let server = server();
    let stream = Stream::on(&server);
    let begun = Instant::now();
    let nothing = Upload::begin(&stream, "192.0.2.1", "Content-Length: 1048576");
    let little = Upload::begin(&stream, "192.0.2.1", "Content-Length: 100");
    let mut stuck = Upload::chunked(&stream, "192.0.2.1");
    stuck.chunk(&vec![b' '; 100_000]);
    let refused = Upload::begin(&stream, "192.0.2.1", "Content-Encoding: br\r\nContent-Length: 1048576");
    let mut crawling = Upload::chunked(&stream, "192.0.2.1");
    // One byte per second, for as long as the server accepts it.
    while !crawling.is_ended_within(Duration::from_secs(1)) {
        crawling.chunk(b" ");
        assert!(begun.elapsed() < ENDED, "it crawls for {:?}", begun.elapsed());
    }
    for upload in [nothing, little, crawling, refused] {
        assert_timeout(&upload.answer(ENDED));
    }
    // What came in one piece is enough for the first 10 s.
    assert_timeout(&stuck.answer(ENDED));
    assert!((10..120).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    stream.write(r#"{"n":1}"#);
}

#[test]
fn a_slow_but_fast_enough_body_is_stored() {
    const BYTES_PER_S: usize = 1_400;
    const LONG: Duration = Duration::from_secs(16);
    let server = server();
    let stream = Stream::on(&server);
    let mut upload = Upload::chunked(&stream, "192.0.2.1");
    upload.chunk(b"[{\"n\":1}");
    // Half a KiB above the least rate: a second ahead, also where a second takes longer.
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < LONG {
        let due = BYTES_PER_S * usize::try_from(begun.elapsed().as_millis() + 1_000).expect("seconds") / 1_000;
        upload.chunk(&vec![b' '; due - sent]);
        sent = due;
        assert!(!upload.is_ended_within(Duration::from_secs(1)), "{}", upload.answer(PATIENCE));
    }
    upload.socket.write_all(b"1\r\n]\r\n0\r\n\r\n").expect("it reads");
    assert!(upload.is_ended_within(PATIENCE));
    upload.socket.shutdown(Shutdown::Write).expect("open");
    assert!(upload.answer(PATIENCE).starts_with("HTTP/1.1 202 "));
}

#[test]
fn a_networks_unfinished_uploads_are_limited() {
    let server = server();
    let stream = Stream::on(&server);
    let key = stream.owned("POST", "/write-keys").body(r#"{"name":"a"}"#).send().expect(201).json();
    let key = key["write_key"].as_str().expect("a string").to_owned();
    stream.call("POST", "/points").bearer(&key).body(r#"{"n":1}"#).send().expect(202);
    let mut open: Vec<Upload> = Vec::new();
    // They count once their headers are read, and a later request does not wait for that.
    let refused = loop {
        let upload = Upload::begin(&stream, "192.0.2.1", "Content-Length: 5000");
        // One that should be refused may take a while to be: a third of the time that an idle one has.
        let patience = if open.len() < 64 { Duration::from_millis(20) } else { Duration::from_secs(3) };
        if upload.is_ended_within(patience) {
            break upload;
        }
        open.push(upload);
        assert!(open.len() <= 66, "more are open");
    };
    assert!(open.len() >= 64, "{}", open.len());
    let answer = refused.answer(PATIENCE);
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("Retry-After: 10"), "{answer}");
    let write = |network: &str| stream.call("POST", "/points").header("X-Forwarded-For", network).body(r#"{"n":1}"#);
    write("192.0.2.2").send().expect(202);
    write("192.0.2.1").bearer(&key).send().expect(202);
    write("192.0.2.1").bearer(OWNER_TOKEN).send().expect(202);
    // Tiny bodies have more places, as they take little memory.
    write("192.0.2.1").send().expect(202);
    let large = || write("192.0.2.1").body(format!("{{\"n\":1}}{}", " ".repeat(5_000))).send();
    assert_eq!(large().problem(429), "rate-limited");
    drop(open);
    let deadline = Instant::now() + PATIENCE;
    while large().status != 202 {
        assert!(Instant::now() < deadline, "places of disconnected clients stay taken");
    }
}

#[test]
fn six_hundred_open_uploads_take_little_memory() {
    const UPLOADS: usize = 600;
    const CLIENTS: usize = 12;
    let server = server();
    let stream = Stream::unlimited(&server);
    let (is_over, most_bytes, written) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let (stream, is_over, written) = (&stream, &is_over, &written);
        let look = |stream: &Stream| _ = most_bytes.fetch_max(memory_bytes(stream), Ordering::Relaxed);
        let honest = scope.spawn(move || {
            let agent = agent();
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let call = stream.call("POST", "/points").header("X-Forwarded-For", "198.51.100.1").body(r#"{"n":1}"#);
                assert_eq!(call.send_over(&agent).expect("an answer").status, 202);
                assert!(begun.elapsed() < SOON, "an honest writer waits {:?}", begun.elapsed());
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn(move || {
                    let uploads = (client..UPLOADS).step_by(CLIENTS).map(|number| {
                        // Each from a network of its own.
                        let network = format!("10.{}.{}.1", number / 250, number % 250);
                        let mut upload = Upload::chunked(stream, &network);
                        upload.chunk(&vec![b' '; MIB / 2]);
                        upload.chunk(&vec![b' '; MIB / 2 - 100_000]);
                        upload
                    });
                    uploads.collect::<Vec<_>>()
                })
            })
            .collect();
        let mut uploads = Vec::new();
        for client in clients {
            uploads.extend(client.join().expect("a client ends"));
            look(stream);
        }
        for upload in uploads {
            upload.answer(PATIENCE * 2);
            look(stream);
        }
        is_over.store(true, Ordering::Relaxed);
        honest.join().expect("no honest write fails");
    });
    let (most_bytes, written) = (most_bytes.into_inner(), written.into_inner());
    assert!(most_bytes < MAX_MEMORY_BYTES, "{most_bytes} bytes");
    assert_eq!(stream.total("count"), f64::from(u32::try_from(written).expect("few")));
    eprintln!("{most_bytes} bytes at most, {written} honest writes, peak {:?}", server.peak_bytes());
    // There is room for large bodies again.
    let point = r#"{"n":1}"#;
    stream.write([point, &" ".repeat(MIB - point.len())].concat());
}

#[test]
fn concurrent_bombs_take_at_most_one_body_of_memory_each() {
    const CLIENTS: usize = 32;
    let server = server();
    let stream = Stream::unlimited(&server);
    stream.write(r#"{"n":1}"#);
    let before = memory_bytes(&stream);
    let bombs = [gzip(&vec![b' '; 100 << 20]), gzip(&vec![b' '; MIB])];
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (stream, bombs) = (&stream, &bombs);
            scope.spawn(move || {
                let agent = agent();
                for round in 0..8 {
                    let network = format!("10.{client}.{round}.1");
                    let call = stream.call("POST", "/points").header("X-Forwarded-For", network);
                    let body = bombs[round % 2].clone();
                    let status =
                        call.header("Content-Encoding", "gzip").body(body).send_over(&agent).map(|it| it.status);
                    assert!(matches!(status, Ok(400 | 413 | 415 | 503)), "{status:?}");
                }
            });
        }
    });
    let grown = memory_bytes(&stream) - before;
    eprintln!("{grown} bytes more");
    assert!(grown < 24 << 20, "{grown} bytes");
    stream.write(r#"{"n":1}"#);
}

#[test]
fn aborted_writes_leave_no_memory_behind() {
    /// How many thousand writes follow those that memory is compared with.
    const ROUNDS: usize = 4;
    const TRIES: usize = 3;
    let server = server();
    let stream = Stream::unlimited(&server);
    let mut after = Vec::new();
    // The memory of the first thousand suffices for all. If more writes coincide later than did at first, those count
    // as the first; what leaks grows every time.
    let is_steady = |after: &[u64]| {
        after.last().zip(after.iter().rev().nth(ROUNDS)).is_some_and(|(last, first)| last - first <= 1 << 20)
    };
    while !is_steady(&after) {
        let round = after.len();
        assert!(round < ROUNDS * TRIES + 1, "{after:?}");
        thread::scope(|scope| {
            for client in 0..8 {
                let stream = &stream;
                scope.spawn(move || (0..125).for_each(|number| any_write(stream, client, 1_000 * round + number)));
            }
        });
        after.push(memory_bytes(&stream));
    }
    // Clients that do not wait for their answers.
    for number in 0..500 {
        let head = "Content-Type: text/plain\r\nContent-Length: 7";
        let mut upload = Upload::begin(&stream, &format!("10.9.{}.1", number % 250), head);
        upload.socket.write_all(br#"{"n":1}"#).expect("it reads");
    }
    let deadline = Instant::now() + PATIENCE * 2;
    // A disconnected client is noticed when its request ends, within half a minute.
    while stream.read("/status").json()["memory"]["writes"].as_u64().is_some_and(|bytes| bytes > 0) {
        assert!(Instant::now() < deadline, "writes hold memory when none is left");
    }
    // All memory is free again: ten of the largest bodies in a row succeed, and a page's.
    let body = [r#"{"n":1}"#, &" ".repeat(MIB - 7)].concat();
    (0..10).for_each(|_| drop(stream.write_as_owner(&body[..])));
    stream.write(r#"{"n":1}"#);
}

/// A write by one of all paths; every tenth aborts at a different place.
fn any_write(stream: &Stream, client: usize, number: usize) {
    let network = format!("10.{client}.{}.1", number % 200);
    let forwarded = format!("X-Forwarded-For: {network}");
    let address = stream.url.strip_prefix("http://").expect("plain HTTP");
    let many = format!("[{}]", vec![r#"{"n":1,"v":{"a":"b"}}"#; 2_000].join(","));
    let (path, head, body) = match number % 7 {
        0 => ("points", "Content-Type: text/plain", br#"{"n":1}"#.to_vec()),
        1 => ("points", "Content-Type: application/json", many.into_bytes()),
        2 => ("points", "Content-Encoding: gzip", gzip(many.as_bytes())),
        3 => ("points", "Content-Type: application/x-www-form-urlencoded", b"n=1&v.a=b".to_vec()),
        4 => ("statsd", "Content-Type: text/plain", b"page.views:1|c\n".repeat(500)),
        5 => ("points", "Content-Type: text/plain", b"[{\"n\":\"bad\"}]".to_vec()),
        _ => ("otlp/v1/metrics", "Content-Type: application/json", br#"{"resourceMetrics":[]}"#.to_vec()),
    };
    let request = format!(
        "POST /v1/streams/{}/{path} HTTP/1.1\r\nHost: {address}\r\n{forwarded}\r\n{head}\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        stream.id,
        body.len()
    );
    let mut request = request.into_bytes();
    request.extend_from_slice(&body);
    // From within the head to after the end, without waiting for the answer.
    let breaks_off = (number % 10 == 9).then(|| number * 7_919 % (request.len() + 1_000));
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let sent = breaks_off.map_or(request.len(), |at| at.min(request.len()));
    let is_sent = socket.write_all(&request[..sent]).is_ok();
    if breaks_off.is_none() {
        let mut answer = Vec::new();
        let read = socket.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        let is_fine = matches!(status, "200" | "202" | "204" | "400" | "503");
        assert!(is_sent && read.is_ok() && is_fine, "{path} {head}: {answer}");
    }
}

#[test]
fn a_connection_stays_open_after_a_refused_body() {
    const SAID: &str = "HTTP/1.1 404";
    let address = Server::shared().url.strip_prefix("http://").expect("plain HTTP");
    let read_until = |socket: &mut TcpStream, seen: &mut String, answers: usize| {
        let mut buffer = [0; 4096];
        while seen.matches(SAID).count() < answers || !seen.ends_with('}') {
            let bytes = socket.read(&mut buffer).expect("it answers");
            assert!(bytes > 0, "closed after {seen}");
            seen.push_str(std::str::from_utf8(&buffer[..bytes]).expect("text"));
        }
    };
    // A small body is read whole, a larger one in pieces. Otherwise the runtime closes the connection mid-body.
    for bytes in [1, 14 << 10, 200 << 10] {
        let mut socket = TcpStream::connect(address).expect("the server listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let mut seen = String::new();
        for round in 0..5 {
            let head = format!(
                "POST /v1/streams/forged/points HTTP/1.1\r\nHost: {address}\r\nContent-Length: {bytes}\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).expect("the server reads the head");
            socket.write_all(&vec![b' '; bytes]).expect("the server reads the body");
            read_until(&mut socket, &mut seen, round + 1);
        }
    }
}
