//! A way for one request to wait for another one in this isolate.
//!
//! Requests of an isolate must not wake each other's futures. All futures share one run queue, which polls a woken
//! future in the context of the request that woke it, and the woken request's I/O does not work there. A promise is
//! safe: the runtime runs its continuation in the context of the request that made it, or not at all if that request is
//! gone. So a request waits for a promise of its own, which others may resolve. The bell's timer also gives the request
//! something pending of its own; without it the runtime would consider the request hung.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys;
use worker::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, delay_ms: u32) -> f64;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: f64);
}

/// Wakes the request that made it, once: when somebody rings it, or when its time is over.
pub(super) struct Bell {
    rung: Promise,
    ring: Function,
    timer: f64,
}

impl Bell {
    /// Makes a bell of the current request, which rings on its own after this timeout.
    pub(super) fn new(timeout_ms: u32) -> Self {
        // Not `new Promise`: V8's optimised code makes promises that the runtime assigns to no request, and it runs
        // their continuations in the context of whoever resolves them.
        let made = Promise::with_resolvers();
        let (rung, ring) = (made.promise(), made.resolve().unchecked_into());
        let timer = set_timeout(&ring, timeout_ms);
        Self { rung, ring, timer }
    }

    /// Wakes the request that made the bell. Any request may call this, even after that request is gone.
    pub(super) fn ring(&self) {
        self.ring.call0(&JsValue::UNDEFINED).ok();
    }

    /// Resolves when the bell rings; only for the request that made it.
    pub(super) const fn rung(&self) -> &Promise {
        &self.rung
    }

    /// Cancels the timer; only for the request that made the bell.
    pub(super) fn silence(&self) {
        clear_timeout(self.timer);
    }

    /// Waits until the bell rings; only for the request that made it.
    pub(super) async fn wait(&self) {
        self.rung.clone().await.ok();
        clear_timeout(self.timer);
    }
}
