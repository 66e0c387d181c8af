//! An upstream that does not answer delays no writer and no reader.

use std::time::Instant;

use serde_json::json;

use super::{SOON, assert_sums, forwarding, is_done, points, until, write};
use crate::peer::{Fault, Peer};

const WRITES: usize = 100;
/// How many of them a slow machine answers before the client gives up.
const ENOUGH: usize = 10;

#[test]
fn writes_and_reads_are_answered_while_the_upstream_hangs() {
    let peer = Peer::generous();
    peer.next([None, Some(Fault::Hang)]);
    let stream = forwarding(&peer.forward());
    let mut written = points(1, 1);
    write(&stream, &written);
    peer.until(SOON, "a message hangs", |peer| peer.hanging() == 1);
    let (start, mut meanwhile) = (Instant::now(), 0);
    for index in 0..WRITES {
        let point = json!({ "n": index });
        write(&stream, std::slice::from_ref(&point));
        written.push(point);
        if peer.hanging() == 0 {
            // On a slow machine the client gives up in between.
            break;
        }
        meanwhile += 1;
    }
    // If writes waited for the upstream, none would be answered while it hangs.
    assert!(meanwhile >= ENOUGH, "only {meanwhile} writes in {:?}", start.elapsed());
    assert_eq!(stream.total("count").to_string(), written.len().to_string());
    let status = until(&peer, &stream, 2 * SOON, is_done);
    assert_sums(&peer, &written);
    assert_eq!(peer.failed()[&Fault::Hang], 1, "{status}");
}

#[test]
fn an_endless_answer_is_cut_off() {
    let peer = Peer::generous();
    peer.next([None, Some(Fault::Endless)]);
    let stream = forwarding(&peer.forward());
    let written = points(10, 10);
    write(&stream, &written);
    until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &written);
}

#[test]
fn streams_with_a_hanging_upstream_delay_no_other() {
    let (stuck, peer) = (Peer::generous(), Peer::generous());
    stuck.next([Some(Fault::Hang); 8]);
    for _ in 0..8 {
        let stream = forwarding(&stuck.forward());
        write(&stream, &points(1, 1));
    }
    stuck.until(SOON, "all hang", |stuck| stuck.hanging() == 8);
    let stream = forwarding(&peer.forward());
    let written = points(10, 10);
    write(&stream, &written);
    until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &written);
}
