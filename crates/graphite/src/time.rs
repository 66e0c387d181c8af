//! Times in Graphite's syntax (`attime`): `-1h`, `now-30min`, `noon yesterday`, `18:05_20261020`, `monday`, epochs.
//!
//! Source: graphite-web 1.1.10, `render/attime.py`.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, Timelike};

use super::error::{Result, refuse};

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// The longest duration, 3,000 years, so that no arithmetic on times overflows.
const MAX_OFFSET_S: i64 = 100_000_000_000;
/// The longest string that is parsed as a time.
const MAX_BYTES: usize = 100;

/// How far local time is ahead of UTC at a Unix second, in seconds.
pub type Zone<'a> = &'a dyn Fn(i64) -> i64;

/// Parses a time to a Unix second.
///
/// # Errors
/// If the string is not a time.
pub fn parse_time(text: &str, now_s: i64, zone: Zone<'_>) -> Result<i64> {
    let clean: String = text.trim().to_lowercase().chars().filter(|char| !"_, ".contains(*char)).collect();
    if clean.len() > MAX_BYTES {
        return refuse("a time can have at most 100 bytes");
    }
    if is_digits(&clean) && !is_date(&clean) {
        let seconds = clean.parse().ok().filter(|seconds| *seconds < MAX_OFFSET_S);
        return seconds.map_or_else(|| refuse(format!("the time {text:?} must be before {MAX_OFFSET_S}")), Ok);
    }
    let split = clean.find('+').or_else(|| clean.find('-')).unwrap_or(clean.len());
    let (reference, offset) = clean.split_at(split);
    let Some(at_s) = reference_s(reference, now_s, zone) else {
        return refuse(format!("Unknown day reference: {text}"));
    };
    Ok(at_s + offset_s(offset)?)
}

/// Parses a duration with or without a sign, such as `-1h30min`, to seconds.
///
/// # Errors
/// If the string is not a duration.
pub fn offset_s(text: &str) -> Result<i64> {
    let invalid =
        || refuse(format!("Invalid interval: {text:?}; it is a number with a unit (s, min, h, d, w, mon, y)"));
    let mut rest = text;
    let mut sign = 1;
    if let Some(unsigned) = text.strip_prefix(['+', '-']) {
        sign = if text.starts_with('-') { -1 } else { 1 };
        rest = unsigned;
    }
    let mut total = 0i64;
    while !rest.is_empty() {
        let unit_at = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(unit_at);
        let next_at = behind.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(next_at);
        rest = behind;
        let Some(unit_s) = unit_s(unit) else { return invalid() };
        let added = number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit_s));
        let sum = added.and_then(|added| total.checked_add(added)).filter(|sum| *sum <= MAX_OFFSET_S);
        let Some(sum) = sum else { return invalid() };
        total = sum;
    }
    Ok(sign * total)
}

/// The seconds of a unit, which may be abbreviated or not: `s`, `min`, `hours`, `mon`.
pub(super) fn unit_s(unit: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 7] =
        [("s", 1), ("min", 60), ("h", 3600), ("d", 86_400), ("w", 604_800), ("mon", 2_592_000), ("y", 31_536_000)];
    UNITS.iter().find(|(prefix, _)| unit.starts_with(prefix)).map(|(_, seconds)| *seconds)
}

/// Local time at a Unix second.
pub(super) fn local(at_s: i64, zone: Zone<'_>) -> NaiveDateTime {
    DateTime::from_timestamp(at_s + zone(at_s), 0).unwrap_or_default().naive_utc()
}

