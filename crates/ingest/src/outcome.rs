//! The outcome of a write: how many points were accepted and rejected, and why.

use serde::Serialize;

use super::rejection::{Reason, Rejection};

/// The most rejections that are reported in full.
pub const MAX_ERRORS: usize = 20;

/// The answer to a write, and what `status` counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteOutcome {
    /// Points that were stored.
    pub accepted: u64,
    /// Rejected points by reason, in the order of [`Reason::ALL`].
    pub rejected: [u64; Reason::ALL.len()],
    /// The first [`MAX_ERRORS`] rejections as a JSON array; empty if there are none.
    pub errors_json: String,
}

/// A rejection in the JSON of a response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorEntry {
    /// The index of the point in the body, from 0.
    pub index: usize,
    /// The field at fault, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The reason, in words.
    pub message: String,
}

impl ErrorEntry {
    /// The entry of a rejected point.
    #[must_use]
    pub fn new(index: usize, rejection: &Rejection) -> Self {
        Self { index, field: rejection.field().map(str::to_owned), message: rejection.to_string() }
    }
}

impl WriteOutcome {
    /// The outcome of a request with these rejections.
    #[must_use]
    pub fn new(accepted: u64, rejected: [u64; Reason::ALL.len()], errors: &[ErrorEntry]) -> Self {
        let json = || serde_json::to_string(errors).expect("indices and strings always serialise");
        Self { accepted, rejected, errors_json: if errors.is_empty() { String::new() } else { json() } }
    }

    /// Whether a point was rejected for this reason.
    #[must_use]
    pub fn has_rejected(&self, reason: Reason) -> bool {
        self.rejected.iter().zip(Reason::ALL).any(|(count, known)| *count > 0 && known == reason)
    }

    /// The number of rejected points.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// The answer's body: `{"accepted":9,"rejected":1,"errors":[..]}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.to_json_with(0)
    }

    /// The same, with `"overflow":3` if this many points went to the overflow series.
    #[must_use]
    pub fn to_json_with(&self, overflow: u64) -> String {
        let overflow = if overflow > 0 { format!(",\"overflow\":{overflow}") } else { String::new() };
        let errors = if self.errors_json.is_empty() { "[]" } else { &self.errors_json };
        format!(
            "{{\"accepted\":{},\"rejected\":{},\"errors\":{errors}{overflow}}}",
            self.accepted,
            self.rejected_total()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflow_is_reported_if_there_is_any() {
        let outcome = WriteOutcome { accepted: 9, ..WriteOutcome::default() };
        assert_eq!(outcome.to_json(), r#"{"accepted":9,"rejected":0,"errors":[]}"#);
        assert_eq!(outcome.to_json_with(2), r#"{"accepted":9,"rejected":0,"errors":[],"overflow":2}"#);
    }
}
