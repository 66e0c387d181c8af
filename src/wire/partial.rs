//! What one shard answers to a query: its groups and their cells, for the edge to merge.
//!
//! Version 1: `u8 version = 1, varint groups, each: text labels, varint cells, each: varint steps since the
//! last, cell`. Sent between versions of one deployment only, never stored.

use crate::domain::codec::{Malformed, Reader, put_bytes, put_cell, put_len, put_varint};
use crate::domain::grid::{Grid, Row, TooManyCells};
use crate::domain::labels::Labels;

const VERSION: u8 = 1;

/// Why partial answers can't be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartialError {
    /// Not a partial of a known version.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The sum is too large.
    #[error(transparent)]
    TooManyCells(#[from] TooManyCells),
}

/// The bytes of a shard's rows.
#[must_use]
pub fn encode(rows: &[Row]) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_len(&mut out, rows.len());
    for (labels, cells) in rows {
        put_bytes(&mut out, labels.as_str().as_bytes());
        put_len(&mut out, cells.len());
        let mut last = 0;
        for (step, cell) in cells {
            put_varint(&mut out, u64::from(step - last));
            put_cell(&mut out, cell);
            last = *step;
        }
    }
    out
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
            grid.add(group, step, &reader.cell()?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cell::tests::any_cell;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn merging_the_parts_of_shards_is_merging_their_cells(
            cells in proptest::collection::vec((0usize..3, 0u32..50, 0usize..4, any_cell()), 0..60),
        ) {
            let names = ["", "a\u{1f}1\u{1e}", "a\u{1f}2\u{1e}"];
            let mut whole = Grid::default();
            let mut shards: Vec<Grid> = (0..4).map(|_| Grid::default()).collect();
            for (name, step, shard, cell) in cells {
                for grid in [&mut whole, &mut shards[shard]] {
                    let group = grid.group(Labels::from_canonical(names[name]));
                    grid.add(group, step, &cell).expect("fits");
                }
            }
            let mut merged = Grid::default();
            for shard in shards {
                merge(&encode(&shard.into_rows()), &mut merged).expect("a partial");
            }
            prop_assert_eq!(merged.into_rows(), whole.into_rows());
        }
    }
}
