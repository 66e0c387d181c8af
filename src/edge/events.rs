//! Live events. They are sent from the edge: an object that sent them would stay awake as long as anybody reads.
//!
//! Readers of an isolate with the same query share a [look](super::looks) and its message.

use std::cell::{Cell, RefCell};
use std::hash::Hasher;
use std::rc::Rc;
use std::time::Duration;

use siphasher::sip::SipHasher13;
use worker::Delay;

use crate::clock::now_ms;
use crate::random::hash_key;
use config::stream::StreamConfig;
use protocol::command::Credential;
use protocol::live_params::{LiveCursor, LiveQuery};

use super::live::{Counted, wait_for_room};
use super::looks::{Looks, Role};
use super::problem::Problem;
use super::read_memory::ReadMemory;
use super::reply::Reply;
use super::sending::{PipeWriter, is_taken, pipe};
use super::{Exchange, StreamId};

/// How often the stream is asked for events.
const ASK_MS: u64 = 1_000;
/// With several shards of which none has anything new, the pauses double up to this. It is the most by which a reader
/// learns late of the first point after a quiet time.
const MAX_PAUSE_MS: u64 = 15_000;
/// The most calls for one answer: an invocation has 1,000 on the Free plan, and the directory and the upgrade take
/// some. Then the browser reconnects: with 64 shards after 12 rounds, which take 12 s while points arrive and some two
/// minutes while none do.
const MAX_CALLS: u32 = 800;
/// After this long without an event, a comment is sent. It keeps the connection open, and shows that a reader has left
/// before the runtime ends our work, half a minute later.
const COMMENT_MS: i64 = 15_000;
/// Events end after this long, and browsers reconnect. So a reader that has left stops costing anything, noticed or
/// not.
const MAX_LIFE_MS: i64 = 300_000;
/// The memory of a reader between its events.
const READER_BYTES: usize = 4 << 10;
/// The size of the pieces in which events are written. The next piece is written once the runtime has taken the last
/// one.
const PIECE_BYTES: usize = 64 << 10;
/// A reader that does not take a message within this time is dropped, so nobody holds a message's memory for long.
const MESSAGE_MS: i64 = 60_000;
/// A reader that has waited this long for another one's look does its own.
const WAIT_MS: u32 = 15_000;

/// The result of a look.
type Found = Result<Rc<Counted>, Problem>;

thread_local! {
    static LOOKS: RefCell<Looks<Rc<Counted>, Problem>> = RefCell::default();
}

/// The events of one reader.
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
    /// A hash of the query and the reader's credential.
    question: u64,
    _room: ReadMemory,
}

impl Exchange {
    pub(super) async fn send_events(
        &self,
        id: &StreamId,
        config: Rc<StreamConfig>,
        query: LiveQuery,
        cursor: LiveCursor,
    ) -> Result<Reply, Problem> {
        let (exchange, id, asks) = (self.again(), id.clone(), Cell::new(0));
        let (question, sent_ms, pause_ms) = (question(&self.credential(), &id, &query), self.now_ms, ASK_MS);
        let mut room = self.live_memory(&config);
        room.resize(READER_BYTES)?;
        let mut events = Events { exchange, id, query, cursor, sent_ms, config, asks, pause_ms, question, _room: room };
        let first = events.look().await?;
        events.cursor.clone_from(&first.message.cursor);
        let (writer, body) = pipe();
        self.context.wait_until(async move {
            events.send_all(&writer, first).await;
            // If the reader is gone, closing fails.
            if let Ok(closed) = writer.close() {
                closed.await.ok();
            }
        });
        // A buffering proxy (nginx unless it is configured otherwise) or a compressing one would delay events.
        Ok(Reply::stream("text/event-stream", body)
            .with("Cache-Control", "no-store, no-transform")
            .with("X-Accel-Buffering", "no"))
    }
}

/// Drops messages that nobody will take any more.
pub(super) fn forget_old() {
    if LOOKS.with_borrow(|looks| !looks.is_empty()) {
        LOOKS.with_borrow_mut(|looks| looks.forget_old(now_ms()));
    }
}

