//! A model of streams that share a token, with slow writes, lost responses, holds, and clients that come late or
//! leave. The upstream never gets more than its limit, no stream starves, and hardly a place stays empty.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::pace::{LATE_MS, LEASE_MS, Pace, Permit, SPAN_MS};

const MINUTE_MS: i64 = 60_000;
const START_MS: i64 = 1_792_540_800_000;

/// What a stream does in one turn.
#[derive(Clone, Debug)]
struct Turn {
    /// How long it idles before.
    pause_ms: i64,
    /// How late it asks after the time it was given.
    late_ms: i64,
    /// How long the write takes, and how much of that until it arrives.
    takes_ms: i64,
    arrives: f64,
    is_done_told: bool,
    hold_ms: Option<i64>,
    /// Whether the coordinator is restored from its bytes.
    forgets: bool,
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let pause = prop_oneof![3 => Just(0), 1 => 0..90_000_i64];
    let takes = prop_oneof![4 => 20..300_i64, 1 => 0..20_000_i64];
    let hold = prop_oneof![30 => Just(None), 1 => (1_000..100_000_i64).prop_map(Some)];
    let told = prop_oneof![9 => Just(true), 1 => Just(false)];
    let late = prop_oneof![8 => Just(0), 4 => 0..=LATE_MS, 1 => LATE_MS..4 * LATE_MS];
    (pause, late, takes, 0.0..=1.0, told, hold, any::<bool>()).prop_map(
        |(pause_ms, late_ms, takes_ms, arrives, is_done_told, hold_ms, forgets)| Turn {
            pause_ms,
            late_ms,
            takes_ms,
            arrives,
            is_done_told,
            hold_ms,
            forgets,
        },
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Done { ticket: u64, hold_ms: Option<i64> },
    Ask { stream: usize },
}

/// The result of a run.
struct Run {
    /// When each write arrived, and the limit of its stream.
    arrivals: Vec<(i64, u16)>,
    /// How long each stream that asked in time waited for its grant.
    waits_ms: Vec<i64>,
    /// The total time of all holds.
    held_ms: i64,
}

/// Runs streams for this long, each repeating its turns.
fn run(limits: &[u16], turns: &[Vec<Turn>], for_ms: i64) -> Run {
    let mut pace = Pace::default();
    let mut events: BTreeSet<(i64, Event)> = (0..turns.len()).map(|stream| (START_MS, Event::Ask { stream })).collect();
    let mut since: Vec<Option<i64>> = vec![None; turns.len()];
    let mut next = vec![0; turns.len()];
    let mut is_late = vec![false; turns.len()];
    let mut run = Run { arrivals: Vec::new(), waits_ms: Vec::new(), held_ms: 0 };
    while let Some((now_ms, event)) = events.pop_first().filter(|(now_ms, _)| *now_ms < START_MS + for_ms) {
        let stream = match event {
            Event::Done { ticket, hold_ms } => {
                pace.done(ticket, hold_ms, now_ms);
                continue;
            }
            Event::Ask { stream } => stream,
        };
        let turn = &turns[stream][next[stream] % turns[stream].len()];
        if turn.forgets {
            pace = Pace::from_bytes(&pace.to_bytes()).expect("what was made");
        }
        let first_ms = *since[stream].get_or_insert(now_ms);
        let limit = limits[stream % limits.len()];
        match pace.ask(&format!("stream {stream}"), limit, now_ms) {
            Permit::Wait { until_ms } => {
                assert!(until_ms > now_ms, "{until_ms}");
                is_late[stream] |= turn.late_ms > LATE_MS;
                events.insert((until_ms + turn.late_ms, Event::Ask { stream }));
            }
            Permit::Granted { ticket } => {
                if !std::mem::take(&mut is_late[stream]) {
                    run.waits_ms.push(now_ms - first_ms);
                }
                #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "20 s")]
                run.arrivals.push((now_ms + (turn.takes_ms as f64 * turn.arrives) as i64, limit));
                let done_ms = now_ms + turn.takes_ms;
                if turn.is_done_told {
                    events.insert((done_ms, Event::Done { ticket, hold_ms: turn.hold_ms }));
                    run.held_ms += turn.hold_ms.unwrap_or_default();
                }
                since[stream] = None;
                next[stream] += 1;
                events.insert((done_ms + turn.pause_ms, Event::Ask { stream }));
            }
        }
    }
    run.arrivals.sort_unstable();
    run
}

impl Run {
    /// Asserts that in no minute more writes arrive than the smallest limit of their writers.
    fn assert_limits_hold(&self) {
        for (from, (from_ms, _)) in self.arrivals.iter().enumerate() {
            let mut smallest = u16::MAX;
            for (count, (at_ms, limit)) in (1..).zip(&self.arrivals[from..]) {
                smallest = smallest.min(*limit);
                assert!(at_ms - from_ms > MINUTE_MS || count <= smallest, "{:?}", &self.arrivals[from..]);
                if at_ms - from_ms > MINUTE_MS {
                    break;
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn writes_per_minute_stay_within_the_limit_and_none_starves(
        limit in prop_oneof![1..6_u16, 1..40_u16],
        turns in vec(vec(any_turn(), 1..12), 1..=8),
    ) {
        let run = run(&[limit], &turns, 20 * MINUTE_MS);
        run.assert_limits_hold();
        // All streams ahead in the queue use each place as often as they need, each as long as a lost response
        // holds it.
        let rounds = i64::try_from(turns.len().div_ceil(limit.into())).expect("small");
        let bound_ms = (rounds + 1) * (LEASE_MS + SPAN_MS + 2 * LATE_MS) + run.held_ms;
        prop_assert!(run.waits_ms.iter().all(|wait_ms| *wait_ms <= bound_ms), "{:?} {}", run.waits_ms, bound_ms);
    }

    #[test]
    fn the_smallest_of_several_limits_counts(
        limits in vec(1..20_u16, 2..=3),
        turns in vec(vec(any_turn(), 1..12), 3..=8),
    ) {
        run(&limits, &turns, 10 * MINUTE_MS).assert_limits_hold();
    }

    #[test]
    fn continuous_demand_uses_nearly_every_place(limit in 1..60_u16, streams in 1..=8_usize) {
        let turn = Turn {
            pause_ms: 0,
            late_ms: 0,
            takes_ms: 100,
            arrives: 0.5,
            is_done_told: true,
            hold_ms: None,
            forgets: false,
        };
        let minutes = 10;
        let run = run(&[limit], &vec![vec![turn]; streams], minutes * MINUTE_MS);
        let wanted = i64::from(limit) * minutes * 9 / 10;
        let count = i64::try_from(run.arrivals.len()).expect("small");
        prop_assert!(count >= wanted, "{} of {}", count, wanted);
        run.assert_limits_hold();
    }
}
