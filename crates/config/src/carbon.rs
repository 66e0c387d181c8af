//! An owner's configuration for pushing to a carbon server, and its persisted form.

mod host;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use model::aggregate::Aggregate;

use super::stream::StreamConfig;
use model::aggregate_list::{AggregateError, parse_aggregates};

pub use host::{HostError, allowed_host};

/// The longest host name in bytes, as in the DNS.
pub const MAX_HOST_BYTES: usize = 253;
/// The longest prefix in bytes.
pub const MAX_PREFIX_BYTES: usize = 100;
/// The most aggregates: a bucket has a line for each of them per label set.
pub const MAX_AGGREGATES: usize = 8;

const DAY_S: i64 = 86_400;
const DEFAULT_INTERVAL_S: i64 = 60;
const MAX_INTERVAL_S: i64 = 3_600;
const DEFAULT_AGGREGATES: [&str; 2] = ["sum", "count"];
/// SMTP: no carbon listens there, and a deployment that connected there could be made to send mail.
const SMTP: u64 = 25;

/// Where buckets are sent, and in which form. Kept as one string, `host port interval prefix aggregates`, as a form
/// of its own would cost kilobytes of code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CarbonConfig {
    /// From [`allowed_host`].
    pub host: String,
    /// The port of its plaintext listener.
    pub port: u16,
    /// Comes before the stream's name, separated by a dot; may be empty.
    pub prefix: String,
    /// The width of a bucket: a multiple of 10 s that divides a day evenly.
    pub interval_s: i64,
    /// The names of the aggregates.
    pub aggregates: Vec<String>,
}

/// An owner's change to pushing; `None` turns it off. Sent as the string of the configuration, or an empty one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CarbonPatch(pub Option<CarbonConfig>);

/// Why a configuration of pushing is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarbonError {
    /// Not an object.
    #[error("`carbon` must be an object such as {{\"host\":\"carbon.example.com\",\"port\":2003}}, or null")]
    Shape,
    /// An unknown field.
    #[error("unknown field {0:?} in `carbon`; it can have host, port, prefix, interval_s and aggregates")]
    Unknown(String),
    /// Not a string. [`allowed_host`] decides whether it is allowed.
    #[error("`carbon.host` must be a string of 1 to {MAX_HOST_BYTES} bytes: a host name or address")]
    Host,
    /// Not a port.
    #[error("`carbon.port` must be a whole number from 1 to 65535, but not 25")]
    Port,
    /// Not a valid start of a name in Graphite.
    #[error(
        "`carbon.prefix` must be a string of at most {MAX_PREFIX_BYTES} letters, digits, `_` and `-`, with single dots between them"
    )]
    Prefix,
    /// Not a width.
    #[error(
        "`carbon.interval_s` must be a whole number from 10 to {MAX_INTERVAL_S}, a multiple of 10 that divides a day evenly, such as 10, 60 or 300"
    )]
    Interval,
    /// Not a list of names, or too many.
    #[error(
        "`carbon.aggregates` must be a list of 1 to {MAX_AGGREGATES} names of aggregates, such as [\"sum\",\"count\"]"
    )]
    Aggregates,
    /// Not an aggregate.
    #[error("`carbon.aggregates`: {0}")]
    Aggregate(#[from] AggregateError),
    /// A label whose distinct values are not counted.
    #[error("`carbon.aggregates` has `distinct:{0}`, but the stream's `distinct` does not list this label")]
    NotCounted(String),
    /// A stream with several shards, none of which has whole buckets.
    #[error("`carbon` requires a stream with `shards` of 1: with more, no shard has whole buckets")]
    Shards,
}

impl CarbonPatch {
    /// Parses an owner's `carbon`. An optional field may be null.
    ///
    /// # Errors
    /// See [`CarbonError`].
    pub fn parse(owners: &Value) -> Result<Self, CarbonError> {
        if owners.is_null() {
            return Ok(Self(None));
        }
        let fields = owners.as_object().ok_or(CarbonError::Shape)?;
        let is_known = |key: &&String| matches!(key.as_str(), "host" | "port" | "prefix" | "interval_s" | "aggregates");
        if let Some(unknown) = fields.keys().find(|key| !is_known(key)) {
            return Err(CarbonError::Unknown(unknown.clone()));
        }
        let host = given(fields, "host").and_then(Value::as_str);
        let host = host.filter(|host| (1..=MAX_HOST_BYTES).contains(&host.len())).ok_or(CarbonError::Host)?;
        let port = given(fields, "port").and_then(Value::as_u64).filter(|port| ![0, SMTP].contains(port));
        let interval_s = given(fields, "interval_s").map_or(Some(DEFAULT_INTERVAL_S), Value::as_i64);
        let prefix = given(fields, "prefix").map_or(Some(""), Value::as_str);
        Ok(Self(Some(CarbonConfig {
            host: host.to_owned(),
            port: port.and_then(|port| u16::try_from(port).ok()).ok_or(CarbonError::Port)?,
            prefix: prefix.filter(|prefix| is_prefix(prefix)).ok_or(CarbonError::Prefix)?.to_owned(),
            interval_s: interval_s.filter(|interval_s| is_interval(*interval_s)).ok_or(CarbonError::Interval)?,
            aggregates: aggregates(given(fields, "aggregates"))?,
        })))
    }
}

