//! statsd lines as points: the one table of `docs/statsd.md`.
//!
//! Nothing is aggregated here, as buckets and sketches do that better. What the lines of one body say of one another is only
//! the value of a gauge, to which its changes are added.

mod gauges;
mod line;

#[cfg(test)]
mod tests;

use crate::domain::labels::{LabelError, LabelsBuilder, MAX_LABELS};
use crate::domain::point::{Arrival, Given, Point};
use crate::domain::text_index::HashKey;

use super::points::{MAX_POINTS, TooManyPoints};
use super::rejection::Rejection;

use gauges::Gauges;
pub use line::LineError;
use line::{Kind, Line};

/// The label that a metric's name becomes.
pub(super) const METRIC: &str = "metric";
/// The label that its kind becomes.
pub(super) const TYPE: &str = "type";
/// The label that what a set was given becomes.
const MEMBER: &str = "member";
/// Tags that a line may have as they are written, where one that is there again is none; more would take their memory.
const MAX_TAGS: usize = 4 * MAX_LABELS;
/// A change of a gauge whose value nobody knows here.
const GAUGE_DELTA: &str = "gauge_delta";

/// A point and its canonical labels, or why it is rejected.
pub type Read<'a> = Result<(Point, &'a str), Rejection>;

/// Hands on the points of each line with the line's number, from 0. A line that is bad as a whole is one rejection, a bad
/// value among several another.
///
/// # Errors
/// [`TooManyPoints`], after [`MAX_POINTS`] have been handed on: the request as a whole is to be refused.
pub fn each_point(
    body: &[u8],
    arrival: Arrival,
    key: HashKey,
    take: &mut dyn FnMut(usize, Read<'_>),
) -> Result<(), TooManyPoints> {
    let mut reader = Reader { arrival, left: MAX_POINTS, gauges: Gauges::new(key), take };
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
    lines.filter(|(_, line)| !line.is_empty()).try_for_each(|(number, line)| reader.line(number, line))
}

struct Reader<'b> {
    arrival: Arrival,
    /// So many more points may come.
    left: usize,
    gauges: Gauges,
    take: &'b mut dyn FnMut(usize, Read<'_>),
}

impl Reader<'_> {
    fn line(&mut self, number: usize, text: &[u8]) -> Result<(), TooManyPoints> {
        let line = match Line::parse(text) {
            Ok(line) => line,
            Err(error) => return self.hand_on(number, Err(error.into())),
        };
        let (mut labels, mut of_delta) = (LabelsBuilder::default(), LabelsBuilder::default());
        let labels = match labels_of(&line, line.kind.name(), &mut labels) {
            Ok(labels) => labels,
            Err(rejection) => return self.hand_on(number, Err(rejection)),
        };
        if line.kind == Kind::Set {
            let given = Given { n: Some(1.0), t: line.t, ..Given::default() };
            return self.hand_on(number, point(&given, self.arrival, labels));
        }
        let has_delta = line.kind == Kind::Gauge && line.values().any(is_delta);
        let of_delta = if has_delta { labels_of(&line, GAUGE_DELTA, &mut of_delta) } else { Ok("") };
        for text in line.values() {
            let read = line::number(text).ok_or_else(|| LineError::Value(text.into()).into()).and_then(|value| {
                let (value, labels) = match line.kind {
                    Kind::Gauge if is_delta(text) => match self.gauges.add(labels, value) {
                        Some(value) => (value, labels),
                        None => (value, of_delta.clone()?),
                    },
                    Kind::Gauge => (self.gauges.set(labels, value), labels),
                    _ => (value, labels),
                };
                let rate = if line.kind == Kind::Gauge { 1.0 } else { line.rate };
                let given = Given { n: Some(value / rate), d: Some(1.0 / rate), p: None, t: line.t };
                point(&given, self.arrival, labels)
            });
            self.hand_on(number, read)?;
        }
        Ok(())
    }

    fn hand_on(&mut self, number: usize, read: Read<'_>) -> Result<(), TooManyPoints> {
        self.left = self.left.checked_sub(1).ok_or(TooManyPoints)?;
        (self.take)(number, read);
        Ok(())
    }
}

fn point<'a>(given: &Given, arrival: Arrival, labels: &'a str) -> Read<'a> {
    Ok((Point::new(given, arrival)?, labels))
}

/// A gauge's value with a sign is a change of it.
fn is_delta(value: &str) -> bool {
    value.starts_with(['+', '-'])
}

/// The canonical labels of a line that is of this type.
fn labels_of<'a, 'b>(
    line: &Line<'a>,
    kind: &'static str,
    labels: &'b mut LabelsBuilder<'a>,
) -> Result<&'b str, Rejection> {
    let tags = line.name_tags.clone().chain(line.tags.clone());
    let number = tags.clone().count();
    if number > MAX_TAGS {
        return Err(LabelError::TooMany(number).into());
    }
    labels.push(METRIC.into(), line.name.into());
    labels.push(TYPE.into(), kind.into());
    if line.kind == Kind::Set {
        labels.push(MEMBER.into(), line.values.into());
    }
    for (name, value) in tags {
        // Our own labels are not a stranger's to set.
        let is_ours = [METRIC, TYPE, MEMBER].contains(&name);
        let name = if is_ours { format!("tag_{name}").into() } else { name.into() };
        labels.push_once(name, value.into());
    }
    Ok(labels.canonical()?)
}
