//! The series of an object and their numbers. New series are in memory until their cells are sealed; until then the log
//! has their labels.
//!
//! A number is used once. When its series is freed, the number is no longer live, and whoever still has it reads
//! `overflow`.

mod listing;

use std::collections::BTreeMap;

use model::class::Class;
use model::labels::Labels;
use model::open::SeriesId;
use model::sparse::Sparse;
use model::text_index::{HashKey, TextIndex};
use store::sql::{Sql, StoreError};
use store::{meta, series};

/// The next series number, persisted in case the last series were freed.
const NEXT: &str = "next_series";

/// Beyond these limits, a new series becomes `overflow`.
#[derive(Clone, Copy, Debug)]
pub struct DictionaryLimits {
    /// Series besides `overflow`...
    pub(super) series: usize,
    /// ...the total bytes of their canonical strings...
    pub(super) text_bytes: usize,
    /// ...and different label names.
    pub(super) names: usize,
}

impl DictionaryLimits {
    /// A series takes some 80 bytes besides its string: 8 of the 128 MB. A thousand names are more than people can
    /// choose from; one answer of at most 100 KB lists them.
    pub(super) const DEFAULT: Self = Self { series: 100_000, text_bytes: 16 << 20, names: 1_000 };

    /// The limits for a class of writer: open writers leave 15,000 of 100,000 series to others, and a quarter of the
    /// names and bytes.
    fn of(self, class: Class) -> Self {
        let Self { series, text_bytes, names } = self;
        match class {
            Class::Open => Self { series: series * 17 / 20, text_bytes: text_bytes / 4 * 3, names: names * 3 / 4 },
            Class::Keyed | Class::Owner => self,
        }
    }
}

/// Where the points of a label set go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    pub(super) series: SeriesId,
    /// Whether it is `overflow` because there is no room for a series of its own.
    pub(super) is_overflow: bool,
}

/// Labels by number, and numbers by labels.
pub(super) struct Dictionary {
    limits: DictionaryLimits,
    labels: Sparse<Labels>,
    index: TextIndex,
    text_bytes: usize,
    /// The number of series with each name, besides `overflow`.
    names: BTreeMap<Box<str>, u32>,
    /// The number of `overflow`, if it has one.
    overflow: Option<SeriesId>,
    /// Series from this number on are not in the database yet.
    persisted: SeriesId,
}

impl Dictionary {
    fn new(key: HashKey, limits: DictionaryLimits) -> Self {
        let (labels, index, names) = (Sparse::default(), TextIndex::new(key), BTreeMap::new());
        Self { limits, labels, index, text_bytes: 0, names, overflow: None, persisted: 0 }
    }

    pub(super) fn load(sql: &impl Sql, key: HashKey, limits: DictionaryLimits) -> Result<Self, StoreError> {
        let mut dictionary = Self::new(key, limits);
        for (id, labels) in series::all(sql)? {
            dictionary.labels.skip_to(id);
            dictionary.push(labels);
        }
        if let Some(next) = meta::get(sql, NEXT)? {
            dictionary.labels.skip_to(next.parse().map_err(|_| StoreError::Column("number of a series"))?);
        }
        dictionary.mark_persisted();
        Ok(dictionary)
    }

    /// The number of a series; a new one if necessary, or that of `overflow` if there is no room.
    pub(super) fn number(&mut self, canonical: &str) -> Numbered {
        if let Some(series) = self.find(canonical) {
            return Numbered { series, is_overflow: false };
        }
        if self.room_for(canonical, Class::Owner).is_some() {
            return Numbered { series: self.admit(canonical), is_overflow: false };
        }
        Numbered { series: self.overflow(), is_overflow: true }
    }

    /// The number of new names that a new series would add; `None` if there is no room for it.
    pub(super) fn room_for(&self, canonical: &str, class: Class) -> Option<usize> {
        let labels = Labels::from_canonical(canonical);
        let new_names = labels.iter().filter(|(name, _)| !self.names.contains_key(*name)).count();
        let limits = self.limits.of(class);
        let has_room = self.series() < limits.series
            && self.text_bytes + canonical.len() <= limits.text_bytes
            && (new_names == 0 || self.names.len() + new_names <= limits.names);
        has_room.then_some(new_names)
    }

