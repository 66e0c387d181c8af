//! A way for one request to wait for another one of this isolate.
//!
//! Requests of an isolate must not wake each other's futures: all futures share one run queue, which polls what is woken
//! in the context of whoever woke it, and there the I/O of the other request does not work. A promise is safe: the runtime
//! runs what waits for it in the context of the request that made it, and not at all when that request is gone. So a
//! request waits for a promise of its own, which others may resolve. With its timer the request also has something
//! pending of its own, without which the runtime would take it for one that hangs.

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

/// Wakes the request that made it, once: when it is rung, or when its time is over.
pub(super) struct Bell {
    rung: Promise,
    ring: Function,
    timer: f64,
}

impl Bell {
    /// A bell of the current request that rings by itself after so long.
    pub(super) fn new(timeout_ms: u32) -> Self {
        // Not `new Promise`: V8's optimised code makes promises that the runtime takes for nobody's, and runs what waits
        // for them in the context of whoever resolves them.
        let made = Promise::with_resolvers();
        let (rung, ring) = (made.promise(), made.resolve().unchecked_into());
        let timer = set_timeout(&ring, timeout_ms);
        Self { rung, ring, timer }
    }

    /// Wakes the request that made the bell; from any request, and also after it is gone.
    pub(super) fn ring(&self) {
        self.ring.call0(&JsValue::UNDEFINED).ok();
    }

    /// Resolves when it rings; only for the request that made the bell.
    pub(super) const fn rung(&self) -> &Promise {
        &self.rung
    }

    /// Ends its timer; only for the request that made the bell.
    pub(super) fn silence(&self) {
        clear_timeout(self.timer);
    }

    /// Waits for the ring; only for the request that made the bell.
    pub(super) async fn wait(&self) {
        self.rung.clone().await.ok();
        clear_timeout(self.timer);
    }
}
