//! Faults that only the owner can fix pause forwarding until the owner changes it or asks for a retry; nothing is lost.

use serde_json::{Value, json};

use super::{
    SOON, assert_sums, forward_status, forwarding, is_done, is_in, last_error, patch, points, retry, until, with,
    without, write,
};
use crate::peer::{Fault, Group, Peer, Plan};

/// Checks that nothing reaches the upstream while points are written.
#[track_caller]
fn assert_paused_without_requests(peer: &Peer, stream: &crate::stream::Stream, more: &[Value]) {
    let requests = peer.requests().len();
    write(stream, more);
    let status = forward_status(stream);
    assert_eq!((&status["state"], &status["next_try"]), (&json!("paused"), &Value::Null), "{status}");
    assert!(status["pending"]["points"].as_u64() >= Some(more.len() as u64), "{status}");
    assert_eq!(peer.requests().len(), requests);
}

#[test]
fn a_revoked_token_pauses_and_a_new_one_resumes() {
    let peer = Peer::generous();
    let channel = peer.add_channel(1, Group::default(), Group { any_user: true, ..Group::default() });
    let forward = with(&peer.forward(), "channel", channel.clone());
    let stream = forwarding(&forward);
    let written = points(100, 10);
    write(&stream, &written[..40]);
    until(&peer, &stream, SOON, is_done);
    peer.revoke(&peer.token);
    write(&stream, &written[40..80]);
    let status = until(&peer, &stream, SOON, is_in("paused"));
    assert!(last_error(&status).contains("authentication"), "{status}");
    assert_eq!(status["channel"], json!(channel), "{status}");
    assert_paused_without_requests(&peer, &stream, &written[80..]);
    patch(&stream, &with(&forward, "token", peer.other_token.clone())).expect(200);
    until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &written);
    peer.assert_in_order();
}

#[test]
fn resaving_without_the_token_detects_its_recovery() {
    let peer = Peer::generous();
    let stream = forwarding(&peer.forward());
    let written = points(50, 10);
    write(&stream, &written[..20]);
    until(&peer, &stream, SOON, is_done);
    peer.revoke(&peer.token);
    write(&stream, &written[20..]);
    until(&peer, &stream, SOON, is_in("paused"));
    peer.admit(&peer.token, 1);
    patch(&stream, &without(&peer.forward(), "token")).expect(200);
    until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &written);
    assert_eq!(peer.channels().len(), 1, "the channel that it made is still the one");
}

#[test]
fn statuses_that_need_the_owner_pause_until_a_retry() {
    let peer = Peer::generous();
    let stream = forwarding(&peer.forward());
    let mut written = points(10, 10);
    write(&stream, &written);
    until(&peer, &stream, SOON, is_done);
    for status in [401, 403, 404, 405, 410] {
        peer.next([Some(Fault::Status(status))]);
        let more = points(10, 10);
        write(&stream, &more);
        written.extend(more);
        let seen = until(&peer, &stream, SOON, is_in("paused"));
        assert!(last_error(&seen).contains(&status.to_string()), "{seen}");
        let more = points(10, 10);
        assert_paused_without_requests(&peer, &stream, &more);
        written.extend(more);
        retry(&stream).expect(202);
        until(&peer, &stream, SOON, is_done);
    }
    assert_sums(&peer, &written);
}

#[test]
fn forwarding_pauses_if_its_channel_loses_its_writers() {
    let peer = Peer::generous();
    let channel = peer.add_channel(2, Group::default(), Group { any_user: true, ..Group::default() });
    let stream = forwarding(&with(&peer.forward(), "channel", channel.clone()));
    let written = points(20, 10);
    write(&stream, &written[..10]);
    until(&peer, &stream, SOON, is_done);
    peer.give_channel(&channel, 2, Group::default());
    write(&stream, &written[10..]);
    let status = until(&peer, &stream, SOON, is_in("paused"));
    assert!(last_error(&status).contains("may not write"), "{status}");
    peer.give_channel(&channel, 2, Group { user_ids: vec!["1".to_owned()], ..Group::default() });
    retry(&stream).expect(202);
    until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &written);
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Peer::generous();
    let peer = Peer::start(Plan { limit: 6_000, redirect_to: elsewhere.root(), ..Plan::default() });
    let stream = forwarding(&peer.forward());
    let written = points(10, 10);
    for within_messages in [false, true] {
        if within_messages {
            retry(&stream).expect(202);
            until(&peer, &stream, SOON, is_done);
        }
        peer.next([Some(Fault::Redirect)]);
        write(&stream, &written);
        let status = until(&peer, &stream, SOON, is_in("paused"));
        assert!(last_error(&status).contains("302"), "{status}");
    }
    retry(&stream).expect(202);
    until(&peer, &stream, SOON, is_done);
    assert_eq!(elsewhere.requests(), Vec::<String>::new());
    assert_sums(&peer, &[written.clone(), written].concat());
}
