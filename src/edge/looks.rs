//! Readers of events in this isolate that send the same query at the same time share a look and its message.
//!
//! The first one looks. Readers that ask meanwhile wait for its result, and those that ask within a moment afterwards
//! take the same message. A reader's next look starts at the cursor of its last message, so readers that share one go
//! on sharing. A look whose request is lost is abandoned: readers that wait for it do their own.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::bell::Bell;

/// How long others may take the message of a look after it was done.
const SHARED_MS: i64 = 500;
/// A look that has not ended in this time is lost: it waits at most 8 s for memory.
const LOST_MS: i64 = 15_000;
/// How often old messages are looked for, unless memory is needed.
const SWEEP_MS: i64 = 100;

/// The looks of an isolate, each by a hash of the query, the credential, and the cursor that it starts at.
pub(super) struct Looks<T, E> {
    of: FxHashMap<u64, Look<T, E>>,
    swept_ms: i64,
}

struct Look<T, E> {
    /// When it began or was done.
    since_ms: i64,
    state: State<T, E>,
}

enum State<T, E> {
    /// In progress, with the readers that wait for it.
    Begun(Vec<Rc<Waiter<T, E>>>),
    Done(T),
}

/// A reader that waits for another one's look.
pub(super) struct Waiter<T, E> {
    found: RefCell<Option<Result<T, E>>>,
    /// Rings when the look is done; made by the reader that waits.
    bell: OnceCell<Bell>,
}

/// What a reader does next.
pub(super) enum Role<T, E> {
    Take(T),
    Wait(Rc<Waiter<T, E>>),
    /// Look, and share the result.
    Lead,
}

impl<T, E> Default for Looks<T, E> {
    fn default() -> Self {
        Self { of: FxHashMap::default(), swept_ms: 0 }
    }
}

impl<T: Clone, E: Clone> Looks<T, E> {
    pub(super) fn join(&mut self, key: u64, now_ms: i64) -> Role<T, E> {
        if now_ms >= self.swept_ms + SWEEP_MS {
            self.forget_old(now_ms);
        }
        match self.of.get_mut(&key).filter(|look| look.is_fresh(now_ms)).map(|look| &mut look.state) {
            Some(State::Done(found)) => Role::Take(found.clone()),
            Some(State::Begun(waiting)) => {
                let waiter = Rc::new(Waiter { found: RefCell::new(None), bell: OnceCell::new() });
                waiting.push(Rc::clone(&waiter));
                Role::Wait(waiter)
            }
            None => {
                self.of.insert(key, Look { since_ms: now_ms, state: State::Begun(Vec::new()) });
                Role::Lead
            }
        }
    }

    /// Ends a look. A result is kept for a moment; an error is only for the readers that waited.
    pub(super) fn done(&mut self, key: u64, found: &Result<T, E>, now_ms: i64) {
        let Some(look) = self.of.remove(&key) else { return };
        let State::Begun(waiting) = look.state else { return };
        for waiter in waiting {
            waiter.found.replace(Some(found.clone()));
            waiter.bell.get().inspect(|bell| bell.ring());
        }
        if let Ok(found) = found {
            self.of.insert(key, Look { since_ms: now_ms, state: State::Done(found.clone()) });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Drops messages that nobody will take any more.
    pub(super) fn forget_old(&mut self, now_ms: i64) {
        self.swept_ms = now_ms;
        self.of.retain(|_, look| look.is_fresh(now_ms));
    }
}

impl<T, E> Look<T, E> {
    fn is_fresh(&self, now_ms: i64) -> bool {
        let for_ms = if matches!(self.state, State::Begun(_)) { LOST_MS } else { SHARED_MS };
        now_ms < self.since_ms + for_ms
    }
}

impl<T, E> Waiter<T, E> {
    /// Waits for the result; `None` if that takes too long.
    pub(super) async fn wait(&self, timeout_ms: u32) -> Option<Result<T, E>> {
        if self.found.borrow().is_none() {
            self.bell.get_or_init(|| Bell::new(timeout_ms)).wait().await;
        }
        self.found.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(looks: &mut Looks<u8, ()>, key: u64, now_ms: i64) -> bool {
        matches!(looks.join(key, now_ms), Role::Lead)
    }

    #[test]
    fn readers_of_one_query_share_a_look_in_progress_or_just_done() {
        let mut looks = Looks::<u8, ()>::default();
        assert!(leads(&mut looks, 1, 0) && leads(&mut looks, 2, 0), "each question has a look of its own");
        let Role::Wait(waiter) = looks.join(1, 400) else { panic!("it is under way") };
        looks.done(1, &Ok(7), 400);
        assert_eq!(waiter.found.take(), Some(Ok(7)));
        assert!(matches!(looks.join(1, 899), Role::Take(7)));
        assert!(leads(&mut looks, 1, 900), "that was a while ago");
        // An error is only for the readers that waited.
        looks.done(1, &Err(()), 900);
        assert!(leads(&mut looks, 1, 901));
    }

    #[test]
    fn a_lost_look_delays_nobody_and_old_results_are_dropped() {
        let mut looks = Looks::<u8, ()>::default();
        assert!(leads(&mut looks, 1, 0) && !leads(&mut looks, 1, LOST_MS - 1) && leads(&mut looks, 1, LOST_MS));
        looks.done(1, &Ok(7), LOST_MS);
        assert!(leads(&mut looks, 2, LOST_MS + SHARED_MS));
        assert_eq!(looks.of.len(), 1, "the other message is forgotten");
        // The lost look ends after all.
        looks.done(1, &Ok(7), LOST_MS);
        assert!(leads(&mut looks, 1, LOST_MS + SHARED_MS));
    }
}
