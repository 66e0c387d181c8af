//! The writes that wait for the next commit: while one commit becomes durable, others gather here.

use std::collections::VecDeque;

use futures_channel::oneshot::{Receiver, Sender, channel};

use ingest::outcome::WriteOutcome;
use model::batch_key::BatchKey;
use protocol::refusal::Refusal;

use engine::admission::Charge;
use engine::{Ack, Incoming};
use memory::{Reservation, Share, reserve};

/// The most bytes that wait in one object, some 4 commits of the largest size; beyond that, writers are told to
/// come again.
pub(super) const MAX_WAITING_BYTES: usize = 8 << 20;

/// How much of the isolate's share of writes open writers leave to others, as they do in each object.
const CLOSED_REST: usize = Share::Writes.bytes() / 16;

/// A commit takes several batches only as long as they cost no more than this, some 20 ms...
const COMMIT_UNITS: u64 = 10_000;
/// ...except for batches that cost at most this.
const SMALL_UNITS: u64 = 200;

/// What a writer gets once its batch is durable.
pub(super) type Committed = Result<Ack, Refusal>;

/// Batches in the order of arrival.
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    max_bytes: usize,
}

struct Waiting {
    batch: Incoming,
    key: Option<BatchKey>,
    outcome: WriteOutcome,
    charge: Charge,
    writers: Vec<Sender<Committed>>,
    room: Reservation,
}

/// The content of one commit: the batches, what was charged for each, and their writers.
pub(super) struct Gathered {
    pub(super) batches: Vec<Incoming>,
    pub(super) charges: Vec<(Option<BatchKey>, Charge)>,
    pub(super) writers: Vec<Vec<Sender<Committed>>>,
    /// The memory of the batches, until they are committed.
    rooms: Vec<Reservation>,
}

