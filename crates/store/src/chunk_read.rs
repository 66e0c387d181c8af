//! Reads sealed buckets: the cells of a layer in a range of time, all together or in slices.

use model::cell::Cell;
use model::open::SeriesId;
use model::sketches::Wanted;
use model::tier::{Layer, floor_to};

use super::chunk_cells::decode;
use super::chunks::{first_id, start_of};
use super::sql::{Param, Sql, StoreError};

/// Calls back with the wanted series' cells of a layer in chunks that overlap `[from_s, to_s)`, with the wanted
/// sketches. Stops at the first error.
///
/// # Errors
/// As [`Sql::run`], or what `each` returns.
pub fn each<E: From<StoreError>>(
    sql: &impl Sql,
    layer: Layer,
    from_s: i64,
    to_s: i64,
    wants: impl Fn(SeriesId) -> bool,
    sketches: Wanted,
    mut each: impl FnMut(i64, SeriesId, &Cell) -> Result<(), E>,
) -> Result<(), E> {
    each_some(sql, layer, (from_s, to_s), &wants, sketches, &mut Slice::all(), &mut each).map(|_| ())
}

/// The parts to read before other work gets its turn.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// The number of the last part that was read.
    pub after: i64,
    /// The units left: each cell takes one, and each part some for its bytes.
    pub left: usize,
}

impl Slice {
    /// All parts.
    pub(super) const fn all() -> Self {
        Self { after: -1, left: usize::MAX }
    }
}

/// Same as [`each`], until a slice is used up. Returns whether that was all.
///
/// # Errors
/// As [`each`].
pub fn each_some<E: From<StoreError>>(
    sql: &impl Sql,
    layer: Layer,
    time: (i64, i64),
    wants: &dyn Fn(SeriesId) -> bool,
    sketches: Wanted,
    slice: &mut Slice,
    each: &mut dyn FnMut(i64, SeriesId, &Cell) -> Result<(), E>,
) -> Result<bool, E> {
    each_of(SELECT, sql, layer, time, wants, sketches, slice, each)
}

/// Decoding this many bytes takes about as long as adding a cell.
const UNIT_BYTES: usize = 64;
/// The parts in a range of numbers.
const SELECT: &str = "SELECT id, cells FROM chunks WHERE id >= ? AND id < ? ORDER BY id";

/// The numbers of a layer's parts that may overlap a range of time.
pub(super) fn range(layer: Layer, from_s: i64, to_s: i64) -> [Param<'static>; 2] {
    let (first, behind) = ids(layer, from_s, to_s);
    [first, behind].map(Param::Integer)
}

fn ids(layer: Layer, from_s: i64, to_s: i64) -> (i64, i64) {
    let span_s = layer.tier().span_s();
    let behind_s = floor_to(to_s.saturating_add(span_s - 1), span_s);
    (first_id(layer, floor_to(from_s, span_s)), first_id(layer, behind_s))
}

/// Same as [`each_some`], for the parts that a statement selects.
#[expect(clippy::too_many_arguments, reason = "which parts, which cells, and how many")]
pub(super) fn each_of<E: From<StoreError>>(
    statement: &'static str,
    sql: &impl Sql,
    layer: Layer,
    (from_s, to_s): (i64, i64),
    wants: &dyn Fn(SeriesId) -> bool,
    sketches: Wanted,
    slice: &mut Slice,
    each: &mut dyn FnMut(i64, SeriesId, &Cell) -> Result<(), E>,
) -> Result<bool, E> {
    let (first, behind) = ids(layer, from_s, to_s);
    let range = [first.max(slice.after + 1), behind].map(Param::Integer);
    let mut stopped = None;
    let read = sql.run(statement, &range, &mut |mut row| {
        let (id, part) = (row.integer()?, row.blob()?);
        slice.after = id;
        slice.left = slice.left.saturating_sub(part.len() / UNIT_BYTES);
        decode(layer.tier(), start_of(layer, id), &part, wants, sketches, &mut |start_s, series, cell| {
            slice.left = slice.left.saturating_sub(1);
            each(start_s, series, &cell).map_err(|error| {
                stopped = Some(error);
                StoreError::Stopped
            })
        })?;
        if slice.left == 0 { Err(StoreError::Stopped) } else { Ok(()) }
    });
    match (stopped, read) {
        (Some(error), _) => Err(error),
        (None, Err(StoreError::Stopped)) => Ok(false),
        (None, read) => Ok(read.map(|()| true)?),
    }
}
