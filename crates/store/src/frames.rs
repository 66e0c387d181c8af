//! The encoding of a column with frames (see [`ingest::frame`]).
//!
//! For answers: `u8 version = 1`, then each frame with its length before it. For the log: `u8 version = 2`, then
//! for each frame `u8 class (0 open, 1 keyed, 2 owner), bytes overflow, bytes frame`. Bit i of `overflow` is set if
//! the frame's label set i was refused a series of its own: that depends on what else arrived then, and ids must be
//! the same when the log is read again. Rows of the log of earlier versions have the form of answers: their label
//! sets were only refused for lack of room.

use codec::{Malformed, Reader, put_bytes};
use model::class::Class;

const VERSION: u8 = 1;
const DECIDED: u8 = 2;
const CLASSES: [Class; 3] = [Class::Open, Class::Keyed, Class::Owner];

/// A frame of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged<'a> {
    /// The class of its writer; unknown in rows of earlier versions.
    pub class: Option<Class>,
    /// Which label sets were refused, see above.
    pub overflow: &'a [u8],
    /// Its bytes.
    pub frame: &'a [u8],
}

impl Logged<'_> {
    /// Whether a label set was refused a series of its own.
    #[must_use]
    pub fn is_refused(&self, set: usize) -> bool {
        self.overflow.get(set / 8).is_some_and(|bits| bits & (1 << (set % 8)) != 0)
    }
}

/// Marks a label set as refused.
pub fn refuse(overflow: &mut Vec<u8>, set: usize) {
    if overflow.len() <= set / 8 {
        overflow.resize(set / 8 + 1, 0);
    }
    overflow[set / 8] |= 1 << (set % 8);
}

/// Encodes a column with these frames.
#[must_use]
pub fn encode<'a>(frames: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![VERSION];
    frames.for_each(|frame| put_bytes(&mut out, frame));
    out
}

/// Encodes a row of the log.
#[must_use]
pub fn encode_logged<'a>(frames: impl Iterator<Item = Logged<'a>>) -> Vec<u8> {
    let mut out = vec![DECIDED];
    for Logged { class, overflow, frame } in frames {
        out.push(class.unwrap_or(Class::Open) as u8);
        put_bytes(&mut out, overflow);
        put_bytes(&mut out, frame);
    }
    out
}

/// Decodes the frames of a column.
///
/// # Errors
/// [`Malformed`]
pub fn decode(bytes: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    Ok(decode_logged(bytes)?.into_iter().map(|logged| logged.frame).collect())
}

/// Decodes the frames of a row of the log, with the decisions on them.
///
/// # Errors
/// [`Malformed`]
pub fn decode_logged(bytes: &[u8]) -> Result<Vec<Logged<'_>>, Malformed> {
    let mut reader = Reader::new(bytes);
    let version = reader.byte()?;
    if version != VERSION && version != DECIDED {
        return Err(Malformed(0));
    }
    let mut frames = Vec::new();
    while !reader.is_empty() {
        let (mut class, mut overflow) = (None, &[][..]);
        if version == DECIDED {
            class = Some(*CLASSES.get(usize::from(reader.byte()?)).ok_or(Malformed(0))?);
            overflow = reader.bytes()?;
        }
        frames.push(Logged { class, overflow, frame: reader.bytes()? });
    }
    Ok(frames)
}

/// How many of the first frames, given their sizes, fit into a row of this many bytes; at least one.
#[must_use]
pub fn fitting(sizes: impl Iterator<Item = usize>, max_bytes: usize) -> usize {
    /// The length before each frame.
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
        assert!(decode(&bytes[..3]).is_err() && decode(&[3]).is_err());
    }

    #[test]
    fn the_form_of_a_row_with_decisions_is_pinned() {
        let mut overflow = Vec::new();
        for set in [1, 9] {
            refuse(&mut overflow, set);
        }
        let logged = [
            Logged { class: Some(Class::Open), overflow: &overflow, frame: b"ab" },
            Logged { class: Some(Class::Keyed), overflow: &[], frame: b"c" },
            Logged { class: Some(Class::Owner), overflow: &[], frame: b"" },
        ];
        let bytes = encode_logged(logged.into_iter());
        assert_eq!(bytes, [2, 0, 2, 2, 2, 2, b'a', b'b', 1, 0, 1, b'c', 2, 0, 0]);
        assert_eq!(decode_logged(&bytes), Ok(logged.to_vec()));
        assert_eq!(decode(&bytes), Ok(vec![&b"ab"[..], b"c", b""]));
        let refused: Vec<usize> = (0..80).filter(|set| logged[0].is_refused(*set)).collect();
        assert_eq!(refused, [1, 9]);
        let old = encode([&b"ab"[..]].into_iter());
        assert_eq!(decode_logged(&old), Ok(vec![Logged { class: None, overflow: &[], frame: b"ab" }]));
        assert!(decode_logged(&[2, 3, 0, 0]).is_err() && decode_logged(&[2, 0, 0]).is_err());
    }
}
