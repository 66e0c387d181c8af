//! What live readers cost workerd while somebody writes, by their number and by the number of different questions.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, scope, sleep};
use std::time::{Duration, Instant};

use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::http::Connection;
use crate::load::to_f64;
use crate::report::Report;
use crate::server::{OWNER_TOKEN, Server};
use crate::stream;

/// Different questions, and readers per question.
const CASES: [(usize, usize); 5] = [(0, 0), (1, 10), (1, 500), (50, 1), (50, 10)];
const SERIES: usize = 1_000;
const RUN: Duration = Duration::from_secs(10);
const PACE: Duration = Duration::from_millis(50);

/// Measures each case on its own stream.
pub(crate) fn measure(server: &Server, report: &mut Report) {
    for (questions, readers) in CASES {
        let name = format!("live_{questions}_questions_{readers}_readers");
        eprintln!("{name}");
        let id = stream::create(server, &name);
        let point = |at: usize| format!(r#"{{"n":1,"v":{{"id":"{at}","country":"{}"}}}}"#, at % 20);
        let all: Vec<String> = (0..SERIES).map(point).collect();
        stream::write_all(server, &id, [format!("[{}]", all.join(","))].into_iter());
        let (is_over, received) = (AtomicBool::new(false), AtomicUsize::new(0));
        scope(|scope| {
            for at in 0..questions * readers {
                let mut socket = open(server, &id, at % questions);
                let (is_over, received) = (&is_over, &received);
                let read = move || {
                    while !is_over.load(Ordering::Relaxed)
                        && let Ok(message) = socket.read()
                    {
                        let got = received.fetch_add(1, Ordering::Relaxed);
                        if got.is_multiple_of(7) {
                            acknowledge(&mut socket, &message);
                        }
                    }
                };
                Builder::new().stack_size(256 << 10).spawn_scoped(scope, read).expect("a thread");
            }
            let before = (server.cpu_s(), received.load(Ordering::Relaxed));
            let (start, mut connection, mut body) = (Instant::now(), Connection::open(&server.address), Vec::new());
            for at in 0.. {
                let points: Vec<String> = (0..10).map(|more| point((at * 37 + more * 101) % SERIES)).collect();
                connection.send(&stream::writes(&id, &[format!("[{}]", points.join(","))])[0], &mut body);
                let Some(rest) = RUN.checked_sub(start.elapsed()) else { break };
                sleep(rest.min(PACE));
            }
            let seconds = start.elapsed().as_secs_f64();
            report.set(&format!("{name}_cpu_ms_per_s"), 1e3 * (server.cpu_s() - before.0) / seconds);
            report
                .set(&format!("{name}_messages_per_s"), to_f64(received.load(Ordering::Relaxed) - before.1) / seconds);
            is_over.store(true, Ordering::Relaxed);
            // A last message that shows readers the end.
            stream::write_all(server, &id, [point(0)].into_iter());
        });
    }
}

fn open(server: &Server, id: &str, question: usize) -> WebSocket<TcpStream> {
    let tcp = TcpStream::connect(&server.address).expect("the server accepts connections");
    tcp.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket has this option");
    let url = format!("ws://{}/v1/streams/{id}/live?by=country&where=id!%3D{question}", server.address);
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("Authorization", format!("Bearer {OWNER_TOKEN}").parse().expect("a header"));
    tungstenite::client(request, tcp).expect("an upgrade").0
}

fn acknowledge(socket: &mut WebSocket<TcpStream>, message: &Message) {
    let text = message.to_text().unwrap_or_default();
    let cursor = text.split("\"cursor\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    socket.send(Message::text(cursor)).ok();
}
