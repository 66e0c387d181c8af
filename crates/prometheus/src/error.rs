//! Why a query is rejected.

/// What is wrong with a query, in words for the person who wrote it; Prometheus calls it `bad_data`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadQuery(pub String);

/// The result of anything that can be rejected.
pub type Result<T> = std::result::Result<T, BadQuery>;

/// An error with this message.
pub(super) fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(BadQuery(text.into()))
}
