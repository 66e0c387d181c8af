//! What each series has had since the stream began, a block of series in one row.
//!
//! Form: `u8 version = 1`, and of the series in the order of their numbers, up to the last that has something:
//! `varint points, number n, number d`.

use crate::domain::codec::{Malformed, Reader, put_number, put_varint};
use crate::domain::open::SeriesId;
use crate::domain::total::Total;

use super::sql::{Param, Sql, StoreError, execute};

/// So many series share a row, which has at most 115 KB then; all that a stream may have take 25 rows.
pub const BLOCK_SERIES: usize = 4_096;

const VERSION: u8 = 1;

/// Writes a block: its series in the order of their numbers.
///
/// # Errors
/// As [`Sql::run`].
pub fn put(sql: &impl Sql, block: usize, totals: &[Total]) -> Result<(), StoreError> {
    let block = i64::try_from(block).map_err(|_| StoreError::Column("block"))?;
    let statement = "INSERT INTO totals (block, totals) VALUES (?1, ?2) ON CONFLICT (block) DO UPDATE SET totals = ?2";
    execute(sql, statement, &[Param::Integer(block), Param::Blob(&encode(totals))])
}

/// All series in the order of their numbers, up to the last that has something; `None` if no block was ever written.
///
/// # Errors
/// As [`Sql::run`].
pub fn all(sql: &impl Sql) -> Result<Option<Vec<Total>>, StoreError> {
    let mut all: Option<Vec<Total>> = None;
    sql.run("SELECT block, totals FROM totals ORDER BY block", &[], &mut |mut row| {
        let block = usize::try_from(row.integer()?).map_err(|_| StoreError::Column("block"))?;
        let all = all.get_or_insert_default();
        all.resize(block * BLOCK_SERIES, Total::default());
        Ok(decode(&row.blob()?, all)?)
    })?;
    Ok(all)
}

fn encode(totals: &[Total]) -> Vec<u8> {
    let len = totals.iter().rposition(|total| !total.is_none()).map_or(0, |last| last + 1);
    let mut out = Vec::with_capacity(1 + 8 * len);
    out.push(VERSION);
    for total in &totals[..len] {
        put_varint(&mut out, total.points);
        put_number(&mut out, total.n);
        put_number(&mut out, total.d);
    }
    out
}

fn decode(bytes: &[u8], all: &mut Vec<Total>) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(Malformed(0));
    }
    while !reader.is_empty() {
        let points = reader.varint()?;
        all.push(Total { points, n: reader.number()?, d: reader.number()? });
    }
    Ok(())
}

/// The block of a series.
#[must_use]
pub fn block_of(series: SeriesId) -> usize {
    series as usize / BLOCK_SERIES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;
    use crate::store::testing::TestSql;

    #[test]
    fn the_form_of_series_totals_is_pinned() {
        let some = Total { n: 7.0, d: 0.5, points: 300 };
        let bytes = encode(&[Total::default(), some, Total::default()]);
        assert_eq!(bytes, [1, 0, 0, 0, 0xac, 0x02, 28, 1, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f]);
        let mut read = Vec::new();
        assert_eq!(decode(&bytes, &mut read), Ok(()));
        assert_eq!(read, [Total::default(), some]);
        assert!(decode(&[2], &mut read).is_err() && decode(&[1, 4, 0], &mut read).is_err());
    }

    #[test]
    fn blocks_come_back_in_the_order_of_their_series() {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        assert_eq!(all(&sql), Ok(None));
        let total = |points| Total { n: f64::INFINITY, d: 1e300, points };
        put(&sql, 2, &[total(3)]).expect("writes");
        put(&sql, 0, &[total(1), total(2)]).expect("writes");
        put(&sql, 0, &[total(1), total(4)]).expect("writes again");
        let read = all(&sql).expect("reads").expect("some");
        assert_eq!(read.len(), 2 * BLOCK_SERIES + 1);
        assert_eq!(
            [read[0], read[1], read[2], read[2 * BLOCK_SERIES]],
            [1, 4, 0, 3].map(|points| match points {
                0 => Total::default(),
                points => total(points),
            })
        );
        assert_eq!((block_of(4_095), block_of(4_096)), (0, 1));
    }
}
