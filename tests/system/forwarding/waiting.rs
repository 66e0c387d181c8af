//! When forwarding is retried: when the upstream says, after growing waits, or immediately if the owner asks for it.

use serde_json::Value;

use super::{SOON, forwarding, is_done, is_in, last_error, points, retry, until, write};
use crate::clock::now_s;
use crate::peer::{Fault, Peer, Plan};

/// How late a retry may be on a slow and busy machine.
const LATE_S: f64 = 30.0;

/// How long it waits now, according to status.
fn wait_s(status: &Value) -> f64 {
    status["next_try"].as_f64().expect("Unix seconds") - now_s()
}

fn is_waiting(status: &Value) -> bool {
    is_in("waiting")(status) && status["next_try"].is_number()
}

fn without_rate_headers() -> Peer {
    Peer::start(Plan { limit: 6_000, rate_headers: false, ..Plan::default() })
}

#[test]
fn retry_after_is_obeyed() {
    let peer = without_rate_headers();
    peer.next([None, Some(Fault::RetryAfter(3))]);
    let stream = forwarding(&peer.forward());
    write(&stream, &points(1, 1));
    until(&peer, &stream, SOON, is_done);
    let times = peer.arrivals_s();
    assert!((3.0..3.0 + LATE_S).contains(&(times[2] - times[1])), "{times:?}");
}

#[test]
fn a_429_without_a_time_waits_a_minute_unless_retried() {
    let peer = without_rate_headers();
    peer.next([None, Some(Fault::TooMany)]);
    let stream = forwarding(&peer.forward());
    write(&stream, &points(1, 1));
    let status = until(&peer, &stream, SOON, is_waiting);
    assert!((30.0..=61.0).contains(&wait_s(&status)), "{status}");
    retry(&stream).expect(202);
    until(&peer, &stream, SOON, is_done);
    let times = peer.arrivals_s();
    assert!(times[2] - times[1] < 55.0, "{times:?}");
}

#[test]
fn an_absurd_retry_after_waits_at_most_an_hour() {
    let peer = without_rate_headers();
    peer.next([None, Some(Fault::RetryAfter(4_000_000))]);
    let stream = forwarding(&peer.forward());
    write(&stream, &points(1, 1));
    let status = until(&peer, &stream, SOON, is_waiting);
    assert!((3_500.0..=3_601.0).contains(&wait_s(&status)), "{status}");
}

#[test]
fn the_wait_grows_with_failures_and_a_success_resets_it() {
    let peer = without_rate_headers();
    let failures = [Fault::ServerError, Fault::Unavailable, Fault::Html, Fault::CutBefore];
    peer.next([None].into_iter().chain(failures.map(Some)));
    let stream = forwarding(&peer.forward());
    write(&stream, &points(1, 1));
    let status = until(&peer, &stream, SOON, is_waiting);
    assert!(!last_error(&status).is_empty() && !last_error(&status).contains("<!doctype"), "{status}");
    until(&peer, &stream, SOON, is_done);
    let waits = || peer.arrivals_s().windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<f64>>();
    // The waits after the channel is made: half fixed, half random, doubling from 1 s.
    for (wait, most) in waits()[1..5].iter().zip([1.0, 2.0, 4.0, 8.0]) {
        assert!((most / 2.0 - 0.1..most + LATE_S).contains(wait), "{:?}", waits());
    }
    // The fifth would be of at least 8 s. A slow machine may be that late, but not always.
    let after_success = (0..5).map(|_| {
        let before = peer.writes();
        peer.next([Some(Fault::ServerError)]);
        write(&stream, &points(1, 1));
        until(&peer, &stream, SOON, |status| is_done(status) && peer.writes() >= before + 2);
        waits()[before]
    });
    let shortest = after_success.take_while(|wait| *wait >= 7.9).count();
    assert!(shortest < 5 && waits()[6] >= 0.4, "{:?}", waits());
}

#[test]
fn a_manual_retry_skips_the_wait_after_failures_too() {
    let peer = without_rate_headers();
    peer.next([None].into_iter().chain([Some(Fault::ServerError); 9]));
    let stream = forwarding(&peer.forward());
    write(&stream, &points(1, 1));
    for tries in 3..=11 {
        until(&peer, &stream, SOON, |status| is_waiting(status) || is_done(status));
        retry(&stream).expect(202);
        peer.until(SOON, "it is tried", |peer| peer.writes() >= tries);
    }
    until(&peer, &stream, SOON, is_done);
    let times = peer.arrivals_s();
    assert!(times[10] - times[1] < 255.0, "nine waits would be at least 255 s: {times:?}");
}
