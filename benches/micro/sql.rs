//! The store's seam over an in-memory `SQLite`.

use rusqlite::{Connection, params_from_iter};
use store::sql::{EachRow, Param, Row, Sql, StoreError};
use store::testing::value;

/// A database with the schema of a stream.
pub(crate) struct Memory(Connection);

impl Memory {
    pub(crate) fn new() -> Self {
        let sql = Self(Connection::open_in_memory().expect("SQLite is bundled"));
        store::schema::migrate(&sql).expect("migrates");
        sql
    }

    fn rows(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut EachRow<'_>,
    ) -> rusqlite::Result<Result<(), StoreError>> {
        let mut statement = self.0.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(params))?;
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|column| row.get_ref(column).map(value)).collect::<Result<_, _>>()?;
            if let Err(error) = each(Row::new(values)) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

impl Sql for Memory {
    fn run(&self, sql: &'static str, params: &[Param<'_>], each: &mut EachRow<'_>) -> Result<(), StoreError> {
        self.rows(sql, params, each).unwrap_or_else(|error| Err(StoreError::Sql(error.to_string())))
    }

    /// Nothing fails here, so nothing is rolled back.
    fn atomically(&self, work: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
        work()
    }

    fn size_bytes(&self) -> u64 {
        0
    }
}
