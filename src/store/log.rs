//! The log: one row a commit, read by consumers that remember how far they are.
//!
//! A row's `frames` are as in [`super::frames`].

use super::sql::{Param, Sql, StoreError, execute};

/// How far a consumer is in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last row that was taken whole.
    pub seq: i64,
    /// How many points of the next row were taken.
    pub points: i64,
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
    fn rows_come_in_order_until_removed_and_cursors_stay() {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        for seq in [1, 2, 3] {
            append(&sql, seq, seq * 10, &[7]).expect("appends");
        }
        assert!(append(&sql, 3, 30, &[7]).is_err());
        remove_up_to(&sql, 1).expect("removes");
        let mut seen = Vec::new();
        each(&sql, |seq, at_ms, bytes| {
            seen.push((seq, at_ms, bytes.to_vec()));
            Ok(())
        })
        .expect("reads");
        assert_eq!(seen, [(2, 20, vec![7]), (3, 30, vec![7])]);
        assert_eq!((row(&sql, 1), row(&sql, 2)), (Ok(None), Ok(Some(vec![7]))));
        assert_eq!(cursor(&sql, "rollups"), Ok(Cursor::default()));
        for seq in [5, 6] {
            set_cursor(&sql, "rollups", Cursor { seq, points: 7 }).expect("sets");
        }
        assert_eq!(cursor(&sql, "rollups"), Ok(Cursor { seq: 6, points: 7 }));
    }
}
