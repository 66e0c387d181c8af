//! An upstream's token appears nowhere: in no answer, no line of the log, no error and no file.

use std::path::Path;

use serde_json::{Value, json};

use super::{SOON, forwarding_on, is_done, is_in, patch, points, retry, start, until, with, without, write};
use crate::http::{Answer, call};
use crate::peer::{Fault, Peer, Plan, TOKENS_BEGIN};
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// Everything that was said, each with its place.
#[derive(Default)]
struct Said(Vec<(String, Vec<u8>)>);

impl Said {
    fn answer(&mut self, place: &str, answer: &Answer) {
        let headers = format!("{:?}", answer.headers).into_bytes();
        self.0.push((place.to_owned(), [headers, answer.body.clone()].concat()));
    }

    /// All files below a folder.
    fn files(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                self.files(&path);
            } else {
                self.0.push((path.display().to_string(), std::fs::read(&path).expect("readable")));
            }
        }
    }

    /// Everything that can be read from a stream and its server.
    fn everything(&mut self, server: &Server, stream: &Stream) {
        for path in ["", "/status", "/rollup", "/labels"] {
            for call in [stream.owned("GET", path), stream.call("GET", path).bearer(&stream.read_key)] {
                self.answer(path, &call.send());
            }
        }
        self.answer("list", &call("GET", format!("{}/v1/streams", server.url)).bearer(OWNER_TOKEN).send());
    }

    fn shows(&self, text: &str) -> Vec<&str> {
        let shows = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        self.0.iter().filter(|(_, bytes)| shows(bytes)).map(|(place, _)| place.as_str()).collect()
    }
}

/// Refused configurations that contain the token somewhere.
fn refused(good: &Value, root: &str, token: &str) -> Vec<Value> {
    vec![
        json!(token),
        json!([token]),
        with(good, "token", json!([token])),
        with(good, "token", json!({ "token": token })),
        with(good, "token", format!("{token}\n")),
        with(good, "token", format!("Bearer {token}")),
        with(good, "token", token.repeat(50)),
        with(good, "api_root", format!("https://{token}@alpha-api.app.net/stream/0")),
        with(good, "api_root", format!("{root}?access_token={token}")),
        with(good, "dialect", 7),
        with(good, "channel", format!("12?access_token={token}")),
    ]
}

#[test]
fn the_token_appears_in_no_answer_log_error_or_file() {
    let peer = Peer::start(Plan { limit: 6_000, ..Plan::default() });
    let (server, mut said) = (start(State::new()), Said::default());
    let stream = forwarding_on(&server, &peer.forward());
    said.everything(&server, &stream);
    write(&stream, &points(100, 100));
    until(&peer, &stream, SOON, is_done);
    said.everything(&server, &stream);
    for fault in
        [Fault::Telltale, Fault::Html, Fault::CutInside, Fault::Redirect, Fault::Status(401), Fault::Status(400)]
    {
        peer.next([Some(fault)]);
        write(&stream, &points(10, 10));
        let status = until(&peer, &stream, SOON, |status| !status["last_error"].is_null() || is_done(status));
        said.0.push((format!("{fault:?}"), status.to_string().into_bytes()));
        said.everything(&server, &stream);
        said.answer("retry", &retry(&stream).expect(202));
        until(&peer, &stream, SOON, is_done);
    }
    for forward in refused(&peer.forward(), &peer.root(), &peer.token) {
        said.answer("patch", &patch(&stream, &forward).expect(400));
        let create = call("POST", format!("{}/v1/streams", server.url)).bearer(OWNER_TOKEN);
        said.answer("create", &create.body(json!({ "name": "x", "forward": forward }).to_string()).send().expect(400));
    }
    said.answer("patch", &patch(&stream, &without(&peer.forward(), "token")).expect(200));
    said.answer("patch", &patch(&stream, &with(&peer.forward(), "token", peer.other_token.clone())).expect(200));
    peer.revoke(&peer.other_token);
    write(&stream, &points(10, 10));
    until(&peer, &stream, SOON, is_in("paused"));
    said.everything(&server, &stream);
    said.0.push(("log".to_owned(), server.log().into_bytes()));
    let state = server.kill_9();
    said.files(state.path());
    assert_eq!(said.shows(TOKENS_BEGIN), Vec::<&str>::new());
    for token in [&peer.token, &peer.other_token] {
        let sent = peer.captured().iter().any(|exchange| String::from_utf8_lossy(&exchange.received).contains(token));
        assert!(sent, "the upstream did not get the token");
    }
    // Files are not compressed, so a token would be found.
    assert!(!said.shows(&stream.id).is_empty() && !said.shows(&peer.root()).is_empty());
}

#[test]
fn the_token_is_sent_only_in_the_authorization_header() {
    let peer = Peer::generous();
    let stream = super::forwarding(&peer.forward());
    write(&stream, &points(100, 100));
    until(&peer, &stream, SOON, is_done);
    for exchange in peer.captured() {
        let text = String::from_utf8(exchange.received).expect("UTF-8");
        let header = format!("authorization: bearer {}\r\n", peer.token.to_lowercase());
        assert_eq!(text.to_lowercase().matches(&header).count(), 1, "{text}");
        assert_eq!(text.matches(&peer.token).count(), 1, "{text}");
    }
}
