//! What an upstream objects to when it does not say so as app.net documents it: the form of messages, or a point that
//! it fails at.

use appnet::shape::Shape;
use config::forward::dialect::Dialect;
use store::sql::Sql;

use super::{Forwarding, Outcome, Parcel};
use crate::engine::Engine;

/// After this many consecutive unexplained 500 answers, every other attempt includes text.
const MAX_VAGUE: u32 = 3;
/// After this many, which takes at least four minutes, the message itself may be the cause.
const MAX_ERRED: u32 = 8;

impl<S: Sql> Engine<S> {
    /// Another form for a message, if the upstream refused it because of its form.
    pub(super) fn shape_after(&self, parcel: &Parcel, outcome: &Outcome) -> Option<Shape> {
        match outcome {
            Outcome::Failed(reason) | Outcome::Erred(reason) | Outcome::Denied(reason) | Outcome::Refused(reason) => {
                parcel.shape.after(reason).filter(|_| self.dialect() == Dialect::AppNet)
            }
            Outcome::Delivered | Outcome::Held { .. } => None,
        }
    }

    /// The form of the next message.
    pub(super) fn next_shape(&self) -> Shape {
        let Forwarding { shape, erred, .. } = self.consumers.forwarding;
        let is_tried = erred >= MAX_VAGUE && !erred.is_multiple_of(2);
        if is_tried && !shape.has_text() { Shape::Captioned } else { shape }
    }

    /// Whether an upstream has answered 500 for so long that it must object to the message, provided that it is
    /// otherwise healthy.
    pub fn is_suspect(&self, outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Erred(_)) && self.consumers.forwarding.erred >= MAX_ERRED
    }
}
