//! What readers request of a stream: cells, labels, status.

use serde_json::{Value, json};

use model::grid::{GridError, Row};
use model::pattern::TooManySteps;
use model::query::Query;
use protocol::params::ValuesParams;
use store::sql::{Sql, StoreError};

use super::asking::Progress;
use super::{Engine, to_json};

/// Why a query has no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The SQL failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The answer would have too many cells.
    #[error(transparent)]
    TooLarge(#[from] GridError),
    /// Its matchers take more steps than a request may.
    #[error(transparent)]
    TooManySteps(#[from] TooManySteps),
}

impl<S: Sql> Engine<S> {
    /// The cells of a query.
    pub fn query(&self, query: &Query) -> Result<Vec<Row>, QueryError> {
        let mut asking = self.ask(query, &[]);
        while self.go_on_asking(query, &mut asking, usize::MAX)? == Progress::More {}
        asking.finish()
    }

    /// The names of labels, as JSON.
    pub fn labels_json(&self) -> String {
        json!({ "labels": self.dictionary.names(self.has_overflow()) }).to_string()
    }

    /// The values of a label, as JSON.
    pub fn label_values_json(&self, name: &str, params: &ValuesParams) -> String {
        to_json(&self.dictionary.values(name, params, self.has_overflow()))
    }

    /// The state of the stream, as JSON.
    pub fn status_json(&self) -> String {
        let Value::Object(mut status) = json!({
            "name": self.record.config.name,
            "series": self.dictionary.series() + usize::from(self.has_overflow()),
            "removed": { "points": self.removal.points() },
            "storage_bytes": self.sql.size_bytes(),
            "log": { "rows": self.log.behind(self.cursor.seq).count(), "bytes": self.unsealed_bytes },
            "memory_bytes": memory_bytes(),
            "memory": memory::used_by_name().collect::<std::collections::BTreeMap<_, _>>(),
            "bounds": self.bounds_json(),
        }) else {
            unreachable!("it is an object")
        };
        self.consumers.describe(&self.sql, &self.followed(), &mut status);
        Value::Object(status).to_string()
    }
}

/// The linear memory of the isolate, which never shrinks; `None` outside wasm.
#[cfg_attr(target_arch = "wasm32", expect(clippy::unnecessary_wraps, reason = "other targets have none"))]
fn memory_bytes() -> Option<usize> {
    #[cfg(target_arch = "wasm32")]
    {
        const PAGE_BYTES: usize = 65_536;
        Some(core::arch::wasm32::memory_size(0) * PAGE_BYTES)
    }
    #[cfg(not(target_arch = "wasm32"))]
    None
}
