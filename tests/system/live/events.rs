//! Live readers over server-sent events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::socket::DEADLINE;
use super::view::View;
use crate::stream::Stream;

/// A connection that events come over.
pub(super) struct Events {
    lines: std::io::Lines<BufReader<Box<dyn Read>>>,
    pub(super) head: String,
}

/// The data between a chunked body's lengths.
struct Chunks(BufReader<TcpStream>, usize);

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.1 == 0 {
            let mut line = String::new();
            while line.trim().is_empty() {
                line.clear();
                if self.0.read_line(&mut line)? == 0 {
                    return Ok(0);
                }
            }
            self.1 = usize::from_str_radix(line.trim(), 16).expect("a length");
            if self.1 == 0 {
                return Ok(0);
            }
        }
        let wanted = buffer.len().min(self.1);
        let got = self.0.read(&mut buffer[..wanted])?;
        self.1 -= got;
        Ok(got)
    }
}

impl Events {
    pub(super) fn of(stream: &Stream, query: &str, headers: &str) -> Self {
        let address = stream.url.strip_prefix("http://").expect("plain HTTP");
        let mut tcp = TcpStream::connect(address).expect("the server listens");
        tcp.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let (id, key) = (&stream.id, &stream.read_key);
        let head = format!("GET /v1/streams/{id}/live?{query} HTTP/1.1\r\nHost: {address}\r\n{headers}");
        tcp.write_all(format!("{head}Authorization: Bearer {key}\r\n\r\n").as_bytes()).expect("sending succeeds");
        let mut reader = BufReader::new(tcp);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).expect("a head") > 0);
        }
        let body: Box<dyn Read> = Box::new(Chunks(reader, 0));
        Self { lines: BufReader::new(body).lines(), head }
    }

    /// The lines of the next event, without comments.
    pub(super) fn next(&mut self) -> Vec<String> {
        let mut event = Vec::new();
        for line in self.lines.by_ref() {
            let line = line.expect("comes in time");
            if line.is_empty() && !event.is_empty() {
                return event;
            }
            if !line.is_empty() && !line.starts_with(':') {
                event.push(line);
            }
        }
        panic!("the events ended: {event:?}");
    }

    /// Takes the next message, and returns the name of its event.
    pub(super) fn take(&mut self, view: &mut View) -> String {
        let event = self.next();
        let field = |name: &str| event.iter().find_map(|line| line.strip_prefix(name)).expect("a field").to_owned();
        let (name, message) = (field("event: "), serde_json::from_str(&field("data: ")).expect("JSON"));
        view.take(&message);
        assert_eq!((json!(name), field("id: ")), (message["type"].clone(), view.cursor.clone()));
        name
    }
}

#[test]
fn events_are_a_snapshot_and_deltas_and_can_be_resumed() {
    let (stream, mut view) = (Stream::new(), View::default());
    stream.write(r#"{"n":1,"v":{"a":"x"}}"#);
    let mut events = Events::of(&stream, "by=a&agg=max", "");
    assert!(events.head.starts_with("HTTP/1.1 200") && events.head.contains("text/event-stream"), "{}", events.head);
    assert!(events.head.to_ascii_lowercase().contains("access-control-allow-origin: *"), "{}", events.head);
    assert_eq!(events.next(), ["retry: 1000"]);
    assert_eq!(events.take(&mut view), "snapshot");
    for n in 2..5 {
        stream.write(format!(r#"{{"n":{n},"v":{{"a":"x"}}}}"#));
        assert_eq!(events.take(&mut view), "delta");
    }
    view.assert_rollup(&stream, "by=a&agg=count,sum,max");
    drop(events);
    stream.write(r#"{"n":9,"v":{"a":"y"}}"#);
    let last = format!("Last-Event-ID: {}\r\n", view.cursor);
    // The URL may contain an older cursor.
    let mut events = Events::of(&stream, "by=a&agg=max&after=12345", &last);
    events.next();
    assert_eq!(events.take(&mut view), "delta");
    view.assert_rollup(&stream, "by=a&agg=count,sum,max");
    assert_eq!((view.snapshots, view.deltas), (1, 4));
}

#[test]
fn events_end_when_the_key_is_replaced() {
    let (stream, mut view) = (Stream::new(), View::default());
    let mut events = Events::of(&stream, "", "");
    events.next();
    events.take(&mut view);
    stream.owned("POST", "/read-key").send().expect(200);
    // A read error or the end of the connection, whichever comes.
    assert_eq!(events.lines.by_ref().map_while(Result::ok).filter(|line| line.starts_with("data")).count(), 0);
}

#[test]
fn a_comment_keeps_a_quiet_connection_open() {
    let (stream, mut view) = (Stream::new(), View::default());
    // Before the server counts from its last message, which a slow client sees later.
    let start = Instant::now();
    let mut events = Events::of(&stream, "", "");
    events.next();
    events.take(&mut view);
    let line = events.lines.by_ref().map(|line| line.expect("comes in time")).find(|line| !line.is_empty());
    assert_eq!(line.as_deref(), Some(":"));
    assert!(start.elapsed() > Duration::from_secs(10), "a comment after {:?} is for nothing", start.elapsed());
}
