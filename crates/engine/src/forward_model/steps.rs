//! The events of a forwarded stream, as proptest draws them.

use proptest::prelude::*;

use super::{REFUSED, TOO_LARGE};

/// What the upstream, or the connection to it, does with a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Takes,
    /// The upstream has received it, but the object does not learn of that.
    TakesAndFails,
    Fails,
    Holds,
    Denies,
}

/// What happens while a message is in flight, or between two rows that are coarsened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meanwhile {
    Nothing,
    Write,
    Change,
    EndAndBegin,
    Crash,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Series, n and d of each point.
    Write(Vec<(u8, i8, u8)>),
    /// One message, as the driver sends it; possibly with a failing statement.
    Send {
        answer: Answer,
        fails_at: Option<u8>,
        meanwhile: Meanwhile,
    },
    Coarsen {
        fails_at: Option<u8>,
        meanwhile: Meanwhile,
    },
    Seal,
    Tidy {
        after_s: u32,
    },
    Retry {
        fails_at: Option<u8>,
    },
    /// The owner changes how late points may be, or ends forwarding and restarts it.
    Policy {
        max_delay_s: i64,
    },
    EndAndBegin,
    Crash,
}

pub(super) fn any_step() -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        6 => Just(Answer::Takes),
        2 => Just(Answer::TakesAndFails),
        1 => Just(Answer::Fails),
        1 => Just(Answer::Holds),
        1 => Just(Answer::Denies),
    ];
    let meanwhile = || {
        prop_oneof![
            6 => Just(Meanwhile::Nothing),
            1 => Just(Meanwhile::Write),
            1 => Just(Meanwhile::Change),
            1 => Just(Meanwhile::EndAndBegin),
            1 => Just(Meanwhile::Crash),
        ]
    };
    let fails_at = || proptest::option::weighted(0.3, 0u8..12);
    let point = (prop_oneof![12 => 0u8..REFUSED, 1 => Just(REFUSED), 1 => Just(TOO_LARGE)], any::<i8>(), 0u8..4);
    prop_oneof![
        4 => proptest::collection::vec(point, 1..60).prop_map(Step::Write),
        8 => (answer, fails_at(), meanwhile())
            .prop_map(|(answer, fails_at, meanwhile)| Step::Send { answer, fails_at, meanwhile }),
        2 => (fails_at(), meanwhile()).prop_map(|(fails_at, meanwhile)| Step::Coarsen { fails_at, meanwhile }),
        1 => Just(Step::Seal),
        1 => (0u32..200_000).prop_map(|after_s| Step::Tidy { after_s }),
        1 => fails_at().prop_map(|fails_at| Step::Retry { fails_at }),
        1 => prop::sample::select(vec![10i64, 60, 3_600]).prop_map(|max_delay_s| Step::Policy { max_delay_s }),
        1 => Just(Step::EndAndBegin),
        1 => Just(Step::Crash),
    ]
}
