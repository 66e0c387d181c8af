//! The log: one row a commit, read by consumers that remember how far they are.
//!
//! A row's `frames` are `u8 version = 1`, then each frame with its length before it (see `wire::frame`).

use crate::domain::codec::{Malformed, Reader, put_bytes};

use super::sql::{Param, Sql, StoreError, execute};

const VERSION: u8 = 1;

/// How far a consumer is in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last row that was taken whole.
    pub seq: i64,
    /// How many points of the next row were taken.
    pub points: i64,
}

/// The bytes of a row with these frames.
#[must_use]
pub fn encode_row<'a>(frames: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![VERSION];
    frames.for_each(|frame| put_bytes(&mut out, frame));
    out
}

/// The frames of a row.
///
/// # Errors
/// [`Malformed`]
pub fn decode_row(bytes: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(Malformed(0));
    }
    let mut frames = Vec::new();
    while !reader.is_empty() {
        frames.push(reader.bytes()?);
    }
    Ok(frames)
}

/// Appends a row.
///
/// # Errors
/// As [`Sql::run`].
pub fn append(sql: &impl Sql, seq: i64, at_ms: i64, frames: &[u8]) -> Result<(), StoreError> {
    let params = [Param::Integer(seq), Param::Integer(at_ms), Param::Blob(frames)];
    execute(sql, "INSERT INTO log (seq, at_ms, frames) VALUES (?, ?, ?)", &params)
}

/// Hands on all rows in order: number, time of the commit and bytes.
///
/// # Errors
/// As [`Sql::run`].
pub fn each(sql: &impl Sql, mut each: impl FnMut(i64, i64, &[u8]) -> Result<(), StoreError>) -> Result<(), StoreError> {
    sql.run("SELECT seq, at_ms, frames FROM log ORDER BY seq", &[], &mut |mut row| {
        each(row.integer()?, row.integer()?, &row.blob()?)
    })
}

/// The bytes of one row, if it is still there.
///
/// # Errors
/// As [`Sql::run`].
pub fn row(sql: &impl Sql, seq: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut bytes = None;
    sql.run("SELECT frames FROM log WHERE seq = ?", &[Param::Integer(seq)], &mut |mut row| {
        bytes = Some(row.blob()?);
        Ok(())
    })?;
    Ok(bytes)
}

/// Removes the rows up to a number.
///
/// # Errors
/// As [`Sql::run`].
pub fn remove_up_to(sql: &impl Sql, seq: i64) -> Result<(), StoreError> {
    execute(sql, "DELETE FROM log WHERE seq <= ?", &[Param::Integer(seq)])
}

/// How far a consumer is; at the start if it was never told.
///
/// # Errors
/// As [`Sql::run`].
pub fn cursor(sql: &impl Sql, consumer: &str) -> Result<Cursor, StoreError> {
    let mut cursor = Cursor::default();
    sql.run("SELECT seq, points FROM cursors WHERE consumer = ?", &[Param::Text(consumer)], &mut |mut row| {
        cursor = Cursor { seq: row.integer()?, points: row.integer()? };
        Ok(())
    })?;
    Ok(cursor)
}

/// Remembers how far a consumer is.
///
/// # Errors
/// As [`Sql::run`].
pub fn set_cursor(sql: &impl Sql, consumer: &str, cursor: Cursor) -> Result<(), StoreError> {
    let statement = "INSERT INTO cursors (consumer, seq, points) VALUES (?1, ?2, ?3) \
                     ON CONFLICT (consumer) DO UPDATE SET seq = ?2, points = ?3";
    let params = [Param::Text(consumer), Param::Integer(cursor.seq), Param::Integer(cursor.points)];
    execute(sql, statement, &params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{schema, testing::TestSql};

    #[test]
    fn the_form_of_a_row_is_pinned() {
        let bytes = encode_row([&b"ab"[..], b"c"].into_iter());
        assert_eq!(bytes, [1, 2, b'a', b'b', 1, b'c']);
        assert_eq!(decode_row(&bytes), Ok(vec![&b"ab"[..], b"c"]));
        assert!(decode_row(&bytes[..3]).is_err() && decode_row(&[2]).is_err());
    }

    #[test]
    fn rows_come_in_order_until_removed_and_cursors_stay() {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        for seq in [1, 2, 3] {
            append(&sql, seq, seq * 10, &[VERSION]).expect("appends");
        }
        assert!(append(&sql, 3, 30, &[VERSION]).is_err());
        remove_up_to(&sql, 1).expect("removes");
        let mut seen = Vec::new();
        each(&sql, |seq, at_ms, _| {
            seen.push((seq, at_ms));
            Ok(())
        })
        .expect("reads");
        assert_eq!(seen, [(2, 20), (3, 30)]);
        assert_eq!((row(&sql, 1), row(&sql, 2)), (Ok(None), Ok(Some(vec![VERSION]))));
        assert_eq!(cursor(&sql, "rollups"), Ok(Cursor::default()));
        for seq in [5, 6] {
            set_cursor(&sql, "rollups", Cursor { seq, points: 7 }).expect("sets");
        }
        assert_eq!(cursor(&sql, "rollups"), Ok(Cursor { seq: 6, points: 7 }));
    }
}
