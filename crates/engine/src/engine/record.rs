//! The record: what the object keeps of its owner's configuration, and how it changes.

use serde::{Deserialize, Serialize};

use crate::distinct::TooManyNames;
use config::forward::{ForwardConfig, Token};
use config::stream::StreamConfig;
use config::who::KeyHash;
use config::write_keys::{KeyId, WriteKey};
use model::pseudonym::{Salt, Secret};
use protocol::refusal::Refusal;
use store::sql::{Sql, StoreError};
use store::{meta, schema};

use super::consumers::Change;
use super::due::Due;
use super::{Engine, RECORD, TIDY, from_json, to_json};

/// What the object keeps of its owner's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The public part.
    pub config: StreamConfig,
    /// The hash of the read key.
    pub read_key_hash: KeyHash,
    /// Increases with each change at home.
    #[serde(default)]
    pub version: u64,
    /// The stream is ending: its other shards end first.
    #[serde(default)]
    pub is_closed: bool,
    /// The forwarding token, encrypted.
    #[serde(default)]
    pub forward_token: Option<Token>,
    /// Who may write, except for what is public.
    #[serde(default, skip_serializing_if = "Writing::is_nothing")]
    pub writing: Writing,
    /// Whether the other shards and the directory still have to be told of this record.
    #[serde(default, skip_serializing_if = "Untold::is_nobody")]
    pub untold: Untold,
}

/// Write keys, and the salt for pseudonyms of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Writing {
    /// In the order of their creation, at most [`config::write_keys::MAX_WRITE_KEYS`].
    pub keys: Vec<WriteKey>,
    /// Day and secret.
    salt: Option<(u32, Secret)>,
}

impl Writing {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The most recent salt.
    #[must_use]
    pub fn salt(&self) -> Option<Salt> {
        self.salt.map(|(day, secret)| Salt { day, secret })
    }

    /// Replaces the salt.
    pub fn set_salt(&mut self, Salt { day, secret }: Salt) {
        self.salt = Some((day, secret));
    }

    /// The owner's name for a key.
    pub fn name(&self, id: KeyId) -> String {
        let key = self.keys.iter().find(|key| KeyId::of(&key.hash) == id);
        key.map_or_else(String::new, |key| key.name.clone())
    }
}

/// Why the record does not change.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The SQL failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many labels would be counted.
    #[error(transparent)]
    TooManyNames(#[from] TooManyNames),
}

impl Record {
    /// Keeps a new encrypted token, or the existing one if the destination stays the same.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] for a new destination without a token.
    pub fn set_token(&mut self, before: Option<&ForwardConfig>, sealed: Option<Token>) -> Result<(), Refusal> {
        let Some(after) = &self.config.forward else {
            self.forward_token = None;
            return Ok(());
        };
        let is_same = before.is_some_and(|before| before.is_same_place(after));
        if sealed.is_none() && !(is_same && self.forward_token.is_some()) {
            let reason = "`forward.token` is required at first, and again when `dialect` or `api_root` changes";
            return Err(Refusal::InvalidRequest(reason.into()));
        }
        self.forward_token = sealed.or_else(|| self.forward_token.take());
        Ok(())
    }
}

impl<S: Sql> Engine<S> {
    /// Reads the record of the stream in this database, without opening the rest.
    pub fn peek_record(sql: &S) -> Result<Option<Record>, StoreError> {
        if schema::exists(sql)? { from_json(meta::get(sql, RECORD)?) } else { Ok(None) }
    }

    /// Replaces the record of the stream in this database, without opening the rest.
    pub fn put_record(sql: &S, record: &Record) -> Result<(), StoreError> {
        meta::put(sql, RECORD, &to_json(record))
    }

    /// The record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The number of these label sets that have no series.
    pub fn new_series(&self, label_sets: &[&str]) -> u64 {
        let is_new = |labels: &&&str| !self.dictionary.has(&self.distinct.split(labels).0);
        label_sets.iter().filter(is_new).count() as u64
    }

    /// Changes the record. If the log would then mean something else, it is sealed first.
    pub fn set_record(&mut self, record: Record, now_ms: i64) -> Result<(), RecordError> {
        let distinct = self.distinct.listing(&record.config.distinct)?;
        if distinct != self.distinct {
            self.seal(now_ms)?;
            self.change_chunks();
        }
        let (before, accepted, now_s) = (&self.record.config, self.accepted(), now_ms / 1000);
        let randomness = self.randomness;
        let change = Change { before: Some(before), after: &record.config, accepted, now_s, randomness };
        self.consumers.resume(&self.sql, &change, &mut || {
            distinct.persist(&self.sql)?;
            // The retention may be shorter now.
            meta::put(&self.sql, TIDY, &to_json(&Due::AtOnce))?;
            Self::put_record(&self.sql, &record)
        })?;
        (self.record, self.distinct, self.tidy) = (record, distinct, Due::AtOnce);
        Ok(())
    }

    /// Replaces the record with one that has the same configuration.
    pub fn note(&mut self, record: Record) -> Result<(), StoreError> {
        Self::put_record(&self.sql, &record)?;
        self.record = record;
        Ok(())
    }
}

/// Who has not been told of home's record. Only home's value matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Untold {
    /// The other shards have not been told.
    pub shards: bool,
    /// The directory has not been told; for a closed stream, its entry must be deleted.
    pub directory: bool,
}

impl Untold {
    /// Nobody has been told yet of a change that is public.
    pub const EVERYONE: Self = Self { shards: true, directory: true };

    /// Whether everyone has been told.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_stored_write_permissions_is_pinned() {
        let mut writing = Writing {
            keys: vec![WriteKey { name: "ci".into(), hash: KeyHash::from_bytes([1; 32]), created_ms: 2 }],
            salt: None,
        };
        writing.set_salt(Salt { day: 3, secret: [4; 32] });
        let list = |byte: &str| vec![byte; 32].join(",");
        let pinned =
            format!(r#"{{"keys":[{{"name":"ci","hash":[{}],"created_ms":2}}],"salt":[3,[{}]]}}"#, list("1"), list("4"));
        assert_eq!(to_json(&writing), pinned);
        assert_eq!(from_json(Some(pinned)), Ok(Some(writing)));
        assert_eq!(from_json(Some("{}".into())), Ok(Some(Writing::default())));
    }
}
