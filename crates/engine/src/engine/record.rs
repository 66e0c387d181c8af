//! The record: what the object keeps of its owner's wishes, and how it changes.

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

/// What the object keeps of its owner's wishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The public part.
    pub config: StreamConfig,
    /// The hash of the read key.
    pub read_key_hash: KeyHash,
    /// Grows with each change at home.
    #[serde(default)]
    pub version: u64,
    /// The stream is ending: its other shards go first.
    #[serde(default)]
    pub is_closed: bool,
    /// The token of the forwarding, encrypted.
    #[serde(default)]
    pub forward_token: Option<Token>,
    /// Who may write, as far as it is not public.
    #[serde(default, skip_serializing_if = "Writing::is_nothing")]
    pub writing: Writing,
    /// Who is still to hear of it.
    #[serde(default, skip_serializing_if = "Untold::is_nobody")]
    pub untold: Untold,
}

/// Write keys, and the salt of the pseudonyms of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Writing {
    /// In the order in which they were made, at most [`config::write_keys::MAX_WRITE_KEYS`].
    pub keys: Vec<WriteKey>,
    /// Day and secret.
    salt: Option<(u32, Secret)>,
}

impl Writing {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The salt that was made last.
    #[must_use]
    pub fn salt(&self) -> Option<Salt> {
        self.salt.map(|(day, secret)| Salt { day, secret })
    }

    /// Replaces the salt.
    pub fn set_salt(&mut self, Salt { day, secret }: Salt) {
        self.salt = Some((day, secret));
    }

    /// What the owner calls a key.
    pub fn name(&self, id: KeyId) -> String {
        let key = self.keys.iter().find(|key| KeyId::of(&key.hash) == id);
        key.map_or_else(String::new, |key| key.name.clone())
    }
}

/// Why the record stays as it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The SQL failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many labels are counted.
    #[error(transparent)]
    TooManyNames(#[from] TooManyNames),
}

impl Record {
    /// Keeps a new encrypted token, or the one that is there if it goes to the same place as before.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] where it goes to a new place without a token.
    pub fn set_token(&mut self, before: Option<&ForwardConfig>, sealed: Option<Token>) -> Result<(), Refusal> {
        let Some(after) = &self.config.forward else {
            self.forward_token = None;
            return Ok(());
        };
        let is_same = before.is_some_and(|before| before.is_same_place(after));
        if sealed.is_none() && !(is_same && self.forward_token.is_some()) {
            let reason = "`forward.token` is required when `dialect` or `api_root` changes";
            return Err(Refusal::InvalidRequest(reason.into()));
        }
        self.forward_token = sealed.or_else(|| self.forward_token.take());
        Ok(())
    }
}

impl<S: Sql> Engine<S> {
    /// The record of the stream that is in this database, without opening the rest.
    pub fn peek_record(sql: &S) -> Result<Option<Record>, StoreError> {
        if schema::exists(sql)? { from_json(meta::get(sql, RECORD)?) } else { Ok(None) }
    }

    /// Replaces the record of the stream that is in this database, without opening the rest.
    pub fn put_record(sql: &S, record: &Record) -> Result<(), StoreError> {
        meta::put(sql, RECORD, &to_json(record))
    }

    /// The record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// How many of these label sets have no series.
    pub fn new_series(&self, label_sets: &[&str]) -> u64 {
        let is_new = |labels: &&&str| !self.dictionary.has(&self.distinct.split(labels).0);
        label_sets.iter().filter(is_new).count() as u64
    }

    /// Changes the record. Where the log would mean something else afterwards, it is sealed before.
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
            // What is kept may be less now.
            meta::put(&self.sql, TIDY, &to_json(&Due::AtOnce))?;
            Self::put_record(&self.sql, &record)
        })?;
        (self.record, self.distinct, self.tidy) = (record, distinct, Due::AtOnce);
        Ok(())
    }

    /// Replaces the record by one with the same wishes of the owner.
    pub fn note(&mut self, record: Record) -> Result<(), StoreError> {
        Self::put_record(&self.sql, &record)?;
        self.record = record;
        Ok(())
    }
}

/// Who has not been told of the record that home has. Only home's says anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Untold {
    /// The other shards have not heard.
    pub shards: bool,
    /// The directory has not heard; the entry of a closed stream is to be deleted.
    pub directory: bool,
}

impl Untold {
    /// Nobody has been told of a change that everybody may see.
    pub const EVERYONE: Self = Self { shards: true, directory: true };

    /// Whether everyone has heard.
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
        let mut writing =
            Writing { keys: vec![WriteKey { name: "ci".into(), hash: [1; 32], created_ms: 2 }], salt: None };
        writing.set_salt(Salt { day: 3, secret: [4; 32] });
        let list = |byte: &str| vec![byte; 32].join(",");
        let pinned =
            format!(r#"{{"keys":[{{"name":"ci","hash":[{}],"created_ms":2}}],"salt":[3,[{}]]}}"#, list("1"), list("4"));
        assert_eq!(to_json(&writing), pinned);
        assert_eq!(from_json(Some(pinned)), Ok(Some(writing)));
        assert_eq!(from_json(Some("{}".into())), Ok(Some(Writing::default())));
    }
}
