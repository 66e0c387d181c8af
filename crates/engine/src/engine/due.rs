//! A due time that is persisted as one number.

use serde::{Deserialize, Serialize};

/// A due time. Persisted as Unix milliseconds: 0 for immediately, and the largest number for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub(super) enum Due {
    /// Immediately.
    AtOnce,
    /// Unix milliseconds.
    At(i64),
    Never,
}

impl Due {
    /// The time, if it ever comes; a past one for immediately.
    pub(super) fn at_ms(self) -> Option<i64> {
        Some(i64::from(self)).filter(|_| self != Self::Never)
    }
}

impl From<Due> for i64 {
    fn from(due: Due) -> Self {
        match due {
            Due::AtOnce => 0,
            Due::At(at_ms) => at_ms,
            Due::Never => Self::MAX,
        }
    }
}

impl From<i64> for Due {
    fn from(at_ms: i64) -> Self {
        match at_ms {
            0 => Self::AtOnce,
            i64::MAX => Self::Never,
            at_ms => Self::At(at_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_due_time_is_pinned() {
        for (due, text) in [(Due::AtOnce, "0"), (Due::At(7), "7"), (Due::Never, "9223372036854775807")] {
            assert_eq!(serde_json::to_string(&due).expect("serialises"), text);
            assert_eq!(serde_json::from_str::<Due>(text).expect("reads"), due);
        }
        assert_eq!([Due::AtOnce, Due::At(7), Due::Never].map(Due::at_ms), [Some(0), Some(7), None]);
    }
}
