//! Unpacking with the platform's own gzip, which costs this module nothing.
//!
//! The platform unpacks all that it is given, whether somebody reads or not, and a byte may become a thousand. So it is
//! given a little at a time, until there is more than is wanted.

use std::pin::pin;

use futures_util::future::{Either, select};
use js_sys::{Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::{js_sys, wasm_bindgen};

use super::bell::Bell;

/// What is packed in so much is at most 4 MiB.
const PIECE_BYTES: usize = 4 << 10;

#[wasm_bindgen]
extern "C" {
    type DecompressionStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<DecompressionStream, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn writable(this: &DecompressionStream) -> Writable;

    #[wasm_bindgen(method, getter)]
    fn readable(this: &DecompressionStream) -> Readable;

    type Writable;

    #[wasm_bindgen(method, catch, js_name = getWriter)]
    fn writer(this: &Writable) -> Result<Writer, JsValue>;

    type Writer;

    #[wasm_bindgen(method, catch)]
    fn write(this: &Writer, bytes: &Uint8Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn close(this: &Writer) -> Result<Promise, JsValue>;

    type Readable;

    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn reader(this: &Readable, options: &JsValue) -> Result<Reader, JsValue>;

    type Reader;

    /// An extension of this runtime: fills the array with at least so many bytes, unless there are fewer.
    #[wasm_bindgen(method, catch, js_name = readAtLeast)]
    fn read_at_least(this: &Reader, min_bytes: u32, place: &Uint8Array) -> Result<Promise, JsValue>;
}

/// What is in a gzip file, or the first `max_bytes` of it.
///
/// # Errors
/// When it is no gzip file as far as it is read.
pub(super) async fn gunzip(bytes: &[u8], max_bytes: u32) -> Result<Vec<u8>, worker::Error> {
    let stream = DecompressionStream::new("gzip")?;
    let (writer, reader) = (stream.writable().writer()?, stream.readable().reader(&byob()?)?);
    let write = pin!(async {
        for piece in bytes.chunks(PIECE_BYTES) {
            writer.write(&Uint8Array::from(piece))?.await?;
            // Writes go before reads, so whether there is enough is only known when the writer pauses.
            Bell::new(0).wait().await;
        }
        writer.close()?.await
    });
    let read = reader.read_at_least(max_bytes, &Uint8Array::new_with_length(max_bytes))?.into_future();
    let read = match select(pin!(read), write).await {
        Either::Left((read, write)) => {
            let read = unpacked(&read?)?;
            // The end of the file says whether it is whole.
            if read.len() < max_bytes as usize {
                write.await?;
            }
            return Ok(read);
        }
        Either::Right((written, read)) => written.map(|_| read)?.await?,
    };
    Ok(unpacked(&read)?)
}

fn byob() -> Result<JsValue, JsValue> {
    let options = js_sys::Object::new();
    Reflect::set(&options, &"mode".into(), &"byob".into())?;
    Ok(options.into())
}

/// The bytes of a reader's answer.
fn unpacked(read: &JsValue) -> Result<Vec<u8>, JsValue> {
    let value = Reflect::get(read, &"value".into())?;
    Ok(value.dyn_into::<Uint8Array>().map(|bytes| bytes.to_vec()).unwrap_or_default())
}
