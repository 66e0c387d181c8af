//! What the edge asks of a stream's object, and what the object refuses.
//!
//! A write is `POST` with a [`WriteRequest`]; all else is `PUT` with a [`Command`] as JSON. Both sides are of one
//! deployment but, for the seconds of a roll-out, maybe of two versions: fields are only added, with defaults. What one side
//! does not understand of the other is [`Refusal::OtherVersion`] and never half done.
//!
//! The first shard of a stream is its *home*: what it holds of the owner's wishes is true, the other shards have copies.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::codec::{Malformed, Reader, put_varint};
use crate::domain::open::SeriesId;

use super::forward::Token;
use super::params::{QueryText, ValuesParams};
use super::removal::Remove;
use super::stream::StreamConfig;
use super::stream_patch::StreamPatch;
use super::writer::{Who, Writer};

/// SHA-256 of a read key.
pub type KeyHash = [u8; 32];

/// All that is not a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Makes the stream, at home; answers nothing.
    Create {
        /// Its configuration.
        config: StreamConfig,
        /// The hash of its read key.
        read_key_hash: KeyHash,
        /// What it forwards with, in plain.
        #[serde(default)]
        forward_token: Option<Token>,
    },
    /// Tries to forward now; answers nothing.
    RetryForward,
    /// Answers the [`StreamConfig`] that home has.
    Describe,
    /// Changes the configuration, at home; answers the new [`StreamConfig`].
    Patch(StreamPatch),
    /// Replaces the read key, at home; answers the [`StreamConfig`].
    Rekey {
        /// The hash of the new read key.
        read_key_hash: KeyHash,
    },
    /// Answers all that home knows of the owner's wishes; asked by the other shards.
    Vouch,
    /// Lets a shard other than home fetch what home vouches for, and makes it if it is new; answers nothing.
    Adopt,
    /// Every shard has adopted a configuration with so many shards; tells home, which answers the [`StreamConfig`]. Sent by
    /// earlier versions.
    Settle(u16),
    /// Brings what home has now to all shards and to the directory; answers the [`StreamConfig`], or nothing when the stream
    /// has ended. What fails, home does again later by itself.
    Announce {
        /// Also to the directory when home believes that it knows: a copy was found that differs.
        #[serde(default)]
        again: bool,
    },
    /// Ends the stream, at home; answers how many shards it has as JSON. From now on nothing is obeyed but
    /// [`Command::Announce`], which ends the other shards, the entry in the directory and home itself, and
    /// [`Command::Forget`].
    Delete,
    /// Deletes all that a shard has, if anything; answers nothing.
    Forget,
    /// Removes points, or goes on with that; answers a [`super::removal::Removed`] as JSON.
    Remove(Remove),
    /// Reads, if the credential allows it.
    Read {
        /// Who reads.
        credential: Credential,
        /// What.
        what: Read,
    },
}

impl Command {
    /// The command of a body.
    ///
    /// # Errors
    /// [`Refusal::OtherVersion`] for a command that this version does not know, and for one that asks for more than this
    /// version would do.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let command: Self = serde_json::from_slice(body).map_err(|_| Refusal::OtherVersion)?;
        // Others change nothing, so what is not known of them does no harm, or they are checked by their own types.
        if let Self::Create { .. } | Self::Patch(_) = command {
            // By way of its bytes, whose code is there for the edge anyway: `to_value` would be a second serialiser.
            let known = serde_json::to_vec(&command).and_then(|known| serde_json::from_slice(&known));
            let (Ok(known), Ok(given)) = (known, serde_json::from_slice(body)) else {
                return Err(Refusal::OtherVersion);
            };
            if !has_all(&known, &given) {
                return Err(Refusal::OtherVersion);
            }
        }
        Ok(command)
    }
}

/// Whether all fields that are given are known.
fn has_all(known: &Value, given: &Value) -> bool {
    match (known, given) {
        (Value::Object(known), Value::Object(given)) => {
            given.iter().all(|(name, given)| known.get(name).is_some_and(|known| has_all(known, given)))
        }
        _ => true,
    }
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
    /// Cells by group and step; answers a [`super::partial`]. Behind each answer to a read stands [`put_shards`].
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
    /// What series have had since the stream began, whatever the window; answers a [`super::totals`].
    Totals(QueryText),
    /// The stream's state; answers its JSON. Not for everyone, even if reading is.
    Status,
    /// What live readers see; answers [`super::live_part`]s, one for each.
    Live(Vec<QueryText>),
    /// Messages of points that the log still has; answers their JSON, newest first (see [`super::appnet::messages`]).
    Messages(Page),
}

