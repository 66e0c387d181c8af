//! What arrives at a carbon that works.

use serde_json::json;

use super::double::{Carbon, Manner, at};
use super::{SOON, is_done, pushing, shared, start, status, until};
use crate::clock::now_whole_s;
use crate::peer::Peer;
use crate::server::State;
use crate::stream::Stream;

pub(crate) fn a_closed_bucket_arrives_once_as_it_is_read() {
    let carbon = Carbon::start(&[]);
    let mut config = carbon.config();
    config["prefix"] = json!("stats.web");
    config["aggregates"] = json!(["sum", "count", "ratio", "p50"]);
    let stream = pushing(shared(), &config);
    let t = i64::try_from(now_whole_s()).expect("this century");
    let points = [
        json!({ "n": 1234, "d": 3, "v": { "country": "US", "path": "/a b;c" }, "t": t }),
        json!({ "n": 0.25, "v": { "country": "US", "path": "/a b;c" }, "t": t }),
        json!({ "n": -7, "t": t }),
    ];
    stream.write(json!(points).to_string());
    let lines = carbon.until(SOON, |lines| (!lines.batches.is_empty()).then(|| lines.batches.clone()));
    let bucket = t / 10 * 10;
    let tags = "country=US;path=/a_b_c";
    let median = lines[0].lines().find(|line| line.contains(".p50;")).and_then(|line| line.split(' ').nth(1));
    let median: f64 = median.expect("a line").parse().expect("a number");
    assert!((median - 0.25).abs() < 0.01 || (median - 1234.0 / 3.0).abs() < 5.0, "{median}");
    let without_median: Vec<&str> = lines[0].lines().filter(|line| !line.contains(".p50;")).collect();
    assert_eq!(
        without_median,
        [
            format!("stats.web.visits.sum -7 {bucket}"),
            format!("stats.web.visits.count 1 {bucket}"),
            format!("stats.web.visits.ratio -7 {bucket}"),
            format!("stats.web.visits.p50 -7 {bucket}"),
            format!("stats.web.visits.sum;{tags} 1234.25 {bucket}"),
            format!("stats.web.visits.count;{tags} 2 {bucket}"),
            format!("stats.web.visits.ratio;{tags} 308.5625 {bucket}"),
        ]
    );
    let status = until(&stream, SOON, is_done);
    assert_eq!((&status["lines"], &status["corrected"], &status["skipped"]), (&json!(8), &json!(0), &json!(0)));
    assert_eq!((&status["state"], &status["sent_until"]), (&json!("sending"), &json!(bucket + 10)));
    assert_eq!((&status["last_error"], &status["next_try"]), (&json!(null), &json!(null)));
    assert_eq!(carbon.lines().batches.len(), 1, "without new values nothing is sent");
}

pub(crate) fn a_late_point_resends_its_updated_bucket() {
    let carbon = Carbon::start(&[]);
    let stream = pushing(shared(), &carbon.config());
    let t = now_whole_s();
    stream.write(json!([{ "n": 1, "t": t }, { "n": 1, "t": t - 3600 }]).to_string());
    until(&stream, SOON, is_done);
    stream.write(json!([{ "n": 41, "t": t }]).to_string());
    let lines = carbon.until(SOON * 2, |lines| {
        (lines.sum("visits.sum") == 42.0 && lines.batches.len() == 2).then(|| lines.batches.clone())
    });
    let bucket = t / 10 * 10;
    assert_eq!(lines[1], format!("visits.sum 42 {bucket}\nvisits.count 2 {bucket}\n"));
    let status = until(&stream, SOON, is_done);
    assert_eq!((&status["lines"], &status["corrected"]), (&json!(4), &json!(1)), "{status}");
}

pub(crate) fn a_crash_neither_drops_nor_repeats_buckets() {
    let carbon = Carbon::start(&[]);
    let server = start(State::new());
    let stream = pushing(&server, &carbon.config());
    stream.write(json!([{ "n": 1 }]).to_string());
    until(&stream, SOON, is_done);
    stream.write(json!([{ "n": 2, "v": { "a": "b" } }]).to_string());
    let server = start(server.kill_9());
    let stream = stream.moved_to(&server);
    // The log has it, unless the start took so long that it has been sent.
    let is_pending = !status(&stream)["pending_since"].is_null();
    assert!(is_pending || carbon.lines().sum("visits.sum;a=b") == 2.0, "it is lost");
    stream.write(json!([{ "n": 4 }]).to_string());
    let done = until(&stream, SOON, is_done);
    let lines = carbon.lines();
    let sums = (lines.sum("visits.sum"), lines.sum("visits.sum;a=b"), lines.sum("visits.count"));
    assert_eq!(sums, (5.0, 2.0, 2.0), "{done}");
    assert!(lines.all().map(|(_, _, time)| time).is_sorted(), "{:?}", lines.batches);
    assert_eq!(lines.all().count(), lines.kept().len(), "nothing came twice: {:?}", lines.batches);
}

pub(crate) fn a_host_may_be_a_name_or_an_ipv4_or_ipv6_address() {
    let by_name = Carbon::start(&[]);
    let named = pushing(shared(), &at("localhost", by_name.port));
    named.write(json!([{ "n": 1 }]).to_string());
    if let Some(carbon) = Carbon::on_ipv6() {
        let stream = pushing(shared(), &at("[::1]", carbon.port));
        stream.write(json!([{ "n": 2 }]).to_string());
        assert_eq!(stream.owned("GET", "").send().expect(200).json()["carbon"]["host"], "::1");
        until(&stream, SOON, is_done);
        assert_eq!(carbon.lines().sum("visits.sum"), 2.0);
    }
    until(&named, SOON, is_done);
    assert_eq!(by_name.lines().sum("visits.sum"), 1.0);
}

pub(crate) fn a_hanging_carbon_does_not_stop_forwarding() {
    let (peer, carbon) = (Peer::generous(), Carbon::start(&[Manner::Hangs]));
    let config = json!({ "name": "visits", "carbon": carbon.config(), "forward": peer.forward() });
    let stream = Stream::create(shared(), config);
    stream.write(json!([{ "n": 5 }]).to_string());
    let done = until(&stream, SOON, is_done);
    assert_eq!(carbon.lines().seen[0], Manner::Hangs, "{done}");
    assert_eq!(carbon.lines().sum("visits.sum"), 5.0);
    assert_eq!(peer.stored(), 1);
}
