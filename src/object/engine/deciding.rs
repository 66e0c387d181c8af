//! Deciding which label sets of a batch get series of their own: before it is in the log, which has the decisions.

use crate::domain::class::Class;
use crate::object::entry::{Networks, Newcomer};
use crate::store::frames::{Logged, encode_logged, refuse};
use crate::store::sql::{Sql, StoreError};
use crate::wire::frame::Frame;
use crate::wire::writer::Writer;

use super::Engine;

/// A batch, and who writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::object) struct Incoming {
    pub(in crate::object) frame: Vec<u8>,
    pub(in crate::object) class: Class,
    pub(in crate::object) networks: Networks,
}

#[cfg(test)]
impl Incoming {
    /// What the owner writes.
    pub(in crate::object) fn of_owner(frame: Vec<u8>) -> Self {
        Self { frame, class: Class::Owner, networks: [None; 2] }
    }
}

impl<S: Sql> Engine<S> {
    /// The hashes of a writer's network.
    pub(in crate::object) fn networks_of(&self, writer: &Writer<'_>) -> Networks {
        self.admission.takers(writer)
    }

    /// The row of the log that batches become. Label sets that come in have their numbers then, which are to be taken back if the row
    /// is not stored.
    pub(super) fn decide(&mut self, batches: &[Incoming], now_ms: i64) -> Result<Vec<u8>, StoreError> {
        let refused: Vec<Vec<u8>> =
            batches.iter().map(|batch| self.refused(batch, now_ms)).collect::<Result<_, StoreError>>()?;
        let logged = batches.iter().zip(&refused).map(|(batch, overflow)| Logged {
            class: Some(batch.class),
            overflow,
            frame: &batch.frame,
        });
        Ok(encode_logged(logged))
    }

    /// Which label sets of a batch get no series of their own.
    fn refused(&mut self, batch: &Incoming, now_ms: i64) -> Result<Vec<u8>, StoreError> {
        let mut refused = Vec::new();
        let Incoming { class, networks, .. } = *batch;
        for (set, canonical) in Frame::parse(&batch.frame)?.label_sets.into_iter().enumerate() {
            let labels = self.distinct.split(canonical).0;
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
            } else {
                self.dictionary.overflow();
                refuse(&mut refused, set);
            }
        }
        Ok(refused)
    }
}