impl From<CarbonConfig> for String {
    fn from(CarbonConfig { host, port, prefix, interval_s, aggregates }: CarbonConfig) -> Self {
        [&host, &port.to_string(), &interval_s.to_string(), &prefix, &aggregates.join(",")]
            .map(String::as_str)
            .join(" ")
    }
}

impl TryFrom<String> for CarbonConfig {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut parts = text.splitn(5, ' ');
        let mut next = || parts.next().ok_or("no carbon");
        let (host, port, interval_s, prefix, aggregates) = (next()?, next()?, next()?, next()?, next()?);
        Ok(Self {
            host: host.to_owned(),
            port: port.parse().map_err(|_| "no port")?,
            prefix: prefix.to_owned(),
            interval_s: interval_s.parse().map_err(|_| "not an interval")?,
            aggregates: aggregates.split(',').map(str::to_owned).collect(),
        })
    }
}

impl From<CarbonPatch> for String {
    fn from(CarbonPatch(config): CarbonPatch) -> Self {
        config.map(Self::from).unwrap_or_default()
    }
}

impl TryFrom<String> for CarbonPatch {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(Self(if text.is_empty() { None } else { Some(text.try_into()?) }))
    }
}

impl CarbonConfig {
    /// Whether both send to the same carbon server.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }

    /// The aggregates that a bucket has lines of. Labels whose values are counted are numbered in the order of the
    /// list.
    #[must_use]
    pub fn aggregates(&self) -> Vec<Aggregate> {
        parse_aggregates(&self.aggregates.join(",")).unwrap_or_default()
    }

    /// The JSON that the owner sees.
    #[must_use]
    pub fn view(&self) -> Value {
        let Self { host, port, prefix, interval_s, aggregates } = self;
        json!({ "host": host, "port": port, "prefix": prefix, "interval_s": interval_s, "aggregates": aggregates })
    }
}

/// Checks pushing against the rest of a configuration.
///
/// # Errors
/// [`CarbonError::Shards`] and [`CarbonError::NotCounted`]
pub fn check(config: &StreamConfig) -> Result<(), CarbonError> {
    let Some(carbon) = &config.carbon else { return Ok(()) };
    if config.layout.shards() > 1 {
        return Err(CarbonError::Shards);
    }
    let labels = carbon.aggregates.iter().filter_map(|name| name.strip_prefix("distinct:"));
    let mut unknown = labels.filter(|label| !config.distinct.iter().any(|counted| counted == label));
    unknown.next().map_or(Ok(()), |label| Err(CarbonError::NotCounted(label.to_owned())))
}

fn given<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn is_prefix(prefix: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let is_node = |node: &str| !node.is_empty() && node.bytes().all(is_plain);
    prefix.len() <= MAX_PREFIX_BYTES && (prefix.is_empty() || prefix.split('.').all(is_node))
}

fn is_interval(interval_s: i64) -> bool {
    (10..=MAX_INTERVAL_S).contains(&interval_s) && interval_s % 10 == 0 && DAY_S % interval_s == 0
}

