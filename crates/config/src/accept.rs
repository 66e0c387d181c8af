//! The owner's rules for what a stream accepts (`accept`): which labels, with which values, and in which bounds numbers and times are.
//!
//! They are kept as the JSON that the owner wrote and read into [`Rules`] once. They hold for open writers and for write keys, not for
//! the owner. [`Binding`] is what holds for one writer; it also has the bounds that open writers have where nobody says otherwise.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::hash::Hasher;
use std::rc::Rc;

use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use model::labels::split;
use model::point::{Field, Point, PointError};

use crate::who::Who;

mod read;
#[cfg(test)]
mod tests;

pub use read::{AcceptError, LabelRule, MAX_ACCEPT_BYTES, Others, Range, Rules};

/// Open writers' numbers are at most this, and their numerators at least minus this, unless `accept` says otherwise: whole numbers up to
/// here are exact in a double, and nobody's sums vanish beside one.
pub const MAX_OPEN: f64 = 9_007_199_254_740_992.0;

/// Rules as they are kept in a configuration: JSON as the owner wrote it; empty where there are none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Accept {
    text: String,
    read: OnceCell<Result<Rc<Rules>, AcceptError>>,
}

impl PartialEq for Accept {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Accept {}

impl From<String> for Accept {
    fn from(text: String) -> Self {
        Self { text, read: OnceCell::new() }
    }
}

impl From<Accept> for String {
    fn from(accept: Accept) -> Self {
        accept.text
    }
}

impl Accept {
    /// What an owner's `accept` asks for; null is no rules.
    ///
    /// # Errors
    /// See [`AcceptError`].
    pub fn parse(owners: &Value) -> Result<Self, AcceptError> {
        if owners.is_null() {
            return Ok(Self::default());
        }
        let text = owners.to_string();
        Rules::read(&text)?;
        Ok(text.into())
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.text.is_empty()
    }

    /// As owners are shown it.
    #[must_use]
    pub fn view(&self) -> Value {
        serde_json::from_slice(self.text.as_bytes()).unwrap_or_default()
    }

    /// The rules, read once.
    ///
    /// # Errors
    /// [`AcceptError`] where another version has written what this one does not know.
    pub fn rules(&self) -> Result<Option<Rc<Rules>>, AcceptError> {
        if self.is_none() {
            return Ok(None);
        }
        self.read.get_or_init(|| Rules::read(&self.text).map(Rc::new)).clone().map(Some)
    }

    /// What tells these rules from others; 0 is none.
    fn id(&self) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write(self.text.as_bytes());
        if self.is_none() { 0 } else { hasher.finish().max(1) }
    }
}

/// Why a point is not accepted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Forbidden {
    /// A rule forbids it: which field, and which rule.
    #[error("{1}")]
    Rule(Field, String),
    /// A bound forbids it that holds where no rule says otherwise.
    #[error("{0}")]
    Point(#[from] PointError),
}

/// What holds for the points of one writer; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    rules: Option<Rc<Rules>>,
    id: u64,
    is_open: bool,
}

impl Binding {
    /// For a writer of a stream with these rules.
    ///
    /// # Errors
    /// [`AcceptError`] where another version has written what this one does not know.
    pub fn of(accept: &Accept, who: Who) -> Result<Self, AcceptError> {
        Ok(match who {
            Who::Owner => Self::default(),
            Who::Open | Who::Keyed(_) => Self { rules: accept.rules()?, id: accept.id(), is_open: who == Who::Open },
        })
    }

    /// What tells apart the rules that labels are read by; 0 is none.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whether numbers and time of a point that arrives at `now` are within bounds.
    ///
    /// # Errors
    /// [`Forbidden::Rule`] or, without a rule, [`PointError::OpenRange`].
    pub fn check(&self, point: &Point, now: f64) -> Result<(), Forbidden> {
        let rules = self.rules.as_deref();
        for (field, number) in [(Field::N, point.n), (Field::D, point.d)] {
            match rules.and_then(|rules| rules.range(field)) {
                Some(range) => range.check(field, number)?,
                None if self.is_open && number.abs() > MAX_OPEN => {
                    return Err(PointError::OpenRange(field, number).into());
                }
                None => (),
            }
        }
        rules.map_or(Ok(()), |rules| rules.check_times(point, now))
    }

    /// The labels of a canonical text that are accepted.
    ///
    /// # Errors
    /// [`Forbidden::Rule`]
    pub fn labels<'a>(&self, canonical: &'a str) -> Result<Cow<'a, str>, Forbidden> {
        match self.rules.as_deref().filter(|rules| rules.has_labels()) {
            Some(rules) => rules.labels(canonical),
            None => Ok(canonical.into()),
        }
    }
}

impl Rules {
    /// The labels of a canonical text that are accepted.
    fn labels<'a>(&self, canonical: &'a str) -> Result<Cow<'a, str>, Forbidden> {
        let mut rejection = None;
        let kept = split(canonical, |name, value| {
            let Err(why) = self.allows(name, value) else { return true };
            match self.others {
                Others::Reject => rejection = rejection.take().or(Some(why)),
                Others::Drop | Others::Keep => (),
            }
            false
        });
        match rejection {
            Some(why) => Err(Forbidden::Rule(Field::V, why)),
            None => Ok(kept),
        }
    }
}
