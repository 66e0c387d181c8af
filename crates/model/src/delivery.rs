//! Decides what to do after an upstream's response to a message.

/// The shortest wait after a failure; it doubles with each further one.
const FIRST_WAIT_MS: i64 = 1_000;
/// The longest wait after a failure: a quarter of an hour.
pub const MAX_WAIT_MS: i64 = 900_000;

/// What an upstream did with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It accepted the message.
    Delivered,
    /// It accepts nothing for a while.
    Held {
        /// For how long, from now on.
        for_ms: i64,
    },
    /// It will never accept this message, for this reason.
    Refused(String),
    /// It accepts nothing until the owner changes something, for this reason.
    Denied(String),
    /// It is unknown whether it accepted the message.
    Failed(String),
    /// It reported an error in these words; some upstreams reject a message this way.
    Erred(String),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the next message.
    Done,
    /// Send the same message again.
    RetryAt {
        /// When, Unix milliseconds.
        at_ms: i64,
        /// Whether this counts as another failure.
        counts: bool,
    },
    /// Split the message and send each half separately, to find the rejected point.
    Split,
    /// Do nothing until the owner changes something.
    Pause(String),
}

/// What to do after this outcome, which follows `failures` failures in a row. `jitter` is random, in [0, 1): half
/// of a wait is fixed and half is random, so that clients which failed together don't retry together.
#[must_use]
pub fn step(outcome: &Outcome, failures: u32, jitter: f64, now_ms: i64) -> Step {
    let retry = |in_ms: i64, counts| Step::RetryAt { at_ms: now_ms.saturating_add(in_ms), counts };
    match outcome {
        Outcome::Delivered => Step::Done,
        Outcome::Held { for_ms } => retry((*for_ms).max(0), false),
        Outcome::Refused(_) => Step::Split,
        Outcome::Denied(reason) => Step::Pause(reason.clone()),
        Outcome::Failed(_) | Outcome::Erred(_) => retry(wait_ms(failures, jitter), true),
    }
}

/// From [`FIRST_WAIT_MS`] to twice that at first; finally from half of [`MAX_WAIT_MS`] to all of it.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "at most a quarter of an hour")]
fn wait_ms(failures: u32, jitter: f64) -> i64 {
    /// After this many doublings the wait has its maximum.
    const MAX_DOUBLINGS: u32 = 10;
    let fixed_ms = (FIRST_WAIT_MS << failures.min(MAX_DOUBLINGS)).min(MAX_WAIT_MS / 2);
    fixed_ms + (fixed_ms as f64 * jitter.clamp(0.0, 1.0)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failed() -> Outcome {
        Outcome::Failed("answered 500".into())
    }

    proptest! {
        #[test]
        fn a_failure_is_retried_after_1_s_to_15_min(failures in any::<u32>(), jitter in 0.0..1.0, now_ms in 0..1_i64 << 50) {
            let Step::RetryAt { at_ms, counts: true } = step(&failed(), failures, jitter, now_ms) else {
                panic!("must count as a failure")
            };
            prop_assert!((1_000..=900_000).contains(&(at_ms - now_ms)), "{}", at_ms - now_ms);
        }

        #[test]
        fn waits_grow_to_the_maximum_and_are_half_random(failures in 0..40_u32, jitter in 0.0..1.0) {
            let (least, most) = (wait_ms(failures, 0.0), wait_ms(failures, 0.999_999));
            prop_assert!((least..=most).contains(&wait_ms(failures, jitter)));
            prop_assert!(most - least >= least - 1);
            let next = wait_ms(failures + 1, 0.0);
            prop_assert!(next == least * 2 || next == MAX_WAIT_MS / 2, "{} {}", least, next);
        }

        #[test]
        fn no_input_overflows(
            failures in any::<u32>(),
            jitter in any::<f64>(),
            now_ms in any::<i64>(),
            for_ms in any::<i64>(),
        ) {
            for outcome in [failed(), Outcome::Held { for_ms }] {
                let Step::RetryAt { at_ms, .. } = step(&outcome, failures, jitter, now_ms) else {
                    panic!("both must be retried")
                };
                prop_assert!(at_ms >= now_ms);
            }
        }
    }

    #[test]
    fn waits_double_from_a_second_to_a_quarter_of_an_hour() {
        let waits: Vec<i64> = (0..12).map(|failures| wait_ms(failures, 0.0) / 1_000).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 450, 450, 450]);
        assert_eq!(wait_ms(0, 0.5), 1_500);
        assert_eq!(wait_ms(u32::MAX, 1.0), MAX_WAIT_MS);
    }

    #[test]
    fn each_outcome_has_its_next_action() {
        let step = |outcome| step(&outcome, 3, 0.0, 10_000);
        assert_eq!(step(Outcome::Delivered), Step::Done);
        assert_eq!(step(Outcome::Held { for_ms: 600_000 }), Step::RetryAt { at_ms: 610_000, counts: false });
        assert_eq!(step(Outcome::Refused("too large".into())), Step::Split);
        assert_eq!(step(Outcome::Denied("no".into())), Step::Pause("no".into()));
        for failure in [failed(), Outcome::Erred("Internal Server Error".into())] {
            assert_eq!(step(failure), Step::RetryAt { at_ms: 18_000, counts: true });
        }
    }
}
