//! What readers ask of a stream: cells, labels, status.

use serde_json::json;

use ingest::rejection::Reason;
use model::grid::{GridError, Row};
use model::pattern::TooManySteps;
use model::query::Query;
use model::total::{MAX_SHOWN, MAX_SHOWN_BYTES, ShownTotals};
use protocol::params::ValuesParams;
use store::sql::{Sql, StoreError};

use super::asking::Progress;
use super::{Engine, to_json};

/// Why a question has no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The SQL failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The answer would have too many cells.
    #[error(transparent)]
    TooLarge(#[from] GridError),
    /// Its matching takes more steps than a request may.
    #[error(transparent)]
    TooManySteps(#[from] TooManySteps),
}

impl<S: Sql> Engine<S> {
    /// The cells that a query asks for.
    pub fn query(&self, query: &Query) -> Result<Vec<Row>, QueryError> {
        let mut asking = self.ask(query, &[]);
        while self.go_on_asking(query, &mut asking, usize::MAX)? == Progress::More {}
        asking.finish()
    }

    /// What series have had since the stream began.
    pub fn shown(&self, query: &Query) -> Result<ShownTotals, QueryError> {
        let series = self.dictionary.labels().map(|(series, labels)| (labels, self.series_totals.of(series)));
        let shown = ShownTotals::collect(series, query, MAX_SHOWN, MAX_SHOWN_BYTES);
        query.check()?;
        Ok(shown)
    }

    /// Whether `overflow` has something: what found no room, or what series had that were folded.
    fn has_overflow(&self) -> bool {
        let mut overflow = self.dictionary.labels().filter(|(_, labels)| labels.is_overflow());
        self.totals.overflow_points > 0
            || overflow.next().is_some_and(|(series, _)| !self.series_totals.of(series).is_none())
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
        let rejected: serde_json::Map<String, serde_json::Value> = Reason::ALL
            .iter()
            .zip(self.totals.rejected.into_iter().chain([self.totals.ruled]))
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.name().to_owned(), count.into()))
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
        let last_write = self.totals.last_write_ms.map(|ms| ms as f64 / 1000.0);
        json!({
            "name": self.record.config.name,
            "accepted": self.totals.accepted,
            "rejected": rejected,
            "overflow": { "points": self.totals.overflow_points },
            "sketches_dropped": self.totals.sketches_dropped,
            "series": self.dictionary.series() + usize::from(self.has_overflow()),
            "removed": { "points": self.removal.points() },
            "storage_bytes": self.sql.size_bytes(),
            "log": { "rows": self.log.behind(self.cursor.seq).count(), "bytes": self.unsealed_bytes },
            "open_cells": self.open.cells(),
            "memory_bytes": memory_bytes(),
            "memory": memory::used_by_name().collect::<std::collections::BTreeMap<_, _>>(),
            "last_write": last_write,
            "forward": self.forward_json(),
            "carbon": self.carbon_json(),
            "bounds": self.bounds_json(),
        })
        .to_string()
    }
}

/// The linear memory of the isolate, which never shrinks; `None` where there is none.
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
