//! The writes that wait for the next commit: while one commit is made durable, others gather here.

use std::collections::VecDeque;

use futures_channel::oneshot::{Receiver, Sender, channel};

use crate::wire::command::Refusal;
use crate::wire::frame::BatchKey;
use crate::wire::outcome::Outcome;

use super::admission::Charge;
use super::engine::{Incoming, Told};

/// At most this many bytes wait, some 4 commits of the largest size: beyond, writers are told to come again.
pub(super) const MAX_WAITING_BYTES: usize = 8 << 20;

/// What a writer is told when its batch is durable.
pub(super) type Committed = Result<Told, Refusal>;

/// Batches in the order of arrival.
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    max_bytes: usize,
}

struct Waiting {
    batch: Incoming,
    key: Option<BatchKey>,
    outcome: Outcome,
    charge: Charge,
    writers: Vec<Sender<Committed>>,
}

/// What one commit takes: the batches, what was charged for each, and who waits for it.
pub(super) struct Gathered {
    pub(super) batches: Vec<Incoming>,
    pub(super) charges: Vec<(Option<BatchKey>, Charge)>,
    pub(super) writers: Vec<Vec<Sender<Committed>>>,
}

impl Queue {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, max_bytes }
    }

    /// Whether so many bytes may wait as well: of open writers only while a quarter of the room is left for others.
    pub(super) fn has_room(&self, frame_bytes: usize, is_open: bool) -> bool {
        let rest = if is_open && self.bytes > 0 { self.max_bytes / 4 } else { 0 };
        self.bytes + frame_bytes <= self.max_bytes - rest
    }

    /// Lets a batch wait that there is room for.
    pub(super) fn push(
        &mut self,
        batch: Incoming,
        key: Option<BatchKey>,
        outcome: Outcome,
        charge: Charge,
    ) -> Receiver<Committed> {
        let (sender, receiver) = channel();
        self.bytes += batch.frame.len();
        self.waiting.push_back(Waiting { batch, key, outcome, charge, writers: vec![sender] });
        receiver
    }

    /// Waits with the batch that has the same key, if there is one; also what its writer is told.
    pub(super) fn join(&mut self, key: &BatchKey) -> Option<(Receiver<Committed>, Outcome)> {
        let waiting = self.waiting.iter_mut().find(|waiting| waiting.key.as_ref() == Some(key))?;
        let (sender, receiver) = channel();
        waiting.writers.push(sender);
        Some((receiver, waiting.outcome.clone()))
    }

    /// What waits longest, up to so many bytes but at least one batch; `None` when nothing waits.
    pub(super) fn take(&mut self, max_bytes: usize) -> Option<Gathered> {
        let mut gathered = Gathered { batches: Vec::new(), charges: Vec::new(), writers: Vec::new() };
        let mut bytes = 0;
        while let Some(waiting) =
            self.waiting.pop_front_if(|waiting| bytes == 0 || bytes + waiting.batch.frame.len() <= max_bytes)
        {
            bytes += waiting.batch.frame.len();
            gathered.batches.push(waiting.batch);
            gathered.charges.push((waiting.key, waiting.charge));
            gathered.writers.push(waiting.writers);
        }
        self.bytes -= bytes;
        (!gathered.batches.is_empty()).then_some(gathered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    fn of(bytes: usize) -> Incoming {
        Incoming::of_owner(vec![0; bytes])
    }

    #[test]
    fn the_queue_takes_up_to_its_limit_and_all_again_after_a_commit() {
        let mut queue = Queue::new(10);
        assert!(queue.has_room(10, true) && !queue.has_room(11, false));
        drop(queue.push(of(10), None, Outcome::default(), Charge::default()));
        assert!(!queue.has_room(1, false));
        assert_eq!(queue.take(99).expect("one waits").batches, [of(10)]);
        assert!(queue.take(99).is_none());
        assert!(queue.has_room(10, false));
    }

    #[test]
    fn a_commit_takes_as_much_as_it_may_and_at_least_one() {
        let mut queue = Queue::new(100);
        for bytes in [7, 2, 2, 9] {
            drop(queue.push(of(bytes), None, Outcome::default(), Charge::default()));
        }
        let mut sizes =
            || queue.take(5).map(|gathered| gathered.batches.iter().map(|batch| batch.frame.len()).collect::<Vec<_>>());
        assert_eq!((sizes(), sizes(), sizes(), sizes()), (Some(vec![7]), Some(vec![2, 2]), Some(vec![9]), None));
    }

    #[test]
    fn a_retry_waits_with_the_first_and_gets_its_answer() {
        let mut queue = Queue::new(10);
        let first = Outcome { accepted: 3, ..Outcome::default() };
        drop(queue.push(of(1), Some([7; 16]), first.clone(), Charge::default()));
        let (mut receiver, outcome) = queue.join(&[7; 16]).expect("is waiting");
        assert_eq!(outcome, first);
        assert!(queue.join(&[8; 16]).is_none());
        let gathered = queue.take(99).expect("one waits");
        assert_eq!((gathered.batches.len(), gathered.writers[0].len()), (1, 2));
        for sender in gathered.writers.into_iter().flatten() {
            sender.send(Ok(Told { numbers: Rc::from([Some(7)]), first: 1, overflow: 0 })).ok();
        }
        let told = receiver.try_recv().expect("is not dropped").expect("was told").expect("is stored");
        assert_eq!((&*told.numbers, told.first), (&[Some(7)][..], 1));
    }
}