/// Which messages. A message's id is the number of its first point in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Behind this one.
    pub since: Option<u64>,
    /// Before this one.
    pub before: Option<u64>,
    /// At most so many: the newest, or, below zero, the oldest.
    pub count: i16,
    /// Whether machine-only messages are among them.
    #[serde(default = "with_machine")]
    pub machine: bool,
}

fn with_machine() -> bool {
    true
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
    /// The key may belong to another shard: the writer believes in fewer than there are.
    #[error("the stream has more shards by now")]
    Moved,
    /// The owner asks for what contradicts the stream's state.
    #[error("{0}")]
    Conflict(String),
    /// More is waiting to be committed than the object takes.
    #[error("the stream has more writes waiting than it takes")]
    Overloaded,
    /// The answer would be too large, or what it needs is not kept.
    #[error("{0}")]
    QueryTooLarge(String),
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

/// What the object answers to a write. Sent between versions of one deployment only, never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteAnswer {
    /// The batch is durable.
    Stored {
        /// The numbers of its new label sets in their order: what further frames of this edge may say instead of the
        /// texts. None where a text has no series of its own.
        numbers: Vec<Option<SeriesId>>,
        /// The number of its first point in the stream, counted from 1.
        first: u64,
    },
    /// A batch with this key was stored before; the JSON that its writer was answered.
    Earlier(Vec<u8>),
    /// Nothing is stored: the batch names a series by a number that was never given, as if the object's data had been
    /// set back to an earlier time. The edge is to forget the numbers and to send texts.
    UnknownSeries,
}

/// What earlier versions said: numbers only.
const STORED_BEFORE: u8 = 0;
const STORED: u8 = 3;
const EARLIER: u8 = 1;
const UNKNOWN_SERIES: u8 = 2;

impl WriteAnswer {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Stored { numbers, first } => {
                let mut out = vec![STORED];
                put_varint(&mut out, *first);
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
        let (kind, rest) = bytes.split_first().unwrap_or((&STORED_BEFORE, &[]));
        match *kind {
            STORED | STORED_BEFORE => {
                let (mut reader, mut numbers) = (Reader::new(rest), Vec::new());
                let first = if *kind == STORED { reader.varint()? } else { 0 };
                while !reader.is_empty() {
                    let number = reader.varint()?.checked_sub(1).map(SeriesId::try_from).transpose();
                    numbers.push(number.map_err(|_| Malformed(0))?);
                }
                Ok(Self::Stored { numbers, first })
            }
            EARLIER => Ok(Self::Earlier(rest.to_vec())),
            UNKNOWN_SERIES => Ok(Self::UnknownSeries),
            _ => Err(Malformed(0)),
        }
    }
}

/// The commands that objects send each other, as JSON: [`Command::Vouch`],
pub const VOUCH: &[u8] = br#""vouch""#;
/// [`Command::Adopt`],
pub const ADOPT: &[u8] = br#""adopt""#;
/// and [`Command::Forget`].
pub const FORGET: &[u8] = br#""forget""#;

/// A write as the edge sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRequest<'a> {
    /// How many shards the edge believes in.
    pub shards: u16,
    /// Who writes.
    pub writer: Writer<'a>,
    /// A [`super::frame`]; one without points only asks for the answer to its key.
    pub frame: &'a [u8],
}

impl<'a> WriteRequest<'a> {
    /// Its bytes: `varint 0, varint shards`, a [`Writer`], the frame. Earlier versions sent `varint shards, text origin`, the
    /// frame; no stream has 0 shards.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Writer { network, origin, .. } = self.writer;
        let (texts_bytes, rest_bytes) = (network.len() + origin.map_or(0, str::len), size_of::<KeyHash>() + 16);
        let mut out = Vec::with_capacity(texts_bytes + rest_bytes + self.frame.len());
        put_varint(&mut out, 0);
        put_varint(&mut out, u64::from(self.shards));
        self.writer.put(&mut out);
        out.extend_from_slice(self.frame);
        out
    }

    /// The write of these bytes.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let first = u16::try_from(reader.varint()?).map_err(|_| Malformed(0))?;
        let (shards, writer) = if first == 0 {
            (u16::try_from(reader.varint()?).map_err(|_| Malformed(0))?, Writer::read(&mut reader)?)
        } else {
            let origin = Some(reader.text()?).filter(|origin| !origin.is_empty());
            (first, Writer { who: Who::Open, network: "", origin })
        };
        Ok(Self { shards, writer, frame: reader.rest() })
    }
}

/// Adds how many shards the one that answers knows of, behind the answer, so that large answers need no copy.
#[must_use]
pub fn put_shards(mut answer: Vec<u8>, shards: u16) -> Vec<u8> {
    answer.extend_from_slice(&shards.to_le_bytes());
    answer
}