    /// The number of a series that is admitted if it is new.
    pub(super) fn admit(&mut self, canonical: &str) -> SeriesId {
        self.find(canonical).unwrap_or_else(|| self.push(Labels::from_canonical(canonical)))
    }

    /// Takes back all numbers from this one on, which nobody has learned.
    pub(super) fn retract(&mut self, from: SeriesId) {
        let ids: Vec<SeriesId> = self.labels.iter_from(from).map(|(id, _)| id).collect();
        self.overflow = self.overflow.filter(|id| *id < from);
        self.free(&ids);
        self.labels.rewind_to(from);
    }

    /// How full the part for open writers is: by series, names or bytes, whichever is fullest, without this many series
    /// and bytes.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(super) fn fill(&self, (series, text_bytes): (usize, usize)) -> f64 {
        let limits = self.limits.of(Class::Open);
        let share = |used: usize, limit: usize| used as f64 / limit.max(1) as f64;
        share(self.series().saturating_sub(series), limits.series)
            .max(share(self.text_bytes.saturating_sub(text_bytes), limits.text_bytes))
            .max(share(self.names.len(), limits.names))
    }

    /// The number of series, names and bytes, each with its limit.
    pub(super) fn bounds(&self) -> [(&'static str, usize, usize); 3] {
        let DictionaryLimits { series, text_bytes, names } = self.limits;
        [
            ("series", self.series(), series),
            ("names", self.names.len(), names),
            ("series_text_bytes", self.text_bytes, text_bytes),
        ]
    }

    /// The total bytes of all series' strings.
    pub(super) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// The number of series besides `overflow`.
    pub(super) fn series(&self) -> usize {
        self.labels.len() - usize::from(self.overflow.is_some())
    }

    /// The number of the series for points that find no room elsewhere.
    pub(super) fn overflow(&mut self) -> SeriesId {
        self.overflow.unwrap_or_else(|| self.push(Labels::overflow()))
    }

    /// Whether a label set has a series.
    pub(super) fn has(&self, canonical: &str) -> bool {
        self.find(canonical).is_some()
    }

    pub(super) fn find(&self, canonical: &str) -> Option<SeriesId> {
        self.index.find(canonical.as_bytes(), |id| text_of(&self.labels, id))
    }

    fn push(&mut self, labels: Labels) -> SeriesId {
        self.text_bytes += labels.as_str().len();
        let is_overflow = labels.is_overflow();
        if !is_overflow {
            self.add_names(&labels);
        }
        let id = self.labels.push(labels);
        if is_overflow {
            self.overflow = Some(id);
        }
        self.index.insert(id, |id| text_of(&self.labels, id));
        id
    }

    fn add_names(&mut self, labels: &Labels) {
        for (name, _) in labels.iter() {
            if let Some(series) = self.names.get_mut(name) {
                *series += 1;
            } else {
                self.names.insert(name.into(), 1);
            }
        }
    }

    /// The labels of a live series.
    pub(super) fn get(&self, id: SeriesId) -> Option<&Labels> {
        self.labels.get(id)
    }

    /// The labels for a number; those of `overflow` for a series that is no longer live.
    pub(super) fn labels_of(&self, id: SeriesId) -> Labels {
        self.get(id).cloned().unwrap_or_else(Labels::overflow)
    }

    /// The number of live series with smaller numbers than this one, or than `overflow` if this one is not live.
    pub(super) fn slot(&self, id: SeriesId) -> Option<usize> {
        self.labels.slot(id).or_else(|| self.labels.slot(self.overflow?))
    }

    /// Live series in numerical order.
    pub(super) fn labels(&self) -> impl Iterator<Item = (SeriesId, &Labels)> + Clone {
        self.labels.iter()
    }

    /// The same, starting at a number.
    pub(super) fn labels_from(&self, series: SeriesId) -> impl Iterator<Item = (SeriesId, &Labels)> {
        self.labels.iter_from(series)
    }

    /// The number that the next series will get.
    pub(super) fn next(&self) -> SeriesId {
        self.labels.next()
    }

    /// Writes the series that are not in the database yet; call [`Self::mark_persisted`] once that has taken effect.
    pub(super) fn persist(&self, sql: &impl Sql) -> Result<(), StoreError> {
        for (id, labels) in self.labels.iter_from(self.persisted) {
            series::insert(sql, id, labels)?;
        }
        Ok(())
    }

    pub(super) fn mark_persisted(&mut self) {
        self.persisted = self.labels.next();
    }

    /// Deletes the rows of series that are in the database; call [`Self::free`] once that has taken effect. `overflow`
    /// stays.
    pub(super) fn delete(&self, sql: &impl Sql, ids: &[SeriesId]) -> Result<(), StoreError> {
        for id in ids.iter().filter(|id| Some(**id) != self.overflow) {
            series::delete(sql, *id)?;
        }
        meta::put(sql, NEXT, &self.persisted.to_string())
    }

    /// Frees series, given in numerical order: their names, strings and places, but not their numbers. Those of
    /// `overflow` stay.
    pub(super) fn free(&mut self, ids: &[SeriesId]) {
        let ids: Vec<SeriesId> = ids.iter().copied().filter(|id| Some(*id) != self.overflow).collect();
        for id in ids.iter().filter(|id| self.labels.get(**id).is_some()) {
            self.index.remove(*id, |id| text_of(&self.labels, id));
        }
        for labels in self.labels.remove(&ids) {
            self.text_bytes -= labels.as_str().len();
            for (name, _) in labels.iter().filter(|_| !labels.is_overflow()) {
                if let Some(series) = self.names.get_mut(name) {
                    *series -= 1;
                    if *series == 0 {
                        self.names.remove(name);
                    }
                }
            }
        }
    }
}

