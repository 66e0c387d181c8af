//! Encodes numbers in a few bits each, as sketches are stored, most significant bit first.
//!
//! A number below a bound: truncated binary. A sorted list of numbers within bounds: binary interpolative code
//! (Moffat, Stuiver, 2000): the middle number within the bounds, then the halves within theirs, so that numbers
//! without a choice take no bits. A Rice code with parameter k: the quotient by 2^k as that many ones and a zero,
//! then k bits. An Elias gamma code: one less than the length of number + 1 in bits, as that many ones and a zero,
//! then number + 1 without its first bit.

use crate::Malformed;

/// A peek gives at least this many bits.
const PEEK_BITS: u32 = 56;

/// Writes bits.
#[derive(Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// The number of unused bits in the last byte.
    free: u32,
}

impl BitWriter {
    /// Appends the lowest bits of a number; at most 64.
    #[inline(never)]
    pub fn put(&mut self, value: u64, mut bits: u32) {
        while bits > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = u8::BITS;
            }
            let taken = bits.min(self.free);
            let part = (value >> (bits - taken)) & ((1 << taken) - 1);
            self.free -= taken;
            bits -= taken;
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((part << self.free) & 0xff) as u8;
            }
        }
    }

    /// Appends a Rice code.
    pub fn put_rice(&mut self, value: u64, k: u32) {
        self.put_ones(value >> k);
        self.put(value, k);
    }

    /// Appends an Elias gamma code of a number below 2^63.
    pub fn put_gamma(&mut self, value: u64) {
        let bits = (value + 1).ilog2();
        self.put_ones(u64::from(bits));
        self.put(value + 1, bits);
    }

    /// Appends a number below a bound.
    #[inline(never)]
    pub fn put_below(&mut self, value: u64, bound: u64) {
        let (short, spare) = truncated(bound);
        if value < spare { self.put(value, short) } else { self.put(value + spare, short + 1) }
    }

    /// Appends numbers that are sorted and lie in `[least, greatest]`.
    pub fn put_sorted(&mut self, numbers: &[u64], least: u64, greatest: u64) {
        if least == greatest || numbers.is_empty() {
            return;
        }
        let middle = numbers.len() / 2;
        let number = numbers[middle];
        self.put_below(number - least, greatest - least + 1);
        self.put_sorted(&numbers[..middle], least, number);
        self.put_sorted(&numbers[middle + 1..], number, greatest);
    }

    #[inline(never)]
    fn put_ones(&mut self, mut count: u64) {
        while count >= 32 {
            self.put(u64::from(u32::MAX), 32);
            count -= 32;
        }
        self.put((2 << count) - 2, u32::try_from(count).unwrap_or_default() + 1);
    }

    /// The bytes written, padded with zeros to whole bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// The bits of the short codes of truncated binary, and the number of short codes.
fn truncated(bound: u64) -> (u32, u64) {
    let short = bound.max(1).ilog2();
    (short, (2 << short) - bound.max(1))
}

/// The number of bits in a Rice code.
#[must_use]
pub fn rice_bits(value: u64, k: u32) -> u64 {
    (value >> k).saturating_add(1 + u64::from(k))
}

/// Reads what a [`BitWriter`] wrote.
#[derive(Clone, Copy, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    /// The position in bits.
    at: usize,
}

impl<'a> BitReader<'a> {
    /// A reader at the first bit.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads the next bits as a number; at most 64.
    ///
    /// # Errors
    /// [`Malformed`] at the end; the same applies to all others.
    #[inline(never)]
    pub fn bits(&mut self, count: u32) -> Result<u64, Malformed> {
        if count == 0 {
            return Ok(0);
        }
        if count > PEEK_BITS {
            let high = self.bits(count - PEEK_BITS)?;
            return Ok((high << PEEK_BITS) | self.bits(PEEK_BITS)?);
        }
        let value = self.peek() >> (u64::BITS - count);
        self.skip(count)?;
        Ok(value)
    }

    /// Reads a Rice code.
    ///
    /// # Errors
    /// As [`Self::bits`].
    #[inline(never)]
    pub fn rice(&mut self, k: u32) -> Result<u64, Malformed> {
        let quotient = self.ones()?;
        if quotient.leading_zeros() < k {
            return Err(Malformed(self.at / 8));
        }
        Ok((quotient << k) | self.bits(k)?)
    }

    /// Reads an Elias gamma code.
    ///
    /// # Errors
    /// As [`Self::bits`].
    #[inline(never)]
    pub fn gamma(&mut self) -> Result<u64, Malformed> {
        let bits = u32::try_from(self.ones()?).ok().filter(|bits| *bits < u64::BITS);
        let bits = bits.ok_or(Malformed(self.at / 8))?;
        Ok(((1 << bits) | self.bits(bits)?) - 1)
    }

