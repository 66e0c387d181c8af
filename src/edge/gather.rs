//! Writes of this isolate to the same object share a call.
//!
//! A call costs more than everything else that is done for one point. So while a call to an object is in progress,
//! further writes to it gather in a batch. The batch leaves when that call is done, after a few milliseconds, or when
//! it is full. If no call is in progress, a write leaves alone and at once, unless writes have just shared a call: then
//! more will come.
//!
//! The first write of a batch leads it: its request makes the call, in the background, so that nobody depends on its
//! client. No leader depends on another. If one dies, the writers of its batch learn after a while that the outcome is
//! unknown, and later batches are unaffected.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::bell::Bell;

/// How long a batch waits for the call before it; a distant object is not waited for.
const GATHER_MS: u32 = 5;
/// How long a batch waits for company when no call is in progress...
const COMPANY_MS: u32 = 2;
/// ...which it only does if writes shared a call that was opened at most this long ago.
const BUSY_MS: i64 = 100;
/// Larger writes gain nothing from sharing a call.
const MAX_WRITE_BYTES: usize = 16 << 10;
/// The most writes of a batch...
const MAX_WRITES: usize = 256;
/// ...and the most bytes.
const MAX_BATCH_BYTES: usize = 128 << 10;
/// The most objects whose writes gather, so at most 8 MiB wait to be sent; the original bodies belong to their
/// requests. Writes to any further object are sent on their own.
const MAX_OBJECTS: usize = 64;
/// A batch or a call that is older has died with its leader.
const DEAD_AFTER_MS: i64 = 15_000;
/// A batch that is open this long will not leave any more.
const STALE_AFTER_MS: i64 = 1_000;

/// The batches of this isolate, by object.
pub(super) struct Gathering<W> {
    objects: FxHashMap<String, Object<W>>,
}

/// The batches of one object.
struct Object<W> {
    open: Option<Rc<Batch<W>>>,
    /// Batches whose call is in progress.
    called: Vec<Rc<Batch<W>>>,
    /// When the last batch of several writes was opened.
    shared_ms: Option<i64>,
}

/// Writes that share a call.
pub(super) struct Batch<W> {
    opened_ms: i64,
    writes: RefCell<Vec<W>>,
    bytes: Cell<usize>,
    /// Rings when the batch should leave; made by the leader, if it waits.
    departure: OnceCell<Bell>,
}

/// What a write does next.
pub(super) enum Role<W> {
    /// Wait for its answer.
    Follow,
    /// Make the call, at once.
    Leave(Rc<Batch<W>>),
    /// Wait for the departure, at most this many milliseconds, and make the call.
    Lead(Rc<Batch<W>>, u32),
}

impl<W> Default for Gathering<W> {
    fn default() -> Self {
        Self { objects: FxHashMap::default() }
    }
}

impl<W> Gathering<W> {
    /// Assigns a write to a batch of its object.
    pub(super) fn join(&mut self, name: &str, write: W, bytes: usize, now_ms: i64) -> Role<W> {
        if bytes > MAX_WRITE_BYTES {
            return Role::Leave(Batch::of(write, bytes, now_ms));
        }
        if !self.objects.contains_key(name) {
            if self.objects.len() >= MAX_OBJECTS {
                self.objects.retain(|_, object| object.is_alive(now_ms));
            }
            if self.objects.len() >= MAX_OBJECTS {
                return Role::Leave(Batch::of(write, bytes, now_ms));
            }
            self.objects.insert(name.to_owned(), Object { open: None, called: Vec::new(), shared_ms: None });
        }
        let object = self.objects.get_mut(name).expect("it existed or was inserted");
        object.join(write, bytes, now_ms)
    }

    /// Takes the writes of a batch that leaves now.
    pub(super) fn leave(&mut self, name: &str, batch: &Rc<Batch<W>>) -> Vec<W> {
        if let Some(object) = self.objects.get_mut(name)
            && let Some(open) = object.open.take_if(|open| Rc::ptr_eq(open, batch))
        {
            object.called.push(open);
            if batch.writes.borrow().len() > 1 {
                object.shared_ms = Some(batch.opened_ms);
            }
        }
        batch.writes.take()
    }

    /// The call of a batch is done: the next one may leave.
    pub(super) fn done(&mut self, name: &str, batch: &Rc<Batch<W>>) {
        let Some(object) = self.objects.get_mut(name) else { return };
        object.called.retain(|called| !Rc::ptr_eq(called, batch));
        match &object.open {
            Some(open) => open.depart(),
            None if object.called.is_empty() && object.shared_ms.is_none() => drop(self.objects.remove(name)),
            None => (),
        }
    }
}

impl<W> Object<W> {
    fn join(&mut self, write: W, bytes: usize, now_ms: i64) -> Role<W> {
        if let Some(open) = self.open.take_if(|open| open.is_stale(now_ms) || !open.has_room(bytes)) {
            open.depart();
            self.called.push(open);
        }
        self.called.retain(|called| now_ms - called.opened_ms < DEAD_AFTER_MS);
        if let Some(open) = &self.open {
            open.push(write, bytes);
            return Role::Follow;
        }
        let batch = Batch::of(write, bytes, now_ms);
        self.shared_ms = self.shared_ms.filter(|opened_ms| now_ms - opened_ms < BUSY_MS);
        if self.called.is_empty() && self.shared_ms.is_none() {
            self.called.push(Rc::clone(&batch));
            return Role::Leave(batch);
        }
        self.open = Some(Rc::clone(&batch));
        Role::Lead(batch, if self.called.is_empty() { COMPANY_MS } else { GATHER_MS })
    }

