//! Removing points, for the owner: home first, then the other shards at once.

use protocol::command::Command;
use protocol::removal::{Remove, RemoveError, Removed};

use super::fan_out::Call;
use super::problem::Problem;
use super::reply::Reply;
use super::shards::shard_detail;
use super::{Exchange, StreamId, other_version};

pub(super) async fn remove_points(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let ask = Remove::parse(exchange.query_string(), exchange.now_ms)?;
    let mut removed = parsed(&exchange.command(id, &Command::Remove(ask.clone())).await?)?;
    let (is_dry_run, call, shards) = (ask.dry_run, removed.call, removed.shards);
    if shards > 1 {
        let others = Command::Remove(Remove { call: (!is_dry_run).then_some(call), ..ask });
        let mut take = |shard, answer: Result<Vec<u8>, Problem>| {
            match answer {
                Ok(body) => removed.merge(&parsed(&body)?),
                // A raise has not reached this shard yet, so there is nothing to remove.
                Err(Problem::NotFound(_)) => {}
                Err(_) if is_dry_run => return Err(Problem::Shard(shard_detail(shard))),
                // Home makes sure that it is done there too.
                Err(_) => removed.is_done = false,
            }
            Ok(())
        };
        exchange.call_each(id, (1..shards).collect(), &Call::of(&others, false)?, &mut take).await?;
    }
    let status = if removed.is_done { 200 } else { 202 };
    Ok(Reply::json(status, removed.to_json()).with("Cache-Control", "no-store"))
}

fn parsed(body: &[u8]) -> Result<Removed, Problem> {
    serde_json::from_slice(body).map_err(|error| other_version(&error))
}

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Self {
        Self::InvalidRequest(error.to_string())
    }
}
