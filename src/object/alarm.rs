//! The alarm: one schedule for everything that a stream does without being asked.
//!
//! Tasks send what consumers of the log have for others. The alarm starts the tasks that are due and does not wait for
//! them, so a task that hangs delays nothing else. Each task sets the next alarm when it ends. While one runs, the
//! alarm fires again and again: if the object has died meanwhile, no task runs any more, and those that are due start
//! anew.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{LocalBoxFuture, join};
use worker::console_error;

use crate::clock::now_ms;
use protocol::refusal::Refusal;

use super::storage::ObjectSql;
use super::stream::{Shared, Stream};
use engine::answers::KEY_WINDOW_MS;
use engine::{Engine, GATHER_MS};

/// An alarm this late will not fire any more.
const OVERDUE_MS: i64 = 120_000;
/// How soon the alarm comes again after it failed.
const RETRY_MS: i64 = 60_000;
/// Between steps of merging chunks, each of which takes some 100 ms, so that others have their turn.
const COMPACT_INTERVAL_MS: i64 = 250;
/// While a task runs: an object that died is back this long afterwards.
const WATCH_MS: i64 = 5_000;
/// A task that has not ended by then never will: each of its requests ends within 30 s, and it begins none after 30 s.
const LOST_MS: i64 = 120_000;

/// What a consumer does by alarm.
struct Task {
    due_ms: fn(&Engine<ObjectSql>) -> Option<i64>,
    run: fn(&Stream) -> LocalBoxFuture<'_, ()>,
}

/// The tasks.
const TASKS: [Task; 2] = [
    Task { due_ms: Engine::forward_due, run: |stream| Box::pin(stream.forward()) },
    Task { due_ms: Engine::carbon_due, run: |stream| Box::pin(stream.push_to_carbon()) },
];

/// Since when each task runs, if it does.
#[derive(Default)]
pub(super) struct Running([Cell<Option<i64>>; TASKS.len()]);

impl Running {
    fn is_running(&self, task: usize, now_ms: i64) -> bool {
        self.0[task].get().is_some_and(|since_ms| now_ms < since_ms + LOST_MS)
    }

    /// When the first task is due, or the alarm is to look whether one that runs still does.
    fn due_ms(&self, engine: &Engine<ObjectSql>, now_ms: i64) -> Option<i64> {
        let due_ms = |(at, task): (usize, &Task)| {
            if self.is_running(at, now_ms) { Some(now_ms + WATCH_MS) } else { (task.due_ms)(engine) }
        };
        TASKS.iter().enumerate().filter_map(due_ms).min()
    }
}

impl Stream {
    /// What the alarm does.
    pub(super) async fn keep_up(&self) {
        self.shared.alarm_ms.set(None);
        self.shared.settled().await;
        let announced = self.shared.announce_if_due();
        let tidied = self.shared.tidy_in_turns().await;
        if tidied.is_ok() {
            // What it fails to keep is kept with the next.
            self.shared.keep_writers().ok();
            self.start_tasks();
            join(announced, self.shared.go_on_removing()).await;
        } else {
            self.put_off_carbon();
            announced.await;
        }
        self.shared.note_kept();
        let due = |engine: &mut Engine<ObjectSql>| {
            let due_ms = [engine.tidy_due(), engine.removal_due(), self.shared.running.due_ms(engine, now_ms())];
            Ok(due_ms.into_iter().flatten().min())
        };
        let next_ms = match tidied.and_then(|()| self.shared.with_engine(due)) {
            Ok(next_ms) => next_ms,
            Err(Refusal::NoSuchStream) => None,
            Err(_) => Some(now_ms() + RETRY_MS),
        };
        let wanted = [next_ms, self.shared.watch_shards(), self.shared.announce_due()];
        if self.shared.amid_engine(|engine| Ok(engine.is_crowded())).is_ok_and(|is_crowded| is_crowded) {
            self.shared.set_alarm(COMPACT_INTERVAL_MS).await;
        } else if let Some(next_ms) = wanted.into_iter().flatten().min() {
            // Not at once: what could not be done now can't be done in a millisecond either.
            self.shared.set_alarm((next_ms - now_ms()).max(GATHER_MS)).await;
        }
    }

    /// Starts each task that is due and does not run.
    fn start_tasks(&self) {
        let now = now_ms();
        for (at, task) in TASKS.iter().enumerate() {
            let is_due =
                || self.shared.with_engine(|engine| Ok((task.due_ms)(engine).is_some_and(|due_ms| due_ms <= now)));
            if self.shared.running.is_running(at, now) || is_due() != Ok(true) {
                continue;
            }
            self.shared.running.0[at].set(Some(now));
            let stream = Self { shared: Rc::clone(&self.shared), env: self.env.clone() };
            self.shared.state.wait_until(async move {
                let _event = stream.shared.residence.enter(now_ms());
                (task.run)(&stream).await;
                stream.shared.running.0[at].set(None);
                stream.shared.settled().await;
                stream.shared.note_kept();
                let due_ms = stream.shared.with_engine(|engine| Ok((task.due_ms)(engine)));
                if let Ok(Some(due_ms)) = due_ms {
                    stream.shared.expect_alarm(now_ms(), Some(due_ms)).await;
                }
            });
        }
    }
}

impl Shared {
    /// When something is due that should not wait for the next round of tidying. A running task sets its own alarm when
    /// it ends.
    pub(super) fn soon_due(&self, now_ms: i64) -> Option<i64> {
        let soon = self.with_engine(|engine| {
            let is_idle = (0..TASKS.len()).all(|task| !self.running.is_running(task, now_ms));
            Ok(if is_idle { engine.soon_due(now_ms) } else { self.running.due_ms(engine, now_ms) })
        });
        soon.unwrap_or_default()
    }

    /// Sets the alarm unless one fires soon enough: when the current keys expire, or when forwarded points have
    /// waited for company. An alarm from before this object lost its memory is left as it is, or each write to a
    /// quiet stream would postpone it; one that is long overdue counts as lost.
    pub(super) async fn expect_alarm(&self, now_ms: i64, forward_ms: Option<i64>) {
        let by_ms = forward_ms.map_or(i64::MAX, |due_ms| due_ms.max(now_ms + GATHER_MS)).min(now_ms + KEY_WINDOW_MS);
        let is_soon = |at_ms: &i64| (now_ms - OVERDUE_MS..=by_ms + 1).contains(at_ms);
        if self.alarm_ms.get().as_ref().is_some_and(is_soon) {
            return;
        }
        match self.state.storage().get_alarm().await {
            Ok(Some(at_ms)) if is_soon(&at_ms) => self.alarm_ms.set(Some(at_ms)),
            _ => self.set_alarm(by_ms - now_ms).await,
        }
    }

    pub(super) async fn set_alarm(&self, in_ms: i64) {
        let in_ms = in_ms.max(1);
        match self.state.storage().set_alarm(Duration::from_millis(in_ms.unsigned_abs())).await {
            Ok(()) => self.alarm_ms.set(Some(now_ms() + in_ms)),
            Err(error) => console_error!("alarm not set, the next write will retry: {error}"),
        }
    }
}
