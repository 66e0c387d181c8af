//! A series as functions see it: a name, tags, and plain numbers at equal steps.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::aggregate::consolidated;
use super::error::{Result, refuse};

/// A series' Graphite tags, including `name`.
pub type Tags = BTreeMap<String, String>;

/// The consolidation function of a series that doesn't set one.
pub(super) const AVERAGE: &str = "average";

/// A series. `NaN` stands for a missing value.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The displayed name.
    pub name: String,
    /// The name that functions over it write into theirs: the part of the target that it came from.
    pub path: String,
    /// Its tags.
    pub tags: Tags,
    /// The Unix second of the first value.
    pub start_s: i64,
    /// The end of the last value; functions move it as graphite-web does.
    pub end_s: i64,
    /// The seconds between values.
    pub step_s: i64,
    /// The values.
    pub values: Vec<f64>,
    /// How several values are combined: `average`, `sum`, `min`, `max`, `first`, `last`.
    pub consolidate: String,
    /// The share of values that must be present to consolidate them.
    pub x_files_factor: f64,
    /// Whether graphite-web counts its values in integers, which names show without a point.
    pub(super) is_whole: bool,
}

impl Series {
    /// A series of a path, with the tags that the path contains.
    #[must_use]
    pub fn of_path(path: &str, time: (i64, i64, i64), values: Vec<f64>) -> Self {
        Self::new(path, time, values, 0.0)
    }

    /// A series that a function makes up.
    #[inline(never)]
    pub(super) fn new(name: &str, time: (i64, i64, i64), values: Vec<f64>, x_files_factor: f64) -> Self {
        let (name, (start_s, end_s, step_s)) = (name.to_owned(), time);
        let (tags, path, consolidate) = (tags_of(&name), name.clone(), AVERAGE.to_owned());
        Self { name, path, tags, start_s, end_s, step_s, values, consolidate, x_files_factor, is_whole: false }
    }

    /// A series with the same time and tags.
    #[inline(never)]
    pub(super) fn derived(&self, name: String, values: Vec<f64>) -> Self {
        let (tags, consolidate, path) = (self.tags.clone(), self.consolidate.clone(), name.clone());
        Self { name, path, tags, values, consolidate, ..*self }
    }

    /// Gives it a name that functions over it use too.
    #[inline(never)]
    pub(super) fn rename(&mut self, name: String) {
        self.path.clone_from(&name);
        self.name = name;
    }

    #[inline(never)]
    pub(super) fn tag(&mut self, name: &str, value: &str) {
        self.tags.insert(name.to_owned(), value.to_owned());
    }

    /// Consolidates each `per_point` values into one.
    #[inline(never)]
    pub(super) fn consolidate(&mut self, values_per_point: i64) {
        if values_per_point > 1 {
            let per_point = usize::try_from(values_per_point).unwrap_or(usize::MAX);
            self.values = consolidated(&self.values, per_point, &self.consolidate, self.x_files_factor);
            self.step_s = self.step_s.saturating_mul(values_per_point);
            self.is_whole &= !matches!(self.consolidate.as_str(), AVERAGE | "avg" | "avg_zero");
        }
    }

