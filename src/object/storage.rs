//! The SQL seam over a Durable Object's `SQLite`.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::{SqlStorage, SqlStorageValue, Storage};

use store::sql::{EachRow, Param, Row, Sql, StoreError, Value};

#[wasm_bindgen]
extern "C" {
    /// The methods of `ctx.storage` that the worker crate lacks.
    type RawStorage;

    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &RawStorage,
        work: &mut dyn FnMut() -> Result<JsValue, JsValue>,
    ) -> Result<JsValue, JsValue>;
}

/// The database of an object.
pub(super) struct ObjectSql {
    sql: SqlStorage,
    raw: RawStorage,
}

impl ObjectSql {
    pub(super) fn new(storage: &Storage) -> Self {
        let raw: &JsValue = storage.as_raw().as_ref();
        Self { sql: storage.sql(), raw: raw.clone().unchecked_into() }
    }
}

impl Sql for ObjectSql {
    fn run(&self, sql: &'static str, params: &[Param<'_>], each: &mut EachRow<'_>) -> Result<(), StoreError> {
        let params: Vec<JsValue> = params.iter().map(js_value).collect();
        let cursor = self.sql.exec_raw(sql, params).map_err(sql_error)?;
        for row in cursor.raw() {
            each(Row::new(row.map_err(sql_error)?.into_iter().map(value).collect()))?;
        }
        Ok(())
    }

    fn atomically(&self, work: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut failure = None;
        let done = self.raw.transaction_sync(&mut || match work() {
            Ok(()) => Ok(JsValue::UNDEFINED),
            Err(error) => {
                let message = JsValue::from_str(&error.to_string());
                failure = Some(error);
                Err(message)
            }
        });
        match (done, failure) {
            (Ok(_), None) => Ok(()),
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(StoreError::Sql(format!("{error:?}"))),
        }
    }

    fn size_bytes(&self) -> u64 {
        self.sql.database_size() as u64
    }
}

#[expect(clippy::cast_precision_loss, reason = "the seam promises 53 bits")]
fn js_value(param: &Param<'_>) -> JsValue {
    match param {
        Param::Integer(integer) => JsValue::from_f64(*integer as f64),
        Param::Text(text) => JsValue::from_str(text),
        Param::Blob(bytes) => Uint8Array::from(*bytes).into(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "it was a JavaScript number")]
fn value(value: SqlStorageValue) -> Value {
    match value {
        SqlStorageValue::Null => Value::Null,
        SqlStorageValue::Boolean(is_true) => Value::Number(f64::from(u8::from(is_true))),
        SqlStorageValue::Integer(integer) => Value::Number(integer as f64),
        SqlStorageValue::Float(float) => Value::Number(float),
        SqlStorageValue::String(text) => Value::Text(text),
        SqlStorageValue::Blob(bytes) => Value::Blob(bytes),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err expects")]
fn sql_error(error: worker::Error) -> StoreError {
    StoreError::Sql(error.to_string())
}
