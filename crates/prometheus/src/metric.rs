//! The metrics of a stream in Prometheus.

use model::total::Total;

/// A counter of each series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Sum of the numerators.
    N,
    /// Sum of the denominators.
    D,
    /// The number of points.
    Points,
}

impl Metric {
    /// All metrics, in the order of their names.
    pub const ALL: [Self; 3] = [Self::D, Self::N, Self::Points];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::N => "heartbeat_n_total",
            Self::D => "heartbeat_d_total",
            Self::Points => "heartbeat_points_total",
        }
    }

    /// Its help text.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::N => "Sum of n of all points since the stream began.",
            Self::D => "Sum of d of all points since the stream began.",
            Self::Points => "Number of points since the stream began.",
        }
    }

    /// Its value.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    pub fn of(self, total: &Total) -> f64 {
        match self {
            Self::N => total.n,
            Self::D => total.d,
            Self::Points => total.points as f64,
        }
    }
}
