//! The receiver of a body's points.

use model::point::Point;

use super::rejection::Rejection;

/// Receives the points of a body one by one. Equal labels are usually written the same way, so each spelling is
/// parsed only once: a `Set` identifies labels seen before.
pub trait Sink {
    /// Identifies labels seen before.
    type Set;

    /// The labels written like this, if they were seen before.
    fn seen(&self, written: &[u8]) -> Option<Self::Set>;

    /// Receives the point with this index in the body, or why it is rejected.
    fn take(&mut self, index: usize, point: Result<(Point, PointLabels<'_, Self::Set>), Rejection>);
}

/// The labels of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointLabels<'a, S> {
    /// Written like earlier ones.
    Seen(S),
    /// Not seen before.
    New {
        /// The object as written in the body; `None` if the point has none.
        written: &'a [u8],
        /// Their canonical string.
        canonical: &'a str,
    },
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Keeps everything, and remembers labels by their spelling.
    #[derive(Default)]
    pub(crate) struct Taken {
        pub(crate) points: Vec<Result<(Point, String), Rejection>>,
        seen: Vec<(Vec<u8>, String)>,
    }

    impl Sink for Taken {
        type Set = String;

        fn seen(&self, written: &[u8]) -> Option<String> {
            self.seen.iter().find(|(seen, _)| seen == written).map(|(_, canonical)| canonical.clone())
        }

        fn take(&mut self, index: usize, point: Result<(Point, PointLabels<'_, String>), Rejection>) {
            assert_eq!(index, self.points.len());
            let mut labels = |labels: PointLabels<'_, String>| match labels {
                PointLabels::Seen(canonical) => canonical,
                PointLabels::New { written, canonical } => {
                    self.seen.push((written.to_vec(), canonical.to_owned()));
                    canonical.to_owned()
                }
            };
            self.points.push(point.map(|(point, given)| (point, labels(given))));
        }
    }
}
