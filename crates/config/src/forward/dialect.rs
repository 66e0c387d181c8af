//! The two dialects of upstreams.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest channel id, in bytes. A channel id has at least one.
pub const MAX_CHANNEL_BYTES: usize = 64;

/// The dialect of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialect {
    /// The dialect of app.net, and of this Worker's own app.net API.
    #[serde(rename = "app.net")]
    AppNet,
    /// The dialect of pnut.io, version 1.
    #[serde(rename = "pnut")]
    Pnut,
}

impl Dialect {
    /// Its name in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AppNet => "app.net",
            Self::Pnut => "pnut",
        }
    }

    /// The dialect with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::AppNet, Self::Pnut].into_iter().find(|dialect| dialect.name() == name)
    }
}

/// A channel's id, be it a number or a string. It becomes a segment of a path, where `..` would lead elsewhere.
#[must_use]
pub fn channel_id(value: &Value) -> Option<String> {
    let id = value.as_u64().map(|id| id.to_string()).or_else(|| value.as_str().map(str::to_owned));
    let is_id = |id: &String| {
        (1..=MAX_CHANNEL_BYTES).contains(&id.len())
            && !id.starts_with('.')
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    id.filter(is_id)
}
