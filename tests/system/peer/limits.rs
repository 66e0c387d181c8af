//! The writes that a token has, in fixed windows.

use std::time::{Duration, Instant};

/// How long pnut refuses a client that wrote too much.
const PNUT_PENALTY: Duration = Duration::from_mins(10);

/// A token's window.
pub(super) struct Window {
    start: Instant,
    used: usize,
    /// Until when it takes nothing.
    closed_until: Option<Instant>,
}

/// What a token has left.
pub(super) struct Left {
    pub(super) remaining: usize,
    pub(super) reset: Duration,
}

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        Self { start: now, used: 0, closed_until: None }
    }

    /// Counts one more write: returns what is left, or how long to wait.
    pub(super) fn take(
        &mut self,
        limit: usize,
        width: Duration,
        is_pnut: bool,
        now: Instant,
    ) -> Result<Left, Duration> {
        if let Some(until) = self.closed_until.filter(|until| *until > now) {
            return Err(until - now);
        }
        if now >= self.start + width {
            *self = Self::new(now);
        }
        let reset = self.start + width - now;
        if self.used >= limit {
            let wait = if is_pnut { PNUT_PENALTY } else { reset };
            self.closed_until = Some(now + wait);
            return Err(wait);
        }
        self.used += 1;
        Ok(Left { remaining: limit - self.used, reset })
    }
}

/// The most moments in any span of this width.
pub(super) fn most_in_any(span: Duration, moments: &[Instant]) -> usize {
    let mut moments = moments.to_vec();
    moments.sort();
    let from = |first: usize| moments[first..].iter().take_while(|at| **at < moments[first] + span).count();
    (0..moments.len()).map(from).max().unwrap_or_default()
}
