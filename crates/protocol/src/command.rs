//! Requests from the edge to a stream's object.
//!
//! A write is a `POST` with a [`WriteRequest`]; everything else is a `PUT` with a [`Command`] as JSON. Both sides
//! belong to one deployment but may have two versions for the seconds of a roll-out: fields are only added, with
//! defaults. A request that one side does not understand is rejected with [`Refusal::OtherVersion`] and never half
//! done.
//!
//! The first shard of a stream is its *home*: its configuration and keys are the authoritative ones, and the other
//! shards have copies.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use codec::{Malformed, Reader, put_varint};
use model::open::SeriesId;

use super::params::{QueryText, ValuesParams};
use super::refusal::Refusal;
use super::removal::Remove;
use super::writer::Writer;
use config::forward::Token;
use config::stream::StreamConfig;
use config::stream_patch::StreamPatch;
use config::who::{KeyHash, Who};
use config::write_keys::WriteKey;
use model::batch_key::BatchKey;

/// Everything except writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Creates the stream, at home; answers nothing.
    Create {
        /// Its configuration.
        config: Box<StreamConfig>,
        /// The hash of its read key.
        read_key_hash: KeyHash,
        /// The token to forward with, in plain text.
        #[serde(default)]
        forward_token: Option<Token>,
    },
    /// Tries to forward now; answers nothing.
    RetryForward,
    /// Answers the [`StreamConfig`] of the home shard.
    Describe,
    /// Changes the configuration, at home; answers the new [`StreamConfig`].
    Patch(Box<StreamPatch>),
    /// Replaces the read key, at home; answers the [`StreamConfig`].
    Rekey {
        /// The hash of the new read key.
        read_key_hash: KeyHash,
    },
    /// Creates a write key, at home; answers the [`StreamConfig`].
    AddWriteKey(WriteKey),
    /// Revokes the write key with this id, at home; answers the [`StreamConfig`].
    EndWriteKey(String),
    /// Answers the owner's configuration and keys that home has; sent by the other shards.
    #[serde(rename = "vouch")]
    SendRecord,
    /// Makes a shard other than home fetch home's record, and creates the shard if it is new; answers nothing.
    Adopt,
    /// Tells home that every shard has adopted a configuration with this many shards; answers the [`StreamConfig`].
    /// Sent by earlier versions.
    Settle(u16),
    /// Brings home's current state to all shards and to the directory; answers the [`StreamConfig`], or nothing if
    /// the stream has ended. Home retries later whatever fails.
    Announce {
        /// Updates the directory even if home believes that it is up to date: a copy was found that differs.
        #[serde(default)]
        again: bool,
    },
    /// Ends the stream, at home; answers its number of shards as JSON. From now on home only obeys
    /// [`Command::Announce`], which ends the other shards, the entry in the directory and home itself, and
    /// [`Command::Forget`].
    Delete,
    /// Deletes everything that a shard has, if anything; answers nothing.
    Forget,
    /// Removes points, or continues to; answers a [`super::removal::Removed`] as JSON.
    Remove(Remove),
    /// Reads, if the credential allows it.
    Read {
        /// The reader's credential.
        credential: Credential,
        /// What to read.
        what: Read,
    },
}

impl Command {
    /// Parses the command of a body.
    ///
    /// # Errors
    /// [`Refusal::OtherVersion`] for a command that this version does not know, and for one that asks for more than
    /// this version would do.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let command: Self = serde_json::from_slice(body).map_err(|_| Refusal::OtherVersion)?;
        // The others change nothing, so unknown fields do no harm, or their own types check them.
        if let Self::Create { .. } | Self::Patch(_) = command {
            // Through bytes, whose code the edge has anyway: `to_value` would be a second serialiser.
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

/// Whether all given fields are known.
fn has_all(known: &Value, given: &Value) -> bool {
    match (known, given) {
        (Value::Object(known), Value::Object(given)) => {
            given.iter().all(|(name, given)| known.get(name).is_some_and(|known| has_all(known, given)))
        }
        _ => true,
    }
}

/// The credential of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// The owner, as the edge has verified.
    Owner,
    /// A holder of a key with this hash.
    Key(KeyHash),
    /// Nobody in particular.
    Nobody,
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// Cells by group and step; answers a [`super::partial`]. [`put_shards`] follows each answer to a read.
    Rollup(QueryText),
    /// Label names; answers their JSON.
    Labels,
    /// The values of a label; answers their JSON.
    LabelValues {
        /// The label's name.
        name: String,
        /// Which of its values to list.
        params: ValuesParams,
    },
    /// The totals of series since the stream began, whatever the window; answers a [`super::series_totals`].
    Totals(QueryText),
    /// The stream's state; answers its JSON. Not public, even if reading is.
    Status,
    /// The data of live queries; answers [`super::live_part`]s, one for each.
    Live(Vec<QueryText>),
    /// Write keys; answers their JSON (see [`super::writers`]). Only for the owner.
    WriteKeys,
    /// The heaviest writers; answers a [`super::writers`]. Only for the owner.
    Writers {
        /// For a day instead of an hour.
        is_day: bool,
    },
    /// Messages of points that are still in the log; answers their JSON, newest first (see [`appnet::messages`]).
    Messages(Page),
}

/// A page of messages. A message's id is the number of its first point in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Only after this message.
    pub since: Option<u64>,
    /// Only before this message.
    pub before: Option<u64>,
    /// The most messages: the newest, or, if negative, the oldest.
    pub count: i16,
    /// Whether to include machine-only messages.
    #[serde(default = "with_machine")]
    pub machine: bool,
}

fn with_machine() -> bool {
    true
}

