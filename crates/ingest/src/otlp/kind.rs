//! The kinds of metrics, and which of them can be added up.

use model::point;

use super::message::Field;

/// How values relate to earlier ones, numbered as in the enum.
pub(super) const TEMPORALITIES: [&str; 3] =
    ["AGGREGATION_TEMPORALITY_UNSPECIFIED", "AGGREGATION_TEMPORALITY_DELTA", "AGGREGATION_TEMPORALITY_CUMULATIVE"];
const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl Kind {
    /// The fields of a data point for times, attributes, flags and numbers.
    pub(super) fn fields(self) -> [Field; 6] {
        let (attributes, flags) = match self {
            Self::Gauge | Self::Sum | Self::Summary => (7, 8),
            Self::Histogram => (9, 10),
            Self::ExponentialHistogram => (1, 10),
        };
        let [first, second] = match self {
            Self::Gauge | Self::Sum => [Field(4, "asDouble"), Field(6, "asInt")],
            _ => [Field(4, "count"), Field(5, "sum")],
        };
        let times = [Field(2, "startTimeUnixNano"), Field(3, "timeUnixNano")];
        [times[0], times[1], Field(attributes, "attributes"), Field(flags, "flags"), first, second]
    }

    pub(super) fn is_of_numbers(self) -> bool {
        matches!(self, Self::Gauge | Self::Sum)
    }

    /// The label `type` of a metric that can be added up.
    pub(super) fn label(self, temporality: u64, is_monotonic: bool) -> Result<&'static str, Unfit> {
        match (self, temporality) {
            (Self::Gauge, _) => Ok("gauge"),
            (Self::Summary, _) => Err(Unfit::Summary),
            // A sum that goes up and down is recorded as a level.
            (Self::Sum, CUMULATIVE) if !is_monotonic => Ok("gauge"),
            (Self::Sum, CUMULATIVE) => Err(Unfit::Cumulative("sums")),
            (_, CUMULATIVE) => Err(Unfit::Cumulative("histograms")),
            (Self::Sum, DELTA) => Ok(if is_monotonic { "counter" } else { "gauge_delta" }),
            (_, DELTA) => Ok("histogram"),
            _ => Err(Unfit::NoTemporality),
        }
    }
}

/// Why a stream can't store a data point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A total since the start; what was reported before is unknown here.
    #[error(
        "cumulative {0} are not accepted, as they can't be added up; set OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta in the SDK, or use the Collector's cumulativetodelta processor"
    )]
    Cumulative(&'static str),
    /// Neither delta nor cumulative.
    #[error("aggregationTemporality must be 1 (delta)")]
    NoTemporality,
    /// Quantiles, which can't be merged.
    #[error("summaries are not accepted, as their quantiles can't be merged; use a histogram")]
    Summary,
    /// A number point without a number.
    #[error("asDouble or asInt is required")]
    NoValue,
    /// A histogram that only has buckets.
    #[error("a histogram must have a sum")]
    NoSum,
    /// No name.
    #[error("a metric must have a name")]
    NoName,
    /// No time.
    #[error("timeUnixNano is required")]
    NoTime,
    /// A field of the data point with a wrong type.
    #[error("{0}")]
    Unreadable(String),
}

impl Unfit {
    /// The part of a point at fault.
    #[must_use]
    pub fn field(&self) -> point::Field {
        match self {
            Self::NoTime => point::Field::T,
            Self::NoName => point::Field::V,
            _ => point::Field::N,
        }
    }
}
