//! Labels: what a point is about, as one canonical string.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

/// A point carries at most this many labels.
pub const MAX_LABELS: usize = 16;
/// The longest name of a label, in bytes of UTF-8. A name has at least one.
pub const MAX_NAME_BYTES: usize = 64;
/// The longest label value in bytes of UTF-8; it may be empty.
pub const MAX_VALUE_BYTES: usize = 256;

/// Separates a name from its value; no label can contain it, as it is a control character.
const UNIT: char = '\u{1f}';
/// Ends each pair, likewise.
const RECORD: char = '\u{1e}';
const OVERFLOW: &str = "overflow\u{1f}true\u{1e}";

/// A set of labels, sorted by name, names unique, values not empty.
///
/// An empty value means the same as no label, as in Prometheus, so it is left out. The set is one string, `name US
/// value RS name US value RS`, which makes it cheap to compare, store and send; copies share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Rc<str>);

impl Labels {
    /// The labels of the overflow series, which receives the points of series beyond the limit.
    #[must_use]
    pub fn overflow() -> Self {
        Self(OVERFLOW.into())
    }

    /// Whether these are the labels of the overflow series.
    #[must_use]
    pub fn is_overflow(&self) -> bool {
        &*self.0 == OVERFLOW
    }

    /// The labels of a canonical string that [`LabelsBuilder::canonical`] made.
    #[must_use]
    pub fn from_canonical(text: &str) -> Self {
        Self(text.into())
    }

    /// The canonical string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name and value of each label, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        Self::pairs_of(&self.0)
    }

    /// Name and value of each label of a canonical string, sorted by name.
    pub fn pairs_of(text: &str) -> impl Iterator<Item = (&str, &str)> {
        text.split_terminator(RECORD).filter_map(|pair| pair.split_once(UNIT))
    }

    /// The value of a label; the empty string if it is absent.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.iter().find(|(candidate, _)| *candidate == name).map_or("", |(_, value)| value)
    }

    /// Only the labels with these names.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Self {
        let mut text = String::new();
        for (name, value) in self.iter().filter(|(name, _)| names.iter().any(|wanted| wanted == name)) {
            push_pair(&mut text, name, value);
        }
        Self(text.into())
    }
}

/// Filters the labels of a canonical string by name and value.
pub fn split(canonical: &str, mut keeps: impl FnMut(&str, &str) -> bool) -> Cow<'_, str> {
    let mut kept = Cow::Borrowed(canonical);
    let mut rest = canonical;
    while let Some((pair, behind)) = rest.split_once(RECORD) {
        let start = canonical.len() - rest.len();
        rest = behind;
        let Some((name, value)) = pair.split_once(UNIT) else { continue };
        match (keeps(name, value), &mut kept) {
            (true, Cow::Owned(text)) => push_pair(text, name, value),
            (false, Cow::Borrowed(_)) => kept = Cow::Owned(canonical[..start].to_owned()),
            (true, Cow::Borrowed(_)) | (false, Cow::Owned(_)) => (),
        }
    }
    kept
}

fn push_pair(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push(UNIT);
    text.push_str(value);
    text.push(RECORD);
}

/// Why labels are rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// More labels than [`MAX_LABELS`].
    #[error("a point can have at most {MAX_LABELS} labels, this one has {0}")]
    TooMany(usize),
    /// A label without a name.
    #[error("a label's name must not be empty")]
    EmptyName,
    /// A name over [`MAX_NAME_BYTES`].
    #[error("label {0} has a name of {1} bytes, more than the {MAX_NAME_BYTES} allowed")]
    NameTooLong(Quoted, usize),
    /// A value over [`MAX_VALUE_BYTES`].
    #[error("label {0} has a value of {1} bytes, more than the {MAX_VALUE_BYTES} allowed")]
    ValueTooLong(Quoted, usize),
    /// A control character in a name or value.
    #[error("label {0} contains a control character")]
    ControlCharacter(Quoted),
    /// The same name twice.
    #[error("label {0} is given twice")]
    Duplicate(Quoted),
}

/// A stranger's string for a message: quoted, escaped and truncated to 40 bytes or slightly more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted(String);

impl From<&str> for Quoted {
    fn from(text: &str) -> Self {
        const SHOWN_BYTES: usize = 40;
        let mut shown = String::from("\"");
        for char in text.chars() {
            if shown.len() > SHOWN_BYTES {
                shown.push('…');
                break;
            }
            shown.extend(char.escape_debug());
        }
        shown.push('"');
        Self(shown)
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Builds the canonical labels of one point after another, reusing its memory.
#[derive(Default)]
pub struct LabelsBuilder<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    text: String,
}

impl<'a> LabelsBuilder<'a> {
    /// Forgets the labels of the last point.
    pub fn clear(&mut self) {
        self.pairs.clear();
    }

