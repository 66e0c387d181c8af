//! The streams that this isolate has in memory. All share the isolate's [`Share::State`]. If that is too small, the
//! least recently used streams are put to sleep: their memory is dropped, and their next event rebuilds it from the
//! database.
//!
//! Only idle streams are put to sleep. So a reader or writer that uses more large streams than fit is told to come
//! again, and no stream is opened and dropped in turn with each request.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use memory::{NoRoom, Reservation, Share};

/// The shortest time between a stream's last event and its sleep: opening the largest stream costs some 0.5 s of
/// computing, which is at most a quarter of this.
const IDLE_MS: i64 = 2_000;
/// An event that has not ended after this time never will: its client is gone.
const LOST_MS: i64 = 300_000;

/// Something that can be put to sleep.
pub(super) trait Sleeper {
    fn residence(&self) -> &Residence;
    /// Drops the memory, unless something is in progress; returns whether it did.
    fn sleep(&self) -> bool;
}

/// A stream among those that the isolate has in memory.
pub(super) struct Residence {
    /// The id of the object: if it is here twice, the platform has evicted the earlier one, and JavaScript has not
    /// collected it yet.
    id: String,
    kept: RefCell<Option<Reservation>>,
    used_ms: Cell<i64>,
    /// Events in progress.
    events: Cell<u32>,
}

/// An event, until it ends.
pub(super) struct Event<'a>(&'a Residence);

impl Drop for Event<'_> {
    fn drop(&mut self) {
        self.0.events.set(self.0.events.get() - 1);
    }
}

thread_local! {
    static RESIDENTS: RefCell<Vec<Weak<dyn Sleeper>>> = const { RefCell::new(Vec::new()) };
}

/// Adds a stream to those that may be put to sleep.
pub(super) fn register(sleeper: &Rc<impl Sleeper + 'static>) {
    let weak: Weak<dyn Sleeper> = Rc::downgrade(&(Rc::clone(sleeper) as Rc<dyn Sleeper>));
    RESIDENTS.with_borrow_mut(|residents| {
        if residents.len() == residents.capacity() {
            residents.retain(|resident| resident.strong_count() > 0);
        }
        residents.push(weak);
    });
}

impl Residence {
    pub(super) const fn new(id: String) -> Self {
        Self { id, kept: RefCell::new(None), used_ms: Cell::new(0), events: Cell::new(0) }
    }

    /// Starts an event.
    pub(super) fn enter(&self, now_ms: i64) -> Event<'_> {
        self.used_ms.set(now_ms);
        self.events.set(self.events.get() + 1);
        Event(self)
    }

    /// Whether it may be put to sleep.
    fn is_idle(&self, now_ms: i64) -> bool {
        let since_ms = now_ms - self.used_ms.get();
        since_ms >= if self.events.get() == 0 { IDLE_MS } else { LOST_MS }
    }

    fn bytes(&self) -> usize {
        self.kept.borrow().as_ref().map_or(0, Reservation::bytes)
    }

    /// Reserves what the stream keeps, or will keep once it is open. Others are put to sleep if that makes room. A
    /// stream that is alone may keep more than the share, as nothing else could make room for it.
    pub(super) fn keep(&self, bytes: usize, now_ms: i64) -> Result<(), NoRoom> {
        self.end_earlier();
        let others = || memory::used(Share::State) - self.bytes();
        while others() > 0 && others() + bytes > Share::State.bytes() {
            if !sleep_coldest(self, now_ms) {
                return Err(NoRoom);
            }
        }
        self.set(bytes);
        Ok(())
    }

    /// Drops what evicted objects of the same stream still hold.
    fn end_earlier(&self) {
        let earlier: Vec<_> = RESIDENTS.with_borrow(|residents| {
            let alive = residents.iter().filter_map(Weak::upgrade);
            let is_earlier = |residence: &Self| !std::ptr::eq(residence, self) && residence.id == self.id;
            alive.filter(|resident| is_earlier(resident.residence()) && resident.residence().bytes() > 0).collect()
        });
        for resident in earlier.into_iter().filter(|resident| resident.sleep()) {
            resident.residence().clear();
        }
    }

    /// Whether streams keep more than their share, and this one is not alone.
    pub(super) fn is_crowded(&self) -> bool {
        let used = memory::used(Share::State);
        used > Share::State.bytes() && used > self.bytes()
    }

    /// Counts what it keeps now, whether there is room or not.
    pub(super) fn set(&self, bytes: usize) {
        let mut kept = self.kept.borrow_mut();
        let reservation = kept.get_or_insert_with(|| Reservation::none(Share::State));
        reservation.set(bytes);
    }

    /// Nothing is in memory any more.
    pub(super) fn clear(&self) {
        self.kept.take();
    }
}

