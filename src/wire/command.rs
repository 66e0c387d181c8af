//! What the edge asks of a stream's object, and what the object refuses.
//!
//! A write is `POST` with the origin and a frame; all else is `PUT` with a [`Command`] as JSON. Both sides are of one
//! deployment but, for the seconds of a roll-out, maybe of two versions: fields are only added, with defaults.

use serde::{Deserialize, Serialize};

use crate::domain::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::domain::open::SeriesId;

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
    /// The answer would be too large, or what it needs is not kept.
    #[error("{0}")]
    QueryTooLarge(String),
    /// What is asked for does not go with the stream's configuration, or can't be made of it.
    #[error("{0}")]
    InvalidRequest(String),
    /// A fault of ours, told in the log.
    #[error("the stream could not do this")]
    Internal,
}

/// What the object answers to a write. Sent between versions of one deployment only, never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteAnswer {
    /// The batch is durable. The numbers of its new label sets in their order: what further frames of this edge may say
    /// instead of the texts. None where a text has no series of its own.
    Stored(Vec<Option<SeriesId>>),
    /// A batch with this key was stored before; the JSON that its writer was answered.
    Earlier(Vec<u8>),
    /// Nothing is stored: the batch names a series by a number that was never given, as if the object's data had been
    /// set back to an earlier time. The edge is to forget the numbers and to send texts.
    UnknownSeries,
}

const STORED: u8 = 0;
const EARLIER: u8 = 1;
const UNKNOWN_SERIES: u8 = 2;

impl WriteAnswer {
    /// Empty when there is nothing to tell but that the batch is durable.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Stored(numbers) if numbers.is_empty() => Vec::new(),
            Self::Stored(numbers) => {
                let mut out = vec![STORED];
                for number in numbers {
                    put_varint(&mut out, number.map_or(0, |number| u64::from(number) + 1));
                }
                out
            }
            Self::Earlier(json) => [&[EARLIER], &json[..]].concat(),
            Self::UnknownSeries => vec![UNKNOWN_SERIES],
        }
    }

    /// What [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let Some((kind, rest)) = bytes.split_first() else { return Ok(Self::Stored(Vec::new())) };
        match *kind {
            STORED => {
                let (mut reader, mut numbers) = (Reader::new(rest), Vec::new());
                while !reader.is_empty() {
                    let number = reader.varint()?.checked_sub(1).map(SeriesId::try_from).transpose();
                    numbers.push(number.map_err(|_| Malformed(0))?);
                }
                Ok(Self::Stored(numbers))
            }
            EARLIER => Ok(Self::Earlier(rest.to_vec())),
            UNKNOWN_SERIES => Ok(Self::UnknownSeries),
            _ => Err(Malformed(0)),
        }
    }
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

    #[test]
    fn a_write_answer_comes_back() {
        for answer in [
            WriteAnswer::Stored(Vec::new()),
            WriteAnswer::Stored(vec![Some(0), None, Some(SeriesId::MAX)]),
            WriteAnswer::Earlier(b"{}".to_vec()),
            WriteAnswer::UnknownSeries,
        ] {
            assert_eq!(WriteAnswer::parse(&answer.to_bytes()), Ok(answer));
        }
        assert!(WriteAnswer::parse(&[7]).is_err() && WriteAnswer::parse(&[STORED, 0x80]).is_err());
    }
}
