//! Write keys, which the owner creates, lists and revokes, and the list of the most active writers.

use serde_json::json;

use config::stream::MAX_OWNER_BODY_BYTES;
use config::write_keys::{KeyList, WriteKey, parse_name};
use model::recent::{Back, Tops};
use protocol::command::{Command, Read};
use protocol::params::no_params;
use protocol::writers;

use super::credential::{hash, new_write_key};
use super::problem::Problem;
use super::read::{fresh, percent_decoded};
use super::reply::Reply;
use super::{Exchange, StreamId, other_version};

pub(super) async fn add_write_key(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let name = parse_name(&exchange.body(MAX_OWNER_BODY_BYTES).await?)?;
    let write_key = new_write_key()?;
    let created_ms = u64::try_from(exchange.now_ms).unwrap_or_default();
    let key = WriteKey { name, hash: hash(&write_key), created_ms };
    let mut view = key.view();
    exchange.command(id, &Command::AddWriteKey(key)).await?;
    // Home knows the key. A shard that can't be told now asks home when somebody writes with it.
    exchange.announce(id).await.ok();
    view["write_key"] = json!(write_key);
    Ok(Reply::json(201, view.to_string()).with("Cache-Control", "no-store"))
}

pub(super) async fn list_write_keys(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    no_params(exchange.query_string())?;
    let mut list = KeyList::default();
    exchange.read_all(id, Read::WriteKeys, &mut |part| list.merge(part).map_err(|error| other_version(&error))).await?;
    Ok(fresh(list.into_json()))
}

pub(super) async fn end_write_key(exchange: &Exchange, id: &StreamId, key: &str) -> Result<Reply, Problem> {
    exchange.command(id, &Command::EndWriteKey(percent_decoded(key))).await?;
    exchange.announce(id).await.ok();
    Ok(Reply::empty(204))
}

pub(super) async fn read_writers(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let back = writers::parse_back(exchange.query_string())?;
    let (mut tops, what) = (Tops::default(), Read::Writers { is_day: back == Back::Day });
    let mut take = |part: &[u8]| writers::decode(part, &mut tops).map_err(|error| other_version(&error));
    exchange.read_all(id, what, &mut take).await?;
    Ok(fresh(writers::to_json(tops, back, exchange.now_ms / 1000)))
}
