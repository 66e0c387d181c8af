//! The binary form of a cell's sketches, in bits; what the cell's count and extent determine is not repeated.
//!
//! Quantiles: unless the shape says that there are as many values as points, their number (gamma). If there are
//! any, unless the shape says that they are those of the extent: the lowest bin (18 bits) and the distance to the
//! highest one (gamma). If these differ, one of two: if few values lie between the ends, the bins of all of them,
//! sorted; else the number of occupied bins, which ones (sorted, as differences), and the running number of values
//! beyond one per bin (sorted).
//!
//! Distinct counts: their number (gamma), and for each: label (5 bits); then 0, entries (gamma), their prefixes
//! (sorted, as differences) and 6 bits for each rank that its prefix does not determine; or 1, k (3 bits), lowest
//! register (6 bits), and the Rice code with k of each register's difference from that. Codes as in
//! [`codec::bits`].

use super::cell::Cell;
use super::distinct::{Distinct, Entry, REGISTERS, needs_rank};
use super::quantiles::{Bin, MAX_BINS, Quantiles};
use super::sketches::MAX_DISTINCT_LABELS;
use codec::Malformed;
use codec::bits::{BitReader, BitWriter, rice_bits};

/// The cell has quantiles.
pub const HAS_QUANTILES: u8 = 1;
/// There are as many values as points.
const IS_COUNT: u8 = 2;
/// The lowest bin is that of the extent's minimum.
const HAS_MIN: u8 = 4;
/// The highest bin is that of the extent's maximum.
const HAS_MAX: u8 = 8;
/// The cell has distinct counts.
pub const HAS_DISTINCT: u8 = 16;

/// The most values that are listed one by one.
const MAX_LISTED: u64 = 256;
const BIN_BITS: u32 = 18;
const LABEL_BITS: u32 = 5;
const RANK_BITS: u32 = 6;
const K_BITS: u32 = 3;
const PREFIXES: u64 = 1 << 25;

/// Which sketches a cell has, and what its other numbers determine of them.
#[must_use]
pub fn shape(cell: &Cell) -> u8 {
    let Some(sketches) = &cell.sketches else { return 0 };
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let distinct = flag(!sketches.distinct.is_empty(), HAS_DISTINCT);
    let Some(quantiles) = &sketches.quantiles else { return distinct };
    let [min, max] = ends(cell);
    let first_and_last = [quantiles.bins().first(), quantiles.bins().last()].map(|end| end.map(|(bin, _)| *bin));
    distinct
        | HAS_QUANTILES
        | flag(quantiles.count() == cell.count, IS_COUNT)
        | flag(min.is_some() && first_and_last[0] == min, HAS_MIN)
        | flag(max.is_some() && first_and_last[1] == max, HAS_MAX)
}

/// The bins of the extent's ends.
fn ends(cell: &Cell) -> [Option<Bin>; 2] {
    let extent = cell.extent();
    [extent.map(|extent| Bin::of(extent.min)), extent.map(|extent| Bin::of(extent.max))]
}

/// Whether all values between the ends are listed one by one.
fn is_listed(values: u64, span: u64) -> bool {
    values <= MAX_LISTED && values <= span
}

/// Appends the quantiles of a cell of this shape.
pub fn put_quantiles(out: &mut BitWriter, quantiles: &Quantiles, shape: u8) {
    let (bins, values) = (quantiles.bins(), quantiles.count());
    if shape & IS_COUNT == 0 {
        out.put_gamma(values);
    }
    let (Some((lowest, _)), Some((highest, _))) = (bins.first(), bins.last()) else { return };
    let above = |bin: &Bin| u64::from(bin.number().abs_diff(lowest.number()));
    let span = above(highest);
    if shape & HAS_MIN == 0 {
        out.put(u64::from(lowest.number().abs_diff(-Bin::MAX)), BIN_BITS);
    }
    if shape & HAS_MAX == 0 {
        out.put_gamma(span);
    }
    if span == 0 {
        return;
    }
    if is_listed(values, span) {
        let all = bins.iter().flat_map(|(bin, count)| (0..*count).map(|_| above(bin)));
        let between: Vec<u64> = all.collect();
        return out.put_sorted(&between[1..between.len() - 1], 0, span);
    }
    let used = bins.len() as u64;
    out.put_below(used - 2, most_used(values, span) - 1);
    let between: Vec<u64> = (1..).zip(&bins[1..bins.len() - 1]).map(|(index, (bin, _))| above(bin) - index).collect();
    out.put_sorted(&between, 0, span + 1 - used);
    let mut beyond_one = 0;
    let up_to: Vec<u64> = bins[..bins.len() - 1]
        .iter()
        .map(|(_, count)| {
            beyond_one += count - 1;
            beyond_one
        })
        .collect();
    out.put_sorted(&up_to, 0, values - used);
}