    /// The values with their times, up to the end of the series.
    /// The memory that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        /// What a map uses for an entry without its strings, and what the allocator adds to each string.
        const TAG_BYTES: usize = 64;
        let tags: usize = self.tags.iter().map(|(tag, value)| tag.len() + value.len() + TAG_BYTES).sum();
        let texts = self.name.capacity() + self.path.capacity() + self.consolidate.capacity();
        size_of::<Self>() + self.values.capacity() * size_of::<f64>() + texts + tags
    }

    pub(super) fn points(&self) -> impl Iterator<Item = (i64, f64)> + '_ {
        let times = std::iter::successors(Some(self.start_s), |at_s| Some(at_s + self.step_s.max(1)));
        times.take_while(|at_s| *at_s <= self.end_s).zip(self.values.iter().copied())
    }

    /// The value of the step that contains a time; `NaN` outside the series.
    pub(super) fn at(&self, at_s: i64) -> f64 {
        let place = usize::try_from((at_s - self.start_s).div_euclid(self.step_s.max(1))).ok();
        place.and_then(|place| self.values.get(place)).copied().unwrap_or(f64::NAN)
    }

    /// Makes it start at `start_s` and keeps values at their times: earlier values are dropped, and values before
    /// its old start are missing. A difference of less than a step is ignored.
    pub(super) fn begin(&mut self, start_s: i64) {
        let step_s = self.step_s.max(1);
        let later = (self.start_s - start_s) / step_s;
        if let Ok(early @ 1..) = usize::try_from(-later) {
            self.values.drain(..early.min(self.values.len()));
        } else if let Ok(late @ 1..) = usize::try_from(later) {
            self.values.splice(..0, std::iter::repeat_n(f64::NAN, late));
        }
        self.start_s = start_s;
    }

    /// The values at the times of another series: those at the same index if both have the same steps, else those
    /// of the steps that contain its times.
    #[inline(never)]
    pub(super) fn beside(&self, other: &Self) -> Vec<f64> {
        if self.step_s == other.step_s {
            let mut moved = self.clone();
            moved.begin(other.start_s);
            moved.values.resize(other.values.len(), f64::NAN);
            return moved.values;
        }
        let times = std::iter::successors(Some(other.start_s), |at_s| Some(at_s + other.step_s.max(1)));
        times.map(|at_s| self.at(at_s)).take(other.values.len()).collect()
    }

    /// Start, end and step.
    pub(super) fn time(&self) -> (i64, i64, i64) {
        (self.start_s, self.end_s, self.step_s)
    }
}

/// The tags in a name of the form `name;tag=value`; no tags from what looks like a function call.
pub(super) fn tags_of(name: &str) -> Tags {
    let plain = || {
        let mut tags = Tags::new();
        tags.insert("name".to_owned(), name.to_owned());
        tags
    };
    let letters = name.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(0);
    let is_call = letters > 0 && name[letters..].starts_with('(') && name.ends_with(')') && name.len() > letters + 2;
    if is_call || !name.contains(';') { plain() } else { parse_path(name).unwrap_or_else(plain) }
}

/// The tags of a canonical path `name;tag=value;..`.
pub(super) fn parse_path(path: &str) -> Option<Tags> {
    let mut parts = path.split(';');
    let name = parts.next().map(|name| name.trim_start_matches('~')).filter(|name| !name.is_empty())?;
    let mut tags = Tags::new();
    for part in parts {
        let (tag, value) = part.split_once('=').filter(|(tag, value)| !tag.is_empty() && !value.is_empty())?;
        tags.insert(tag.to_owned(), value.to_owned());
    }
    tags.insert("name".to_owned(), name.to_owned());
    Some(tags)
}

/// The canonical path of tags.
#[must_use]
pub fn path_of(tags: &Tags) -> String {
    let mut path = tags.get("name").cloned().unwrap_or_default();
    for (tag, value) in tags.iter().filter(|(tag, _)| *tag != "name") {
        path.extend([";", tag, "=", value]);
    }
    path
}

/// Several series at the same steps: the smallest step that is a multiple of all theirs.
pub(super) struct Aligned {
    pub(super) series: Vec<Series>,
    /// Start, end, step.
    pub(super) time: (i64, i64, i64),
}

impl Aligned {
    /// Consolidates finer series. `None` if there are no series.
    #[inline(never)]
    pub(super) fn new(mut series: Vec<Series>) -> Result<Option<Self>> {
        if series.is_empty() {
            return Ok(None);
        }
        let time = align(&mut series.iter_mut().collect::<Vec<_>>())?;
        Ok(Some(Self { series, time }))
    }

    /// Reduces the values at each time to one. A series that starts later, by whole steps, has none before.
    pub(super) fn rows(&self, value: &dyn Fn(&[f64]) -> f64) -> Vec<f64> {
        let skipped = |series: &Series| steps_between(self.time.0, series.start_s, self.time.2);
        let skipped: Vec<usize> = self.series.iter().map(skipped).collect();
        let ends = self.series.iter().zip(&skipped).map(|(series, skipped)| series.values.len() + skipped);
        let steps = ends.max().unwrap_or(0);
        let mut row = vec![f64::NAN; self.series.len()];
        let mut values = Vec::with_capacity(steps);
        for step in 0..steps {
            for ((place, series), skipped) in row.iter_mut().zip(&self.series).zip(&skipped) {
                let value = step.checked_sub(*skipped).and_then(|at| series.values.get(at));
                *place = value.copied().unwrap_or(f64::NAN);
            }
            values.push(value(&row));
        }
        values
    }
}

