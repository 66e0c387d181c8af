//! What an upstream has against messages when it does not say so as app.net documents it: the shape that they have, or
//! a point that it fails at.

use appnet::shape::Shape;
use config::forward::dialect::Dialect;
use store::sql::Sql;

use super::{Forwarding, Outcome, Parcel};
use crate::engine::Engine;

/// After so many answers in a row that say 500 and not why, a text is tried every other time.
const MAX_VAGUE: u32 = 3;
/// After so many, which takes four minutes and more, it may be the message that it fails at.
const MAX_ERRED: u32 = 8;

impl<S: Sql> Engine<S> {
    /// Another shape for a message that the upstream did not take because of the one that it has.
    pub(super) fn shape_after(&self, parcel: &Parcel, outcome: &Outcome) -> Option<Shape> {
        match outcome {
            Outcome::Failed(reason) | Outcome::Erred(reason) | Outcome::Denied(reason) | Outcome::Refused(reason) => {
                parcel.shape.after(reason).filter(|_| self.dialect() == Dialect::AppNet)
            }
            Outcome::Delivered | Outcome::Held { .. } => None,
        }
    }

    /// The shape of the next message.
    pub(super) fn next_shape(&self) -> Shape {
        let Forwarding { shape, erred, .. } = self.consumers.forwarding;
        let is_tried = erred >= MAX_VAGUE && !erred.is_multiple_of(2);
        if is_tried && !shape.has_text() { Shape::Captioned } else { shape }
    }

    /// Whether an upstream that answers 500 has done so for so long that, if it is well otherwise, it refuses the
    /// message.
    pub fn is_suspect(&self, outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Erred(_)) && self.consumers.forwarding.erred >= MAX_ERRED
    }
}