/// The most bins that have values.
fn most_used(values: u64, span: u64) -> u64 {
    values.min(span + 1).min(MAX_BINS as u64)
}

/// Reads the quantiles of a cell of this shape, given the rest of the cell.
///
/// # Errors
/// [`Malformed`]
pub fn read_quantiles(reader: &mut BitReader<'_>, cell: &Cell, shape: u8) -> Result<Quantiles, Malformed> {
    let values = if shape & IS_COUNT == 0 { reader.gamma()? } else { cell.count };
    if values == 0 {
        return Ok(Quantiles::default());
    }
    let [min, max] = ends(cell);
    let lowest = if shape & HAS_MIN == 0 {
        i64::try_from(reader.bits(BIN_BITS)?).unwrap_or(i64::MAX) - i64::from(Bin::MAX)
    } else {
        i64::from(min.ok_or(Malformed(0))?.number())
    };
    let span = if shape & HAS_MAX == 0 {
        reader.gamma()?
    } else {
        u64::try_from(i64::from(max.ok_or(Malformed(0))?.number()) - lowest).map_err(|_| Malformed(0))?
    };
    let bin = |above: u64| {
        let number = i64::try_from(above).ok().and_then(|above| lowest.checked_add(above));
        number.and_then(Bin::from_number).ok_or(Malformed(0))
    };
    let (first, last) = (bin(0)?, bin(span)?);
    if span == 0 {
        return Quantiles::from_bins(vec![(first, values)]).ok_or(Malformed(0));
    }
    if values < 2 {
        return Err(Malformed(0));
    }
    let bins = if is_listed(values, span) {
        let mut between = vec![0; usize::try_from(values - 2).map_err(|_| Malformed(0))?];
        reader.sorted(&mut between, 0, span)?;
        let mut bins = vec![(first, 1)];
        for above in between.into_iter().chain([span]) {
            let bin = bin(above)?;
            match bins.last_mut() {
                Some((last, count)) if *last == bin => *count += 1,
                _ => bins.push((bin, 1)),
            }
        }
        bins
    } else {
        let used = 2 + reader.below(most_used(values, span) - 1)?;
        let mut between = vec![0; usize::try_from(used - 2).map_err(|_| Malformed(0))?];
        reader.sorted(&mut between, 0, span + 1 - used)?;
        let mut up_to = vec![0; between.len() + 1];
        reader.sorted(&mut up_to, 0, values - used)?;
        let mut bins = vec![(first, 1)];
        for (index, above) in (1..).zip(between) {
            bins.push((bin(above + index)?, 1));
        }
        bins.push((last, 1));
        up_to.push(values - used);
        let mut below = 0;
        for ((_, count), up_to) in bins.iter_mut().zip(up_to) {
            *count += up_to - below;
            below = up_to;
        }
        bins
    };
    Quantiles::from_bins(bins).ok_or(Malformed(0))
}

/// Appends the distinct counts of a cell, in the order of the labels' numbers.
pub fn put_distinct(out: &mut BitWriter, distinct: &[(u8, &Distinct)]) {
    out.put_gamma(distinct.len() as u64);
    for (label, set) in distinct {
        out.put(u64::from(*label), LABEL_BITS);
        out.put(u64::from(set.registers().is_some()), 1);
        set.entries().into_iter().for_each(|entries| put_entries(out, entries));
        set.registers().into_iter().for_each(|registers| put_registers(out, registers));
    }
}

fn put_entries(out: &mut BitWriter, entries: &[Entry]) {
    out.put_gamma(entries.len() as u64);
    let prefixes: Vec<u64> = (0..).zip(entries).map(|(index, entry)| u64::from(entry.prefix()) - index).collect();
    out.put_sorted(&prefixes, 0, PREFIXES - prefixes.len() as u64);
    for entry in entries.iter().filter(|entry| needs_rank(entry.prefix())) {
        out.put(u64::from(entry.rank()), RANK_BITS);
    }
}

