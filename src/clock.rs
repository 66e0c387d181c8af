//! The one place that reads the clock. An event reads it once and hands the time on.

/// Unix milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "fits for the next 292 million years")]
pub(crate) fn now_ms() -> i64 {
    worker::js_sys::Date::now() as i64
}