    fn is_alive(&self, now_ms: i64) -> bool {
        self.open.iter().chain(&self.called).any(|batch| now_ms - batch.opened_ms < DEAD_AFTER_MS)
            || self.shared_ms.is_some_and(|opened_ms| now_ms - opened_ms < BUSY_MS)
    }
}

impl<W> Batch<W> {
    fn of(write: W, bytes: usize, now_ms: i64) -> Rc<Self> {
        let (writes, bytes) = (RefCell::new(vec![write]), Cell::new(bytes));
        Rc::new(Self { opened_ms: now_ms, writes, bytes, departure: OnceCell::new() })
    }

    fn push(&self, write: W, bytes: usize) {
        self.writes.borrow_mut().push(write);
        self.bytes.set(self.bytes.get() + bytes);
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.writes.borrow().len() < MAX_WRITES && self.bytes.get() + bytes <= MAX_BATCH_BYTES
    }

    fn is_stale(&self, now_ms: i64) -> bool {
        now_ms - self.opened_ms > STALE_AFTER_MS
    }

    fn depart(&self) {
        if let Some(departure) = self.departure.get() {
            departure.ring();
        }
    }

    /// Waits until the batch should leave; only for its leader.
    pub(super) async fn departure(&self, timeout_ms: u32) {
        self.departure.get_or_init(|| Bell::new(timeout_ms)).wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves<W>(role: Role<W>) -> Rc<Batch<W>> {
        if let Role::Leave(batch) = role { batch } else { panic!("it leaves at once") }
    }

    fn leads<W>(role: Role<W>) -> Rc<Batch<W>> {
        if let Role::Lead(batch, _) = role { batch } else { panic!("it leads") }
    }

    #[test]
    fn writes_gather_during_a_call_and_leave_together() {
        let mut gathering = Gathering::default();
        let first = leaves(gathering.join("a", 1, 10, 0));
        let second = leads(gathering.join("a", 2, 10, 0));
        assert!(matches!(gathering.join("a", 3, 10, 0), Role::Follow));
        assert_eq!(gathering.leave("a", &first), [1]);
        assert_eq!(gathering.leave("a", &second), [2, 3]);
        let third = leads(gathering.join("a", 4, 10, 0));
        leaves(gathering.join("b", 5, 10, 0));
        assert_eq!(gathering.leave("a", &third), [4]);
        for batch in [&first, &second, &third] {
            gathering.done("a", batch);
        }
        assert!(matches!(gathering.join("a", 6, 10, BUSY_MS - 1), Role::Lead(_, COMPANY_MS)));
    }

    #[test]
    fn single_writes_do_not_wait_and_leave_nothing_in_memory() {
        let mut gathering = Gathering::default();
        for write in 0..3 {
            let batch = leaves(gathering.join("a", write, 10, 0));
            assert_eq!(gathering.leave("a", &batch), [write]);
            gathering.done("a", &batch);
            assert!(gathering.objects.is_empty());
        }
        let (first, shared) = (leaves(gathering.join("a", 3, 10, 0)), leads(gathering.join("a", 4, 10, 0)));
        gathering.join("a", 5, 10, 0);
        for batch in [first, shared] {
            gathering.leave("a", &batch);
            gathering.done("a", &batch);
        }
        let batch = leaves(gathering.join("a", 6, 10, BUSY_MS));
        gathering.done("a", &batch);
        assert!(gathering.objects.is_empty());
    }

    #[test]
    fn a_batch_is_bounded_and_large_writes_leave_alone() {
        let mut gathering = Gathering::default();
        leaves(gathering.join("a", 0, 1, 0));
        let full = leads(gathering.join("a", 0, 1, 0));
        for write in 1..MAX_WRITES {
            assert!(matches!(gathering.join("a", write, 1, 0), Role::Follow));
        }
        let large = leads(gathering.join("a", 0, MAX_WRITE_BYTES, 0));
        for write in 1..MAX_BATCH_BYTES / MAX_WRITE_BYTES {
            assert!(matches!(gathering.join("a", write, MAX_WRITE_BYTES, 0), Role::Follow));
        }
        leads(gathering.join("a", 0, MAX_WRITE_BYTES, 0));
        leaves(gathering.join("a", 0, MAX_WRITE_BYTES + 1, 0));
        assert_eq!(gathering.leave("a", &full).len(), MAX_WRITES);
        assert_eq!(gathering.leave("a", &large).len(), MAX_BATCH_BYTES / MAX_WRITE_BYTES);
    }

    #[test]
    fn a_dead_leader_delays_nobody_for_long() {
        let mut gathering = Gathering::default();
        leaves(gathering.join("a", 1, 1, 0));
        leads(gathering.join("a", 2, 1, 0));
        assert!(matches!(gathering.join("a", 3, 1, STALE_AFTER_MS), Role::Follow));
        leads(gathering.join("a", 4, 1, STALE_AFTER_MS + 1));
        leads(gathering.join("a", 5, 1, DEAD_AFTER_MS));
        leaves(gathering.join("a", 6, 1, 3 * DEAD_AFTER_MS));
    }

    #[test]
    fn gathering_objects_are_bounded_and_dead_ones_make_room() {
        let mut gathering = Gathering::default();
        for object in 0..MAX_OBJECTS {
            leaves(gathering.join(&object.to_string(), 0, 1, 0));
        }
        leaves(gathering.join("one more", 0, 1, 0));
        leaves(gathering.join("one more", 0, 1, 0));
        leaves(gathering.join("one more", 0, 1, DEAD_AFTER_MS));
        leads(gathering.join("one more", 0, 1, DEAD_AFTER_MS));
    }
}