fn put_registers(out: &mut BitWriter, registers: &[u8]) {
    let least = registers.iter().copied().min().unwrap_or_default();
    let above = || registers.iter().map(|rank| u64::from(rank - least));
    let k = (0..1 << K_BITS).min_by_key(|k| above().map(|rank| rice_bits(rank, *k)).sum::<u64>()).unwrap_or_default();
    out.put(u64::from(k), K_BITS);
    out.put(u64::from(least), RANK_BITS);
    above().for_each(|rank| out.put_rice(rank, k));
}

/// Reads the distinct counts of a cell.
///
/// # Errors
/// [`Malformed`]
pub fn read_distinct(reader: &mut BitReader<'_>) -> Result<Vec<(u8, Distinct)>, Malformed> {
    let count = reader.gamma()?;
    if count > MAX_DISTINCT_LABELS as u64 {
        return Err(Malformed(0));
    }
    let mut distinct: Vec<(u8, Distinct)> = Vec::new();
    for _ in 0..count {
        let label = u8::try_from(reader.bits(LABEL_BITS)?).map_err(|_| Malformed(0))?;
        let set = if reader.bits(1)? == 0 { read_entries(reader)? } else { read_registers(reader)? };
        if distinct.last().is_some_and(|(last, _)| *last >= label) {
            return Err(Malformed(0));
        }
        distinct.push((label, set));
    }
    Ok(distinct)
}

fn read_entries(reader: &mut BitReader<'_>) -> Result<Distinct, Malformed> {
    let count = reader.gamma()?;
    let len = usize::try_from(count).ok().filter(|len| *len <= REGISTERS).ok_or(Malformed(0))?;
    let mut prefixes = vec![0; len];
    reader.sorted(&mut prefixes, 0, PREFIXES - count)?;
    let mut entries = Vec::with_capacity(len);
    for (index, prefix) in (0..).zip(prefixes) {
        let prefix = u32::try_from(prefix + index).map_err(|_| Malformed(0))?;
        let rank = if needs_rank(prefix) { reader.bits(RANK_BITS)? } else { 0 };
        entries.push(Entry::from_parts(prefix, u32::try_from(rank).unwrap_or(u32::MAX)).ok_or(Malformed(0))?);
    }
    Distinct::from_entries(entries).ok_or(Malformed(0))
}

