//! Labels that make no series, but whose values are counted.
//!
//! Sketches refer to them by number. A name keeps its number for ever, so what was counted under the number keeps its
//! meaning, even while the owner does not list the label.

use std::borrow::Cow;

use model::distinct::hash;
use model::labels::split;
use model::sketches::{MAX_DISTINCT_LABELS, Mark};
use store::meta;
use store::sql::{Sql, StoreError};

const NAMES: &str = "distinct";

/// More names than there are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a stream can count the values of at most {MAX_DISTINCT_LABELS} different labels over its lifetime, and `distinct` names one more"
)]
pub struct TooManyNames;

/// A label whose values are not counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`distinct:{name}`: the stream does not count the values of this label; its `distinct` lists [{counted}]")]
pub struct NotCounted {
    name: String,
    counted: String,
}

/// Which labels are counted, and under which numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistinctLabels {
    /// All labels that ever were, by number.
    names: Vec<String>,
    /// Those that are counted now, in the owner's order.
    counted: Vec<(String, u8)>,
}

impl DistinctLabels {
    /// The names in the database; those in the list are counted.
    pub(super) fn load(sql: &impl Sql, listed: &[String]) -> Result<Self, StoreError> {
        let names = meta::get(sql, NAMES)?.map(|text| serde_json::from_str(&text));
        let names = names.transpose().map_err(|_| StoreError::Column("list of names"))?.unwrap_or_default();
        let loaded = Self { names, counted: Vec::new() };
        loaded.listing(listed).map_err(|_| StoreError::Column("list of few names"))
    }

    /// The same names and possibly new ones; those in the list are counted.
    pub(super) fn listing(&self, listed: &[String]) -> Result<Self, TooManyNames> {
        let mut names = self.names.clone();
        let mut counted = Vec::with_capacity(listed.len());
        for name in listed {
            let at = names.iter().position(|known| known == name).unwrap_or(names.len());
            let number = u8::try_from(at).ok().filter(|_| at < MAX_DISTINCT_LABELS).ok_or(TooManyNames)?;
            if at == names.len() {
                names.push(name.clone());
            }
            counted.push((name.clone(), number));
        }
        Ok(Self { names, counted })
    }

    /// Writes the names.
    pub(super) fn persist(&self, sql: &impl Sql) -> Result<(), StoreError> {
        meta::put(sql, NAMES, &serde_json::to_string(&self.names).expect("strings always serialise"))
    }

    /// Whether no label is counted now.
    pub(super) fn counts_none(&self) -> bool {
        self.counted.is_empty()
    }

    /// The number of a label that is counted now.
    pub(super) fn number(&self, name: &str) -> Option<u8> {
        self.counted.iter().find(|(known, _)| known == name).map(|(_, number)| *number)
    }

    /// The numbers of labels.
    ///
    /// # Errors
    /// [`NotCounted`] with the first label that is not counted now.
    pub fn numbers(&self, names: &[String]) -> Result<Vec<u8>, NotCounted> {
        let number = |name: &String| {
            self.number(name).ok_or_else(|| NotCounted {
                name: name.clone(),
                counted: self.counted.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "),
            })
        };
        names.iter().map(number).collect()
    }

