//! Streams with several shards: which shard takes a batch, and what goes to all of them.
//!
//! What this location believes about the number of shards may be outdated. A shard that knows better refuses a batch
//! with a key (see [`model::shards`]), and then home is asked. A batch without a key may go to any shard.

use std::cell::Cell;
use std::rc::Rc;

use worker::js_sys::Math;

use crate::random::hash_key;
use ingest::frame::{FrameBuilder, NewLabels};
use model::shards::{Layout, Plan};
use protocol::command::{Command, WriteAnswer};
use protocol::writer::Writer;

use super::fan_out::Call;
use super::identity::Identity;
use super::in_flight::InFlight;
use super::problem::Problem;
use super::{Exchange, StreamId};

/// How often an isolate makes shards ask home for write keys, for all streams together: each time costs two more calls.
const ASK_AGAIN_MS: i64 = 100;

thread_local! {
    static ASKED_MS: Cell<Option<i64>> = const { Cell::new(None) };
}

impl Exchange {
    /// Where a batch goes, according to what is believed about the shards.
    pub(super) fn plan(&self, layout: &Layout, identity: Option<&Identity>) -> Plan {
        match identity {
            Some(identity) => layout.plan(&identity.key, self.now_ms),
            None => Plan { ask: Vec::new(), write: any_shard(layout.shards()) },
        }
    }

    /// Sends what is held to where the plan says.
    pub(super) async fn send_to_shard(
        &self,
        id: &StreamId,
        layout: &Layout,
        plan: Plan,
        (identity, writer): (Option<Identity>, &Writer<'_>),
        held: &Rc<InFlight>,
    ) -> Result<WriteAnswer, Problem> {
        for shard in plan.ask {
            // Asks a shard that was responsible for the key before; from now on it accepts no such key.
            let asking = FrameBuilder::new(self.now_ms.try_into().unwrap_or_default(), hash_key(), |_| None);
            let asks = Rc::new(InFlight::default());
            let frame = asking.finish(identity.as_ref().map(|identity| &identity.batch)).frame;
            asks.set_batch(layout.shards(), (identity, writer), &frame, NewLabels::default())?;
            let earlier = self.write_or_make(id, shard, &asks).await?;
            if matches!(earlier, WriteAnswer::Earlier(_)) {
                return Ok(earlier);
            }
        }
        self.write_or_make(id, plan.write, held).await
    }

    /// Sends a write to a shard, which is created if a raise has not reached it yet.
    async fn write_or_make(&self, id: &StreamId, shard: u16, held: &Rc<InFlight>) -> Result<WriteAnswer, Problem> {
        match self.send_write(id.object(shard), held).await {
            Err(Problem::NotFound(_)) if shard > 0 => {
                self.make(id, shard).await?;
                self.send_write(id.object(shard), held).await
            }
            // The shard's copy may be older than the key.
            Err(Problem::WRONG_WRITE_KEY) if shard > 0 && may_ask_again(self.now_ms) => {
                let adopt = Call::of(&Command::Adopt, false)?;
                self.call(id, shard, adopt.method, &adopt.body).await?;
                self.send_write(id.object(shard), held).await
            }
            answer => answer,
        }
    }

    /// Calls a shard, which is created if a raise has not reached it yet.
    pub(super) async fn call_or_make(&self, id: &StreamId, shard: u16, call: &Call) -> Result<Vec<u8>, Problem> {
        match self.call(id, shard, call.method.clone(), &call.body).await {
            Err(Problem::NotFound(_)) if shard > 0 && call.makes => {
                self.make(id, shard).await?;
                self.call(id, shard, call.method.clone(), &call.body).await
            }
            answer => answer,
        }
    }

    /// Creates a shard that a raise has not reached yet. A shard that existed before and is missing is reported, not
    /// created.
    async fn make(&self, id: &StreamId, shard: u16) -> Result<(), Problem> {
        if !self.config_of_home(id).await?.layout.may_be_new(shard) {
            return Err(Problem::Shard(shard_detail(shard)));
        }
        let adopt = Call::of(&Command::Adopt, false)?;
        self.call(id, shard, adopt.method, &adopt.body).await.map(drop)
    }

    /// Sends a command to all shards, home first.
    pub(super) async fn command_all(&self, id: &StreamId, command: &Command) -> Result<(), Problem> {
        self.command(id, command).await?;
        let shards = self.config_of_home(id).await?.layout.shards();
        self.command_others(id, shards, command).await
    }

    /// Sends a command to each shard except home, even if one fails.
    async fn command_others(&self, id: &StreamId, shards: u16, command: &Command) -> Result<(), Problem> {
        let mut all = Ok(());
        let mut take = |_, answer: Result<Vec<u8>, Problem>| {
            // Home has already changed, so whatever failed must be repeated.
            all = std::mem::replace(&mut all, Ok(())).and(answer.map(drop).map_err(|_| Problem::NotEverywhere));
            Ok(())
        };
        if shards > 1 {
            self.call_each(id, (1..shards).collect(), &Call::of(command, false)?, &mut take).await?;
        }
        all
    }
}

/// Whether to make a shard ask home for an unknown write key: not for every key that a stranger invents.
fn may_ask_again(now_ms: i64) -> bool {
    let is_time = ASKED_MS.get().is_none_or(|asked_ms| now_ms - asked_ms >= ASK_AGAIN_MS);
    if is_time {
        ASKED_MS.set(Some(now_ms));
    }
    is_time
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to less than the number of shards")]
fn any_shard(shards: u16) -> u16 {
    if shards == 1 { 0 } else { (Math::random() * f64::from(shards)) as u16 }
}

/// The message about a shard that does not answer.
pub(super) fn shard_detail(shard: u16) -> String {
    format!(
        "shard {shard} of the stream could not be reached or has lost its data, and partial results are not returned; send the request again, a write with its idempotency key"
    )
}
