//! The identity of a batch: its writer's key and its content. The same key with other content is another batch. So
//! somebody who guesses a key can neither take its batch's place nor read its writer's answer.

use sha2::{Digest, Sha256};

use ingest::pixel::BATCH;
use model::batch_key::{BatchKey, IdempotencyKey};

use super::Exchange;
use super::problem::Problem;

/// The most bytes of an idempotency key; the least is 1.
const MAX_KEY_BYTES: usize = 200;

/// The identity of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The hash of key and content, which objects remember.
    pub(super) batch: BatchKey,
    /// The hash of the key alone. It determines the batch's shard, and the previous version remembered it.
    pub(super) key: IdempotencyKey,
}

impl Identity {
    /// The identity of a batch with a key, whose hash is known, and this content. The length marks the end of the key.
    pub(super) fn new(key: &[u8], key_hash: IdempotencyKey, content: &[u8]) -> Self {
        let hash = Sha256::new().chain_update((key.len() as u64).to_le_bytes()).chain_update(key);
        Self {
            batch: BatchKey::from_bytes(first_bytes(&hash.chain_update(Sha256::digest(content)).finalize())),
            key: key_hash,
        }
    }

    /// What the previous version would have remembered, if that differs.
    pub(super) fn earlier(&self) -> Option<BatchKey> {
        let earlier = BatchKey::from_bytes(*self.key.as_bytes());
        (self.batch != earlier).then_some(earlier)
    }
}

impl Exchange {
    /// The identity by `Idempotency-Key`, or by `?batch=` or a form's field for writers that cannot set headers.
    /// `content` is the whole body after gunzip, or the query string of an image.
    pub(super) fn identity(&self, form: &[u8], content: &[u8]) -> Result<Option<Identity>, Problem> {
        let in_url = || {
            let in_query = form_urlencoded::parse(self.query_string().as_bytes());
            let mut pairs = in_query.chain(form_urlencoded::parse(form));
            pairs.find(|(name, _)| name == BATCH).map(|(_, key)| key.into_owned())
        };
        let Some(key) = self.header("Idempotency-Key").or_else(in_url) else { return Ok(None) };
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            let detail = format!("an idempotency key must have 1 to {MAX_KEY_BYTES} bytes, not {}", key.len());
            return Err(Problem::InvalidRequest(detail));
        }
        let key = key.as_bytes();
        Ok(Some(Identity::new(key, idempotency_key(key), content)))
    }

    /// The identity of a batch whose writer has no key but repeats the same bytes. It includes the network, as two
    /// pages may well count the same in the same millisecond.
    pub(super) fn identity_of(&self, body: &[u8]) -> Identity {
        // No given key begins like this: keys are UTF-8.
        let hash = Sha256::new().chain_update(b"\xffbody:").chain_update(self.network()).chain_update([0]);
        let bytes = first_bytes(&hash.chain_update(body).finalize());
        Identity { batch: BatchKey::from_bytes(bytes), key: IdempotencyKey::from_bytes(bytes) }
    }
}

/// The identity of the batch that a message claims to be; its content is canonical JSON.
pub(super) fn of_message(id: &str, content: &str) -> Identity {
    // Begins with a byte that is not in UTF-8, so that no idempotency key collides with it.
    let key = [b"\xffmessage batch:", id.as_bytes()].concat();
    Identity::new(&key, idempotency_key(&key), content.as_bytes())
}

fn idempotency_key(key: &[u8]) -> IdempotencyKey {
    IdempotencyKey::from_bytes(first_bytes(&Sha256::digest(key)))
}

fn first_bytes(hash: &[u8]) -> [u8; 16] {
    std::array::from_fn(|index| hash[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str, content: &str) -> Identity {
        Identity::new(key.as_bytes(), idempotency_key(key.as_bytes()), content.as_bytes())
    }

    #[test]
    fn the_identity_of_a_batch_is_pinned() {
        let pinned = [102, 237, 83, 196, 5, 152, 226, 62, 54, 189, 129, 252, 143, 173, 223, 248];
        assert_eq!(of("7f3a", "{\"n\":0}").batch.as_bytes(), &pinned, "a retry may reach another version");
        let key = [230, 145, 208, 7, 159, 121, 236, 164, 48, 66, 25, 209, 30, 229, 229, 255];
        assert_eq!(of("7f3a", "").key.as_bytes(), &key, "shards and the version before know it");
    }

    proptest::proptest! {
        #[test]
        fn batches_are_equal_exactly_if_key_and_content_are(key in "[ab]{1,2}", content in "[ab]{0,2}", other in "[ab]{1,2}", body in "[ab]{0,2}") {
            let is_same = key == other && content == body;
            proptest::prop_assert_eq!(of(&key, &content).batch == of(&other, &body).batch, is_same);
        }
    }

    #[test]
    fn a_key_with_other_content_is_another_batch_of_the_same_shard() {
        let one = of("k", "ab");
        assert_eq!(of("k", "ab"), one);
        assert_eq!((of("k", "b").key, one.earlier()), (one.key, Some(BatchKey::from_bytes(*one.key.as_bytes()))));
        assert!([of("k", "b"), of("ka", "b"), of("k", "ab ")].iter().all(|other| other.batch != one.batch));
        assert_ne!(of_message("k", "ab").batch, one.batch);
    }
}
