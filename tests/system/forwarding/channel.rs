//! The channel that a stream forwards to: its own, made once, or one that the owner names.

use serde_json::{Value, json};

use super::{
    SOON, assert_sums, forwarding, forwarding_on, is_done, is_in, last_error, points, start, until, with, write,
};
use crate::http::call;
use crate::peer::{Dialect, Fault, Group, Peer, Plan};
use crate::server::State;

#[test]
fn a_channel_is_made_once_and_survives_a_restart() {
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
    assert_eq!((&access.readers, &access.writers), (&Group::default(), &Group::default()), "who may write may read");
    assert_eq!(status["warning"], Value::Null, "{status}");
}

#[test]
fn a_created_channel_is_private_to_its_token() {
    for dialect in [Dialect::AppNet, Dialect::Pnut] {
        let peer = Peer::start(Plan { dialect, limit: 6_000, ..Plan::default() });
        let stream = forwarding(&peer.forward());
        write(&stream, &points(5, 5));
        let status = until(&peer, &stream, SOON, is_done);
        let body = peer.captured().remove(0).body();
        let lists = match dialect {
            Dialect::AppNet => [&body["readers"], &body["writers"], &body["editors"]],
            Dialect::Pnut => [&body["acl"]["read"], &body["acl"]["write"], &body["acl"]["full"]],
        };
        for list in lists {
            let opens = |name: &str| list.get(name).is_some_and(|value| *value != json!(false) && *value != json!([]));
            assert!(!["any_user", "public", "user_ids"].into_iter().any(opens), "{dialect:?}: {body}");
        }
        let path = format!("{}/channels/{}", peer.root(), status["channel"].as_str().expect("an id"));
        for rest in ["", "/messages"] {
            call("GET", format!("{path}{rest}")).bearer(&peer.token).send().expect(200);
            call("GET", format!("{path}{rest}")).bearer(&peer.other_token).send().expect(403);
        }
    }
}

#[test]
fn a_publicly_readable_channel_is_warned_about() {
    let any_user = || Group { any_user: true, ..Group::default() };
    let public = || Group { public: true, ..Group::default() };
    let listed = || Group { user_ids: vec!["2".into()], ..Group::default() };
    for dialect in [Dialect::AppNet, Dialect::Pnut] {
        let peer = Peer::start(Plan { dialect, limit: 6_000, ..Plan::default() });
        for (readers, writers, words) in [
            (Group::default(), any_user(), Some("every user of the upstream")),
            (any_user(), Group::default(), Some("every user of the upstream")),
            (public(), Group::default(), Some("everyone")),
            (listed(), Group::default(), Some("users other than the token's")),
            (Group::default(), listed(), Some("users other than the token's")),
            (Group::default(), Group::default(), None),
        ] {
            let what = format!("{dialect:?} {readers:?} {writers:?}");
            let channel = peer.add_channel(1, readers, writers);
            let stream = forwarding(&with(&peer.forward(), "channel", channel));
            write(&stream, &points(5, 5));
            let status = until(&peer, &stream, SOON, |status| is_done(status) && status["delivered"]["points"] == 5);
            match words {
                Some(words) => {
                    assert!(
                        status["warning"].as_str().is_some_and(|warning| warning.contains(words)),
                        "{what}: {status}"
                    );
                }
                None => assert_eq!(status["warning"], Value::Null, "{what}"),
            }
        }
    }
}

#[test]
fn a_channel_is_made_despite_failed_first_answers() {
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
fn a_channel_named_by_the_owner_is_checked_first() {
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
fn a_read_only_channel_pauses_before_any_write() {
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
