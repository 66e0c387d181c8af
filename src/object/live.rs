//! Live readers over `WebSocket`s: who they are, what each was sent, and when one must leave.
//!
//! Sockets stay when the object loses its memory (it hibernates), and readers' cursors are attached to their
//! sockets. They are attached only after a quiet moment; while readers get news, the attachment says that the
//! cursor is unknown, so a reader that is found like that gets a snapshot. So nothing is lost and nothing counts
//! twice, whenever the object loses its memory.

mod broadcast;
mod incoming;
mod places;
mod socket;

use std::cell::RefMut;
use std::collections::VecDeque;
use std::rc::Rc;

use worker::{Request, Response, WebSocket, WebSocketPair};

use crate::clock::now_ms;
use answers::live::Message;
use memory::{Reservation, Share, reserve};
use protocol::command::{Credential, Read};
use protocol::live_join::LiveJoin;
use protocol::live_params::{LiveCursor, LiveQuery};
use protocol::refusal::Refusal;

use super::line::Rank;
use super::stream::{Shared, internal};
use engine::Record;
use engine::reads::{authorize, is_stranger};
use places::Whose;
use socket::{attach, attached, close, id_of, pair_up, send};

/// A reader with this many unacknowledged messages is too slow.
const MAX_UNACKNOWLEDGED: usize = 60;
/// Readers that arrive within this time share a snapshot.
const SNAPSHOT_MS: i64 = 1_000;
/// How often home makes sure that the other shards are polled for its readers, even after it lost its memory.
const WATCH_MS: i64 = 30_000;

/// Why a socket is closed. See docs/live.md.
pub(super) const KEY_REPLACED: u16 = 4001;
pub(super) const STREAM_GONE: u16 = 4004;
pub(super) const TOO_SLOW: u16 = 4008;
/// A message that is longer than what a client may send.
pub(super) const TOO_LARGE: u16 = 1009;
/// The query can no longer be answered; the next upgrade says why.
pub(super) const TRY_AGAIN: u16 = 1013;

/// The readers of this object.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, which change one at a time")]
pub(super) struct Live {
    readers: Vec<Reader>,
    /// Whether the readers from before the memory was lost are included.
    is_loaded: bool,
    next_id: u32,
    /// Whether the task that sends news runs.
    is_running: bool,
    /// Whether there may be news.
    is_stirred: bool,
    /// When readers last got news.
    told_ms: i64,
    /// Whether the attachments of sockets say that the cursor is unknown.
    is_marked: bool,
    snapshot: Option<Snapshot>,
    /// The pause before the other shards are polled again.
    pause_ms: i64,
}

/// What the last reader was sent first, kept for a moment.
struct Snapshot {
    query: Rc<LiveQuery>,
    at_ms: i64,
    message: Message,
    _kept: Reservation,
}

/// One reader.
struct Reader {
    /// The id in its socket's tag.
    id: u32,
    socket: WebSocket,
    query: Rc<LiveQuery>,
    credential: Credential,
    /// Whose place it has.
    whose: Whose,
    /// The cursor up to which it was sent data.
    cursor: LiveCursor,
    unacknowledged: Unacknowledged,
}

/// The cursors that a reader was sent and has not acknowledged, in order.
#[derive(Default)]
struct Unacknowledged(VecDeque<Rc<str>>);

impl Unacknowledged {
    /// Whether the reader can be sent another message.
    fn push(&mut self, cursor: &Rc<str>) -> bool {
        self.0.push_back(Rc::clone(cursor));
        self.0.len() <= MAX_UNACKNOWLEDGED
    }

    /// Acknowledges all up to a cursor; nothing if that cursor was not sent.
    fn acknowledge(&mut self, cursor: &str) {
        if let Some(at) = self.0.iter().rposition(|sent| &**sent == cursor) {
            self.0.drain(..=at);
        }
    }
}

impl Live {
    /// The one query that equals this one, shared by all who ask it.
    fn shared_query(&self, query: Rc<LiveQuery>) -> Rc<LiveQuery> {
        let known = self.readers.iter().find(|reader| *reader.query == *query);
        known.map_or(query, |reader| Rc::clone(&reader.query))
    }

