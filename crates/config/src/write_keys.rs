//! Write keys: what the owner sends and sees of them, and what the home shard keeps.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::stream::{ConfigError, MAX_STREAM_NAME_BYTES};
use crate::who::KeyHash;

/// The most write keys of a stream, each some 250 bytes of the record that is read with each event.
pub const MAX_WRITE_KEYS: usize = 50;

/// The public id of a write key: the first 8 bytes of its hash, from which nothing leads back to its 160 random
/// bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(u64);

impl KeyId {
    /// The id of the key with this hash.
    #[must_use]
    pub fn of(hash: &KeyHash) -> Self {
        Self(hash.as_bytes()[..size_of::<u64>()].iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
    }

    /// The id of these bits.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// A write key as the home shard keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteKey {
    /// For people, not unique.
    pub name: String,
    /// The hash of the key.
    pub hash: KeyHash,
    /// When it was created, Unix milliseconds.
    pub created_ms: u64,
}

impl WriteKey {
    /// The JSON that the owner sees, without the time of its last use.
    #[must_use]
    pub fn view(&self) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
        let created_s = self.created_ms as f64 / 1000.0;
        json!({ "id": KeyId::of(&self.hash).to_string(), "name": self.name, "created": created_s })
    }
}

/// The key with this hash. All keys are compared, each in constant time.
#[must_use]
pub fn key_of<'a>(keys: &'a [WriteKey], hash: &KeyHash) -> Option<&'a WriteKey> {
    keys.iter().fold(None, |found, key| if key.hash == *hash { Some(key) } else { found })
}

/// What shards report about write keys; the home shard comes last and has the list.
#[derive(Debug, Default)]
pub struct KeyList {
    keys: Vec<Value>,
    used: Map<String, Value>,
}

impl KeyList {
    /// Adds the answer of a shard.
    ///
    /// # Errors
    /// If it is not JSON of this form.
    pub fn merge(&mut self, part: &[u8]) -> serde_json::Result<()> {
        self.keys = serde_json::from_slice(part)?;
        for key in &self.keys {
            let (Some(id), Some(used_s)) = (key["id"].as_str(), key["last_used"].as_u64()) else { continue };
            let before_s = self.used.get(id).and_then(Value::as_u64).unwrap_or_default();
            self.used.insert(id.to_owned(), used_s.max(before_s).into());
        }
        Ok(())
    }

    /// The list that the owner sees.
    #[must_use]
    pub fn into_json(mut self) -> String {
        for key in &mut self.keys {
            let used = key["id"].as_str().and_then(|id| self.used.get(id)).cloned();
            key["last_used"] = used.unwrap_or_default();
        }
        json!({ "write_keys": self.keys }).to_string()
    }
}

/// An owner's request for a new key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    name: String,
}

/// The name of a new key, from the owner's body.
///
/// # Errors
/// [`ConfigError::Shape`], [`ConfigError::Name`]
pub fn parse_name(body: &[u8]) -> Result<String, ConfigError> {
    let NewKey { name } = serde_json::from_slice(body).map_err(|error| ConfigError::Shape(error.to_string()))?;
    let is_name = (1..=MAX_STREAM_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
    if is_name { Ok(name) } else { Err(ConfigError::Name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_write_key_is_pinned() {
        let key = WriteKey { name: "ci".into(), hash: KeyHash::from_bytes([1; 32]), created_ms: 1_500 };
        let pinned = format!(r#"{{"name":"ci","hash":[{}],"created_ms":1500}}"#, vec!["1"; 32].join(","));
        assert_eq!(serde_json::to_string(&key).expect("serialises"), pinned);
        assert_eq!(serde_json::from_str::<WriteKey>(&pinned).expect("reads"), key);
        assert_eq!(key.view().to_string(), r#"{"created":1.5,"id":"0101010101010101","name":"ci"}"#);
        assert_eq!(KeyId::from_bits(KeyId::of(&key.hash).bits()), KeyId::of(&key.hash));
    }

    #[test]
    fn a_key_is_found_by_all_of_its_hash() {
        let key = |byte: u8| WriteKey { name: byte.to_string(), hash: KeyHash::from_bytes([byte; 32]), created_ms: 0 };
        let keys = [key(1), key(2)];
        assert_eq!(key_of(&keys, &KeyHash::from_bytes([2; 32])), Some(&keys[1]));
        let mut almost = [2; 32];
        almost[31] = 3;
        let almost = KeyHash::from_bytes(almost);
        assert_eq!((key_of(&keys, &almost), key_of(&[], &almost)), (None, None));
    }

    #[test]
    fn keys_are_those_of_home_with_the_last_use_at_any_shard() {
        let mut list = KeyList::default();
        list.merge(br#"[{"id":"a","last_used":7200},{"id":"ended","last_used":1}]"#).expect("JSON");
        list.merge(br#"[{"id":"a","last_used":3600},{"id":"b","last_used":null}]"#).expect("JSON");
        assert_eq!(list.into_json(), r#"{"write_keys":[{"id":"a","last_used":7200},{"id":"b","last_used":null}]}"#);
    }

    #[test]
    fn a_key_has_a_name() {
        assert_eq!(parse_name(br#"{"name":"phone of Ann"}"#), Ok("phone of Ann".into()));
        for body in
            ["", "{}", "[]", r#"{"name":""}"#, r#"{"name":1}"#, r#"{"name":"a","key":"b"}"#, "{\"name\":\"\\u0007\"}"]
        {
            assert!(parse_name(body.as_bytes()).is_err(), "{body}");
        }
        let long = |bytes: usize| parse_name(format!(r#"{{"name":"{}"}}"#, "a".repeat(bytes)).as_bytes());
        assert!(long(MAX_STREAM_NAME_BYTES).is_ok() && long(MAX_STREAM_NAME_BYTES + 1).is_err());
    }
}
