//! How owners write and read a retention, and its persisted form.
//!
//! Owners see an object of tiers, `{"10s":"2d","1d":null}`; the persisted form is `[for_s, from_s, ..]` in the
//! order of the tiers, each a number or null.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::{Map, Value};

use model::retention::{Retention, TierRetention};
use model::tier::Tier;

use super::stream::ConfigError;
use model::time::{duration_text, parse_duration};

/// Parses how long to keep tiers, in seconds.
///
/// # Errors
/// [`ConfigError::Tiers`], [`ConfigError::Tier`] and [`ConfigError::Duration`]
pub fn changes(owners: &Value) -> Result<Vec<(Tier, Option<i64>)>, ConfigError> {
    let change = |(name, value): (&String, &Value)| {
        let tier = Tier::ALL.into_iter().find(|tier| tier.name() == name);
        let tier = tier.ok_or_else(|| ConfigError::Tier(name.clone()))?;
        let for_s = if value.is_null() { None } else { Some(duration(tier.name(), value)?) };
        Ok((tier, for_s))
    };
    owners.as_object().ok_or(ConfigError::Tiers)?.iter().map(change).collect()
}

/// Parses the seconds of a duration.
///
/// # Errors
/// [`ConfigError::Duration`]
pub fn duration(name: &'static str, value: &Value) -> Result<i64, ConfigError> {
    let seconds = value.as_str().and_then(|text| parse_duration(text).ok());
    seconds.ok_or_else(|| ConfigError::Duration(name, value.to_string()))
}

/// The JSON that the owner sees.
#[must_use]
pub fn view(retention: &Retention) -> Map<String, Value> {
    let kept = |tier| Value::from(retention.kept_s(tier).map(duration_text));
    Tier::ALL.into_iter().map(|tier| (tier.name().to_owned(), kept(tier))).collect()
}

/// Writes the persisted form.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(retention: &Retention, serializer: S) -> Result<S::Ok, S::Error> {
    let numbers = retention.tiers().iter().flat_map(|TierRetention { for_s, from_s }| [for_s, from_s]);
    serializer.collect_seq(numbers)
}

/// Reads the persisted form.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Retention, D::Error> {
    let numbers = Vec::<Option<i64>>::deserialize(deserializer)?;
    let mut pairs = numbers.chunks_exact(2).map(|pair| TierRetention { for_s: pair[0], from_s: pair[1] });
    let tiers = Tier::ALL.map(|_| pairs.next());
    let is_whole = tiers.iter().all(Option::is_some);
    let tiers = tiers.map(|kept| kept.unwrap_or(TierRetention { for_s: None, from_s: None }));
    if is_whole { Ok(Retention::from_tiers(tiers)) } else { Err(D::Error::custom("a retention of other tiers")) }
}
