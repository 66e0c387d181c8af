//! Live reading: `deltas` with its single answer, and `live` as a socket, which home holds, or as
//! [events](super::events).

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use worker::Delay;

use crate::clock::now_ms;
use answers::live::Message;
use answers::look::Look;
use config::stream::StreamConfig;
use protocol::command::Read;
use protocol::live_join::LiveJoin;
use protocol::live_params::{LiveCursor, LiveQuery};
use protocol::live_part::split;
use protocol::refusal::Refusal;

use super::last_size::LastSize;
use super::problem::Problem;
use super::read::fresh;
use super::read_memory::ReadMemory;
use super::reply::Reply;
use super::{Exchange, StreamId, other_version};

/// The memory that is reserved for a message before it is made; most changes are smaller.
const MESSAGE_BYTES: usize = 16 << 10;
/// How long a message waits for memory, and how often it checks. Many readers that arrive together are served one after
/// the other; a browser does not reconnect after a refusal.
const ROOM_MS: i64 = 8_000;
const LOOK_MS: u64 = 100;

/// A message with the memory that it occupies.
pub(super) struct Counted {
    pub(super) message: Message,
    _kept: ReadMemory,
}

pub(super) async fn read_deltas(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let (config, query, after) = exchange.live_params(id).await?;
    let Counted { message, _kept } =
        exchange.look_counted(id, &query, &after, exchange.now_ms, &config, &Cell::new(0)).await?;
    Ok(fresh(message.json))
}

pub(super) async fn read_live(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let (config, query, after) = exchange.live_params(id).await?;
    if exchange.header("Upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket")) {
        let join = LiveJoin { credential: exchange.credential(), network: exchange.network(), query, after };
        return Ok(Reply::upgrade(exchange.upgrade(id, &join).await?));
    }
    // A browser that reconnects uses its original URL, but its `Last-Event-ID` is newer.
    let last = exchange.header("Last-Event-ID").and_then(|text| LiveCursor::parse(&text).ok());
    exchange.send_events(id, config, query, last.unwrap_or(after)).await
}

impl Exchange {
    async fn live_params(&self, id: &StreamId) -> Result<(Rc<StreamConfig>, LiveQuery, LiveCursor), Problem> {
        let mut parsed = None;
        let mut parse = |text: &str, retention: &_| {
            parsed = Some(LiveQuery::parse(text, self.now_ms, retention)?);
            Ok(())
        };
        let config = self.with_retention(id, &mut parse).await?;
        let (query, after) = parsed.ok_or(Problem::Internal)?;
        Ok((config, query, after))
    }

    /// What a reader sees, once there is memory for it. Boxed, so that it is compiled once and not wherever it is
    /// awaited.
    pub(super) fn look_counted<'a>(
        &'a self,
        id: &'a StreamId,
        query: &'a LiveQuery,
        after: &'a LiveCursor,
        at_ms: i64,
        config: &'a StreamConfig,
        asks: &'a Cell<u32>,
    ) -> LocalBoxFuture<'a, Result<Counted, Problem>> {
        let look = async move {
            let mut kept = self.live_memory(config);
            let last = after.0.is_empty().then(|| LastSize::of(id.as_str(), &query.to_text()));
            let mut wanted = last.map_or(0, LastSize::bytes).clamp(MESSAGE_BYTES, kept.most_bytes());
            loop {
                wait_for_room(&mut kept, wanted).await?;
                let message = self.look(id, query, after.clone(), at_ms, asks).await?;
                wanted = message.json.capacity();
                last.inspect(|last| last.set(wanted));
                if wanted <= kept.bytes() || kept.resize(wanted).is_ok() {
                    return Ok(Counted { message, _kept: kept });
                }
                kept.resize(0)?;
            }
        };
        look.boxed_local()
    }

    /// What is new to a reader that has seen the stream up to a cursor.
    async fn look(
        &self,
        id: &StreamId,
        query: &LiveQuery,
        after: LiveCursor,
        now_ms: i64,
        asks: &Cell<u32>,
    ) -> Result<Message, Problem> {
        let mut look = Look::new(query, after, now_ms)?;
        while let Some(ask) = look.ask() {
            asks.set(asks.get() + 1);
            let mut take = |parts: &[u8]| {
                let parts = split(parts).map_err(|error| other_version(&error))?;
                let part = parts.first().ok_or(Problem::OtherVersion)?;
                Ok(look.take(part)?)
            };
            self.read_all(id, Read::Live(vec![ask]), &mut take).await?;
            look.end_round()?;
        }
        look.message().ok_or_else(|| Problem::from(Refusal::Internal))
    }
}

/// Waits until there is room for this many bytes.
pub(super) async fn wait_for_room(kept: &mut ReadMemory, bytes: usize) -> Result<(), Problem> {
    let begun_ms = now_ms();
    while let Err(problem) = kept.resize(bytes) {
        if problem != Problem::Overloaded || now_ms() > begun_ms + ROOM_MS {
            return Err(problem);
        }
        Delay::from(Duration::from_millis(LOOK_MS)).await;
    }
    Ok(())
}
