//! The consumers of the log: the trait that each implements, and their list.
//!
//! The engine keeps the log, the cursor and the order. It hands on each point once, and again after a crash if the
//! point was not sealed. A consumer is a file below this module and a line in the list. Its file also contains what it
//! offers to others, as functions of the engine.

use serde_json::{Map, Value};

use config::stream::StreamConfig;
use ingest::frame::Frame;
use model::cell::Cell;
use model::open::SeriesId;
use model::point::Point;
use model::tier::Layer;
use store::chunks::Sealed;
use store::log::Cursor;
use store::sql::{Sql, StoreError};

use super::Limits;
use super::targets::Target;
use crate::dictionary::Dictionary;
use crate::log_index::LogIndex;
use crate::randomness::Randomness;

pub use carbon::{Batch, Lines};
pub use forwarding::{Coarsening, GATHER_MS, Packed, Parcel};
pub use increments::Seen;
pub use rollups::SLICE_CELLS;

/// A follower of the log. A consumer implements the functions that it needs; the others do nothing.
pub(super) trait Consumer: Sized {
    /// Loads the state at the cursor. Points after the cursor are taken again.
    fn load(stream: &Loading<'_, impl Sql>) -> Result<Self, StoreError>;

    /// The record changes, or a stream is created, which has no state before. Persists, within the record's
    /// transaction, how the consumer continues, and returns that; `None` if nothing changes for it.
    fn resume(_before: Option<&Self>, _sql: &impl Sql, _change: &Change<'_>) -> Result<Option<Self>, StoreError> {
        Ok(None)
    }

    /// Announces that a new row is about to be taken.
    fn begin_row(&mut self, _now_ms: i64) {}

    /// Takes a point. Consumers take it in the order of the list; the next point follows once the last consumer has
    /// this one.
    fn take(&mut self, _taken: &mut Taken<'_>) {}

    /// Announces that all points of a row are taken, and that this frame was in it.
    fn end_frame(&mut self, _frame: &Frame<'_>) {}

    /// What the consumer holds in memory until it is sealed.
    fn unsealed(&self) -> Unsealed {
        Unsealed::default()
    }

    /// Prepares a slice of sealing everything up to a cursor; returns whether it is ready. Nothing changes before it
    /// persists.
    fn prepare(&mut self, _sql: &impl Sql, _cursor: Cursor, _slice_cells: usize) -> bool {
        true
    }

    /// Drops what it has prepared: chunks or unsealed points change or have changed.
    fn drop_prepared(&mut self) {}

    /// Persists its state within the transaction that moves the cursor. `sealed` reports what the seal did to chunks.
    fn persist(&self, _sql: &impl Sql, _sealed: &mut Sealed) -> Result<(), StoreError> {
        Ok(())
    }

    /// Announces that the transaction of [`Self::persist`] has taken effect.
    fn mark_persisted(&mut self, _sealed: &Sealed) {}

    /// Announces that earlier points have changed: some are removed, or series are folded.
    fn forget_past(&mut self) {}

    /// The number of the first point that it still needs from the log, if any.
    fn needs(&self, _accepted: u64) -> Option<u64> {
        None
    }

    /// When it has something to do by alarm, Unix milliseconds; `None` while it has nothing to do. The work is a task
    /// of the object's alarm.
    fn due_ms(&self, _stream: &Followed<'_>) -> Option<i64> {
        None
    }

    /// The memory that it keeps between events, in bytes.
    fn kept_bytes(&self) -> usize {
        0
    }

    /// Adds its part of `status`.
    fn describe(&self, _sql: &impl Sql, _stream: &Followed<'_>, _status: &mut Map<String, Value>) {}
}

/// What consumers are loaded from.
pub(super) struct Loading<'a, S> {
    pub(super) sql: &'a S,
    pub(super) limits: &'a Limits,
    pub(super) dictionary: &'a Dictionary,
    /// Everything before it is sealed.
    pub(super) cursor: Cursor,
}

/// A change of the record.
pub(super) struct Change<'a> {
    /// `None` if a stream is created.
    pub(super) before: Option<&'a StreamConfig>,
    pub(super) after: &'a StreamConfig,
    /// The number of the last point before the change.
    pub(super) accepted: u64,
    pub(super) now_s: i64,
    pub(super) randomness: Randomness,
}

/// The followed stream in its current state.
pub(super) struct Followed<'a> {
    pub(super) config: &'a StreamConfig,
    pub(super) log: &'a LogIndex,
    /// The number of the last point.
    pub(super) accepted: u64,
}

/// A point that consumers take.
pub(super) struct Taken<'a> {
    pub(super) point: &'a Point,
    /// The point's number in the stream, counted from 1.
    pub(super) number: u64,
    /// When its row was committed.
    pub(super) at_ms: i64,
    pub(super) target: &'a Target,
    pub(super) dictionary: &'a mut Dictionary,
    /// What each bucket took of the point: known once the rollups have taken it.
    pub(super) pieces: &'a mut Vec<Piece>,
    /// Whether the point is at least partly in `overflow`: also known only once the rollups have taken it.
    pub(super) has_overflowed: bool,
}

