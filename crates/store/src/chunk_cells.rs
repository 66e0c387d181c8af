//! Encodes the cells of a chunk as columns of numbers; each series can be read without the others.
//!
//! Version 3: `u8 version = 3`, `u8 1` in a base part (see [`super::chunk_merge`]) and else 0, varint weight. About
//! its cells: varint first series, varint bucket of the first cell (from the span's start), varint difference of
//! the last series from the first, varint lowest bucket, varint difference of the highest from that. Then varint
//! series, and for each series: varint difference of its id from the last one, varint bytes of its columns. Then
//! the columns of each series in that order (see [`super::series_cells`]). A series may come in several consecutive
//! pieces.
//!
//! Versions 1 and 2, which can still be read, had nothing between weight and series, and another form of columns.
//! Version 1 had the number of cells as weight, no sketches, and each series in one piece.

use codec::{Malformed, Reader, put_len, put_varint};
use model::cell::Cell;
use model::open::SeriesId;
use model::sketches::Wanted;
use model::tier::Tier;

use super::cells::Cells;
use super::series_cells;
use super::series_cells::Form;
use super::sql::StoreError;

const VERSION: u8 = 3;
const VERSION_2: u8 = 2;
const VERSION_1: u8 = 1;
/// A part ends at the next piece once it has this weight, which counts cells and the memory of their sketches...
pub(super) const PART_WEIGHT: usize = 40_000;
/// ...in units of a cell...
const UNIT_BYTES: usize = 100;
/// ...or once it has this many bytes, which count as much as half that weight: plain cells take at most 45.
const PART_BYTES: usize = 800_000;
const BYTES_PER_UNIT: usize = 2 * PART_BYTES / PART_WEIGHT;
/// Sketches take no more bytes here than in memory, so with one more piece a part fits into a row, which may have 2
/// MB.
const PIECE_WEIGHT: usize = 8_000;
/// The bytes at the start of a part that contain its [`Head`]: two, and six varints of numbers within 32 bits.
pub(super) const HEAD_BYTES: i64 = 32;

/// The weight of a cell.
pub(super) fn weight(cell: &Cell) -> usize {
    1 + cell.sketch_bytes() / UNIT_BYTES
}

/// The role of a part: see [`super::chunk_merge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it was sealed, possibly merged with others.
    Fresh,
    /// One of several that partition the cells of a place, in order.
    Base,
}

/// The summary at the start of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) weight: usize,
    /// `None` in parts from before version 3.
    pub(super) reach: Option<Reach>,
}

/// The range of a part's cells; buckets are counted from the span's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// The first cell's series and bucket.
    pub(super) first: (SeriesId, u32),
    pub(super) last: SeriesId,
    /// The lowest and the highest bucket.
    pub(super) buckets: (u32, u32),
}

impl Reach {
    fn with(self, series: SeriesId, bucket: u32) -> Self {
        let (least, greatest) = self.buckets;
        Self { last: series, buckets: (least.min(bucket), greatest.max(bucket)), ..self }
    }
}

/// Encodes cells in parts of about that weight.
pub(super) fn encode(tier: Tier, span_start_s: i64, cells: &Cells<'_>, kind: Kind, part_weight: usize) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut part = Part::default();
    let mut piece = Vec::new();
    let mut cells = cells.iter().peekable();
    while let Some(((series, _), _)) = cells.peek() {
        let series = *series;
        piece.clear();
        let mut piece_weight = 0;
        while let Some(((_, start_s), cell)) =
            cells.next_if(|((next, _), _)| *next == series && piece_weight < PIECE_WEIGHT)
        {
            piece_weight += weight(cell);
            piece.push((start_s, cell));
        }
        if part.weight() >= part_weight || part.columns.len() >= PART_BYTES {
            parts.push(std::mem::take(&mut part).finish(kind));
        }
        for (start_s, _) in &piece {
            part.reach(series, u32::try_from((start_s - span_start_s) / tier.width_s()).unwrap_or_default());
        }
        part.push(series, piece_weight, &series_cells::encode(tier, span_start_s, &piece));
    }
    parts.push(part.finish(kind));
    parts
}

/// A part under construction.
#[derive(Default)]
struct Part {
    cells: usize,
    series: usize,
    last: SeriesId,
    reach: Option<Reach>,
    directory: Vec<u8>,
    columns: Vec<u8>,
}

impl Part {
    fn reach(&mut self, series: SeriesId, bucket: u32) {
        let first = Reach { first: (series, bucket), last: series, buckets: (bucket, bucket) };
        self.reach = Some(self.reach.map_or(first, |reach| reach.with(series, bucket)));
    }

    fn push(&mut self, series: SeriesId, weight: usize, columns: &[u8]) {
        self.cells += weight;
        put_varint(&mut self.directory, u64::from(series - self.last));
        put_len(&mut self.directory, columns.len());
        self.columns.extend_from_slice(columns);
        self.series += 1;
        self.last = series;
    }

    fn weight(&self) -> usize {
        self.cells.max(self.columns.len() / BYTES_PER_UNIT)
    }

