//! Live events, which are sent from here: an object that sent them would be awake for as long as anybody reads.
//!
//! Readers of an isolate who ask the same share a [look](super::looks) and its message.

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

use super::kept::Kept;
use super::live::{Counted, wait_for_room};
use super::looks::{Looks, Role};
use super::problem::Problem;
use super::reply::Reply;
use super::sending::{PipeWriter, is_taken, pipe};
use super::{Exchange, StreamId};

/// How often the stream is asked for events.
const ASK_MS: u64 = 1_000;
/// Where there are several shards and none has anything new, the pauses double up to this: how late a reader hears of the first point after
/// a quiet time at most.
const MAX_PAUSE_MS: u64 = 15_000;
/// An answer may make so many calls: an invocation has 1,000 on the Free plan, and the directory and the upgrade take some. The browser
/// comes back: of 64 shards after 12 asks, which are 12 s while points come and some two minutes while none do.
const MAX_CALLS: u32 = 800;
/// A comment keeps the connection open where nothing would be sent for longer than this, and shows that a reader has gone before the runtime
/// ends our work, half a minute later.
const COMMENT_MS: i64 = 15_000;
/// Events end after so long, and browsers come back. So a reader that has gone costs no more, whether it is noticed or not.
const MAX_LIFE_MS: i64 = 300_000;
/// What a reader takes between its events.
const READER_BYTES: usize = 4 << 10;
/// Events are written in pieces of so many bytes: the next one when the runtime has taken the last one.
const PIECE_BYTES: usize = 64 << 10;
/// A message is taken within this, or its reader is given up: so nobody holds its memory for long.
const MESSAGE_MS: i64 = 60_000;
/// Whoever waits for another one's look looks for itself after so long.
const WAIT_MS: u32 = 15_000;

/// What a look found.
type Found = Result<Rc<Counted>, Problem>;

thread_local! {
    static LOOKS: RefCell<Looks<Rc<Counted>, Problem>> = RefCell::default();
}

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
    /// A hash of what is asked, and by whom.
    question: u64,
    _room: Kept,
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
        let mut room = self.kept_live(&config);
        room.resize(READER_BYTES)?;
        let mut events = Events { exchange, id, query, cursor, sent_ms, config, asks, pause_ms, question, _room: room };
        let first = events.look().await?;
        events.cursor.clone_from(&first.message.cursor);
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
}

/// Lets go of messages that nobody takes any more.
pub(super) fn forget_old() {
    if LOOKS.with_borrow(|looks| !looks.is_empty()) {
        LOOKS.with_borrow_mut(|looks| looks.forget_old(now_ms()));
    }
}

impl Events {
    /// Sends events until their time is over, the reader has gone, takes nothing, or may read no longer.
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
            // Why it fails is told when the browser comes back.
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

    /// Whether the reader has all of an event, of which nothing is left then. What waits for it is JavaScript's copy of a piece, and ours
    /// where that is put together; the message is for all who share it.
    async fn is_sent(&self, writer: &PipeWriter, counted: Rc<Counted>) -> bool {
        let message = &counted.message;
        let (kind, json) = (if message.is_snapshot { "snapshot" } else { "delta" }, message.json.as_bytes());
        let head = format!("event: {kind}\nid: {}\ndata: ", message.cursor.text());
        let mut room = self.exchange.kept_live(&self.config);
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

    /// What this reader sees now, and whoever asks the same.
    async fn look(&self) -> Found {
        let key = hash(self.question, &[&self.cursor.text()]);
        let found = match LOOKS.with_borrow_mut(|looks| looks.join(key, now_ms())) {
            Role::Take(found) => Some(Ok(found)),
            Role::Wait(seat) => seat.wait(WAIT_MS).await,
            Role::Lead => None,
        };
        // Where one network finds no room, another one may.
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

/// A hash of what is asked, and by whom.
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

/// How long to wait for the next ask. Readers who ask the same do it at the same time, and those who ask something else at another one.
fn rest_ms(pause_ms: u64, question: u64, now_ms: i64) -> u64 {
    pause_ms - (now_ms.unsigned_abs() + question % ASK_MS) % pause_ms
}

/// How often all shards may be asked for one answer.
fn max_asks(shards: u16) -> u32 {
    MAX_CALLS / u32::from(shards)
}

/// How long shards are left alone after an ask that brought news or none.
fn pause_ms(pause_ms: u64, shards: u16, has_news: bool) -> u64 {
    if has_news || shards == 1 { ASK_MS } else { (2 * pause_ms).min(MAX_PAUSE_MS) }
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
    fn readers_who_ask_the_same_do_it_at_the_same_time() {
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
