//! Encodes the cells of one series in one span: columns of numbers, and the sketches of cells that have some.
//!
//! Varint cells; varint forms of the columns, 2 bits for each of the first three and 3 for the others. Then, as
//! bare columns (see [`codec::columns`]): the buckets as differences (from the span's start), the shapes, the
//! counts, and for cells whose shape says so, d, min, n and max. If any cell has sketches, the shapes of all cells'
//! sketches follow as a column, and the bits (see [`model::sketch_codec`]) of the quantiles and then of the
//! distinct counts of the cells that have them, each with their length before them.
//!
//! In the older form, which can still be read, there were no forms before the columns, the columns were not bare,
//! and n came before d.

use codec::bits::{BitReader, BitWriter};
use codec::columns::{put_bare, put_column, read_bare, read_column};
use codec::{Malformed, Reader, put_bytes, put_len, put_varint};
use model::cell::{Cell, Cover, Extent};
use model::sketch_codec;
use model::sketches::{Sketches, Wanted};
use model::tier::Tier;

use super::sql::StoreError;

const HAS_COVER: u8 = 1;
const HAS_EXTENT: u8 = 2;
/// d equals the count, as for points without a d.
const D_IS_COUNT: u8 = 4;
/// min and max equal n/d, as for a single point.
const EXTENT_IS_RATIO: u8 = 8;
/// max equals min.
const MAX_IS_MIN: u8 = 16;
/// n equals d times min, as for the shares of a single point.
const N_IS_PRODUCT: u8 = 32;
/// The bits for the form of each column.
const FORM_BITS: [u32; COLUMNS] = [2, 2, 2, 3, 3, 3, 3];

/// Encodes cells with the starts of their buckets.
#[expect(clippy::cast_precision_loss, reason = "buckets of a span; counts beyond 2^53 lose what f64 loses")]
pub(super) fn encode(tier: Tier, span_start_s: i64, cells: &[(i64, &Cell)]) -> Vec<u8> {
    let mut last_s = span_start_s;
    let [mut starts, mut shapes, mut counts, mut n, mut d, mut min, mut max] = [const { Vec::new() }; 7];
    for (start_s, cell) in cells {
        starts.push(((start_s - last_s) / tier.width_s()) as f64);
        last_s = *start_s;
        let shape = shape(cell);
        shapes.push(f64::from(shape));
        counts.push(cell.count as f64);
        let Some(cover) = cell.cover else { continue };
        n.extend((shape & N_IS_PRODUCT == 0).then_some(cover.n));
        d.extend((shape & D_IS_COUNT == 0).then_some(cover.d));
        if let Some(extent) = cover.extent.filter(|_| shape & EXTENT_IS_RATIO == 0) {
            min.push(extent.min);
            max.extend((shape & MAX_IS_MIN == 0).then_some(extent.max));
        }
    }
    let mut out = Vec::new();
    put_len(&mut out, cells.len());
    let (mut columns, mut forms, mut at) = (Vec::new(), 0, 0);
    for (column, bits) in [starts, shapes, counts, d, min, n, max].iter().zip(FORM_BITS) {
        forms |= u64::from(put_bare(&mut columns, column)) << at;
        at += bits;
    }
    put_varint(&mut out, forms);
    out.extend_from_slice(&columns);
    if cells.iter().any(|(_, cell)| cell.sketches.is_some()) {
        put_sketches(&mut out, cells);
    }
    out
}

fn put_sketches(out: &mut Vec<u8>, cells: &[(i64, &Cell)]) {
    let shapes: Vec<u8> = cells.iter().map(|(_, cell)| sketch_codec::shape(cell)).collect();
    put_column(out, &shapes.iter().copied().map(f64::from).collect::<Vec<_>>());
    let (mut quantiles, mut distinct) = (BitWriter::default(), BitWriter::default());
    for (sketches, shape) in
        cells.iter().zip(shapes).filter_map(|((_, cell), shape)| Some((cell.sketches.as_ref()?, shape)))
    {
        sketches.quantiles.iter().for_each(|values| sketch_codec::put_quantiles(&mut quantiles, values, shape));
        if shape & sketch_codec::HAS_DISTINCT != 0 {
            sketch_codec::put_distinct(&mut distinct, &sketches.distinct_sets().collect::<Vec<_>>());
        }
    }
    put_bytes(out, &quantiles.finish());
    put_bytes(out, &distinct.finish());
}

/// Which columns contain a value of a cell.
#[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 is only compared")]
fn shape(cell: &Cell) -> u8 {
    let Some(cover) = cell.cover else { return 0 };
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let extent = match cover.extent {
        None => 0,
        Some(extent) => {
            let ratio = cover.n / cover.d;
            let is_one = extent.min == extent.max;
            let is_product = is_one && cover.d != cell.count as f64 && cover.d * extent.min == cover.n;
            HAS_EXTENT
                | flag(is_one && extent.min == ratio && !is_product, EXTENT_IS_RATIO)
                | flag(is_one, MAX_IS_MIN)
                | flag(is_product, N_IS_PRODUCT)
        }
    };
    HAS_COVER | flag(cover.d == cell.count as f64, D_IS_COUNT) | extent
}

