//! A stream's configuration, as the object and KV keep it, and what can be wrong with it.

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

/// A request of the owner has at most this many bytes.
pub const MAX_OWNER_BODY_BYTES: usize = 16 << 10;
/// A name has 1 to this many bytes.
pub const MAX_STREAM_NAME_BYTES: usize = 100;
/// An allow-list has at most this many origins.
pub const MAX_ORIGINS: usize = 50;
/// An origin has at most this many bytes.
pub const MAX_ORIGIN_BYTES: usize = 300;

/// Points may be late by at least this; they always travel for a while.
pub const MIN_LATENESS_S: i64 = 60;
/// Points may be late by at most this: each hour of it is a chunk more that sealing may have to add to.
pub const MAX_LATENESS_S: i64 = 7 * 86_400;

/// Messages can be read for a day, unless the owner says otherwise.
pub const DEFAULT_MESSAGES_S: i64 = 86_400;
/// Messages can be read for at most this long; they are bounded in bytes as well.
pub const MAX_MESSAGES_S: i64 = 30 * 86_400;

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
    /// Messages can be read for so many seconds.
    #[serde(default = "default_messages_s")]
    pub messages_s: i64,
    /// Where points are forwarded to; the token is not here.
    #[serde(default)]
    pub forward: Option<ForwardConfig>,
    /// Where buckets are pushed to.
    #[serde(default)]
    pub carbon: Option<CarbonConfig>,
    /// What writers may take of it.
    #[serde(default, skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,
    /// Which writers it takes.
    #[serde(default, skip_serializing_if = "Writers::is_default")]
    pub writers: Writers,
    /// Where open writers are refused.
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
    /// Whether a request from this origin may write. Without an `Origin` it is no browser's and may.
    #[must_use]
    pub fn admits(&self, origin: Option<&str>) -> bool {
        self.origins.is_empty() || origin.is_none_or(|origin| self.origins.iter().any(|allowed| allowed == origin))
    }
}

/// Whether these labels can be counted.
pub(super) fn check_distinct(names: &[String]) -> Result<(), ConfigError> {
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

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON, or not of this shape.
    #[error("the body is no valid configuration: {0}")]
    Shape(String),
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
    /// More than [`MAX_BLOCKED`].
    #[error("`blocked.{0}` has {1} entries, at most {MAX_BLOCKED} are allowed")]
    TooManyBlocked(&'static str, usize),
    /// Not a network.
    #[error("{0:?} in `blocked.networks` {1}")]
    BlockedNetwork(String, NetworkError),
    /// Not an origin.
    #[error("{0:?} in `blocked.origins` is no origin such as https://example.com")]
    BlockedOrigin(String),
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
    /// Not 0 to [`MAX_MESSAGES_S`].
    #[error("`messages` in `retention` must be from \"0s\" to \"30d\"")]
    Messages,
    /// Not an object of limits.
    #[error("`limits` must be an object such as {{\"network_units_per_s\":500}}")]
    Limits,
    /// Not the name of a limit.
    #[error("unknown field {0:?} in `limits`; it knows {names}", names = Limit::names())]
    Limit(String),
    /// Beyond what a limit may be.
    #[error("`limits.{name}` must be a whole number from {least} to {most}, not {given}")]
    LimitRange {
        /// Which.
        name: &'static str,
        /// From here,
        least: u64,
        /// to here,
        most: u64,
        /// and not this JSON.
        given: String,
    },
    /// Not a forwarding.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// Not rules.
    #[error(transparent)]
    Accept(#[from] AcceptError),
    /// Not a carbon.
    #[error(transparent)]
    Carbon(#[from] CarbonError),
}
