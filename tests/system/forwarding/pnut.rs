//! pnut's dialect: text is required, annotations are a map of lists, and exceeding the limit costs ten minutes.

use std::time::Duration;

use serde_json::json;

use super::{SOON, assert_sums, forwarding, is_done, is_in, last_error, points, until, with, write};
use crate::clock::now_s;
use crate::peer::{Dialect, Fault, Group, Peer, Plan};

fn pnut(plan: Plan) -> Peer {
    Peer::start(Plan { dialect: Dialect::Pnut, ..plan })
}

#[test]
fn points_arrive_at_pnut() {
    let peer = pnut(Plan { limit: 6_000, ..Plan::default() });
    let stream = forwarding(&peer.forward());
    let written = points(500, 500);
    write(&stream, &written);
    let status = until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &written);
    peer.assert_in_order();
    assert_eq!(status["dialect"], "pnut");
    let (id, access) = peer.channels().pop_first().expect("one");
    assert_eq!(status["channel"], json!(id));
    assert_eq!((&access.readers, &access.writers), (&Group::default(), &Group::default()), "who may write may read");
    let posted = peer.captured().pop().expect("a message").body();
    assert!(posted["text"].as_str().is_some_and(|text| !text.is_empty()), "{posted}");
    assert!(posted["raw"]["net.app.contrib.timeseries"].is_array() && posted.get("annotations").is_none(), "{posted}");
}

#[test]
fn faults_of_pnut_lose_nothing() {
    let peer = pnut(Plan { limit: 6_000, always: &[Fault::NumericIds, Fault::NoPaging], ..Plan::default() });
    peer.next([None, Some(Fault::RetryIn(1)), Some(Fault::CutAfter), Some(Fault::Html), Some(Fault::ServerError)]);
    let stream = forwarding(&peer.forward());
    let written = points(50, 50);
    write(&stream, &written);
    until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &written);
}

#[test]
fn a_named_channel_of_pnut_is_checked() {
    let peer = pnut(Plan { limit: 6_000, ..Plan::default() });
    let open = peer.add_channel(2, Group::default(), Group { any_user: true, ..Group::default() });
    let stream = forwarding(&with(&peer.forward(), "channel", open));
    let written = points(5, 5);
    write(&stream, &written);
    until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &written);
    let closed = peer.add_channel(2, Group::default(), Group::default());
    let stream = forwarding(&with(&peer.forward(), "channel", closed));
    write(&stream, &written);
    let status = until(&peer, &stream, SOON, is_in("paused"));
    assert!(last_error(&status).contains("Forbidden"), "{status}");
}

#[test]
fn a_pnut_429_without_a_time_waits_ten_minutes() {
    let peer = pnut(Plan { limit: 6_000, rate_headers: false, ..Plan::default() });
    peer.next([None, Some(Fault::TooMany)]);
    let stream = forwarding(&peer.forward());
    write(&stream, &points(1, 1));
    let status = until(&peer, &stream, SOON, |status| is_in("waiting")(status) && status["next_try"].is_number());
    let wait = status["next_try"].as_f64().expect("Unix seconds") - now_s();
    assert!((570.0..=605.0).contains(&wait), "{status}");
}

#[test]
fn retry_in_from_pnut_is_obeyed() {
    let peer = pnut(Plan { limit: 6_000, rate_headers: false, ..Plan::default() });
    peer.next([None, Some(Fault::RetryIn(3))]);
    let stream = forwarding(&peer.forward());
    write(&stream, &points(1, 1));
    until(&peer, &stream, SOON, is_done);
    let times = peer.arrivals_s();
    let wait = times[2] - times[1];
    assert!((3.0..13.0).contains(&wait), "{times:?} within {:?}", Duration::from_secs(10));
}
