//! What `status` counts of a stream, over its whole life.

use serde::{Deserialize, Serialize};

use crate::wire::frame::Frame;
use crate::wire::rejection::Reason;

/// Running totals. Persisted as JSON together with the cursor of the rollups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    /// Points accepted.
    pub(super) accepted: u64,
    /// Points rejected in batches that were accepted in part, in the order of [`Reason::ALL`].
    pub(super) rejected: [u64; Reason::ALL.len()],
    /// When the last batch arrived, Unix milliseconds.
    pub(super) last_write_ms: Option<u64>,
}

impl Totals {
    pub(super) fn add(&mut self, frame: &Frame<'_>) {
        self.accepted += frame.outcome.accepted;
        for (total, count) in self.rejected.iter_mut().zip(frame.outcome.rejected) {
            *total += count;
        }
        self.last_write_ms = self.last_write_ms.max(Some(frame.arrived_ms));
    }
}
