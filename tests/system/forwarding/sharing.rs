//! Streams that share a token share its limit, which is 20 writes per minute by default.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{SOON, assert_sums, forward_status, forwarding, is_done, retry, until, without, write};
use crate::peer::{Peer, Plan};
use crate::stream::Stream;

const MINUTE: Duration = Duration::from_mins(1);
/// A minute, except for what a busy machine may delay the first write of it more than the last.
const MEASURED: Duration = Duration::from_secs(55);
const STREAMS: usize = 5;
const LIMIT: usize = 20;
/// The test is mostly idle: a window and half of the next, if the machine is not slow.
const PATIENCE: Duration = Duration::from_mins(6);

/// How many messages each stream has.
fn messages(peer: &Peer) -> BTreeMap<String, usize> {
    let mut messages = BTreeMap::new();
    for batch in peer.batches() {
        *messages.entry(batch.source().to_owned()).or_default() += 1;
    }
    messages
}

#[test]
fn five_streams_on_one_token_share_20_writes_per_minute() {
    // The upstream states no limit, so the default of 20 per minute applies.
    let peer = Peer::start(Plan { rate_headers: false, window: MEASURED, ..Plan::default() });
    let streams: Vec<Stream> = (0..STREAMS).map(|_| forwarding(&without(&peer.forward(), "policy"))).collect();
    let (deadline, mut written) = (Instant::now() + PATIENCE, Vec::new());
    let has_enough = |messages: &BTreeMap<String, usize>| {
        messages.len() == STREAMS && messages.values().all(|count| *count >= 3) && peer.writes() > LIMIT * 3 / 2
    };
    while !has_enough(&messages(&peer)) {
        assert!(Instant::now() < deadline, "{:?} after {} writes", messages(&peer), peer.writes());
        // Each stream always has something to send.
        for (number, stream) in streams.iter().enumerate() {
            let point = json!({ "n": written.len(), "v": { "stream": number.to_string() } });
            write(stream, std::slice::from_ref(&point));
            written.push(point);
        }
        peer.until_something_happens(Duration::from_secs(1));
    }
    assert!(peer.max_writes_in_any(MEASURED) <= LIMIT, "{}", peer.max_writes_in_any(MEASURED));
    assert_eq!(peer.exceeded(), 0);
    peer.assert_in_order();
    // An impatient owner does not raise the rate.
    for stream in &streams {
        retry(stream).expect(202);
    }
    let all_done = |_: &Peer| streams.iter().all(|stream| forward_status(stream)["pending"]["points"] == 0);
    peer.until(6 * MINUTE, "the rest arrives", all_done);
    assert!(peer.max_writes_in_any(MEASURED) <= LIMIT, "{}", peer.max_writes_in_any(MEASURED));
    assert_eq!(peer.exceeded(), 0);
    assert_sums(&peer, &written);
}

#[test]
fn the_upstreams_stated_limit_is_obeyed() {
    // Below the limit that the owner set.
    let window = Duration::from_secs(4);
    let peer = Peer::start(Plan { limit: 3, window, ..Plan::default() });
    let stream = forwarding(&peer.forward());
    let (deadline, mut written) = (Instant::now() + 5 * MINUTE, Vec::new());
    while peer.stored() < 10 {
        assert!(Instant::now() < deadline, "{:?}", peer.arrivals_s());
        let point = json!({ "n": written.len() });
        write(&stream, std::slice::from_ref(&point));
        written.push(point);
        peer.until_something_happens(Duration::from_millis(500));
    }
    assert_eq!(peer.exceeded(), 0, "{:?}", peer.arrivals_s());
    until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &written);
}