/// The whole steps from one time to a later one; 0 if it is earlier.
fn steps_between(from_s: i64, to_s: i64, step_s: i64) -> usize {
    usize::try_from((to_s - from_s).div_euclid(step_s.max(1))).unwrap_or(0)
}

/// Consolidates series to a common step. Returns the start, end and step of all.
pub(super) fn align(series: &mut [&mut Series]) -> Result<(i64, i64, i64)> {
    let mut step_s = 1;
    for one in series.iter() {
        step_s = lcm(step_s, one.step_s.max(1));
        if step_s > i64::from(u32::MAX) {
            return refuse("these series have no common step: their steps have no common multiple within a century");
        }
    }
    for one in series.iter_mut() {
        one.consolidate(step_s / one.step_s.max(1));
    }
    let start_s = series.iter().map(|one| one.start_s).min().unwrap_or(0);
    let end_s = series.iter().map(|one| one.end_s).max().unwrap_or(0);
    Ok((start_s, end_s - (end_s - start_s) % step_s, step_s))
}

fn lcm(a: i64, b: i64) -> i64 {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}

/// Sorts series; the sort is stable.
#[inline(never)]
pub(super) fn sort(series: &mut [Series], order: &dyn Fn(&Series, &Series) -> Ordering) {
    series.sort_by(order);
}

/// Sorts series by name.
pub(super) fn sort_by_name(series: &mut [Series]) {
    sort(series, &|one, other| one.name.cmp(&other.name));
}

/// The paths of series without duplicates, as functions write them into names.
pub(super) fn paths(series: &[Series]) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for one in series {
        if !seen.contains(&one.path.as_str()) {
            seen.push(&one.path);
        }
    }
    seen.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_path_contains_the_tags() {
        let tags = tags_of("visits.sum;path=/a=b;country=US");
        assert_eq!(tags.get("path").map(String::as_str), Some("/a=b"));
        assert_eq!(path_of(&tags), "visits.sum;country=US;path=/a=b");
        assert_eq!(tags_of("sumSeries(a;b=c)").len(), 1);
        assert_eq!(tags_of("a;b").get("name").map(String::as_str), Some("a;b"));
    }

    #[test]
    fn series_with_different_starts_align_by_time() {
        let early = Series::new("a", (0, 40, 10), vec![1.0, 2.0, 3.0, 4.0], 0.0);
        let late = Series::new("b", (20, 50, 10), vec![3.0, 4.0, 5.0], 0.0);
        let aligned = Aligned::new(vec![early.clone(), late.clone()]).expect("fits").expect("two");
        assert_eq!(aligned.time, (0, 50, 10));
        let quotients = aligned.rows(&|row| row[0] / row[1]);
        assert!(quotients[..2].iter().chain(&quotients[4..]).all(|value| value.is_nan()), "{quotients:?}");
        assert_eq!((quotients.len(), &quotients[2..4]), (5, [1.0, 1.0].as_slice()));
        assert_eq!([late.at(29), late.at(30), early.at(-1)].map(f64::is_nan), [false, false, true]);
        let (mut moved, mut cut) = (late, early);
        moved.begin(0);
        assert_eq!((moved.values.len(), moved.at(20)), (5, 3.0));
        cut.begin(19);
        assert_eq!(cut.values, [2.0, 3.0, 4.0], "nine seconds are no step");
    }

    #[test]
    fn series_of_different_steps_align_at_the_common_step() {
        let fine = Series::new("a", (0, 120, 20), vec![1.0, 2.0, 3.0, 4.0, 5.0, f64::NAN], 0.0);
        let coarse = Series::new("b", (0, 120, 30), vec![1.0, 3.0, 5.0, 7.0], 0.0);
        let aligned = Aligned::new(vec![fine, coarse]).expect("fits").expect("two");
        assert_eq!(aligned.time, (0, 120, 60));
        assert_eq!(aligned.rows(&|row| row[0] * 100.0 + row[1]), [202.0, 456.0]);
    }
}
