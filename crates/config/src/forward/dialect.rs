//! The two ways to say the same.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A channel's id has 1 to this many bytes.
pub const MAX_CHANNEL_BYTES: usize = 64;

/// What an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialect {
    /// That of app.net, and of this Worker's own face.
    #[serde(rename = "app.net")]
    AppNet,
    /// That of pnut.io, version 1.
    #[serde(rename = "pnut")]
    Pnut,
}

impl Dialect {
    /// As owners write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AppNet => "app.net",
            Self::Pnut => "pnut",
        }
    }

    /// The dialect of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::AppNet, Self::Pnut].into_iter().find(|dialect| dialect.name() == name)
    }
}

/// A channel's id, be it a number or a text. It becomes a segment of a path, where `..` would lead elsewhere.
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
