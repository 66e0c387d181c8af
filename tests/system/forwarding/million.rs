//! A burst that would take hours point by point is coarsened, and its sums stay exact.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{assert_same_sums, forwarding, is_done, until, without};
use crate::http::agent;
use crate::peer::{Peer, Plan, Sums};

const POINTS: usize = 1_000_000;
const BATCH: usize = 10_000;
const SETS: usize = 50;
const WRITERS: usize = 4;
const MINUTE: Duration = Duration::from_mins(1);
/// A minute, except for what a busy machine may delay the first write of it more than the last.
const MEASURED: Duration = Duration::from_secs(55);

fn numerator(index: usize) -> usize {
    index % 1_009
}

fn denominator(index: usize) -> usize {
    1 + index % 3
}

fn body(batch: usize) -> String {
    let point = |index: usize| {
        let (n, d, set) = (numerator(index), denominator(index), index % SETS);
        format!(r#"{{"n":{n},"d":{d},"v":{{"set":"{set}"}}}}"#)
    };
    let points: Vec<String> = (batch * BATCH..(batch + 1) * BATCH).map(point).collect();
    format!("[{}]", points.join(","))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn wanted() -> Sums {
    let mut sums = Sums::new();
    for index in 0..POINTS {
        let sum = sums.entry(json!({ "set": (index % SETS).to_string() }).to_string()).or_default();
        sum.0 += numerator(index) as f64;
        sum.1 += denominator(index) as f64;
    }
    sums
}

#[test]
fn a_million_points_arrive_within_the_limit_with_exact_sums() {
    let peer = Peer::start(Plan::default());
    let stream = forwarding(&without(&peer.forward(), "policy"));
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let stream = &stream;
            scope.spawn(move || {
                let agent = agent();
                for batch in (writer..POINTS / BATCH).step_by(WRITERS) {
                    let (body, deadline) = (body(batch), Instant::now() + 5 * MINUTE);
                    // A full queue refuses writes.
                    let key = format!("batch-{batch}");
                    let send = || stream.owned("POST", "/points").header("Idempotency-Key", &*key).body(&*body);
                    while send().send_over(&agent).expect("an answer").status != 202 {
                        assert!(Instant::now() < deadline, "the queue stays full");
                    }
                }
            });
        }
    });
    let status = until(&peer, &stream, 15 * MINUTE, is_done);
    assert_same_sums(&peer.sums(), &wanted());
    assert!(peer.max_writes_in_any(MEASURED) <= 20, "{}", peer.max_writes_in_any(MEASURED));
    assert_eq!(peer.exceeded(), 0);
    peer.assert_in_order();
    let coarsened = |field: &str| status["coarsened"][field].as_u64().expect("a count");
    let arrived: usize = peer.first_deliveries().iter().map(|batch| batch.points.len()).sum();
    assert!(coarsened("points") > 900_000, "{status}");
    assert_eq!(POINTS as u64 - coarsened("points") + coarsened("into"), arrived as u64, "{status}");
    assert_eq!(stream.total("count"), 1e6);
}
