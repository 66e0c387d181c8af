//! A shard's answers to live queries: for each query the cells, or that it no longer knows the changes, or a
//! refusal.
//!
//! Version 1: for each query, with its length: `u8 version = 1, u8 kind`, and then `varint shard, varint position`
//! and, for cells, a [`super::partial`]; or the JSON of a refusal. Sent only between versions of one deployment,
//! never stored.

use codec::{Malformed, Reader, put_bytes, put_varint};

use super::refusal::Refusal;

const VERSION: u8 = 1;
const GONE: u8 = 0;
const CELLS: u8 = 1;
const REFUSED: u8 = 2;

/// The answer to a query.
#[derive(Debug, PartialEq, Eq)]
pub struct LivePart<T> {
    /// The index of the shard.
    pub shard: u16,
    /// The position in the shard to which the answer refers.
    pub position: i64,
    /// A partial; `None` if the changes are no longer known.
    pub cells: Option<T>,
}

/// The bytes of answers.
#[must_use]
pub fn encode(parts: &[Result<LivePart<Vec<u8>>, Refusal>]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        let mut bytes = vec![VERSION];
        match part {
            Ok(LivePart { shard, position, cells }) => {
                bytes.push(if cells.is_some() { CELLS } else { GONE });
                put_varint(&mut bytes, u64::from(*shard));
                put_varint(&mut bytes, position.unsigned_abs());
                bytes.extend_from_slice(cells.as_deref().unwrap_or_default());
            }
            Err(refusal) => {
                bytes.push(REFUSED);
                bytes.extend(serde_json::to_vec(refusal).expect("a refusal always serialises"));
            }
        }
        put_bytes(&mut out, &bytes);
    }
    out
}

/// Splits the answers.
///
/// # Errors
/// [`Malformed`]
pub fn split(bytes: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let (mut reader, mut parts) = (Reader::new(bytes), Vec::new());
    while !reader.is_empty() {
        parts.push(reader.bytes()?);
    }
    Ok(parts)
}

/// Decodes one answer.
///
/// # Errors
/// The shard's refusal; [`Refusal::OtherVersion`] if it can't be decoded.
pub fn parse(bytes: &[u8]) -> Result<LivePart<&[u8]>, Refusal> {
    let (head, rest) = bytes.split_at_checked(2).ok_or(Refusal::OtherVersion)?;
    match *head {
        [VERSION, kind @ (GONE | CELLS)] => {
            let mut reader = Reader::new(rest);
            let mut number = || reader.varint().map_err(|_| Refusal::OtherVersion);
            let (shard, position) = (u16::try_from(number()?), i64::try_from(number()?));
            let (Ok(shard), Ok(position)) = (shard, position) else { return Err(Refusal::OtherVersion) };
            Ok(LivePart { shard, position, cells: (kind == CELLS).then(|| reader.rest()) })
        }
        [VERSION, REFUSED] => Err(serde_json::from_slice(rest).unwrap_or(Refusal::OtherVersion)),
        _ => Err(Refusal::OtherVersion),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_live_queries_survive_a_round_trip() {
        let refusal = Refusal::QueryTooLarge("too large".into());
        let parts = [
            Ok(LivePart { shard: 63, position: 1 << 53, cells: Some(vec![7, 8]) }),
            Ok(LivePart { shard: 0, position: 0, cells: None }),
            Err(refusal.clone()),
        ];
        let bytes = encode(&parts);
        let split = split(&bytes).expect("is whole");
        assert_eq!(parse(split[0]), Ok(LivePart { shard: 63, position: 1 << 53, cells: Some(&[7, 8][..]) }));
        assert_eq!(parse(split[1]), Ok(LivePart { shard: 0, position: 0, cells: None }));
        assert_eq!((parse(split[2]), split.len()), (Err(refusal), 3));
        for broken in [&[][..], &[2, 1, 0, 0], &[1, 9], &[1, 1, 0x80], &[1, 2, b'{']] {
            assert_eq!(parse(broken), Err(Refusal::OtherVersion));
        }
    }
}