    /// The query for one more reader, if there is room.
    fn room_for(&self, query: Rc<LiveQuery>, whose: &Whose) -> Result<Rc<LiveQuery>, Refusal> {
        let query = self.shared_query(query);
        let readers = self.readers.iter().map(|reader| (&reader.whose, Rc::as_ptr(&reader.query)));
        if places::has_room(&readers, whose, Rc::as_ptr(&query)) { Ok(query) } else { Err(Refusal::Overloaded) }
    }

    /// Drops a snapshot that is too old to be shared.
    fn drop_old_snapshot(&mut self, now_ms: i64) {
        self.snapshot.take_if(|snapshot| now_ms >= snapshot.at_ms + SNAPSHOT_MS);
    }

    /// Attaches each reader's cursor to its socket, or that it is unknown.
    fn attach_all(&mut self, is_known: bool) {
        self.is_marked = !is_known;
        for reader in &self.readers {
            attach(&reader.socket, &reader.attached(is_known));
        }
    }

    /// Sends a message to a reader; returns whether it is still there.
    fn tell(reader: &mut Reader, text: &worker::js_sys::JsString, cursor: &LiveCursor, cursor_text: &Rc<str>) -> bool {
        reader.cursor.clone_from(cursor);
        if !reader.unacknowledged.push(cursor_text) {
            close(&reader.socket, TOO_SLOW);
            return false;
        }
        send(&reader.socket, text)
    }
}

impl Reader {
    /// The cursor, or that it is unknown.
    fn attached(&self, is_known: bool) -> LiveJoin {
        let after = if is_known { self.cursor.clone() } else { LiveCursor::default() };
        let network = self.whose.network().to_owned();
        LiveJoin { query: (*self.query).clone(), credential: self.credential, network, after }
    }
}

/// Whose place a reader takes.
fn whose(record: &Record, credential: &Credential, network: String) -> Whose {
    if is_stranger(record, credential) { Whose::Stranger(network) } else { Whose::Holder }
}

impl Shared {
    /// Makes an upgrade a reader, who immediately gets a first message.
    pub(super) async fn join(self: &Rc<Self>, request: &Request) -> Result<Response, Refusal> {
        let LiveJoin { credential, network, query, after } = socket::join_of(request).ok_or(Refusal::OtherVersion)?;
        let record = self.record()?;
        authorize(&record, &credential, &Read::Live(Vec::new()))?;
        let salt = record.writing.salt().filter(|_| !network.is_empty());
        let pseudonym = salt.map_or_else(String::new, |salt| salt.pseudonym(&network).to_string());
        let whose = whose(&record, &credential, pseudonym);
        let query = self.readers().room_for(Rc::new(query), &whose)?;
        let message = self.first_message(&query, after, whose.rank()).await?;
        // From here on nothing waits, so whoever changes the key or ends the stream either finds the reader or
        // keeps it out.
        authorize(&self.record()?, &credential, &Read::Live(Vec::new()))?;
        let WebSocketPair { client, server } = WebSocketPair::new().map_err(|error| internal(&error))?;
        {
            let mut live = self.readers();
            // Others have arrived in the meantime.
            let query = live.room_for(query, &whose)?;
            live.next_id += 1;
            let id = live.next_id;
            pair_up(&self.state, &server, id);
            let (cursor, unacknowledged) = (message.cursor.clone(), Unacknowledged::default());
            let mut reader = Reader { id, socket: server, query, credential, whose, cursor, unacknowledged };
            live.is_marked = true;
            attach(&reader.socket, &reader.attached(false));
            let text = message.json.as_str().into();
            Live::tell(&mut reader, &text, &message.cursor, &message.cursor.text().into());
            live.readers.push(reader);
        }
        self.stir();
        if let Some(by_ms) = self.watch_shards() {
            self.expect_alarm(now_ms(), Some(by_ms)).await;
        }
        Response::from_websocket(client).map_err(|error| internal(&error))
    }

    /// If readers depend on other shards, makes sure that these are polled; returns when to check again. Nothing
    /// else would: their commits don't wake home, and the polling task ends with home's memory.
    pub(super) fn watch_shards(self: &Rc<Self>) -> Option<i64> {
        if self.readers().readers.is_empty() || !self.has_other_shards() {
            return None;
        }
        self.stir();
        Some(now_ms() + WATCH_MS)
    }

