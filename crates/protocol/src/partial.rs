//! A shard's answer to a query: its groups and their cells, for the edge to merge.
//!
//! Version 2: `u8 version = 2, varint groups, each: text labels, varint cells, each: varint steps since the last,
//! cell, u8 shape of the sketches and, as it says, bytes of quantiles, bytes of distinct counts` (see
//! `model::sketch_codec`). It has the requested sketches; labels whose values are counted are identified by their
//! index in the query. Sent only between versions of one deployment, never stored.

use codec::bits::{BitReader, BitWriter};
use codec::{Malformed, Reader, put_bytes, put_len, put_varint};
use model::cell::Cell;
use model::cell_codec;
use model::grid::{Grid, GridError, Row};
use model::labels::Labels;
use model::sketch_codec;
use model::sketch_codec::{HAS_DISTINCT, HAS_QUANTILES};
use model::sketches::Sketches;

/// The version of this form.
pub const VERSION: u8 = 2;

/// Why partial answers can't be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartialError {
    /// Not a partial of a known version.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The merged answer is too large.
    #[error(transparent)]
    TooLarge(#[from] GridError),
}

/// Encodes a shard's rows. `asked` are the shard's ids of the labels whose values are counted, in the order of the
/// query.
#[must_use]
pub fn encode(rows: &[Row], asked: &[u8]) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_len(&mut out, rows.len());
    for (labels, cells) in rows {
        put_bytes(&mut out, labels.as_str().as_bytes());
        put_len(&mut out, cells.len());
        let mut last = 0;
        for (step, cell) in cells {
            put_varint(&mut out, u64::from(step - last));
            cell_codec::put_cell(&mut out, cell);
            put_sketches(&mut out, cell, asked);
            last = *step;
        }
    }
    out
}

fn put_sketches(out: &mut Vec<u8>, cell: &Cell, asked: &[u8]) {
    let shape = sketch_codec::shape(cell);
    out.push(shape);
    let Some(sketches) = &cell.sketches else { return };
    if let Some(quantiles) = &sketches.quantiles {
        let mut bits = BitWriter::default();
        sketch_codec::put_quantiles(&mut bits, quantiles, shape);
        put_bytes(out, &bits.finish());
    }
    if shape & HAS_DISTINCT != 0 {
        let mut bits = BitWriter::default();
        let place = |(place, number): (u8, &u8)| {
            sketches.distinct_sets().find(|(label, _)| label == number).map(|(_, set)| (place, set))
        };
        let places: Vec<_> = (0..).zip(asked).filter_map(place).collect();
        sketch_codec::put_distinct(&mut bits, &places);
        put_bytes(out, &bits.finish());
    }
}

/// Decodes a cell with its sketches.
///
/// # Errors
/// [`Malformed`] if the bytes are not a cell.
pub fn read_cell(reader: &mut Reader<'_>) -> Result<Cell, Malformed> {
    let mut cell = cell_codec::read_cell(reader)?;
    let shape = reader.byte()?;
    let mut sketches = Sketches::default();
    if shape & HAS_QUANTILES != 0 {
        sketches.quantiles = Some(sketch_codec::read_quantiles(&mut BitReader::new(reader.bytes()?), &cell, shape)?);
    }
    if shape & HAS_DISTINCT != 0 {
        sketches.distinct = sketch_codec::read_distinct(&mut BitReader::new(reader.bytes()?))?;
    }
    cell.sketches = (!sketches.is_empty()).then(|| Box::new(sketches));
    Ok(cell)
}

/// Merges a shard's bytes into a grid.
///
/// # Errors
/// See [`PartialError`].
pub fn merge(bytes: &[u8], grid: &mut Grid) -> Result<(), PartialError> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(Malformed(0).into());
    }
    for _ in 0..reader.len()? {
        let group = grid.group(Labels::from_canonical(reader.text()?));
        let mut step = 0;
        for _ in 0..reader.len()? {
            step += u32::try_from(reader.varint()?).map_err(|_| Malformed(0))?;
            grid.add(group, step, &read_cell(&mut reader)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::sketches::{Mark, Wanted};
    use model::testing::any_cell;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn merging_parts_of_shards_equals_merging_their_cells(
            cells in proptest::collection::vec((0usize..3, 0u32..50, 0usize..4, any_cell()), 0..60),
        ) {
            let names = ["", "a\u{1f}1\u{1e}", "a\u{1f}2\u{1e}"];
            let mut whole = Grid::new(Wanted::ALL);
            let mut shards: Vec<Grid> = (0..4).map(|_| Grid::new(Wanted::ALL)).collect();
            for (name, step, shard, cell) in cells {
                for grid in [&mut whole, &mut shards[shard]] {
                    let group = grid.group(Labels::from_canonical(names[name]));
                    grid.add(group, step, &cell).expect("fits");
                }
            }
            let mut merged = Grid::new(Wanted::ALL);
            for shard in shards {
                merge(&encode(&shard.into_rows(), &[0, 1, 2]), &mut merged).expect("a partial");
            }
            prop_assert_eq!(merged.into_rows(), whole.into_rows());
        }
    }

    #[test]
    fn labels_are_identified_by_their_index_in_the_query() {
        let mut cell = Cell::plain(1, None);
        cell.mark(&[(2, 1 << 60), (2, 2 << 60), (5, 7)].map(|(label, hash)| Mark { label, hash }));
        let rows = [(Labels::default(), vec![(0, cell)])];
        let mut grid = Grid::new(Wanted::ALL);
        merge(&encode(&rows, &[5, 9, 2]), &mut grid).expect("a partial");
        let cell = &grid.into_rows()[0].1[0].1;
        assert_eq!([0, 1, 2, 5].map(|label| cell.distinct_values(label)), [1.0, 0.0, 2.0, 0.0]);
    }
}
