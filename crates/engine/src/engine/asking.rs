//! A query in slices, between which others have their turn: first groups of series, then open buckets, then the chunks
//! of one layer after another. So the result is the stream as it was when the open buckets were read. Anything that
//! changes chunks afterwards makes the query stale, and it restarts.

use std::cell::Cell as Counter;
use std::rc::Rc;

use model::cell::Cell;
use model::grid::Row;
use model::open::SeriesId;
use model::query::{Collector, Groups, Query};
use model::tier::Layer;
use store::chunk_read;
use store::chunk_read::Slice;
use store::removal;
use store::sql::Sql;

use super::{Engine, QueryError};

/// The units of a slice of a query, each the cost of a cell: some 20 ms.
pub const SLICE_UNITS: usize = 200_000;
/// The units for looking up a series, matching it and putting it into its group.
const SERIES_UNITS: usize = 3;
/// The steps of expressions that cost as much as a cell.
const STEPS_PER_UNIT: u64 = 100;

/// Identifies the state of an engine's chunks and series: no other state of any engine in this isolate has the same
/// version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version(u64);

impl Version {
    pub(super) fn new() -> Self {
        thread_local! {
            static NEXT: Counter<u64> = const { Counter::new(0) };
        }
        NEXT.set(NEXT.get() + 1);
        Self(NEXT.get())
    }
}

/// A query in progress.
pub struct Asking {
    collector: Collector,
    version: Version,
    /// The next series to get its group; `None` once all have one and open buckets are read.
    next: Option<SeriesId>,
    groups: Rc<Groups>,
    /// Layers whose chunks are not read yet, last one first, and the part of the current one that was read last.
    layers: Vec<Layer>,
    after: i64,
    /// For a look, the position in the stream when open buckets were read.
    position: Option<i64>,
}

/// The progress of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The query has all its data.
    All,
    /// Another slice follows.
    More,
    /// Chunks have changed since it began.
    Stale,
}

impl Asking {
    /// Whether only chunks are left to read; nobody changes those while the version holds.
    pub const fn has_read_open(&self) -> bool {
        self.next.is_none()
    }

    /// The memory of the query, approximately.
    pub fn bytes(&self) -> usize {
        self.collector.bytes()
    }

    /// The position in the stream of a [look](Engine::go_on_looking).
    pub const fn position(&self) -> Option<i64> {
        self.position
    }

    pub(super) const fn set_position(&mut self, position: i64) {
        self.position = Some(position);
    }

    /// The result.
    pub fn finish(self) -> Result<Vec<Row>, QueryError> {
        Ok(self.collector.finish()?.into_rows())
    }
}

impl<S: Sql> Engine<S> {
    /// Begins to answer a query; only for some steps, if any are given.
    pub fn ask(&self, query: &Query, only: &[i64]) -> Asking {
        let collector = Collector::of_nothing(query);
        Asking {
            groups: Rc::default(),
            collector: if only.is_empty() { collector } else { collector.only(only) },
            version: self.version,
            next: Some(0),
            layers: query.window.layers().into_iter().rev().collect(),
            after: -1,
            position: None,
        }
    }

    /// Continues until this many units are used up.
    pub fn go_on_asking(&self, query: &Query, asking: &mut Asking, mut left: usize) -> Result<Progress, QueryError> {
        if asking.version != self.version {
            return Ok(Progress::Stale);
        }
        if let Some(next) = asking.next {
            asking.next = self.group(query, asking, next, &mut left);
            query.check()?;
            if asking.next.is_some() {
                return Ok(Progress::More);
            }
            // In the same turn in which the last series gets its group, so every cell's series has a group.
            self.read_open(asking)?;
        }
        while left > 0
            && let Some(layer) = asking.layers.last().copied()
        {
            if self.read_chunks(query, asking, layer, &mut left)? {
                self.read_added(query, asking, layer)?;
                asking.layers.pop();
                asking.after = -1;
            }
        }
        Ok(if asking.layers.is_empty() { Progress::All } else { Progress::More })
    }

    /// Assigns groups to series, starting at one; returns the next series, if there are more.
    fn group(&self, query: &Query, asking: &mut Asking, from: SeriesId, left: &mut usize) -> Option<SeriesId> {
        for (series, labels) in self.dictionary.labels_from(from) {
            if *left == 0 {
                return Some(series);
            }
            let before = query.steps_left();
            asking.collector.learn(query, series, labels);
            let steps = before.saturating_sub(query.steps_left());
            let units = usize::try_from(steps / STEPS_PER_UNIT).unwrap_or(usize::MAX).saturating_add(SERIES_UNITS);
            *left = left.saturating_sub(units);
        }
        asking.groups = asking.collector.groups();
        None
    }

    fn read_open(&self, asking: &mut Asking) -> Result<(), QueryError> {
        for (layer, start_s, bucket) in self.open_buckets().iter() {
            for (series, cell) in bucket {
                asking.collector.add(layer, start_s, *series, cell)?;
            }
        }
        Ok(())
    }

    /// Reads parts of a layer; returns whether that was all.
    fn read_chunks(
        &self,
        query: &Query,
        asking: &mut Asking,
        layer: Layer,
        left: &mut usize,
    ) -> Result<bool, QueryError> {
        let Asking { collector, groups, after, .. } = asking;
        let time = (query.window.from_s(), query.window.to_s());
        let mut slice = Slice { after: *after, left: *left };
        let wants = |series: SeriesId| groups.wants(series);
        let is_all = chunk_read::each_some(
            &self.sql,
            layer,
            time,
            &wants,
            query.sketches,
            &mut slice,
            &mut |start_s, series, cell| {
                if self.removal.hides(layer, start_s, series) {
                    return Ok(());
                }
                Ok::<_, QueryError>(collector.add(layer, start_s, series, cell)?)
            },
        )?;
        (*after, *left) = (slice.after, slice.left);
        Ok(is_all)
    }

    /// The replacements by a removal in progress for what it hides.
    fn read_added(&self, query: &Query, asking: &mut Asking, layer: Layer) -> Result<(), QueryError> {
        if !self.is_removing() {
            return Ok(());
        }
        let Asking { collector, groups, .. } = asking;
        let time = (query.window.from_s(), query.window.to_s());
        let wants = |series: SeriesId| groups.wants(series);
        removal::each_added(&self.sql, layer, time, &wants, query.sketches, &mut |start_s, series, cell: &Cell| {
            Ok::<_, QueryError>(collector.add(layer, start_s, series, cell)?)
        })
    }

    /// Restarts everything in progress that depends on chunks or on the set of series.
    pub(super) fn change_chunks(&mut self) {
        self.consumers.drop_prepared();
        self.version = Version::new();
    }
}
