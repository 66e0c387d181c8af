//! The tables and their history: migrations are only appended, and run at the object's start.

use super::sql::{Param, Sql, StoreError, execute};

/// Each migration is a list of statements. Never change one that was deployed.
const MIGRATIONS: &[&[&str]] = &[FIRST, SECOND, THIRD, REMOVALS];

const FIRST: &[&str] = &[
    // The owner's configuration and running totals, as JSON.
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    // The answers to repeated idempotency keys whose batches are no longer in the log.
    "CREATE TABLE answers (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, frames BLOB NOT NULL) STRICT",
    // One row per commit; `frames` as in `super::frames`.
    "CREATE TABLE log (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, frames BLOB NOT NULL) STRICT",
    // The position of each consumer in the log: all rows up to `seq`, and `points` of the row after it.
    "CREATE TABLE cursors (consumer TEXT PRIMARY KEY, seq INTEGER NOT NULL, points INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    // The dictionary of series; `labels` is their canonical string.
    "CREATE TABLE series (id INTEGER PRIMARY KEY, labels TEXT NOT NULL) STRICT",
    // Sealed buckets; `id` and `cells` as in `super::chunks`.
    "CREATE TABLE chunks (id INTEGER PRIMARY KEY, cells BLOB NOT NULL) STRICT",
];

const SECOND: &[&str] = &[
    // The number of a row's first point in the stream, counted from 1; 0 in earlier rows.
    "ALTER TABLE log ADD COLUMN first INTEGER NOT NULL DEFAULT 0",
    // Batches on their way to the upstream, in order; `points` as in `super::outbox`.
    "CREATE TABLE outbox (id INTEGER PRIMARY KEY, points BLOB NOT NULL) STRICT",
    // Points that the upstream rejects, and why, each as in `super::outbox`.
    "CREATE TABLE aside (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, reason TEXT NOT NULL, points BLOB NOT NULL) STRICT",
];

const THIRD: &[&str] = &[
    // The totals of each series since the stream began; blocks as in `super::series_totals`.
    "CREATE TABLE totals (block INTEGER PRIMARY KEY, totals BLOB NOT NULL) STRICT",
];

const REMOVALS: &[&str] = &[
    // The last removal, as in `super::removal`.
    "CREATE TABLE removals (id INTEGER PRIMARY KEY, state TEXT NOT NULL, series BLOB NOT NULL) STRICT",
    // The places that it still has to rewrite, and their replacements.
    "CREATE TABLE removing (id INTEGER PRIMARY KEY, cells BLOB NOT NULL) STRICT",
];

/// Whether this database was ever set up. Only reads, so that asking leaves no trace.
///
/// # Errors
/// As [`Sql::run`].
pub fn exists(sql: &impl Sql) -> Result<bool, StoreError> {
    let mut exists = false;
    sql.run("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'", &[], &mut |_| {
        exists = true;
        Ok(())
    })?;
    Ok(exists)
}

/// Migrates the database to the newest schema, all or nothing.
///
/// # Errors
/// As [`Sql::run`].
pub fn migrate(sql: &impl Sql) -> Result<(), StoreError> {
    sql.atomically(&mut || {
        execute(sql, "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY) STRICT", &[])?;
        let version = version(sql)?;
        for (index, statements) in MIGRATIONS.iter().enumerate().skip(version) {
            for statement in *statements {
                execute(sql, statement, &[])?;
            }
            let version = i64::try_from(index + 1).expect("there are few migrations");
            execute(sql, "INSERT INTO schema_version (version) VALUES (?)", &[Param::Integer(version)])?;
        }
        Ok(())
    })
}

/// The number of migrations that have run.
fn version(sql: &impl Sql) -> Result<usize, StoreError> {
    let mut version = 0;
    sql.run("SELECT COUNT(*) FROM schema_version", &[], &mut |mut row| {
        version = usize::try_from(row.integer()?).map_err(|_| StoreError::Column("version"))?;
        Ok(())
    })?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestSql;

    #[test]
    fn asking_leaves_no_trace_and_migrating_is_idempotent() {
        let sql = TestSql::new();
        assert_eq!(exists(&sql), Ok(false));
        assert_eq!(sql.tables(), "");
        migrate(&sql).expect("migrates");
        migrate(&sql).expect("migrates again");
        assert_eq!(exists(&sql), Ok(true));
    }

    #[test]
    fn the_schema_equals_the_golden_file() {
        let sql = TestSql::new();
        migrate(&sql).expect("migrates");
        assert_eq!(
            sql.tables(),
            include_str!("schema.sql"),
            "if this is meant, append a migration and update schema.sql"
        );
    }

    #[test]
    fn a_migration_that_fails_at_any_statement_leaves_nothing() {
        for nth in 0.. {
            let sql = TestSql::new();
            sql.fail_at(nth);
            if migrate(&sql).is_ok() {
                assert!(nth > 5, "the double must have failed at each statement before");
                break;
            }
            assert_eq!(sql.tables(), "");
        }
    }
}
