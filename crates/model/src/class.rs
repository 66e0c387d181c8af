//! What a writer may claim of a stream's room.

/// By which credential somebody writes: who comes later in this list claims more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Without any.
    Open,
    /// With a write key of the stream.
    Keyed,
    /// With the owner's token.
    Owner,
}
