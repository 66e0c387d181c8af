//! Kinds of metrics, and which of them can be added up.

use model::point;

use super::message::Field;

/// How values relate to those before, as the enum counts them.
pub(super) const TEMPORALITIES: [&str; 3] =
    ["AGGREGATION_TEMPORALITY_UNSPECIFIED", "AGGREGATION_TEMPORALITY_DELTA", "AGGREGATION_TEMPORALITY_CUMULATIVE"];
const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;

/// What a metric holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl Kind {
    /// Times, attributes, flags and the numbers of a data point.
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

    /// The label `type` of what can be added up.
    pub(super) fn label(self, temporality: u64, is_monotonic: bool) -> Result<&'static str, Unfit> {
        match (self, temporality) {
            (Self::Gauge, _) => Ok("gauge"),
            (Self::Summary, _) => Err(Unfit::Summary),
            // What goes up and down is told as a level.
            (Self::Sum, CUMULATIVE) if !is_monotonic => Ok("gauge"),
            (Self::Sum, CUMULATIVE) => Err(Unfit::Cumulative("sums")),
            (_, CUMULATIVE) => Err(Unfit::Cumulative("histograms")),
            (Self::Sum, DELTA) => Ok(if is_monotonic { "counter" } else { "gauge_delta" }),
            (_, DELTA) => Ok("histogram"),
            _ => Err(Unfit::NoTemporality),
        }
    }
}

/// Why a data point means nothing to a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A total since the start, of which nobody here knows what was told before.
    #[error(
        "cumulative {0} are not taken, as they cannot be added up; set OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta in the SDK, or use the Collector's cumulativetodelta processor"
    )]
    Cumulative(&'static str),
    /// Neither delta nor cumulative.
    #[error("aggregationTemporality must be 1, which is delta")]
    NoTemporality,
    /// Quantiles, which can't be merged.
    #[error("summaries are not taken, as their quantiles cannot be put together; use a histogram")]
    Summary,
    /// A number point without a number.
    #[error("there is neither asDouble nor asInt")]
    NoValue,
    /// A histogram of which only buckets are known.
    #[error("the histogram has no sum")]
    NoSum,
    /// No name.
    #[error("a metric must have a name")]
    NoName,
    /// No time.
    #[error("timeUnixNano is required")]
    NoTime,
    /// A field of the data point that is of another kind.
    #[error("{0}")]
    Unreadable(String),
}

impl Unfit {
    /// The part of a point that it would be.
    #[must_use]
    pub fn field(&self) -> point::Field {
        match self {
            Self::NoTime => point::Field::T,
            Self::NoName => point::Field::V,
            _ => point::Field::N,
        }
    }
}
