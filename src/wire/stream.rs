//! A stream's configuration: what its owner sends, and what the object and KV keep.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::labels::{MAX_NAME_BYTES, is_name};
use crate::domain::point::{DEFAULT_LATENESS_S, MAX_PERIOD_S};
use crate::domain::retention::{Retention, RetentionError};
use crate::domain::shards::{Layout, LayoutError, MAX_SHARDS};
use crate::domain::tier::Tier;

use super::{layout, retention};

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

/// Points may be late by at least this; they always travel for a while.
pub const MIN_LATENESS_S: i64 = 60;
/// Points may be late by at most this: each hour of it is a chunk more that sealing may have to add to.
pub const MAX_LATENESS_S: i64 = 7 * 86_400;

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
    /// How long each tier is kept.
    #[serde(default, with = "retention")]
    pub retention: Retention,
    /// A point may end so many seconds in the past.
    #[serde(default = "default_lateness_s")]
    pub lateness_s: i64,
    /// How many shards it has, and had.
    #[serde(default, with = "layout")]
    pub layout: Layout,
}

fn default_lateness_s() -> i64 {
    DEFAULT_LATENESS_S
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
    /// Not an object of tiers.
    #[error("`retention` must be an object such as {{\"10s\":\"2d\",\"1d\":null}}")]
    Tiers,
    /// Not the name of a tier.
    #[error("unknown step {0:?} in `retention`; it knows 10s, 1m, 10m, 1h and 1d")]
    Tier(String),
    /// Not a duration.
    #[error("`{0}` must be a text with a number and a unit such as \"36h\" or \"30d\", not {1}")]
    Duration(&'static str, String),
    /// Not a retention.
    #[error("`retention`: {0}")]
    Retention(#[from] RetentionError),
    /// Beyond [`MIN_LATENESS_S`] or [`MAX_LATENESS_S`].
    #[error("`lateness` must be from 1m to 7d")]
    Lateness,
    /// Points would be accepted that no tier keeps.
    #[error("`1d` in `retention` must be a day more than `lateness`, or points would be accepted that nobody can read")]
    KeptTooShort,
    /// More than [`MAX_DISTINCT`].
    #[error("`distinct` has {0} entries, at most {MAX_DISTINCT} are allowed at a time")]
    TooManyDistinct(usize),
    /// Not a label that can be asked for.
    #[error(
        "{0:?} in `distinct` is no name of a label: it must have 1 to {MAX_NAME_BYTES} bytes, no control characters and no comma, and stand there once"
    )]
    Distinct(String),
    /// Not 1 to [`MAX_SHARDS`].
    #[error("`shards` must be a whole number from 1 to {MAX_SHARDS}, not {0}")]
    Shards(u64),
    /// Not from what there is.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// What an owner sends to change a stream; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamPatch {
    name: Option<String>,
    public_read: Option<bool>,
    origins: Option<Vec<String>>,
    retention: Option<Value>,
    lateness: Option<Value>,
    distinct: Option<Vec<String>>,
    shards: Option<u64>,
}

