//! The rollups: points become cells of open buckets, and a seal moves these into chunks.
//!
//! [`crate::engine::asking`] reads both. What becomes of chunks later is not here either.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use model::cascade::Cascade;
use model::open::OpenBuckets;
use model::sketches::Wanted;
use model::tier::{Layer, Tier};
use store::chunk_stage::Staged;
use store::chunks::{Place, Sealed};
use store::log::Cursor;
use store::removal::places_of;
use store::sql::{Sql, StoreError};

use super::{Consumer, Followed, Loading, Piece, Taken, Unsealed};
use crate::engine::Engine;

/// The number of cells that a slice of sealing prepares, including those that they are merged with: some 30 ms.
pub const SLICE_CELLS: usize = 15_000;
/// The memory of a cell of an open bucket, in a table that may be half empty.
pub(super) const CELL_BYTES: usize = 120;

/// See the module's documentation.
pub(crate) struct Rollups {
    open: OpenBuckets,
    /// The most series in an open bucket that are not established.
    bucket_series: usize,
    /// A seal in preparation, of the current open buckets and chunks.
    staging: Option<Staging>,
}

/// A seal in preparation.
struct Staging {
    cursor: Cursor,
    staged: Staged,
    /// The layers that are not prepared yet, last one first, and how far the last one is.
    layers: Vec<Layer>,
    after: Option<Place>,
    cascade: Cascade,
    /// Whether it was ready at the start of a slice.
    is_seen: bool,
}

impl Staging {
    fn new(cursor: Cursor) -> Self {
        Self {
            cursor,
            staged: Staged::default(),
            layers: layers().rev().collect(),
            after: None,
            cascade: Cascade::default(),
            is_seen: false,
        }
    }

    /// Prepares this many further cells; returns whether that was all.
    fn go_on(&mut self, sql: &impl Sql, open: &OpenBuckets, mut left: usize) -> bool {
        while left > 0
            && let Some(layer) = self.layers.last()
        {
            self.after = self.staged.prepare(sql, *layer, self.cascade.layer(*layer, open), self.after, &mut left);
            if self.after.is_none() {
                if matches!(layer, Layer::Spread(_)) {
                    self.cascade.go_on(open);
                    left = left.saturating_sub(self.cascade.cells());
                }
                self.layers.pop();
            }
        }
        self.layers.is_empty()
    }
}

/// What open buckets are sealed into.
fn layers() -> impl DoubleEndedIterator<Item = Layer> {
    Tier::ALL.into_iter().flat_map(|tier| [Layer::Total(tier), Layer::Spread(tier)])
}

impl Rollups {
    /// The places of chunks where the open buckets go.
    fn places(&self) -> BTreeSet<i64> {
        let mut places = BTreeSet::new();
        for layer in layers() {
            let cells = self.open.layer(layer);
            places.extend(cells.iter().flat_map(|(start_s, series, _)| places_of(layer, *start_s, *series)));
        }
        places
    }
}

impl Consumer for Rollups {
    fn load(stream: &Loading<'_, impl Sql>) -> Result<Self, StoreError> {
        Ok(Self { open: OpenBuckets::default(), bucket_series: stream.limits.bucket_series, staging: None })
    }

    #[inline]
    fn take(&mut self, taken: &mut Taken<'_>) {
        self.staging = None;
        let Taken { point, target, dictionary, pieces, .. } = taken;
        pieces.clear();
        let has_no_room = self.open.add(
            target.owner(),
            point,
            &target.marks,
            self.bucket_series,
            || dictionary.overflow(),
            |layer, start_s, series, cell| {
                pieces.push(Piece { layer, start_s, series, cell: cell.kept(Wanted::default()) });
            },
        );
        taken.has_overflowed = has_no_room || target.is_overflow;
    }

    #[inline]
    fn unsealed(&self) -> Unsealed {
        Unsealed { cells: self.open.cells(), pieces: self.open.pieces(), sketch_bytes: self.open.sketch_bytes() }
    }

    /// When it works in slices, a slice of its own carries out what the last one has prepared.
    fn prepare(&mut self, sql: &impl Sql, cursor: Cursor, slice_cells: usize) -> bool {
        let staging = self.staging.take().filter(|staging| staging.cursor == cursor);
        let staging = self.staging.insert(staging.unwrap_or_else(|| Staging::new(cursor)));
        let is_ready = staging.go_on(sql, &self.open, slice_cells);
        is_ready && (slice_cells == usize::MAX || std::mem::replace(&mut staging.is_seen, true))
    }

    fn drop_prepared(&mut self) {
        self.staging = None;
    }

    fn persist(&self, sql: &impl Sql, sealed: &mut Sealed) -> Result<(), StoreError> {
        let staging = self.staging.as_ref().ok_or(StoreError::Stopped)?;
        staging.staged.carry_out(sql, &|layer| self.open.layer(layer), sealed)
    }

    fn mark_persisted(&mut self, _sealed: &Sealed) {
        self.open = OpenBuckets::default();
    }

    fn kept_bytes(&self) -> usize {
        let staging = self.staging.as_ref().map_or(0, |staging| staging.cascade.bytes());
        self.open.cells() * CELL_BYTES + self.open.sketch_bytes() + staging
    }

    fn describe(&self, _sql: &impl Sql, _stream: &Followed<'_>, status: &mut Map<String, Value>) {
        status.insert("open_cells".into(), self.open.cells().into());
    }
}

impl<S: Sql> Engine<S> {
    /// The buckets that are not sealed.
    pub(crate) fn open_buckets(&self) -> &OpenBuckets {
        &self.consumers.rollups.open
    }

    /// The places of chunks where they go.
    pub(crate) fn unsealed_places(&self) -> BTreeSet<i64> {
        self.consumers.rollups.places()
    }
}
