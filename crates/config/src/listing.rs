//! A stream's entry in the directory, which is in KV: its public configuration as the value, and as metadata what
//! the list of streams shows.

use serde::{Deserialize, Serialize};

use super::stream::StreamConfig;

/// The binding of the directory.
pub const BINDING: &str = "DIRECTORY";
/// The prefix of the keys of streams.
pub const PREFIX: &str = "stream/";

/// A stream in the directory's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Its name.
    pub name: String,
    /// When it was created, Unix milliseconds.
    pub created_ms: u64,
    /// Whether everyone may read it; earlier versions did not store that.
    #[serde(default)]
    pub public: Option<bool>,
}

/// The entry written for a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its configuration as JSON.
    pub value: String,
    /// Its metadata for the list.
    pub listing: Listing,
}

/// The entry of a stream with this configuration.
///
/// # Panics
/// Never: strings, numbers and lists always serialise.
#[must_use]
pub fn entry(config: &StreamConfig) -> Entry {
    let value = serde_json::to_string(config).expect("strings, numbers and lists always serialise");
    let listing =
        Listing { name: config.name.clone(), created_ms: config.created_ms, public: Some(config.public_read) };
    Entry { value, listing }
}

/// The key of a stream's entry.
#[must_use]
pub fn key(stream: &str) -> String {
    format!("{PREFIX}{stream}")
}
