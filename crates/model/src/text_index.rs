//! Finds strangers' texts by hash.
//!
//! A stranger who knows the hash can choose texts that all collide, and each look-up becomes a search through all of
//! them. So the hash is SipHash-1-3 with a secret key, as in Rust's standard library, which has no random key in wasm.

use std::hash::Hasher;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

/// What nobody outside knows.
pub type HashKey = [u8; 16];

/// The numbers of texts. The texts are kept by whoever gave the numbers, and are asked for.
pub struct TextIndex {
    numbers: HashTable<u32>,
    key: HashKey,
}

impl TextIndex {
    /// An index without texts.
    #[must_use]
    pub fn new(key: HashKey) -> Self {
        Self { numbers: HashTable::new(), key }
    }

    /// The number of a text that was inserted.
    pub fn find<'a>(&self, text: &[u8], text_of: impl Fn(u32) -> &'a [u8]) -> Option<u32> {
        self.numbers.find(hash(&self.key, text), |number| text_of(*number) == text).copied()
    }

    /// Inserts a text that is not there.
    pub fn insert<'a>(&mut self, number: u32, text_of: impl Fn(u32) -> &'a [u8]) {
        let hash = |number: &u32| hash(&self.key, text_of(*number));
        self.numbers.insert_unique(hash(&number), number, hash);
    }

    /// Removes a text that was inserted.
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
    fn each_text_is_found_by_its_number() {
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
