//! Calls to several shards of a stream at once, and reading from all of them.
//!
//! Home has the last word. What it refuses is refused, whatever other shards answer; a reader that it admits may be
//! unknown to a shard whose copy of the read key is old. If one shard fails, the whole query fails: partial sums are
//! not returned.

use futures_util::future::join;
use futures_util::{StreamExt, stream};
use worker::Method;

use protocol::command::{Command, Credential, Read, take_shards};

use super::directory::believed_shards;
use super::problem::Problem;
use super::shards::shard_detail;
use super::{Exchange, StreamId, internal, other_version};

/// The number of shards that are called concurrently: their answers must fit in this isolate's memory.
const CALLS_AT_ONCE: usize = 8;

/// A request to several shards.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) body: Vec<u8>,
    /// Whether to create a shard that a raise has not reached yet, and then ask it.
    pub(super) makes: bool,
}

/// Takes each shard's answer as it arrives. An error from it ends the calls.
pub(super) type Take<'a> = dyn FnMut(u16, Result<Vec<u8>, Problem>) -> Result<(), Problem> + 'a;

impl Call {
    pub(super) fn of(command: &Command, makes: bool) -> Result<Self, Problem> {
        let body = serde_json::to_vec(command).map_err(|error| internal(&error))?;
        Ok(Self { method: Method::Put, body, makes })
    }
}

impl Exchange {
    /// Calls shards, a few at a time.
    pub(super) async fn call_each(
        &self,
        id: &StreamId,
        shards: Vec<u16>,
        call: &Call,
        take: &mut Take<'_>,
    ) -> Result<(), Problem> {
        let one = async |shard| (shard, self.call_or_make(id, shard, call).await);
        let mut answers = stream::iter(shards.into_iter().map(one)).buffer_unordered(CALLS_AT_ONCE);
        while let Some((shard, answer)) = answers.next().await {
            take(shard, answer)?;
        }
        Ok(())
    }

    /// Reads from each shard and passes on each answer, home's last. Returns the number of shards.
    pub(super) async fn read_all(
        &self,
        id: &StreamId,
        what: Read,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Problem>,
    ) -> Result<u16, Problem> {
        self.read_parts(id, what, &mut |part| take(&part)).await
    }

    /// Reads from each shard and gives away each answer, home's last. Returns the number of shards.
    pub(super) async fn read_parts(
        &self,
        id: &StreamId,
        what: Read,
        take: &mut dyn FnMut(Vec<u8>) -> Result<(), Problem>,
    ) -> Result<u16, Problem> {
        let call = Call::of(&Command::Read { credential: self.credential(), what: what.clone() }, false)?;
        let believed = believed_shards(id);
        let mut rest = Vec::new();
        let mut take_or_ask_again = |shard, answer| match answer {
            Err(Problem::Unauthorized(_) | Problem::NotFound(_)) => {
                rest.push(shard);
                Ok(())
            }
            answer => take(part(shard, answer)?),
        };
        let others = self.call_each(id, (1..believed).collect(), &call, &mut take_or_ask_again);
        let (home, others) = join(self.call(id, 0, call.method.clone(), &call.body), others).await;
        let mut home = home?;
        others?;
        let shards = take_shards(&mut home).map_err(|error| other_version(&error))?;
        if shards > believed {
            self.config_of_home(id).await?;
            rest.extend(believed..shards);
        }
        if !rest.is_empty() {
            let as_owner = Call::of(&Command::Read { credential: Credential::Owner, what }, true)?;
            self.call_each(id, rest, &as_owner, &mut |shard, answer| take(part(shard, answer)?)).await?;
        }
        take(home)?;
        Ok(shards)
    }
}

/// One shard's part of the answer.
fn part(shard: u16, answer: Result<Vec<u8>, Problem>) -> Result<Vec<u8>, Problem> {
    let mut part = answer.map_err(|problem| match problem {
        Problem::Unavailable | Problem::Internal => Problem::Shard(shard_detail(shard)),
        problem => problem,
    })?;
    take_shards(&mut part).map_err(|error| other_version(&error))?;
    Ok(part)
}
