//! Streams of several shards: which shard takes a batch, and how a change reaches all of them.
//!
//! What this location believes of the number of shards may be old. A shard that knows better refuses a batch with a key
//! (see [`crate::domain::shards`]), and then home is asked; a batch without a key may go to any shard.

use worker::Method;
use worker::js_sys::Math;

use crate::domain::shards::{Layout, Plan};
use crate::random::hash_key;
use crate::wire::command::{Command, WriteAnswer, WriteRequest};
use crate::wire::frame::{BatchKey, FrameBuilder};
use crate::wire::stream::StreamConfig;

use super::fan_out::Call;
use super::problem::Problem;
use super::{Exchange, StreamId, internal};

impl Exchange {
    /// Where a batch goes, by what is believed of the shards.
    pub(super) fn plan(&self, layout: &Layout, key: Option<&BatchKey>) -> Plan {
        match key {
            Some(key) => layout.plan(key, self.now_ms),
            None => Plan { ask: Vec::new(), write: any_shard(layout.shards()) },
        }
    }

    /// Sends a batch where the plan says.
    pub(super) async fn send_to_shard(
        &self,
        id: &StreamId,
        layout: &Layout,
        plan: Plan,
        key: Option<&BatchKey>,
        frame: &[u8],
    ) -> Result<WriteAnswer, Problem> {
        let origin = self.header("Origin");
        let request = WriteRequest { shards: layout.shards(), origin: origin.as_deref(), frame };
        let mut answer = Vec::new();
        if !plan.ask.is_empty() {
            answer = self.asked(id, key, plan.ask, &request).await?;
        }
        if answer.is_empty() {
            let call = Call { method: Method::Post, body: request.encode(), makes: true };
            answer = self.call_or_make(id, plan.write, &call).await?;
        }
        WriteAnswer::parse(&answer).map_err(|error| internal(&error))
    }

    /// What a shard answered that the key belonged to before; all of them take no such key from now on.
    async fn asked(
        &self,
        id: &StreamId,
        key: Option<&BatchKey>,
        shards: Vec<u16>,
        request: &WriteRequest<'_>,
    ) -> Result<Vec<u8>, Problem> {
        let frame =
            FrameBuilder::new(self.now_ms.try_into().unwrap_or_default(), hash_key(), |_| None).finish(key).frame;
        let body = WriteRequest { frame: &frame, ..*request }.encode();
        let mut earlier = Vec::new();
        let call = Call { method: Method::Post, body, makes: true };
        let mut take = |_, answer: Result<Vec<u8>, Problem>| {
            let answer = answer?;
            if !answer.is_empty() {
                earlier = answer;
            }
            Ok(())
        };
        self.call_each(id, shards, &call, &mut take).await?;
        Ok(earlier)
    }

    /// Calls a shard. One that a raise has not reached yet is made if need be; one that was there before and is missing
    /// is not: that is told.
    pub(super) async fn call_or_make(&self, id: &StreamId, shard: u16, call: &Call) -> Result<Vec<u8>, Problem> {
        let mut is_made = shard == 0 || !call.makes;
        loop {
            match self.call(id, shard, call.method.clone(), &call.body).await {
                Err(Problem::NotFound(_)) if !is_made => {}
                answer => return answer,
            }
            if !self.config_of_home(id).await?.layout.may_be_new(shard) {
                return Err(Problem::Shard(shard_detail(shard)));
            }
            let adopt = Call::of(&Command::Adopt, false)?;
            self.call(id, shard, adopt.method, &adopt.body).await?;
            is_made = true;
        }
    }

    /// Brings what home has been told to all other shards and to the directory. Repeating it finishes what failed.
    pub(super) async fn propagate(&self, id: &StreamId, mut config: StreamConfig) -> Result<StreamConfig, Problem> {
        let shards = config.layout.shards();
        self.command_others(id, shards, &Command::Adopt).await?;
        if config.layout.is_unsettled() {
            let settled = self.command(id, &Command::Settle(shards)).await?;
            config = serde_json::from_slice(&settled).map_err(|error| internal(&error))?;
        }
        self.publish(id, &config).await?;
        Ok(config)
    }

    /// Ends a stream: closes home, empties the other shards, then home.
    pub(super) async fn delete_shards(&self, id: &StreamId) -> Result<(), Problem> {
        let shards = self.command(id, &Command::Delete).await?;
        let shards: u16 = serde_json::from_slice(&shards).map_err(|error| internal(&error))?;
        if shards == 1 {
            return Ok(());
        }
        self.command_others(id, shards, &Command::Forget).await?;
        self.command(id, &Command::Forget).await.map(drop).map_err(|_| Problem::NotEverywhere)
    }

    /// Sends a command to each shard but home, also when one fails.
    async fn command_others(&self, id: &StreamId, shards: u16, command: &Command) -> Result<(), Problem> {
        let mut all = Ok(());
        let mut take = |_, answer: Result<Vec<u8>, Problem>| {
            // Home has changed already, so whatever it was, it is to be repeated.
            all = std::mem::replace(&mut all, Ok(())).and(answer.map(drop).map_err(|_| Problem::NotEverywhere));
            Ok(())
        };
        if shards > 1 {
            self.call_each(id, (1..shards).collect(), &Call::of(command, false)?, &mut take).await?;
        }
        all
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to less than the number of shards")]
fn any_shard(shards: u16) -> u16 {
    if shards == 1 { 0 } else { (Math::random() * f64::from(shards)) as u16 }
}

/// What is told of a shard that does not answer.
pub(super) fn shard_detail(shard: u16) -> String {
    format!(
        "shard {shard} of the stream could not be reached or has lost its data, and a part is no answer; send the request again, and a write with its idempotency key"
    )
}
