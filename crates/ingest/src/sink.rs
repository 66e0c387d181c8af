//! Where the points of a body go.

use model::point::Point;

use super::rejection::Rejection;

/// Takes the points of a body one by one. The same labels are mostly written the same way, so each way of writing is
/// read only once: what was seen before is known by a `Set`.
pub trait Sink {
    /// What labels are known by.
    type Set;

    /// The labels that are written like this, if they were seen before.
    fn seen(&self, written: &[u8]) -> Option<Self::Set>;

    /// Takes the point with this index in the body, or why it is rejected.
    fn take(&mut self, index: usize, point: Result<(Point, PointLabels<'_, Self::Set>), Rejection>);
}

/// The labels of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointLabels<'a, S> {
    /// Written like others before.
    Seen(S),
    /// Not seen before.
    New {
        /// The object as it stands in the body; nothing where the point has none.
        written: &'a [u8],
        /// Their canonical text.
        canonical: &'a str,
    },
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Keeps all, and remembers labels by how they are written.
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
