//! Cloudflare's list prices, and what a million points cost at them.
//!
//! <https://developers.cloudflare.com/workers/platform/pricing/> and
//! <https://developers.cloudflare.com/durable-objects/platform/pricing/>, Workers Paid, November 2026: what exceeds the
//! included amounts. Costs are left out that depend on the pace of writing and not on the number of points: the
//! duration of an object, storage, and KV.

/// The basis of the dollars in a report.
pub(crate) const DOLLARS_ARE: &str = "dollars: requests to Workers and objects, rows and CPU (of all of workerd, so an \
    upper bound) at list prices, without an object's duration, storage and KV";

/// Dollars per million requests to a Worker.
const WORKER_REQUESTS: f64 = 0.30;
/// Dollars per million milliseconds of a Worker's CPU.
const CPU_MS: f64 = 0.02;
/// Dollars per million requests to a Durable Object, including alarms.
const OBJECT_REQUESTS: f64 = 0.15;
/// Dollars per million rows read by a Durable Object's `SQLite`.
const ROWS_READ: f64 = 0.001;
/// Dollars per million rows written, including deleted ones.
const ROWS_WRITTEN: f64 = 1.00;

/// The billed operations of a million points.
pub(crate) struct Billed {
    pub(crate) worker_requests: f64,
    pub(crate) cpu_s: f64,
    pub(crate) object_requests: f64,
    pub(crate) rows_read: f64,
    pub(crate) rows_written: f64,
}

impl Billed {
    pub(crate) fn dollars(&self) -> f64 {
        let priced = [
            (self.worker_requests, WORKER_REQUESTS),
            (self.cpu_s * 1e3, CPU_MS),
            (self.object_requests, OBJECT_REQUESTS),
            (self.rows_read, ROWS_READ),
            (self.rows_written, ROWS_WRITTEN),
        ];
        priced.iter().map(|(units, dollars_per_million)| units / 1e6 * dollars_per_million).sum()
    }
}
