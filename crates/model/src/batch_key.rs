//! The idempotency key of a batch.

/// What an idempotency key becomes: the first 16 bytes of its SHA-256.
pub type BatchKey = [u8; 16];
