//! The channel that a stream forwards to: its own, made once, or one that the owner names.

use serde_json::{Value, json};

use super::{
    SOON, assert_sums, forwarding, forwarding_on, is_done, is_in, last_error, points, start, until, with, write,
};
use crate::peer::{Fault, Group, Peer};
use crate::server::State;

#[test]
fn a_channel_is_made_once_and_outlives_a_restart() {
    let peer = Peer::generous();
    let server = start(State::new());
    let stream = forwarding_on(&server, &peer.forward());
    let written = points(40, 10);
    write(&stream, &written[..20]);
    let before = until(&peer, &stream, SOON, is_done)["channel"].clone();
    let server = start(server.kill_9());
    let stream = stream.moved_to(&server);
    write(&stream, &written[20..]);
    let status = until(&peer, &stream, SOON, |status| is_done(status) && peer.stored() >= 2);
    assert_sums(&peer, &written);
    let (id, access) = peer.channels().pop_first().expect("one");
    assert_eq!((peer.channels().len(), &status["channel"], &before), (1, &json!(id), &json!(id)));
    assert_eq!(access.kind, "net.app.contrib.timeseries");
    assert!(access.writers.any_user && access.readers == Group::default(), "{access:?}");
}

#[test]
fn a_channel_is_made_although_the_first_answers_fail() {
    let peer = Peer::generous();
    peer.next([Some(Fault::ServerError), Some(Fault::CutBefore), Some(Fault::Html), Some(Fault::NumericIds)]);
    let stream = forwarding(&peer.forward());
    let written = points(5, 5);
    write(&stream, &written);
    until(&peer, &stream, SOON, is_done);
    assert_sums(&peer, &written);
    assert_eq!(peer.channels().len(), 1);
}

#[test]
fn a_channel_that_the_owner_names_is_checked_and_then_used() {
    let peer = Peer::generous();
    peer.add_channel(1, Group::default(), Group::default());
    for writers in
        [Group { any_user: true, ..Group::default() }, Group { user_ids: vec!["1".into()], ..Group::default() }]
    {
        let channel = peer.add_channel(2, Group::default(), writers);
        let number: Value = json!(channel.parse::<u64>().expect("a number"));
        let stream = forwarding(&with(&peer.forward(), "channel", number));
        let before = peer.requests().len();
        write(&stream, &points(5, 5));
        until(&peer, &stream, SOON, |status| is_done(status) && peer.requests().len() > before + 1);
        let path = format!("/stream/0/channels/{channel}");
        assert_eq!(peer.requests()[before..before + 2], [format!("GET {path}"), format!("POST {path}/messages")]);
        assert_eq!(peer.batches().pop().map(|batch| batch.channel), Some(channel));
    }
    assert_eq!(peer.channels().len(), 3);
}

#[test]
fn a_channel_that_can_not_be_written_to_pauses_before_anything_is_written() {
    let peer = Peer::generous();
    let closed = peer.add_channel(2, Group::default(), Group::default());
    let readable = peer.add_channel(2, Group { any_user: true, ..Group::default() }, Group::default());
    let reasons = [(closed.as_str(), "Forbidden"), ("999", "Channel not found"), (&readable, "")];
    for (channel, reason) in reasons {
        let stream = forwarding(&with(&peer.forward(), "channel", channel));
        write(&stream, &points(5, 5));
        let status = until(&peer, &stream, SOON, is_in("paused"));
        assert!(last_error(&status).contains(reason), "{status}");
        assert_eq!(status["pending"]["points"], 5, "{status}");
    }
    assert_eq!((peer.writes(), peer.stored()), (0, 0));
}