/// The Unix second of a local time.
pub(super) fn unix_s(local: NaiveDateTime, zone: Zone<'_>) -> i64 {
    let local_s = local.and_utc().timestamp();
    let guess_s = local_s - zone(local_s);
    local_s - zone(guess_s)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether these are eight digits that can be `YYYYMMDD`.
fn is_date(digits: &str) -> bool {
    let part = |range: std::ops::Range<usize>| digits[range].parse::<u32>().unwrap_or(u32::MAX);
    digits.len() == 8 && part(0..4) > 1900 && part(4..6) < 13 && part(6..8) < 32
}

fn reference_s(reference: &str, now_s: i64, zone: Zone<'_>) -> Option<i64> {
    if reference.is_empty() || reference == "now" {
        return Some(now_s);
    }
    let ((hour, minute), day) = time_of_day(reference)?;
    let today = local(now_s, zone).date();
    Some(unix_s(day_of(day, today)?.and_hms_opt(hour, minute, 0)?, zone))
}

/// The hour and minute at the start of a reference, and the rest.
fn time_of_day(reference: &str) -> Option<((u32, u32), &str)> {
    let (mut hour, mut minute, mut rest) = (0, 0, reference);
    let found = |rest: &str, mark: &str| rest.find(mark).filter(|at| (1..3).contains(at));
    if let Some(at) = found(rest, ":") {
        hour = rest[..at].parse().ok()?;
        minute = rest.get(at + 1..at + 3)?.parse().ok()?;
        rest = &rest[at + 3..];
        if let Some(behind) = rest.strip_prefix("am") {
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix("pm") {
            (hour, rest) = ((hour + 12) % 24, behind);
        }
    }
    if let Some(at) = found(rest, "am") {
        (hour, rest) = (rest[..at].parse().ok()?, &rest[at + 2..]);
    }
    if let Some(at) = found(rest, "pm") {
        (hour, rest) = ((rest[..at].parse::<u32>().ok()? + 12) % 24, &rest[at + 2..]);
    }
    for (name, named) in [("noon", 12), ("midnight", 0), ("teatime", 16)] {
        if let Some(behind) = rest.strip_prefix(name) {
            return Some(((named, 0), behind));
        }
    }
    Some(((hour, minute), rest))
}

fn day_of(text: &str, today: NaiveDate) -> Option<NaiveDate> {
    match text {
        "" | "today" => return Some(today),
        "yesterday" => return today.checked_sub_days(Days::new(1)),
        "tomorrow" => return today.checked_add_days(Days::new(1)),
        _ => (),
    }
    let parts: Vec<&str> = text.split('/').collect();
    if let [month, day, year] = parts.as_slice() {
        let year: i32 = year.parse().ok()?;
        let year = if year < 1900 { year.checked_add(1900)? } else { year };
        let year = if year < 1970 { year + 100 } else { year };
        return NaiveDate::from_ymd_opt(year, month.parse().ok()?, day.parse().ok()?);
    }
    if text.len() == 8 && is_digits(text) {
        return NaiveDate::from_ymd_opt(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?);
    }
    let name = text.get(..3)?;
    if let Some(month) = MONTHS.iter().position(|month| *month == name) {
        let digits = text.len() - text.bytes().rev().take(2).take_while(u8::is_ascii_digit).count();
        return NaiveDate::from_ymd_opt(today.year(), u32::try_from(month).ok()? + 1, text[digits..].parse().ok()?);
    }
    let weekday = WEEKDAYS.iter().position(|weekday| *weekday == name)?;
    let back = (u64::from(today.weekday().num_days_from_sunday()) + 7 - weekday as u64) % 7;
    today.checked_sub_days(Days::new(back))
}

/// A Unix second in the format of CSV: `2026-10-20 20:00:00`.
pub(super) fn csv_text(at_s: i64, zone: Zone<'_>) -> String {
    let time = local(at_s, zone);
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tuesday, 20 October 2026, 20:00:00 UTC.
    const NOW: i64 = 1_792_526_400;
    const MIDNIGHT: i64 = NOW - 20 * 3600;

    fn utc(text: &str) -> Option<i64> {
        parse_time(text, NOW, &|_| 0).ok()
    }

    #[test]
    fn times_are_parsed_in_all_forms() {
        for (text, wanted) in [
            ("now", NOW),
            ("", NOW),
            ("1792526401", NOW + 1),
            ("-1h", NOW - 3600),
            ("now-30min", NOW - 1800),
            ("now + 1h30min", NOW + 5400),
            ("-1mon", NOW - 30 * 86_400),
            ("-1y2weeks", NOW - 379 * 86_400),
            ("today", MIDNIGHT),
            ("midnight", MIDNIGHT),
            ("noon yesterday", MIDNIGHT - 43_200),
            ("teatime", MIDNIGHT + 57_600),
            ("8am", MIDNIGHT + 28_800),
            ("8pm_tomorrow", MIDNIGHT + 86_400 + 72_000),
            ("18:05_20261020", MIDNIGHT + 65_100),
            ("6:05pm_20261020", MIDNIGHT + 65_100),
            ("20261020", MIDNIGHT),
            ("10/19/26", MIDNIGHT - 86_400),
            ("10/19/2026", MIDNIGHT - 86_400),
            ("oct 19", MIDNIGHT - 86_400),
            ("october1", MIDNIGHT - 19 * 86_400),
            ("tuesday", MIDNIGHT),
            ("monday", MIDNIGHT - 86_400),
            ("wed", MIDNIGHT - 6 * 86_400),
            ("noon+1d", MIDNIGHT + 43_200 + 86_400),
            ("99999999", 99_999_999),
        ] {
            assert_eq!(utc(text), Some(wanted), "{text}");
        }
        for text in
            ["never", "-1m", "-1", "25:00", "13/13/13", "jan", "8:3", "99999999999999", "-99999999999999d", "-é"]
        {
            assert_eq!(utc(text), None, "{text}");
        }
    }

    #[test]
    fn days_start_at_midnight_in_the_time_zone() {
        let berlin = |at_s: i64| if at_s < 1_792_890_000 { 7200 } else { 3600 };
        let seen = parse_time("midnight", NOW, &berlin).expect("a time");
        assert_eq!(seen, MIDNIGHT - 7200);
        assert_eq!(csv_text(NOW, &berlin), "2026-10-20 22:00:00");
        // After the end of summer time.
        assert_eq!(parse_time("20261026", NOW, &berlin), Ok(1_792_972_800 - 3600));
    }
}
