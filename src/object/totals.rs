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
    /// Points that the `overflow` series has at least a part of, for want of room for their own.
    #[serde(default)]
    pub(super) overflow_points: u64,
    /// Sealed cells that have left their sketches, for want of room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) sketches_dropped: u64,
    /// When the last batch arrived, Unix milliseconds.
    pub(super) last_write_ms: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Totals {
    /// Takes in a batch; what of it overflowed is counted point by point.
    pub(super) fn add(&mut self, frame: &Frame<'_>) {
        self.accepted += frame.outcome.accepted;
        for (total, count) in self.rejected.iter_mut().zip(frame.outcome.rejected) {
            *total += count;
        }
        self.last_write_ms = self.last_write_ms.max(Some(frame.arrived_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_totals_is_pinned_and_the_first_one_is_still_read() {
        let totals =
            Totals { accepted: 3, rejected: [0; 7], overflow_points: 2, sketches_dropped: 0, last_write_ms: Some(9) };
        let pinned = r#"{"accepted":3,"rejected":[0,0,0,0,0,0,0],"overflow_points":2,"last_write_ms":9}"#;
        assert_eq!(serde_json::to_string(&totals).expect("serialises"), pinned);
        let first = r#"{"accepted":3,"rejected":[0,0,0,0,0,0,0],"last_write_ms":9}"#;
        let read: Totals = serde_json::from_str(first).expect("reads");
        assert_eq!(read, Totals { overflow_points: 0, ..totals });
    }
}
