//! Why a Graphite request is rejected.

/// What is wrong with a request, in words for the person who wrote it; always a 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRequest(pub String);

/// The result of anything that can be rejected.
pub type Result<T> = std::result::Result<T, BadRequest>;

/// An error with this message.
pub(super) fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(BadRequest(text.into()))
}
