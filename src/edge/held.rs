//! What the writes of this isolate hold while they are on their way, within a limit.

use std::cell::{Cell, RefCell};

use crate::wire::command::WriteRequest;
use crate::wire::frame::NewLabels;
use crate::wire::writer::Writer;

use super::identity::Identity;

/// Bodies of so many bytes are on their way at a time: as many as 8 of the largest. A frame is mostly not larger than its
/// body, else it counts, so two or three times as much of this isolate's memory is taken; beyond, writers are told to come again.
const MAX_BODIES_BYTES: usize = 8 << 20;
/// What larger writes leave to small ones: a mebibyte of spaces is a kilobyte when it is packed, so without this a few
/// connections of one stranger keep everybody else out.
const FOR_SMALL_BYTES: usize = 2 << 20;
/// A write is small up to here, which is 500 points or more: there is room for 32 of these at least.
const SMALL_BYTES: usize = 64 << 10;

thread_local! {
    static BODIES_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// What a write holds until nobody needs it any more. A request whose client has gone stays for half a minute at most (see
/// [`super::stay`]) and, if it has not come to its end by then, would keep it for ever; so whoever has the answer lets go of it.
#[derive(Default)]
pub(super) struct Held {
    /// What it counts.
    bytes: Cell<usize>,
    /// As it came, for another frame.
    pub(super) body: RefCell<Vec<u8>>,
    /// For the object, as [`WriteRequest`] has it.
    pub(super) request: RefCell<Vec<u8>>,
    /// What the object's answer tells the numbers of.
    pub(super) new_labels: RefCell<NewLabels>,
}

impl Held {
    /// `None` when too much is on its way already.
    pub(super) fn of(body: Vec<u8>) -> Option<Self> {
        let held = Self::default();
        held.counts(body.len()).then(|| {
            held.body.replace(body);
            held
        })
    }

    /// Whether it may be so large, and if so, it is.
    fn counts(&self, bytes: usize) -> bool {
        let in_all = BODIES_BYTES.get() - self.bytes.get() + bytes;
        let is_within =
            in_all <= if bytes <= SMALL_BYTES { MAX_BODIES_BYTES } else { MAX_BODIES_BYTES - FOR_SMALL_BYTES };
        if is_within {
            BODIES_BYTES.set(in_all);
            self.bytes.set(bytes);
        }
        is_within
    }

    /// Takes what is to be sent, if there is room for it.
    #[must_use]
    pub(super) fn set_batch(
        &self,
        shards: u16,
        (identity, writer): (Option<Identity>, &Writer<'_>),
        frame: &[u8],
        new_labels: NewLabels,
    ) -> bool {
        if !self.counts(self.body.borrow().len().max(frame.len())) {
            return false;
        }
        let (earlier_key, body_bytes) = (identity.and_then(|it| it.earlier()), self.body.borrow().len() as u64);
        let request = WriteRequest { shards, writer: writer.clone(), earlier_key, body_bytes, frame };
        self.request.replace(request.encode());
        self.new_labels.replace(new_labels);
        true
    }

    pub(super) fn let_go(&self) {
        BODIES_BYTES.set(BODIES_BYTES.get() - self.bytes.take());
        drop((self.body.take(), self.request.take(), self.new_labels.take()));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::writer::Who;

    #[test]
    fn bodies_are_held_up_to_the_limit_and_again_when_others_were_let_go() {
        let large = || Held::of(vec![0; 1 << 20]);
        let mut held: Vec<_> = (0..6).map(|_| large().expect("is within the limit")).collect();
        assert!(large().is_none() && Held::of(Vec::new()).is_some());
        held[3].let_go();
        held[3].let_go();
        held.pop();
        assert!(large().is_some_and(|_| large().is_some()));
        held.clear();
        assert_eq!(BODIES_BYTES.get(), 0);
    }

    #[test]
    fn large_bodies_leave_room_for_small_ones() {
        let large: Vec<_> = (0..6).map(|_| Held::of(vec![0; 1 << 20]).expect("is within the limit")).collect();
        assert!(Held::of(vec![0; SMALL_BYTES + 1]).is_none());
        let small: Vec<_> = (0..32).map(|_| Held::of(vec![0; SMALL_BYTES]).expect("has its own room")).collect();
        assert!(Held::of(vec![0]).is_none());
        drop((large, small));
        assert_eq!(BODIES_BYTES.get(), 0);
    }

    #[test]
    fn a_frame_that_is_larger_than_its_body_counts_as_what_it_is() {
        let held: Vec<_> = (0..5).map(|_| Held::of(vec![0; 1 << 20]).expect("is within the limit")).collect();
        let small = Held::of(vec![0; 10]).expect("is within the limit");
        let nobody = Writer { who: Who::Open, network: "", place: "", origin: None };
        let set = |bytes: usize| small.set_batch(1, (None, &nobody), &vec![0; bytes], NewLabels::default());
        assert!(set(1 << 20) && Held::of(vec![0; SMALL_BYTES + 1]).is_none());
        assert!(!set((1 << 20) + 1) && set(5) && BODIES_BYTES.get() == (5 << 20) + 10);
        let request = small.request.borrow();
        assert_eq!(WriteRequest::parse(&request).map(|it| it.body_bytes), Ok(10), "the object is told of the body");
        drop(request);
        drop((held, small));
        assert_eq!(BODIES_BYTES.get(), 0);
    }
}
