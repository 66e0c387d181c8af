//! Unpacking with the platform's own gzip, which costs this module nothing.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::{ByteStream, js_sys, wasm_bindgen, web_sys};

#[wasm_bindgen]
extern "C" {
    type DecompressionStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<DecompressionStream, JsValue>;

    /// The part of a stream that is asked for here.
    type Packed;

    #[wasm_bindgen(method, catch, js_name = pipeThrough)]
    fn pipe_through(this: &Packed, through: &DecompressionStream) -> Result<web_sys::ReadableStream, JsValue>;
}

/// What is in a gzip file, piece by piece. A piece is an error where it is none.
pub(super) fn gunzip(bytes: &[u8]) -> worker::Result<ByteStream> {
    let packed = web_sys::Response::new_with_opt_buffer_source(Some(&Uint8Array::from(bytes)))?.body();
    let packed: Packed = packed.ok_or("a response with bytes has a body")?.unchecked_into();
    Ok(packed.pipe_through(&DecompressionStream::new("gzip")?)?.into())
}
