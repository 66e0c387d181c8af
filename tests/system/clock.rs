//! The clock of this machine, which is also the server's.

use std::time::{SystemTime, UNIX_EPOCH};

const HOUR_S: u64 = 3600;

/// Unix seconds with a fraction.
pub(crate) fn now_s() -> f64 {
    since_1970().as_secs_f64()
}

/// Whole Unix seconds.
pub(crate) fn now_whole_s() -> u64 {
    since_1970().as_secs()
}

/// The start of an hour that ended between one and two hours ago: no test writes into it by accident.
pub(crate) fn past_hour() -> u64 {
    now_whole_s() / HOUR_S * HOUR_S - 2 * HOUR_S
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}