    /// Reads a number below a bound.
    ///
    /// # Errors
    /// As [`Self::bits`].
    #[inline(never)]
    pub fn below(&mut self, bound: u64) -> Result<u64, Malformed> {
        let (short, spare) = truncated(bound);
        let value = self.bits(short)?;
        if value < spare { Ok(value) } else { Ok((value << 1 | self.bits(1)?) - spare) }
    }

    /// Fills a list with sorted numbers in `[least, greatest]`.
    ///
    /// # Errors
    /// As [`Self::bits`].
    pub fn sorted(&mut self, numbers: &mut [u64], least: u64, greatest: u64) -> Result<(), Malformed> {
        if least == greatest || numbers.is_empty() {
            numbers.fill(least);
            return Ok(());
        }
        let middle = numbers.len() / 2;
        let number = least + self.below(greatest - least + 1)?;
        numbers[middle] = number;
        self.sorted(&mut numbers[..middle], least, number)?;
        self.sorted(&mut numbers[middle + 1..], number, greatest)
    }

    #[inline(never)]
    fn ones(&mut self) -> Result<u64, Malformed> {
        let mut count = 0;
        loop {
            let ones = self.peek().leading_ones().min(PEEK_BITS);
            count += u64::from(ones);
            if ones < PEEK_BITS {
                self.skip(ones + 1)?;
                return Ok(count);
            }
            self.skip(ones)?;
        }
    }

    /// The next bits, left-aligned, with zeros beyond the end.
    fn peek(&self) -> u64 {
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        let word = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            word
        });
        u64::from_be_bytes(word) << (self.at % 8)
    }

    fn skip(&mut self, count: u32) -> Result<(), Malformed> {
        let at = self.at + count as usize;
        if at > self.bytes.len() * 8 {
            return Err(Malformed(self.at / 8));
        }
        self.at = at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorted_lists_survive_a_round_trip(mut numbers in proptest::collection::vec((0u64..1 << 62, 0u32..62), 0..40), slack in 0u64..9) {
            let mut numbers: Vec<u64> = numbers.drain(..).map(|(number, shift)| number >> shift).collect();
            numbers.sort_unstable();
            let least = numbers.first().map_or(0, |first| first.saturating_sub(slack));
            let greatest = numbers.last().map_or(slack, |last| last + slack);
            let mut writer = BitWriter::default();
            writer.put_sorted(&numbers, least, greatest);
            let bytes = writer.finish();
            let mut seen = vec![0; numbers.len()];
            prop_assert_eq!(BitReader::new(&bytes).sorted(&mut seen, least, greatest), Ok(()));
            prop_assert_eq!(seen, numbers);
        }

        #[test]
        fn codes_survive_a_round_trip_in_the_stated_bits(
            numbers in proptest::collection::vec((any::<u64>(), 0u32..64, 0u32..20), 0..40),
        ) {
            let mut writer = BitWriter::default();
            let mut bits = 0;
            for (number, shift, k) in &numbers {
                let small = (number >> shift).min(1000 << k);
                writer.put_rice(small, *k);
                writer.put_gamma(number >> shift >> 1);
                writer.put(*number, 64 - shift);
                bits += rice_bits(small, *k) + 2 * u64::from(((number >> shift >> 1) + 1).ilog2()) + 1 + u64::from(64 - shift);
            }
            let bytes = writer.finish();
            prop_assert_eq!(bytes.len() as u64, bits.div_ceil(8));
            let mut reader = BitReader::new(&bytes);
            for (number, shift, k) in &numbers {
                prop_assert_eq!(reader.rice(*k), Ok((number >> shift).min(1000 << k)));
                prop_assert_eq!(reader.gamma(), Ok(number >> shift >> 1));
                prop_assert_eq!(reader.bits(64 - shift), Ok(number << shift >> shift));
            }
            prop_assert!(reader.bits(8).is_err());
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), k in 0u32..64) {
            let mut reader = BitReader::new(&bytes);
            while reader.rice(k).is_ok() {}
            let mut reader = BitReader::new(&bytes);
            while reader.gamma().is_ok() {}
            let mut reader = BitReader::new(&bytes);
            while reader.sorted(&mut [0; 7], 3, 3 + u64::from(k).pow(9)).is_ok() && k > 0 {}
        }
    }

    #[test]
    fn the_codes_are_pinned() {
        let mut writer = BitWriter::default();
        writer.put_rice(9, 2);
        writer.put_gamma(4);
        writer.put(0b101, 3);
        writer.put_sorted(&[1, 4, 4], 0, 4);
        // 110 01, 110 01, 101; in 0..=4, 4 is 111, then in 0..=4, 1 is 01, and in 4..=4 only 4 is possible.
        assert_eq!(writer.finish(), [0b1100_1110, 0b0110_1111, 0b0100_0000]);
    }
}
