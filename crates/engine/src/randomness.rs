//! Randomness that the platform gives: nothing here is seeded by us, and tests say what comes.

use model::text_index::HashKey;

/// What of the platform's randomness an engine needs.
#[derive(Clone, Copy, Debug)]
pub struct Randomness {
    /// The key that strings of strangers are hashed with.
    pub hash_key: HashKey,
    /// Makes 16 characters that nobody can guess.
    pub nonce: fn() -> String,
}

#[cfg(test)]
impl Randomness {
    /// Always the same.
    pub(crate) const FIXED: Self = Self { hash_key: [0; 16], nonce: || "0123456789abcdef".to_owned() };
}
