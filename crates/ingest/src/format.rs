//! A format in which points are written. A new one is a file of this crate and a row of the edge's table of endpoints.

use model::open::SeriesId;
use model::point::{Arrival, Point};

use super::frame::FrameBuilder;
use super::points::TooManyPoints;
use super::rejection::Rejection;

/// A point and its canonical labels, or why it is rejected.
pub type Read<'a> = Result<(Point, &'a str), Rejection>;

/// The batch that a body's points are added to. Not generic, so that each format is compiled once.
pub type Batch<'a> = FrameBuilder<&'a dyn Fn(&[u8]) -> Option<SeriesId>>;

/// Converts bytes to points and rejections.
pub trait Format {
    /// Adds each point of a body to the batch, or why it is rejected, with its index in the body.
    ///
    /// # Errors
    /// If the body as a whole is rejected, possibly after some points were added.
    fn read(&self, body: &[u8], arrival: Arrival, batch: &mut Batch<'_>) -> Result<(), BodyError>;
}

/// Why a body as a whole is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It contains more than a request may contain.
    #[error("{0}")]
    TooLarge(String),
    /// It is not of this format.
    #[error("{0}")]
    Invalid(String),
}

impl From<TooManyPoints> for BodyError {
    fn from(error: TooManyPoints) -> Self {
        Self::TooLarge(error.to_string())
    }
}
