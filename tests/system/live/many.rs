//! Many readers while many write: each reader's own sum is that of the rollup.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::socket::{Event, Reader};
use crate::http::agent;
use crate::server::{Server, State};
use crate::stream::Stream;

const READERS: usize = 500;
const WRITERS: u32 = 10;
const WRITES_PER_WRITER: u32 = 100;
/// 100 writes per second over all writers.
const PACE: Duration = Duration::from_millis(100);
const QUERIES: [&str; 3] = ["by=who&agg=count", "", "by=who&agg=max"];

#[test]
fn five_hundred_readers_match_the_rollup_under_load() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let is_over = AtomicBool::new(false);
    let total = f64::from(WRITERS * WRITES_PER_WRITER);
    std::thread::scope(|scope| {
        for who in 0..WRITERS {
            let stream = &stream;
            scope.spawn(move || {
                let (agent, (_keep, never)) = (agent(), channel::<()>());
                let start = Instant::now();
                for at in 0..WRITES_PER_WRITER {
                    let body = format!(r#"{{"n":{}.5,"v":{{"who":"{who}"}}}}"#, at % 10);
                    stream.call("POST", "/points").body(body).send_over(&agent).expect("an answer").expect(202);
                    never.recv_timeout((PACE * (at + 1)).saturating_sub(start.elapsed())).ok();
                }
            });
        }
        let readers: Vec<_> = (0..READERS)
            .map(|at| {
                let (stream, is_over) = (&stream, &is_over);
                let read = move || {
                    let mut reader = Reader::of(stream, QUERIES[at % QUERIES.len()]);
                    while reader.view.count() < total - 0.5 && !is_over.load(Ordering::Relaxed) {
                        match reader.next() {
                            Event::Message(_) => (),
                            // It acknowledges too slowly, and goes on where it was.
                            Event::Closed(Some(4008)) => reader = reader.again(stream, QUERIES[at % QUERIES.len()]),
                            other => panic!("{other:?} in mid-view"),
                        }
                    }
                    reader
                };
                std::thread::Builder::new().stack_size(512 << 10).spawn_scoped(scope, read).expect("a thread")
            })
            .collect();
        let views: Vec<_> = readers.into_iter().map(|reader| reader.join().expect("reads").view).collect();
        for (at, view) in views.iter().enumerate() {
            let query = QUERIES[at % QUERIES.len()];
            assert!((view.count() - total).abs() < 0.5, "{} is not {total}", view.count());
            assert_eq!(view.snapshots, 1);
            // Reading a rollup for each would take longer than everything else.
            if at < 2 * QUERIES.len() || at > READERS - QUERIES.len() {
                let wants_max = if query.ends_with("max") { ",max" } else { "" };
                let by = if query.is_empty() { "" } else { "by=who" };
                view.assert_rollup(&stream, &format!("{by}&agg=sum,count{wants_max}"));
            }
        }
    });
}