impl Events {
    /// Sends events until the time is over, or until the reader has left, takes nothing, or may no longer read.
    async fn send_all(mut self, writer: &PipeWriter, first: Rc<Counted>) {
        if !is_taken(writer, b"retry: 1000\n\n").await || !self.is_sent(writer, first).await {
            return;
        }
        loop {
            Delay::from(Duration::from_millis(rest_ms(self.pause_ms, self.question, now_ms()))).await;
            let now = now_ms();
            let shards = self.config.layout.shards();
            if now > self.exchange.now_ms + MAX_LIFE_MS || self.asks.get() >= max_asks(shards) {
                return;
            }
            // The browser learns the reason when it reconnects.
            let Ok(counted) = self.look().await else { return };
            self.pause_ms = pause_ms(self.pause_ms, shards, !counted.message.is_empty);
            self.cursor.clone_from(&counted.message.cursor);
            if counted.message.is_empty && now.saturating_add_unsigned(self.pause_ms) <= self.sent_ms + COMMENT_MS {
                continue;
            }
            self.sent_ms = now;
            let goes_on = if counted.message.is_empty {
                is_taken(writer, b":\n\n").await
            } else {
                self.is_sent(writer, counted).await
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Sends an event; returns whether the reader has received all of it. What waits to be taken is JavaScript's copy
    /// of a piece, and ours while the piece is assembled; all readers share the message itself.
    async fn is_sent(&self, writer: &PipeWriter, counted: Rc<Counted>) -> bool {
        let message = &counted.message;
        let (kind, json) = (if message.is_snapshot { "snapshot" } else { "delta" }, message.json.as_bytes());
        let head = format!("event: {kind}\nid: {}\ndata: ", message.cursor.text());
        let mut room = self.exchange.live_memory(&self.config);
        if wait_for_room(&mut room, (head.len() + json.len()).min(PIECE_BYTES)).await.is_err() {
            return false;
        }
        if json.len() < PIECE_BYTES / 4 {
            return is_taken(writer, &[head.as_bytes(), json, b"\n\n"].concat()).await;
        }
        let until_ms = now_ms() + MESSAGE_MS;
        let pieces = std::iter::once(head.as_bytes()).chain(json.chunks(PIECE_BYTES)).chain([&b"\n\n"[..]]);
        for piece in pieces {
            if now_ms() > until_ms || !is_taken(writer, piece).await {
                return false;
            }
        }
        true
    }

    /// What this reader, and every reader with the same query, sees now.
    async fn look(&self) -> Found {
        let key = hash(self.question, &[&self.cursor.text()]);
        let found = match LOOKS.with_borrow_mut(|looks| looks.join(key, now_ms())) {
            Role::Take(found) => Some(Ok(found)),
            Role::Wait(waiter) => waiter.wait(WAIT_MS).await,
            Role::Lead => None,
        };
        // Where one network finds no room, another one may find some.
        if let Some(found) = found.filter(|found| !matches!(found, Err(Problem::Overloaded))) {
            return found;
        }
        let (id, query, asks) = (&self.id, &self.query, &self.asks);
        let looked = self.exchange.look_counted(id, query, &self.cursor, now_ms(), &self.config, asks).await;
        let found = looked.map(Rc::new);
        LOOKS.with_borrow_mut(|looks| looks.done(key, &found, now_ms()));
        found
    }
}

/// A hash of the query and the reader's credential.
fn question(credential: &Credential, id: &StreamId, query: &LiveQuery) -> u64 {
    let (kind, key) = match credential {
        Credential::Owner => ("owner", String::new()),
        Credential::Nobody => ("nobody", String::new()),
        Credential::Key(hash) => ("key", base32::encode(base32::Alphabet::Crockford, hash.as_bytes())),
    };
    hash(0, &[kind, &key, id.as_str(), &query.to_text()])
}

fn hash(seed: u64, texts: &[&str]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(&hash_key());
    hasher.write_u64(seed);
    for text in texts {
        hasher.write(text.as_bytes());
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// How long to wait before the next round. Readers with the same query ask at the same time; readers with other queries
/// ask at other times.
fn rest_ms(pause_ms: u64, question: u64, now_ms: i64) -> u64 {
    pause_ms - (now_ms.unsigned_abs() + question % ASK_MS) % pause_ms
}

/// How many times all shards may be asked for one answer.
fn max_asks(shards: u16) -> u32 {
    MAX_CALLS / u32::from(shards)
}

/// How long shards are left alone after a round, depending on whether it brought news.
fn pause_ms(pause_ms: u64, shards: u16, has_news: bool) -> u64 {
    if has_news || shards == 1 { ASK_MS } else { (2 * pause_ms).min(MAX_PAUSE_MS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_before_its_call_limit_is_reached() {
        assert_eq!([1, 4, 64].map(max_asks), [800, 200, 12]);
        // A stream with one shard is asked once a second for the whole time.
        assert!(i64::from(max_asks(1)) > MAX_LIFE_MS / 1_000);
    }

    #[test]
    fn readers_with_the_same_query_ask_at_the_same_time() {
        let rests = [1_000, 1_001, 1_999, 2_000].map(|now_ms| rest_ms(ASK_MS, 0, now_ms));
        assert_eq!(rests, [1_000, 999, 1, 1_000]);
        // Longer pauses end at one of these moments as well.
        assert_eq!(
            [1_000, 1_001, 1_999, 4_000].map(|now_ms| rest_ms(4 * ASK_MS, 0, now_ms)),
            [3_000, 2_999, 2_001, 4_000]
        );
        assert_ne!(rest_ms(ASK_MS, 1, 0), rest_ms(ASK_MS, 2, 0));
    }

    #[test]
    fn several_quiet_shards_are_asked_rarely_and_one_every_second() {
        let mut pause = ASK_MS;
        let pauses = [false, false, false, false, false, true, false].map(|has_news| {
            pause = pause_ms(pause, 64, has_news);
            pause
        });
        assert_eq!(pauses, [2_000, 4_000, 8_000, 15_000, 15_000, 1_000, 2_000]);
        assert_eq!(pause_ms(ASK_MS, 1, false), ASK_MS);
    }
}
