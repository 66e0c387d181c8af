//! The seam between the store and the `SQLite` of a Durable Object (in tests: of this machine).

use codec::Malformed;

/// A database, as the store sees it. No function waits, so nothing else can happen in between.
pub trait Sql {
    /// Runs one statement and calls back with each row of its result.
    ///
    /// # Errors
    /// [`StoreError::Sql`], or what `each` returns.
    fn run(&self, sql: &'static str, params: &[Param<'_>], each: &mut EachRow<'_>) -> Result<(), StoreError>;

    /// Runs `work` so that all of its statements take effect, or none if it fails.
    ///
    /// # Errors
    /// What `work` returns, or [`StoreError::Sql`] when the commit itself fails.
    fn atomically(&self, work: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError>;

    /// The size of the database in bytes.
    fn size_bytes(&self) -> u64;
}

/// Receives the rows of a result one by one.
pub type EachRow<'a> = dyn FnMut(Row) -> Result<(), StoreError> + 'a;

/// A parameter of a statement. Integers are within 53 bits, as they pass through JavaScript.
#[derive(Clone, Copy, Debug)]
pub enum Param<'a> {
    /// A whole number.
    Integer(i64),
    /// A string.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

/// A value in a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Null.
    Null,
    /// A number; JavaScript does not distinguish 1 from 1.0.
    Number(f64),
    /// A string.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// One row of a result, taken column by column from the left.
#[derive(Debug)]
pub struct Row(std::vec::IntoIter<Value>);

/// Why the store fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database reports an error.
    #[error("sql: {0}")]
    Sql(String),
    /// A column does not contain what was written there.
    #[error("a column does not contain a valid {0}")]
    Column(&'static str),
    /// A span of time has no room for another part.
    #[error("a span has no free chunk ids")]
    Full,
    /// The reader has enough.
    #[error("stopped by the reader")]
    Stopped,
    /// Bytes in a column are not what was written.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Row {
    /// A row with these values.
    #[must_use]
    pub fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// The next column as an integer.
    ///
    /// # Errors
    /// [`StoreError::Column`]; the same applies to the others.
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
    pub fn integer(&mut self) -> Result<i64, StoreError> {
        match self.0.next() {
            Some(Value::Number(number)) if number.trunc() == number => Ok(number as i64),
            _ => Err(StoreError::Column("integer")),
        }
    }

    /// The next column as a string.
    ///
    /// # Errors
    /// [`StoreError::Column`]
    pub fn text(&mut self) -> Result<String, StoreError> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(StoreError::Column("text")),
        }
    }

    /// The next column as bytes.
    ///
    /// # Errors
    /// [`StoreError::Column`]
    pub fn blob(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.0.next() {
            Some(Value::Blob(bytes)) => Ok(bytes),
            _ => Err(StoreError::Column("blob")),
        }
    }
}

/// Runs a statement that has no result.
///
/// # Errors
/// As [`Sql::run`].
pub fn execute(sql: &impl Sql, statement: &'static str, params: &[Param<'_>]) -> Result<(), StoreError> {
    sql.run(statement, params, &mut |_| Ok(()))
}
