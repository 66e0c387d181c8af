//! A point that the upstream refuses is set aside, and all others arrive.

use serde_json::{Value, json};

use super::{SOON, assert_sums, forwarding, is_done, points, until, write};
use crate::peer::{Fault, Peer, Plan};

fn peer_with_an_offender() -> Peer {
    Peer::start(Plan { limit: 6_000, offender: Some(("mood", "bad")), ..Plan::default() })
}

fn offending_point(n: u32) -> Value {
    json!({ "n": n, "v": { "mood": "bad" } })
}

#[test]
fn a_refused_point_is_set_aside_and_the_rest_arrive_in_order() {
    let peer = peer_with_an_offender();
    let stream = forwarding(&peer.forward());
    let mut written = points(500, 500);
    let good = written.clone();
    for (at, n) in [(0, 1), (250, 2), (251, 3), (503, 4)] {
        written.insert(at, offending_point(n));
    }
    write(&stream, &written);
    let status = until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &good);
    assert_eq!(status["set_aside"]["points"], 4, "{status}");
    let recent = status["set_aside"]["recent"].as_array().expect("a list");
    let mut aside: Vec<&Value> = recent.iter().map(|kept| &kept["point"]["n"]).collect();
    aside.sort_by_key(|n| n.as_u64());
    assert_eq!(aside, [1, 2, 3, 4]);
    for kept in recent {
        assert_eq!(kept["point"]["v"], json!({ "mood": "bad" }));
        assert!(kept["reason"].as_str().is_some_and(|reason| reason.contains("offends us")), "{kept}");
        assert!(kept["at"].is_number(), "{kept}");
    }
    let order: Vec<Value> =
        peer.first_deliveries().into_iter().flat_map(|batch| batch.points).map(|point| point["n"].clone()).collect();
    assert_eq!(order, good.iter().map(|point| point["n"].clone()).collect::<Vec<_>>());
    let ids: std::collections::BTreeSet<String> = peer.batches().into_iter().map(|batch| batch.id).collect();
    assert_eq!(ids.len(), peer.stored(), "parts have ids of their own");
}

#[test]
fn a_split_message_arrives_once_though_answers_are_lost() {
    let peer = peer_with_an_offender();
    let stream = forwarding(&peer.forward());
    let good = points(60, 60);
    let mut written = good.clone();
    written.insert(20, offending_point(9));
    // The whole message is refused; the answer to its first part is lost.
    peer.next([None, None, Some(Fault::CutAfter)]);
    write(&stream, &written);
    let status = until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &good);
    assert_eq!(status["set_aside"]["points"], 1, "{status}");
    peer.first_deliveries();
}

#[test]
fn a_stream_of_offenders_proceeds_and_lists_the_latest() {
    let peer = peer_with_an_offender();
    let stream = forwarding(&peer.forward());
    let written: Vec<Value> = (0..300).map(offending_point).collect();
    write(&stream, &written);
    let good = [json!({ "n": 1 })];
    write(&stream, &good);
    let status = until(&peer, &stream, 2 * SOON, is_done);
    assert_sums(&peer, &good);
    assert_eq!(status["set_aside"]["points"], 300, "{status}");
    let recent = status["set_aside"]["recent"].as_array().expect("a list");
    assert!((1..300).contains(&recent.len()), "it is bounded: {}", recent.len());
}
