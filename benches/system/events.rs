//! The memory and CPU time that readers of events cost workerd while somebody writes: one, a thousand of one query, and
//! a hundred of different ones.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::http::{Connection, request};
use crate::load::to_f64;
use crate::report::Report;
use crate::server::{OWNER_TOKEN, Server};
use crate::stream;

/// Different queries, and readers per query.
const CASES: [(usize, usize); 4] = [(0, 0), (1, 1), (1, 1_000), (100, 1)];
const SERIES: usize = 150;
const RUN: Duration = Duration::from_secs(10);
/// All readers must have their first event within this time.
const BEGINNING: Duration = Duration::from_mins(1);
const PACE: Duration = Duration::from_millis(50);

/// Measures each case on its own server.
pub(crate) fn measure(folder: &Path, report: &mut Report) {
    for (queries, readers) in CASES {
        let name = format!("events_{queries}_queries_{readers}_readers");
        eprintln!("{name}");
        let server = Server::heartbeat(&folder.join(&name));
        let id = stream::create(&server, &name);
        let point = |at: usize| format!(r#"{{"n":1,"v":{{"c":"{at}"}}}}"#);
        let all: Vec<String> = (0..SERIES).map(point).collect();
        stream::write_all(&server, &id, std::iter::once(format!("[{}]", all.join(","))));

        let begun = Instant::now();
        let mut all: Vec<Reader> =
            (0..queries * readers).map(|at| Reader::open(&server, &id, at % queries.max(1))).collect();
        while all.iter().any(|reader| reader.events == 0) && begun.elapsed() < BEGINNING {
            all.iter_mut().for_each(Reader::read);
            sleep(PACE / 10);
        }
        report.set(&format!("{name}_begin_s"), begun.elapsed().as_secs_f64());
        let (cpu_s, events_before) = (server.cpu_s(), events(&all));
        let (start, mut written, mut most) = (Instant::now(), 0_u32, 0.0_f64);
        let (mut connection, mut body) = (Connection::open(&server.address), Vec::new());
        let ask = request("GET", &format!("/v1/streams/{id}/status"), Some(OWNER_TOKEN), "");
        while start.elapsed() < RUN {
            all.iter_mut().for_each(Reader::read);
            if start.elapsed() >= PACE * written {
                let points: Vec<String> =
                    (0..10).map(|more| point((written as usize * 37 + more * 101) % SERIES)).collect();
                let status = connection.send(&stream::writes(&id, &[format!("[{}]", points.join(","))])[0], &mut body);
                assert_eq!(status, 202, "{}", String::from_utf8_lossy(&body));
                written += 1;
                if written.is_multiple_of(10) {
                    connection.send(&ask, &mut body);
                    let said: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
                    most = most.max(said["memory_bytes"].as_f64().unwrap_or_default());
                }
            }
            sleep(Duration::from_millis(1));
        }
        let seconds = start.elapsed().as_secs_f64();
        report.set(&format!("{name}_cpu_ms_per_s"), 1e3 * (server.cpu_s() - cpu_s) / seconds);
        report.set(&format!("{name}_events_per_s"), to_f64(events(&all) - events_before) / seconds);
        report.set(&format!("{name}_there"), to_f64(all.iter().filter(|reader| reader.is_there()).count()));
        report.set(&format!("{name}_isolate_mb"), most / 1e6);
        report.set(&format!("{name}_resident_mb"), crate::mb(server.peak_bytes()));
    }
}

fn events(readers: &[Reader]) -> usize {
    readers.iter().map(|reader| reader.events).sum()
}

/// A connection that never blocks.
struct Reader {
    connection: Option<TcpStream>,
    events: usize,
}

impl Reader {
    fn open(server: &Server, id: &str, query: usize) -> Self {
        let mut connection = TcpStream::connect(&server.address).expect("the server accepts connections");
        let path = format!("/v1/streams/{id}/live?by=c&where=c!%3D{}", SERIES + query);
        connection.write_all(&request("GET", &path, Some(OWNER_TOKEN), "")).expect("the server reads");
        connection.set_nonblocking(true).expect("a socket has this option");
        Self { connection: Some(connection), events: 0 }
    }

    /// Reads what has arrived, and counts its events.
    fn read(&mut self) {
        let mut bytes = [0; 16 << 10];
        while let Some(connection) = &mut self.connection {
            match connection.read(&mut bytes) {
                // The line of an event appears nowhere else in JSON, and is rarely cut in two.
                Ok(length @ 1..) => self.events += count(&bytes[..length], b"event: "),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Ok(0) | Err(_) => self.connection = None,
            }
        }
    }

    fn is_there(&self) -> bool {
        self.connection.is_some() && self.events > 0
    }
}

fn count(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).filter(|window| *window == what).count()
}
