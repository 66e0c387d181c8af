//! The totals of each series since the stream began, and its standing: a block of series in one row.
//!
//! Form: `u8 version = 2, varint hour`, and for each series with points, in the order of ids: `varint difference of
//! the id from the last one (from the block's first), u8 hours, varint hours from its last one to the block's hour,
//! varint points, number n, number d`. The block's hour is the latest last one. Version 1 has, for all series up to
//! the last one with points, `varint points, number n, number d`: these were established before hours were counted.

use codec::{Malformed, Reader, put_number, put_varint};
use model::open::SeriesId;
use model::standing::{ESTABLISHED_HOURS, Standing};
use model::total::Total;

use super::sql::{Param, Sql, StoreError, execute};

/// The number of series that share a row, which then has at most 140 KB; all series of a stream take 25 rows.
pub const BLOCK_SERIES: SeriesId = 4_096;

const OLD_VERSION: u8 = 1;
const VERSION: u8 = 2;

/// The total and the standing of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SeriesTotal {
    /// The total.
    pub total: Total,
    /// The standing.
    pub standing: Standing,
}

/// Writes a block: its series with points, in the order of their ids. Without any, it is deleted.
///
/// # Errors
/// As [`Sql::run`].
pub fn put<'a>(
    sql: &impl Sql,
    block: SeriesId,
    totals: impl Iterator<Item = (SeriesId, &'a SeriesTotal)> + Clone,
) -> Result<(), StoreError> {
    let number = Param::Integer(i64::from(block));
    if block > 0 && totals.clone().next().is_none() {
        return execute(sql, "DELETE FROM totals WHERE block = ?", &[number]);
    }
    let statement = "INSERT INTO totals (block, totals) VALUES (?1, ?2) ON CONFLICT (block) DO UPDATE SET totals = ?2";
    execute(sql, statement, &[number, Param::Blob(&encode(block * BLOCK_SERIES, totals))])
}

/// Calls back with all series with points in the order of their ids; returns whether any block was ever written.
/// Series of the first version are assumed to have had their last points in `hour`.
///
/// # Errors
/// As [`Sql::run`].
pub fn each(sql: &impl Sql, hour: u32, mut each: impl FnMut(SeriesId, SeriesTotal)) -> Result<bool, StoreError> {
    let mut has_any = false;
    sql.run("SELECT block, totals FROM totals ORDER BY block", &[], &mut |mut row| {
        let block = SeriesId::try_from(row.integer()?).map_err(|_| StoreError::Column("block"))?;
        has_any = true;
        Ok(decode(block * BLOCK_SERIES, hour, &row.blob()?, &mut each)?)
    })?;
    Ok(has_any)
}

fn encode<'a>(first: SeriesId, totals: impl Iterator<Item = (SeriesId, &'a SeriesTotal)> + Clone) -> Vec<u8> {
    let hour = totals.clone().map(|(_, series)| series.standing.last_hour).max().unwrap_or_default();
    let mut out = vec![VERSION];
    put_varint(&mut out, u64::from(hour));
    let mut next = first;
    for (number, SeriesTotal { total, standing }) in totals {
        put_varint(&mut out, u64::from(number - next));
        next = number + 1;
        out.push(standing.hours);
        put_varint(&mut out, u64::from(hour - standing.last_hour));
        put_varint(&mut out, total.points);
        put_number(&mut out, total.n);
        put_number(&mut out, total.d);
    }
    out
}

fn decode(
    first: SeriesId,
    old_hour: u32,
    bytes: &[u8],
    each: &mut dyn FnMut(SeriesId, SeriesTotal),
) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let version = reader.byte()?;
    let hour = match version {
        OLD_VERSION => old_hour,
        VERSION => small(reader.varint()?)?,
        _ => return Err(Malformed(0)),
    };
    let mut number = first;
    while !reader.is_empty() {
        let mut standing = Standing { hours: ESTABLISHED_HOURS, last_hour: hour };
        if version == VERSION {
            number = number.checked_add(small(reader.varint()?)?).ok_or(Malformed(0))?;
            let hours = reader.byte()?.min(ESTABLISHED_HOURS);
            standing = Standing { hours, last_hour: hour.saturating_sub(small(reader.varint()?)?) };
        }
        let total = Total { points: reader.varint()?, n: reader.number()?, d: reader.number()? };
        each(number, SeriesTotal { total, standing });
        number += 1;
    }
    Ok(())
}

fn small(number: u64) -> Result<u32, Malformed> {
    u32::try_from(number).map_err(|_| Malformed(0))
}

/// The block of a series.
#[must_use]
pub fn block_of(series: SeriesId) -> SeriesId {
    series / BLOCK_SERIES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;
    use crate::testing::TestSql;

    fn read(bytes: &[u8]) -> Result<Vec<(SeriesId, SeriesTotal)>, Malformed> {
        let mut read = Vec::new();
        decode(8_192, 500, bytes, &mut |number, series| read.push((number, series)))?;
        Ok(read)
    }

    #[test]
    fn the_form_of_series_totals_is_pinned() {
        let total = Total { n: 7.0, d: 0.5, points: 300 };
        let one = SeriesTotal { total, standing: Standing { hours: 1, last_hour: 290 } };
        let other = SeriesTotal { total: Total::default(), standing: Standing::established(300) };
        let bytes = encode(8_192, [(8_193, &one), (8_195, &other)].into_iter());
        assert_eq!(bytes, [2, 0xac, 0x02, 1, 1, 10, 0xac, 0x02, 28, 1, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 1, 3, 0, 0, 0, 0]);
        assert_eq!(read(&bytes), Ok(vec![(8_193, one), (8_195, other)]));
        // As version 1 wrote it.
        let old = [1, 0, 0, 0, 0xac, 0x02, 28, 1, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f];
        let [none, some] =
            [Total::default(), total].map(|total| SeriesTotal { total, standing: Standing::established(500) });
        assert_eq!(read(&old), Ok(vec![(8_192, none), (8_193, some)]));
        assert!(read(&[3]).is_err() && read(&[1, 4, 0]).is_err() && read(&[2, 1, 4]).is_err());
    }

    #[test]
    fn blocks_are_read_in_the_order_of_their_series() {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        let all = || {
            let mut all = Vec::new();
            let has_any = each(&sql, 0, |number, series| all.push((number, series.total.points))).expect("reads");
            (has_any, all)
        };
        assert_eq!(all(), (false, Vec::new()));
        let write = |block, series: &[(SeriesId, u64)]| {
            let total = |points| SeriesTotal {
                total: Total { n: f64::INFINITY, d: 1e300, points },
                standing: Standing::default(),
            };
            let series: Vec<_> = series.iter().map(|(number, points)| (*number, total(*points))).collect();
            put(&sql, block, series.iter().map(|(number, series)| (*number, series))).expect("writes");
        };
        write(2, &[(8_192, 3)]);
        write(0, &[(0, 1), (1, 2)]);
        write(0, &[(0, 1), (7, 4)]);
        assert_eq!(all(), (true, vec![(0, 1), (7, 4), (8_192, 3)]));
        write(2, &[]);
        write(0, &[]);
        assert_eq!((all(), sql.count("totals")), ((true, Vec::new()), 1), "that there were some is known");
        assert_eq!((block_of(4_095), block_of(4_096)), (0, 1));
    }
}
