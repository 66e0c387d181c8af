//! The compact binary form of numbers and strings, shared by everything that is persisted or sent internally.
//!
//! Integers are LEB128 varints. A number is a varint with an even value (the zigzag of an integer, times two), or
//! the byte 1 followed by the eight bytes of the f64, little-endian. Strings and byte strings are preceded by their
//! length. Once written to storage, a form never changes: see the pins in the tests.

pub mod bits;
pub mod columns;

/// Bytes that are not what was written, or that are truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed bytes at offset {0}")]
pub struct Malformed(pub usize);

/// The largest integer stored as a varint; beyond it, f64 can't represent odd ones.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;
const RAW_F64: u8 = 1;

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Appends a signed varint.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

/// Appends a length or an index.
pub fn put_len(out: &mut Vec<u8>, len: usize) {
    put_varint(out, len as u64);
}

/// Appends a finite number.
pub fn put_number(out: &mut Vec<u8>, value: f64) {
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
    if value.trunc() == value && value.abs() <= MAX_WHOLE {
        put_varint(out, zigzag(value as i64) << 1);
    } else {
        out.push(RAW_F64);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends bytes, preceded by their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

#[expect(clippy::cast_sign_loss, reason = "zigzag moves the sign to the lowest bit")]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Reads what the `put_` functions wrote.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Reads the next byte.
    ///
    /// # Errors
    /// [`Malformed`] at the end; the same applies to all others.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed(self.at))?;
        self.at += 1;
        Ok(byte)
    }

    /// Reads a varint.
    ///
    /// # Errors
    /// Same as [`Self::byte`], and if it does not fit into 64 bits.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let (mut value, start) = (0u64, self.at);
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed(start))
    }

    /// Reads a signed varint.
    ///
    /// # Errors
    /// As [`Self::varint`].
    pub fn signed(&mut self) -> Result<i64, Malformed> {
        self.varint().map(unzigzag)
    }

    /// Reads a length or an index.
    ///
    /// # Errors
    /// As [`Self::varint`].
    pub fn len(&mut self) -> Result<usize, Malformed> {
        let at = self.at;
        usize::try_from(self.varint()?).map_err(|_| Malformed(at))
    }

    /// Reads a number.
    ///
    /// # Errors
    /// As [`Self::varint`].
    #[expect(clippy::cast_precision_loss, reason = "put_number wrote at most 53 bits")]
    pub fn number(&mut self) -> Result<f64, Malformed> {
        if self.bytes.get(self.at) == Some(&RAW_F64) {
            self.at += 1;
            return Ok(f64::from_le_bytes(self.array()?));
        }
        Ok(unzigzag(self.varint()? >> 1) as f64)
    }

    /// Reads bytes that are preceded by their length.
    ///
    /// # Errors
    /// Same as [`Self::varint`], and if there are fewer bytes than that.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.len()?;
        self.take(len)
    }

    /// Reads a string that is preceded by its length.
    ///
    /// # Errors
    /// Same as [`Self::bytes`], and if it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let at = self.at;
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed(at))
    }

    /// Reads an array of fixed length.
    ///
    /// # Errors
    /// As [`Self::byte`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| Malformed(at))
    }

    /// The rest of the bytes.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Reads this many bytes.
    ///
    /// # Errors
    /// As [`Self::byte`].
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len()).ok_or(Malformed(self.at))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
}

#[expect(clippy::cast_possible_wrap, reason = "the inverse of zigzag")]
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_survive_a_round_trip(value in any::<f64>().prop_filter("finite", |v| v.is_finite()), whole in any::<i64>(), small in any::<i32>()) {
            let mut out = Vec::new();
            put_number(&mut out, value);
            put_number(&mut out, f64::from(small));
            put_signed(&mut out, whole);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.number(), Ok(value));
            prop_assert_eq!(reader.number(), Ok(f64::from(small)));
            prop_assert_eq!(reader.signed(), Ok(whole));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader::new(&bytes);
            while reader.text().is_ok() {}
        }
    }
}
