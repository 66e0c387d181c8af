//! Lets a request run to its end after its client has left: where it stopped, everything it holds would stay for ever.

use js_sys::{Function, Promise};
use wasm_bindgen::{JsCast, JsValue};
use worker::{Context, Result, js_sys, wasm_bindgen};

/// Held until the request is answered. A promise, because a future would cost more than twice as much.
pub(super) struct RunToEnd(Function);

impl RunToEnd {
    pub(super) fn new(context: &Context) -> Result<Self> {
        let made = Promise::with_resolvers();
        context.as_ref().wait_until(&made.promise())?;
        Ok(Self(made.resolve().unchecked_into()))
    }
}

impl Drop for RunToEnd {
    fn drop(&mut self) {
        self.0.call0(&JsValue::UNDEFINED).ok();
    }
}