/// The object's answer to a write. Sent only between versions of one deployment, never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteAnswer {
    /// The batch is durable.
    Stored {
        /// The ids of its new label sets, in order, which later frames of this edge may use instead of the strings.
        /// `None` for a label set without a series of its own.
        numbers: Vec<Option<SeriesId>>,
        /// The number of the batch's first point in the stream, counted from 1.
        first: u64,
        /// How many of its points are at least partly in the overflow series.
        overflow: u64,
    },
    /// A batch with this key was already stored; the JSON that its writer got.
    Earlier(Vec<u8>),
    /// Nothing is stored: the batch refers to a series by an id that was never given, as if the object's data had
    /// been restored to an earlier time. The edge must forget the ids and send strings.
    UnknownSeries,
}

/// The form of earlier versions: ids only.
const STORED_BEFORE: u8 = 0;
const STORED: u8 = 3;
const EARLIER: u8 = 1;
const UNKNOWN_SERIES: u8 = 2;
/// Like [`STORED`], with the overflow before the rest; without overflow the form is as before.
const STORED_OVERFLOW: u8 = 4;

impl WriteAnswer {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Stored { numbers, first, overflow } => {
                let mut out = vec![STORED];
                if *overflow > 0 {
                    out[0] = STORED_OVERFLOW;
                    put_varint(&mut out, *overflow);
                }
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

    /// Decodes what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (kind, rest) = bytes.split_first().unwrap_or((&STORED_BEFORE, &[]));
        match *kind {
            STORED | STORED_BEFORE | STORED_OVERFLOW => {
                let (mut reader, mut numbers) = (Reader::new(rest), Vec::new());
                let overflow = if *kind == STORED_OVERFLOW { reader.varint()? } else { 0 };
                let first = if *kind == STORED_BEFORE { 0 } else { reader.varint()? };
                while !reader.is_empty() {
                    let number = reader.varint()?.checked_sub(1).map(SeriesId::try_from).transpose();
                    numbers.push(number.map_err(|_| Malformed(0))?);
                }
                Ok(Self::Stored { numbers, first, overflow })
            }
            EARLIER => Ok(Self::Earlier(rest.to_vec())),
            UNKNOWN_SERIES => Ok(Self::UnknownSeries),
            _ => Err(Malformed(0)),
        }
    }
}

/// The commands that objects send each other, as JSON: [`Command::SendRecord`],
pub const SEND_RECORD: &[u8] = br#""vouch""#;
/// [`Command::Adopt`],
pub const ADOPT: &[u8] = br#""adopt""#;
/// and [`Command::Forget`].
pub const FORGET: &[u8] = br#""forget""#;

/// A write as the edge sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRequest<'a> {
    /// The number of shards that the edge knows.
    pub shards: u16,
    /// The writer.
    pub writer: Writer<'a>,
    /// The key by which the version before this one remembered the batch. It is looked up as well, so that a write
    /// repeated after a roll-out counts once. Remove it in the next version.
    pub earlier_key: Option<BatchKey>,
    /// The bytes of its body after gunzip, which may be far more than the frame: what the edge has read for it. 0
    /// if unknown.
    pub body_bytes: u64,
    /// A [`ingest::frame`]; one without points only requests the answer to its key.
    pub frame: &'a [u8],
}

impl<'a> WriteRequest<'a> {
    /// Its bytes: `varint 0, varint shards`, a [`Writer`], `u8 has_earlier_key [, 16 bytes]`, `varint body_bytes`,
    /// the frame. Earlier versions sent `varint shards, text origin`, the frame; no stream has 0 shards.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Writer { network, place, origin, .. } = self.writer;
        let (texts_bytes, rest_bytes) =
            (network.len() + place.len() + origin.map_or(0, str::len), size_of::<KeyHash>() + 32);
        let mut out = Vec::with_capacity(texts_bytes + rest_bytes + self.frame.len());
        put_varint(&mut out, 0);
        put_varint(&mut out, u64::from(self.shards));
        self.writer.put(&mut out);
        out.push(u8::from(self.earlier_key.is_some()));
        out.extend_from_slice(self.earlier_key.as_ref().map_or(&[], |key| &key.as_bytes()[..]));
        put_varint(&mut out, self.body_bytes);
        out.extend_from_slice(self.frame);
        out
    }

    /// Decodes a write.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let first = u16::try_from(reader.varint()?).map_err(|_| Malformed(0))?;
        let (shards, writer, earlier_key, body_bytes) = if first == 0 {
            let shards = u16::try_from(reader.varint()?).map_err(|_| Malformed(0))?;
            let writer = Writer::read(&mut reader)?;
            let earlier_key = if reader.byte()? == 0 { None } else { Some(BatchKey::from_bytes(reader.array()?)) };
            (shards, writer, earlier_key, reader.varint()?)
        } else {
            let origin = Some(reader.text()?).filter(|origin| !origin.is_empty());
            (first, Writer { who: Who::Open, network: "", place: "", origin }, None, 0)
        };
        Ok(Self { shards, writer, earlier_key, body_bytes, frame: reader.rest() })
    }
}

/// Appends the number of shards that the answering shard knows after the answer, so that large answers need no
/// copy.
#[must_use]
pub fn put_shards(mut answer: Vec<u8>, shards: u16) -> Vec<u8> {
    answer.extend_from_slice(&shards.to_le_bytes());
    answer
}

/// Removes what [`put_shards`] appended.
///
/// # Errors
/// [`Malformed`]
pub fn take_shards(answer: &mut Vec<u8>) -> Result<u16, Malformed> {
    let shards = answer.last_chunk().map(|bytes| u16::from_le_bytes(*bytes)).ok_or(Malformed(0))?;
    answer.truncate(answer.len() - size_of_val(&shards));
    Ok(shards)
}

#[cfg(test)]
mod tests;
