//! A crowd around an isolate: readers, uploads and queries that only the server itself limits.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::attacker::FORWARDED_FOR;
use crate::honest::wait_until;
use crate::http::{agent, encoded};
use crate::stream::Stream;

/// How long one read waits, so that a thread notices the end of the attack.
const TICK: Duration = Duration::from_millis(500);
/// What an upload delivers before it goes silent.
const UPLOAD_BYTES: usize = 1 << 20;
/// The size of a message larger than any that a reader sends.
const LARGE_MESSAGE_BYTES: usize = 30 << 20;
/// Expressions whose matching costs the most for their length.
const EXPRESSIONS: [&str; 4] = ["(?:a?){200}b", "(?:.{0,30}){6}b", "(?:[a-y]?){100}z", "(?i)(?:(?:a|b|ab)?){60}q"];

/// What happened to the members of a crowd.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) opened: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) refused: AtomicU64,
}

impl Count {
    /// The numbers of opened, answered and refused ones.
    pub(crate) fn all(&self) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        format!("{} opened, {} answered, {} refused", of(&self.opened), of(&self.answered), of(&self.refused))
    }

    fn add(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self, status: u16) {
        Self::add(if status < 300 { &self.answered } else { &self.refused });
    }
}

fn address(stream: &Stream) -> &str {
    stream.url.strip_prefix("http://").expect("plain HTTP")
}

fn connect(stream: &Stream) -> Option<TcpStream> {
    let tcp = TcpStream::connect(address(stream)).ok()?;
    tcp.set_read_timeout(Some(TICK)).and_then(|()| tcp.set_write_timeout(Some(TICK))).ok()?;
    Some(tcp)
}

/// Reads everything until the end, and counts whether the first answer was a success.
fn read_until_end(tcp: &mut TcpStream, end: Instant, count: &Count) {
    let (mut buffer, mut is_first) = (vec![0; 1 << 16], true);
    while Instant::now() < end {
        match tcp.read(&mut buffer) {
            Ok(0) => return,
            Ok(bytes) if is_first => {
                is_first = false;
                count.take(if buffer[..bytes].starts_with(b"HTTP/1.1 200") { 200 } else { 503 });
            }
            Ok(_) => (),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => (),
            Err(_) => return,
        }
    }
}

/// A reader of events that keeps reading, and reconnects when the server ends the answer.
pub(crate) fn read_events(stream: &Stream, query: &str, network: &str, end: Instant, count: &Count) {
    while Instant::now() < end {
        let head = format!(
            "GET /v1/streams/{}/live?{query} HTTP/1.1\r\nHost: {}\r\n{FORWARDED_FOR}: {network}\r\n\r\n",
            stream.id,
            address(stream)
        );
        if let Some(mut tcp) = connect(stream)
            && tcp.write_all(head.as_bytes()).is_ok()
        {
            Count::add(&count.opened);
            read_until_end(&mut tcp, end, count);
        }
        wait_until(end.min(Instant::now() + TICK));
    }
}

/// Uploads without a length, which deliver a mebibyte and never end.
pub(crate) fn upload(stream: &Stream, uploads: usize, end: Instant, count: &Count) {
    let head = format!(
        "POST /v1/streams/{}/points HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         {FORWARDED_FOR}: 203.0.113.9\r\nTransfer-Encoding: chunked\r\n\r\n{UPLOAD_BYTES:x}\r\n",
        stream.id,
        address(stream)
    );
    let spaces = vec![b' '; UPLOAD_BYTES];
    let mut open = Vec::new();
    for _ in 0..uploads {
        if Instant::now() > end {
            break;
        }
        if let Some(mut tcp) = connect(stream)
            && tcp.write_all(head.as_bytes()).and_then(|()| tcp.write_all(&spaces)).is_ok()
        {
            Count::add(&count.opened);
            open.push(tcp);
        }
    }
    wait_until(end);
    for mut tcp in open {
        let mut answer = [0; 16];
        match tcp.read(&mut answer) {
            Ok(bytes) if bytes > 0 => count.take(if answer.starts_with(b"HTTP/1.1 2") { 202 } else { 408 }),
            _ => (),
        }
    }
}

fn socket(stream: &Stream, query: &str, network: &str) -> Option<WebSocket<TcpStream>> {
    let url = format!("ws://{}/v1/streams/{}/live?{query}", address(stream), stream.id);
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert(FORWARDED_FOR, network.parse().expect("a header"));
    let tcp = connect(stream)?;
    // The answer to an upgrade may take longer than a tick.
    tcp.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let (socket, _) = tungstenite::client(request, tcp).ok()?;
    socket.get_ref().set_read_timeout(Some(TICK)).ok()?;
    Some(socket)
}

/// A reader on a socket, with a query that no other reader has.
pub(crate) fn read_socket(stream: &Stream, query: &str, network: &str, end: Instant, count: &Count) {
    while Instant::now() < end {
        if let Some(mut socket) = socket(stream, query, network) {
            Count::add(&count.opened);
            while Instant::now() < end {
                match socket.read() {
                    Ok(Message::Close(_)) => {
                        Count::add(&count.refused);
                        break;
                    }
                    Ok(_) => Count::add(&count.answered),
                    Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => (),
                    Err(_) => break,
                }
            }
        } else {
            Count::add(&count.refused);
        }
        wait_until(end.min(Instant::now() + TICK));
    }
}

/// Sends messages that are much larger than a reader may send.
pub(crate) fn send_large_messages(stream: &Stream, query: &str, network: &str, end: Instant, count: &Count) {
    let text = "x".repeat(LARGE_MESSAGE_BYTES);
    while Instant::now() < end {
        if let Some(mut socket) = socket(stream, query, network) {
            Count::add(&count.opened);
            socket.get_ref().set_write_timeout(Some(Duration::from_secs(20))).ok();
            socket.send(Message::text(text.clone())).ok();
            let closes = (0..20).any(|_| matches!(socket.read(), Ok(Message::Close(_))));
            Count::add(if closes { &count.refused } else { &count.answered });
        }
        wait_until(end.min(Instant::now() + TICK));
    }
}

/// Repeats a query until the end.
pub(crate) fn query(stream: &Stream, path: &str, token: Option<&str>, end: Instant, count: &Count) {
    let agent = agent();
    while Instant::now() < end {
        let call = stream.call("GET", path).header(FORWARDED_FOR, "203.0.113.77");
        let call = token.into_iter().fold(call, crate::http::Call::bearer);
        match call.send_over(&agent) {
            Ok(answer) => count.take(answer.status),
            Err(_) => Count::add(&count.refused),
        }
        wait_until(end.min(Instant::now() + TICK / 10));
    }
}

/// Queries by the most expensive expressions.
pub(crate) fn match_expressions(stream: &Stream, label: &str, end: Instant, count: &Count) {
    let agent = agent();
    for expression in EXPRESSIONS.into_iter().cycle() {
        if Instant::now() >= end {
            return;
        }
        let matcher = encoded(&format!("{label}=~{expression}"));
        let path = format!("/rollup?from=-2h&step=1h&agg=sum&where={matcher}");
        match stream.call("GET", &path).send_over(&agent) {
            Ok(answer) => count.take(answer.status),
            Err(_) => Count::add(&count.refused),
        }
    }
}
