//! The numbers of series that this isolate has been told, by how their labels are written: what is written like
//! something before is not parsed again, and a frame has a number in place of a text.
//!
//! Numbers never change while an object lives. All that is lost with this memory is told again.

use std::cell::RefCell;
use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::domain::open::SeriesId;
use crate::domain::text_index::TextIndex;
use crate::random::hash_key;

/// Texts and what belongs to them take at most so much of the isolate's 128 MB; beyond, all is forgotten.
const MAX_BYTES: usize = 8 << 20;
/// What a series takes besides its text.
const SERIES_BYTES: usize = 40;
/// What an object takes besides its series.
const OBJECT_BYTES: usize = 400;

/// The series of one object.
struct Known {
    texts: Vec<u8>,
    series: Vec<(Range<usize>, SeriesId)>,
    index: TextIndex,
}

#[derive(Default)]
struct Objects {
    known: FxHashMap<String, Known>,
    bytes: usize,
}

thread_local! {
    static OBJECTS: RefCell<Objects> = RefCell::default();
}

impl Known {
    fn new() -> Self {
        Self { texts: Vec::new(), series: Vec::new(), index: TextIndex::new(hash_key()) }
    }

    fn number(&self, written: &[u8]) -> Option<SeriesId> {
        let at = self.index.find(written, |at| text_of(&self.texts, &self.series, at))?;
        Some(self.series[at as usize].1)
    }

    /// Remembers a series; the bytes that it takes.
    #[expect(clippy::cast_possible_truncation, reason = "MAX_BYTES bounds them")]
    fn insert(&mut self, labels: &[u8], number: SeriesId) -> usize {
        let Self { texts, series, index } = self;
        if index.find(labels, |at| text_of(texts, series, at)).is_some() {
            return 0;
        }
        let at = series.len() as u32;
        texts.extend_from_slice(labels);
        series.push((texts.len() - labels.len()..texts.len(), number));
        index.insert(at, |at| text_of(texts, series, at));
        labels.len() + SERIES_BYTES
    }
}

fn text_of<'a>(texts: &'a [u8], series: &[(Range<usize>, SeriesId)], at: u32) -> &'a [u8] {
    &texts[series[at as usize].0.clone()]
}

/// Works with what is known of an object: the numbers of series by how their labels are written.
pub(super) fn with<T>(object: &str, work: impl FnOnce(&dyn Fn(&[u8]) -> Option<SeriesId>) -> T) -> T {
    OBJECTS.with_borrow(|objects| {
        let known = objects.known.get(object);
        work(&|written| known.and_then(|known| known.number(written)))
    })
}

/// Remembers what an object has told of labels that are written like these.
pub(super) fn learn<'a>(object: &str, labels: impl Iterator<Item = &'a [u8]>, numbers: &[Option<SeriesId>]) {
    if numbers.is_empty() {
        return;
    }
    OBJECTS.with_borrow_mut(|objects| {
        if objects.bytes > MAX_BYTES {
            *objects = Objects::default();
        }
        if !objects.known.contains_key(object) {
            objects.known.insert(object.to_owned(), Known::new());
            objects.bytes += OBJECT_BYTES;
        }
        let Objects { known, bytes } = objects;
        if let Some(known) = known.get_mut(object) {
            let told = labels.zip(numbers).filter_map(|(labels, number)| number.map(|number| (labels, number)));
            *bytes += told.map(|(labels, number)| known.insert(labels, number)).sum::<usize>();
        }
    });
}

/// Forgets what an object has told.
pub(super) fn forget(object: &str) {
    OBJECTS.with_borrow_mut(|objects| {
        if let Some(known) = objects.known.remove(object) {
            objects.bytes -= known.texts.len() + known.series.len() * SERIES_BYTES + OBJECT_BYTES;
        }
    });
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
        assert_eq!(OBJECTS.with_borrow(|objects| objects.bytes), 0);
    }

    #[test]
    fn beyond_the_limit_all_is_forgotten() {
        for number in 0..200_000u32 {
            learn("a", [format!("{number:050}").as_bytes()].into_iter(), &[Some(number)]);
        }
        let (bytes, series) = OBJECTS.with_borrow(|objects| (objects.bytes, objects.known["a"].series.len()));
        assert!(bytes <= MAX_BYTES + 100 && series < 200_000, "{bytes} bytes, {series} series");
        assert_eq!(number("a", &format!("{:050}", 199_999)), Some(199_999));
    }
}
