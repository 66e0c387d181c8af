//! Events of readers' sockets from the platform: a message, or their end.
//!
//! Written out instead of taken from `#[durable_object]`, which copies each message into wasm before anybody can
//! check its length. Wasm never returns memory, so one message of 30 MiB would cost the isolate 30 MiB until its
//! end.

use js_sys::{ArrayBuffer, JsString};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::{js_sys, wasm_bindgen, web_sys};

use crate::object::stream::Stream;
use protocol::live_params::MAX_CURSOR_BYTES;

use super::TOO_LARGE;
use super::socket::close;

/// A client may send only cursors; the platform answers `ping`.
#[expect(clippy::cast_possible_truncation, reason = "a constant of four digits")]
const MAX_LENGTH: u32 = MAX_CURSOR_BYTES as u32;

#[wasm_bindgen]
impl Stream {
    /// A message arrived: a cursor, up to which its reader has everything. A message longer than any cursor closes
    /// the socket, unread.
    #[wasm_bindgen(js_name = webSocketMessage)]
    pub fn web_socket_message(&self, socket: web_sys::WebSocket, message: &JsValue) {
        let socket = socket.into();
        let text = message.dyn_ref::<JsString>();
        let length = text.map_or_else(|| message.dyn_ref().map_or(0, ArrayBuffer::byte_length), JsString::length);
        if length > MAX_LENGTH {
            close(&socket, TOO_LARGE);
            self.shared.leave(&socket);
        } else if let Some(cursor) = text {
            self.shared.acknowledge(&socket, &String::from(cursor));
        }
    }

    /// A socket was closed.
    #[wasm_bindgen(js_name = webSocketClose)]
    pub fn web_socket_close(&self, socket: web_sys::WebSocket) {
        self.shared.leave(&socket.into());
    }

    /// A socket failed.
    #[wasm_bindgen(js_name = webSocketError)]
    pub fn web_socket_error(&self, socket: web_sys::WebSocket) {
        self.shared.leave(&socket.into());
    }
}
