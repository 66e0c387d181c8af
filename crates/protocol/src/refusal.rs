//! Why an object does not do what it is asked for.

use model::window::WindowError;
use serde::{Deserialize, Serialize};

use super::limited::Limited;
use super::partial::PartialError;

/// Why the object does not do what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Never made, or deleted.
    #[error("there is no such stream")]
    NoSuchStream,
    /// No key, or not this stream's.
    #[error("the read key is missing or not this stream's")]
    Unauthorized,
    /// The owner's allow-list does not have the writer's origin.
    #[error("this origin may not write to the stream")]
    OriginNotAllowed,
    /// A write key that is none of this stream's.
    #[error("the write key is not one of this stream's")]
    WrongWriteKey,
    /// The stream takes writes with a write key only.
    #[error("the stream takes writes with a write key only")]
    WriteKeyNeeded,
    /// The owner has blocked the writer's network or origin.
    #[error("writes from here are blocked")]
    Blocked,
    /// There is no write key with this id.
    #[error("there is no such write key")]
    NoSuchWriteKey,
    /// The key may belong to another shard: the writer believes in fewer than there are.
    #[error("the stream has more shards by now")]
    Moved,
    /// The owner asks for what contradicts the stream's state.
    #[error("{0}")]
    Conflict(String),
    /// More is waiting to be committed than the object takes.
    #[error("the stream has more writes waiting than it takes")]
    Overloaded,
    /// The write is beyond a budget; nothing of it is stored.
    #[error("{}", .0.detail)]
    Limited(Limited),
    /// The answer would be too large, or what it needs is not kept.
    #[error("{0}")]
    QueryTooLarge(String),
    /// More than one request may bring.
    #[error("{0}")]
    TooLarge(String),
    /// What is asked for does not go with the stream's configuration, or can't be made of it.
    #[error("{0}")]
    InvalidRequest(String),
    /// The other side says what this one does not understand: they are of two versions for the seconds of a deployment.
    #[error("the stream's object is of another version")]
    OtherVersion,
    /// A fault of ours, told in the log.
    #[error("the stream could not do this")]
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