impl StreamPatch {
    /// The changes that an owner's body asks for.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(body: &[u8]) -> Result<Self, ConfigError> {
        const LATER: [&str; 2] = ["forward", "carbon"];
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
        if let Some(shards) = self.shards.filter(|shards| !(1..=u64::from(MAX_SHARDS)).contains(shards)) {
            return Err(ConfigError::Shards(shards));
        }
        check_distinct(self.distinct.as_deref().unwrap_or_default())
    }

    /// How many shards it asks for; [`Self::parse`] has checked that they fit.
    fn shards(&self) -> Option<u16> {
        self.shards.and_then(|shards| u16::try_from(shards).ok())
    }

    /// The configuration of a new stream.
    ///
    /// # Errors
    /// [`ConfigError::Name`] when there is none, and what is wrong with the retention.
    pub fn into_config(mut self, created_ms: u64) -> Result<StreamConfig, ConfigError> {
        let layout = Layout::new(self.shards().unwrap_or(1));
        let name = self.name.take().ok_or(ConfigError::Name)?;
        let changes = self.retention.take().map(|changes| retention::changes(&changes)).transpose()?;
        let retention = Retention::new(&changes.unwrap_or_default())?;
        let (origins, distinct, lateness_s) = (Vec::new(), Vec::new(), DEFAULT_LATENESS_S);
        let config =
            StreamConfig { name, public_read: false, origins, distinct, created_ms, retention, lateness_s, layout };
        self.applied(config, created_ms)
    }

    /// A changed configuration, from now on.
    ///
    /// # Errors
    /// Why the configuration can't be changed so.
    pub fn applied(self, mut config: StreamConfig, now_ms: u64) -> Result<StreamConfig, ConfigError> {
        let now_ms = i64::try_from(now_ms).unwrap_or_default();
        config.layout.raise(self.shards().unwrap_or(config.layout.shards()), now_ms)?;
        let Self { name, public_read, origins, distinct, retention, lateness, shards: _ } = self;
        config.name = name.unwrap_or(config.name);
        config.public_read = public_read.unwrap_or(config.public_read);
        config.origins = origins.unwrap_or(config.origins);
        config.distinct = distinct.unwrap_or(config.distinct);
        if let Some(retention) = retention {
            config.retention = config.retention.changed(&retention::changes(&retention)?, now_ms / 1000)?;
        }
        if let Some(lateness) = lateness {
            config.lateness_s = retention::duration("lateness", &lateness)?;
        }
        if !(MIN_LATENESS_S..=MAX_LATENESS_S).contains(&config.lateness_s) {
            return Err(ConfigError::Lateness);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a day")]
        let least_s = config.lateness_s + MAX_PERIOD_S as i64;
        match config.retention.kept_s(Tier::D1) {
            Some(kept_s) if kept_s < least_s => Err(ConfigError::KeptTooShort),
            _ => Ok(config),
        }
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

    fn changed(config: StreamConfig, body: &str, now_s: u64) -> Result<StreamConfig, ConfigError> {
        StreamPatch::parse(body.as_bytes()).and_then(|patch| patch.applied(config, now_s * 1000))
    }

    #[test]
    fn a_name_is_all_that_a_stream_needs() {
        let config = create(r#"{"name":"visits"}"#).expect("valid");
        let (retention, lateness_s) = (Retention::default(), 86_400);
        let plain = StreamConfig {
            name: "visits".into(),
            public_read: false,
            origins: Vec::new(),
            distinct: Vec::new(),
            created_ms: 7,
            retention,
            lateness_s,
            layout: Layout::new(1),
        };
        assert_eq!(config, plain);
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
        let config = create(r#"{"name":"a","shards":4}"#).expect("valid");
        let fewer = changed(config.clone(), r#"{"name":"b","shards":3}"#, 0);
        assert!(matches!(fewer, Err(ConfigError::Layout(_))));
        for same in [r#"{"shards":4}"#, "{}"] {
            assert_eq!(changed(config.clone(), same, 0), Ok(config.clone()));
        }
        assert_eq!(changed(config, r#"{"shards":5}"#, 0).expect("more").layout.shards(), 5);
    }

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let config = create(r#"{"name":"visits","public_read":true}"#).expect("valid");
        let config = changed(config, r#"{"origins":["https://a.example"]}"#, 8).expect("valid");
        assert_eq!((config.name.as_str(), config.public_read), ("visits", true));
        assert!(
            config.admits(Some("https://a.example"))
                && config.admits(None)
                && !config.admits(Some("https://b.example"))
        );
    }

    #[test]
    fn tiers_that_are_not_named_keep_what_they_have() {
        const DAY: i64 = 86_400;
        let config = create(r#"{"name":"a","retention":{"10s":"36h","1h":null}}"#).expect("valid");
        let kept = |config: &StreamConfig| Tier::ALL.map(|tier| config.retention.kept_s(tier));
        let days = |days: i64| Some(days * DAY);
        assert_eq!(kept(&config), [Some(36 * 3600), days(14), days(60), None, None]);
        assert_eq!(config.retention.start_s(Tier::H1, 0), None, "a new stream has lost nothing");
        let config = changed(config, r#"{"retention":{"1h":"1000d","1m":"20d"}}"#, 9_999_999).expect("valid");
        assert_eq!(kept(&config), [Some(36 * 3600), days(20), days(60), days(1000), None]);
        assert_eq!(config.retention.start_s(Tier::M1, 9_999_999), Some(9_999_999 - 14 * DAY));
        let view = serde_json::Value::from(retention::view(&config.retention));
        assert_eq!(view.to_string(), r#"{"10m":"60d","10s":"36h","1d":null,"1h":"1000d","1m":"20d"}"#);
    }

    #[test]
    fn the_form_of_a_configuration_is_pinned_and_the_first_one_is_still_read() {
        let config = changed(create(r#"{"name":"a"}"#).expect("valid"), r#"{"retention":{"10s":"3d"}}"#, 200_000);
        let config = config.expect("valid");
        let pinned = r#"{"name":"a","public_read":false,"origins":[],"distinct":[],"created_ms":7,"retention":[259200,27200,1209600,null,5184000,null,63072000,null,null,null],"lateness_s":86400,"layout":"1"}"#;
        assert_eq!(serde_json::to_string(&config).expect("serialises"), pinned);
        assert_eq!(serde_json::from_str::<StreamConfig>(pinned).expect("reads"), config);
        let first = r#"{"name":"a","public_read":false,"origins":[],"created_ms":7}"#;
        assert_eq!(
            serde_json::from_str::<StreamConfig>(first).expect("reads"),
            create(r#"{"name":"a"}"#).expect("valid")
        );
    }

    #[test]
    fn what_is_accepted_is_kept_somewhere() {
        let tiers = |last: &str| format!(r#"{{"10s":"1h","1m":"1h","10m":"1h","1h":"1h","1d":{last}}}"#);
        let with = |lateness: &str, last: &str| {
            create(&format!(r#"{{"name":"a","lateness":"{lateness}","retention":{}}}"#, tiers(last)))
        };
        assert_eq!(with("7d", "\"8d\"").expect("valid").lateness_s, MAX_LATENESS_S);
        assert_eq!(with("7d", "\"191h\""), Err(ConfigError::KeptTooShort));
        assert_eq!(with("1m", "\"1d\""), Err(ConfigError::KeptTooShort));
        assert!(with("1m", "null").is_ok());
        for lateness in ["59s", "8d", "604801s"] {
            assert_eq!(with(lateness, "null"), Err(ConfigError::Lateness), "{lateness}");
        }
        let short = with("1h", "\"2d\"").expect("valid");
        assert_eq!(changed(short, r#"{"lateness":"25h"}"#, 9), Err(ConfigError::KeptTooShort));
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
        let retention = |tiers: &str| message(&format!(r#"{{"name":"a","retention":{tiers}}}"#));
        assert_eq!(retention(r#"{"5m":"1d"}"#), "unknown step \"5m\" in `retention`; it knows 10s, 1m, 10m, 1h and 1d");
        assert!(retention(r#"{"10s":86400}"#).starts_with("`10s` must be a text with a number and a unit"));
        assert!(retention(r#"{"10s":"-1d"}"#).ends_with(r#"not "-1d""#));
        assert_eq!(retention(r#"{"10s":"59m"}"#), "`retention`: `10s` must be kept for 1h to 36500d, or null for ever");
        assert!(retention(r#"{"10s":"99d"}"#).starts_with("`retention`: `1m` must be kept at least as long as `10s`"));
        assert!(retention("[]").starts_with("`retention` must be an object"));
        assert!(message(r#"{"name":"a","lateness":60}"#).starts_with("`lateness` must be a text"));
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