/// Calls back with the cells and the starts of their buckets, with the wanted sketches; others are not decoded.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and small, as they were written")]
pub(super) fn decode(
    tier: Tier,
    span_start_s: i64,
    bytes: &[u8],
    form: Form,
    sketches: Wanted,
    each: &mut dyn FnMut(i64, Cell) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut reader = Reader::new(bytes);
    let cells = reader.len()?;
    let columns = match form {
        Form::Whole => whole_columns(&mut reader)?,
        Form::Bare => bare_columns(&mut reader, cells)?,
    };
    let mut columns = columns.map(Vec::into_iter);
    let mut sketches = SketchReader::new(reader, sketches)?;
    let mut next = |column: usize| columns[column].next().ok_or(StoreError::Malformed(Malformed(column)));
    let mut start_s = span_start_s;
    for _ in 0..cells {
        start_s += next(0)? as i64 * tier.width_s();
        let shape = next(1)? as u8;
        let count = next(2)?;
        let mut cell = Cell::plain(count as u64, None);
        if shape & HAS_COVER != 0 {
            let d = if shape & D_IS_COUNT == 0 { next(3)? } else { count };
            let mut extent = None;
            if shape & HAS_EXTENT != 0 && shape & EXTENT_IS_RATIO == 0 {
                let min = next(4)?;
                extent = Some(Extent { min, max: if shape & MAX_IS_MIN == 0 { next(6)? } else { min } });
            }
            let n = match extent {
                Some(extent) if shape & N_IS_PRODUCT != 0 => d * extent.min,
                _ => next(5)?,
            };
            if shape & EXTENT_IS_RATIO != 0 {
                extent = Some(Extent { min: n / d, max: n / d });
            }
            cell.cover = Some(Cover { n, d, extent });
        }
        if let Some(sketches) = &mut sketches {
            sketches.read(&mut cell)?;
        }
        each(start_s, cell)?;
    }
    Ok(())
}

/// The encoding of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The form before version 3 of chunks.
    Whole,
    /// The form that [`encode`] writes.
    Bare,
}

/// The columns in the order of [`encode`].
fn whole_columns(reader: &mut Reader<'_>) -> Result<[Vec<f64>; COLUMNS], Malformed> {
    let mut columns = [const { Vec::new() }; COLUMNS];
    for column in [0, 1, 2, 5, 3, 4, 6] {
        columns[column] = read_column(reader)?;
    }
    Ok(columns)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and small, as they were written")]
fn bare_columns(reader: &mut Reader<'_>, cells: usize) -> Result<[Vec<f64>; COLUMNS], Malformed> {
    let mut forms = reader.varint()?;
    let mut columns = [const { Vec::new() }; COLUMNS];
    for (column, bits) in FORM_BITS.into_iter().enumerate() {
        let count = match column {
            0..=2 => cells,
            _ => columns[1].iter().filter(|shape| has(column, **shape as u8)).count(),
        };
        columns[column] = read_bare(reader, (forms & ((1 << bits) - 1)) as u8, count)?;
        forms >>= bits;
    }
    Ok(columns)
}

/// Whether a column contains a value of a cell with this shape.
fn has(column: usize, shape: u8) -> bool {
    let has_extent = shape & HAS_EXTENT != 0 && shape & EXTENT_IS_RATIO == 0;
    shape & HAS_COVER != 0
        && match column {
            3 => shape & D_IS_COUNT == 0,
            4 => has_extent,
            5 => shape & N_IS_PRODUCT == 0,
            _ => has_extent && shape & MAX_IS_MIN == 0,
        }
}

/// The sketches of a series, cell by cell.
struct SketchReader<'a> {
    wanted: Wanted,
    shapes: std::vec::IntoIter<f64>,
    quantiles: BitReader<'a>,
    distinct: BitReader<'a>,
}

impl<'a> SketchReader<'a> {
    /// Decodes what follows the columns; `None` if that is empty or nothing is wanted.
    fn new(mut reader: Reader<'a>, wanted: Wanted) -> Result<Option<Self>, Malformed> {
        if reader.is_empty() || wanted.is_none() {
            return Ok(None);
        }
        let shapes = read_column(&mut reader)?.into_iter();
        let (quantiles, distinct) = (BitReader::new(reader.bytes()?), BitReader::new(reader.bytes()?));
        Ok(Some(Self { wanted, shapes, quantiles, distinct }))
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and small, as it was written")]
    fn read(&mut self, cell: &mut Cell) -> Result<(), Malformed> {
        let shape = self.shapes.next().ok_or(Malformed(0))? as u8;
        let mut sketches = Sketches::default();
        if shape & sketch_codec::HAS_QUANTILES != 0 && self.wanted.quantiles {
            sketches.quantiles = Some(sketch_codec::read_quantiles(&mut self.quantiles, cell, shape)?);
        }
        if shape & sketch_codec::HAS_DISTINCT != 0 && self.wanted.distinct != 0 {
            sketches.distinct = sketch_codec::read_distinct(&mut self.distinct)?;
            sketches.distinct.retain(|(label, _)| self.wanted.has(*label));
        }
        cell.sketches = (!sketches.is_empty()).then(|| Box::new(sketches));
        Ok(())
    }
}

/// Starts, shapes, counts, d, min, n, max.
const COLUMNS: usize = 7;