    /// Adds a label. Labels beyond [`MAX_LABELS`] are counted; only [`Self::canonical`] reports them.
    pub fn push(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        self.pairs.push((name, value));
    }

    /// Adds a label, unless it is already there with the same value. Searches all labels, so the caller should have
    /// few.
    pub fn push_once(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        let pair = (name, value);
        if !self.pairs.contains(&pair) {
            self.pairs.push(pair);
        }
    }

    /// The canonical string of the labels added since the last `clear`.
    ///
    /// # Errors
    /// The first rule that a label breaks.
    pub fn canonical(&mut self) -> Result<&str, LabelError> {
        if self.pairs.len() > MAX_LABELS {
            return Err(LabelError::TooMany(self.pairs.len()));
        }
        self.pairs.iter().try_for_each(|(name, value)| check(name, value))?;
        if !self.pairs.is_sorted_by(|one, two| one.0 < two.0) {
            self.pairs.sort_unstable();
            if let Some(pair) = self.pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(LabelError::Duplicate(pair[0].0.as_ref().into()));
            }
        }
        self.text.clear();
        for (name, value) in self.pairs.iter().filter(|(_, value)| !value.is_empty()) {
            push_pair(&mut self.text, name, value);
        }
        Ok(&self.text)
    }
}

fn check(name: &str, value: &str) -> Result<(), LabelError> {
    if name.is_empty() {
        return Err(LabelError::EmptyName);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(LabelError::NameTooLong(name.into(), name.len()));
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(LabelError::ValueTooLong(name.into(), value.len()));
    }
    if has_control(name) || has_control(value) {
        return Err(LabelError::ControlCharacter(name.into()));
    }
    Ok(())
}

/// Whether a string is a valid label name.
#[must_use]
pub fn is_name(text: &str) -> bool {
    check(text, "").is_ok()
}

/// U+0000 to U+001F and U+007F to U+009F; in UTF-8 the upper ones follow the byte C2.
fn has_control(text: &str) -> bool {
    let may_be_control = |byte: &u8| *byte < 0x20 || *byte == 0x7f || *byte == 0xc2;
    text.as_bytes().iter().any(may_be_control) && text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Result<Labels, LabelError> {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.push(Cow::Owned((*name).to_owned()), Cow::Owned((*value).to_owned()));
        }
        builder.canonical().map(Labels::from_canonical)
    }

    #[test]
    fn order_is_irrelevant_and_an_empty_value_means_no_label() {
        let one = labels(&[("b", "2"), ("a", "1"), ("c", "")]).expect("valid");
        let other = labels(&[("a", "1"), ("b", "2")]).expect("valid");
        assert_eq!(one, other);
        assert_eq!(one.as_str(), "a\u{1f}1\u{1e}b\u{1f}2\u{1e}");
        assert_eq!(one.value("b"), "2");
        assert_eq!(one.value("c"), "");
    }

    #[test]
    fn limits_are_inclusive() {
        let names: Vec<String> = (0..=MAX_LABELS).map(|i| format!("l{i}")).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        assert!(labels(&pairs[..MAX_LABELS]).is_ok());
        assert_eq!(labels(&pairs), Err(LabelError::TooMany(MAX_LABELS + 1)));
        assert!(labels(&[(&"n".repeat(MAX_NAME_BYTES), &"v".repeat(MAX_VALUE_BYTES))]).is_ok());
        assert!(matches!(labels(&[(&"n".repeat(MAX_NAME_BYTES + 1), "")]), Err(LabelError::NameTooLong(..))));
        assert!(matches!(labels(&[("n", &"v".repeat(MAX_VALUE_BYTES + 1))]), Err(LabelError::ValueTooLong(..))));
        assert_eq!(labels(&[("", "v")]), Err(LabelError::EmptyName));
        for control in ['\0', '\u{1f}', '\u{7f}', '\u{80}', '\u{9f}'] {
            assert!(matches!(labels(&[("a", &format!("x{control}y"))]), Err(LabelError::ControlCharacter(_))));
        }
        assert!(labels(&[("a", " ~\u{a0}\u{c2}é")]).is_ok());
        assert!(matches!(labels(&[("a", "1"), ("a", "2")]), Err(LabelError::Duplicate(_))));
    }

    #[test]
    fn grouping_keeps_only_the_named_labels() {
        let all = labels(&[("a", "1"), ("b", "2")]).expect("valid");
        assert_eq!(all.only(&["b".into(), "z".into()]), labels(&[("b", "2")]).expect("valid"));
        assert_eq!(all.only(&[]), Labels::default());
    }
}