    /// Without a reach, in the form of version 2.
    fn finish(self, kind: Kind) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.directory.len() + self.columns.len() + 32);
        match self.reach {
            None => {
                out.push(VERSION_2);
                put_len(&mut out, self.weight());
            }
            Some(Reach { first, last, buckets }) => {
                out.extend([VERSION, u8::from(kind == Kind::Base)]);
                put_len(&mut out, self.weight());
                for number in [first.0, first.1, last - first.0, buckets.0, buckets.1 - buckets.0] {
                    put_varint(&mut out, u64::from(number));
                }
            }
        }
        put_len(&mut out, self.series);
        out.extend_from_slice(&self.directory);
        out.extend_from_slice(&self.columns);
        out
    }
}

/// The head of a part, from its first [`HEAD_BYTES`].
pub(super) fn head_of(bytes: &[u8]) -> Result<Head, Malformed> {
    head(&mut Reader::new(bytes)).map(|(head, _)| head)
}

fn head(reader: &mut Reader<'_>) -> Result<(Head, Form), Malformed> {
    match reader.byte()? {
        VERSION => {
            let kind = if reader.byte()? == 0 { Kind::Fresh } else { Kind::Base };
            let weight = reader.len()?;
            let mut numbers = [0; 5];
            for number in &mut numbers {
                *number = u32::try_from(reader.varint()?).map_err(|_| Malformed(0))?;
            }
            let [first, bucket, last, least, greatest] = numbers;
            let sum = |one: u32, other: u32| one.checked_add(other).ok_or(Malformed(0));
            let buckets = (least, sum(least, greatest)?);
            let reach = Reach { first: (first, bucket), last: sum(first, last)?, buckets };
            Ok((Head { kind, weight, reach: Some(reach) }, Form::Bare))
        }
        VERSION_2 | VERSION_1 => Ok((Head { kind: Kind::Fresh, weight: reader.len()?, reach: None }, Form::Whole)),
        _ => Err(Malformed(0)),
    }
}

/// The pieces of a part: series ids, and the bytes of their columns.
struct Pieces<'a> {
    head: Head,
    form: Form,
    left: usize,
    series: SeriesId,
    directory: Reader<'a>,
    columns: Reader<'a>,
}

impl<'a> Pieces<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut directory = Reader::new(bytes);
        let (head, form) = head(&mut directory)?;
        let left = directory.len()?;
        let mut columns = directory;
        for _ in 0..left {
            columns.varint()?;
            columns.varint()?;
        }
        Ok(Self { head, form, left, series: 0, directory, columns })
    }

    fn next(&mut self) -> Result<Option<(SeriesId, &'a [u8])>, Malformed> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let delta = u32::try_from(self.directory.varint()?).map_err(|_| Malformed(0))?;
        self.series = self.series.checked_add(delta).ok_or(Malformed(0))?;
        let len = self.directory.len()?;
        Ok(Some((self.series, self.columns.take(len)?)))
    }
}

/// The approximate weight of a piece, from the bytes of its columns: too high if it has few sketches.
fn piece_weight(columns: &[u8]) -> Result<usize, Malformed> {
    Ok(Reader::new(columns).len()?.max(columns.len() / BYTES_PER_UNIT))
}

/// Calls back with the series of a part in order, and their approximate weight.
pub(super) fn each_weight(bytes: &[u8], mut each: impl FnMut(SeriesId, usize)) -> Result<(), Malformed> {
    let mut pieces = Pieces::of(bytes)?;
    while let Some((series, columns)) = pieces.next()? {
        each(series, piece_weight(columns)?);
    }
    Ok(())
}

/// The series of a part from this one on as a fresh part, without decoding them; `None` if there are none.
pub(super) fn rest(bytes: &[u8], from: SeriesId) -> Result<Option<Vec<u8>>, Malformed> {
    let mut pieces = Pieces::of(bytes)?;
    let mut part = Part::default();
    while let Some((series, columns)) = pieces.next()? {
        if series >= from {
            if part.series == 0 {
                // The bucket of the first cell is only needed in base parts.
                part.reach = pieces.head.reach.map(|reach| Reach { first: (series, reach.buckets.0), ..reach });
            }
            part.push(series, piece_weight(columns)?, columns);
        }
    }
    Ok((part.series > 0).then(|| part.finish(Kind::Fresh)))
}

/// Calls back with the cells of a part: bucket's start, series, cell. Only the wanted series and sketches are
/// decoded. Stops at the first error.
pub(super) fn decode(
    tier: Tier,
    span_start_s: i64,
    bytes: &[u8],
    wants: &dyn Fn(SeriesId) -> bool,
    sketches: Wanted,
    each: &mut dyn FnMut(i64, SeriesId, Cell) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut pieces = Pieces::of(bytes)?;
    while let Some((series, columns)) = pieces.next()? {
        if wants(series) {
            let each = &mut |start_s, cell| each(start_s, series, cell);
            series_cells::decode(tier, span_start_s, columns, pieces.form, sketches, each)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
