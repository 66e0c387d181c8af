//! Who may write: whether only holders of a write key, and which networks and origins are blocked.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use model::network::Network;
use model::pseudonym::Pseudonym;

use super::stream::{ConfigError, MAX_ORIGIN_BYTES};

/// The most networks, and the most origins; each is compared with each open write, which takes some 50 ns.
pub const MAX_BLOCKED: usize = 100;

/// Which writers a stream accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writers {
    /// Everyone.
    #[default]
    Open,
    /// Only holders of a write key.
    Keyed,
}

impl Writers {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::Open
    }
}

/// The blocked networks and origins of open writers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Blocked {
    /// Addresses, networks, and pseudonyms of the day.
    pub networks: Vec<String>,
    /// In the form that browsers send.
    pub origins: Vec<String>,
}

/// An owner's changes to the blocked networks and origins; absent lists stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlockedPatch {
    networks: Option<Vec<String>>,
    origins: Option<Vec<String>>,
}

impl Blocked {
    /// Whether nothing is blocked.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.networks.is_empty() && self.origins.is_empty()
    }

    /// Whether a writer is blocked: by its network as in [`protocol::writer::Writer`], by its origin, or by its
    /// pseudonym, for callers that know it.
    #[must_use]
    pub fn has(&self, network: &str, origin: Option<&str>, pseudonym: Option<Pseudonym>) -> bool {
        if origin.is_some_and(|origin| self.origins.iter().any(|blocked| blocked == origin)) {
            return true;
        }
        if self.networks.is_empty() || network.is_empty() {
            return false;
        }
        let writer: Option<Network> = network.parse().ok();
        let pseudonym = pseudonym.map(|pseudonym| pseudonym.to_string());
        self.networks.iter().any(|blocked| {
            pseudonym.as_ref() == Some(blocked)
                || writer.is_some_and(|writer| blocked.parse().is_ok_and(|blocked: Network| blocked.contains(&writer)))
        })
    }
}

impl BlockedPatch {
    /// Parses an owner's `blocked`.
    ///
    /// # Errors
    /// [`ConfigError::Shape`]
    pub fn parse(value: Value) -> Result<Self, ConfigError> {
        if !value.is_object() {
            let shape = "`blocked` must be an object such as {\"networks\":[\"192.0.2.0/24\"],\"origins\":[]}, or null";
            return Err(ConfigError::Shape(shape.to_owned()));
        }
        serde_json::from_value(value).map_err(|error| ConfigError::Shape(format!("`blocked`: {error}")))
    }

    /// Blocks nothing.
    #[must_use]
    pub fn nobody() -> Self {
        Self { networks: Some(Vec::new()), origins: Some(Vec::new()) }
    }

    /// The lists after these changes.
    #[must_use]
    pub fn applied(self, before: Blocked) -> Blocked {
        Blocked { networks: self.networks.unwrap_or(before.networks), origins: self.origins.unwrap_or(before.origins) }
    }

    /// Checks all entries.
    ///
    /// # Errors
    /// The first invalid entry, and why.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (networks, origins) = (self.networks.as_deref(), self.origins.as_deref());
        let (networks, origins) = (networks.unwrap_or_default(), origins.unwrap_or_default());
        for (name, list) in [("networks", networks), ("origins", origins)] {
            if list.len() > MAX_BLOCKED {
                return Err(ConfigError::TooManyBlocked(name, list.len()));
            }
        }
        if let Some(origin) = origins.iter().find(|origin| !is_origin(origin)) {
            return Err(ConfigError::BlockedOrigin(origin.clone()));
        }
        for network in networks.iter().filter(|network| !Pseudonym::is(network)) {
            network.parse::<Network>().map_err(|error| ConfigError::BlockedNetwork(network.clone(), error))?;
        }
        Ok(())
    }
}

/// Whether an origin has the form of the `Origin` header.
pub(super) fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let is_host_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte);
    let is_scheme_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    text.len() <= MAX_ORIGIN_BYTES
        && !scheme.is_empty()
        && scheme.bytes().all(is_scheme_byte)
        && !host.is_empty()
        && host.bytes().all(is_host_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(text: &str) -> Result<Blocked, ConfigError> {
        let patch = BlockedPatch::parse(serde_json::from_str(text).expect("JSON"))?;
        patch.check().map(|()| patch.applied(Blocked::default()))
    }

    #[test]
    fn a_writer_is_blocked_by_address_network_pseudonym_and_origin() {
        let blocked = patch(
            r#"{"networks":["192.0.2.0/24","2001:db8::/48","203.0.113.9","n_00000000ff"],"origins":["https://spam.example"]}"#,
        );
        let blocked = blocked.expect("valid");
        let name = |bits: u64| Some(Pseudonym::of(bits));
        for (network, origin, pseudonym) in [
            ("192.0.2.7", None, None),
            ("2001:db8:0:2::/64", None, name(1)),
            ("203.0.113.9", Some("https://a.example"), name(1)),
            ("198.51.100.1", None, name(255)),
            ("198.51.100.1", Some("https://spam.example"), None),
            ("", Some("https://spam.example"), None),
        ] {
            assert!(blocked.has(network, origin, pseudonym), "{network} {origin:?} {pseudonym:?}");
        }
        for (network, origin) in [
            ("192.0.3.7", None),
            ("2001:db8:1::/64", None),
            ("203.0.113.90", Some("https://a.example")),
            ("", None),
            ("unknown", Some("http://spam.example")),
        ] {
            assert!(!blocked.has(network, origin, name(1)), "{network} {origin:?}");
        }
    }

    #[test]
    fn entries_that_cannot_be_blocked_are_rejected_by_name() {
        let told = |text: &str| patch(text).expect_err(text).to_string();
        assert!(
            told(r#"{"networks":["192.0.2.1/24"]}"#)
                .starts_with("\"192.0.2.1/24\" in `blocked.networks` must start with the first address")
        );
        assert!(told(r#"{"networks":["n_12"]}"#).contains("\"n_12\" in `blocked.networks` must be an address"));
        assert!(
            told(r#"{"networks":["2001:db8::/96"]}"#)
                .ends_with("must have a whole number from 0 to 64 after the slash")
        );
        assert!(told(r#"{"origins":["spam.example"]}"#).contains("in `blocked.origins` is not an origin"));
        assert!(told(r#"{"hosts":[]}"#).contains("unknown field `hosts`"));
        assert!(told("[]").contains("must be an object") && told(r#"{"networks":"a"}"#).contains("invalid type"));
        for (name, entry) in [("networks", "192.0.2.1"), ("origins", "https://a.example")] {
            let list = |count: usize| format!(r#"{{"{name}":{}}}"#, serde_json::json!(vec![entry; count]));
            assert!(patch(&list(MAX_BLOCKED)).is_ok());
            assert_eq!(patch(&list(MAX_BLOCKED + 1)), Err(ConfigError::TooManyBlocked(name, 101)));
        }
    }

    #[test]
    fn lists_that_are_not_named_stay() {
        let before = patch(r#"{"networks":["192.0.2.1"],"origins":["https://a.example"]}"#).expect("valid");
        let patch: BlockedPatch = serde_json::from_str(r#"{"networks":[]}"#).expect("valid");
        let after = patch.applied(before.clone());
        assert_eq!((after.networks.len(), &after.origins), (0, &before.origins));
        assert!(BlockedPatch::nobody().applied(before).is_nobody());
    }
}
