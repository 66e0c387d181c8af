//! A reader's socket, as the platform has it.

use js_sys::JsString;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::WebSocketRequestResponsePair;
use worker::{Request, State, WebSocket, js_sys, wasm_bindgen};

use protocol::live_join::LiveJoin;

#[wasm_bindgen]
extern "C" {
    /// The methods of a socket that take JavaScript's own values: a string that is sent to many is created once.
    type RawSocket;

    #[wasm_bindgen(method, catch)]
    fn send(this: &RawSocket, text: &JsString) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = serializeAttachment)]
    fn serialize_attachment(this: &RawSocket, value: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = deserializeAttachment)]
    fn deserialize_attachment(this: &RawSocket) -> Result<JsValue, JsValue>;
}

fn raw(socket: &WebSocket) -> &RawSocket {
    let socket: &JsValue = socket.as_ref().as_ref();
    socket.unchecked_ref()
}

/// The query of an upgrade.
pub(super) fn join_of(request: &Request) -> Option<LiveJoin> {
    LiveJoin::parse(request.inner().url().split_once('?')?.1)
}

/// Accepts a socket, which keeps its number even when the object loses its memory.
pub(super) fn pair_up(state: &State, socket: &WebSocket, id: u32) {
    state.accept_websocket_with_tags(socket, &[&id.to_string()]);
    if let Ok(pair) = WebSocketRequestResponsePair::new("ping", "pong") {
        state.set_websocket_auto_response(&pair);
    }
}

pub(super) fn id_of(state: &State, socket: &WebSocket) -> Option<u32> {
    state.get_tags(socket).first()?.parse().ok()
}

pub(super) fn attach(socket: &WebSocket, attached: &LiveJoin) {
    raw(socket).serialize_attachment(&attached.to_text().into()).ok();
}

pub(super) fn attached(socket: &WebSocket) -> Option<LiveJoin> {
    LiveJoin::parse(&raw(socket).deserialize_attachment().ok()?.as_string()?)
}

/// Sends a text; returns whether the socket accepts it.
pub(super) fn send(socket: &WebSocket, text: &JsString) -> bool {
    raw(socket).send(text).is_ok()
}

pub(super) fn close(socket: &WebSocket, code: u16) {
    // A socket that is already closed needs no closing.
    socket.close(Some(code), Some("")).ok();
}
