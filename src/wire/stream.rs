//! A stream's configuration: what its owner sends, and what the object and KV keep.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::labels::{MAX_NAME_BYTES, is_name};

/// A request of the owner has at most this many bytes.
pub const MAX_OWNER_BODY_BYTES: usize = 16 << 10;
/// A name has 1 to this many bytes.
pub const MAX_STREAM_NAME_BYTES: usize = 100;
/// An allow-list has at most this many origins.
pub const MAX_ORIGINS: usize = 50;
/// An origin has at most this many bytes.
pub const MAX_ORIGIN_BYTES: usize = 300;
/// The values of at most this many labels are counted at a time.
pub const MAX_DISTINCT: usize = 4;

/// What everyone at the edge may know of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamConfig {
    /// A name for people, not unique.
    pub name: String,
    /// Whether everyone may read.
    pub public_read: bool,
    /// Which browser origins may write; empty: all.
    pub origins: Vec<String>,
    /// Labels that make no series, but whose values are counted.
    #[serde(default)]
    pub distinct: Vec<String>,
    /// When it was created, Unix milliseconds.
    pub created_ms: u64,
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
    /// More than [`MAX_DISTINCT`].
    #[error("`distinct` has {0} entries, at most {MAX_DISTINCT} are allowed at a time")]
    TooManyDistinct(usize),
    /// Not a label that can be asked for.
    #[error(
        "{0:?} in `distinct` is no name of a label: it must have 1 to {MAX_NAME_BYTES} bytes, no control characters and no comma, and stand there once"
    )]
    Distinct(String),
}

/// What an owner sends to change a stream; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamPatch {
    name: Option<String>,
    public_read: Option<bool>,
    origins: Option<Vec<String>>,
    distinct: Option<Vec<String>>,
}

impl StreamPatch {
    /// The changes that an owner's body asks for.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(body: &[u8]) -> Result<Self, ConfigError> {
        const LATER: [&str; 4] = ["retention", "shards", "forward", "carbon"];
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
        check_distinct(self.distinct.as_deref().unwrap_or_default())
    }

    /// The configuration of a new stream.
    ///
    /// # Errors
    /// [`ConfigError::Name`] when there is none.
    pub fn into_config(self, created_ms: u64) -> Result<StreamConfig, ConfigError> {
        let name = self.name.ok_or(ConfigError::Name)?;
        let (public_read, origins) = (self.public_read.unwrap_or_default(), self.origins.unwrap_or_default());
        Ok(StreamConfig { name, public_read, origins, distinct: self.distinct.unwrap_or_default(), created_ms })
    }

    /// Changes a configuration.
    pub fn apply(self, config: &mut StreamConfig) {
        let Self { name, public_read, origins, distinct } = self;
        config.name = name.unwrap_or_else(|| std::mem::take(&mut config.name));
        config.public_read = public_read.unwrap_or(config.public_read);
        config.origins = origins.unwrap_or_else(|| std::mem::take(&mut config.origins));
        config.distinct = distinct.unwrap_or_else(|| std::mem::take(&mut config.distinct));
    }
}

fn check_distinct(names: &[String]) -> Result<(), ConfigError> {
    if names.len() > MAX_DISTINCT {
        return Err(ConfigError::TooManyDistinct(names.len()));
    }
    // A comma could not be asked for in `agg`.
    let is_wrong = |(at, name): &(usize, &String)| !is_name(name) || name.contains(',') || names[..*at].contains(name);
    match names.iter().enumerate().find(is_wrong) {
        Some((_, name)) => Err(ConfigError::Distinct(name.clone())),
        None => Ok(()),
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
        assert_eq!(
            config,
            StreamConfig {
                name: "visits".into(),
                public_read: false,
                origins: Vec::new(),
                distinct: Vec::new(),
                created_ms: 7
            }
        );
    }

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let mut config = create(r#"{"name":"visits","public_read":true}"#).expect("valid");
        StreamPatch::parse(br#"{"origins":["https://a.example"]}"#).expect("valid").apply(&mut config);
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
        let distinct = |list: &str| create(&format!("{{\"name\":\"a\",\"distinct\":{list}}}"));
        assert_eq!(distinct(r#"["a","b b","ü","d"]"#).expect("valid").distinct, ["a", "b b", "ü", "d"]);
        assert_eq!(distinct(r#"["a","b","c","d","e"]"#), Err(ConfigError::TooManyDistinct(5)));
        for (list, wrong) in
            [(r#"["a","a"]"#, "a"), (r#"[""]"#, ""), (r#"["a,b"]"#, "a,b"), (r#"["a\u0007"]"#, "a\u{7}")]
        {
            assert_eq!(distinct(list), Err(ConfigError::Distinct(wrong.into())));
        }
        assert!(distinct(r#""a""#).is_err() && distinct(&format!("[{:?}]", "x".repeat(MAX_NAME_BYTES + 1))).is_err());
    }

    #[test]
    fn what_was_kept_before_there_was_distinct_is_still_read() {
        let kept = r#"{"name":"a","public_read":true,"origins":[],"created_ms":7}"#;
        let config: StreamConfig = serde_json::from_str(kept).expect("a configuration");
        assert_eq!((config.distinct.len(), config.created_ms), (0, 7));
    }
}