/// Without duplicates, under their shortest names.
fn aggregates(given: Option<&Value>) -> Result<Vec<String>, CarbonError> {
    let Some(given) = given else { return Ok(DEFAULT_AGGREGATES.map(str::to_owned).to_vec()) };
    let names: Option<Vec<&str>> = given.as_array().and_then(|names| names.iter().map(Value::as_str).collect());
    let names = names.filter(|names| (1..=MAX_AGGREGATES).contains(&names.len())).ok_or(CarbonError::Aggregates)?;
    let mut parsed = Vec::new();
    for name in names {
        // One by one, as a comma in a name would split it.
        let [aggregate] = &parse_aggregates(name)?[..] else { return Err(CarbonError::Aggregates) };
        let name = aggregate.name().into_owned();
        if !parsed.contains(&name) {
            parsed.push(name);
        }
    }
    parse_aggregates(&parsed.join(","))?;
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<CarbonConfig, CarbonError> {
        let CarbonPatch(config) = CarbonPatch::parse(&serde_json::from_str(text).expect("JSON"))?;
        Ok(config.expect("an object"))
    }

    /// Parses a configuration with these additional fields.
    fn with(fields: &str) -> Result<CarbonConfig, CarbonError> {
        parse(&format!(r#"{{"host":"carbon.example","port":2003,{fields}}}"#))
    }

    #[test]
    fn a_host_and_a_port_are_all_that_is_needed() {
        let plain = CarbonConfig {
            host: "carbon.example".into(),
            port: 2003,
            prefix: String::new(),
            interval_s: 60,
            aggregates: vec!["sum".into(), "count".into()],
        };
        assert_eq!(parse(r#"{"host":"carbon.example","port":2003}"#).as_ref(), Ok(&plain));
        assert_eq!(with(r#""prefix":null,"interval_s":null,"aggregates":null"#).as_ref(), Ok(&plain));
        assert_eq!(with(r#""prefix":"""#).as_ref(), Ok(&plain));
        assert_eq!(CarbonPatch::parse(&Value::Null), Ok(CarbonPatch(None)));
    }

    #[test]
    fn limits_are_accepted_and_nothing_beyond() {
        for interval_s in [10, 20, 30, 50, 60, 90, 300, 3_600] {
            assert_eq!(with(&format!(r#""interval_s":{interval_s}"#)).expect("valid").interval_s, interval_s);
        }
        for interval in ["0", "5", "15", "70", "-10", "3610", "7200", "10.5", r#""1m""#, "[]"] {
            assert_eq!(with(&format!(r#""interval_s":{interval}"#)), Err(CarbonError::Interval), "{interval}");
        }
        for prefix in ["a", "stats.web-1.a_b", &"x".repeat(MAX_PREFIX_BYTES)] {
            assert_eq!(with(&format!(r#""prefix":"{prefix}""#)).expect("valid").prefix, prefix);
        }
        for prefix in [".", "a.", ".a", "a..b", "a b", "a;b=c", "ü", "a/b", "a\\n", &"x".repeat(MAX_PREFIX_BYTES + 1)]
        {
            assert_eq!(with(&format!(r#""prefix":"{prefix}""#)), Err(CarbonError::Prefix), "{prefix}");
        }
        for port in ["0", "25", "65536", "-1", "2003.5", r#""2003""#, "null"] {
            assert_eq!(parse(&format!(r#"{{"host":"a","port":{port}}}"#)), Err(CarbonError::Port), "{port}");
        }
        for host in ["null", "7", r#""""#, &format!("{:?}", "x".repeat(254))] {
            assert_eq!(parse(&format!(r#"{{"host":{host},"port":1}}"#)), Err(CarbonError::Host), "{host}");
        }
    }

    #[test]
    fn aggregates_are_unique_and_have_their_shortest_names() {
        let names = |list: &str| with(&format!(r#""aggregates":{list}"#)).map(|config| config.aggregates);
        assert_eq!(
            names(r#"["max","p99.90","p99.9","distinct:a b","max"]"#).expect("valid"),
            ["max", "p99.9", "distinct:a b"]
        );
        for list in ["[]", "{}", r#""sum""#, "[1]", r#"["sum,count"]"#, &format!("{:?}", vec!["sum"; 9])] {
            assert_eq!(names(list), Err(CarbonError::Aggregates), "{list}");
        }
        let message = names(r#"["sum","p100"]"#).expect_err("none").to_string();
        assert!(message.starts_with(r#"`carbon.aggregates`: unknown aggregate "p100""#), "{message}");
        let five = r#"["distinct:a","distinct:b","distinct:c","distinct:d","distinct:e"]"#;
        assert_eq!(names(five), Err(CarbonError::Aggregate(AggregateError::TooManyDistinct)));
    }

    #[test]
    fn an_error_names_what_is_wrong() {
        let named = |text: &str, start: &str| {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.starts_with(start), "{text}: {message}");
        };
        named("[]", "`carbon` must be an object");
        named(r#"{"hots":1}"#, "unknown field \"hots\" in `carbon`");
        named(r#"{"port":1}"#, "`carbon.host` must be");
        named(r#"{"host":"a"}"#, "`carbon.port` must be");
    }

    #[test]
    fn the_persisted_form_is_pinned() {
        let config = with(r#""interval_s":10,"aggregates":["sum","distinct:a b"]"#).expect("valid");
        let pinned = r#""carbon.example 2003 10  sum,distinct:a b""#;
        assert_eq!(serde_json::to_string(&config).expect("serialises"), pinned);
        assert_eq!(serde_json::from_str::<CarbonConfig>(pinned).expect("reads"), config);
        for patch in [CarbonPatch(None), CarbonPatch(with(r#""prefix":"a.b""#).ok())] {
            let sent = serde_json::to_string(&patch).expect("serialises");
            assert_eq!(serde_json::from_str::<CarbonPatch>(&sent).expect("reads"), patch, "{sent}");
        }
        for broken in ["\"a 1 10 p\"", "\"a x 10 p sum\"", "7", "\"a 1 x p sum\""] {
            assert!(serde_json::from_str::<CarbonConfig>(broken).is_err(), "{broken}");
        }
        assert_eq!(parse(&config.view().to_string()), Ok(config), "what is shown can be sent");
    }
}
