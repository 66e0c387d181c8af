//! The numbers of series that this isolate has been told, by how their labels are written: what is written like
//! something before is not parsed again, and a frame has a number in place of a text.
//!
//! Not the text is kept but 128 bits of its hash under the isolate's secret key: two texts that share them are less likely
//! than a fault of the hardware, and nobody can look for them. Numbers never change while an object lives. All that is
//! lost with this memory is told again.

use std::cell::RefCell;
use std::hash::Hasher;

use rustc_hash::FxHashMap;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::domain::open::SeriesId;
use crate::random::hash_key;

/// So many series, of all objects, take some 4 of the isolate's 128 MB; beyond, all is forgotten.
const MAX_SERIES: usize = 110_000;
/// What an object takes besides its series, in series.
const OBJECT_SERIES: usize = 10;

type Known = FxHashMap<(u64, u64), SeriesId>;

#[derive(Default)]
struct Objects {
    known: FxHashMap<String, Known>,
    /// Of all objects.
    series: usize,
}

thread_local! {
    static OBJECTS: RefCell<Objects> = RefCell::default();
}

/// Works with what is known of an object: the numbers of series by how their labels are written.
pub(super) fn with<T>(object: &str, work: impl FnOnce(&dyn Fn(&[u8]) -> Option<SeriesId>) -> T) -> T {
    let hash = hash_of();
    OBJECTS.with_borrow(|objects| {
        let known = objects.known.get(object);
        work(&|written| known.and_then(|known| known.get(&hash(written)).copied()))
    })
}

/// Remembers what an object has told of labels that are written like these.
pub(super) fn learn<'a>(object: &str, labels: impl Iterator<Item = &'a [u8]>, numbers: &[Option<SeriesId>]) {
    if numbers.is_empty() {
        return;
    }
    let hash = hash_of();
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
            for (written, number) in labels.zip(numbers).filter_map(|(written, number)| number.map(|it| (written, it)))
            {
                *series += usize::from(known.insert(hash(written), number).is_none());
            }
        }
    });
}

/// Forgets what an object has told.
pub(super) fn forget(object: &str) {
    OBJECTS.with_borrow_mut(|objects| {
        if let Some(known) = objects.known.remove(object) {
            objects.series -= known.len() + OBJECT_SERIES;
        }
    });
}

fn hash_of() -> impl Fn(&[u8]) -> (u64, u64) {
    let key = hash_key();
    move |written| {
        let mut hasher = SipHasher13::new_with_key(&key);
        hasher.write(written);
        hasher.finish128().as_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(object: &str, labels: &str) -> Option<SeriesId> {
        with(object, |known| known(labels.as_bytes()))
    }

    #[test]
    fn each_object_has_its_own_numbers_until_they_are_forgotten() {
        learn("a", [&b"x"[..], b"y", b"z"].into_iter(), &[Some(7), None, Some(9)]);
        learn("b", [&b"x"[..]].into_iter(), &[Some(1)]);
        learn("a", [&b"x"[..], b"y"].into_iter(), &[Some(7), Some(8)]);
        assert_eq!(["x", "y", "z"].map(|labels| number("a", labels)), [Some(7), Some(8), Some(9)]);
        assert_eq!(["x", "y"].map(|labels| number("b", labels)), [Some(1), None]);
        forget("a");
        assert_eq!((number("a", "x"), number("b", "x")), (None, Some(1)));
        forget("b");
        assert_eq!(OBJECTS.with_borrow(|objects| objects.series), 0);
    }

    #[test]
    fn beyond_the_limit_all_is_forgotten() {
        for number in 0..=110_000u32 {
            learn("a", [format!("{number}").as_bytes()].into_iter(), &[Some(number)]);
        }
        assert_eq!(number("a", "0"), None);
        assert_eq!(number("a", "110000"), Some(110_000));
        assert!(OBJECTS.with_borrow(|objects| objects.series) < MAX_SERIES);
    }
}
