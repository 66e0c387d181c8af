//! `limits` of a stream: how much open writers and write keys may use over time, and how much disk space it may
//! have.
//!
//! Owners see an object of integers; absent ones stay as they are, and null restores the default. Only values that
//! differ from their defaults are kept, so that a default can change. See `model::gcra` for budgets.

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::stream::ConfigError;

/// A limit. Each budget also has a burst, which is what drains in the time given here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Units for all open writers together; a burst is half a minute's worth.
    OpenUnitsPerS,
    /// Units for one network; a burst is 2 minutes' worth.
    NetworkUnitsPerS,
    /// Units for one write key; a burst is 10 minutes' worth.
    KeyUnitsPerS,
    /// Late places that all open writers touch together; a burst is half an hour's worth, also for a network.
    OpenLatePerHour,
    /// Late places that a network touches.
    NetworkLatePerHour,
    /// Late places that a write key touches; a burst is half an hour's worth.
    KeyLatePerHour,
    /// New series that all open writers create together.
    NewSeriesPerHour,
    /// New series that a network creates.
    NetworkNewSeriesPerHour,
    /// New label names that all open writers create together.
    NewNamesPerHour,
    /// Bytes by which open writers let the stream grow on disk; a burst is 2 days' worth.
    DiskBytesPerDay,
    /// The stream's disk space in bytes, divided over its shards. From half of it on, open writers get less; they
    /// get nothing from 85 % on, and write keys nothing from 95 % on. At most what the platform allows an object.
    StorageBytes,
}

/// The name of a limit, its default, and its range.
struct Kind {
    name: &'static str,
    default: u64,
    least: u64,
    most: u64,
}

const COUNT: usize = 11;

impl Limit {
    /// All limits, in the order in which they are shown.
    pub const ALL: [Self; COUNT] = [
        Self::OpenUnitsPerS,
        Self::NetworkUnitsPerS,
        Self::KeyUnitsPerS,
        Self::OpenLatePerHour,
        Self::NetworkLatePerHour,
        Self::KeyLatePerHour,
        Self::NewSeriesPerHour,
        Self::NetworkNewSeriesPerHour,
        Self::NewNamesPerHour,
        Self::DiskBytesPerDay,
        Self::StorageBytes,
    ];

    /// All names, separated by commas.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(|limit| limit.kind().name).join(", ")
    }

    fn kind(self) -> Kind {
        let kind = |name, default, least, most| Kind { name, default, least, most };
        match self {
            // An object handles less than a million units per second, so this is as good as no limit.
            Self::OpenUnitsPerS => kind("open_units_per_s", 10_000, 0, MILLION),
            Self::NetworkUnitsPerS => kind("network_units_per_s", 500, 0, MILLION),
            Self::KeyUnitsPerS => kind("key_units_per_s", 5_000, 1, MILLION),
            Self::OpenLatePerHour => kind("open_late_places_per_hour", 6_000, 0, MILLION),
            Self::NetworkLatePerHour => kind("network_late_places_per_hour", 600, 0, MILLION),
            Self::KeyLatePerHour => kind("key_late_places_per_hour", 6_000, 0, MILLION),
            Self::NewSeriesPerHour => kind("new_series_per_hour", 5_000, 0, MILLION),
            Self::NetworkNewSeriesPerHour => kind("network_new_series_per_hour", 600, 0, MILLION),
            Self::NewNamesPerHour => kind("new_names_per_hour", 64, 0, 1_000),
            Self::DiskBytesPerDay => kind("disk_bytes_per_day", 500 * MILLION, 0, MILLION * MILLION),
            Self::StorageBytes => kind("storage_bytes", 10_000 * MILLION, MILLION, MILLION * MILLION),
        }
    }
}

const MILLION: u64 = 1_000_000;

/// The limits of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits([u64; COUNT]);

impl Default for Limits {
    fn default() -> Self {
        Self(Limit::ALL.map(|limit| limit.kind().default))
    }
}

impl Limits {
    /// The value of a limit.
    #[must_use]
    pub fn get(&self, limit: Limit) -> u64 {
        self.0[limit as usize]
    }

