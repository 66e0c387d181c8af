//! The owner's rules for what a stream accepts (`accept`): which labels, with which values, and the bounds of
//! numbers and times.
//!
//! They are kept as the JSON that the owner wrote and parsed into [`Rules`] once. They apply to open writers and to
//! write keys, not to the owner. [`Binding`] is what applies to one writer; it includes the bounds that open
//! writers have by default.

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

/// The largest absolute number of open writers, unless `accept` says otherwise: integers up to here are exact in a
/// double, and no number makes other writers' sums vanish.
pub const MAX_OPEN: f64 = 9_007_199_254_740_992.0;

/// Rules as they are kept in a configuration: JSON as the owner wrote it; empty if there are none.
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
    /// Parses an owner's `accept`; null means no rules.
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

    /// The JSON that owners see.
    #[must_use]
    pub fn view(&self) -> Value {
        serde_json::from_slice(self.text.as_bytes()).unwrap_or_default()
    }

    /// The parsed rules, cached.
    ///
    /// # Errors
    /// [`AcceptError`] if another version wrote rules that this one does not know.
    pub fn rules(&self) -> Result<Option<Rc<Rules>>, AcceptError> {
        if self.is_none() {
            return Ok(None);
        }
        self.read.get_or_init(|| Rules::read(&self.text).map(Rc::new)).clone().map(Some)
    }

    /// Identifies these rules; 0 means none.
    fn id(&self) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write(self.text.as_bytes());
        if self.is_none() { 0 } else { hasher.finish().max(1) }
    }
}

/// Why a point is not accepted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Forbidden {
    /// A rule forbids it: the field and the rule.
    #[error("{1}")]
    Rule(Field, String),
    /// A default bound forbids it.
    #[error("{0}")]
    Point(#[from] PointError),
}

/// What applies to the points of one writer; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    rules: Option<Rc<Rules>>,
    id: u64,
    is_open: bool,
}

impl Binding {
    /// The binding of a writer of a stream with these rules.
    ///
    /// # Errors
    /// [`AcceptError`] if another version wrote rules that this one does not know.
    pub fn of(accept: &Accept, who: Who) -> Result<Self, AcceptError> {
        Ok(match who {
            Who::Owner => Self::default(),
            Who::Open | Who::Keyed(_) => Self { rules: accept.rules()?, id: accept.id(), is_open: who == Who::Open },
        })
    }

    /// Identifies the rules for labels; 0 means none.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Checks that numbers and time of a point that arrives at `now` are within bounds.
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

    /// The accepted labels of a canonical string.
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
    /// The accepted labels of a canonical string.
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
