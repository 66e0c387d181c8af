//! Unpacks gzip (RFC 1952) in one turn, and counts every byte before it is made.
//!
//! The platform's `DecompressionStream` unpacks everything it is given, read or not, into memory that nobody counts,
//! and runs several at once. Here one body is unpacked at a time, and a bomb ends at the first byte over the limit.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use memory::NoRoom;

/// Magic, method, flags, time, extra flags and system.
const HEAD_BYTES: usize = 10;
/// A checksum and the length.
const TAIL_BYTES: usize = 8;
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
const HAS_HEADER_CHECKSUM: u8 = 2;
const HAS_EXTRA: u8 = 4;
const HAS_NAME: u8 = 8;
const HAS_COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;
/// The smallest buffer.
const MIN_BYTES: usize = 4 << 10;

/// Why a body was not unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packed {
    /// It is not a gzip file, or it is incomplete.
    Broken(&'static str),
    /// It unpacks to more than the limit.
    TooLarge,
    NoRoom,
}

impl From<NoRoom> for Packed {
    fn from(_: NoRoom) -> Self {
        Self::NoRoom
    }
}

/// The content of a gzip file, at most `max_bytes`. Calls `reserve` before it takes memory, each time with the total.
///
/// # Errors
/// [`Packed`]
pub(super) fn gunzip(
    file: &[u8],
    max_bytes: usize,
    mut reserve: impl FnMut(usize) -> Result<(), NoRoom>,
) -> Result<Vec<u8>, Packed> {
    let packed = file.get(head_bytes(file)?..).unwrap_or_default();
    let announced = packed.last_chunk().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    // One byte more reveals a file that is too large. The length that a file announces only saves copies.
    let mut size = announced.clamp(MIN_BYTES, max_bytes.max(MIN_BYTES)) + 1;
    let (mut state, mut read, mut written) = (Box::<DecompressorOxide>::default(), 0, 0);
    let mut out = Vec::new();
    loop {
        reserve(size)?;
        out.resize(size, 0);
        let rest = &packed[read..];
        let (status, took, made) =
            decompress(&mut state, rest, &mut out, written, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        (read, written) = (read + took, written + made);
        if written > max_bytes {
            return Err(Packed::TooLarge);
        }
        match status {
            TINFLStatus::Done => break,
            TINFLStatus::HasMoreOutput => size = (2 * size).min(max_bytes + 1),
            TINFLStatus::NeedsMoreInput | TINFLStatus::FailedCannotMakeProgress => {
                return Err(Packed::Broken("it ends too early"));
            }
            _ => return Err(Packed::Broken("its data is damaged")),
        }
    }
    out.truncate(written);
    match packed[read..].first_chunk::<TAIL_BYTES>() {
        None => Err(Packed::Broken("it ends too early")),
        Some(_) if packed.len() - read > TAIL_BYTES => Err(Packed::Broken("data follows its end")),
        Some([a, b, c, d, ..]) if u32::from_le_bytes([*a, *b, *c, *d]) != crc32(&out) => {
            Err(Packed::Broken("its checksum does not match"))
        }
        Some(_) if announced != out.len() => Err(Packed::Broken("its length does not match")),
        Some(_) => Ok(out),
    }
}

/// The offset of the packed data.
fn head_bytes(file: &[u8]) -> Result<usize, Packed> {
    const EARLY: Packed = Packed::Broken("it ends too early");
    if !file.starts_with(&MAGIC) {
        return Err(Packed::Broken("it does not start as a gzip file"));
    }
    let (flags, mut at) = (*file.get(3).ok_or(EARLY)?, HEAD_BYTES);
    if flags & RESERVED != 0 {
        return Err(Packed::Broken("it has unknown flags"));
    }
    if flags & HAS_EXTRA != 0 {
        let length = file.get(at..at + 2).ok_or(EARLY)?;
        at += 2 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    }
    for text in [HAS_NAME, HAS_COMMENT] {
        if flags & text != 0 {
            at += 1 + file.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0)).ok_or(EARLY)?;
        }
    }
    Ok(at + if flags & HAS_HEADER_CHECKSUM == 0 { 0 } else { 2 })
}

/// The checksum of gzip, with the polynomial 0xEDB88320.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let (mut table, mut index) = ([0; 256], 0);
        while index < 256 {
            #[expect(clippy::cast_possible_truncation, reason = "less than 256")]
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = value >> 1 ^ if value & 1 == 1 { 0xedb8_8320 } else { 0 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, byte| crc >> 8 ^ TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use flate2::{Compression, GzBuilder};
    use proptest::prelude::*;
    use std::io::Write;

    const MAX_BYTES: usize = 1 << 20;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    fn unpacked(file: &[u8]) -> Result<Vec<u8>, Packed> {
        gunzip(file, MAX_BYTES, |_| Ok(()))
    }

    #[test]
    fn unpacking_stops_at_the_limit_whatever_size_is_announced() {
        assert_eq!(unpacked(&gzip(&vec![b' '; MAX_BYTES])).map(|out| out.len()), Ok(MAX_BYTES));
        let mut bomb = gzip(&vec![b' '; 40 * MAX_BYTES]);
        let most = |file: &[u8]| {
            let mut most = 0;
            let done = gunzip(file, MAX_BYTES, |bytes| {
                most = most.max(bytes);
                Ok(())
            });
            assert_eq!(done, Err(Packed::TooLarge));
            most
        };
        assert_eq!(most(&bomb), MAX_BYTES + 1);
        let at = bomb.len() - 4;
        bomb[at..].copy_from_slice(&10_u32.to_le_bytes());
        assert_eq!(most(&bomb), MAX_BYTES + 1);
    }

    #[test]
    fn without_room_nothing_is_unpacked() {
        let mut asked = 0;
        let file = gzip(&vec![7; 50_000]);
        let refuse = |bytes| {
            asked = bytes;
            Err(NoRoom)
        };
        assert_eq!(gunzip(&file, MAX_BYTES, refuse), Err(Packed::NoRoom));
        assert_eq!(asked, 50_001);
    }

    #[test]
    fn optional_gzip_header_fields_are_skipped() {
        let builder = GzBuilder::new().filename("points.json").comment("of a page").extra([1, 2, 3]);
        let mut encoder = builder.write(Vec::new(), Compression::default());
        encoder.write_all(b"[]").expect("memory takes it");
        assert_eq!(unpacked(&encoder.finish().expect("memory takes it")), Ok(b"[]".to_vec()));
    }

    proptest! {
        #[test]
        fn gzip_survives_a_round_trip_and_damage_is_never_accepted(
            bytes in prop::collection::vec(any::<u8>(), 0..20_000),
            repeated in 0usize..60,
            (at, value) in (any::<prop::sample::Index>(), any::<u8>()),
        ) {
            let bytes = bytes.repeat(repeated);
            let whole = gzip(&bytes);
            let wanted = if bytes.len() > MAX_BYTES { Err(Packed::TooLarge) } else { Ok(bytes.clone()) };
            prop_assert_eq!(&unpacked(&whole), &wanted);
            let mut changed = whole.clone();
            changed[at.index(whole.len())] = value;
            prop_assert!(unpacked(&changed).is_ok_and(|out| out == bytes) || unpacked(&changed).is_err());
            prop_assert!(unpacked(&whole[..at.index(whole.len())]).is_err());
        }
    }
}
