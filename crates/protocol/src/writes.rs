//! Several writes in one call to an object, and the answers. The writes come from different clients, which don't
//! know of each other: each is a [`super::command::WriteRequest`], and each has an answer of its own.
//!
//! Version 1, in the forms of [`codec`]: `u8 version = 1`, then the writes or their answers in the same order, each
//! with its length before it. An answer is `u8 0` and a [`super::command::WriteAnswer`], or `u8 1` and a [`Refusal`] as
//! JSON.

use codec::{Malformed, Reader, put_bytes, put_len};

use super::refusal::Refusal;

const VERSION: u8 = 1;
const DONE: u8 = 0;
const REFUSED: u8 = 1;

/// The answer to one write: what the object says, or why the write was refused.
pub type Answered = Result<Vec<u8>, Refusal>;

/// The body of a call with these writes.
#[must_use]
pub fn encode_writes<'a>(writes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![VERSION];
    writes.for_each(|write| put_bytes(&mut out, write));
    out
}

/// The writes of a call.
///
/// # Errors
/// [`Malformed`]
pub fn decode_writes(body: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut reader = Reader::new(body);
    if reader.byte()? != VERSION {
        return Err(Malformed(0));
    }
    let mut items = Vec::new();
    while !reader.is_empty() {
        items.push(reader.bytes()?);
    }
    Ok(items)
}

/// The body of the answers.
#[must_use]
pub fn encode_answers(answers: &[Answered]) -> Vec<u8> {
    let mut out = vec![VERSION];
    for answer in answers {
        match answer {
            Ok(said) => put_tagged(&mut out, DONE, said),
            Err(refusal) => {
                put_tagged(&mut out, REFUSED, &serde_json::to_vec(refusal).expect("strings always serialise"));
            }
        }
    }
    out
}

fn put_tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    put_len(out, 1 + bytes.len());
    out.push(tag);
    out.extend_from_slice(bytes);
}

/// Splits the answers to the writes.
///
/// # Errors
/// [`Malformed`]
pub fn decode_answers(body: &[u8]) -> Result<Vec<Answered>, Malformed> {
    let answer = |bytes: &[u8]| match bytes.split_first() {
        Some((&DONE, said)) => Ok(Ok(said.to_vec())),
        Some((&REFUSED, refusal)) => Ok(Err(serde_json::from_slice(refusal).map_err(|_| Malformed(1))?)),
        _ => Err(Malformed(0)),
    };
    decode_writes(body)?.into_iter().map(answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_answers_survive_a_round_trip_in_order() {
        let bytes = encode_writes([&b"ab"[..], b"", b"c"].into_iter());
        assert_eq!(bytes, [1, 2, b'a', b'b', 0, 1, b'c']);
        assert_eq!(decode_writes(&bytes), Ok(vec![&b"ab"[..], b"", b"c"]));
        let answers = [Ok(Vec::new()), Err(Refusal::Overloaded), Ok(b"{}".to_vec())];
        assert_eq!(decode_answers(&encode_answers(&answers)), Ok(answers.to_vec()));
    }

    #[test]
    fn truncated_bytes_and_other_versions_are_errors() {
        let bytes = encode_answers(&[Err(Refusal::OriginNotAllowed), Ok(Vec::new())]);
        assert!(decode_writes(&[]).is_err() && decode_writes(&[2]).is_err() && decode_writes(&[1, 2, 7]).is_err());
        assert!(decode_answers(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode_answers(&[1, 0]).is_err() && decode_answers(&[1, 1, 9]).is_err());
    }
}
