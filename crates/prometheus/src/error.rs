//! Why a query is refused.

/// What is wrong with a query, for the person who wrote it; Prometheus calls it `bad_data`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// What can be refused.
pub type Result<T> = std::result::Result<T, Refusal>;

/// A refusal with this text.
pub(super) fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(Refusal(text.into()))
}