/// Takes off what [`put_shards`] added.
///
/// # Errors
/// [`Malformed`]
pub fn take_shards(answer: &mut Vec<u8>) -> Result<u16, Malformed> {
    let shards = answer.last_chunk().map(|bytes| u16::from_le_bytes(*bytes)).ok_or(Malformed(0))?;
    answer.truncate(answer.len() - size_of_val(&shards));
    Ok(shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_request_comes_back() {
        for who in [Who::Open, Who::Keyed([7; 32]), Who::Owner] {
            for origin in [Some("https://a.example"), None] {
                let writer = Writer { who, network: "2001:db8:1:2::/64", origin };
                let request = WriteRequest { shards: 64, writer, frame: b"frame" };
                assert_eq!(WriteRequest::parse(&request.encode()), Ok(request));
            }
        }
        assert!(WriteRequest::parse(&[1, 5, 1]).is_err() && WriteRequest::parse(&[0, 1, 9, 0, 0]).is_err());
    }

    #[test]
    fn the_form_of_a_write_request_is_pinned_and_the_first_one_is_still_read() {
        let writer = Writer { who: Who::Open, network: "192.0.2.1", origin: Some("o") };
        let request = WriteRequest { shards: 2, writer, frame: b"f" };
        assert_eq!(request.encode(), b"\x00\x02\x00\x09192.0.2.1\x01of");
        let first = WriteRequest { writer: Writer { network: "", ..request.writer.clone() }, ..request };
        assert_eq!(WriteRequest::parse(b"\x02\x01of"), Ok(first));
    }

    #[test]
    fn what_objects_send_each_other_are_commands() {
        for (body, command) in [(VOUCH, Command::Vouch), (ADOPT, Command::Adopt), (FORGET, Command::Forget)] {
            assert_eq!(Command::parse(body), Ok(command));
        }
    }

    #[test]
    fn a_command_of_another_version_is_refused_as_that_and_never_half_done() {
        let config = r#"{"name":"x","public_read":false,"origins":[],"created_ms":1"#;
        let create =
            |more: &str| format!(r#"{{"create":{{"config":{config}{more}}},"read_key_hash":{:?}}}}}"#, [0; 32]);
        Command::parse(create("").as_bytes()).expect("what an earlier version sent");
        Command::parse(br#"{"patch":{"name":"x","carbon":""}}"#).expect("of this version");
        Command::parse(br#"{"announce":{}}"#).expect("fields have defaults");
        for newer in [
            "\"from_the_future\"",
            r#"{"from_the_future":{"x":1}}"#,
            r#"{"patch":{"name":"x","colour":"red"}}"#,
            r#"{"read":{"credential":"owner","what":"from_the_future"}}"#,
            r#"{"read":{"credential":{"passkey":[1]},"what":"status"}}"#,
            r#"{"read":{"credential":"owner","what":{"rollup":{"from_s":0,"to_s":10,"step_s":10,"matchers":[],"by":null,"having":"x"}}}}"#,
            r#"{"read":{"credential":"owner","what":{"label_values":{"name":"a","params":{"prefix":"","limit":1,"after":"b"}}}}}"#,
            &create(r#","colour":"red""#),
            &create(r#","forward":{"colour":"red"}"#),
            "",
            "null",
        ] {
            assert_eq!(Command::parse(newer.as_bytes()), Err(Refusal::OtherVersion), "{newer}");
        }
    }

    #[test]
    fn the_number_of_shards_comes_back_from_behind_an_answer() {
        let mut answer = put_shards(b"answer".to_vec(), 64);
        assert_eq!((take_shards(&mut answer), &answer[..]), (Ok(64), &b"answer"[..]));
        assert!(take_shards(&mut vec![1]).is_err());
    }

    #[test]
    fn what_an_earlier_version_answered_is_still_read() {
        let stored = |numbers| Ok(WriteAnswer::Stored { numbers, first: 0 });
        assert_eq!(WriteAnswer::parse(&[0, 8, 9]), stored(vec![Some(7), Some(8)]));
        assert_eq!(WriteAnswer::parse(&[]), stored(Vec::new()));
        assert_eq!(WriteAnswer::Stored { numbers: vec![Some(7)], first: 41 }.to_bytes(), [3, 41, 8]);
    }

    #[test]
    fn a_write_answer_comes_back() {
        for answer in [
            WriteAnswer::Stored { numbers: Vec::new(), first: 1 },
            WriteAnswer::Stored { numbers: vec![Some(0), None, Some(SeriesId::MAX)], first: 1 << 53 },
            WriteAnswer::Earlier(b"{}".to_vec()),
            WriteAnswer::UnknownSeries,
        ] {
            assert_eq!(WriteAnswer::parse(&answer.to_bytes()), Ok(answer));
        }
        assert!(WriteAnswer::parse(&[7]).is_err() && WriteAnswer::parse(&[STORED, 0x80]).is_err());
    }
}
