//! Commits and seals that are done in slices, with anything else between two of them.

use super::*;
use crate::store::sql::StoreError;

/// How a commit is done.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    AtOnce,
    /// In slices of so many pieces and cells; after so many of them something happens.
    Slices {
        pieces: u8,
        cells: u8,
        after: u8,
        then: Then,
    },
}

/// What happens between slices.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// Somebody reads.
    Read,
    Compact,
    Tidy,
    /// The row is durable, so it counts, but nobody is told.
    Crash,
}

pub(super) fn any_how() -> impl Strategy<Value = How> {
    let then = prop::sample::select(vec![Then::Read, Then::Compact, Then::Tidy, Then::Crash]);
    let slices = (1u8..60, 1u8..99, 0u8..20, then);
    prop_oneof![
        1 => Just(How::AtOnce),
        3 => slices.prop_map(|(pieces, cells, after, then)| How::Slices { pieces, cells, after, then }),
    ]
}

impl Model {
    /// What is told of each batch, or nothing of those that are durable when memory is lost.
    pub(super) fn commit(&mut self, frames: &[Incoming]) -> Vec<Result<Option<Told>, StoreError>> {
        let How::Slices { pieces, cells, after, then } = self.how else {
            return self.engine.commit(frames, self.now_ms).into_iter().map(|told| told.map(Some)).collect();
        };
        if let Err(error) = self.engine.begin(frames, self.now_ms) {
            return frames.iter().map(|_| Err(error.clone())).collect();
        }
        let mut slices = 0;
        loop {
            if slices == after {
                match then {
                    Then::Read => {
                        self.engine.complete();
                        assert_eq!(self.engine.totals().accepted, self.accepted + accepted(frames));
                    }
                    Then::Compact => self.engine.compact(),
                    Then::Tidy => {
                        self.engine.complete();
                        let _may_fail = self.engine.tidy(self.now_ms);
                    }
                    Then::Crash => {
                        self.sql.heal();
                        self.crash();
                        return frames.iter().map(|_| Ok(None)).collect();
                    }
                }
            }
            slices = slices.saturating_add(1);
            match self.engine.go_on(pieces.into(), cells.into()) {
                Some(Ok(told)) => return told.into_iter().map(|told| Ok(Some(told))).collect(),
                Some(Err(error)) => return frames.iter().map(|_| Err(error.clone())).collect(),
                None => {}
            }
        }
    }

    /// What a slice prepares is dropped by whatever comes next, or used.
    pub(super) fn seal_some(&mut self, slices: u8, cells: u8) {
        for _ in 0..slices {
            if self.engine.seal_some(self.now_ms, cells.into()).expect("seals") {
                break;
            }
        }
    }
}

fn accepted(frames: &[Incoming]) -> u64 {
    use crate::wire::frame::Frame;
    frames.iter().map(|incoming| Frame::parse(&incoming.frame).expect("a frame").outcome.accepted).sum()
}
