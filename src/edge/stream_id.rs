//! Stream ids: random, and signed, so a forged one is refused without a look-up.
//!
//! An id is 20 bytes in lower-case base32 (RFC 4648), 32 characters: 10 random bytes (a chance of 2^-21 for any
//! collision among a billion streams), then the first 10 bytes of HMAC-SHA256 over `heartbeat stream id` and those,
//! keyed by `SIGNING_KEY`.

use std::borrow::Borrow;

use base32::Alphabet;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const RANDOM_BYTES: usize = 10;
const MAC_BYTES: usize = 10;
const ID_CHARS: usize = 32;
const PURPOSE: &[u8] = b"heartbeat stream id";

const ALPHABET: Alphabet = Alphabet::Rfc4648Lower { padding: false };

/// Bytes in characters that are safe in URLs, in a shell and when read aloud.
pub(super) fn base32(bytes: &[u8]) -> String {
    base32::encode(ALPHABET, bytes)
}

/// The id of a stream that this deployment made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct StreamId(String);

impl StreamId {
    /// Makes an id from random bytes.
    pub(super) fn sign(random: [u8; RANDOM_BYTES], signing: &[u8]) -> Self {
        Self(base32(&[&random[..], &mac(&random, signing)].concat()))
    }

    /// Parses an id, if its MAC is right.
    pub(super) fn verified(text: &str, signing: &[u8]) -> Option<Self> {
        if text.len() != ID_CHARS {
            return None;
        }
        let bytes = base32::decode(ALPHABET, text)?;
        let (random, given) = bytes.split_at_checked(RANDOM_BYTES)?;
        bool::from(mac(random, signing).ct_eq(given)).then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the object that is this shard of the stream.
    pub(super) fn object(&self, shard: u16) -> String {
        format!("{}/{shard}", self.0)
    }
}

impl Borrow<str> for StreamId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn mac(random: &[u8], signing: &[u8]) -> [u8; MAC_BYTES] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(signing).expect("HMAC takes keys of any length");
    hmac.update(PURPOSE);
    hmac.update(random);
    let full = hmac.finalize().into_bytes();
    std::array::from_fn(|index| full[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_deployment_that_signed_an_id_accepts_it() {
        let id = StreamId::sign([7; 10], b"key");
        assert_eq!(StreamId::verified(id.as_str(), b"key"), Some(id.clone()));
        assert_eq!(StreamId::verified(id.as_str(), b"other key"), None);
    }

    #[test]
    fn an_id_with_any_other_character_is_refused() {
        let id = StreamId::sign([7; 10], b"key");
        for at in 0..ID_CHARS {
            for symbol in "abcdefghijklmnopqrstuvwxyz234567A01-=".chars() {
                let mut forged = id.as_str().to_owned();
                forged.replace_range(at..=at, &symbol.to_string());
                assert_eq!(StreamId::verified(&forged, b"key").is_some(), forged == id.as_str(), "{forged}");
            }
        }
        for text in ["", &id.as_str()[1..], &id.as_str()[..31], &format!("{}0", id.as_str())] {
            assert_eq!(StreamId::verified(text, b"key"), None);
        }
    }

    #[test]
    fn the_form_of_an_id_is_pinned() {
        assert_eq!(StreamId::sign([7; 10], b"key").as_str(), "a4dqobyha4dqobyhkx2wvfwk6cjqpsze");
    }
}
