//! A stream's configuration: what its owner sends, and what the object and KV keep.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::domain::shards::{Layout, LayoutError, MAX_SHARDS, Raise};

/// A request of the owner has at most this many bytes.
pub const MAX_OWNER_BODY_BYTES: usize = 16 << 10;
/// A name has 1 to this many bytes.
pub const MAX_STREAM_NAME_BYTES: usize = 100;
/// An allow-list has at most this many origins.
pub const MAX_ORIGINS: usize = 50;
/// An origin has at most this many bytes.
pub const MAX_ORIGIN_BYTES: usize = 300;

/// What everyone at the edge may know of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamConfig {
    /// A name for people, not unique.
    pub name: String,
    /// Whether everyone may read.
    pub public_read: bool,
    /// Which browser origins may write; empty: all.
    pub origins: Vec<String>,
    /// When it was created, Unix milliseconds.
    pub created_ms: u64,
    /// How many shards it has, and had.
    #[serde(default, serialize_with = "put_layout", deserialize_with = "layout")]
    pub layout: Layout,
}

/// A layout as a text: how many shards there are, then from how many they were raised and when that was settled, oldest
/// first: `64 1@1792540800000 4`.
fn put_layout<S: Serializer>(layout: &Layout, serializer: S) -> Result<S::Ok, S::Error> {
    let raise = |raise: &Raise| match raise.settled_ms {
        Some(settled_ms) => format!("{}@{settled_ms}", raise.from_shards),
        None => raise.from_shards.to_string(),
    };
    let parts: Vec<String> =
        [layout.shards().to_string()].into_iter().chain(layout.raises().iter().map(raise)).collect();
    serializer.serialize_str(&parts.join(" "))
}

fn layout<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Layout, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_layout(&text).ok_or_else(|| serde::de::Error::custom("no layout"))
}

fn parse_layout(text: &str) -> Option<Layout> {
    let raise = |text: &str| match text.split_once('@') {
        Some((from, settled)) => {
            Some(Raise { from_shards: from.parse().ok()?, settled_ms: Some(settled.parse().ok()?) })
        }
        None => Some(Raise { from_shards: text.parse().ok()?, settled_ms: None }),
    };
    let mut parts = text.split(' ');
    let shards = parts.next()?.parse().ok()?;
    Some(Layout::restored(shards, parts.map(raise).collect::<Option<_>>()?))
}

impl StreamConfig {
    /// Whether a request from this origin may write. Without an `Origin` it is no browser's and may.
    #[must_use]
    pub fn admits(&self, origin: Option<&str>) -> bool {
        self.origins.is_empty() || origin.is_none_or(|origin| self.origins.iter().any(|allowed| allowed == origin))
    }
}

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON, or not of this shape.
    #[error("the body is no valid configuration: {0}")]
    Shape(String),
    /// Part of the contract that this version does not have yet.
    #[error("`{0}` is not supported by this version")]
    NotSupported(&'static str),
    /// A name that is too short or long.
    #[error("`name` must have 1 to {MAX_STREAM_NAME_BYTES} bytes and no control characters")]
    Name,
    /// More than [`MAX_ORIGINS`].
    #[error("`origins` has {0} entries, at most {MAX_ORIGINS} are allowed")]
    TooManyOrigins(usize),
    /// Not an origin.
    #[error(
        "{0:?} in `origins` is no origin: it must be a scheme and host in lower case and no path, such as https://example.com"
    )]
    Origin(String),
    /// Not 1 to [`MAX_SHARDS`].
    #[error("`shards` must be a whole number from 1 to {MAX_SHARDS}, not {0}")]
    Shards(u64),
}

/// What an owner sends to change a stream; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamPatch {
    name: Option<String>,
    public_read: Option<bool>,
    origins: Option<Vec<String>>,
    shards: Option<u64>,
}

impl StreamPatch {
    /// The changes that an owner's body asks for.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(body: &[u8]) -> Result<Self, ConfigError> {
        const LATER: [&str; 4] = ["distinct", "retention", "forward", "carbon"];
        let value: Value = serde_json::from_slice(body).map_err(|error| ConfigError::Shape(error.to_string()))?;
        if let Some(later) = LATER.into_iter().find(|name| value.get(name).is_some()) {
            return Err(ConfigError::NotSupported(later));
        }
        let patch: Self = serde_json::from_value(value).map_err(|error| ConfigError::Shape(error.to_string()))?;
        patch.check()?;
        Ok(patch)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let is_name =
            |name: &String| (1..=MAX_STREAM_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
        if !self.name.as_ref().is_none_or(is_name) {
            return Err(ConfigError::Name);
        }
        let origins = self.origins.as_deref().unwrap_or_default();
        if origins.len() > MAX_ORIGINS {
            return Err(ConfigError::TooManyOrigins(origins.len()));
        }
        if let Some(origin) = origins.iter().find(|origin| !is_origin(origin)) {
            return Err(ConfigError::Origin(origin.clone()));
        }
        match self.shards {
            Some(shards) if !(1..=u64::from(MAX_SHARDS)).contains(&shards) => Err(ConfigError::Shards(shards)),
            _ => Ok(()),
        }
    }

    /// How many shards it asks for; [`Self::parse`] has checked that they fit.
    fn shards(&self) -> Option<u16> {
        self.shards.and_then(|shards| u16::try_from(shards).ok())
    }

