//! The classes of writers, which share a stream's room.

/// The credential of a writer: each class in this list may claim more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// No credential.
    Open,
    /// A write key of the stream.
    Keyed,
    /// The owner's token.
    Owner,
}
