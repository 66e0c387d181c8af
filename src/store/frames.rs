//! How a column holds frames (see `wire::frame`): `u8 version = 1`, then each frame with its length before it.

use crate::domain::codec::{Malformed, Reader, put_bytes};

const VERSION: u8 = 1;

/// The bytes of a column with these frames.
#[must_use]
pub fn encode<'a>(frames: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![VERSION];
    frames.for_each(|frame| put_bytes(&mut out, frame));
    out
}

/// The frames of a column.
///
/// # Errors
/// [`Malformed`]
pub fn decode(bytes: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(Malformed(0));
    }
    let mut frames = Vec::new();
    while !reader.is_empty() {
        frames.push(reader.bytes()?);
    }
    Ok(frames)
}

/// How many of the first frames, given their sizes, fit a row of so many bytes; at least one.
#[must_use]
pub fn fitting(sizes: impl Iterator<Item = usize>, max_bytes: usize) -> usize {
    /// Before a frame stands its length.
    const LENGTH_BYTES: usize = 4;
    let mut bytes = 0;
    let fits = |size: &usize| {
        bytes += size + LENGTH_BYTES;
        bytes <= max_bytes
    };
    sizes.take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_row_is_pinned() {
        let bytes = encode([&b"ab"[..], b"c"].into_iter());
        assert_eq!(bytes, [1, 2, b'a', b'b', 1, b'c']);
        assert_eq!(decode(&bytes), Ok(vec![&b"ab"[..], b"c"]));
        assert!(decode(&bytes[..3]).is_err() && decode(&[2]).is_err());
    }
}
