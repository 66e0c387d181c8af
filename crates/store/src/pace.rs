//! The single row of a pacer.

use model::pace::Pace;

use super::sql::{Param, Sql, StoreError, execute};

/// Reads what was stored; creates the table if it does not exist.
///
/// # Errors
/// As [`Sql::run`], and if the bytes are not what was written.
pub fn open(sql: &impl Sql) -> Result<Pace, StoreError> {
    execute(
        sql,
        "CREATE TABLE IF NOT EXISTS pace (id INTEGER PRIMARY KEY CHECK (id = 0), bytes BLOB NOT NULL) STRICT",
        &[],
    )?;
    let mut pace = Pace::default();
    sql.run("SELECT bytes FROM pace", &[], &mut |mut row| {
        pace = Pace::from_bytes(&row.blob()?)?;
        Ok(())
    })?;
    Ok(pace)
}

/// Stores it.
///
/// # Errors
/// As [`Sql::run`].
pub fn put(sql: &impl Sql, pace: &Pace) -> Result<(), StoreError> {
    let statement = "INSERT INTO pace (id, bytes) VALUES (0, ?1) ON CONFLICT (id) DO UPDATE SET bytes = ?1";
    execute(sql, statement, &[Param::Blob(&pace.to_bytes())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestSql;

    #[test]
    fn a_pace_survives_a_round_trip_in_one_row() {
        let sql = TestSql::new();
        let mut pace = open(&sql).expect("made");
        assert_eq!(pace, Pace::default());
        for now_ms in [1_000, 2_000] {
            pace.ask("a", 20, now_ms);
            put(&sql, &pace).expect("kept");
            assert_eq!(open(&sql), Ok(pace.clone()));
        }
        assert_eq!(sql.count("pace"), 1);
    }
}
