//! The series numbers that this isolate has learned, by the written form of their labels. Labels in a form that was
//! seen before are not parsed again, and a frame contains a number instead of a string.
//!
//! Only 128 bits of each string's hash are kept, under the isolate's secret key. A collision is less likely than a
//! hardware fault, and nobody can search for one. Numbers never change while an object lives. Whatever is lost with
//! this memory is learned again.

use std::cell::RefCell;
use std::hash::Hasher;

use rustc_hash::FxHashMap;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::random::hash_key;
use ingest::frame::NewLabels;
use model::open::SeriesId;

/// The most series, of all objects, at some 4 of the isolate's 128 MB; beyond this, everything is forgotten.
const MAX_SERIES: usize = 110_000;
/// The memory of an object besides its series, in series.
const OBJECT_SERIES: usize = 10;

type Known = FxHashMap<(u64, u64), SeriesId>;

#[derive(Default)]
struct Objects {
    known: FxHashMap<String, Known>,
    /// The number of series of all objects.
    series: usize,
}

thread_local! {
    static OBJECTS: RefCell<Objects> = RefCell::default();
}

/// Runs `work` with what is known of an object: series numbers, by the written form of their labels and by the rules
/// that were applied to them.
pub(super) fn with<T>(object: &str, rules: u64, work: impl FnOnce(&dyn Fn(&[u8]) -> Option<SeriesId>) -> T) -> T {
    let hash = hash_of(rules);
    OBJECTS.with_borrow(|objects| {
        let known = objects.known.get(object);
        work(&|written| known.and_then(|known| known.get(&hash(written)).copied()))
    })
}

/// Remembers the series numbers that an object returned for labels in this written form.
pub(super) fn learn(object: &str, labels: &NewLabels, numbers: &[Option<SeriesId>]) {
    if numbers.is_empty() {
        return;
    }
    let hash = hash_of(labels.rules);
    OBJECTS.with_borrow_mut(|objects| {
        if objects.series + numbers.len() > MAX_SERIES {
            *objects = Objects::default();
        }
        if !objects.known.contains_key(object) {
            objects.known.insert(object.to_owned(), Known::default());
            objects.series += OBJECT_SERIES;
        }
        let Objects { known, series } = objects;
        if let Some(known) = known.get_mut(object) {
            for (written, number) in
                labels.iter().zip(numbers).filter_map(|(written, number)| number.map(|it| (written, it)))
            {
                *series += usize::from(known.insert(hash(written), number).is_none());
            }
        }
    });
}

/// Forgets what was learned from an object.
pub(super) fn forget(object: &str) {
    OBJECTS.with_borrow_mut(|objects| {
        if let Some(known) = objects.known.remove(object) {
            objects.series -= known.len() + OBJECT_SERIES;
        }
    });
}

fn hash_of(rules: u64) -> impl Fn(&[u8]) -> (u64, u64) {
    let key = hash_key();
    move |written| {
        let mut hasher = SipHasher13::new_with_key(&key);
        if rules != 0 {
            hasher.write(&rules.to_le_bytes());
        }
        hasher.write(written);
        hasher.finish128().as_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(object: &str, labels: &str) -> Option<SeriesId> {
        with(object, 0, |known| known(labels.as_bytes()))
    }

    /// Labels in this written form, read by these rules.
    fn labels(rules: u64, written: &[&str]) -> NewLabels {
        let mut labels = NewLabels::default();
        labels.rules = rules;
        for written in written {
            labels.push(written.as_bytes());
        }
        labels
    }

    #[test]
    fn each_object_has_its_own_numbers_until_they_are_forgotten() {
        learn("a", &labels(0, &["x", "y", "z"]), &[Some(7), None, Some(9)]);
        learn("b", &labels(0, &["x"]), &[Some(1)]);
        learn("a", &labels(0, &["x", "y"]), &[Some(7), Some(8)]);
        assert_eq!(["x", "y", "z"].map(|labels| number("a", labels)), [Some(7), Some(8), Some(9)]);
        assert_eq!(["x", "y"].map(|labels| number("b", labels)), [Some(1), None]);
        forget("a");
        assert_eq!((number("a", "x"), number("b", "x")), (None, Some(1)));
        forget("b");
        assert_eq!(OBJECTS.with_borrow(|objects| objects.series), 0);
    }

    #[test]
    fn numbers_learned_under_other_rules_are_not_used() {
        let number = |rules: u64| with("a", rules, |known| known(b"x"));
        learn("a", &labels(5, &["x"]), &[Some(7)]);
        assert_eq!([5, 0, 6].map(number), [Some(7), None, None]);
        learn("a", &labels(0, &["x"]), &[Some(8)]);
        assert_eq!([5, 0].map(number), [Some(7), Some(8)]);
        forget("a");
        assert_eq!([5, 0].map(number), [None, None]);
    }

    #[test]
    fn beyond_the_limit_all_numbers_are_forgotten() {
        for number in 0..=110_000u32 {
            learn("a", &labels(0, &[&number.to_string()]), &[Some(number)]);
        }
        assert_eq!(number("a", "0"), None);
        assert_eq!(number("a", "110000"), Some(110_000));
        assert!(OBJECTS.with_borrow(|objects| objects.series) < MAX_SERIES);
    }
}