/// What a bucket took of a point, without sketches.
pub(super) struct Piece {
    pub(super) layer: Layer,
    pub(super) start_s: i64,
    pub(super) series: SeriesId,
    pub(super) cell: Cell,
}

/// What a consumer holds in memory until it is sealed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unsealed {
    pub(super) cells: usize,
    /// Pieces of points: the work of taking everything again.
    pub(super) pieces: usize,
    pub(super) sketch_bytes: usize,
}

impl std::ops::AddAssign for Unsealed {
    fn add_assign(&mut self, other: Self) {
        self.cells += other.cells;
        self.pieces += other.pieces;
        self.sketch_bytes += other.sketch_bytes;
    }
}

/// Declares the modules of consumers, and does for all of them what the trait does for one. A macro, so that adding a
/// consumer takes one line, others refer to it by its type, and points are taken without dynamic dispatch.
macro_rules! consumers {
    ($($module:ident: $consumer:ident,)*) => {
        $(mod $module;)*

        /// One of each.
        pub(super) struct Consumers {
            $(pub(super) $module: $module::$consumer,)*
        }

        impl Consumers {
            pub(super) fn load(stream: &Loading<'_, impl Sql>) -> Result<Self, StoreError> {
                Ok(Self { $($module: Consumer::load(stream)?,)* })
            }

            /// Persists the initial state of a new stream's consumers.
            pub(super) fn begin(sql: &impl Sql, change: &Change<'_>) -> Result<(), StoreError> {
                $(<$module::$consumer as Consumer>::resume(None, sql, change)?;)*
                Ok(())
            }

            /// Changes the record in one transaction with `and`.
            pub(super) fn resume(
                &mut self,
                sql: &impl Sql,
                change: &Change<'_>,
                and: &mut dyn FnMut() -> Result<(), StoreError>,
            ) -> Result<(), StoreError> {
                $(let mut $module = None;)*
                sql.atomically(&mut || {
                    $($module = Consumer::resume(Some(&self.$module), sql, change)?;)*
                    and()
                })?;
                $(if let Some(resumed) = $module { self.$module = resumed; })*
                Ok(())
            }

            pub(super) fn begin_row(&mut self, now_ms: i64) {
                $(self.$module.begin_row(now_ms);)*
            }

            #[inline]
            pub(super) fn take(&mut self, taken: &mut Taken<'_>) {
                $(self.$module.take(taken);)*
            }

            pub(super) fn end_frame(&mut self, frame: &Frame<'_>) {
                $(self.$module.end_frame(frame);)*
            }

            /// The sum over all consumers.
            #[inline]
            pub(super) fn unsealed(&self) -> Unsealed {
                let mut unsealed = Unsealed::default();
                $(unsealed += self.$module.unsealed();)*
                unsealed
            }

            /// Whether all are ready.
            pub(super) fn prepare(&mut self, sql: &impl Sql, cursor: Cursor, slice_cells: usize) -> bool {
                let mut is_ready = true;
                $(is_ready &= self.$module.prepare(sql, cursor, slice_cells);)*
                is_ready
            }

            pub(super) fn drop_prepared(&mut self) {
                $(self.$module.drop_prepared();)*
            }

            pub(super) fn persist(&self, sql: &impl Sql, sealed: &mut Sealed) -> Result<(), StoreError> {
                $(self.$module.persist(sql, sealed)?;)*
                Ok(())
            }

            pub(super) fn mark_persisted(&mut self, sealed: &Sealed) {
                $(self.$module.mark_persisted(sealed);)*
            }

            pub(super) fn forget_past(&mut self) {
                $(self.$module.forget_past();)*
            }

            /// The number of the first point that any consumer still needs from the log.
            pub(super) fn needs(&self, accepted: u64) -> Option<u64> {
                [$(self.$module.needs(accepted),)*].into_iter().flatten().min()
            }

            /// When the first consumer has something to do.
            pub(super) fn due_ms(&self, stream: &Followed<'_>) -> Option<i64> {
                [$(self.$module.due_ms(stream),)*].into_iter().flatten().min()
            }

            pub(super) fn kept_bytes(&self) -> usize {
                0 $(+ self.$module.kept_bytes())*
            }

            pub(super) fn describe(&self, sql: &impl Sql, stream: &Followed<'_>, status: &mut Map<String, Value>) {
                $(self.$module.describe(sql, stream, status);)*
            }
        }
    };
}

// The list, in the order in which consumers take a point and persist. The rollups come first, as others use what the
// buckets took.
consumers! {
    rollups: Rollups,
    series_totals: SeriesTotals,
    totals: Totals,
    increments: Increments,
    carbon: Pushing,
    forwarding: Forwarding,
}
