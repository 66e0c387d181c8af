//! Reading live: the one answer of `deltas`, and `live` as a socket, which home holds, or as events, which are sent from here:
//! an object that sent them would be awake for as long as anybody reads.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use worker::Delay;

use crate::clock::now_ms;
use crate::wire::command::{Read, Refusal};
use crate::wire::live::Message;
use crate::wire::live_join::LiveJoin;
use crate::wire::live_params::{LiveCursor, LiveQuery};
use crate::wire::live_part::split;
use crate::wire::look::Look;
use crate::wire::stream::StreamConfig;

use super::kept::Kept;
use super::problem::Problem;
use super::read::fresh;
use super::reply::Reply;
use super::sending::{PipeWriter, is_taken, pipe};
use super::{Exchange, StreamId, other_version};

/// How often the stream is asked for events.
const ASK_MS: u64 = 1_000;
/// Where there are several shards and none has anything new, the pauses double up to this: how late a reader hears of the first point after
/// a quiet time at most.
const MAX_PAUSE_MS: u64 = 15_000;
/// An answer may make so many calls: an invocation has 1,000 on the Free plan, and the directory and the upgrade take some. The browser
/// comes back: of 64 shards after 12 asks, which are 12 s while points come and some two minutes while none do.
const MAX_CALLS: u32 = 800;
/// A comment keeps the connection open when nothing happens for so long.
const COMMENT_MS: i64 = 15_000;
/// Events end after so long, and browsers come back. So a reader that has gone costs no more, whether it is noticed or not.
const MAX_LIFE_MS: i64 = 300_000;

/// Events are written in pieces of so many bytes: the next one when the runtime has taken the last one.
const PIECE_BYTES: usize = 64 << 10;
/// Room for a message that is still to be made; most changes are smaller.
const MESSAGE_BYTES: usize = 16 << 10;
/// A message waits for room for so long, looked for so often: many readers who come at once are served one after the other, and
/// a browser does not come back after a refusal.
const ROOM_MS: i64 = 8_000;
const LOOK_MS: u64 = 100;

/// Events that are being sent.
struct Events {
    exchange: Exchange,
    id: StreamId,
    query: LiveQuery,
    cursor: LiveCursor,
    sent_ms: i64,
    config: Rc<StreamConfig>,
    /// How often all shards were asked.
    asks: Cell<u32>,
    pause_ms: u64,
}

/// A message with the memory that it takes.
struct Counted {
    message: Message,
    _kept: Kept,
}

impl Exchange {
    pub(super) async fn read_deltas(&self, id: &StreamId) -> Result<Reply, Problem> {
        let (config, query, after) = self.live_params(id).await?;
        let Counted { message, _kept } =
            self.look_counted(id, &query, &after, self.now_ms, &config, &Cell::new(0)).await?;
        Ok(fresh(message.json))
    }

    pub(super) async fn read_live(&self, id: &StreamId) -> Result<Reply, Problem> {
        let (config, query, after) = self.live_params(id).await?;
        if self.header("Upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket")) {
            let join = LiveJoin { credential: self.credential(), query, after };
            return Ok(Reply::upgrade(self.upgrade(id, &join).await?));
        }
        // A browser that comes back has the same URL as before, and knows better.
        let last = self.header("Last-Event-ID").and_then(|text| LiveCursor::parse(&text).ok());
        let after = last.unwrap_or(after);
        let asks = Cell::new(0);
        let first = self.look_counted(id, &query, &after, self.now_ms, &config, &asks).await?;
        let (exchange, id, cursor) = (self.again(), id.clone(), first.message.cursor.clone());
        let events = Events { exchange, id, query, cursor, sent_ms: self.now_ms, config, asks, pause_ms: ASK_MS };
        let (writer, body) = pipe();
        self.context.wait_until(async move {
            events.send_all(&writer, first).await;
            // One that nobody reads any more can't be closed.
            if let Ok(closed) = writer.close() {
                closed.await.ok();
            }
        });
        // A proxy that gathers answers (nginx does unless it is told) or compresses them would keep events back.
        Ok(Reply::stream("text/event-stream", body)
            .with("Cache-Control", "no-store, no-transform")
            .with("X-Accel-Buffering", "no"))
    }

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

    /// What a reader sees, when there is room for it.
    async fn look_counted(
        &self,
        id: &StreamId,
        query: &LiveQuery,
        after: &LiveCursor,
        at_ms: i64,
        config: &StreamConfig,
        asks: &Cell<u32>,
    ) -> Result<Counted, Problem> {
        let (mut kept, mut wanted, begun_ms) = (self.kept_live(config), MESSAGE_BYTES, now_ms());
        loop {
            while let Err(problem) = kept.resize(wanted) {
                if problem != Problem::Overloaded || now_ms() > begun_ms + ROOM_MS {
                    return Err(problem);
                }
                Delay::from(Duration::from_millis(LOOK_MS)).await;
            }
            let message = self.look(id, query, after.clone(), at_ms, asks).await?;
            wanted = message.json.capacity();
            if wanted <= kept.bytes() || kept.resize(wanted).is_ok() {
                return Ok(Counted { message, _kept: kept });
            }
            kept.resize(0)?;
        }
    }

    /// What a reader sees who has seen the stream up to a cursor.
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

