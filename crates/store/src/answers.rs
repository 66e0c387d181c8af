//! The answers to the idempotency keys of batches that are sealed and no longer in the log.
//!
//! A row's `frames` are encoded as in [`super::frames`], each without its points.

use super::sql::{Param, Sql, StoreError, execute};

/// Stores answers and returns the row's number.
///
/// # Errors
/// As [`Sql::run`].
pub fn insert(sql: &impl Sql, at_ms: i64, frames: &[u8]) -> Result<i64, StoreError> {
    let params = [Param::Integer(at_ms), Param::Blob(frames)];
    let mut id = None;
    sql.run("INSERT INTO answers (at_ms, frames) VALUES (?, ?) RETURNING id", &params, &mut |mut row| {
        id = Some(row.integer()?);
        Ok(())
    })?;
    id.ok_or(StoreError::Column("id"))
}

/// Calls back with all rows in order: number, when they were stored, and bytes.
///
/// # Errors
/// As [`Sql::run`].
pub fn each(sql: &impl Sql, mut each: impl FnMut(i64, i64, &[u8]) -> Result<(), StoreError>) -> Result<(), StoreError> {
    sql.run("SELECT id, at_ms, frames FROM answers ORDER BY id", &[], &mut |mut row| {
        each(row.integer()?, row.integer()?, &row.blob()?)
    })
}

/// The bytes of a row, if it still exists.
///
/// # Errors
/// As [`Sql::run`].
pub fn row(sql: &impl Sql, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut bytes = None;
    sql.run("SELECT frames FROM answers WHERE id = ?", &[Param::Integer(id)], &mut |mut row| {
        bytes = Some(row.blob()?);
        Ok(())
    })?;
    Ok(bytes)
}

/// Removes the rows up to and including a number.
///
/// # Errors
/// As [`Sql::run`].
pub fn remove_up_to(sql: &impl Sql, id: i64) -> Result<(), StoreError> {
    execute(sql, "DELETE FROM answers WHERE id <= ?", &[Param::Integer(id)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;
    use crate::testing::TestSql;

    #[test]
    fn answers_are_kept_until_removed() {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        let ids: Vec<i64> = [10, 20].iter().map(|at_ms| insert(&sql, *at_ms, b"x").expect("inserts")).collect();
        assert_eq!(row(&sql, ids[1]), Ok(Some(b"x".to_vec())));
        remove_up_to(&sql, ids[0]).expect("removes");
        let mut seen = Vec::new();
        each(&sql, |id, at_ms, _| {
            seen.push((id, at_ms));
            Ok(())
        })
        .expect("reads");
        assert_eq!((seen, row(&sql, ids[0])), (vec![(ids[1], 20)], Ok(None)));
    }
}
