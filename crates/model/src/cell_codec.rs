//! The binary form of a cell without its sketches; [`super::sketch_codec`] encodes those.
//!
//! Flags, count, and the parts of the cover that the flags don't determine, in the forms of [`codec`].

use super::cell::{Cell, Cover, Extent};
use codec::{Malformed, Reader, put_number, put_varint};

const HAS_COVER: u8 = 1;
const HAS_EXTENT: u8 = 2;
const D_IS_COUNT: u8 = 4;
const MIN_IS_MAX: u8 = 8;

/// Appends a cell without its sketches: flags, count, and the parts of the cover that the flags don't determine.
pub fn put_cell(out: &mut Vec<u8>, cell: &Cell) {
    let flags_at = out.len();
    out.push(0);
    put_varint(out, cell.count);
    let Some(cover) = cell.cover else { return };
    let mut flags = HAS_COVER;
    put_number(out, cover.n);
    if cover.d == count_as_number(cell.count) {
        flags |= D_IS_COUNT;
    } else {
        put_number(out, cover.d);
    }
    if let Some(extent) = cover.extent {
        flags |= HAS_EXTENT;
        put_number(out, extent.min);
        if extent.min == extent.max {
            flags |= MIN_IS_MAX;
        } else {
            put_number(out, extent.max);
        }
    }
    out[flags_at] = flags;
}

#[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 is only compared, and then stored in full")]
fn count_as_number(count: u64) -> f64 {
    count as f64
}

/// Reads a cell without sketches that [`put_cell`] wrote.
///
/// # Errors
/// [`Malformed`] if the bytes are not a cell.
pub fn read_cell(reader: &mut Reader<'_>) -> Result<Cell, Malformed> {
    let flags = reader.byte()?;
    let count = reader.varint()?;
    if flags & HAS_COVER == 0 {
        return Ok(Cell::plain(count, None));
    }
    let n = reader.number()?;
    let d = if flags & D_IS_COUNT == 0 { reader.number()? } else { count_as_number(count) };
    let extent = if flags & HAS_EXTENT == 0 { None } else { Some(read_extent(reader, flags)?) };
    Ok(Cell::plain(count, Some(Cover { n, d, extent })))
}

fn read_extent(reader: &mut Reader<'_>, flags: u8) -> Result<Extent, Malformed> {
    let min = reader.number()?;
    let max = if flags & MIN_IS_MAX == 0 { reader.number()? } else { min };
    Ok(Extent { min, max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::any_cell;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cells_survive_a_round_trip(cell in any_cell()) {
            let mut out = Vec::new();
            put_cell(&mut out, &cell);
            prop_assert_eq!(read_cell(&mut Reader::new(&out)), Ok(Cell::plain(cell.count, cell.cover)));
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader::new(&bytes);
            while read_cell(&mut reader).is_ok() {}
        }
    }

    #[test]
    fn the_form_of_a_cell_is_pinned() {
        let extent = Some(Extent { min: -1.0, max: 0.5 });
        let cell = Cell::plain(3, Some(Cover { n: 1234.0, d: 3.0, extent }));
        let mut out = Vec::new();
        put_cell(&mut out, &cell);
        assert_eq!(out, [0b0111, 3, 0xc8, 0x26, 2, 1, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f]);
    }
}
