//! Removing points: the part of the owner's call, the part of the alarm, and how home makes the other shards do the
//! same.

use std::rc::Rc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use worker::Delay;

use crate::clock::now_ms;
use protocol::command::Command;
use protocol::refusal::Refusal;
use protocol::removal::{Remove, Removed};

use super::shard::call;
use super::stream::{Answer, Shared, internal, to_json};
use engine::{MAX_ROW_BYTES, RemoveError};

/// How many steps of some 50 ms an alarm takes...
const STEPS: u32 = 200;
/// ...and how much time it leaves to others between them.
const REST: Duration = Duration::from_millis(20);
/// When to ask other shards again that are not done, or can't be reached.
const AGAIN_MS: i64 = 5_000;
/// How many shards are called concurrently.
const CALLS_AT_ONCE: usize = 8;

impl Shared {
    /// Removes points, or continues to.
    pub(super) async fn remove(self: &Rc<Self>, ask: Remove) -> Answer {
        if ask.call.is_none() && !ask.dry_run {
            // One after the other, on all shards.
            self.tell_removal().await;
        }
        // Most of what the removal seals.
        self.seal_in_turns().await;
        self.settled().await;
        // Waiting batches were written before, and may refer to series by the ids to be freed.
        self.commit_waiting();
        let now = now_ms();
        let (removed, due_ms) = self.try_with_engine(|engine| {
            let shards = engine.record().config.layout.shards();
            let removed = engine.remove(&ask, now).map_err(refusal)?;
            Ok((Removed { shards, ..removed }, engine.removal_due()))
        })?;
        if due_ms.is_some() {
            self.expect_alarm(now, due_ms).await;
        }
        self.stir();
        Ok(to_json(&removed))
    }

    /// Commits everything that waits; its writers are answered when it is durable.
    fn commit_waiting(self: &Rc<Self>) {
        loop {
            let gathered = self.queue.borrow_mut().take(MAX_ROW_BYTES);
            let Some(gathered) = gathered else { break };
            let (results, writers) = self.commit_now(gathered);
            let shared = Rc::clone(self);
            self.state.wait_until(async move { shared.confirm(results, writers).await });
        }
    }

    /// The alarm's part of a removal.
    pub(super) async fn go_on_removing(&self) {
        for _ in 0..STEPS {
            self.settled().await;
            let is_removing = self.with_engine(|engine| {
                engine.removal_step()?;
                Ok(engine.is_removing())
            });
            if is_removing != Ok(true) {
                break;
            }
            Delay::from(REST).await;
        }
        self.tell_removal().await;
    }

    /// At home: makes the other shards remove what is removed here, until all are done.
    async fn tell_removal(&self) {
        let untold =
            self.try_with_engine(|engine| Ok((engine.untold_removal(), engine.record().config.layout.shards())));
        let Ok((Some(remove), shards)) = untold else { return };
        let (number, command) = (remove.call.unwrap_or_default(), to_json(&Command::Remove(remove)));
        let Ok((name, _)) = self.place() else { return };
        let tell = async |shard: u16| match call(&self.env, &format!("{name}/{shard}"), &command).await {
            Ok(answer) => serde_json::from_slice::<Removed>(&answer).is_ok_and(|removed| removed.is_done),
            // A shard that a raise has not reached yet has nothing to remove.
            Err(refusal) => refusal == Refusal::NoSuchStream,
        };
        let all = stream::iter((1..shards).map(tell)).buffer_unordered(CALLS_AT_ONCE);
        let is_done = all.all(|is_done| async move { is_done }).await;
        self.with_engine(|engine| {
            if is_done {
                return engine.removal_told(number);
            }
            engine.put_off_telling(now_ms() + AGAIN_MS);
            Ok(())
        })
        .ok();
    }
}

fn refusal(error: RemoveError) -> Refusal {
    match error {
        RemoveError::Store(error) => internal(&error),
        RemoveError::Unaligned(_) | RemoveError::TooMuch => Refusal::QueryTooLarge(error.to_string()),
        RemoveError::UnderWay(_) => Refusal::Conflict(error.to_string()),
        RemoveError::Unknown | RemoveError::Matcher(_) => Refusal::InvalidRequest(error.to_string()),
    }
}
