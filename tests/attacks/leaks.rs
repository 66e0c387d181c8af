//! Requests of every kind, a tenth of them aborted at random: memory afterwards is what it was after the first ones.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;

use crate::attacker::{FORWARDED_FOR, Random};
use crate::frame::Turn;
use crate::honest::wait_until;
use crate::http::agent;
use crate::report::Report;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// The number of requests, unless `LEAK_REQUESTS` sets it.
const REQUESTS: u64 = 3_000;
/// Memory is first measured after this fraction of the requests.
const FIRST: u64 = 10;
const CONNECTIONS: u64 = 8;
/// The linear memory grows in pages of 64 KiB. After 90 % of the requests it may grow by at most this much.
const MAX_GROWTH_BYTES: u64 = 2 << 20;
/// Shares of memory that only requests in flight take.
const PASSING: [&str; 4] = ["writes", "reads", "live", "owner"];
/// What the measuring request may take itself.
const OWN_BYTES: u64 = 64 << 10;
/// Memory of aborted requests is given back within this time.
const SOON: Duration = Duration::from_mins(5);

/// A request: its method, path below the stream, headers and body.
type Kind = (&'static str, &'static str, &'static str, &'static str);

const POINT: &str = r#"{"n":1,"d":2,"p":60,"v":{"page":"/a","host":"b"}}"#;
const KINDS: [Kind; 22] = [
    ("POST", "/points", "", POINT),
    ("POST", "/points", "Idempotency-Key: 7f3a\r\n", POINT),
    ("POST", "/points", "Content-Type: application/x-www-form-urlencoded\r\n", "n=1&v.page=/a"),
    ("POST", "/points", "", r#"[{"n":"x"},{"n":1}]"#),
    ("POST", "/points", "", "rubbish"),
    ("POST", "/statsd", "", "a:1|c\nb:320|ms\n"),
    ("POST", "/otlp/v1/metrics", "Content-Type: application/json\r\n", r#"{"resourceMetrics":[]}"#),
    ("GET", "/pixel.gif?n=1&v.page=/b", "", ""),
    ("GET", "/rollup?from=-1h&step=1m&by=page&agg=sum,count,ratio", "", ""),
    ("GET", "/rollup?from=-1h&step=1m&by=*&format=csv", "", ""),
    ("GET", "/rollup?from=-1d&where=page=~.*a", "", ""),
    ("GET", "/rollup?from=nonsense", "", ""),
    ("GET", "/labels", "", ""),
    ("GET", "/labels/page", "", ""),
    ("GET", "/metrics", "", ""),
    ("GET", "/deltas?window=10m", "", ""),
    ("GET", "/live?window=1h&by=page", "", ""),
    ("GET", "/graphite/render?target=leaks.sum&format=json&from=-1h", "", ""),
    ("GET", "/graphite/metrics/find?query=*", "", ""),
    ("GET", "/prometheus/api/v1/query?query=up", "", ""),
    ("GET", "/status", "", ""),
    ("PATCH", "", "", "{}"),
];

/// Whether the answer to this request never ends unless the client ends it.
fn is_endless((_, path, ..): Kind) -> bool {
    path.starts_with("/live")
}

/// The credential of a request; writers have none.
fn token<'a>(stream: &'a Stream, method: &str) -> Option<&'a str> {
    match method {
        "PATCH" => Some(OWNER_TOKEN),
        "GET" => Some(&stream.read_key),
        _ => None,
    }
}

fn send_whole(stream: &Stream, agent: &Agent, (method, path, headers, body): Kind, network: &str) {
    let mut call = stream.call(method, path).header(FORWARDED_FOR, network);
    for (name, value) in headers.lines().filter_map(|line| line.split_once(": ")) {
        call = call.header(name, value);
    }
    let token = token(stream, method);
    let call = token.into_iter().fold(call, crate::http::Call::bearer);
    call.body(body).send_over(agent).ok();
}

