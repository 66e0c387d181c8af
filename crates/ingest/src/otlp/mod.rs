//! Converts OpenTelemetry metrics to points by the table in `docs/otlp.md`.
//!
//! Nothing is kept between requests, so only what can be added up is accepted: deltas, gauges, and sums that go up
//! and down.

mod answer;
mod attributes;
mod kind;
mod message;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use codec;
use model::labels::{LabelsBuilder, MAX_VALUE_BYTES};
use model::point::{Arrival, Given, MAX_AHEAD_S, MAX_PERIOD_S, MIN_PERIOD_S, Point};

use super::format::{Batch, BodyError, Format, Read};
use super::points::{MAX_BODY_BYTES, MAX_POINTS, TooManyPoints};
use super::rejection::Rejection;
use super::statsd::{METRIC, TYPE};
use json::scan::Syntax;

pub use answer::{export_response, none_good, nothing, status};
use attributes::{Attributes, fitting};
pub use kind::Unfit;
use kind::{Kind, TEMPORALITIES};
pub use message::Encoding;
use message::{Field, Message, Value};

/// Why a body is rejected as a whole.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// Not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// Not protobuf.
    #[error("the body is not an ExportMetricsServiceRequest in protobuf, or it is truncated")]
    NotProtobuf,
    /// A field with a wrong type.
    #[error("{0} must be {1}")]
    Field(&'static str, &'static str),
    /// A bad string in JSON.
    #[error("{0}")]
    Syntax(#[from] Syntax),
    /// More than a request may contain.
    #[error("{0}")]
    TooMany(#[from] TooManyPoints),
}

impl From<codec::Malformed> for Refused {
    fn from(_: codec::Malformed) -> Self {
        Self::NotProtobuf
    }
}

impl From<Refused> for BodyError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooMany(error) => error.into(),
            _ => Self::Invalid(refused.to_string()),
        }
    }
}

/// The most bytes of the labels of a request's data points, each set of labels counted once and only if it is new
/// here. A resource is written once in the body but is in the labels of each of its data points, so these may have
/// more bytes than the largest body.
const MAX_LABEL_BYTES: usize = MAX_BODY_BYTES;

impl Format for Encoding {
    fn read(&self, body: &[u8], arrival: Arrival, batch: &mut Batch<'_>) -> Result<(), BodyError> {
        each_point(body, *self, arrival, &mut |index, point| {
            if batch.label_bytes() <= MAX_LABEL_BYTES {
                batch.push(index, point);
            }
        })?;
        if batch.label_bytes() > MAX_LABEL_BYTES {
            let detail = "the labels of all data points take more than 1 MiB, as each includes its resource's attributes: send fewer data points at a time";
            return Err(BodyError::TooLarge(detail.to_owned()));
        }
        Ok(())
    }
}

const RESOURCE_METRICS: [Field; 1] = [Field(1, "resourceMetrics")];
const RESOURCE: [Field; 1] = [Field(1, "resource")];
const SCOPE_METRICS: [Field; 1] = [Field(2, "scopeMetrics")];
const RESOURCE_ATTRIBUTES: [Field; 1] = [Field(1, "attributes")];
const METRICS: [Field; 1] = [Field(2, "metrics")];
/// The name, then the data by kind.
const METRIC_FIELDS: [Field; 6] = [
    Field(1, "name"),
    Field(5, "gauge"),
    Field(7, "sum"),
    Field(9, "histogram"),
    Field(10, "exponentialHistogram"),
    Field(11, "summary"),
];
/// The position of the data among the fields of a metric.
const KINDS: [Kind; 5] = [Kind::Gauge, Kind::Sum, Kind::Histogram, Kind::ExponentialHistogram, Kind::Summary];
const HOW: [Field; 2] = [Field(2, "aggregationTemporality"), Field(3, "isMonotonic")];
const DATA_POINTS: [Field; 1] = [Field(1, "dataPoints")];
/// The flag of a data point without a recorded value.
const NO_RECORDED_VALUE: u64 = 1;

/// How far ahead a clock may be; beyond that its time is wrong.
const FAR_AHEAD_S: f64 = 86_400.0;

/// Calls back with each data point of an `ExportMetricsServiceRequest` and its index. Data points without a
/// recorded value and empty histograms are skipped, but count for the index.
///
/// # Errors
/// If the body as a whole is to be rejected, possibly after some points were reported.
pub fn each_point(
    body: &[u8],
    encoding: Encoding,
    arrival: Arrival,
    take: &mut dyn FnMut(usize, Read<'_>),
) -> Result<(), Refused> {
    let mut reader = PointReader { arrival, index: 0, take };
    let request = Message::of(body, encoding)?;
    request.each(&RESOURCE_METRICS, &mut |_, resource| reader.resource(resource.message()?))
}

struct PointReader<'b> {
    arrival: Arrival,
    index: usize,
    take: &'b mut dyn FnMut(usize, Read<'_>),
}

/// What the data points of a metric have in common.
struct Metric<'a, 'r> {
    name: Cow<'a, str>,
    kind: Kind,
    label: Result<&'static str, Unfit>,
    resource: &'r Attributes<'a>,
}

/// A data point as written.
#[derive(Default)]
struct DataPoint<'a> {
    start: u64,
    time: u64,
    flags: u64,
    attributes: Attributes<'a>,
    /// The value of a number, or the sum of a histogram.
    value: Option<f64>,
    count: u64,
}

