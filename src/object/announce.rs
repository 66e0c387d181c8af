//! Brings home's state to the other shards and to the directory: only here, so that no older state overtakes a
//! newer one.
//!
//! A change is done once home has it. The same row of the database says whom home has yet to tell, and whatever
//! fails, a crash included, is retried: by the alarm, and by the first event of an object that lost its memory. The
//! platform accepts one write per second to an entry of the directory, so failures are common. A stream that ends
//! is closed immediately; its entry is deleted before its data, or nobody would know of the entry any more.

use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot::{Receiver, Sender, channel};
use futures_util::future::{Either, select};
use futures_util::{StreamExt, pin_mut, stream};
use worker::{Delay, KvStore, console_error};

use crate::clock::now_ms;
use config::listing;
use protocol::command::{ADOPT, FORGET};
use protocol::refusal::Refusal;

use super::shard::call;
use super::slot::Slot;
use super::stream::{Answer, Shared, internal, to_json};
use engine::{Engine, Record, Untold};

/// The edge requests it once the change is answered; if that edge dies, the alarm does it.
pub(super) const AFTER_MS: i64 = 2_000;
/// The wait after a failure: a bit more than the second that the platform requires between writes, then twice as
/// long each time...
const RETRY_MS: i64 = 1_100;
/// ...up to 9 minutes.
const MAX_DOUBLINGS: u32 = 9;
/// How long a write to the directory may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often at most the directory is written again for an edge that found something else in it. An edge's copy can
/// be this old.
const AGAIN_MS: i64 = 60_000;
/// How many shards are told concurrently.
const CALLS_AT_ONCE: usize = 8;

/// The state of announcing, in memory only.
#[derive(Default)]
pub(super) struct Announcing {
    is_running: bool,
    /// Callers that wait for a round that starts after they asked.
    waiting: Vec<Sender<()>>,
    /// Failures since the last success.
    failures: u32,
    /// The earliest time of the next round.
    due_ms: i64,
    /// The alarm that was only set for this.
    alarm_ms: Option<i64>,
    /// When the directory was last written.
    written_ms: i64,
    /// Whether this object has checked what an earlier life left to do.
    is_begun: bool,
}

impl Announcing {
    /// Notes the result of a round.
    fn count(&mut self, is_told: bool, now_ms: i64) {
        self.failures = if is_told { 0 } else { self.failures + 1 };
        self.due_ms = now_ms + (RETRY_MS << self.failures.saturating_sub(1).min(MAX_DOUBLINGS));
    }
}