/// Puts the least recently used stream to sleep; returns whether there was one.
fn sleep_coldest(but: &Residence, now_ms: i64) -> bool {
    let coldest = RESIDENTS.with_borrow(|residents| {
        let alive = residents.iter().filter_map(Weak::upgrade);
        let may_sleep = alive.filter(|resident| {
            let residence = resident.residence();
            !std::ptr::eq(residence, but) && residence.bytes() > 0 && residence.is_idle(now_ms)
        });
        let mut may_sleep: Vec<_> = may_sleep.collect();
        may_sleep.sort_by_key(|resident| resident.residence().used_ms.get());
        may_sleep
    });
    coldest.iter().any(|resident| {
        let sleeps = resident.sleep();
        if sleeps {
            resident.residence().clear();
        }
        sleeps
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    struct Stream {
        residence: Residence,
        is_busy: Cell<bool>,
        sleeps: Cell<u32>,
    }

    impl Sleeper for Stream {
        fn residence(&self) -> &Residence {
            &self.residence
        }

        fn sleep(&self) -> bool {
            self.sleeps.set(self.sleeps.get() + u32::from(!self.is_busy.get()));
            !self.is_busy.get()
        }
    }

    fn stream(bytes: usize, now_ms: i64) -> (Rc<Stream>, Result<(), NoRoom>) {
        named(format!("{bytes} {now_ms}"), bytes, now_ms)
    }

    fn named(id: String, bytes: usize, now_ms: i64) -> (Rc<Stream>, Result<(), NoRoom>) {
        let stream = Rc::new(Stream { residence: Residence::new(id), is_busy: Cell::new(false), sleeps: Cell::new(0) });
        register(&stream);
        drop(stream.residence.enter(now_ms));
        let kept = stream.residence.keep(bytes, now_ms);
        (stream, kept)
    }

    #[test]
    fn only_the_coldest_idle_stream_makes_room() {
        let third = Share::State.bytes() / 3;
        let [a, b, c] = [0, 1, 2].map(|now_ms| {
            let (stream, kept) = stream(third, now_ms);
            assert_eq!(kept, Ok(()));
            stream
        });
        assert_eq!(stream(third, IDLE_MS - 1).1, Err(NoRoom), "all were used lately");
        assert_eq!((a.sleeps.get(), memory::used(Share::State)), (0, 3 * third));
        drop(a.residence.enter(IDLE_MS));
        b.is_busy.set(true);
        let (d, kept) = stream(third, IDLE_MS + 2);
        assert_eq!((kept, [&a, &b, &c, &d].map(|stream| stream.sleeps.get())), (Ok(()), [0, 0, 1, 0]));
        assert_eq!(memory::used(Share::State), 3 * third);
    }

    #[test]
    fn an_event_in_progress_keeps_a_stream_awake_until_it_is_lost() {
        let (a, _) = stream(Share::State.bytes(), 0);
        let event = a.residence.enter(0);
        assert_eq!(stream(MIB, LOST_MS - 1).1, Err(NoRoom));
        assert_eq!(stream(MIB, LOST_MS).1, Ok(()));
        drop(event);
        assert_eq!(a.sleeps.get(), 1);
    }

    #[test]
    fn a_single_stream_may_exceed_the_share() {
        let (a, kept) = stream(2 * Share::State.bytes(), 0);
        assert_eq!(kept, Ok(()));
        assert_eq!(stream(1, 1).1, Err(NoRoom));
        drop(a);
        let (next, kept) = stream(1, 1);
        assert_eq!((kept, memory::used(Share::State)), (Ok(()), 1));
        drop(next);
        assert_eq!(memory::used(Share::State), 0);
    }

    #[test]
    fn an_evicted_object_of_the_same_stream_makes_room() {
        let bytes = Share::State.bytes();
        let (evicted, _) = named("a".into(), bytes, 0);
        let (again, kept) = named("a".into(), bytes, 1);
        assert_eq!((kept, evicted.sleeps.get(), again.sleeps.get()), (Ok(()), 1, 0));
        assert_eq!(memory::used(Share::State), bytes);
    }
}
