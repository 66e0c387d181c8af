//! Half of all answers fail, in every way, and every point arrives, once and in order.

use std::time::Duration;

use serde_json::{Value, json};

use super::{assert_sums, forward_status, forwarding, is_done, points, retry, with, write};
use crate::peer::{Fault, Faults, Peer, Plan};

const MINUTE: Duration = Duration::from_mins(1);
const POINTS: usize = 10_000;
const WRITES_PER_MINUTE: usize = 1_200;
/// Faults that cost at most a second if they are retried immediately.
const FAULTS: &[Fault] = &[
    Fault::RetryAfter(1),
    Fault::RetryIn(1),
    Fault::ServerError,
    Fault::Telltale,
    Fault::Unavailable,
    Fault::Html,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::CutInside,
    Fault::Status(502),
];
/// Faults that carry out the request and answer in an unusual form.
const DEVIATIONS: &[Fault] = &[Fault::NumericIds, Fault::NoPaging, Fault::NoRateHeaders];

#[test]
fn points_arrive_once_in_order_though_half_the_answers_fail() {
    let faults = Faults { seed: 41, share: 0.5, kinds: FAULTS };
    let plan = Plan { limit: WRITES_PER_MINUTE, faults: Some(faults), ..Plan::default() };
    let peer = Peer::start(plan);
    // The slow faults happen once each, where they hurt: within the messages.
    peer.next([None, None, Some(Fault::Hang), Some(Fault::HangAfter), Some(Fault::TooMany)]);
    let policy = json!({ "max_delay": "1d", "writes_per_minute": WRITES_PER_MINUTE });
    let stream = forwarding(&with(&peer.forward(), "policy", policy));
    let written = points(POINTS, 100);
    write(&stream, &written);
    let mut is_deviating = false;
    let deadline = std::time::Instant::now() + 15 * MINUTE;
    loop {
        let status = forward_status(&stream);
        if is_done(&status) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{status}");
        if status["state"] == "waiting" {
            // The waits have tests of their own.
            retry(&stream).expect(202);
        }
        if peer.stored() > 100 && !is_deviating {
            is_deviating = true;
            peer.replan(|plan| plan.always = DEVIATIONS);
        }
        peer.until_something_happens(Duration::from_millis(100));
    }
    let failed = peer.failed();
    assert!(FAULTS.iter().all(|fault| failed.contains_key(fault)), "{failed:?}");
    assert_sums(&peer, &written);
    peer.assert_in_order();
    let numbers = |points: &[Value]| points.iter().map(|point| point["n"].clone()).collect::<Vec<_>>();
    let arrived: Vec<Value> = peer.first_deliveries().into_iter().flat_map(|batch| batch.points).collect();
    assert_eq!(numbers(&arrived), numbers(&written), "nothing was coarsened, so points come as they were written");
    assert!(peer.stored() > peer.first_deliveries().len(), "some came twice");
    assert!(peer.max_writes_in_any(MINUTE) <= WRITES_PER_MINUTE);
    assert_eq!(peer.exceeded(), 0);
}

#[test]
fn messages_are_as_full_as_the_upstream_allows() {
    let peer = Peer::generous();
    // Configured after all writes, so that no message is sent before the next point comes.
    peer.next([None, Some(Fault::RetryAfter(2))]);
    let stream = forwarding(&peer.forward());
    let written = points(2_000, 2_000);
    write(&stream, &written);
    super::until(&peer, &stream, super::SOON, is_done);
    assert_sums(&peer, &written);
    let bytes: usize = written.iter().map(|point| point.to_string().len() + 70).sum();
    assert!(peer.stored() <= bytes.div_ceil(8_000) + 3, "{} messages for {bytes} bytes", peer.stored());
}
