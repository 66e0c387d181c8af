//! The platform's request. Each access crosses from wasm into JavaScript and the runtime, so only what is needed is
//! read, and header names cross once per isolate.

use std::cell::RefCell;

use js_sys::{ArrayBuffer, JsString, Promise, Reflect, Uint8Array};
use rustc_hash::FxHashMap;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::{Method, Result, js_sys, wasm_bindgen, web_sys};

#[wasm_bindgen]
extern "C" {
    /// The parts of a request that web-sys lacks or reads at a higher cost.
    type Raw;

    #[wasm_bindgen(method, catch)]
    fn bytes(this: &Raw) -> std::result::Result<Promise, JsValue>;

    /// What the runtime knows about the origin of a request.
    #[wasm_bindgen(method, getter)]
    fn cf(this: &Raw) -> JsValue;

    /// A stream of bytes as in web-sys, with the reader that fills a given buffer.
    type Readable;

    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn reader(this: &Readable, options: &JsValue) -> std::result::Result<Reader, JsValue>;

    type Reader;

    #[wasm_bindgen(method, catch)]
    fn read(this: &Reader, place: &Uint8Array) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn cancel(this: &Reader) -> std::result::Result<Promise, JsValue>;

    /// Headers, looked up by names that are already in JavaScript.
    type RawHeaders;

    #[wasm_bindgen(method, catch)]
    fn get(this: &RawHeaders, name: &JsString) -> std::result::Result<Option<String>, JsValue>;
}

thread_local! {
    /// All names are in our sources, so there are few.
    static NAMES: RefCell<FxHashMap<&'static str, JsString>> = RefCell::new(FxHashMap::default());
}

/// A request whose body is read at most once.
pub(super) struct Request {
    request: web_sys::Request,
    headers: RawHeaders,
    is_body_read: bool,
}

impl Request {
    pub(super) fn new(request: web_sys::Request) -> Self {
        let headers = request.headers().unchecked_into();
        Self { request, headers, is_body_read: false }
    }

    /// The same request, with its body marked as read.
    pub(super) fn again(&self) -> Self {
        let same: &JsValue = self.request.as_ref();
        Self { is_body_read: true, ..Self::new(same.clone().unchecked_into()) }
    }

    pub(super) fn method(&self) -> Method {
        self.request.method().into()
    }

    pub(super) fn header(&self, name: &'static str) -> Option<String> {
        NAMES.with_borrow_mut(|names| {
            let name = names.entry(name).or_insert_with(|| name.into());
            self.headers.get(name).ok().flatten()
        })
    }

    /// The address and port of the connection's other end; only a self-hosted server has it.
    pub(super) fn peer_address(&self) -> Option<String> {
        self.cf("clientIp")?.as_string()
    }

    /// The client's place according to the platform: `US 13335`, a country and an AS number. Empty if the platform does
    /// not say.
    pub(super) fn place(&self) -> String {
        let country = self.cf("country").and_then(|country| country.as_string()).unwrap_or_default();
        let asn = self.cf("asn").and_then(|asn| asn.as_f64()).unwrap_or_default();
        place(&country, asn)
    }

    fn cf(&self, name: &str) -> Option<JsValue> {
        let cf = self.request.unchecked_ref::<Raw>().cf();
        if cf.is_object() { Reflect::get(&cf, &name.into()).ok() } else { None }
    }

    pub(super) fn has_body(&self) -> bool {
        self.request.body().is_some()
    }

    pub(super) const fn is_body_read(&self) -> bool {
        self.is_body_read
    }

    /// A promise of the whole body, as a `Uint8Array`.
    pub(super) fn bytes(&mut self) -> Result<Promise> {
        self.is_body_read = true;
        Ok(self.request.unchecked_ref::<Raw>().bytes()?)
    }

    /// The body in pieces; `None` if it was read already or there is none.
    pub(super) fn pieces(&mut self) -> Result<Option<Pieces>> {
        if std::mem::replace(&mut self.is_body_read, true) {
            return Ok(None);
        }
        let Some(stream) = self.request.body() else { return Ok(None) };
        let options = js_sys::Object::new();
        Reflect::set(&options, &"mode".into(), &"byob".into())?;
        Ok(Some(Pieces { reader: stream.unchecked_ref::<Readable>().reader(&options)?, buffer: None }))
    }
}

/// The pieces of a body, each as large as what has arrived.
pub(super) struct Pieces {
    reader: Reader,
    /// The buffer of the previous piece, reused for the next one.
    buffer: Option<ArrayBuffer>,
}

impl Pieces {
    /// A promise of the next piece, of at most this many bytes; see [`Pieces::take`].
    pub(super) fn read(&mut self, max_bytes: u32) -> Result<Promise> {
        let buffer = self.buffer.take().filter(|buffer| buffer.byte_length() == max_bytes);
        let buffer = buffer.unwrap_or_else(|| ArrayBuffer::new(max_bytes));
        Ok(self.reader.read(&Uint8Array::new(&buffer))?)
    }

    /// Appends a promise's piece to `body`; returns whether it was the last.
    pub(super) fn take(&mut self, read: &JsValue, body: &mut Vec<u8>) -> Result<bool> {
        let is_last = Reflect::get(read, &"done".into())?.is_truthy();
        if let Ok(piece) = Reflect::get(read, &"value".into())?.dyn_into::<Uint8Array>() {
            let (start, bytes) = (body.len(), piece.length() as usize);
            body.resize(start + bytes, 0);
            piece.copy_to(&mut body[start..]);
            self.buffer = Some(piece.buffer());
        }
        Ok(is_last)
    }

    /// The length of a promise's piece; `None` at the end.
    pub(super) fn length(read: &JsValue) -> Result<Option<usize>> {
        let value = Reflect::get(read, &"value".into())?;
        let bytes = value.dyn_into::<Uint8Array>().map_or(0, |piece| piece.length() as usize);
        Ok((bytes > 0 || !Reflect::get(read, &"done".into())?.is_truthy()).then_some(bytes))
    }

    /// Reads no more, whatever is still to arrive.
    pub(super) fn cancel(self) -> Result<Promise> {
        Ok(self.reader.cancel()?)
    }
}

fn place(country: &str, asn: f64) -> String {
    let is_country = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let country = if is_country { country } else { "" };
    // An AS number has 32 bits (RFC 6793); anything else becomes 0, which belongs to nobody.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
    let asn = asn as u32;
    if country.is_empty() && asn == 0 { String::new() } else { format!("{country} {asn}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_country_and_an_as_number() {
        for (country, asn, said) in
            [("US", 13_335.0, "US 13335"), ("US", 0.0, "US 0"), ("", 7.0, " 7"), ("", 0.0, ""), ("Atlantis", -1.0, "")]
        {
            assert_eq!(place(country, asn), said);
        }
    }
}
