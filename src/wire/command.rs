//! What the edge asks of a stream's object, and what the object refuses.
//!
//! A write is `POST` with the origin and a frame; all else is `PUT` with a [`Command`] as JSON. Both sides are of one
//! deployment but, for the seconds of a roll-out, maybe of two versions: fields are only added, with defaults.

use serde::{Deserialize, Serialize};

use crate::domain::codec::{Malformed, Reader, put_bytes};

use super::params::{QueryText, ValuesParams};
use super::stream::{StreamConfig, StreamPatch};

/// SHA-256 of a read key.
pub type KeyHash = [u8; 32];

/// All that is not a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Makes the stream; answers nothing.
    Create {
        /// Its configuration.
        config: StreamConfig,
        /// The hash of its read key.
        read_key_hash: KeyHash,
    },
    /// Answers the [`StreamConfig`].
    Describe,
    /// Changes the configuration; answers the new [`StreamConfig`].
    Patch(StreamPatch),
    /// Replaces the read key; answers nothing.
    Rekey {
        /// The hash of the new read key.
        read_key_hash: KeyHash,
    },
    /// Deletes the stream and all its data; answers nothing.
    Delete,
    /// Reads, if the credential allows it.
    Read {
        /// Who reads.
        credential: Credential,
        /// What.
        what: Read,
    },
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// The owner, as the edge has checked.
    Owner,
    /// Someone with a key, whose hash this is.
    Key(KeyHash),
    /// Anyone.
    Nobody,
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// Cells by group and step; answers a [`super::partial`].
    Rollup(QueryText),
    /// Label names; answers their JSON.
    Labels,
    /// The values of a label; answers their JSON.
    LabelValues {
        /// The label's name.
        name: String,
        /// Which of its values.
        params: ValuesParams,
    },
    /// The stream's state; answers its JSON. Not for everyone, even if reading is.
    Status,
}

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
    /// More is waiting to be committed than the object takes.
    #[error("the stream has more writes waiting than it takes")]
    Overloaded,
    /// The answer would be too large.
    #[error("{0}")]
    QueryTooLarge(String),
    /// What is asked for does not go with the stream's configuration.
    #[error("{0}")]
    InvalidRequest(String),
    /// A fault of ours, told in the log.
    #[error("the stream could not do this")]
    Internal,
}

/// The body of a write.
#[must_use]
pub fn write_request(origin: Option<&str>, frame: &[u8]) -> Vec<u8> {
    let origin = origin.unwrap_or_default();
    let mut out = Vec::with_capacity(origin.len() + frame.len() + 2);
    put_bytes(&mut out, origin.as_bytes());
    out.extend_from_slice(frame);
    out
}

/// The origin and the frame of a write's body.
///
/// # Errors
/// [`Malformed`]
pub fn parse_write_request(body: &[u8]) -> Result<(Option<&str>, &[u8]), Malformed> {
    let mut reader = Reader::new(body);
    let origin = reader.text()?;
    Ok((Some(origin).filter(|origin| !origin.is_empty()), reader.rest()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_request_comes_back() {
        assert_eq!(
            parse_write_request(&write_request(Some("https://a.example"), b"frame")),
            Ok((Some("https://a.example"), &b"frame"[..]))
        );
        assert_eq!(parse_write_request(&write_request(None, b"")), Ok((None, &b""[..])));
        assert!(parse_write_request(&[5, 1]).is_err());
    }
}
