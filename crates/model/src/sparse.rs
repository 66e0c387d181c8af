//! Items by numbers that only grow: some numbers are free for ever, and the others lie close together.
//!
//! For each 64 numbers there is a word of bits that says which are set, and the count of those set before it. So a
//! look-up needs no hash, and a free number takes a quarter of a byte. A million numbers that were ever given take
//! 256 KB.

use std::ops::Index;

const BITS: u32 = u64::BITS;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Sparse<T> {
    /// Which of 64 numbers are set, and the count before them.
    words: Vec<(u64, u32)>,
    /// In the order of their numbers.
    items: Vec<T>,
    /// No number from here on was ever given.
    next: u32,
}

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Self { words: Vec::new(), items: Vec::new(), next: 0 }
    }
}

impl<T> Sparse<T> {
    /// The number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The number that the next one gets.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.next
    }

    /// Leaves all numbers before this one unused if they are: the next item gets it, or a greater one.
    pub fn skip_to(&mut self, next: u32) {
        self.next = self.next.max(next);
    }

    /// Gives numbers from this one on again, of which none is set.
    pub fn rewind_to(&mut self, next: u32) {
        self.next = next;
        self.words.truncate(next.div_ceil(BITS) as usize);
    }

    /// Adds an item with the next number.
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer items than numbers")]
    pub fn push(&mut self, item: T) -> u32 {
        let number = self.next;
        let word = (number / BITS) as usize;
        if word >= self.words.len() {
            self.words.resize(word + 1, (0, self.items.len() as u32));
        }
        self.words[word].0 |= 1 << (number % BITS);
        self.items.push(item);
        self.next += 1;
        number
    }

    /// The index of the item with a number, if it is set.
    #[inline]
    #[must_use]
    pub fn slot(&self, number: u32) -> Option<usize> {
        let (bits, before) = self.words.get((number / BITS) as usize)?;
        let bit = 1 << (number % BITS);
        (bits & bit != 0).then(|| (before + (bits & (bit - 1)).count_ones()) as usize)
    }

    /// The item with a number.
    #[inline]
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&T> {
        self.slot(number).map(|slot| &self.items[slot])
    }

    /// The item at an index.
    ///
    /// # Panics
    /// If there are fewer items.
    pub fn at_mut(&mut self, slot: usize) -> &mut T {
        &mut self.items[slot]
    }

    /// In the order of their numbers.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Numbers and items, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> + Clone {
        self.numbers().zip(&self.items)
    }

    /// Those from a number on.
    pub fn iter_from(&self, first: u32) -> impl Iterator<Item = (u32, &T)> + Clone {
        let word = ((first / BITS) as usize).min(self.words.len());
        let before = self.words.get(word).map_or(self.items.len(), |(_, before)| *before as usize);
        self.numbers_from(word).zip(&self.items[before..]).skip_while(move |(number, _)| *number < first)
    }

    fn numbers(&self) -> impl Iterator<Item = u32> + Clone + use<'_, T> {
        self.numbers_from(0)
    }

    #[expect(clippy::cast_possible_truncation, reason = "numbers have 32 bits")]
    fn numbers_from(&self, word: usize) -> impl Iterator<Item = u32> + Clone + use<'_, T> {
        (word as u32..).zip(&self.words[word..]).flat_map(|(word, (bits, _))| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
                (bit < BITS).then_some(word * BITS + bit)
            })
        })
    }

    /// Removes the items with these sorted numbers, which are then free for ever.
    pub fn remove(&mut self, numbers: &[u32]) -> Vec<T> {
        let slots: Vec<usize> = numbers.iter().filter_map(|number| self.slot(*number)).collect();
        let mut slots = slots.into_iter().peekable();
        let (mut kept, mut taken) = (Vec::with_capacity(self.items.len()), Vec::with_capacity(numbers.len()));
        let items = std::mem::take(&mut self.items);
        for (slot, item) in items.into_iter().enumerate() {
            if slots.next_if_eq(&slot).is_some() { taken.push(item) } else { kept.push(item) }
        }
        self.items = kept;
        for number in numbers {
            if let Some((bits, _)) = self.words.get_mut((number / BITS) as usize) {
                *bits &= !(1 << (number % BITS));
            }
        }
        let mut before = 0;
        for (bits, word_before) in &mut self.words {
            *word_before = before;
            before += bits.count_ones();
        }
        taken
    }
}

impl<T> Index<u32> for Sparse<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        &self.items[self.slot(number).expect("is there")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_sparse_list_behaves_as_a_map_with_growing_numbers(steps in proptest::collection::vec(
            (0u32..200, proptest::collection::btree_set(0u32..4_000, 0..40)), 1..30,
        )) {
            let (mut sparse, mut model, mut next) = (Sparse::default(), BTreeMap::new(), 0u32);
            for (pushes, removed) in steps {
                if pushes % 3 == 0 {
                    next += pushes;
                    sparse.skip_to(next);
                }
                for _ in 0..pushes {
                    prop_assert_eq!(sparse.push(next * 7), next);
                    model.insert(next, next * 7);
                    next += 1;
                }
                let removed: Vec<u32> = removed.into_iter().collect();
                let wanted: Vec<u32> = removed.iter().filter_map(|number| model.remove(number)).collect();
                prop_assert_eq!(sparse.remove(&removed), wanted);
                prop_assert_eq!((sparse.next(), sparse.len(), sparse.is_empty()), (next, model.len(), model.is_empty()));
                prop_assert!(sparse.iter().eq(model.iter().map(|(number, item)| (*number, item))));
                for first in [0, 1, 63, 64, 100, next, next + 500] {
                    let wanted = model.range(first..).map(|(number, item)| (*number, item));
                    prop_assert!(sparse.iter_from(first).eq(wanted));
                }
                for number in 0..next + 70 {
                    prop_assert_eq!(sparse.get(number), model.get(&number));
                }
            }
        }
    }
}
