//! What `status` counts over a stream's whole life, and the number of its last point.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use ingest::frame::Frame;
use ingest::rejection::Reason;
use store::chunks::Sealed;
use store::meta;
use store::sql::{Sql, StoreError};

use super::{Consumer, Followed, Loading, Taken};
use crate::engine::{Engine, from_json, to_json};

const STATE: &str = "totals";

/// The number of reasons in the first version.
const FIRST_REASONS: usize = 7;

/// Running totals. Persisted as JSON together with the cursor of the rollups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    /// Points accepted.
    pub(crate) accepted: u64,
    /// Points rejected in batches that were partly accepted, in the order of `Reason::ALL`.
    pub(crate) rejected: [u64; FIRST_REASONS],
    /// The same, for rejections by a rule of the owner.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) ruled: u64,
    /// Points that are at least partly in the `overflow` series because there was no room for their own.
    #[serde(default)]
    pub(crate) overflow_points: u64,
    /// Sealed cells that lost their sketches because there was no room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) sketches_dropped: u64,
    /// When the last batch arrived, Unix milliseconds.
    pub(crate) last_write_ms: Option<u64>,
}

impl Totals {
    /// The persisted totals.
    pub(crate) fn read(sql: &impl Sql) -> Result<Self, StoreError> {
        Ok(from_json(meta::get(sql, STATE)?)?.unwrap_or_default())
    }

    /// Adds a batch; its overflow is counted point by point.
    fn add(&mut self, frame: &Frame<'_>) {
        self.accepted += frame.outcome.accepted;
        for (total, count) in self.rejected.iter_mut().zip(frame.outcome.rejected) {
            *total += count;
        }
        self.ruled += frame.outcome.rejected.last().copied().unwrap_or_default();
        self.last_write_ms = self.last_write_ms.max(Some(frame.arrived_ms));
    }
}

impl Consumer for Totals {
    fn load(stream: &Loading<'_, impl Sql>) -> Result<Self, StoreError> {
        Self::read(stream.sql)
    }

    /// Called before sealing, which persists the totals of what it seals.
    #[inline]
    fn take(&mut self, taken: &mut Taken<'_>) {
        self.overflow_points += u64::from(taken.has_overflowed);
    }

    fn end_frame(&mut self, frame: &Frame<'_>) {
        self.add(frame);
    }

    fn persist(&self, sql: &impl Sql, sealed: &mut Sealed) -> Result<(), StoreError> {
        let totals = Self { sketches_dropped: self.sketches_dropped + sealed.stripped, ..self.clone() };
        meta::put(sql, STATE, &to_json(&totals))
    }

    fn mark_persisted(&mut self, sealed: &Sealed) {
        self.sketches_dropped += sealed.stripped;
    }

    fn describe(&self, _sql: &impl Sql, _stream: &Followed<'_>, status: &mut Map<String, Value>) {
        let counts = self.rejected.into_iter().chain([self.ruled]);
        let rejected = Reason::ALL.iter().zip(counts).filter(|(_, count)| *count > 0);
        let rejected: Map<String, Value> =
            rejected.map(|(reason, count)| (reason.name().to_owned(), count.into())).collect();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
        let last_write = self.last_write_ms.map(|ms| ms as f64 / 1000.0);
        status.insert("accepted".into(), self.accepted.into());
        status.insert("rejected".into(), rejected.into());
        status.insert("overflow".into(), json!({ "points": self.overflow_points }));
        status.insert("sketches_dropped".into(), self.sketches_dropped.into());
        status.insert("last_write".into(), last_write.into());
    }
}

impl<S: Sql> Engine<S> {
    /// The number of the last point in the log, which is the number of all points that the stream has had.
    pub(crate) fn accepted(&self) -> u64 {
        self.consumers.totals.accepted
    }

    #[cfg(test)]
    pub(crate) fn totals(&self) -> &Totals {
        &self.consumers.totals
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
