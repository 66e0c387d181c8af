//! HTTP/1.1 on a socket: as much of it as the Worker's `fetch` uses, and every way to break it off.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Exchange, Inner};

/// The largest request that the double takes.
const MAX_BYTES: usize = 1 << 20;
/// How often a double that never answers checks whether the client still waits.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A request as received.
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// When its first byte arrived.
    pub(super) at: Instant,
    raw: Vec<u8>,
}

/// An answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// What happens to a request after the double has decided.
pub(super) enum Ending {
    Answer(Reply),
    /// The head and half of the body.
    Cut(Reply),
    /// Not a byte.
    Close,
    /// Not a byte, and the connection stays open.
    Hang,
    /// An endless body.
    Endless,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Reads the next request; `None` if there is none or it is not HTTP.
    fn read(socket: &mut TcpStream) -> Option<Self> {
        let mut raw = vec![0];
        socket.read_exact(&mut raw).ok()?;
        let at = Instant::now();
        let head_end = read_until(socket, &mut raw, |raw| find(raw, b"\r\n\r\n").map(|at| at + 4))?;
        let head = String::from_utf8(raw[..head_end].to_vec()).ok()?;
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut request = Self { method, target, headers, body: Vec::new(), at, raw };
        request.body = request.read_body(socket, head_end)?;
        Some(request)
    }

    fn read_body(&mut self, socket: &mut TcpStream, start: usize) -> Option<Vec<u8>> {
        if self.header("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            let whole = |raw: &[u8]| unchunked(&raw[start..]).map(|_| raw.len());
            read_until(socket, &mut self.raw, whole)?;
            return unchunked(&self.raw[start..]);
        }
        let length: usize = self.header("Content-Length").map_or(Some(0), |length| length.parse().ok())?;
        read_until(socket, &mut self.raw, |raw| (raw.len() >= start + length).then_some(0))?;
        Some(self.raw[start..start + length].to_vec())
    }
}

impl Reply {
    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} -\r\nContent-Length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head.extend([*name, ": ", value, "\r\n"]);
        }
        [head.as_bytes(), b"\r\n", self.body.as_bytes()].concat()
    }
}

/// Serves a connection until one of the two closes it.
pub(super) fn serve(inner: &Arc<Inner>, mut socket: TcpStream) {
    socket.set_nodelay(true).ok();
    while let Some(request) = Request::read(&mut socket) {
        let ending = inner.change(|state| state.handle(&request));
        let sent = match &ending {
            Ending::Answer(reply) => reply.bytes(),
            Ending::Cut(reply) => {
                let bytes = reply.bytes();
                bytes[..bytes.len() - reply.body.len().div_ceil(2)].to_vec()
            }
            Ending::Endless => b"HTTP/1.1 200 -\r\nContent-Type: application/json\r\n\r\n{".to_vec(),
            Ending::Close | Ending::Hang => Vec::new(),
        };
        // Recorded before the client can know, so that a test that has the answer finds the record.
        inner.change(|state| state.exchanges.push(Exchange { received: request.raw, sent: sent.clone() }));
        let is_sent = socket.write_all(&sent).is_ok();
        if matches!(ending, Ending::Endless) {
            while !inner.is_over() && socket.write_all(&[b' '; 8 << 10]).is_ok() {}
        }
        if matches!(ending, Ending::Hang) {
            inner.change(|state| state.hanging += 1);
            hang(inner, &socket);
            inner.change(|state| state.hanging -= 1);
        }
        if !(is_sent && matches!(ending, Ending::Answer(_))) {
            break;
        }
    }
    socket.shutdown(Shutdown::Both).ok();
}

/// Waits until the client has closed the connection or the double is dropped.
fn hang(inner: &Inner, socket: &TcpStream) {
    socket.set_read_timeout(Some(LOOK_EVERY)).expect("more than nothing");
    let is_waiting = |error: &std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    while !inner.is_over() && socket.peek(&mut [0]).as_ref().is_err_and(is_waiting) {}
}

/// Reads until `is_enough` accepts the bytes, and returns how many it wants.
fn read_until(socket: &mut TcpStream, raw: &mut Vec<u8>, is_enough: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
    let mut piece = [0; 16 << 10];
    loop {
        if let Some(enough) = is_enough(raw) {
            return Some(enough);
        }
        let count = socket.read(&mut piece).ok().filter(|count| *count > 0)?;
        raw.extend_from_slice(&piece[..count]);
        if raw.len() > MAX_BYTES {
            return None;
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The body of whole chunks.
fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = find(bytes, b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..line_end]).ok()?, 16).ok()?;
        let chunk = bytes.get(line_end + 2..line_end + 2 + length)?;
        bytes = bytes.get(line_end + 4 + length..)?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunk);
    }
}
