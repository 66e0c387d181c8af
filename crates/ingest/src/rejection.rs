//! Why a point is rejected, and the reasons that `status` counts.

use config::accept::Forbidden;
use model::labels::{LabelError, Quoted};
use model::point::{Field, PointError};

use super::otlp::Unfit;
use super::statsd::LineError;
use json::scan::{Syntax, Token};

/// Why a point is rejected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// Not JSON, with the field, if it is known.
    #[error("{0}")]
    Syntax(Syntax, Option<Field>),
    /// JSON, but not an object.
    #[error("a point must be an object such as {{\"n\":1}}, not {0}")]
    NotAnObject(Token),
    /// A field that points don't have.
    #[error("unknown field {0}; {hint}", hint = hint(.1))]
    UnknownField(Quoted, String),
    /// A field that occurs twice.
    #[error("{0} is given twice")]
    DuplicateField(Field),
    /// A field that should be a number.
    #[error("{0} must be a finite number, not {1}")]
    NotANumber(Field, Token),
    /// `v` is not an object.
    #[error("v must be an object of labels, not {0}")]
    NotLabels(Token),
    /// A label's value is not a string.
    #[error("label {0} must be a string, not {1}")]
    LabelNotText(Quoted, Token),
    /// A label breaks a rule.
    #[error("{0}")]
    Label(#[from] LabelError),
    /// Not a statsd line, or a bad value in one.
    #[error("{0}")]
    Line(#[from] LineError),
    /// An OTLP data point that a stream can't store.
    #[error("{0}")]
    Unfit(#[from] Unfit),
    /// A data point of an OTLP metric, which the index alone does not identify.
    #[error("metric {0}: {1}")]
    Metric(Quoted, Box<Self>),
    /// A number breaks a rule.
    #[error("{0}")]
    Point(#[from] PointError),
    /// The owner's rules forbid it: the field and the rule.
    #[error("{1}")]
    Rule(Field, String),
}

/// The reasons for rejections, as `status` counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Not JSON, or not an object; not a statsd line.
    Syntax,
    /// A field that points don't have.
    UnknownField,
    /// A field with a bad value.
    Field(Field),
    /// A rule of the owner's.
    Rule,
}

impl Reason {
    /// All reasons; the position is what is persisted, so only append.
    pub const ALL: [Self; 8] = [
        Self::Syntax,
        Self::UnknownField,
        Self::Field(Field::N),
        Self::Field(Field::D),
        Self::Field(Field::P),
        Self::Field(Field::V),
        Self::Field(Field::T),
        Self::Rule,
    ];

    /// Its name in `status`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::UnknownField => "unknown_field",
            Self::Field(field) => field.name(),
            Self::Rule => "rule",
        }
    }
}

impl Rejection {
    /// Its reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Syntax(..) | Self::NotAnObject(_) => Reason::Syntax,
            Self::UnknownField(..) => Reason::UnknownField,
            Self::DuplicateField(field) | Self::NotANumber(field, _) => Reason::Field(*field),
            Self::NotLabels(_) | Self::LabelNotText(..) | Self::Label(_) => Reason::Field(Field::V),
            Self::Line(error) => error.field().map_or(Reason::Syntax, Reason::Field),
            Self::Unfit(unfit) => Reason::Field(unfit.field()),
            Self::Metric(_, rejection) => rejection.reason(),
            Self::Point(error) => Reason::Field(error.field()),
            Self::Rule(..) => Reason::Rule,
        }
    }

    /// The field at fault, if there is one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::UnknownField(_, name) => Some(name),
            Self::Syntax(_, field) => field.map(Field::name),
            Self::Rule(field, _) => Some(field.name()),
            _ => match self.reason() {
                Reason::Field(field) => Some(field.name()),
                Reason::Syntax | Reason::UnknownField | Reason::Rule => None,
            },
        }
    }
}

impl From<Forbidden> for Rejection {
    fn from(forbidden: Forbidden) -> Self {
        match forbidden {
            Forbidden::Rule(field, rule) => Self::Rule(field, rule),
            Forbidden::Point(error) => Self::Point(error),
        }
    }
}

impl From<Syntax> for Rejection {
    fn from(error: Syntax) -> Self {
        Self::Syntax(error, None)
    }
}

fn hint(name: &str) -> &'static str {
    match name {
        "kv" | "labels" | "tags" => "labels go in `v`",
        _ => "a point has n, d, p, v and t",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_a_rule_forbids_counts_with_its_field() {
        let rejection = Rejection::from(Forbidden::Rule(Field::V, "why".into()));
        assert_eq!((rejection.reason().name(), rejection.field()), ("rule", Some("v")));
        let rejection = Rejection::from(Forbidden::Point(PointError::OpenRange(Field::D, 1e99)));
        assert_eq!((rejection.reason().name(), rejection.field()), ("d", Some("d")));
    }
}
