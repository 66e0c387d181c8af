//! Finds strangers' strings by hash.
//!
//! A stranger who knows the hash can choose strings that all collide, so that each look-up becomes a search through
//! all of them. So the hash is SipHash-1-3 with a secret key, as in Rust's standard library, which has no random
//! key in wasm.

use std::hash::Hasher;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

/// A secret key.
pub type HashKey = [u8; 16];

/// Maps strings to numbers. The caller keeps the strings, and is asked for them.
pub struct TextIndex {
    numbers: HashTable<u32>,
    key: HashKey,
}

impl TextIndex {
    /// An empty index.
    #[must_use]
    pub fn new(key: HashKey) -> Self {
        Self { numbers: HashTable::new(), key }
    }

    /// The number of a string that was inserted.
    pub fn find<'a>(&self, text: &[u8], text_of: impl Fn(u32) -> &'a [u8]) -> Option<u32> {
        self.numbers.find(hash(&self.key, text), |number| text_of(*number) == text).copied()
    }

    /// Inserts a string that is not in the index.
    pub fn insert<'a>(&mut self, number: u32, text_of: impl Fn(u32) -> &'a [u8]) {
        let hash = |number: &u32| hash(&self.key, text_of(*number));
        self.numbers.insert_unique(hash(&number), number, hash);
    }

    /// Removes a string that was inserted.
    pub fn remove<'a>(&mut self, number: u32, text_of: impl Fn(u32) -> &'a [u8]) {
        if let Ok(place) = self.numbers.find_entry(hash(&self.key, text_of(number)), |there| *there == number) {
            place.remove();
        }
    }
}

fn hash(key: &HashKey, text: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(key);
    hasher.write(text);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_string_is_found_with_its_number() {
        let texts: Vec<String> = (0..5_000).map(|number| format!("text {number}")).collect();
        let text_of = |number: u32| texts[number as usize].as_bytes();
        let mut index = TextIndex::new([7; 16]);
        for number in 0..5_000 {
            assert_eq!(index.find(text_of(number), text_of), None);
            index.insert(number, text_of);
        }
        assert!((0..5_000).all(|number| index.find(text_of(number), text_of) == Some(number)));
    }

    #[test]
    fn the_key_decides_the_hash() {
        assert_ne!(hash(&[1; 16], b"text"), hash(&[2; 16], b"text"));
    }
}
