//! The log: one row per commit, read by consumers that remember their positions.
//!
//! A row's `frames` are encoded as in [`super::frames`].

use super::sql::{Param, Sql, StoreError, execute};

/// The position of a consumer in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last row that was fully consumed.
    pub seq: i64,
    /// The number of points consumed of the next row.
    pub points: i64,
}

/// A row, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Its number, which grows by one.
    pub seq: i64,
    /// When it was committed, Unix milliseconds.
    pub at_ms: i64,
    /// The number of its first point in the stream, counted from 1; `None` in rows of the first schema, persisted as 0.
    pub first: Option<u64>,
    /// The size of its frames in bytes.
    pub bytes: usize,
}

/// Appends a row with these frames.
///
/// # Errors
/// As [`Sql::run`].
pub fn append(sql: &impl Sql, row: &LogRow, frames: &[u8]) -> Result<(), StoreError> {
    let params = [
        Param::Integer(row.seq),
        Param::Integer(row.at_ms),
        integer(row.first.unwrap_or_default()),
        Param::Blob(frames),
    ];
    execute(sql, "INSERT INTO log (seq, at_ms, first, frames) VALUES (?, ?, ?, ?)", &params)
}

/// Calls back with all rows in order, without reading their bytes.
///
/// # Errors
/// As [`Sql::run`].
pub fn each(sql: &impl Sql, mut each: impl FnMut(LogRow)) -> Result<(), StoreError> {
    sql.run("SELECT seq, at_ms, first, LENGTH(frames) FROM log ORDER BY seq", &[], &mut |mut row| {
        let (seq, at_ms, first, bytes) = (row.integer()?, row.integer()?, row.integer()?, row.integer()?);
        let (first, bytes) = (u64::try_from(first), usize::try_from(bytes));
        let (first, bytes) = first.ok().zip(bytes.ok()).ok_or(StoreError::Column("count"))?;
        each(LogRow { seq, at_ms, first: Some(first).filter(|first| *first > 0), bytes });
        Ok(())
    })
}

/// Sets the number of a row's first point.
///
/// # Errors
/// As [`Sql::run`].
pub fn set_first(sql: &impl Sql, seq: i64, first: u64) -> Result<(), StoreError> {
    execute(sql, "UPDATE log SET first = ? WHERE seq = ?", &[integer(first), Param::Integer(seq)])
}

/// Replaces the bytes of a row, within `atomically`. The row is deleted and inserted again: `UPDATE` leaves a row
/// that has become smaller alone in its page, and only `DELETE` joins pages that are nearly empty.
///
/// # Errors
/// As [`Sql::run`].
pub fn replace(sql: &impl Sql, seq: i64, frames: &[u8]) -> Result<(), StoreError> {
    let mut row = None;
    sql.run("SELECT at_ms, first FROM log WHERE seq = ?", &[Param::Integer(seq)], &mut |mut columns| {
        row = Some((columns.integer()?, columns.integer()?));
        Ok(())
    })?;
    let Some((at_ms, first)) = row else { return Ok(()) };
    execute(sql, "DELETE FROM log WHERE seq = ?", &[Param::Integer(seq)])?;
    let params = [Param::Integer(seq), Param::Integer(at_ms), Param::Integer(first), Param::Blob(frames)];
    execute(sql, "INSERT INTO log (seq, at_ms, first, frames) VALUES (?, ?, ?, ?)", &params)
}

fn integer(number: u64) -> Param<'static> {
    Param::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The bytes of a row, if it still exists.
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

/// Removes the rows up to and including a number.
///
/// # Errors
/// As [`Sql::run`].
pub fn remove_up_to(sql: &impl Sql, seq: i64) -> Result<(), StoreError> {
    execute(sql, "DELETE FROM log WHERE seq <= ?", &[Param::Integer(seq)])
}

/// The position of a consumer; the start if none was stored.
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

/// Stores the position of a consumer.
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
    use crate::schema;
    use crate::testing::TestSql;

    #[test]
    fn rows_are_in_order_until_removed_and_cursors_stay() {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        let row_of = |seq: i64| LogRow { seq, at_ms: seq * 10, first: Some(seq.unsigned_abs() * 100), bytes: 1 };
        for seq in [1, 2, 3] {
            append(&sql, &row_of(seq), &[7]).expect("appends");
        }
        assert!(append(&sql, &row_of(3), &[7]).is_err());
        remove_up_to(&sql, 1).expect("removes");
        let mut seen = Vec::new();
        each(&sql, |row| seen.push(row)).expect("reads");
        assert_eq!(seen, [row_of(2), row_of(3)]);
        set_first(&sql, 2, 8).expect("sets");
        seen.clear();
        each(&sql, |row| seen.push(row)).expect("reads");
        assert_eq!(seen, [LogRow { first: Some(8), ..row_of(2) }, row_of(3)]);
        assert_eq!((row(&sql, 1), row(&sql, 2)), (Ok(None), Ok(Some(vec![7]))));
        replace(&sql, 2, &[8]).expect("replaces");
        let mut same = Vec::new();
        each(&sql, |row| same.push(row)).expect("reads");
        assert_eq!((same, row(&sql, 2)), (seen, Ok(Some(vec![8]))));
        assert_eq!(cursor(&sql, "rollups"), Ok(Cursor::default()));
        for seq in [5, 6] {
            set_cursor(&sql, "rollups", Cursor { seq, points: 7 }).expect("sets");
        }
        assert_eq!(cursor(&sql, "rollups"), Ok(Cursor { seq: 6, points: 7 }));
    }

    #[test]
    fn rows_that_become_small_share_pages() {
        const ROWS: i64 = 200;
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        let pages = || {
            let mut pages = 0;
            let used = "SELECT page_count - freelist_count FROM pragma_page_count(), pragma_freelist_count()";
            sql.run(used, &[], &mut |mut row| row.integer().map(|count| pages = count)).expect("reads");
            pages
        };
        let before = pages();
        for seq in 1..=ROWS {
            append(&sql, &LogRow { seq, at_ms: 0, first: None, bytes: 0 }, &[7; 6_000]).expect("appends");
        }
        assert!(pages() >= before + ROWS);
        for seq in 1..=ROWS {
            replace(&sql, seq, &[8; 20]).expect("replaces");
        }
        assert!(pages() <= before + 5, "{} pages, {before} before", pages());
    }
}
