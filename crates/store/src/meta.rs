//! Small strings by key: the stream's configuration and its totals.

use super::sql::{Param, Sql, StoreError, execute};

/// The value of a key.
///
/// # Errors
/// As [`Sql::run`].
pub fn get(sql: &impl Sql, key: &str) -> Result<Option<String>, StoreError> {
    let mut value = None;
    sql.run("SELECT value FROM meta WHERE key = ?", &[Param::Text(key)], &mut |mut row| {
        value = Some(row.text()?);
        Ok(())
    })?;
    Ok(value)
}

/// Sets the value of a key.
///
/// # Errors
/// As [`Sql::run`].
pub fn put(sql: &impl Sql, key: &str, value: &str) -> Result<(), StoreError> {
    let statement = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
    execute(sql, statement, &[Param::Text(key), Param::Text(value)])
}
