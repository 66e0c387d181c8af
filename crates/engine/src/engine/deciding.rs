//! Decides which label sets of a batch get their own series, before the batch is in the log, which contains the
//! decisions.

use std::borrow::Cow;

use crate::entry::{Networks, Newcomer};
use ingest::frame::Frame;
use model::class::Class;
use protocol::writer::Writer;
use store::frames::{Logged, encode_logged, refuse};
use store::sql::{Sql, StoreError};

use super::Engine;

/// A batch and its writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The batch as a frame.
    pub frame: Vec<u8>,
    /// The class of its writer.
    pub class: Class,
    /// Who its new series and names are charged to.
    pub networks: Networks,
}

#[cfg(test)]
impl Incoming {
    /// A batch of the owner.
    #[must_use]
    pub fn of_owner(frame: Vec<u8>) -> Self {
        Self { frame, class: Class::Owner, networks: [None; 2] }
    }
}

impl<S: Sql> Engine<S> {
    /// The hashes of a writer's network.
    pub fn networks_of(&self, writer: &Writer<'_>) -> Networks {
        self.admission.takers(writer)
    }

    /// The row of the log for batches. Admitted label sets get their numbers here, which must be taken back if the row
    /// is not stored.
    pub(super) fn decide(&mut self, batches: &[Incoming], now_ms: i64) -> Result<Vec<u8>, StoreError> {
        let decided: Vec<(Vec<u8>, Cow<'_, [u8]>)> =
            batches.iter().map(|batch| self.decided(batch, now_ms)).collect::<Result<_, StoreError>>()?;
        let logged = batches.iter().zip(&decided).map(|(batch, (overflow, frame))| Logged {
            class: Some(batch.class),
            overflow,
            frame,
        });
        Ok(encode_logged(logged))
    }

    /// The label sets of a batch that get no series of their own, and its frame without the labels that would exceed
    /// the owner's `max`.
    fn decided<'a>(&mut self, batch: &'a Incoming, now_ms: i64) -> Result<(Vec<u8>, Cow<'a, [u8]>), StoreError> {
        let (mut refused, mut label_sets) = (Vec::new(), Vec::new());
        let Incoming { class, networks, .. } = *batch;
        let has_max = class != Class::Owner && self.values.prepare(&self.record.config.accept, &self.dictionary);
        let frame = Frame::parse(&batch.frame)?;
        for (set, canonical) in frame.label_sets.iter().enumerate() {
            let kept = if has_max { self.values.kept(canonical) } else { Cow::Borrowed(*canonical) };
            let labels = self.distinct.split(&kept).0.into_owned();
            if has_max {
                label_sets.push(kept);
            }
            if self.dictionary.find(&labels).is_some() {
                continue;
            }
            let config = &self.record.config;
            let is_admitted = self.dictionary.room_for(&labels, class).is_some_and(|names| {
                let newcomer = Newcomer { class, networks, names };
                self.entry.admits(&newcomer, &config.limits, config.layout.shards(), now_ms)
            });
            if is_admitted {
                self.dictionary.admit(&labels);
                if has_max {
                    self.values.add(&labels, &self.dictionary);
                }
            } else {
                self.dictionary.overflow();
                refuse(&mut refused, set);
            }
        }
        let is_changed = label_sets.iter().any(|kept| matches!(kept, Cow::Owned(_)));
        Ok((refused, if is_changed { frame.relabelled(&label_sets).into() } else { Cow::Borrowed(&batch.frame) }))
    }
}
