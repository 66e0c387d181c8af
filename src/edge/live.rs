//! Reading live: the one answer of `deltas`, and `live` as a socket, which home holds, or as events, which are sent from here:
//! an object that sent them would be awake for as long as anybody reads.

use std::time::Duration;

use futures_util::stream::unfold;
use worker::{Delay, Response, ResponseBody};

use crate::clock::now_ms;
use crate::wire::command::{LiveJoin, Read, Refusal};
use crate::wire::live::Message;
use crate::wire::live_params::{LiveCursor, LiveQuery};
use crate::wire::live_part::split;
use crate::wire::look::Look;

use super::problem::Problem;
use super::read::fresh;
use super::reply::Reply;
use super::{Exchange, StreamId, internal};

/// How often the stream is asked for events.
const ASK_MS: u64 = 1_000;
/// A comment keeps the connection open when nothing happens for so long.
const COMMENT_MS: i64 = 15_000;
/// Events end after so long, and browsers come back. So a reader that has gone costs no more, whether it is noticed or not.
const MAX_LIFE_MS: i64 = 300_000;

/// Events that are being sent.
struct Events {
    exchange: Exchange,
    id: StreamId,
    query: LiveQuery,
    cursor: LiveCursor,
    /// The first one, until it is sent.
    first: Option<Message>,
    sent_ms: i64,
}

impl Exchange {
    pub(super) async fn read_deltas(&self, id: &StreamId) -> Result<Reply, Problem> {
        let (query, after) = self.live_params(id).await?;
        Ok(fresh(self.look(id, &query, after, self.now_ms).await?.json))
    }

    pub(super) async fn read_live(&self, id: &StreamId) -> Result<Reply, Problem> {
        let (query, after) = self.live_params(id).await?;
        if self.header("Upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket")) {
            let join = LiveJoin { credential: self.credential(), query, after: after.0 };
            return Ok(Reply::upgrade(self.upgrade(id, &join).await?));
        }
        // A browser that comes back has the same URL as before, and knows better.
        let last = self.header("Last-Event-ID").and_then(|text| LiveCursor::parse(&text).ok());
        let first = self.look(id, &query, last.unwrap_or(after), self.now_ms).await?;
        let (exchange, id, cursor) = (self.again(), id.clone(), first.cursor.clone());
        let events = Events { exchange, id, query, cursor, first: Some(first), sent_ms: self.now_ms };
        let pieces = unfold(events, async |mut events| Some((Ok::<_, worker::Error>(events.next().await?), events)));
        match Response::from_stream(Box::pin(pieces)).map_err(|error| internal(&error))?.body() {
            ResponseBody::Stream(stream) => {
                Ok(Reply::stream("text/event-stream", stream.clone()).with("Cache-Control", "no-store"))
            }
            _ => Err(Problem::Internal),
        }
    }

    async fn live_params(&self, id: &StreamId) -> Result<(LiveQuery, LiveCursor), Problem> {
        let parse = |text: &str, retention: &_| LiveQuery::parse(text, self.now_ms, retention);
        let (_, (query, after)) = self.params(id, parse).await?;
        Ok((query, after.unwrap_or_default()))
    }

    /// What a reader sees who has seen the stream up to a cursor.
    async fn look(&self, id: &StreamId, query: &LiveQuery, after: LiveCursor, now_ms: i64) -> Result<Message, Problem> {
        let mut look = Look::new(query, after, now_ms)?;
        while let Some(ask) = look.ask() {
            let mut take = |parts: &[u8]| {
                let parts = split(parts).map_err(|error| internal(&error))?;
                let part = parts.first().ok_or(Problem::Internal)?;
                Ok(look.take(part)?)
            };
            self.read_all(id, Read::Live(vec![ask]), &mut take).await?;
            look.end_round()?;
        }
        look.message().ok_or_else(|| Problem::from(Refusal::Internal))
    }
}

impl Events {
    /// What is sent next; nothing when that was all.
    async fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(first) = self.first.take() {
            return Some(format!("retry: 1000\n\n{}", event(&first)).into_bytes());
        }
        loop {
            Delay::from(Duration::from_millis(ASK_MS)).await;
            let now = now_ms();
            if now > self.exchange.now_ms + MAX_LIFE_MS {
                return None;
            }
            // Why it fails is told when the browser comes back.
            let message = self.exchange.look(&self.id, &self.query, self.cursor.clone(), now).await.ok()?;
            self.cursor.clone_from(&message.cursor);
            if !message.is_empty || now > self.sent_ms + COMMENT_MS {
                self.sent_ms = now;
                return Some(if message.is_empty { b":\n\n".to_vec() } else { event(&message).into_bytes() });
            }
        }
    }
}

fn event(Message { is_snapshot, cursor, json, .. }: &Message) -> String {
    let kind = if *is_snapshot { "snapshot" } else { "delta" };
    format!("event: {kind}\nid: {}\ndata: {json}\n\n", cursor.text())
}
