//! Why an object refuses a request.

use model::window::WindowError;
use serde::{Deserialize, Serialize};

use super::limited::Limited;
use super::partial::PartialError;

/// Why an object refuses a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Never created, or deleted.
    #[error("there is no such stream")]
    NoSuchStream,
    /// No key, or not this stream's.
    #[error("the read key is missing or does not belong to this stream")]
    Unauthorized,
    /// The owner's allow-list does not include the writer's origin.
    #[error("this origin may not write to the stream")]
    OriginNotAllowed,
    /// A write key that never belonged to this stream, or was revoked.
    #[error("this is not a write key of this stream, or no longer one")]
    WrongWriteKey,
    /// The stream accepts only writes with a write key.
    #[error("the stream accepts only writes with a write key")]
    WriteKeyNeeded,
    /// The owner has blocked the writer's network or origin.
    #[error("writes from here are blocked")]
    Blocked,
    /// There is no write key with this id.
    #[error("there is no such write key")]
    NoSuchWriteKey,
    /// The key may belong to another shard: the writer knows fewer shards than there are.
    #[error("the stream has more shards now")]
    Moved,
    /// The owner's request contradicts the stream's state.
    #[error("{0}")]
    Conflict(String),
    /// More writes wait for a commit than the object accepts.
    #[error("too many writes are waiting for the stream")]
    Overloaded,
    /// The write exceeds a budget; nothing of it is stored.
    #[error("{}", .0.detail)]
    Limited(Limited),
    /// The answer would be too large, or the data it needs is not kept.
    #[error("{0}")]
    QueryTooLarge(String),
    /// More than one request may contain.
    #[error("{0}")]
    TooLarge(String),
    /// The request does not fit the stream's configuration, or can't be answered from it.
    #[error("{0}")]
    InvalidRequest(String),
    /// The other side sent something unknown: they have two versions for the seconds of a deployment.
    #[error("the stream's object runs another version")]
    OtherVersion,
    /// An internal error; the log has the details.
    #[error("the stream failed to handle the request")]
    Internal,
}

impl From<WindowError> for Refusal {
    fn from(error: WindowError) -> Self {
        Self::QueryTooLarge(error.to_string())
    }
}

impl From<PartialError> for Refusal {
    fn from(error: PartialError) -> Self {
        match error {
            PartialError::TooLarge(error) => Self::QueryTooLarge(error.to_string()),
            PartialError::Malformed(_) => Self::OtherVersion,
        }
    }
}
