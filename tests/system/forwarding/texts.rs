//! Upstreams that deviate from app.net: they demand a text, or refuse machine-only messages, with any status.

use serde_json::Value;

use super::{SOON, assert_sums, forwarding, forwarding_on, is_done, points, start, until, write};
use crate::peer::{Exchange, Objection, Peer, Plan};
use crate::server::State;

use Objection::{MachineOnly, NoText};

fn peer_objecting_to(objections: &'static [Objection]) -> Peer {
    Peer::start(Plan { limit: 6_000, objections, ..Plan::default() })
}

/// The bodies of all posted messages, including refused ones.
fn posted(peer: &Peer) -> Vec<Value> {
    let is_message = |what: &str| what.starts_with("POST") && what.ends_with("/messages");
    peer.captured().iter().filter(|exchange| is_message(&exchange.what())).map(Exchange::body).collect()
}

#[test]
fn an_upstream_may_demand_text_with_any_status() {
    let demands: &[&'static [Objection]] = &[
        &[NoText(500, "Call requires text to be defined in JSON body")],
        &[NoText(400, "Bad Request: 'text' is required")],
        &[NoText(422, "Text can't be blank.")],
        &[NoText(403, "Messages must have a text")],
        &[NoText(503, "message.text is missing")],
    ];
    for objections in demands {
        let peer = peer_objecting_to(objections);
        let stream = forwarding(&peer.forward());
        let written = points(500, 500);
        write(&stream, &written);
        let status = until(&peer, &stream, SOON, is_done);
        assert_sums(&peer, &written);
        peer.assert_in_order();
        assert_eq!((&status["set_aside"]["points"], &status["last_error"]), (&0.into(), &Value::Null), "{status}");
        let posted = posted(&peer);
        assert_eq!(posted.len(), peer.stored() + 1, "{objections:?}: it refuses once");
        for body in &posted[1..] {
            assert!(body["text"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
            assert_eq!(body["machine_only"], true, "nobody reads them as texts");
        }
    }
}

#[test]
fn an_upstream_that_refuses_machine_only_gets_text() {
    let refusals: &[&'static [Objection]] = &[
        &[MachineOnly(400, "machine_only messages are disallowed here")],
        &[NoText(500, "Call requires text to be defined in JSON body"), MachineOnly(500, "Unknown key: machine_only")],
        &[MachineOnly(403, "Forbidden: machine only messages are not for you")],
    ];
    for objections in refusals {
        let peer = peer_objecting_to(objections);
        let stream = forwarding(&peer.forward());
        let written = points(200, 200);
        write(&stream, &written);
        let status = until(&peer, &stream, SOON, is_done);
        assert_sums(&peer, &written);
        assert_eq!(status["set_aside"]["points"], 0, "{status}");
        let last = posted(&peer).pop().expect("a message");
        assert!(last["text"].is_string() && last.get("machine_only").is_none(), "{last}");
    }
}

#[test]
fn an_upstream_gets_text_without_asking_for_it() {
    let peer = peer_objecting_to(&[NoText(500, "Internal Server Error")]);
    let stream = forwarding(&peer.forward());
    let written = points(40, 40);
    write(&stream, &written);
    until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &written);
}

#[test]
fn a_need_for_text_survives_a_restart_for_its_upstream_only() {
    let peer = peer_objecting_to(&[NoText(500, "Call requires text to be defined in JSON body")]);
    let server = start(State::new());
    let stream = forwarding_on(&server, &peer.forward());
    let written = points(60, 60);
    write(&stream, &written[..30]);
    until(&peer, &stream, SOON, is_done);
    let server = start(server.kill_9());
    let stream = stream.moved_to(&server);
    write(&stream, &written[30..]);
    until(&peer, &stream, SOON, |status| is_done(status) && status["delivered"]["points"] == 60);
    assert_sums(&peer, &written);
    assert_eq!(posted(&peer).len(), peer.stored() + 1, "it refuses once");
    let other = Peer::generous();
    super::patch(&stream, &other.forward()).expect(200);
    write(&stream, &written);
    until(&other, &stream, SOON, |status| is_done(status) && other.stored() > 0);
    assert!(
        posted(&other).iter().all(|body| body.get("text").is_none()),
        "another upstream's objection does not matter here"
    );
}

#[test]
fn a_refusal_unrelated_to_text_sets_the_points_aside() {
    let peer = peer_objecting_to(&[NoText(400, "Bad Request: the annotation's context is wrong")]);
    let stream = forwarding(&peer.forward());
    write(&stream, &points(3, 3));
    let status = until(&peer, &stream, SOON, is_done);
    assert_eq!(status["set_aside"]["points"], 3, "{status}");
    assert!(posted(&peer).iter().all(|body| body.get("text").is_none()));
}