impl Events {
    /// Sends events until their time is over, the reader has gone, takes nothing, or may read no longer.
    async fn send_all(mut self, writer: &PipeWriter, first: Counted) {
        if !is_taken(writer, b"retry: 1000\n\n").await || !is_sent(writer, first).await {
            return;
        }
        loop {
            Delay::from(Duration::from_millis(self.pause_ms)).await;
            let now = now_ms();
            let shards = self.config.layout.shards();
            if now > self.exchange.now_ms + MAX_LIFE_MS || self.asks.get() >= max_asks(shards) {
                return;
            }
            // Why it fails is told when the browser comes back.
            let (id, query, asks) = (&self.id, &self.query, &self.asks);
            let looked = self.exchange.look_counted(id, query, &self.cursor, now, &self.config, asks).await;
            let Ok(counted) = looked else { return };
            self.pause_ms = pause_ms(self.pause_ms, shards, !counted.message.is_empty);
            self.cursor.clone_from(&counted.message.cursor);
            if counted.message.is_empty && now <= self.sent_ms + COMMENT_MS {
                continue;
            }
            self.sent_ms = now;
            let goes_on = if counted.message.is_empty {
                is_taken(writer, b":\n\n").await
            } else {
                is_sent(writer, counted).await
            };
            if !goes_on {
                return;
            }
        }
    }
}

/// A message is taken within this, or its reader is given up: so nobody holds its memory for long.
const MESSAGE_MS: i64 = 60_000;

/// How often all shards may be asked for one answer.
fn max_asks(shards: u16) -> u32 {
    MAX_CALLS / u32::from(shards)
}

/// How long shards are left alone after an ask that brought news or none.
fn pause_ms(pause_ms: u64, shards: u16, has_news: bool) -> u64 {
    if has_news || shards == 1 { ASK_MS } else { (2 * pause_ms).min(MAX_PAUSE_MS) }
}

/// Whether the reader has all of an event, of which nothing is left then.
async fn is_sent(writer: &PipeWriter, Counted { message, _kept }: Counted) -> bool {
    let kind = if message.is_snapshot { "snapshot" } else { "delta" };
    let head = format!("event: {kind}\nid: {}\ndata: ", message.cursor.text());
    let mut pieces = message.json.as_bytes().chunks(PIECE_BYTES);
    let mut piece = [head.as_bytes(), pieces.next().unwrap_or_default()].concat();
    let until_ms = now_ms() + MESSAGE_MS;
    for next in pieces {
        if !is_taken(writer, &piece).await || now_ms() > until_ms {
            return false;
        }
        piece = next.to_vec();
    }
    piece.extend_from_slice(b"\n\n");
    is_taken(writer, &piece).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_before_its_calls_to_shards_do() {
        assert_eq!([1, 4, 64].map(max_asks), [800, 200, 12]);
        // One shard lives for all of its time, at one ask per second.
        assert!(i64::from(max_asks(1)) > MAX_LIFE_MS / 1_000);
    }

    #[test]
    fn several_quiet_shards_are_asked_seldom_and_one_always() {
        let mut pause = ASK_MS;
        let pauses = [false, false, false, false, false, true, false].map(|has_news| {
            pause = pause_ms(pause, 64, has_news);
            pause
        });
        assert_eq!(pauses, [2_000, 4_000, 8_000, 15_000, 15_000, 1_000, 2_000]);
        assert_eq!(pause_ms(ASK_MS, 1, false), ASK_MS);
    }
}