    /// Whether all are the defaults.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The limits after an owner's changes.
    ///
    /// # Errors
    /// [`ConfigError::Limits`] if this is not an object, [`ConfigError::Limit`] for an unknown name, and
    /// [`ConfigError::LimitRange`]
    pub fn changed(mut self, changes: &Value) -> Result<Self, ConfigError> {
        for (name, value) in changes.as_object().ok_or(ConfigError::Limits)? {
            let limit = named(name).ok_or_else(|| ConfigError::Limit(name.clone()))?;
            let Kind { name, default, least, most } = limit.kind();
            let number = if value.is_null() { Some(default) } else { value.as_u64() };
            let number = number.filter(|number| (least..=most).contains(number));
            let wrong = || ConfigError::LimitRange { name, least, most, given: value.to_string() };
            self.0[limit as usize] = number.ok_or_else(wrong)?;
        }
        Ok(self)
    }

    /// The JSON that the owner sees, with all limits.
    #[must_use]
    pub fn view(&self) -> Map<String, Value> {
        Limit::ALL.into_iter().map(|limit| (limit.kind().name.to_owned(), self.get(limit).into())).collect()
    }
}

fn named(name: &str) -> Option<Limit> {
    Limit::ALL.into_iter().find(|limit| limit.kind().name == name)
}

impl Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for limit in Limit::ALL {
            let Kind { name, default, .. } = limit.kind();
            if self.get(limit) != default {
                map.serialize_entry(name, &self.get(limit))?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Limits {
    /// Ignores limits that only a later version knows.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut limits = Self::default();
        for (name, value) in Map::<String, Value>::deserialize(deserializer)? {
            if let (Some(limit), Some(value)) = (named(&name), value.as_u64()) {
                limits.0[limit as usize] = value;
            }
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changed(limits: Limits, changes: &Value) -> Result<Limits, String> {
        limits.changed(changes).map_err(|error| error.to_string())
    }

    #[test]
    fn each_limit_is_at_its_index() {
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            let Kind { default, least, most, .. } = limit.kind();
            assert_eq!(limit as usize, index);
            assert!((least..=most).contains(&default));
        }
    }

    #[test]
    fn absent_limits_stay_and_null_restores_the_default() {
        let limits = changed(Limits::default(), &json!({ "network_units_per_s": 7, "storage_bytes": 2_000_000 }));
        let limits = limits.expect("valid");
        assert_eq!((limits.get(Limit::NetworkUnitsPerS), limits.get(Limit::OpenUnitsPerS)), (7, 10_000));
        let limits = changed(limits, &json!({ "network_units_per_s": null, "new_names_per_hour": 0 })).expect("valid");
        let of = [Limit::NetworkUnitsPerS, Limit::NewNamesPerHour, Limit::StorageBytes].map(|limit| limits.get(limit));
        assert_eq!(of, [500, 0, 2_000_000]);
        assert_eq!(limits.view()["storage_bytes"], 2_000_000);
        assert_eq!(limits.view().len(), COUNT);
    }

    #[test]
    fn an_error_names_the_field_and_the_allowed_range() {
        let error = |changes: &Value| changed(Limits::default(), changes).expect_err("is wrong");
        assert_eq!(error(&json!(7)), "`limits` must be an object such as {\"network_units_per_s\":500}");
        assert!(
            error(&json!({ "units": 1 }))
                .starts_with("unknown field \"units\" in `limits`; it can have open_units_per_s, ")
        );
        for wrong in [json!(0), json!(-1), json!(1.5), json!("1"), json!([1]), json!(1_000_001)] {
            let message = format!("`limits.key_units_per_s` must be a whole number from 1 to 1000000, not {wrong}");
            assert_eq!(error(&json!({ "key_units_per_s": wrong })), message);
        }
    }

    #[test]
    fn the_persisted_form_is_pinned_and_omits_defaults() {
        let kept = |limits: &Limits| serde_json::to_string(limits).expect("serialises");
        assert_eq!(kept(&Limits::default()), "{}");
        let limits =
            changed(Limits::default(), &json!({ "disk_bytes_per_day": 1, "open_units_per_s": 2 })).expect("valid");
        assert_eq!(kept(&limits), r#"{"open_units_per_s":2,"disk_bytes_per_day":1}"#);
        let read: Limits =
            serde_json::from_str(r#"{"open_units_per_s":2,"disk_bytes_per_day":1,"later":{}}"#).expect("reads");
        assert_eq!(read, limits);
    }
}
