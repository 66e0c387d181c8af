//! The two ways to say the same.

use serde::{Deserialize, Serialize};

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
