//! Live readers over `WebSocket`s, each with a real client.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::{Error, Message, WebSocket};

use super::view::View;
use crate::clock::now_whole_s;
use crate::http::encoded;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

pub(super) const DEADLINE: Duration = Duration::from_mins(3);

/// A reader that acknowledges as it should.
pub(super) struct Reader {
    socket: WebSocket<TcpStream>,
    pub(super) view: View,
    acknowledges: bool,
    got: usize,
}

/// What arrived.
#[derive(Debug)]
pub(super) enum Event {
    Message(Value),
    Text(String),
    /// Closed, with this code or without one.
    Closed(Option<u16>),
}

/// Opens a socket, or returns the status that the upgrade fails with.
pub(super) fn open(stream: &Stream, query: &str, token: Option<&str>) -> Result<Reader, u16> {
    open_from(stream, query, token, None)
}

/// The same through a proxy that names this address.
pub(super) fn open_from(
    stream: &Stream,
    query: &str,
    token: Option<&str>,
    client: Option<&str>,
) -> Result<Reader, u16> {
    let address = stream.url.strip_prefix("http://").expect("plain HTTP");
    let tcp = TcpStream::connect(address).expect("the server listens");
    tcp.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let url = format!("ws://{address}/v1/streams/{}/live?{query}", stream.id);
    let mut request = url.into_client_request().expect("a request");
    if let Some(token) = token {
        request.headers_mut().insert("Authorization", format!("Bearer {token}").parse().expect("a header"));
    }
    if let Some(client) = client {
        request.headers_mut().insert("X-Forwarded-For", client.parse().expect("a header"));
    }
    match tungstenite::client(request, tcp) {
        Ok((socket, _)) => Ok(Reader { socket, view: View::default(), acknowledges: true, got: 0 }),
        Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

impl Reader {
    pub(super) fn of(stream: &Stream, query: &str) -> Self {
        open(stream, query, Some(&stream.read_key)).unwrap_or_else(|status| panic!("{status} for {query}"))
    }

    /// A new connection that goes on after the cursor.
    pub(super) fn again(self, stream: &Stream, query: &str) -> Self {
        let after = encoded(&self.view.cursor);
        Self { view: self.view, ..Self::of(stream, &format!("{query}&after={after}")) }
    }

    /// The next arrival.
    pub(super) fn next(&mut self) -> Event {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => match serde_json::from_str(text.as_str()) {
                    Ok(message) => {
                        self.view.take(&message);
                        self.got += 1;
                        if self.acknowledges && self.got.is_multiple_of(20) {
                            self.socket.send(Message::text(self.view.cursor.clone())).ok();
                        }
                        return Event::Message(message);
                    }
                    Err(_) => return Event::Text(text.as_str().to_owned()),
                },
                Ok(Message::Close(frame)) => {
                    // Finishes the closing handshake.
                    while self.socket.read().is_ok() {}
                    return Event::Closed(frame.map(|frame| frame.code.into()));
                }
                Ok(_) => (),
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("nothing came"),
                Err(_) => return Event::Closed(None),
            }
        }
    }

    #[track_caller]
    pub(super) fn next_message(&mut self) -> Value {
        match self.next() {
            Event::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    /// Reads until it has seen this many points.
    #[track_caller]
    pub(super) fn until_count(&mut self, count: u32) {
        let start = Instant::now();
        while self.view.count() < f64::from(count) - 0.5 {
            assert!(start.elapsed() < DEADLINE, "{} of {count}", self.view.count());
            self.next_message();
        }
        assert!((self.view.count() - f64::from(count)).abs() < 0.5, "{} is more than {count}", self.view.count());
    }

    /// Reads until it is closed, and returns the code.
    pub(super) fn until_closed(&mut self) -> Option<u16> {
        loop {
            if let Event::Closed(code) = self.next() {
                return code;
            }
        }
    }
}

fn point(country: &str, n: f64, t: u64) -> Value {
    json!({ "n": n, "d": 2, "t": t, "v": { "country": country } })
}

const GROUPED: &str = "by=country&agg=sum,count,min,p50";

#[test]
fn a_socket_gets_a_snapshot_and_then_every_change() {
    let (stream, now) = (Stream::new(), now_whole_s());
    stream.write(json!([point("DE", 1.5, now), point("US", 4.0, now - 100), point("US", 1.0, now + 40)]).to_string());
    let mut reader = Reader::of(&stream, GROUPED);
    let snapshot = reader.next_message();
    assert_eq!((&snapshot["type"], &snapshot["step"]), (&json!("snapshot"), &json!(10)));
    assert_eq!(snapshot["agg"], json!(["sum", "count", "min", "p50"]));
    reader.view.assert_rollup(&stream, GROUPED);
    stream.write(json!([point("DE", 0.25, now), point("FR", 3.0, now - 3000), point("US", 8.0, now + 40)]).to_string());
    let long = json!({ "n": 100, "p": 3000, "t": now, "v": { "country": "DE" } });
    stream.write(json!([long, point("\u{202e}\"<img>", 7.0, now - 50)]).to_string());
    reader.until_count(8);
    reader.view.assert_rollup(&stream, GROUPED);
    assert_eq!(reader.view.snapshots, 1);
}

#[test]
fn a_ping_is_answered_and_other_messages_are_harmless() {
    let stream = Stream::new();
    let mut reader = Reader::of(&stream, "");
    reader.next_message();
    for text in ["ping", "no cursor", "", "99999999999"] {
        reader.socket.send(Message::text(text)).expect("sending succeeds");
    }
    reader.socket.send(Message::binary(vec![1, 2, 3])).expect("sending succeeds");
    assert!(matches!(reader.next(), Event::Text(text) if text == "pong"));
    stream.write(r#"{"n":1}"#);
    reader.until_count(1);
}

#[test]
fn a_message_longer_than_a_cursor_closes_its_socket_unread() {
    const LONGEST: usize = 1_100;
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let memory_bytes = || stream.read("/status").expect(200).json()["memory_bytes"].as_u64().expect("wasm knows");
    let (mut good, before) = (Reader::of(&stream, ""), memory_bytes());
    let too_long = [Message::text("x".repeat(LONGEST + 1)), Message::text("x".repeat(30 << 20))];
    for message in too_long.into_iter().chain([Message::binary(vec![0; 30 << 20])]) {
        let mut bad = Reader::of(&stream, "");
        bad.next_message();
        // The server may close it before it has taken all.
        bad.socket.send(message).ok();
        assert_eq!(bad.until_closed(), Some(1009));
    }
    assert!(memory_bytes() < before + (1 << 20), "{before} bytes became {}", memory_bytes());
    good.socket.send(Message::text("x".repeat(LONGEST))).expect("sending succeeds");
    stream.write(r#"{"n":1}"#);
    good.until_count(1);
}

#[test]
fn a_refused_upgrade_has_the_status_of_its_refusal() {
    let stream = Stream::new();
    let status = |query: &str, token: Option<&str>| open(&stream, query, token).err();
    assert_eq!(status("", None), Some(401));
    assert_eq!(status("", Some("wrong")), Some(401));
    assert_eq!(status("key=wrong", None), Some(401));
    assert_eq!(status(&format!("key={}", stream.read_key), None), None);
    assert_eq!(status("", Some(OWNER_TOKEN)), None);
    for query in ["step=15s", "from=-1h", "agg=nothing", "window=x", "after=%20", "agg=distinct:country"] {
        assert_eq!(status(query, Some(&stream.read_key)), Some(400), "{query}");
    }
    assert_eq!(status("window=30d&step=10s", Some(&stream.read_key)), Some(422));
    let forged = Stream { id: stream.id.replace(&stream.id[1..3], "zz"), ..stream.clone() };
    assert_eq!(open(&forged, "", Some(&stream.read_key)).err(), Some(404));
}

#[test]
fn readers_who_lose_access_are_closed_and_others_stay() {
    let stream = Stream::create(Server::shared(), json!({ "name": "x", "public_read": true }));
    let mut with_key = Reader::of(&stream, "");
    let mut anyone = open(&stream, "", None).unwrap_or_else(|status| panic!("{status}"));
    let mut owner = open(&stream, "", Some(OWNER_TOKEN)).unwrap_or_else(|status| panic!("{status}"));
    stream.owned("POST", "/read-key").send().expect(200);
    stream.write(r#"{"n":1}"#);
    // A public stream needs no key, so the lack of one is no error.
    for reader in [&mut with_key, &mut anyone, &mut owner] {
        reader.until_count(1);
    }
    stream.owned("PATCH", "").body(r#"{"public_read":false}"#).send().expect(200);
    assert_eq!((with_key.until_closed(), anyone.until_closed()), (Some(4001), Some(4001)));
    stream.write(r#"{"n":1}"#);
    owner.until_count(2);
    stream.owned("DELETE", "").send().expect(204);
    assert_eq!(owner.until_closed(), Some(4004));
}

#[test]
fn a_replaced_key_disconnects_its_readers() {
    let stream = Stream::new();
    let mut reader = Reader::of(&stream, "");
    stream.owned("POST", "/read-key").send().expect(200);
    assert_eq!(reader.until_closed(), Some(4001));
    assert_eq!(open(&stream, "", Some(&stream.read_key)).err(), Some(401));
}

#[test]
fn a_hibernating_object_updates_its_readers_on_waking() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    stream.write(r#"{"n":1}"#);
    let mut readers = [Reader::of(&stream, "agg=max"), Reader::of(&stream, "agg=max")];
    for round in 2..6 {
        // At any moment: while it sends, or while it is quiet.
        server.evict(&stream.object());
        stream.write(r#"{"n":2}"#);
        for reader in &mut readers {
            reader.until_count(round);
        }
    }
    for reader in &readers {
        reader.view.assert_rollup(&stream, "agg=count,sum,max");
    }
    let [mut one, other] = readers;
    drop(other);
    server.evict(&stream.object());
    stream.write(r#"{"n":3}"#);
    one.until_count(6);
}

#[test]
fn a_reader_resumes_after_its_cursor_despite_kill_9() {
    let mut server = Server::start(State::new());
    let mut stream = Stream::on(&server);
    let mut view = View::default();
    for round in 0..4u32 {
        let after = if view.cursor.is_empty() { String::new() } else { format!("&after={}", encoded(&view.cursor)) };
        let mut reader = Reader::of(&stream, &format!("{GROUPED}{after}"));
        reader.view = std::mem::take(&mut view);
        reader.next_message();
        for at in 0..10 {
            stream.write(point(["DE", "US"][at % 2], 0.5, now_whole_s()).to_string());
        }
        if round < 3 {
            // In the middle of a view: it may have seen some of them.
            if round > 0 {
                reader.next_message();
            }
            server = Server::start(server.kill_9());
            stream = stream.moved_to(&server);
            assert_eq!(reader.until_closed(), None);
            view = reader.view;
        } else {
            reader.until_count(40);
            reader.view.assert_rollup(&stream, GROUPED);
        }
    }
}

#[test]
fn a_silent_reader_is_closed_and_returns_without_loss() {
    let stream = Stream::new();
    let mut slow = Reader { acknowledges: false, ..Reader::of(&stream, "") };
    let mut good = Reader::of(&stream, "");
    let mut written = 0;
    let code = std::thread::scope(|scope| {
        let closed = scope.spawn(|| slow.until_closed());
        while !closed.is_finished() {
            stream.write(r#"{"n":1}"#);
            written += 1;
            good.until_count(written);
        }
        closed.join().expect("ends")
    });
    assert_eq!(code, Some(4008));
    assert!(slow.got >= 60, "{} messages", slow.got);
    let mut back = Reader::of(&stream, &format!("after={}", slow.view.cursor));
    back.view = slow.view;
    assert_eq!(back.next_message()["type"], "delta");
    back.until_count(written);
    assert_eq!(back.view.snapshots, 1);
    back.view.assert_rollup(&stream, "agg=sum,count");
}
