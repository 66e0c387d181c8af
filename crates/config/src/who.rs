//! The credential of a writer.

/// SHA-256 of a read key or a write key.
pub type KeyHash = [u8; 32];

/// The credential of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// No credential.
    Open,
    /// A write key with this hash. Only the object knows whether it belongs to the stream.
    Keyed(KeyHash),
    /// The owner's token, which the edge has verified.
    Owner,
}
