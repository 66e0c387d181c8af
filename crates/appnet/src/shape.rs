//! The shape in which an upstream accepts messages of points. app.net accepted machine-only ones without a text;
//! not every server with its API does.

use serde::{Deserialize, Serialize};

/// What a message has besides its annotations. Persisted by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Machine-only and without a text, as app.net documents it.
    #[default]
    Silent,
    /// Machine-only and with a text.
    Captioned,
    /// With a text, and for people as far as the upstream knows.
    Spoken,
}

impl Shape {
    /// Whether a message in this shape has a text.
    #[must_use]
    pub fn has_text(self) -> bool {
        self != Self::Silent
    }

    /// Whether a message in this shape is machine-only.
    #[must_use]
    pub fn is_machine_only(self) -> bool {
        self != Self::Spoken
    }

    /// The shape to try after an upstream rejected this one with this reason; `None` if the reason is another one,
    /// or no shape is left. Shapes are tried in order, so a message changes its shape at most twice.
    #[must_use]
    pub fn after(self, reason: &str) -> Option<Self> {
        let reason = reason.to_lowercase();
        let mut words = reason.split(|char: char| !char.is_alphanumeric());
        let names_text = words.any(|word| word == "text");
        let names_machine = ["machine_only", "machine only", "machine-only"].iter().any(|name| reason.contains(name));
        match self {
            Self::Silent if names_text => Some(Self::Captioned),
            Self::Silent | Self::Captioned if names_text || names_machine => Some(Self::Spoken),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Shape::{Captioned, Silent, Spoken};

    #[test]
    fn a_reason_about_text_or_machine_only_changes_the_shape() {
        for reason in [
            "Call requires text to be defined in JSON body",
            "Bad Request: 'text' is required",
            "message.text is missing",
            "Text can't be blank unless machine_only",
        ] {
            assert_eq!(Silent.after(reason), Some(Captioned), "{reason}");
        }
        for reason in
            ["machine_only messages are disallowed", "Machine-only is not for you", "no machine only messages"]
        {
            assert_eq!((Silent.after(reason), Captioned.after(reason)), (Some(Spoken), Some(Spoken)), "{reason}");
        }
        assert_eq!(Captioned.after("text is not allowed here"), Some(Spoken));
    }

    #[test]
    fn other_reasons_and_the_last_shape_change_nothing() {
        for reason in ["", "Internal Server Error", "the context is wrong", "texts", "Content-Type", "answered 500"] {
            assert_eq!((Silent.after(reason), Captioned.after(reason)), (None, None), "{reason}");
        }
        assert_eq!(Spoken.after("Call requires text, and not machine_only"), None);
    }

    #[test]
    fn the_names_of_shapes_are_pinned() {
        let names = [Silent, Captioned, Spoken].map(|shape| serde_json::to_string(&shape).expect("serialises"));
        assert_eq!(names, [r#""silent""#, r#""captioned""#, r#""spoken""#]);
    }
}
