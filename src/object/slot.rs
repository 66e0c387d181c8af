//! The engine of a stream while it is in memory: the first event that needs it opens it, and it is dropped when the
//! stream is put to sleep.

use std::cell::RefMut;

use crate::clock::now_ms;
use crate::random;
use protocol::refusal::Refusal;
use store::sql::StoreError;

use super::residents::{Residence, Sleeper};
use super::storage::ObjectSql;
use super::stream::{Shared, internal};
use engine::{Engine, Record};

/// The engine, which the first event opens.
pub(super) enum Slot {
    NotOpened,
    NoStream,
    Open(Box<Engine<ObjectSql>>),
}

impl Shared {
    pub(super) fn with_engine<T>(
        &self,
        work: impl FnOnce(&mut Engine<ObjectSql>) -> std::result::Result<T, StoreError>,
    ) -> std::result::Result<T, Refusal> {
        self.try_with_engine(|engine| work(engine).map_err(|error| internal(&error)))
    }

    pub(super) fn try_with_engine<T>(
        &self,
        work: impl FnOnce(&mut Engine<ObjectSql>) -> std::result::Result<T, Refusal>,
    ) -> std::result::Result<T, Refusal> {
        let mut engine = self.opened()?;
        engine.complete();
        work(&mut engine)
    }

    /// Same as [`Self::try_with_engine`], even if a row is half consumed: for operations that do not depend on
    /// points.
    pub(super) fn amid_engine<T>(
        &self,
        work: impl FnOnce(&mut Engine<ObjectSql>) -> std::result::Result<T, Refusal>,
    ) -> std::result::Result<T, Refusal> {
        work(&mut *self.opened()?)
    }

    /// Whether a row is half consumed.
    pub(super) fn is_amid(&self) -> bool {
        matches!(&*self.engine.borrow(), Slot::Open(engine) if engine.is_amid())
    }

    /// The engine, opened if necessary. Not part of each caller's code: that alone was a tenth of the module.
    #[inline(never)]
    fn opened(&self) -> std::result::Result<RefMut<'_, Engine<ObjectSql>>, Refusal> {
        let mut slot = self.engine.borrow_mut();
        if matches!(*slot, Slot::NotOpened) {
            let sql = self.sql();
            let bytes = Engine::peek_kept_bytes(&sql).map_err(|error| internal(&error))?;
            self.residence.keep(bytes, now_ms()).map_err(|_| Refusal::Overloaded)?;
            let engine = Engine::open(sql, self.limits, random::for_engines()).map_err(|error| internal(&error))?;
            let engine = engine.filter(|engine| !engine.record().is_closed);
            self.residence.set(engine.as_ref().map_or(0, Engine::kept_bytes));
            *slot = engine.map_or(Slot::NoStream, |engine| Slot::Open(Box::new(engine)));
        }
        let engine = RefMut::filter_map(slot, |slot| match slot {
            Slot::Open(engine) => Some(&mut **engine),
            Slot::NotOpened | Slot::NoStream => None,
        });
        engine.map_err(|_| Refusal::NoSuchStream)
    }

    /// Replaces what is in memory, and counts it.
    pub(super) fn set_slot(&self, slot: Slot) {
        *self.engine.borrow_mut() = slot;
        self.residence.clear();
        self.note_kept();
    }

    /// Counts what the engine keeps now. Others make room for it if they can.
    pub(super) fn note_kept(&self) {
        if let Slot::Open(engine) = &*self.engine.borrow() {
            let bytes = engine.kept_bytes();
            if self.residence.keep(bytes, now_ms()).is_err() {
                self.residence.set(bytes);
            }
        }
    }

    /// The owner's record, without opening the engine.
    pub(super) fn record(&self) -> std::result::Result<Record, Refusal> {
        let record = match &*self.engine.borrow() {
            Slot::Open(engine) => Some(engine.record().clone()),
            Slot::NoStream => None,
            Slot::NotOpened => Engine::peek_record(&self.sql()).map_err(|error| internal(&error))?,
        };
        record.filter(|record| !record.is_closed).ok_or(Refusal::NoSuchStream)
    }

    pub(super) fn sql(&self) -> ObjectSql {
        ObjectSql::new(&self.state.storage())
    }
}

impl Sleeper for Shared {
    fn residence(&self) -> &Residence {
        &self.residence
    }

    /// What is not sealed is in the log, and the next event replays it.
    fn sleep(&self) -> bool {
        if self.is_committing.get() || !self.queue.borrow().is_empty() {
            return false;
        }
        let Ok(mut slot) = self.engine.try_borrow_mut() else { return false };
        *slot = Slot::NotOpened;
        true
    }
}
