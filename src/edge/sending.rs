//! Sends an answer piece by piece. The next piece is made when the runtime has taken the last one, so of an answer that nobody takes
//! there is one piece and what it is made of; and a reader that takes nothing for a while gets no more.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::web_sys::ReadableStream;
use worker::{Context, Delay, js_sys, wasm_bindgen};

use crate::clock::now_ms;
use model::pieces::Pieces;

use super::kept::Kept;

/// A reader that takes no piece for so long is given up: 64 KiB in 25 s are 2.6 KB/s. After a reader has gone, the runtime lets us work on
/// for half a minute, so this ends in time there too.
const IDLE_MS: i64 = 25_000;
/// An answer is sent for so long at most, as live events are.
const MAX_LIFE_MS: i64 = 300_000;
/// What should have ended by now never will: the runtime dropped its request.
const LOST_AFTER_MS: i64 = IDLE_MS + 10_000;

#[wasm_bindgen]
extern "C" {
    /// A stream whose one end is written here while the other one is the answer's body. A write is done when it was read.
    #[wasm_bindgen(js_name = IdentityTransformStream)]
    type Pipe;

    #[wasm_bindgen(constructor, js_class = "IdentityTransformStream")]
    fn new() -> Pipe;

    #[wasm_bindgen(method, getter)]
    fn readable(this: &Pipe) -> ReadableStream;

    #[wasm_bindgen(method, getter)]
    fn writable(this: &Pipe) -> PipeEnd;

    type PipeEnd;

    #[wasm_bindgen(method, js_name = getWriter)]
    fn get_writer(this: &PipeEnd) -> PipeWriter;

    pub(super) type PipeWriter;

    #[wasm_bindgen(method, catch)]
    fn write(this: &PipeWriter, bytes: &Uint8Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn close(this: &PipeWriter) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn abort(this: &PipeWriter, reason: &JsValue) -> Result<Promise, JsValue>;
}

thread_local! {
    /// All that is being sent.
    static SENDING: RefCell<Vec<Rc<Sending>>> = const { RefCell::new(Vec::new()) };
}

/// An answer that is being sent.
struct Sending {
    /// What is not made yet, and the memory of what it is made of.
    rest: RefCell<Option<(Pieces, Kept)>>,
    /// When its reader last took something.
    taken_ms: Cell<i64>,
}

/// Sends a first piece and those that follow; the body they go into.
pub(super) fn send(first: Vec<u8>, rest: Pieces, kept: Kept, context: &Context) -> ReadableStream {
    give_up_lost();
    let (writer, body) = pipe();
    let sending = Rc::new(Sending { rest: RefCell::new(Some((rest, kept))), taken_ms: Cell::new(now_ms()) });
    SENDING.with_borrow_mut(|all| all.push(Rc::clone(&sending)));
    context.wait_until(async move {
        let end = if sending.send_all(&writer, first).await {
            writer.close()
        } else {
            // The connection breaks, so that nobody takes a part for the whole.
            writer.abort(&JsValue::from_str("the answer was not taken in time"))
        };
        drop(sending.rest.take());
        SENDING.with_borrow_mut(|all| all.retain(|one| !Rc::ptr_eq(one, &sending)));
        if let Ok(ended) = end {
            ended.await.ok();
        }
    });
    body
}

/// Where a body is written, and the body.
pub(super) fn pipe() -> (PipeWriter, ReadableStream) {
    let pipe = Pipe::new();
    (pipe.writable().get_writer(), pipe.readable())
}

/// Lets go of what is sent no more because its request is lost: its future never ends.
pub(super) fn give_up_lost() {
    if SENDING.with_borrow(Vec::is_empty) {
        return;
    }
    let lost = now_ms() - LOST_AFTER_MS;
    let given_up: Vec<_> = SENDING.with_borrow_mut(|all| all.extract_if(.., |one| one.taken_ms.get() < lost).collect());
    for sending in given_up {
        drop(sending.rest.take());
    }
}

impl Sending {
    /// Whether all of it was taken.
    async fn send_all(&self, writer: &PipeWriter, first: Vec<u8>) -> bool {
        let begun_ms = now_ms();
        let (mut piece, mut is_last) = (first, false);
        loop {
            if !piece.is_empty() && !is_taken(writer, &piece).await {
                return false;
            }
            if is_last {
                return true;
            }
            self.taken_ms.set(now_ms());
            let next = self.rest.borrow_mut().as_mut().map(|(pieces, _)| pieces.piece());
            match next {
                Some(next) if self.taken_ms.get() < begun_ms + MAX_LIFE_MS => (piece, is_last) = next,
                _ => return false,
            }
        }
    }
}

/// Whether a piece was taken in time.
pub(super) async fn is_taken(writer: &PipeWriter, piece: &[u8]) -> bool {
    let Ok(written) = writer.write(&Uint8Array::from(piece)) else { return false };
    let idle = Delay::from(Duration::from_millis(IDLE_MS.unsigned_abs()));
    match select(written.into_future(), idle).await {
        Either::Left((written, _)) => written.is_ok(),
        Either::Right(_) => false,
    }
}
