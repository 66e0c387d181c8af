//! By which credential somebody writes.

/// SHA-256 of a read key or a write key.
pub type KeyHash = [u8; 32];

/// By which credential somebody writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Without any.
    Open,
    /// With a write key, whose hash this is. Only the object knows whether it is one of the stream.
    Keyed(KeyHash),
    /// With the owner's token, as the edge has checked.
    Owner,
}
