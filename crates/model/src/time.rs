//! Times and durations as people write them in a query.

use chrono::{DateTime, Datelike, Timelike};

/// Why a time or duration is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not one of the forms of a time.
    #[error(
        "{0:?} is not a time: use Unix seconds, RFC 3339 such as 2026-11-23T12:00:00Z, `now`, or a time ago such as -90s, -1h or -7d"
    )]
    Time(String),
    /// Not one of the forms of a duration.
    #[error("{0:?} is not a duration: use seconds or a number with a unit, such as 10s, 5m, 1h, 1d or 1w")]
    Duration(String),
}

/// Times are within +-this many seconds of 1970, so that no arithmetic on them overflows: the year 5138.
const MAX_S: i64 = 100_000_000_000;

/// Unix seconds (fractions allowed), RFC 3339, `now`, or relative to now such as `-1h`; all in Unix milliseconds.
///
/// # Errors
/// [`TimeError::Time`]
pub fn parse_time_ms(text: &str, now_ms: i64) -> Result<i64, TimeError> {
    let relative = || text.strip_prefix('-').and_then(duration_s).map(|ago_s| now_ms - ago_s * 1000);
    let absolute = || DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis());
    let now = (text == "now").then_some(now_ms);
    let time = now.or_else(|| unix_ms(text)).or_else(relative).or_else(absolute);
    time.filter(|ms| ms.abs() <= MAX_S * 1000).ok_or_else(|| TimeError::Time(text.to_owned()))
}

/// Seconds, or a number with a unit: `10s`, `5m`, `1h`, `1d`, `1w`.
///
/// # Errors
/// [`TimeError::Duration`]
pub fn parse_duration(text: &str) -> Result<i64, TimeError> {
    let seconds = text.parse().ok().filter(|seconds| (0..=MAX_S).contains(seconds));
    seconds.or_else(|| duration_s(text)).ok_or_else(|| TimeError::Duration(text.to_owned()))
}

/// Formats a duration as [`parse_duration`] reads it, in the largest unit that divides it: `36h`.
#[must_use]
pub fn duration_text(seconds: i64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let (unit_s, unit) = units.into_iter().find(|(unit_s, _)| seconds % unit_s == 0).unwrap_or((1, "s"));
    format!("{}{unit}", seconds / unit_s)
}

/// Formats a time as app.net and RFC 3339 do: `2026-11-23T12:00:00Z`.
#[must_use]
pub fn date_text(seconds: i64) -> String {
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[expect(clippy::cast_possible_truncation, reason = "bounded first")]
#[expect(clippy::cast_precision_loss, reason = "10^12 is exact")]
fn unix_ms(text: &str) -> Option<i64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds: f64 = text.parse().ok().filter(|_| is_number)?;
    (seconds <= MAX_S as f64).then_some((seconds * 1000.0).round() as i64)
}

fn duration_s(text: &str) -> Option<i64> {
    let unit_at = text.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let unit_s = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit_s).filter(|seconds| *seconds <= MAX_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_792_540_800_000;

    #[test]
    fn times_are_parsed_in_all_forms() {
        for (text, wanted) in [
            ("now", NOW),
            ("1792540800", NOW),
            ("1792540800.9", NOW + 900),
            ("-90s", NOW - 90_000),
            ("-5m", NOW - 300_000),
            ("-1h", NOW - 3_600_000),
            ("-7d", NOW - 7 * 86_400_000),
            ("2026-10-20T20:00:00Z", 1_792_526_400_000),
            ("2026-10-20T22:00:00.5+02:00", 1_792_526_400_500),
        ] {
            assert_eq!(parse_time_ms(text, NOW), Ok(wanted), "{text}");
        }
        for text in
            ["", "yesterday", "1h", "-1", "-h", "-1y", "1e9", "inf", "9999999999999", "-99999999999999d", "2026-10-20"]
        {
            assert!(parse_time_ms(text, NOW).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_parsed_in_all_forms() {
        for (text, wanted) in [("10s", 10), ("5m", 300), ("1h", 3600), ("1d", 86_400), ("1w", 604_800), ("60", 60)] {
            assert_eq!(parse_duration(text), Ok(wanted), "{text}");
        }
        for text in ["", "s", "-10s", "1.5h", "10 s", "1y", "-5"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_date_is_formatted_as_it_is_parsed() {
        assert_eq!(date_text(0), "1970-01-01T00:00:00Z");
        assert_eq!(date_text(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(parse_time_ms(&date_text(NOW / 1000), NOW), Ok(NOW));
    }
}
