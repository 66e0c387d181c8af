//! When the alarm fires.

use std::time::Duration;

use worker::console_error;

use crate::clock::now_ms;

use super::stream::Shared;
use engine::GATHER_MS;
use engine::answers::KEY_WINDOW_MS;

/// An alarm this late will not fire any more.
const OVERDUE_MS: i64 = 120_000;

impl Shared {
    /// Sets the alarm unless one fires soon enough: when the current keys expire, or when forwarded points have
    /// waited for company. An alarm from before this object lost its memory is left as it is, or each write to a
    /// quiet stream would postpone it; one that is long overdue counts as lost.
    pub(super) async fn expect_alarm(&self, now_ms: i64, forward_ms: Option<i64>) {
        let by_ms = forward_ms.map_or(i64::MAX, |due_ms| due_ms.max(now_ms + GATHER_MS)).min(now_ms + KEY_WINDOW_MS);
        let is_soon = |at_ms: &i64| (now_ms - OVERDUE_MS..=by_ms + 1).contains(at_ms);
        if self.alarm_ms.get().as_ref().is_some_and(is_soon) {
            return;
        }
        match self.state.storage().get_alarm().await {
            Ok(Some(at_ms)) if is_soon(&at_ms) => self.alarm_ms.set(Some(at_ms)),
            _ => self.set_alarm(by_ms - now_ms).await,
        }
    }

    pub(super) async fn set_alarm(&self, in_ms: i64) {
        let in_ms = in_ms.max(1);
        match self.state.storage().set_alarm(Duration::from_millis(in_ms.unsigned_abs())).await {
            Ok(()) => self.alarm_ms.set(Some(now_ms() + in_ms)),
            Err(error) => console_error!("alarm not set, the next write will retry: {error}"),
        }
    }
}
