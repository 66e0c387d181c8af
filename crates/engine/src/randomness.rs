//! Randomness from the platform: nothing here is seeded by us, and tests provide their own.

use model::text_index::HashKey;

/// The parts of the platform's randomness that an engine needs.
#[derive(Clone, Copy, Debug)]
pub struct Randomness {
    /// The key for hashing strings from strangers.
    pub hash_key: HashKey,
    /// Makes 16 characters that nobody can guess.
    pub nonce: fn() -> String,
}

#[cfg(test)]
impl Randomness {
    /// Always the same.
    pub(crate) const FIXED: Self = Self { hash_key: [0; 16], nonce: || "0123456789abcdef".to_owned() };
}
