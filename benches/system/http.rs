//! HTTP/1.1 over a persistent connection, with no more work than counting bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than anything should take. A measurement then fails rather than hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// A connection that carries one request after another.
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
    line: Vec<u8>,
}

/// A request, ready to be sent many times.
pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         {authorization}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

impl Connection {
    pub(crate) fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts connections");
        stream.set_nodelay(true).expect("a socket has this option");
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket has this option");
        Self { reader: BufReader::with_capacity(1 << 16, stream), line: Vec::new() }
    }

    /// Sends a request, reads the whole answer into `body`, and returns its status.
    pub(crate) fn send(&mut self, request: &[u8], body: &mut Vec<u8>) -> u16 {
        body.clear();
        self.reader.get_mut().write_all(request).expect("the server reads");
        let status = std::str::from_utf8(self.line()).ok().and_then(|line| line.get(9..12)?.parse().ok());
        let (mut length, mut is_chunked) = (0, false);
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let line = std::str::from_utf8(line).unwrap_or_default();
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length");
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                is_chunked = true;
            }
        }
        if is_chunked {
            while self.chunk(body) {}
        } else {
            self.take(length, body);
        }
        status.expect("an HTTP status")
    }

    /// Reads one chunk, and returns whether another follows.
    fn chunk(&mut self, body: &mut Vec<u8>) -> bool {
        let line = std::str::from_utf8(self.line()).unwrap_or_default();
        let length = u64::from_str_radix(line.trim(), 16).expect("a chunk's length");
        self.take(length, body);
        self.line();
        length > 0
    }

    fn take(&mut self, length: u64, body: &mut Vec<u8>) {
        let read = self.reader.by_ref().take(length).read_to_end(body).expect("the server answers in time");
        assert_eq!(read as u64, length, "the server closed the connection");
    }

    /// The next line without its end.
    fn line(&mut self) -> &[u8] {
        self.line.clear();
        let read = self.reader.read_until(b'\n', &mut self.line).expect("the server answers in time");
        assert!(read > 0, "the server closed the connection");
        self.line.trim_ascii_end()
    }
}