    /// The first message of a reader. Many that arrive together share a snapshot.
    async fn first_message(&self, query: &Rc<LiveQuery>, after: LiveCursor, rank: Rank) -> Result<Message, Refusal> {
        let now = now_ms();
        let wants_snapshot = after.0.is_empty();
        if wants_snapshot
            && let Some(snapshot) = &self.live.borrow().snapshot
            && snapshot.query == *query
            && now < snapshot.at_ms + SNAPSHOT_MS
        {
            return Ok(snapshot.message.clone());
        }
        let mut messages = self.look_all(&[(Rc::clone(query), after)], rank, now).await;
        let message = messages.pop().unwrap_or(Err(Refusal::Internal))?;
        // Frees the memory of the earlier one first.
        self.live.borrow_mut().snapshot = None;
        if message.is_snapshot
            && let Ok(kept) = reserve(Share::Live, message.json.len())
        {
            let snapshot = Snapshot { query: Rc::clone(query), at_ms: now, message: message.clone(), _kept: kept };
            self.live.borrow_mut().snapshot = Some(snapshot);
        }
        Ok(message)
    }

    /// The readers, including those from before the memory was lost. Must not be held across a wait.
    #[inline(never)]
    fn readers(&self) -> RefMut<'_, Live> {
        let mut live = self.live.borrow_mut();
        if !live.is_loaded {
            live.is_loaded = true;
            let record = self.record().ok();
            for socket in self.state.get_websockets() {
                let Some((id, LiveJoin { query, credential, network, after })) =
                    id_of(&self.state, &socket).zip(attached(&socket))
                else {
                    close(&socket, TRY_AGAIN);
                    continue;
                };
                let (query, unacknowledged) = (live.shared_query(Rc::new(query)), Unacknowledged::default());
                live.next_id = live.next_id.max(id);
                let whose = match &record {
                    Some(record) => whose(record, &credential, network),
                    None => Whose::Stranger(network),
                };
                live.readers.push(Reader { id, socket, query, credential, whose, cursor: after, unacknowledged });
            }
        }
        live
    }

    /// Before a commit: keeps what it adds for readers, if there are any.
    pub(super) fn watch(&self) {
        if !self.readers().readers.is_empty() {
            self.with_engine(|engine| {
                engine.watch(now_ms());
                Ok(())
            })
            .ok();
        }
    }

    /// A reader has received everything up to a cursor.
    pub(super) fn acknowledge(self: &Rc<Self>, socket: &WebSocket, cursor: &str) {
        self.with_reader(socket, |live, at| live.readers[at].unacknowledged.acknowledge(cursor));
        // If the memory was lost, other shards must be polled again.
        self.stir();
    }

    /// A reader has left.
    pub(super) fn leave(&self, socket: &WebSocket) {
        self.with_reader(socket, |live, at| drop(live.readers.remove(at)));
    }

    fn with_reader(&self, socket: &WebSocket, work: impl FnOnce(&mut Live, usize)) {
        let mut live = self.readers();
        let place = |id| live.readers.iter().position(|reader| reader.id == id);
        if let Some(at) = id_of(&self.state, socket).and_then(place) {
            work(&mut live, at);
        }
    }

    /// Removes readers that may no longer read.
    pub(super) fn check_readers(self: &Rc<Self>) {
        let Ok(record) = self.record() else { return };
        self.readers().readers.retain(|reader| {
            let may_read = authorize(&record, &reader.credential, &Read::Live(Vec::new())).is_ok();
            if !may_read {
                close(&reader.socket, KEY_REPLACED);
            }
            may_read
        });
        // There may be more shards than before.
        self.stir();
    }

    /// Removes all readers.
    pub(super) fn close_all(&self, code: u16) {
        self.readers().readers.drain(..).for_each(|reader| close(&reader.socket, code));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_acknowledges_nothing_is_too_slow() {
        let cursor = |at: usize| Rc::from(at.to_string().as_str());
        let mut silent = Unacknowledged::default();
        assert_eq!((0..100).find(|at| !silent.push(&cursor(*at))), Some(MAX_UNACKNOWLEDGED));
        let mut late = Unacknowledged::default();
        for at in 0..1_000 {
            assert!(late.push(&cursor(at)));
            if at % 20 == 0 {
                // Long ago, so that it is behind, but not too far.
                late.acknowledge(&at.saturating_sub(39).to_string());
            }
            late.acknowledge("never sent");
        }
        assert_eq!(late.0.len(), 58);
    }
}
