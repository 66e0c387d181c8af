//! What `status` counts of a stream, over its whole life.

use serde::{Deserialize, Serialize};

use ingest::frame::Frame;

/// So many reasons were there from the first.
const FIRST_REASONS: usize = 7;

/// Running totals. Persisted as JSON together with the cursor of the rollups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    /// Points accepted.
    pub(super) accepted: u64,
    /// Points rejected in batches that were accepted in part, in the order of `Reason::ALL`.
    pub(super) rejected: [u64; FIRST_REASONS],
    /// Likewise, by a rule of the owner's.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) ruled: u64,
    /// Points that the `overflow` series has at least a part of, for want of room for their own.
    #[serde(default)]
    pub(super) overflow_points: u64,
    /// Sealed cells that have left their sketches, for want of room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) sketches_dropped: u64,
    /// When the last batch arrived, Unix milliseconds.
    pub(super) last_write_ms: Option<u64>,
}

impl Totals {
    /// Takes in a batch; what of it overflowed is counted point by point.
    pub(super) fn add(&mut self, frame: &Frame<'_>) {
        self.accepted += frame.outcome.accepted;
        for (total, count) in self.rejected.iter_mut().zip(frame.outcome.rejected) {
            *total += count;
        }
        self.ruled += frame.outcome.rejected.last().copied().unwrap_or_default();
        self.last_write_ms = self.last_write_ms.max(Some(frame.arrived_ms));
    }
}

#[cfg_attr(target_pointer_width = "64", expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it"))]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_totals_is_pinned_and_the_first_one_is_still_read() {
        let totals = Totals {
            accepted: 3,
            rejected: [0; 7],
            ruled: 0,
            overflow_points: 2,
            sketches_dropped: 0,
            last_write_ms: Some(9),
        };
        let pinned = r#"{"accepted":3,"rejected":[0,0,0,0,0,0,0],"overflow_points":2,"last_write_ms":9}"#;
        assert_eq!(serde_json::to_string(&totals).expect("serialises"), pinned);
        let ruled = Totals { ruled: 4, ..totals.clone() };
        let pinned = pinned.replace("0],", "0],\"ruled\":4,");
        assert_eq!(serde_json::to_string(&ruled).expect("serialises"), pinned);
        assert_eq!(serde_json::from_str::<Totals>(&pinned).expect("reads"), ruled);
        let first = r#"{"accepted":3,"rejected":[0,0,0,0,0,0,0],"last_write_ms":9}"#;
        let read: Totals = serde_json::from_str(first).expect("reads");
        assert_eq!(read, Totals { overflow_points: 0, ..totals });
    }
}
