//! Who may write to a stream: the last word on write keys and blocks.

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
    /// What it may claim.
    pub class: Class,
    /// Its write key, if its class is `Keyed`.
    pub key: Option<KeyId>,
    /// What its network is called today; `None` where nobody knows it, and of others than open writers.
    pub pseudonym: Option<Pseudonym>,
}

impl Record {
    /// Which of the stream's write keys has this hash.
    #[must_use]
    pub fn key_of(&self, hash: &KeyHash) -> Option<KeyId> {
        key_of(&self.writing.keys, hash).map(|key| KeyId::of(&key.hash))
    }

    /// Who a writer is, if it may write.
    ///
    /// # Errors
    /// [`Refusal`] that says why it may not.
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
    /// [`Refusal::Conflict`] where there are as many as may be.
    pub fn add_key(&mut self, key: WriteKey) -> Result<(), Refusal> {
        let keys = &mut self.writing.keys;
        if keys.len() >= MAX_WRITE_KEYS {
            let detail = format!("a stream has at most {MAX_WRITE_KEYS} write keys; revoke one that is no longer used");
            return Err(Refusal::Conflict(detail));
        }
        keys.push(key);
        Ok(())
    }

    /// Ends the write key with this id.
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
