//! The platform's request. Each question to it crosses from wasm to JavaScript and into the runtime, so only what is needed is
//! asked, and names of headers cross once an isolate.

use std::cell::RefCell;

use js_sys::{JsString, Promise, Uint8Array};
use rustc_hash::FxHashMap;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::{ByteStream, Method, Result, js_sys, wasm_bindgen, web_sys};

#[wasm_bindgen]
extern "C" {
    /// The parts of a request that web-sys lacks or asks for at a higher price.
    type Raw;

    #[wasm_bindgen(method, catch)]
    fn bytes(this: &Raw) -> std::result::Result<Promise, JsValue>;

    /// Headers, asked with names that are in JavaScript already.
    type RawHeaders;

    #[wasm_bindgen(method, catch)]
    fn get(this: &RawHeaders, name: &JsString) -> std::result::Result<Option<String>, JsValue>;
}

thread_local! {
    /// All names are in our sources, so there are few.
    static NAMES: RefCell<FxHashMap<&'static str, JsString>> = RefCell::new(FxHashMap::default());
}

/// A request, whose body is read at most once.
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

    /// The same request, whose body is taken for read.
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

    /// The whole body.
    pub(super) async fn bytes(&mut self) -> Result<Vec<u8>> {
        self.is_body_read = true;
        let bytes = self.request.unchecked_ref::<Raw>().bytes()?.await?;
        Ok(bytes.unchecked_into::<Uint8Array>().to_vec())
    }

    /// The body piece by piece; `None` when it was read or there is none.
    pub(super) fn stream(&mut self) -> Option<ByteStream> {
        if std::mem::replace(&mut self.is_body_read, true) {
            return None;
        }
        self.request.body().map(ByteStream::from)
    }
}