fn text_of(labels: &Sparse<Labels>, id: SeriesId) -> &[u8] {
    labels[id].as_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::schema;
    use store::testing::TestSql;

    fn text(pairs: &[(&str, &str)]) -> String {
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}\u{1f}{value}\u{1e}")).collect();
        pairs.concat()
    }

    #[test]
    fn series_beyond_the_limit_share_the_overflow() {
        let mut dictionary = Dictionary::new([0; 16], DictionaryLimits { series: 1_000, ..DictionaryLimits::DEFAULT });
        for index in 0..1_000 {
            let numbered = dictionary.number(&text(&[("i", &index.to_string())]));
            assert_eq!(numbered, Numbered { series: index, is_overflow: false });
        }
        let overflow = Numbered { series: 1_000, is_overflow: true };
        assert_eq!(dictionary.number("x\u{1f}1\u{1e}"), overflow);
        assert_eq!(dictionary.number("x\u{1f}2\u{1e}"), overflow);
        assert_eq!(dictionary.number(&text(&[("i", "7")])).series, 7);
        assert_eq!(dictionary.labels_of(1_000), Labels::overflow());
        let named = dictionary.number(Labels::overflow().as_str());
        assert_eq!(named, Numbered { is_overflow: false, ..overflow }, "who names it has not overflowed");
    }

    #[test]
    fn series_beyond_the_byte_limit_share_the_overflow_too() {
        let limits = DictionaryLimits { text_bytes: 100_000, ..DictionaryLimits::DEFAULT };
        let mut dictionary = Dictionary::new([0; 16], limits);
        let long = |index: usize| text(&[("i", &format!("{index:05000}"))]);
        let count = limits.text_bytes / long(0).len();
        for index in 0..count + 10 {
            dictionary.number(&long(index));
        }
        assert_eq!(dictionary.labels().count(), count + 1);
        assert_eq!(dictionary.labels().last().map(|(_, labels)| labels), Some(&Labels::overflow()));
    }

    #[test]
    fn only_series_with_names_beyond_the_limit_share_the_overflow() {
        let mut dictionary = Dictionary::new([0; 16], DictionaryLimits { names: 3, ..DictionaryLimits::DEFAULT });
        let mut is_overflow = |pairs: &[(&str, &str)]| dictionary.number(&text(pairs)).is_overflow;
        assert!(!is_overflow(&[("a", "1"), ("b", "1")]));
        assert!(is_overflow(&[("c", "1"), ("d", "1")]), "two more would be four");
        assert!(!is_overflow(&[("a", "1"), ("c", "1")]));
        assert!(is_overflow(&[("a", "1"), ("d", "1")]));
        assert!(!is_overflow(&[("a", "2"), ("b", "2"), ("c", "2")]));
        assert!(!is_overflow(&[]));
    }

    #[test]
    fn open_writers_leave_room_for_others() {
        let limits = DictionaryLimits { series: 100, text_bytes: 4_000, names: 8 };
        let mut dictionary = Dictionary::new([0; 16], limits);
        let mut fill = |class: Class, prefix: &str, name: Option<&str>, len: usize| {
            let admitted = (0..300).filter(|index| {
                let value = format!("{prefix}{index:0len$}");
                let labels = name.map_or_else(|| text(&[(&value, "1")]), |name| text(&[(name, &value)]));
                let has_room = dictionary.room_for(&labels, class).is_some();
                if has_room {
                    dictionary.admit(&labels);
                }
                has_room
            });
            admitted.count()
        };
        assert_eq!((fill(Class::Open, "n", None, 3), fill(Class::Open, "n", Some("n000"), 3)), (6, 79));
        assert_eq!((fill(Class::Keyed, "m", None, 3), fill(Class::Keyed, "m", Some("m000"), 3)), (2, 13));
        let limits = DictionaryLimits { text_bytes: 4_000, ..DictionaryLimits::DEFAULT };
        let mut dictionary = Dictionary::new([0; 16], limits);
        let long = |index: usize| text(&[("a", &format!("{index:0100}"))]);
        let mut fill = |class| {
            (0..99)
                .filter(|index| {
                    dictionary.room_for(&long(*index), class).is_some_and(|_| dictionary.admit(&long(*index)) < 999)
                })
                .count()
        };
        assert_eq!((fill(Class::Open), fill(Class::Owner) - 29), (29, 9));
    }

    #[test]
    fn numbers_that_were_never_announced_are_taken_back() {
        let mut dictionary = Dictionary::new([0; 16], DictionaryLimits::DEFAULT);
        let [a, b] = ["a", "b"].map(|name| text(&[(name, "1")]));
        assert_eq!((dictionary.admit(&a), dictionary.admit(&b), dictionary.overflow()), (0, 1, 2));
        dictionary.retract(1);
        assert_eq!((dictionary.find(&b), dictionary.names.len(), dictionary.overflow()), (None, 1, 1));
        assert_eq!((dictionary.admit(&a), dictionary.admit(&b)), (0, 2));
    }

    #[test]
    fn a_freed_series_leaves_room_and_its_number_is_never_reused() {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        let limits = DictionaryLimits { series: 3, names: 2, ..DictionaryLimits::DEFAULT };
        let mut dictionary = Dictionary::new([0; 16], limits);
        assert_eq!(dictionary.overflow(), 0);
        let texts = [&[("a", "1")][..], &[("a", "2")], &[("b", "1")]].map(text);
        let numbers = texts.each_ref().map(|text| dictionary.number(text).series);
        assert_eq!(numbers, [1, 2, 3]);
        let (text_bytes, c) = (dictionary.text_bytes, text(&[("c", "1")]));
        assert!(dictionary.number(&c).is_overflow);
        dictionary.persist(&sql).expect("writes");
        dictionary.mark_persisted();
        for round in 0..3 {
            let last = 3 + round;
            dictionary.delete(&sql, &[0, last, 99]).expect("deletes");
            dictionary.free(&[0, last, 99]);
            assert_eq!((dictionary.series(), dictionary.get(last), dictionary.slot(last)), (2, None, Some(0)));
            assert_eq!(dictionary.labels_of(last), Labels::overflow());
            let mut loaded = Dictionary::load(&sql, [0; 16], limits).expect("loads");
            let next = Numbered { series: last + 1, is_overflow: false };
            for dictionary in [&mut loaded, &mut dictionary] {
                assert_eq!(dictionary.number(&c), next, "the name of the one that went is free");
                assert_eq!((dictionary.number(&texts[0]).series, dictionary.number(&texts[1]).series), (1, 2));
                assert!(dictionary.number(&texts[2]).is_overflow);
                assert_eq!(dictionary.text_bytes, text_bytes);
            }
            dictionary.persist(&sql).expect("writes");
            dictionary.mark_persisted();
        }
        dictionary.free(&[1]);
        assert_eq!(dictionary.names.keys().map(|name| &**name).collect::<Vec<_>>(), ["a", "c"], "2 has it still");
    }
}
