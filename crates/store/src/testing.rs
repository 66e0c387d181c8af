//! The SQL seam over an in-memory `SQLite`, which can be told to fail at the nth statement.

use std::cell::Cell;
use std::rc::Rc;

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};

use model::tier::Layer;

use super::chunks::Place;
use super::sql::{EachRow, Param, Row, Sql, StoreError, Value, execute};

/// A database in memory.
pub struct TestSql {
    connection: Connection,
    /// The statements until one fails.
    fuse: Cell<Option<u64>>,
    /// The statements that fail.
    fault: Cell<Option<Fault>>,
    /// The rows of chunks written, and their bytes.
    written: Cell<(usize, usize)>,
}

/// Whether a statement fails, given its SQL and its parameters.
type Fault = fn(&str, &[Param<'_>]) -> bool;

impl TestSql {
    /// An empty database.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "tests say that it is new")]
    pub fn new() -> Self {
        Self {
            connection: Connection::open_in_memory().expect("SQLite is bundled"),
            fuse: Cell::new(None),
            fault: Cell::new(None),
            written: Cell::default(),
        }
    }

    /// A database created by a script.
    #[must_use]
    pub fn from_script(script: &str) -> Self {
        let sql = Self::new();
        sql.connection.execute_batch(script).expect("the script is SQL");
        sql
    }

    /// Makes the nth statement from now fail, counted from 0.
    pub fn fail_at(&self, nth: u64) {
        self.fuse.set(Some(nth));
    }

    /// Makes statements fail until [`Self::heal`] is called.
    pub fn fail_if(&self, fault: Fault) {
        self.fault.set(Some(fault));
    }

    /// Whether the statement that was to fail did.
    pub fn has_failed(&self) -> bool {
        self.fuse.get().is_none()
    }

    /// Makes all statements succeed again.
    pub fn heal(&self) {
        self.fuse.set(None);
        self.fault.set(None);
    }

    /// The statements that created the tables, sorted by name.
    pub fn tables(&self) -> String {
        let mut statement = self
            .connection
            .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
            .expect("valid");
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("valid");
        rows.map(|row| row.expect("text") + ";\n").collect()
    }

    /// The number of rows in a table.
    pub fn count(&self, table: &str) -> i64 {
        self.connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).expect("valid")
    }

    /// The bytes of the chunks of each layer.
    pub fn chunk_bytes(&self) -> Vec<(i64, i64)> {
        let bytes = "SELECT id >> 48, SUM(LENGTH(cells)) FROM chunks GROUP BY 1";
        let mut statement = self.connection.prepare(bytes).expect("valid");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("valid");
        rows.map(|row| row.expect("numbers")).collect()
    }

    /// The rows of chunks ever written, and their bytes.
    pub fn written(&self) -> (usize, usize) {
        self.written.get()
    }

    /// The bytes of its pages in use.
    pub fn disk_bytes(&self) -> i64 {
        let pragma = |name: &str| -> i64 {
            self.connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).expect("valid")
        };
        (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")
    }

    fn burn(&self) -> Result<(), StoreError> {
        match self.fuse.get() {
            Some(0) => {
                self.fuse.set(None);
                Err(StoreError::Sql("the double fails here".into()))
            }
            Some(left) => {
                self.fuse.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn rows(&self, sql: &str, params: &[Param<'_>]) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(rusqlite::params_from_iter(params))?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(Row::new((0..columns).map(|column| row.get_ref(column).map(value)).collect::<Result<_, _>>()?));
        }
        Ok(all)
    }
}

/// What a column holds, as the platform hands it over.
#[expect(clippy::cast_precision_loss, reason = "as through JavaScript")]
#[must_use]
pub fn value(stored: ValueRef<'_>) -> Value {
    match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Number(integer as f64),
        ValueRef::Real(real) => Value::Number(real),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match *self {
            Self::Integer(integer) => ToSqlOutput::Owned(Stored::Integer(integer)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

/// Lets a test keep its database when its user crashes.
impl Sql for Rc<TestSql> {
    fn run(&self, sql: &'static str, params: &[Param<'_>], each: &mut EachRow<'_>) -> Result<(), StoreError> {
        self.as_ref().run(sql, params, each)
    }

    fn atomically(&self, work: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.as_ref().atomically(work)
    }

    fn size_bytes(&self) -> u64 {
        self.as_ref().size_bytes()
    }
}

impl Sql for TestSql {
    fn run(&self, sql: &'static str, params: &[Param<'_>], each: &mut EachRow<'_>) -> Result<(), StoreError> {
        self.burn()?;
        if self.fault.get().is_some_and(|fails| fails(sql, params)) {
            return Err(StoreError::Sql("the double always fails here".into()));
        }
        if let ("INSERT INTO chunks (id, cells) VALUES (?, ?)", [_, Param::Blob(part)]) = (sql, params) {
            let (rows, bytes) = self.written.get();
            self.written.set((rows + 1, bytes + part.len()));
        }
        let rows = self.rows(sql, params).map_err(|error| StoreError::Sql(error.to_string()))?;
        rows.into_iter().try_for_each(each)
    }

    fn atomically(&self, work: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let batch = |sql: &str| self.connection.execute_batch(sql).expect("savepoints work");
        batch("SAVEPOINT atomically");
        let done = work();
        batch(if done.is_ok() { "RELEASE atomically" } else { "ROLLBACK TO atomically; RELEASE atomically" });
        done
    }

    fn size_bytes(&self) -> u64 {
        0
    }
}

/// A part of version 2 that counts one point in each of these series, and claims to be large.
#[must_use]
pub fn earlier_part(series: &[u8]) -> Vec<u8> {
    let mut last = 0;
    let directory = series.iter().flat_map(|series| [series - std::mem::replace(&mut last, *series), 14]);
    let head = [2, 0xa0, 0x9c, 1, u8::try_from(series.len()).expect("few")];
    let columns = series.iter().flat_map(|_| [1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0]);
    head.into_iter().chain(directory).chain(columns).collect()
}

/// Fills a place of the first block as earlier versions did.
pub fn fill(sql: &TestSql, layer: Layer, span_start_s: i64, series: &[u8]) -> Place {
    let place = Place { layer, span_start_s, block: 0 };
    let part = earlier_part(series);
    for id in place.id()..place.id() + 512 {
        execute(
            sql,
            "INSERT OR IGNORE INTO chunks (id, cells) VALUES (?, ?)",
            &[Param::Integer(id), Param::Blob(&part)],
        )
        .expect("inserts");
    }
    place
}