impl Queue {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, max_bytes }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Reserves room for this many more bytes: for open writers only while a quarter of the queue is left for
    /// others. Others get the owner's share of the isolate if that of writes is used up.
    pub(super) fn room(&self, frame_bytes: usize, is_open: bool) -> Result<Reservation, Refusal> {
        let rest = if is_open && self.bytes > 0 { self.max_bytes / 4 } else { 0 };
        if self.bytes + frame_bytes > self.max_bytes - rest {
            return Err(Refusal::Overloaded);
        }
        let mut room = Reservation::none(Share::Writes);
        let reserved = match room.resize_leaving(frame_bytes, if is_open { CLOSED_REST } else { 0 }) {
            Ok(()) => Ok(room),
            Err(_) if !is_open => reserve(Share::Owner, frame_bytes),
            Err(none) => Err(none),
        };
        reserved.map_err(|_| Refusal::Overloaded)
    }

    /// Queues a batch for which there is room.
    pub(super) fn push(
        &mut self,
        batch: Incoming,
        key: Option<BatchKey>,
        outcome: WriteOutcome,
        charge: Charge,
        room: Reservation,
    ) -> Receiver<Committed> {
        let (sender, receiver) = channel();
        self.bytes += batch.frame.len();
        self.waiting.push_back(Waiting { batch, key, outcome, charge, writers: vec![sender], room });
        receiver
    }

    /// Waits with the batch that has the same key, if there is one; also returns its writer's outcome.
    pub(super) fn join(&mut self, key: &BatchKey) -> Option<(Receiver<Committed>, WriteOutcome)> {
        let waiting = self.waiting.iter_mut().find(|waiting| waiting.key.as_ref() == Some(key))?;
        let (sender, receiver) = channel();
        waiting.writers.push(sender);
        Some((receiver, waiting.outcome.clone()))
    }

    /// Takes the batch that has waited longest and, up to this many bytes, all small ones and as many others as a
    /// commit may process: a writer of little waits for one large batch and not for everything before it. `None` if
    /// nothing waits.
    pub(super) fn take(&mut self, max_bytes: usize) -> Option<Gathered> {
        let mut gathered =
            Gathered { batches: Vec::new(), charges: Vec::new(), writers: Vec::new(), rooms: Vec::new() };
        let (mut bytes, mut units) = (0, 0);
        let mut rest = VecDeque::with_capacity(self.waiting.len());
        for waiting in self.waiting.drain(..) {
            let (frame_bytes, batch_units) = (waiting.batch.frame.len(), waiting.charge.units);
            let is_small = batch_units <= SMALL_UNITS;
            let fits = bytes + frame_bytes <= max_bytes && (is_small || units + batch_units <= COMMIT_UNITS);
            if bytes > 0 && !fits {
                rest.push_back(waiting);
                continue;
            }
            bytes += frame_bytes;
            units += if is_small { 0 } else { batch_units };
            gathered.batches.push(waiting.batch);
            gathered.charges.push((waiting.key, waiting.charge));
            gathered.writers.push(waiting.writers);
            gathered.rooms.push(waiting.room);
        }
        self.waiting = rest;
        self.bytes -= bytes;
        (!gathered.batches.is_empty()).then_some(gathered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memory::used;
    use model::class::Class;
    use std::rc::Rc;

    fn of(bytes: usize) -> Incoming {
        Incoming { frame: vec![0; bytes], class: Class::Owner, networks: [None; 2] }
    }

    /// A queue with batches of these sizes, without keys.
    fn queue(max_bytes: usize, sizes: &[usize]) -> Queue {
        let mut queue = Queue::new(max_bytes);
        for bytes in sizes {
            push(&mut queue, *bytes);
        }
        queue
    }

    fn push(queue: &mut Queue, bytes: usize) {
        let room = queue.room(bytes, false).expect("has room");
        drop(queue.push(of(bytes), None, WriteOutcome::default(), Charge::default(), room));
    }

    fn has_room(queue: &Queue, bytes: usize, is_open: bool) -> bool {
        queue.room(bytes, is_open).is_ok()
    }

    #[test]
    fn the_queue_is_limited_and_empty_after_a_commit() {
        let mut queue = queue(10, &[]);
        assert!(has_room(&queue, 10, true) && !has_room(&queue, 11, false));
        push(&mut queue, 10);
        assert!(!has_room(&queue, 1, false));
        let gathered = queue.take(99).expect("one waits");
        assert_eq!((&gathered.batches[..], used(Share::Writes)), (&[of(10)][..], 10));
        drop(gathered);
        assert!(queue.take(99).is_none());
        assert!(has_room(&queue, 10, false));
        assert_eq!(used(Share::Writes), 0);
    }

    #[test]
    fn without_room_keyed_writers_use_the_share_of_the_owner() {
        let queue = Queue::new(usize::MAX);
        let rooms: Vec<_> = std::iter::from_fn(|| queue.room(64 << 10, true).ok()).collect();
        assert_eq!(rooms.len(), 240);
        let others: Vec<_> = std::iter::from_fn(|| queue.room(64 << 10, false).ok()).collect();
        assert_eq!((others.len(), used(Share::Owner)), (16 + 96, Share::Owner.bytes()));
        drop((rooms, others));
        assert_eq!((used(Share::Writes), used(Share::Owner)), (0, 0));
    }

    #[test]
    fn a_commit_takes_as_many_batches_as_fit_but_at_least_one() {
        let mut queue = queue(100, &[7, 2, 2, 9]);
        let mut sizes =
            || queue.take(5).map(|gathered| gathered.batches.iter().map(|batch| batch.frame.len()).collect::<Vec<_>>());
        assert_eq!((sizes(), sizes(), sizes(), sizes()), (Some(vec![7]), Some(vec![2, 2]), Some(vec![9]), None));
    }

    #[test]
    fn small_batches_overtake_large_ones_but_not_the_first() {
        let mut queue = Queue::new(1_000);
        for (bytes, units) in [(1, 9_000), (2, 9_000), (3, 5), (4, 900), (5, 200), (6, 100_000), (7, 1)] {
            let room = queue.room(bytes, false).expect("has room");
            let mut charge = Charge::default();
            charge.units = units;
            drop(queue.push(of(bytes), None, WriteOutcome::default(), charge, room));
        }
        let mut sizes = || {
            queue.take(99).map(|gathered| gathered.batches.iter().map(|batch| batch.frame.len()).collect::<Vec<_>>())
        };
        assert_eq!((sizes(), sizes()), (Some(vec![1, 3, 4, 5, 7]), Some(vec![2])));
        assert_eq!((sizes(), sizes()), (Some(vec![6]), None));
    }

    #[test]
    fn a_retry_waits_with_the_first_and_gets_its_answer() {
        let mut queue = queue(10, &[]);
        let room = queue.room(1, true).expect("has room");
        let first = WriteOutcome { accepted: 3, ..WriteOutcome::default() };
        drop(queue.push(of(1), Some(BatchKey::from_bytes([7; 16])), first.clone(), Charge::default(), room));
        let (mut receiver, outcome) = queue.join(&BatchKey::from_bytes([7; 16])).expect("is waiting");
        assert_eq!(outcome, first);
        assert!(queue.join(&BatchKey::from_bytes([8; 16])).is_none());
        let gathered = queue.take(99).expect("one waits");
        assert_eq!((gathered.batches.len(), gathered.writers[0].len()), (1, 2));
        for sender in gathered.writers.into_iter().flatten() {
            sender.send(Ok(Ack { numbers: Rc::from([Some(7)]), first: 1, overflow: 0 })).ok();
        }
        let told = receiver.try_recv().expect("is not dropped").expect("was told").expect("is stored");
        assert_eq!((&*told.numbers, told.first), (&[Some(7)][..], 1));
    }
}
