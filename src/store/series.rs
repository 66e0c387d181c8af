//! The dictionary that numbers the series of an object, from 0 without gaps.

use crate::domain::labels::Labels;
use crate::domain::open::SeriesId;

use super::sql::{Param, Sql, StoreError, execute};

/// Adds a series under its number.
///
/// # Errors
/// As [`Sql::run`].
pub fn insert(sql: &impl Sql, id: SeriesId, labels: &Labels) -> Result<(), StoreError> {
    let params = [Param::Integer(i64::from(id)), Param::Text(labels.as_str())];
    execute(sql, "INSERT INTO series (id, labels) VALUES (?, ?)", &params)
}

/// All series in the order of their numbers.
///
/// # Errors
/// As [`Sql::run`].
pub fn all(sql: &impl Sql) -> Result<Vec<Labels>, StoreError> {
    let mut all = Vec::new();
    sql.run("SELECT labels FROM series ORDER BY id", &[], &mut |mut row| {
        all.push(Labels::from_canonical(&row.text()?));
        Ok(())
    })?;
    Ok(all)
}