    /// The configuration of a new stream.
    ///
    /// # Errors
    /// [`ConfigError::Name`] when there is none.
    pub fn into_config(self, created_ms: u64) -> Result<StreamConfig, ConfigError> {
        let layout = Layout::new(self.shards().unwrap_or(1));
        let name = self.name.ok_or(ConfigError::Name)?;
        let (public_read, origins) = (self.public_read.unwrap_or_default(), self.origins.unwrap_or_default());
        Ok(StreamConfig { name, public_read, origins, created_ms, layout })
    }

    /// Changes a configuration.
    ///
    /// # Errors
    /// [`LayoutError`], and then nothing is changed.
    pub fn apply(self, config: &mut StreamConfig, now_ms: i64) -> Result<(), LayoutError> {
        config.layout.raise(self.shards().unwrap_or(config.layout.shards()), now_ms)?;
        let Self { name, public_read, origins, shards: _ } = self;
        config.name = name.unwrap_or_else(|| std::mem::take(&mut config.name));
        config.public_read = public_read.unwrap_or(config.public_read);
        config.origins = origins.unwrap_or_else(|| std::mem::take(&mut config.origins));
        Ok(())
    }
}

/// As a browser writes it in the `Origin` header.
fn is_origin(text: &str) -> bool {
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

    fn create(body: &str) -> Result<StreamConfig, ConfigError> {
        StreamPatch::parse(body.as_bytes()).and_then(|patch| patch.into_config(7))
    }

    #[test]
    fn a_name_is_all_that_a_stream_needs() {
        let config = create(r#"{"name":"visits"}"#).expect("valid");
        let layout = Layout::new(1);
        assert_eq!(
            config,
            StreamConfig { name: "visits".into(), public_read: false, origins: Vec::new(), created_ms: 7, layout }
        );
    }

    #[test]
    fn the_form_of_a_configuration_is_pinned() {
        let mut config = create(r#"{"name":"a","shards":4}"#).expect("valid");
        config.layout.settle(4, 8);
        config.layout.raise(5, 8).expect("more");
        config.layout.settle(5, 9);
        config.layout.raise(64, 9).expect("more");
        let text = r#"{"name":"a","public_read":false,"origins":[],"created_ms":7,"layout":"64 4@9 5"}"#;
        assert_eq!(serde_json::to_string(&config).expect("serialises"), text);
        assert_eq!(serde_json::from_str::<StreamConfig>(text).expect("is read"), config);
        let before_shards = r#"{"name":"a","public_read":false,"origins":[],"created_ms":7}"#;
        let config: StreamConfig = serde_json::from_str(before_shards).expect("is read");
        assert_eq!(config.layout, Layout::new(1));
        for bad in ["", "x", "4 ", "4 1@", "4 1@x", "70000"] {
            assert_eq!(parse_layout(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_stream_has_1_to_64_shards_and_never_less_than_before() {
        for shards in [1, 2, 64] {
            let config = create(&format!(r#"{{"name":"a","shards":{shards}}}"#)).expect("valid");
            assert_eq!(config.layout, Layout::new(shards));
        }
        for shards in [0, 65, 65_537] {
            assert_eq!(create(&format!(r#"{{"name":"a","shards":{shards}}}"#)), Err(ConfigError::Shards(shards)));
        }
        let mut config = create(r#"{"name":"a","shards":4}"#).expect("valid");
        let patch = |body: &str| StreamPatch::parse(body.as_bytes()).expect("valid");
        let before = config.clone();
        assert!(patch(r#"{"name":"b","shards":3}"#).apply(&mut config, 0).is_err());
        assert_eq!(config, before);
        patch(r#"{"shards":4}"#).apply(&mut config, 0).expect("the same");
        patch("{}").apply(&mut config, 0).expect("nothing");
        assert_eq!(config, before);
        patch(r#"{"shards":5}"#).apply(&mut config, 0).expect("more");
        assert_eq!(config.layout.shards(), 5);
    }

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let mut config = create(r#"{"name":"visits","public_read":true}"#).expect("valid");
        StreamPatch::parse(br#"{"origins":["https://a.example"]}"#)
            .expect("valid")
            .apply(&mut config, 0)
            .expect("no shards");
        assert_eq!((config.name.as_str(), config.public_read), ("visits", true));
        assert!(
            config.admits(Some("https://a.example"))
                && config.admits(None)
                && !config.admits(Some("https://b.example"))
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |body: &str| create(body).expect_err("invalid").to_string();
        assert!(message("{").starts_with("the body is no valid configuration"));
        assert!(message(r#"{"name":"a","nmae":"b"}"#).contains("unknown field `nmae`"));
        assert!(message(r#"{"name":1}"#).contains("expected a string"));
        assert!(message("{}").starts_with("`name` must have"));
        assert!(message(r#"{"name":""}"#).starts_with("`name` must have"));
        assert!(message("{\"name\":\"a\\u0007\"}").starts_with("`name` must have"));
        assert!(create(&format!("{{\"name\":\"{}\"}}", "x".repeat(100))).is_ok());
        assert!(create(&format!("{{\"name\":\"{}\"}}", "x".repeat(101))).is_err());
        assert_eq!(message(r#"{"name":"a","forward":{}}"#), "`forward` is not supported by this version");
        for origin in ["example.com", "https://", "https://a.example/", "https://A.example", "*", ""] {
            assert!(create(&format!("{{\"name\":\"a\",\"origins\":[\"{origin}\"]}}")).is_err(), "{origin}");
        }
        let origins =
            |count: usize| format!("{{\"name\":\"a\",\"origins\":[{}]}}", vec!["\"http://[::1]:80\""; count].join(","));
        assert!(create(&origins(MAX_ORIGINS)).is_ok());
        assert_eq!(create(&origins(MAX_ORIGINS + 1)), Err(ConfigError::TooManyOrigins(51)));
    }
}
