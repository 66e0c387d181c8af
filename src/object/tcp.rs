//! Sends bytes over TCP to a peer that does not respond.
//!
//! Such a peer only signals by closing its side. A peer that has read everything closes after we have closed ours;
//! so a peer that closes earlier did not read to the end, and what it received is unknown.

use std::time::Duration;

use futures_util::future::{Either, select};
use js_sys::futures::JsFuture;
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::Delay;
use worker::web_sys::{ReadableStream, ReadableStreamDefaultReader, WritableStream, WritableStreamDefaultWriter};

/// The limit for connecting, for sending a piece, and for the peer to close; the errors mention it too.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause before our side is closed: if the peer had closed when the last piece arrived, we would know by now.
const LINGER: Duration = Duration::from_millis(250);

#[wasm_bindgen(module = "cloudflare:sockets")]
extern "C" {
    type Socket;

    #[wasm_bindgen(catch)]
    fn connect(address: &JsValue, options: &JsValue) -> Result<Socket, JsValue>;
    #[wasm_bindgen(method, getter)]
    fn opened(this: &Socket) -> Promise;
    #[wasm_bindgen(method, getter)]
    fn readable(this: &Socket) -> ReadableStream;
    #[wasm_bindgen(method, getter)]
    fn writable(this: &Socket) -> WritableStream;
    #[wasm_bindgen(method, catch)]
    fn close(this: &Socket) -> Result<Promise, JsValue>;
}

/// Sends all pieces, and waits until the peer has closed.
///
/// # Errors
/// A message for the owner; what the peer has received is then unknown.
pub(super) async fn send(
    host: &str,
    port: u16,
    first: String,
    next: &mut dyn FnMut() -> Option<String>,
) -> Result<(), String> {
    let socket = open(host, port).map_err(|_| "the connection could not be opened".to_owned())?;
    let sent = send_over(&socket, first, next).await;
    if let Ok(closing) = socket.close() {
        // Whatever the result, the peer was listening.
        within(PATIENCE, &closing).await;
    }
    sent
}

fn open(host: &str, port: u16) -> Result<Socket, JsValue> {
    let host = if host.contains(':') { ["[", host, "]"].concat() } else { host.to_owned() };
    let (address, options) = (Object::new(), Object::new());
    Reflect::set(&address, &"hostname".into(), &host.into())?;
    Reflect::set(&address, &"port".into(), &port.into())?;
    // Otherwise our side closes as soon as the peer does.
    Reflect::set(&options, &"allowHalfOpen".into(), &true.into())?;
    connect(&address, &options)
}

async fn send_over(socket: &Socket, first: String, next: &mut dyn FnMut() -> Option<String>) -> Result<(), String> {
    const BROKE: &str = "the connection broke before the peer had received everything";
    match within(PATIENCE, &socket.opened()).await {
        Some(Ok(_)) => (),
        Some(Err(_)) => return Err("no connection: nothing listens there, or the name is unknown".into()),
        None => return Err("no connection within 20 s".into()),
    }
    let reader: ReadableStreamDefaultReader = socket.readable().get_reader().unchecked_into();
    let writer: WritableStreamDefaultWriter = socket.writable().get_writer().map_err(|_| BROKE)?;
    // The end of the peer's data, or its first bytes.
    let end = reader.read();
    let mut piece = Some(first);
    while let Some(text) = piece {
        let written = writer.write_with_chunk(&Uint8Array::from(text.as_bytes()));
        match within(PATIENCE, &Promise::race(&Array::of2(&written, &end))).await {
            Some(Ok(written)) if written.is_undefined() => (),
            Some(Ok(read)) => return Err(early(Ok(read))),
            Some(Err(_)) => return Err(BROKE.into()),
            None => return Err("the peer accepted no data for 20 s".into()),
        }
        piece = next();
    }
    if let Some(read) = within(LINGER, &end).await {
        return Err(early(read));
    }
    let closing = writer.close();
    match within(PATIENCE, &end).await {
        Some(Ok(read)) if is_end(&read) => (),
        Some(read) => return Err(early(read)),
        None => return Err("the peer did not close within 20 s after it had received everything".into()),
    }
    match within(PATIENCE, &closing).await {
        Some(Ok(_)) => Ok(()),
        _ => Err(BROKE.into()),
    }
}

/// Describes a peer that closed, or started to send, before it had everything.
fn early(read: Result<JsValue, JsValue>) -> String {
    let text = match read {
        Ok(read) if is_end(&read) => "the peer closed the connection before it had received everything",
        Ok(_) => "the peer sent data: it is not a carbon's plaintext listener",
        Err(_) => "the peer reset the connection",
    };
    text.to_owned()
}

fn is_end(read: &JsValue) -> bool {
    Reflect::get(read, &"done".into()).is_ok_and(|done| done.is_truthy())
}

/// The result, if it arrives within this time.
async fn within(time: Duration, promise: &Promise) -> Option<Result<JsValue, JsValue>> {
    match select(JsFuture::from(promise.clone()), Delay::from(time)).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}