fn read_registers(reader: &mut BitReader<'_>) -> Result<Distinct, Malformed> {
    let k = u32::try_from(reader.bits(K_BITS)?).unwrap_or_default();
    let least = reader.bits(RANK_BITS)?;
    let mut registers = Vec::with_capacity(REGISTERS);
    for _ in 0..REGISTERS {
        let rank = reader.rice(k)?.saturating_add(least);
        registers.push(u8::try_from(rank).map_err(|_| Malformed(0))?);
    }
    Distinct::from_registers(registers).ok_or(Malformed(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{Cover, Extent};
    use crate::sketches::{Mark, Sketches};
    use crate::testing::any_cell;
    use crate::testing::merge_into;
    use proptest::prelude::*;

    fn encoded(cell: &Cell) -> (u8, Vec<u8>, Vec<u8>) {
        let (mut quantiles, mut distinct) = (BitWriter::default(), BitWriter::default());
        let shape = shape(cell);
        if let Some(sketches) = &cell.sketches {
            sketches.quantiles.iter().for_each(|values| put_quantiles(&mut quantiles, values, shape));
            put_distinct(&mut distinct, &sketches.distinct_sets().collect::<Vec<_>>());
        }
        (shape, quantiles.finish(), distinct.finish())
    }

    fn decoded(cell: &Cell, (shape, quantiles, distinct): &(u8, Vec<u8>, Vec<u8>)) -> Cell {
        let mut plain = Cell::plain(cell.count, cell.cover);
        let mut sketches = Sketches::default();
        if shape & HAS_QUANTILES != 0 {
            sketches.quantiles =
                Some(read_quantiles(&mut BitReader::new(quantiles), &plain, *shape).expect("quantiles"));
        }
        if shape & HAS_DISTINCT != 0 {
            sketches.distinct = read_distinct(&mut BitReader::new(distinct)).expect("distinct counts");
        }
        plain.sketches = (!sketches.is_empty()).then(|| Box::new(sketches));
        plain
    }

    fn with_values(bins: &[(i64, u64)]) -> Cell {
        let bins = bins.iter().map(|(bin, count)| (Bin::from_number(*bin).expect("in range"), *count)).collect();
        let sketches = Sketches { quantiles: Quantiles::from_bins(bins), distinct: Vec::new() };
        Cell { sketches: Some(Box::new(sketches)), ..Cell::plain(7, None) }
    }

    proptest! {
        #[test]
        fn sketches_survive_a_round_trip(cell in any_cell()) {
            prop_assert_eq!(decoded(&cell, &encoded(&cell)), cell);
        }

        #[test]
        fn quantiles_of_any_size_survive_a_round_trip(
            bins in proptest::collection::btree_map(-80_000i64..=80_000, (1u64..1 << 50, 0u32..50), 0..60),
            narrow in 1i64..90_000,
        ) {
            let bins: std::collections::BTreeMap<i64, u64> =
                bins.into_iter().map(|(bin, (count, shift))| (bin / narrow, (count >> shift).max(1))).collect();
            let cell = with_values(&bins.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(decoded(&cell, &encoded(&cell)), cell);
        }

        #[test]
        fn distinct_counts_of_any_size_survive_a_round_trip(count in 0u64..9_000, seed in any::<u64>(), shift in 0u32..40) {
            let mut cell = Cell::plain(1, None);
            for k in 0..count {
                let hash = (seed ^ k).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> if k % 5 == 0 { shift } else { 0 };
                cell.mark(&[Mark { label: (k % 31).min(1) as u8 * 31, hash }]);
            }
            prop_assert_eq!(decoded(&cell, &encoded(&cell)), cell);
        }

        #[test]
        fn any_bits_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), shape in 0u8..32, cell in any_cell()) {
            let _may_be_malformed = read_quantiles(&mut BitReader::new(&bytes), &cell, shape);
            let _may_be_malformed = read_distinct(&mut BitReader::new(&bytes));
        }
    }

    #[test]
    fn a_minute_of_a_counter_takes_three_bytes() {
        let mut minute = None;
        for n in [20.0, 31.0, 44.0, 52.0, 67.0, 79.0] {
            let cover = Cover { n, d: 1.0, extent: Some(Extent { min: n, max: n }) };
            merge_into(&mut minute, Cell::plain(1, Some(cover)));
        }
        let (shape, quantiles, _) = encoded(&minute.expect("six points"));
        assert_eq!((shape, quantiles.len()), (HAS_QUANTILES | IS_COUNT | HAS_MIN | HAS_MAX, 3));
    }

    #[test]
    fn the_form_of_quantiles_is_pinned() {
        assert_eq!(encoded(&with_values(&[])).1, [0b0000_0000]);
        assert_eq!(encoded(&with_values(&[(40_000, 1)])).1, [142, 166, 0]);
        assert_eq!(encoded(&with_values(&[(40_000, 1), (40_003, 2), (40_010, 1)])).1, [203, 169, 129, 205, 224]);
        assert_eq!(encoded(&with_values(&[(40_000, 9), (40_003, 2), (40_004, 1)])).1, [234, 234, 96, 101, 255, 128]);
    }

    #[test]
    fn the_form_of_distinct_counts_is_pinned() {
        let mut cell = Cell::plain(1, None);
        for hash in [1, 1 << 63, u64::MAX] {
            cell.mark(&[Mark { label: 3, hash }]);
        }
        assert_eq!(encoded(&cell).2, [131, 98, 0, 0, 2, 0, 0, 1, 255, 255, 255, 61, 0]);
        let registers = (0..REGISTERS).map(|register| u8::try_from(register % 4).expect("small")).collect();
        let mut out = BitWriter::default();
        put_distinct(&mut out, &[(1, &Distinct::from_registers(registers).expect("valid"))]);
        let bytes = out.finish();
        assert_eq!((&bytes[..8], bytes.len()), (&[129, 128, 22, 229, 185, 110, 91, 150][..], 5123));
    }
}
