//! The dictionary that assigns ids to the series of an object, from 0. An id is never reused.

use model::labels::Labels;
use model::open::SeriesId;

use super::sql::{Param, Sql, StoreError, execute};

/// Adds a series with its id.
///
/// # Errors
/// As [`Sql::run`].
pub fn insert(sql: &impl Sql, id: SeriesId, labels: &Labels) -> Result<(), StoreError> {
    let params = [Param::Integer(i64::from(id)), Param::Text(labels.as_str())];
    execute(sql, "INSERT INTO series (id, labels) VALUES (?, ?)", &params)
}

/// Deletes a series, if it is there.
///
/// # Errors
/// As [`Sql::run`].
pub fn delete(sql: &impl Sql, id: SeriesId) -> Result<(), StoreError> {
    execute(sql, "DELETE FROM series WHERE id = ?", &[Param::Integer(i64::from(id))])
}

/// The number of series, and the bytes of their labels.
///
/// # Errors
/// As [`Sql::run`].
pub fn size(sql: &impl Sql) -> Result<(usize, usize), StoreError> {
    let mut size = (0, 0);
    sql.run("SELECT COUNT(*), COALESCE(SUM(LENGTH(CAST(labels AS BLOB))), 0) FROM series", &[], &mut |mut row| {
        let mut number = || Ok::<_, StoreError>(usize::try_from(row.integer()?).unwrap_or_default());
        size = (number()?, number()?);
        Ok(())
    })?;
    Ok(size)
}

/// All series in the order of their ids.
///
/// # Errors
/// As [`Sql::run`].
pub fn all(sql: &impl Sql) -> Result<Vec<(SeriesId, Labels)>, StoreError> {
    let mut all = Vec::new();
    sql.run("SELECT id, labels FROM series ORDER BY id", &[], &mut |mut row| {
        let id = SeriesId::try_from(row.integer()?).map_err(|_| StoreError::Column("id"))?;
        all.push((id, Labels::from_canonical(&row.text()?)));
        Ok(())
    })?;
    Ok(all)
}
