//! Encodes a column of numbers in the shortest of a few forms.
//!
//! A column is `varint numbers`, and unless that is 0 `u8 form` and: in form 0 (runs), for each run of equal
//! numbers a number and a varint with its length; in form 1 (whole), a varint for each integer >= 0; in form 2
//! (deltas), a signed varint for each integer, the difference from the last; in form 3 (plain), each number.
//! Numbers and varints are encoded as in [`crate`].
//!
//! A bare column has neither count nor form, which its reader knows. In runs, the lengths are one more, or 0 for up
//! to the column's end. In form 4 (scaled) there is a varint for each multiple of 2^-40 >= 0. A number in runs and
//! plain may also be the byte 3 and such a varint.

use crate::{Malformed, Reader, put_len, put_number, put_signed, put_varint};

const RUNS: u8 = 0;
const WHOLE: u8 = 1;
const DELTAS: u8 = 2;
const PLAIN: u8 = 3;
const SCALED: u8 = 4;
/// Shares of a point are multiples of this fraction: see [`model::spread`].
pub const SHARES: f64 = 1_099_511_627_776.0;
/// Precedes a scaled number; other numbers start with 1 or an even byte.
const IS_SCALED: u8 = 3;
/// Differences of numbers up to here are integers in f64 and fit into varints.
const MAX_WHOLE: f64 = 4_503_599_627_370_496.0;
/// The most numbers in a column of one part, so that malformed bytes can't ask for more memory.
const MAX_NUMBERS: usize = 1 << 16;

/// Appends a column of finite numbers.
pub fn put_column(out: &mut Vec<u8>, numbers: &[f64]) {
    put_len(out, numbers.len());
    if numbers.is_empty() {
        return;
    }
    let is_whole = numbers.iter().all(|number| number.trunc() == *number && number.abs() <= MAX_WHOLE);
    let is_count = is_whole && numbers.iter().all(|number| *number >= 0.0);
    let start = out.len();
    put_form(out, numbers, RUNS, runs);
    if is_count {
        shorter(out, start, (RUNS, WHOLE), |out| put_form(out, numbers, WHOLE, whole));
    }
    if is_whole {
        shorter(out, start, (RUNS, DELTAS), |out| put_form(out, numbers, DELTAS, deltas));
    } else {
        shorter(out, start, (RUNS, PLAIN), |out| put_form(out, numbers, PLAIN, plain));
    }
}

fn put_form(out: &mut Vec<u8>, numbers: &[f64], form: u8, write: fn(&mut Vec<u8>, &[f64])) {
    out.push(form);
    write(out, numbers);
}

fn runs(out: &mut Vec<u8>, numbers: &[f64]) {
    for run in numbers.chunk_by(|a, b| a == b) {
        put_number(out, run[0]);
        put_len(out, run.len() - 1);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "only of whole numbers >= 0")]