impl Shared {
    /// Tells everyone, and answers what they were told. The alarm retries what fails.
    pub(super) async fn announce(self: &Rc<Self>, again: bool) -> Answer {
        if again {
            self.owe_again()?;
        }
        self.announced().await.ok();
        match self.record() {
            Ok(record) => Ok(to_json(&record.config)),
            Err(Refusal::NoSuchStream) => Ok(Vec::new()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Called on the first event of a life: does now what an earlier one left. Its alarm may be lost.
    pub(super) fn resume(self: &Rc<Self>) {
        let is_begun = std::mem::replace(&mut self.announcing.borrow_mut().is_begun, true);
        if !is_begun && self.owed().is_some() {
            drop(self.announced());
        }
    }

    /// The alarm's part of it.
    pub(super) async fn announce_if_due(self: &Rc<Self>) {
        self.announcing.borrow_mut().is_begun = true;
        if self.announce_due().is_some_and(|due_ms| due_ms <= now_ms()) {
            self.announced().await.ok();
        }
    }

    /// When the next round is due.
    pub(super) fn announce_due(&self) -> Option<i64> {
        self.owed().map(|_| self.announcing.borrow().due_ms)
    }

    /// Leaves it to the edge for a moment, and makes sure that the alarm fires.
    pub(super) async fn announce_soon(&self) {
        let (now, before_ms) = (now_ms(), self.alarm_ms.get());
        self.announcing.borrow_mut().due_ms = now + AFTER_MS;
        self.expect_alarm(now, Some(now + AFTER_MS)).await;
        let alarm_ms = self.alarm_ms.get();
        self.announcing.borrow_mut().alarm_ms = alarm_ms.filter(|_| alarm_ms != before_ms);
    }

    /// Starts a round, after the one in progress, if there is one. Like commits, it is not part of any request.
    fn announced(self: &Rc<Self>) -> Receiver<()> {
        let (sender, receiver) = channel();
        let mut announcing = self.announcing.borrow_mut();
        announcing.waiting.push(sender);
        if !std::mem::replace(&mut announcing.is_running, true) {
            let shared = Rc::clone(self);
            self.state.wait_until(async move { shared.announce_all().await });
        }
        receiver
    }

    async fn announce_all(self: &Rc<Self>) {
        loop {
            let waiting = std::mem::take(&mut self.announcing.borrow_mut().waiting);
            if waiting.is_empty() {
                break;
            }
            let told = self.tell_everyone().await;
            self.announcing.borrow_mut().count(told.is_ok(), now_ms());
            match self.announce_due() {
                Some(due_ms) => self.expect_alarm(now_ms(), Some(due_ms)).await,
                None => self.put_off_alarm().await,
            }
            for waiting in waiting {
                // The caller may be gone.
                waiting.send(()).ok();
            }
        }
        self.announcing.borrow_mut().is_running = false;
    }

    /// Nobody is left to tell: an alarm that was set for that is moved to when something else needs it.
    async fn put_off_alarm(self: &Rc<Self>) {
        let set_ms = self.announcing.borrow_mut().alarm_ms.take();
        let Some(at_ms) = set_ms.filter(|_| set_ms == self.alarm_ms.get()) else { return };
        let Ok(engine_ms) = self.with_engine(|engine| Ok(engine.alarm_due())) else { return };
        let needed_ms = [engine_ms, self.watch_shards()].into_iter().flatten().min();
        if needed_ms.is_some_and(|needed_ms| needed_ms <= at_ms) {
            return;
        }
        // Before the alarm is deleted: a commit in the meantime must not rely on it.
        self.alarm_ms.set(None);
        match needed_ms {
            Some(needed_ms) => self.set_alarm(needed_ms - now_ms()).await,
            None => drop(self.state.storage().delete_alarm().await),
        }
    }

    /// The record with what home has yet to announce, also of a closed stream; `None` if there is nothing, and on
    /// other shards.
    fn owed(&self) -> Option<Record> {
        if self.place().ok()?.1 > 0 {
            return None;
        }
        let open = match &*self.engine.borrow() {
            Slot::Open(engine) => Some(engine.record().clone()),
            Slot::NotOpened | Slot::NoStream => None,
        };
        let record = open.or_else(|| Engine::peek_record(&self.sql()).ok().flatten())?;
        (!record.untold.is_nobody()).then_some(record)
    }

    /// Called when an edge has found something else in the directory.
    fn owe_again(&self) -> Result<(), Refusal> {
        if now_ms() - self.announcing.borrow().written_ms < AGAIN_MS {
            return Ok(());
        }
        self.note(|record| record.untold.directory = true)
    }

    /// Notes who was told. The configuration does not change, so there is no new version.
    fn note(&self, note: impl FnOnce(&mut Record)) -> Result<(), Refusal> {
        self.with_engine(|engine| {
            let mut record = engine.record().clone();
            note(&mut record);
            engine.note(record)
        })
    }

    async fn tell_everyone(self: &Rc<Self>) -> Result<(), Refusal> {
        let (stream, _) = self.place()?;
        let record = match self.record() {
            Ok(record) => record,
            Err(Refusal::NoSuchStream) => return self.end(&stream).await,
            Err(refusal) => return Err(refusal),
        };
        let shards = self.tell_shards(&stream, &record).await;
        // The layout may be settled by what the shards were told.
        let record = self.record()?;
        if record.untold.directory {
            let entry = listing::entry(&record.config);
            self.write(|directory| async move {
                let put = directory.put(&listing::key(&stream), entry.value)?.metadata(entry.listing)?;
                put.execute().await
            })
            .await?;
            self.note(|now| now.untold.directory &= now.version != record.version)?;
        }
        shards
    }

    async fn tell_shards(self: &Rc<Self>, stream: &str, record: &Record) -> Result<(), Refusal> {
        let (version, layout) = (record.version, &record.config.layout);
        if record.untold.shards || layout.is_unsettled() {
            self.call_others(stream, layout.shards(), ADOPT).await?;
        }
        if layout.is_unsettled() {
            let shards = layout.shards();
            self.change(|record| {
                record.untold = Untold { shards: record.untold.shards && record.version != version, directory: true };
                record.config.layout.settle(shards, now_ms());
                Ok(())
            })?;
        } else if record.untold.shards {
            self.note(|now| now.untold.shards &= now.version != version)?;
        }
        Ok(())
    }

    /// Ends a stream that was closed: the other shards, the entry in the directory, then home.
    async fn end(self: &Rc<Self>, stream: &str) -> Result<(), Refusal> {
        // A stream that another version closed waits for that version to end it.
        let Some(record) = self.owed().filter(|record| record.is_closed) else { return Ok(()) };
        self.call_others(stream, record.config.layout.shards(), FORGET).await?;
        self.write(|directory| async move { directory.delete(&listing::key(stream)).await }).await?;
        self.forget().await.map(drop)
    }

    /// Sends a command to each shard except home, even if one fails.
    async fn call_others(&self, stream: &str, shards: u16, command: &[u8]) -> Result<(), Refusal> {
        let one = async |shard: u16| call(&self.env, &format!("{stream}/{shard}"), command).await;
        let answers = stream::iter((1..shards).map(one)).buffer_unordered(CALLS_AT_ONCE).collect::<Vec<_>>().await;
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Writes to the directory.
    async fn write<T: Future<Output = Result<(), worker::KvError>>>(
        &self,
        write: impl FnOnce(KvStore) -> T,
    ) -> Result<(), Refusal> {
        let directory = self.env.kv(listing::BINDING).map_err(|error| internal(&error))?;
        let (writing, timeout) = (write(directory), Delay::from(WRITE_TIMEOUT));
        pin_mut!(writing, timeout);
        let written = match select(writing, timeout).await {
            Either::Left((written, _)) => written.map_err(|error| error.to_string()),
            Either::Right(_) => Err("no answer".to_owned()),
        };
        written.map_err(|error| {
            console_error!("stream: writing the directory will be retried: {error}");
            Refusal::Internal
        })?;
        self.announcing.borrow_mut().written_ms = now_ms();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_come_after_a_second_and_then_less_and_less_often() {
        let mut announcing = Announcing::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            announcing.count(false, 0);
            waits.push(announcing.due_ms);
        }
        assert_eq!(waits[..4], [1_100, 2_200, 4_400, 8_800]);
        assert!(waits.is_sorted() && waits[11] == 563_200, "{waits:?}");
        announcing.count(true, 0);
        announcing.count(false, 0);
        assert_eq!(announcing.due_ms, 1_100);
    }
}
