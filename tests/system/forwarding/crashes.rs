//! A kill -9 at any moment loses nothing, and a repeat is the same batch under the same id.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{SOON, assert_sums, forwarding_on, is_done, point, start, until};
use crate::http::agent;
use crate::peer::{Fault, Peer, Random};
use crate::server::State;
use crate::stream::Stream;

const ROUNDS: u64 = 20;
const BATCH: usize = 25;
const SETS: usize = 300;

/// Batches of a writer that sends each until it is answered.
#[derive(Default)]
struct Writer {
    answered: usize,
}

impl Writer {
    fn points(batch: usize) -> Vec<Value> {
        (batch * BATCH..(batch + 1) * BATCH).map(|index| point(index, SETS)).collect()
    }

    fn send_next(&mut self, stream: &Stream, agent: &ureq::Agent) -> bool {
        let body = json!(Self::points(self.answered)).to_string();
        let key = format!("batch-{}", self.answered);
        let sent = stream.call("POST", "/points").header("Idempotency-Key", key).body(body).send_over(agent);
        let is_answered = sent.is_ok_and(|answer| answer.expect(202).json()["accepted"] == BATCH);
        self.answered += usize::from(is_answered);
        is_answered
    }

    fn written(&self) -> Vec<Value> {
        (0..self.answered).flat_map(Self::points).collect()
    }
}

/// Waits for the moment to kill: within a request or anywhere.
fn wait_for_the_moment(peer: &Peer, random: &mut Random) {
    let hang = [Some(Fault::Hang), Some(Fault::HangAfter), None, None];
    let before = peer.writes();
    if let Some(hang) = hang[usize::try_from(random.below(4)).expect("small")] {
        peer.next([Some(hang)]);
        peer.until(SOON, "a request hangs", |peer| peer.hanging() > 0);
    } else {
        let more = usize::try_from(1 + random.below(6)).expect("small");
        peer.until(SOON, "messages come", |peer| peer.writes() >= before + more);
        peer.until_something_happens(Duration::from_micros(random.below(20_000)));
    }
}

#[test]
fn kill_9_repeats_only_identical_batches_and_loses_nothing() {
    let peer = Peer::generous();
    let mut random = Random(7);
    let mut server = start(State::new());
    let mut stream = forwarding_on(&server, &peer.forward());
    let mut writer = Writer::default();
    // The channel exists already, so no other is made.
    assert!(writer.send_next(&stream, &agent()));
    until(&peer, &stream, SOON, is_done);
    for _ in 0..ROUNDS {
        let is_over = AtomicBool::new(false);
        let state = std::thread::scope(|scope| {
            let (stream, writer, is_over) = (&stream, &mut writer, &is_over);
            scope.spawn(move || {
                let agent = agent();
                while writer.send_next(stream, &agent) && !is_over.load(Ordering::Relaxed) {}
            });
            wait_for_the_moment(&peer, &mut random);
            is_over.store(true, Ordering::Relaxed);
            server.kill_9()
        });
        server = start(state);
        stream = stream.moved_to(&server);
        assert!(writer.send_next(&stream, &agent()), "the retry is answered");
    }
    until(&peer, &stream, 3 * SOON, is_done);
    assert_sums(&peer, &writer.written());
    peer.assert_in_order();
    assert_eq!(peer.channels().len(), 1, "the channel was remembered");
    assert!(peer.stored() > peer.first_deliveries().len(), "some came twice");
}

#[test]
fn a_crash_during_creation_leaves_at_most_an_empty_channel() {
    let peer = Peer::generous();
    peer.next([Some(Fault::HangAfter)]);
    let server = start(State::new());
    let stream = forwarding_on(&server, &peer.forward());
    let mut writer = Writer::default();
    assert!(writer.send_next(&stream, &agent()));
    peer.until(SOON, "the channel is there", |peer| peer.hanging() == 1);
    let server = start(server.kill_9());
    let stream = stream.moved_to(&server);
    until(&peer, &stream, 2 * SOON, is_done);
    assert_sums(&peer, &writer.written());
    let used: std::collections::BTreeSet<String> = peer.batches().into_iter().map(|batch| batch.channel).collect();
    assert_eq!((peer.channels().len(), used.len()), (2, 1));
}