    /// Splits a canonical string into the labels that make the series and the values of the others.
    pub(super) fn split<'a>(&self, canonical: &'a str) -> (Cow<'a, str>, Vec<Mark>) {
        if self.counted.is_empty() {
            return (canonical.into(), Vec::new());
        }
        let mut marks = Vec::new();
        let rest = split(canonical, |name, value| {
            let number = self.number(name);
            marks.extend(number.map(|label| Mark { label, hash: hash(value) }));
            number.is_none()
        });
        (rest, marks)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::engine::{Engine, Incoming, Limits};
    use crate::engine_model::record;
    use crate::randomness::Randomness;
    use ingest::frame::FrameBuilder;
    use model::point::Point;
    use model::query::{By, Query};
    use model::sketches::Wanted;
    use model::window::Window;
    use store::schema;
    use store::testing::TestSql;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_label_keeps_its_number_for_ever() {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        let none = DistinctLabels::load(&sql, &[]).expect("loads");
        let one = none.listing(&names(&["b", "a"])).expect("few");
        let two = one.listing(&names(&["c", "a"])).expect("few");
        two.persist(&sql).expect("writes");
        assert_eq!(meta::get(&sql, NAMES), Ok(Some(r#"["b","a","c"]"#.to_owned())));
        let again = DistinctLabels::load(&sql, &names(&["a", "b"])).expect("loads");
        assert_eq!(["a", "b", "c"].map(|name| again.number(name)), [Some(1), Some(0), None]);
        assert_eq!(two.numbers(&names(&["c", "a"])), Ok(vec![2, 1]));
        let error = two.numbers(&names(&["a", "b"])).expect_err("not listed any more").to_string();
        assert_eq!(
            error,
            "`distinct:b`: the stream does not count the values of this label; its `distinct` lists [c, a]"
        );
    }

    #[test]
    fn at_most_32_labels_get_a_number() {
        let mut labels = DistinctLabels::default();
        for number in 0..32u8 {
            labels = labels.listing(&[number.to_string()]).expect("there is a number left");
            assert_eq!(labels.number(&number.to_string()), Some(number));
        }
        assert_eq!(labels.listing(&names(&["more"])), Err(TooManyNames));
        assert!(labels.listing(&names(&["0", "31"])).is_ok());
    }

    #[test]
    fn counted_labels_are_removed_and_their_values_hashed() {
        let labels = DistinctLabels::default().listing(&names(&["b", "z", "d"])).expect("few");
        let text = "a\u{1f}1\u{1e}b\u{1f}x\u{1e}c\u{1f}2\u{1e}d\u{1f}y\u{1e}";
        let (rest, marks) = labels.split(text);
        assert_eq!(rest, "a\u{1f}1\u{1e}c\u{1f}2\u{1e}");
        assert_eq!(marks, [Mark { label: 0, hash: hash("x") }, Mark { label: 2, hash: hash("y") }]);
        assert!(matches!(labels.split("a\u{1f}1\u{1e}"), (Cow::Borrowed(_), marks) if marks.is_empty()));
        assert_eq!(DistinctLabels::default().split(text), (text.into(), Vec::new()));
    }

    #[test]
    fn a_quarter_of_a_million_client_ids_cost_one_sketch() {
        const BATCH: u32 = 10_000;
        let now_ms = 1_792_540_800_000;
        let sql = Rc::new(TestSql::new());
        let mut engine =
            Engine::create(Rc::clone(&sql), Limits::DEFAULT, Randomness::FIXED, &record(&["client"])).expect("creates");
        for batch in 0..25 {
            let mut frame = FrameBuilder::new(1_792_540_800_000, [0; 16], |_| None);
            for client in batch * BATCH..(batch + 1) * BATCH {
                let point = Point { n: 1.0, d: 1.0, p: None, t: 1_792_540_800.0 };
                frame.push(0, Ok((point, &format!("client\u{1f}{client:08x}\u{1e}page\u{1f}/\u{1e}"))));
            }
            assert!(engine.commit(&[Incoming::of_owner(frame.finish(None).frame)], now_ms).iter().all(Result::is_ok));
        }
        engine.seal(now_ms).expect("seals");
        let window = Window::aligned(1_792_540_800, 1_792_540_810, 10).expect("aligned");
        let sketches = Wanted { quantiles: false, distinct: 1 };
        let rows = engine.query(&Query { window, matchers: Vec::new(), by: By::All, sketches }).expect("answers");
        assert_eq!((rows.len(), sql.count("series")), (1, 2));
        let clients = rows[0].1[0].1.distinct_values(0);
        assert!((clients / 250_000.0 - 1.0).abs() < 0.02, "{clients}");
        // One sketch in each tier.
        let bytes: i64 = sql.chunk_bytes().iter().map(|(_, bytes)| bytes).sum();
        assert!(bytes < 5 * 10_000, "{bytes} bytes");
    }
}
