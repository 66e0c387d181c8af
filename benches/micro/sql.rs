//! The store's seam over an in-memory `SQLite`.

use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{Connection, params_from_iter};
use store::sql::{EachRow, Param, Row, Sql, StoreError, Value};

/// A database with the schema of a stream.
pub(crate) struct Memory(Connection);

/// A wrapper that implements rusqlite's trait, as both the trait and `Param` are foreign here.
struct Given<'a>(Param<'a>);

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
        let mut rows = statement.query(params_from_iter(params.iter().map(|param| Given(*param))))?;
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|column| row.get_ref(column).map(value)).collect::<Result<_, _>>()?;
            if let Err(error) = each(Row::new(values)) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "as through JavaScript")]
fn value(stored: ValueRef<'_>) -> Value {
    match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Number(integer as f64),
        ValueRef::Real(real) => Value::Number(real),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

impl rusqlite::ToSql for Given<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Param::Integer(integer) => ToSqlOutput::Owned(Stored::Integer(integer)),
            Param::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Param::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
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
