//! A stream's configuration, as the object and KV keep it, and the errors it can have.

use serde::{Deserialize, Serialize};

use model::labels::{MAX_NAME_BYTES, is_name};
use model::network::NetworkError;
use model::point::DEFAULT_LATENESS_S;
use model::retention::{Retention, RetentionError};
use model::shards::{Layout, LayoutError, MAX_SHARDS};
use model::sketches::MAX_DISTINCT;

use super::accept::{Accept, AcceptError};
use super::blocked::{Blocked, MAX_BLOCKED, Writers};
use super::carbon::{CarbonConfig, CarbonError};
use super::forward::{ForwardConfig, ForwardError};
use super::limits::{Limit, Limits};
use super::{layout, retention};

/// The largest body of an owner's request in bytes.
pub const MAX_OWNER_BODY_BYTES: usize = 16 << 10;
/// The longest name of a stream or a write key, in bytes. A name has at least one.
pub const MAX_STREAM_NAME_BYTES: usize = 100;
/// The most origins in an allow-list.
pub const MAX_ORIGINS: usize = 50;
/// The longest origin in bytes.
pub const MAX_ORIGIN_BYTES: usize = 300;

/// The least lateness that points are allowed, as they always travel for a while.
pub const MIN_LATENESS_S: i64 = 60;
/// The most lateness that points are allowed: each hour of it is another chunk that sealing may have to add to.
pub const MAX_LATENESS_S: i64 = 7 * 86_400;

/// How long messages can be read by default: a day.
pub const DEFAULT_MESSAGES_S: i64 = 86_400;
/// How long messages can be read at most; they are bounded in bytes as well.
pub const MAX_MESSAGES_S: i64 = 30 * 86_400;

/// What every location at the edge may know about a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamConfig {
    /// A name for people, not unique.
    pub name: String,
    /// Whether everyone may read.
    pub public_read: bool,
    /// Which browser origins may write; empty means all.
    pub origins: Vec<String>,
    /// Labels that create no series, but whose distinct values are counted.
    #[serde(default)]
    pub distinct: Vec<String>,
    /// When it was created, Unix milliseconds.
    pub created_ms: u64,
    /// How long each tier is kept.
    #[serde(default, with = "retention")]
    pub retention: Retention,
    /// How many seconds in the past a point may end.
    #[serde(default = "default_lateness_s")]
    pub lateness_s: i64,
    /// The number of shards, now and before.
    #[serde(default, with = "layout")]
    pub layout: Layout,
    /// How many seconds messages can be read.
    #[serde(default = "default_messages_s")]
    pub messages_s: i64,
    /// Where points are forwarded; without the token.
    #[serde(default)]
    pub forward: Option<ForwardConfig>,
    /// Where buckets are pushed.
    #[serde(default)]
    pub carbon: Option<CarbonConfig>,
    /// What writers may use of it.
    #[serde(default, skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,
    /// Which writers it accepts.
    #[serde(default, skip_serializing_if = "Writers::is_default")]
    pub writers: Writers,
    /// Where open writers are blocked.
    #[serde(default, skip_serializing_if = "Blocked::is_nobody")]
    pub blocked: Blocked,
    /// The owner's rules for what is accepted.
    #[serde(default, skip_serializing_if = "Accept::is_none")]
    pub accept: Accept,
}

fn default_messages_s() -> i64 {
    DEFAULT_MESSAGES_S
}

fn default_lateness_s() -> i64 {
    DEFAULT_LATENESS_S
}

impl StreamConfig {
    /// Whether a request from this origin may write. A request without an `Origin` does not come from a browser, so
    /// it may.
    #[must_use]
    pub fn admits(&self, origin: Option<&str>) -> bool {
        self.origins.is_empty() || origin.is_none_or(|origin| self.origins.iter().any(|allowed| allowed == origin))
    }
}