fn whole(out: &mut Vec<u8>, numbers: &[f64]) {
    for number in numbers {
        put_varint(out, *number as u64);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only of whole numbers")]
fn deltas(out: &mut Vec<u8>, numbers: &[f64]) {
    let mut last = 0;
    for number in numbers {
        put_signed(out, *number as i64 - last);
        last = *number as i64;
    }
}

fn plain(out: &mut Vec<u8>, numbers: &[f64]) {
    for number in numbers {
        put_number(out, *number);
    }
}

/// Appends a bare column of finite numbers; returns its form.
pub fn put_bare(out: &mut Vec<u8>, numbers: &[f64]) -> u8 {
    if numbers.is_empty() {
        return RUNS;
    }
    let is_whole = numbers.iter().all(|number| number.trunc() == *number && number.abs() <= MAX_WHOLE);
    let is_count = is_whole && numbers.iter().all(|number| *number >= 0.0);
    let is_scaled = !is_whole && numbers.iter().all(|number| scaled(*number).is_some());
    let start = out.len();
    bare_runs(out, numbers);
    let mut best = RUNS;
    if is_count {
        best = shorter(out, start, (best, WHOLE), |out| whole(out, numbers));
    }
    if is_whole {
        best = shorter(out, start, (best, DELTAS), |out| deltas(out, numbers));
    } else {
        best = shorter(out, start, (best, if is_scaled { SCALED } else { PLAIN }), |out| {
            for number in numbers {
                match scaled(*number).filter(|_| is_scaled) {
                    Some(scaled) => put_varint(out, scaled),
                    None => put_any(out, *number),
                }
            }
        });
    }
    best
}

/// Appends a column in another form, and keeps the shorter of the two; returns its form.
fn shorter(out: &mut Vec<u8>, start: usize, (best, other): (u8, u8), write: impl FnOnce(&mut Vec<u8>)) -> u8 {
    let middle = out.len();
    write(out);
    if out.len() - middle < middle - start {
        out.drain(start..middle);
        return other;
    }
    out.truncate(middle);
    best
}

fn bare_runs(out: &mut Vec<u8>, numbers: &[f64]) {
    let mut left = numbers.len();
    for run in numbers.chunk_by(|a, b| a == b) {
        put_any(out, run[0]);
        left -= run.len();
        put_len(out, if left == 0 { 0 } else { run.len() });
    }
}

/// A number as a multiple of 2^-40, if it is one and that form is shorter.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, >= 0 and within 48 bits")]
fn scaled(number: f64) -> Option<u64> {
    const MAX_SCALED: f64 = 281_474_976_710_656.0;
    let scaled = number * SHARES;
    let is_short = (0.0..MAX_SCALED).contains(&scaled) && scaled.trunc() == scaled;
    is_short.then_some(scaled as u64)
}

fn put_any(out: &mut Vec<u8>, number: f64) {
    match scaled(number).filter(|_| number.trunc() != number) {
        Some(scaled) => {
            out.push(IS_SCALED);
            put_varint(out, scaled);
        }
        None => put_number(out, number),
    }
}

#[expect(clippy::cast_precision_loss, reason = "put_bare wrote at most 48 bits")]
fn read_scaled(reader: &mut Reader<'_>) -> Result<f64, Malformed> {
    Ok(reader.varint()? as f64 / SHARES)
}

fn read_any(reader: &mut Reader<'_>) -> Result<f64, Malformed> {
    let mut ahead = *reader;
    if ahead.byte()? == IS_SCALED {
        *reader = ahead;
        return read_scaled(reader);
    }
    reader.number()
}

/// Reads a bare column of this many numbers in this form.
///
/// # Errors
/// [`Malformed`]
#[expect(clippy::cast_precision_loss, reason = "put_bare wrote at most 53 bits")]
pub fn read_bare(reader: &mut Reader<'_>, form: u8, count: usize) -> Result<Vec<f64>, Malformed> {
    if count > MAX_NUMBERS {
        return Err(Malformed(count));
    }
    let mut numbers = Vec::with_capacity(count);
    let mut last: i64 = 0;
    while numbers.len() < count {
        match form {
            RUNS => {
                let (number, run) = (read_any(reader)?, reader.len()?);
                let left = count - numbers.len();
                numbers.extend(std::iter::repeat_n(number, if run == 0 { left } else { run.min(left) }));
            }
            WHOLE => numbers.push(reader.varint()? as f64),
            DELTAS => {
                last = last.wrapping_add(reader.signed()?);
                numbers.push(last as f64);
            }
            PLAIN => numbers.push(read_any(reader)?),
            SCALED => numbers.push(read_scaled(reader)?),
            other => return Err(Malformed(usize::from(other))),
        }
    }
    Ok(numbers)
}

/// Reads a column.
///
/// # Errors
/// [`Malformed`]
#[expect(clippy::cast_precision_loss, reason = "put_column wrote at most 53 bits")]
pub fn read_column(reader: &mut Reader<'_>) -> Result<Vec<f64>, Malformed> {
    let count = reader.len()?;
    if count > MAX_NUMBERS {
        return Err(Malformed(count));
    }
    let mut numbers = Vec::with_capacity(count);
    let form = if count == 0 { PLAIN } else { reader.byte()? };
    let mut last: i64 = 0;
    while numbers.len() < count {
        match form {
            RUNS => {
                let (number, repeats) = (reader.number()?, reader.len()?);
                let run = repeats.saturating_add(1).min(count - numbers.len());
                numbers.extend(std::iter::repeat_n(number, run));
            }
            WHOLE => numbers.push(reader.varint()? as f64),
            DELTAS => {
                last = last.wrapping_add(reader.signed()?);
                numbers.push(last as f64);
            }
            PLAIN => numbers.push(reader.number()?),
            other => return Err(Malformed(usize::from(other))),
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[expect(clippy::cast_precision_loss, reason = "47 bits")]
    fn any_numbers() -> impl Strategy<Value = Vec<f64>> {
        let number = prop_oneof![
            Just(0.0),
            (-100i32..100).prop_map(f64::from),
            (any::<u32>(), 0u32..20).prop_map(|(whole, shift)| f64::from(whole) * f64::from(1 << shift)),
            any::<f64>().prop_filter("finite", |number| number.is_finite()),
            (0u64..1 << 47).prop_map(|share| share as f64 / SHARES),
        ];
        prop_oneof![
            proptest::collection::vec(number, 0..50),
            proptest::collection::vec((0u32..300).prop_map(f64::from), 0..50),
            (any::<i32>(), 0usize..50).prop_map(|(number, count)| vec![f64::from(number); count]),
        ]
    }

    proptest! {
        #[test]
        fn columns_survive_a_round_trip(one in any_numbers(), two in any_numbers()) {
            let mut out = Vec::new();
            put_column(&mut out, &one);
            put_column(&mut out, &two);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(read_column(&mut reader), Ok(one));
            prop_assert_eq!(read_column(&mut reader), Ok(two));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn bare_columns_survive_a_round_trip(one in any_numbers(), two in any_numbers()) {
            let mut out = Vec::new();
            let forms = [&one, &two].map(|numbers| put_bare(&mut out, numbers));
            let mut reader = Reader::new(&out);
            prop_assert_eq!(read_bare(&mut reader, forms[0], one.len()), Ok(one));
            prop_assert_eq!(read_bare(&mut reader, forms[1], two.len()), Ok(two));
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn the_bare_forms_are_pinned() {
        let column = |numbers: &[f64]| {
            let mut out = Vec::new();
            let form = put_bare(&mut out, numbers);
            (form, out)
        };
        assert_eq!(column(&[]), (RUNS, vec![]));
        assert_eq!(column(&[1.0; 100]), (RUNS, vec![4, 0]));
        assert_eq!(column(&[1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]), (RUNS, vec![4, 4, 8, 0]));
        assert_eq!(column(&[100.0, 7.0, 90.0]), (WHOLE, vec![100, 7, 90]));
        assert_eq!(column(&[1000.0, 1001.0, 999.0, 1002.0]), (DELTAS, vec![0xd0, 0x0f, 2, 3, 6]));
        assert_eq!(column(&[3.0 / SHARES, 5.0 / SHARES]), (SCALED, vec![3, 5]));
        assert_eq!(column(&[3.0 / SHARES; 9]), (RUNS, vec![3, 3, 0]));
        assert_eq!(
            column(&[0.5, -0.5]),
            (PLAIN, vec![3, 128, 128, 128, 128, 128, 16, 1, 0, 0, 0, 0, 0, 0, 0xe0, 0xbf])
        );
    }

    #[test]
    fn the_forms_are_pinned() {
        let column = |numbers: &[f64]| {
            let mut out = Vec::new();
            put_column(&mut out, numbers);
            out
        };
        assert_eq!(column(&[]), [0]);
        assert_eq!(column(&[1.0; 100]), [100, RUNS, 4, 99]);
        assert_eq!(column(&[100.0, 7.0, 90.0]), [3, WHOLE, 100, 7, 90]);
        assert_eq!(column(&[1000.0, 1001.0, 999.0, 1002.0]), [4, DELTAS, 0xd0, 0x0f, 2, 3, 6]);
        assert_eq!(column(&[0.5, -1.0]), [2, PLAIN, 1, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 2]);
    }
}
