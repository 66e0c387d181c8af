//! The platform's randomness; nothing here is seeded by us.

use engine::randomness::Randomness;
use model::text_index::HashKey;

/// Random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map(|()| bytes)
}

/// 16 characters that nobody can guess.
fn nonce() -> String {
    let bytes = bytes::<8>().expect("the platform has randomness for every event");
    format!("{:016x}", u64::from_be_bytes(bytes))
}

thread_local! {
    static HASH_KEY: HashKey = bytes().expect("the platform has randomness for every event");
}

/// The key with which this isolate hashes strings from strangers.
pub(crate) fn hash_key() -> HashKey {
    HASH_KEY.with(|key| *key)
}

/// The randomness that engines get.
pub(crate) fn for_engines() -> Randomness {
    Randomness { hash_key: hash_key(), nonce }
}
