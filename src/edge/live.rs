//! Reading live: the one answer of `deltas`, and `live` as a socket, which home holds, or as events, which are sent from here:
//! an object that sent them would be awake for as long as anybody reads.

use std::time::Duration;

use js_sys::{Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::web_sys::ReadableStream;
use worker::{Delay, js_sys, wasm_bindgen};

use crate::clock::now_ms;
use crate::wire::command::{Read, Refusal};
use crate::wire::live::Message;
use crate::wire::live_join::LiveJoin;
use crate::wire::live_params::{LiveCursor, LiveQuery};
use crate::wire::live_part::split;
use crate::wire::look::Look;

use super::problem::Problem;
use super::read::fresh;
use super::reply::Reply;
use super::{Exchange, StreamId, other_version};

/// How often the stream is asked for events.
const ASK_MS: u64 = 1_000;
/// A comment keeps the connection open when nothing happens for so long.
const COMMENT_MS: i64 = 15_000;
/// Events end after so long, and browsers come back. So a reader that has gone costs no more, whether it is noticed or not.
const MAX_LIFE_MS: i64 = 300_000;

#[wasm_bindgen]
extern "C" {
    /// A stream whose one end is written here while the other one is the answer's body.
    type IdentityTransformStream;

    #[wasm_bindgen(constructor)]
    fn new() -> IdentityTransformStream;

    #[wasm_bindgen(method, getter)]
    fn readable(this: &IdentityTransformStream) -> ReadableStream;

    #[wasm_bindgen(method, getter)]
    fn writable(this: &IdentityTransformStream) -> Writable;

    type Writable;

    #[wasm_bindgen(method, js_name = getWriter)]
    fn get_writer(this: &Writable) -> Writer;

    type Writer;

    #[wasm_bindgen(method, catch)]
    fn write(this: &Writer, bytes: &Uint8Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn close(this: &Writer) -> Result<Promise, JsValue>;
}

/// Events that are being sent.
struct Events {
    exchange: Exchange,
    id: StreamId,
    query: LiveQuery,
    cursor: LiveCursor,
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
            let join = LiveJoin { credential: self.credential(), query, after };
            return Ok(Reply::upgrade(self.upgrade(id, &join).await?));
        }
        // A browser that comes back has the same URL as before, and knows better.
        let last = self.header("Last-Event-ID").and_then(|text| LiveCursor::parse(&text).ok());
        let first = self.look(id, &query, last.unwrap_or(after), self.now_ms).await?;
        let (exchange, id, cursor) = (self.again(), id.clone(), first.cursor.clone());
        let events = Events { exchange, id, query, cursor, sent_ms: self.now_ms };
        let stream = IdentityTransformStream::new();
        let (writer, body) = (stream.writable().get_writer(), stream.readable());
        self.context.wait_until(async move {
            events.send_all(&writer, &first).await;
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

    async fn live_params(&self, id: &StreamId) -> Result<(LiveQuery, LiveCursor), Problem> {
        let mut parsed = None;
        let mut parse = |text: &str, retention: &_| {
            parsed = Some(LiveQuery::parse(text, self.now_ms, retention)?);
            Ok(())
        };
        self.with_retention(id, &mut parse).await?;
        parsed.ok_or(Problem::Internal)
    }

    /// What a reader sees who has seen the stream up to a cursor.
    async fn look(&self, id: &StreamId, query: &LiveQuery, after: LiveCursor, now_ms: i64) -> Result<Message, Problem> {
        let mut look = Look::new(query, after, now_ms)?;
        while let Some(ask) = look.ask() {
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
    /// Sends events until their time is over, the reader has gone, or may read no longer.
    async fn send_all(mut self, writer: &Writer, first: &Message) {
        let mut text = format!("retry: 1000\n\n{}", event(first));
        while write(writer, &text).await {
            match self.next().await {
                Some(next) => text = next,
                None => return,
            }
        }
    }

    /// What is sent next; nothing when that was all.
    async fn next(&mut self) -> Option<String> {
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
                return Some(if message.is_empty { ":\n\n".to_owned() } else { event(&message) });
            }
        }
    }
}

/// Whether the reader has it.
async fn write(writer: &Writer, text: &str) -> bool {
    match writer.write(&Uint8Array::from(text.as_bytes())) {
        Ok(written) => written.await.is_ok(),
        Err(_) => false,
    }
}

fn event(Message { is_snapshot, cursor, json, .. }: &Message) -> String {
    let kind = if *is_snapshot { "snapshot" } else { "delta" };
    format!("event: {kind}\nid: {}\ndata: {json}\n\n", cursor.text())
}