/// Sends part or all of a request, reads part or nothing of the answer, and disconnects.
fn send_and_abort(stream: &Stream, (method, path, headers, body): Kind, network: &str, random: &mut Random) {
    let address = stream.url.strip_prefix("http://").expect("plain HTTP");
    let authorization =
        token(stream, method).map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let text = format!(
        "{method} /v1/streams/{}{path} HTTP/1.1\r\nHost: {address}\r\n{FORWARDED_FOR}: {network}\r\n\
         {authorization}{headers}Content-Length: {}\r\n\r\n{body}",
        stream.id,
        body.len()
    );
    let Ok(mut tcp) = TcpStream::connect(address) else { return };
    let length = usize::try_from(random.below(2 * text.len() as u64)).expect("a short request").min(text.len());
    if tcp.write_all(&text.as_bytes()[..length]).is_err() || length < text.len() {
        return;
    }
    tcp.set_read_timeout(Some(Duration::from_millis(1 + random.below(30)))).expect("a timeout");
    let mut answer = [0; 256];
    let _some = tcp.read(&mut answer);
}

fn status(stream: &Stream) -> Value {
    stream.owned("GET", "/status").send().expect(200).json()
}

#[test]
fn memory_returns_to_its_baseline_after_every_kind_of_request() {
    let _alone = Turn::alone();
    let requests = std::env::var("LEAK_REQUESTS").map_or(REQUESTS, |text| text.parse().expect("a number"));
    let secrets = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key"), ("TRUSTED_PROXIES", "1")];
    let server = Server::start_with(State::new(), &secrets);
    let stream = Stream::create(&server, json!({ "name": "leaks" }));
    let mut report = Report::new("leaks");
    let send = |numbers: std::ops::Range<u64>| {
        std::thread::scope(|scope| {
            for connection in 0..CONNECTIONS {
                let (stream, numbers) = (&stream, numbers.clone());
                scope.spawn(move || {
                    let (agent, mut random) = (agent(), Random::new(numbers.start + connection));
                    for number in numbers.filter(|number| number % CONNECTIONS == connection) {
                        let kind = *random.one_of(&KINDS);
                        let network = format!("203.0.{}.{}", number % 200, number / 200 % 200);
                        if is_endless(kind) || random.below(10) == 0 {
                            send_and_abort(stream, kind, &network, &mut random);
                        } else {
                            send_whole(stream, &agent, kind, &network);
                        }
                    }
                });
            }
        });
    };
    send(0..requests / FIRST);
    // What a stream keeps (keys for ten minutes, series, networks) is not a leak. It is counted as `state`.
    let measured = || {
        let status = status(&stream);
        [&status["memory_bytes"], &status["memory"]["state"]]
            .map(|bytes| bytes.as_u64().expect("wasm reports its memory"))
    };
    let [before, state_before] = measured();
    let resident_before = server.resident_bytes();
    send(requests / FIRST..requests);
    let [after, state] = measured();
    let deadline = Instant::now() + SOON;
    let held = loop {
        let memory = status(&stream)["memory"].clone();
        let held: Vec<_> =
            PASSING.iter().filter(|share| memory[share].as_u64().is_none_or(|bytes| bytes > OWN_BYTES)).collect();
        if held.is_empty() || Instant::now() > deadline {
            report.check(held.is_empty(), || format!("something is still held: {memory}"));
            break memory;
        }
        wait_until(Instant::now() + Duration::from_millis(200));
    };
    report.figure("requests", requests);
    report.figure("memory_bytes", vec![before, after]);
    report.figure("resident_bytes", json!([resident_before, server.resident_bytes()]));
    report.figure("memory", held);
    report.figure("state_bytes", vec![state_before, state]);
    let kept = state.saturating_sub(state_before);
    report.check(after <= before + kept + MAX_GROWTH_BYTES, || {
        format!("{before} bytes became {after}, of which the stream keeps {kept} more")
    });
    report.finish();
}
