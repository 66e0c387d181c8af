//! Who may write to a stream: the final check of write keys and blocks.

use config::blocked::Writers;
use config::who::{KeyHash, Who};
use config::write_keys::{KeyId, MAX_WRITE_KEYS, WriteKey, key_of};
use model::class::Class;
use model::pseudonym::Pseudonym;
use protocol::refusal::Refusal;
use protocol::writer::Writer;

use super::Record;

/// A writer that may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its class.
    pub class: Class,
    /// Its write key, if its class is `Keyed`.
    pub key: Option<KeyId>,
    /// The pseudonym of its network today; `None` if the network is unknown, and for other writers than open ones.
    pub pseudonym: Option<Pseudonym>,
}

impl Record {
    /// The stream's write key with this hash.
    #[must_use]
    pub fn key_of(&self, hash: &KeyHash) -> Option<KeyId> {
        key_of(&self.writing.keys, hash).map(|key| KeyId::of(&key.hash))
    }

    /// Identifies a writer, if it may write.
    ///
    /// # Errors
    /// The [`Refusal`] says why it may not.
    pub fn known(&self, writer: &Writer<'_>) -> Result<Known, Refusal> {
        let plain = Known { class: Class::Owner, key: None, pseudonym: None };
        match &writer.who {
            Who::Owner => Ok(plain),
            Who::Keyed(hash) => match self.key_of(hash) {
                Some(key) => Ok(Known { class: Class::Keyed, key: Some(key), ..plain }),
                None => Err(Refusal::WrongWriteKey),
            },
            Who::Open if self.config.writers == Writers::Keyed => Err(Refusal::WriteKeyNeeded),
            Who::Open => {
                let salt = self.writing.salt().filter(|_| !writer.network.is_empty());
                let pseudonym = salt.map(|salt| salt.pseudonym(writer.network));
                if self.config.blocked.has(writer.network, writer.origin, pseudonym) {
                    return Err(Refusal::Blocked);
                }
                Ok(Known { class: Class::Open, pseudonym, ..plain })
            }
        }
    }

    /// Adds a write key.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] if there are already as many as allowed.
    pub fn add_key(&mut self, key: WriteKey) -> Result<(), Refusal> {
        let keys = &mut self.writing.keys;
        if keys.len() >= MAX_WRITE_KEYS {
            let detail = format!("a stream has at most {MAX_WRITE_KEYS} write keys; revoke one that is no longer used");
            return Err(Refusal::Conflict(detail));
        }
        keys.push(key);
        Ok(())
    }

    /// Revokes the write key with this id.
    ///
    /// # Errors
    /// [`Refusal::NoSuchWriteKey`]
    pub fn end_key(&mut self, id: &str) -> Result<(), Refusal> {
        let keys = &mut self.writing.keys;
        let at = keys.iter().position(|key| KeyId::of(&key.hash).to_string() == id);
        keys.remove(at.ok_or(Refusal::NoSuchWriteKey)?);
        Ok(())
    }
}
