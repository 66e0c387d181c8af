//! Sends an answer in pieces. The next piece is made once the runtime has taken the last one, so an answer that is not
//! taken occupies one piece and its source data. A reader that takes nothing for a while gets no more.

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

use super::read_memory::ReadMemory;

/// A reader that takes no piece for this long is dropped: 64 KiB in 25 s are 2.6 KB/s. After a reader has left, the
/// runtime lets our work continue for half a minute, so this is soon enough in that case too.
const IDLE_MS: i64 = 25_000;
/// The longest time that an answer is sent, the same as for live events.
const MAX_LIFE_MS: i64 = 300_000;
/// An answer of which nothing was taken for this long never ends: the runtime has dropped its request.
const LOST_AFTER_MS: i64 = IDLE_MS + 10_000;

#[wasm_bindgen]
extern "C" {
    /// A pipe: one end is written here, and the other end is the answer's body. A write completes once it was read.
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
    /// All answers that are being sent.
    static SENDING: RefCell<Vec<Rc<Sending>>> = const { RefCell::new(Vec::new()) };
}

/// An answer that is being sent.
struct Sending {
    /// The source of the pieces that are not made yet, and its memory.
    rest: RefCell<Option<(Pieces, ReadMemory)>>,
    /// When the reader last took a piece.
    taken_ms: Cell<i64>,
}

/// Sends a first piece and those that follow; returns the body that they go into.
pub(super) fn send(first: Vec<u8>, rest: Pieces, kept: ReadMemory, context: &Context) -> ReadableStream {
    give_up_lost();
    let (writer, body) = pipe();
    let sending = Rc::new(Sending { rest: RefCell::new(Some((rest, kept))), taken_ms: Cell::new(now_ms()) });
    SENDING.with_borrow_mut(|all| all.push(Rc::clone(&sending)));
    context.wait_until(async move {
        let end = if sending.send_all(&writer, first).await {
            writer.close()
        } else {
            // Breaks the connection, so that nobody mistakes a part for the whole.
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

/// The writing end of a body, and the body.
pub(super) fn pipe() -> (PipeWriter, ReadableStream) {
    let pipe = Pipe::new();
    (pipe.writable().get_writer(), pipe.readable())
}

/// Frees answers that will not be sent because their request is lost: their futures never end.
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
    /// Sends all pieces; returns whether all were taken.
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