impl PointReader<'_> {
    fn resource(&mut self, message: Message<'_>) -> Result<(), Refused> {
        let mut attributes = Attributes::default();
        message.each(&RESOURCE, &mut |_, resource| {
            resource.message()?.each(&RESOURCE_ATTRIBUTES, &mut |_, value| {
                attributes.push_of_resource(value);
                Ok(())
            })
        })?;
        message.each(&SCOPE_METRICS, &mut |_, scope| {
            scope.message()?.each(&METRICS, &mut |_, metric| self.metric(metric.message()?, &attributes))
        })
    }

    fn metric<'a>(&mut self, message: Message<'a>, resource: &Attributes<'a>) -> Result<(), Refused> {
        let (mut name, mut data) = (Cow::default(), None);
        message.each(&METRIC_FIELDS, &mut |field, value| {
            match field.checked_sub(1) {
                None => name = fitting(value.text()?, MAX_VALUE_BYTES),
                Some(kind) => data = Some((KINDS[kind], value.message()?)),
            }
            Ok(())
        })?;
        let Some((kind, data)) = data else { return Ok(()) };
        let (mut temporality, mut is_monotonic) = (0, false);
        data.each(&HOW, &mut |field, value| {
            match field {
                0 => temporality = value.choice(&TEMPORALITIES)?,
                _ => is_monotonic = value.boolean()?,
            }
            Ok(())
        })?;
        let metric = Metric { name, kind, label: kind.label(temporality, is_monotonic), resource };
        data.each(&DATA_POINTS, &mut |_, point| self.data_point(&metric, point.message()?))
    }

    fn data_point<'a>(&mut self, metric: &Metric<'a, '_>, message: Message<'a>) -> Result<(), Refused> {
        if self.index == MAX_POINTS {
            return Err(TooManyPoints.into());
        }
        let in_metric = |rejection| Rejection::Metric(metric.name.as_ref().into(), Box::new(rejection));
        match DataPoint::read(metric.kind, message) {
            Ok(data) if data.is_there(metric.kind) => {
                let mut labels = LabelsBuilder::default();
                let read = data.point(metric, self.arrival, &mut labels);
                (self.take)(self.index, read.map_err(in_metric));
            }
            Ok(_) => (),
            // A field with a wrong type only affects its point; invalid protobuf affects the body.
            Err(Refused::NotProtobuf) => return Err(Refused::NotProtobuf),
            Err(refused) => (self.take)(self.index, Err(in_metric(Unfit::Unreadable(refused.to_string()).into()))),
        }
        self.index += 1;
        Ok(())
    }
}

impl<'a> DataPoint<'a> {
    fn read(kind: Kind, message: Message<'a>) -> Result<Self, Refused> {
        let mut data = Self::default();
        message.each(&kind.fields(), &mut |field, value: Value<'a>| {
            match field {
                0 => data.start = value.natural()?,
                1 => data.time = value.natural()?,
                2 => data.attributes.push(value),
                3 => data.flags = value.natural()?,
                4 if kind.is_of_numbers() => data.value = Some(value.double()?),
                4 => data.count = value.natural()?,
                #[expect(clippy::cast_precision_loss, reason = "all numbers of a stream are f64")]
                _ if kind.is_of_numbers() => data.value = Some(value.integer()? as f64),
                _ => data.value = Some(value.double()?),
            }
            Ok(())
        })?;
        Ok(data)
    }

    fn is_there(&self, kind: Kind) -> bool {
        self.flags & NO_RECORDED_VALUE == 0 && (kind.is_of_numbers() || kind == Kind::Summary || self.count > 0)
    }

    fn point<'l>(
        &'l self,
        metric: &'l Metric<'a, '_>,
        arrival: Arrival,
        labels: &'l mut LabelsBuilder<'l>,
    ) -> Result<(Point, &'l str), Rejection> {
        let kind = metric.label.clone()?;
        if metric.name.is_empty() {
            return Err(Unfit::NoName.into());
        }
        let is_of_numbers = metric.kind.is_of_numbers();
        let n = self.value.ok_or(if is_of_numbers { Unfit::NoValue } else { Unfit::NoSum })?;
        #[expect(clippy::cast_precision_loss, reason = "all numbers of a stream are f64")]
        let d = if is_of_numbers { 1.0 } else { self.count as f64 };
        if self.time == 0 {
            return Err(Unfit::NoTime.into());
        }
        let t = not_ahead(seconds(self.time), arrival.at);
        // A period that no clock can have measured is dropped; a too short or too long one becomes the shortest or
        // longest allowed.
        let has_period = kind != "gauge" && self.start != 0 && self.start < self.time;
        let p = has_period.then(|| seconds(self.time - self.start).clamp(MIN_PERIOD_S, MAX_PERIOD_S));
        let point = Point::new(&Given { n: Some(n), d: Some(d), p, t: Some(t) }, arrival)?;
        labels.push(METRIC.into(), metric.name.as_ref().into());
        labels.push(TYPE.into(), kind.into());
        self.attributes.put(metric.resource, labels);
        Ok((point, labels.canonical()?))
    }
}

/// Nanoseconds as seconds, as exactly as f64 allows.
#[expect(clippy::cast_precision_loss, reason = "either part is exact")]
fn seconds(nanoseconds: u64) -> f64 {
    const IN_A_SECOND: u64 = 1_000_000_000;
    (nanoseconds / IN_A_SECOND) as f64 + (nanoseconds % IN_A_SECOND) as f64 / IN_A_SECOND as f64
}

/// The end of a period from a clock that is ahead by more than a point may be but less than a day: the time of
/// arrival.
fn not_ahead(t: f64, now: f64) -> f64 {
    let ahead_s = t - now;
    if ahead_s > MAX_AHEAD_S && ahead_s <= FAR_AHEAD_S { now } else { t }
}
