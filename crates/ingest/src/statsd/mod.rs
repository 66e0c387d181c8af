//! Converts statsd lines to points by the table in `docs/statsd.md`.
//!
//! Nothing is aggregated here, as buckets and sketches do that better. Lines of one body affect each other only
//! through the value of a gauge, to which its changes are added.

mod gauges;
mod line;

#[cfg(test)]
mod tests;

use model::labels::{LabelError, LabelsBuilder, MAX_LABELS, Quoted};
use model::point::{Arrival, Given, Point};
use model::text_index::HashKey;

use super::format::{Batch, BodyError, Format, Read};
use super::points::{MAX_POINTS, TooManyPoints};
use super::rejection::Rejection;

use gauges::Gauges;
pub use line::LineError;
use line::{Bit, Kind, Line};

/// The label for a metric's name.
pub(super) const METRIC: &str = "metric";
/// The label for a metric's type, such as `counter`.
pub(super) const TYPE: &str = "type";
/// The label for the member of a set.
const MEMBER: &str = "member";
/// The most tags of a line as written, not counting repetitions; more would need their memory.
const MAX_TAGS: usize = 4 * MAX_LABELS;
/// The `type` of a change of a gauge whose value is unknown here.
const GAUGE_DELTA: &str = "gauge_delta";

/// The meaning of a gauge's value with a sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignedGauges {
    /// A change of the value, as in statsd, `statsd_exporter`, Telegraf and Vector.
    #[default]
    Change,
    /// The value itself, as in Datadog's agent.
    Set,
}

/// An invalid `signed_gauges`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`signed_gauges` must be `change` or `set`, given at most once, not {0}")]
pub struct SignedGaugesError(Quoted);

impl SignedGauges {
    /// Parses `signed_gauges` in a query string; other parameters are ignored.
    ///
    /// # Errors
    /// [`SignedGaugesError`] if it is neither of the two, or occurs twice.
    pub fn of_query(query_string: &str) -> Result<Self, SignedGaugesError> {
        let mut given = form_urlencoded::parse(query_string.as_bytes())
            .filter(|(name, _)| name == "signed_gauges")
            .map(|(_, text)| text);
        let Some(text) = given.next() else { return Ok(Self::default()) };
        match (text.as_ref(), given.next()) {
            ("change", None) => Ok(Self::Change),
            ("set", None) => Ok(Self::Set),
            (_, again) => Err(SignedGaugesError(again.as_deref().unwrap_or(&text).into())),
        }
    }
}

/// A body of statsd lines.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    /// The meaning of a gauge's value with a sign.
    pub signed_gauges: SignedGauges,
    /// For the gauges of a body, by their labels.
    pub key: HashKey,
}

impl Format for Lines {
    fn read(&self, body: &[u8], arrival: Arrival, batch: &mut Batch<'_>) -> Result<(), BodyError> {
        Ok(each_point(body, self.signed_gauges, arrival, self.key, &mut |line, point| batch.push(line, point))?)
    }
}

/// Calls back with the points of each line and the line's index, from 0. A line that is bad as a whole is one
/// rejection, and so are its packed values if one of them is bad. If each value of a line has its type, each bad
/// value is a rejection.
///
/// # Errors
/// [`TooManyPoints`], after [`MAX_POINTS`] were reported: the request as a whole is to be rejected.
pub fn each_point(
    body: &[u8],
    signed_gauges: SignedGauges,
    arrival: Arrival,
    key: HashKey,
    take: &mut dyn FnMut(usize, Read<'_>),
) -> Result<(), TooManyPoints> {
    let mut reader = Reader { arrival, signed_gauges, left: MAX_POINTS, gauges: Gauges::new(key), take };
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
    let mut bits = Vec::new();
    lines.filter(|(_, line)| !line.is_empty()).try_for_each(|(number, line)| reader.line(number, line, &mut bits))
}

struct Reader<'b> {
    arrival: Arrival,
    signed_gauges: SignedGauges,
    /// How many more points may come.
    left: usize,
    gauges: Gauges,
    take: &'b mut dyn FnMut(usize, Read<'_>),
}

impl Reader<'_> {
    fn line<'a>(&mut self, number: usize, text: &'a [u8], bits: &mut Vec<Bit<'a>>) -> Result<(), TooManyPoints> {
        match Line::parse(text, bits) {
            Ok(line) => bits.iter().try_for_each(|bit| self.bit(number, &line, bit)),
            Err(error) => self.hand_on(number, Err(error.into())),
        }
    }

    fn bit(&mut self, number: usize, line: &Line<'_>, bit: &Bit<'_>) -> Result<(), TooManyPoints> {
        let (kind, rate) = match bit.read() {
            Ok(read) => read,
            Err(error) => return self.hand_on(number, Err(error.into())),
        };
        let member = (kind == Kind::Set).then_some(bit.values);
        let (mut labels, mut of_delta) = (LabelsBuilder::default(), LabelsBuilder::default());
        let labels = match labels_of(line, kind.name(), member, &mut labels) {
            Ok(labels) => labels,
            Err(rejection) => return self.hand_on(number, Err(rejection)),
        };
        if kind == Kind::Set {
            let given = Given { n: Some(1.0), t: line.t, ..Given::default() };
            return self.hand_on(number, point(&given, self.arrival, labels));
        }
        let has_changes = kind == Kind::Gauge && self.signed_gauges == SignedGauges::Change;
        let is_delta = |text: &str| has_changes && text.starts_with(['+', '-']);
        let has_delta = bit.values().any(is_delta);
        let of_delta = if has_delta { labels_of(line, GAUGE_DELTA, None, &mut of_delta) } else { Ok("") };
        for (text, value) in bit.values().filter_map(|text| Some((text, line::number(text)?))) {
            let (value, labels) = match kind {
                Kind::Gauge if is_delta(text) => match self.gauges.add(labels, value) {
                    Some(value) => (value, Ok(labels)),
                    None => (value, of_delta.clone()),
                },
                Kind::Gauge => (self.gauges.set(labels, value), Ok(labels)),
                _ => (value, Ok(labels)),
            };
            let given = Given { n: Some(value / rate), d: Some(1.0 / rate), p: None, t: line.t };
            let read = labels.and_then(|labels| point(&given, self.arrival, labels));
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

/// The canonical labels of a line's value of this type.
fn labels_of<'a, 'b>(
    line: &Line<'a>,
    kind: &'static str,
    member: Option<&'a str>,
    labels: &'b mut LabelsBuilder<'a>,
) -> Result<&'b str, Rejection> {
    let tags = line.name_tags.clone().chain(line.tags.clone());
    let number = tags.clone().count();
    if number > MAX_TAGS {
        return Err(LabelError::TooMany(number).into());
    }
    labels.push(METRIC.into(), line.name.into());
    labels.push(TYPE.into(), kind.into());
    if let Some(member) = member {
        labels.push(MEMBER.into(), member.into());
    }
    for (name, value) in tags {
        // A stranger must not set our own labels.
        let is_ours = [METRIC, TYPE, MEMBER].contains(&name);
        let name = if is_ours { format!("tag_{name}").into() } else { name.into() };
        labels.push_once(name, value.into());
    }
    Ok(labels.canonical()?)
}
