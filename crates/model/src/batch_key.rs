//! The idempotency key of a batch.

/// A hashed idempotency key: the first 16 bytes of its SHA-256.
pub type BatchKey = [u8; 16];