/// Checks that these labels can be counted.
pub(super) fn check_distinct(names: &[String]) -> Result<(), ConfigError> {
    if names.len() > MAX_DISTINCT {
        return Err(ConfigError::TooManyDistinct(names.len()));
    }
    // A comma would split the name in `agg`.
    let is_wrong = |(at, name): &(usize, &String)| !is_name(name) || name.contains(',') || names[..*at].contains(name);
    match names.iter().enumerate().find(is_wrong) {
        Some((_, name)) => Err(ConfigError::Distinct(name.clone())),
        None => Ok(()),
    }
}

/// Why a configuration is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON, or not of this shape.
    #[error("the body is not a valid configuration: {0}")]
    Shape(String),
    /// A name that is too short or long, or has control characters.
    #[error("`name` must have 1 to {MAX_STREAM_NAME_BYTES} bytes and no control characters")]
    Name,
    /// More than [`MAX_ORIGINS`].
    #[error("`origins` has {0} entries, more than the {MAX_ORIGINS} allowed")]
    TooManyOrigins(usize),
    /// Not an origin.
    #[error(
        "{0:?} in `origins` is not an origin: it must have a scheme and a host in lower case and no path, such as https://example.com"
    )]
    Origin(String),
    /// More than [`MAX_BLOCKED`].
    #[error("`blocked.{0}` has {1} entries, more than the {MAX_BLOCKED} allowed")]
    TooManyBlocked(&'static str, usize),
    /// Not a network.
    #[error("{0:?} in `blocked.networks` {1}")]
    BlockedNetwork(String, NetworkError),
    /// Not an origin.
    #[error("{0:?} in `blocked.origins` is not an origin such as https://example.com")]
    BlockedOrigin(String),
    /// Not an object of tiers.
    #[error("`retention` must be an object such as {{\"10s\":\"2d\",\"1d\":null}}")]
    Tiers,
    /// Not the name of a tier.
    #[error("unknown step {0:?} in `retention`; use 10s, 1m, 10m, 1h or 1d")]
    Tier(String),
    /// Not a duration.
    #[error("`{0}` must be a string with a number and a unit such as \"36h\" or \"30d\", not {1}")]
    Duration(&'static str, String),
    /// Not a retention.
    #[error("`retention`: {0}")]
    Retention(#[from] RetentionError),
    /// Beyond [`MIN_LATENESS_S`] or [`MAX_LATENESS_S`].
    #[error("`lateness` must be from 1m to 7d")]
    Lateness,
    /// A retention with which no tier keeps some accepted points.
    #[error(
        "`1d` in `retention` must be at least a day longer than `lateness`, or accepted points could never be read"
    )]
    KeptTooShort,
    /// More than [`MAX_DISTINCT`].
    #[error("`distinct` has {0} entries, more than the {MAX_DISTINCT} allowed at a time")]
    TooManyDistinct(usize),
    /// A label that can't be requested.
    #[error(
        "{0:?} in `distinct` is not a valid label name: it must have 1 to {MAX_NAME_BYTES} bytes, contain no control characters and no comma, and occur once"
    )]
    Distinct(String),
    /// Not 1 to [`MAX_SHARDS`].
    #[error("`shards` must be a whole number from 1 to {MAX_SHARDS}, not {0}")]
    Shards(u64),
    /// A number of shards that can't follow the current one.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Not 0 to [`MAX_MESSAGES_S`].
    #[error("`messages` in `retention` must be from \"0s\" to \"30d\"")]
    Messages,
    /// Not an object of limits.
    #[error("`limits` must be an object such as {{\"network_units_per_s\":500}}")]
    Limits,
    /// Not the name of a limit.
    #[error("unknown field {0:?} in `limits`; it can have {names}", names = Limit::names())]
    Limit(String),
    /// Beyond what a limit may be.
    #[error("`limits.{name}` must be a whole number from {least} to {most}, not {given}")]
    LimitRange {
        /// Its name.
        name: &'static str,
        /// The smallest value.
        least: u64,
        /// The largest value.
        most: u64,
        /// The value given, as JSON.
        given: String,
    },
    /// An invalid `forward`.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// Invalid rules.
    #[error(transparent)]
    Accept(#[from] AcceptError),
    /// An invalid `carbon`.
    #[error(transparent)]
    Carbon(#[from] CarbonError),
}
