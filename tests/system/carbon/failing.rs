//! A carbon that fails, and what follows.

use serde_json::json;

use super::double::{Carbon, Manner, config};
use super::{SOON, is_done, last_error, pushing, shared, until};
use crate::ports;
use crate::stream::Stream;

/// Writes one point to a stream whose carbon first fails in this way; returns what is reported about the failure.
fn error_reported_for(manner: Manner) -> String {
    // Each wait is twice as long as the one before, so a slow machine sees one.
    let failures = if manner == Manner::Hangs { 2 } else { 4 };
    let carbon = Carbon::start(&vec![manner; failures]);
    let stream = pushing(shared(), &carbon.config());
    stream.write(json!([{ "n": 3, "v": { "set": "x".repeat(200) } }]).to_string());
    let failed = until(&stream, SOON, |status| status["state"] == "waiting");
    assert!(!failed["pending_since"].is_null() && failed["lines"] == 0, "{failed}");
    assert!(failed["next_try"].as_f64() > failed["last_error"]["at"].as_f64(), "{failed}");
    assert_arrived(&carbon, &stream, 3.0);
    assert_eq!(carbon.lines().seen[0], manner);
    last_error(&failed).to_owned()
}

#[track_caller]
fn assert_arrived(carbon: &Carbon, stream: &Stream, sum: f64) {
    let done = until(stream, SOON, is_done);
    assert_eq!((&done["state"], &done["last_error"]), (&json!("sending"), &json!(null)), "{done}");
    let lines = carbon.lines();
    let total: f64 = lines.kept().iter().filter(|((name, _), _)| name.starts_with("visits.sum")).map(|(_, v)| v).sum();
    assert_eq!(total, sum, "{:?}", lines.batches);
}

pub(crate) fn a_reset_is_reported_and_the_same_lines_are_resent() {
    let error = error_reported_for(Manner::Resets);
    assert!(
        ["the peer reset the connection", "the connection broke before the peer had received everything"]
            .contains(&&*error),
        "{error}"
    );
}

pub(crate) fn a_carbon_that_closes_early_has_not_taken_the_lines() {
    assert_eq!(
        error_reported_for(Manner::ClosesEarly),
        "the peer closed the connection before it had received everything"
    );
}

pub(crate) fn a_carbon_that_does_not_close_is_left_after_20_s() {
    assert_eq!(
        error_reported_for(Manner::Hangs),
        "the peer did not close within 20 s after it had received everything"
    );
}

pub(crate) fn a_peer_that_sends_data_is_not_a_carbon() {
    let error = error_reported_for(Manner::Talks);
    assert_eq!(error, "the peer sent data: it is not a carbon's plaintext listener");
}

pub(crate) fn buckets_of_an_outage_arrive_in_order_afterwards() {
    let port = ports::unused();
    let stream = pushing(shared(), &config(port));
    stream.write(json!([{ "n": 1 }]).to_string());
    let failed = until(&stream, SOON, |status| status["state"] == "waiting");
    assert_eq!(last_error(&failed), "no connection: nothing listens there, or the name is unknown");
    stream.write(json!([{ "n": 2 }]).to_string());
    let carbon = Carbon::on(port, &[]);
    assert_arrived(&carbon, &stream, 3.0);
    let lines = carbon.lines();
    assert!(lines.all().map(|(_, _, time)| time).is_sorted(), "{:?}", lines.batches);
}
