//! How fast a body must arrive: an upload that idles or crawls occupies a place and memory that others need.

use js_sys::{Array, Promise};
use wasm_bindgen::JsValue;
use worker::{js_sys, wasm_bindgen};

use super::bell::Bell;
use super::problem::Problem;
use super::{room, uploads};

/// The time between two checks.
const TICK_MS: u32 = 2_000;
/// Within this many ticks, 10 s...
const TICKS_OF_WINDOW: u32 = 5;
/// ...this much must arrive, or the whole body. A page's body has a few hundred bytes and arrives at once; the slowest
/// mobile networks (GPRS) carry 3 KiB per second.
const WINDOW_BYTES: usize = 8 << 10;
/// The whole body may take a minute, so the largest needs 17.5 KiB per second.
const MAX_TICKS: u32 = 30;
/// When memory or places are scarce, this much must arrive in each tick.
const CROWDED_TICK_BYTES: usize = 4 << 10;
/// A body that is read and discarded gets less time.
pub(super) const MAX_DRAIN_TICKS: u32 = 3;

/// The pace of one upload, with a timer of its request.
pub(super) struct Pace {
    bell: Bell,
    count: Count,
}

/// What has arrived, and when.
#[derive(Default)]
struct Count {
    ticks: u32,
    tick_bytes: usize,
    window_bytes: usize,
}

impl Pace {
    pub(super) fn begin() -> Self {
        Self { bell: Bell::new(TICK_MS), count: Count::default() }
    }

    /// The result of a promise of this request; `None` when it is time to check first. Not a select of futures: a
    /// future that is dropped while its promise is pending stays in memory until the promise settles, which that of an
    /// upload may never do.
    pub(super) async fn race(&self, promise: &Promise) -> Result<Option<JsValue>, JsValue> {
        let first = Promise::race(&Array::of2(promise, self.bell.rung())).await?;
        Ok((!first.is_undefined()).then_some(first))
    }

    /// Counts what has arrived.
    pub(super) fn arrived(&mut self, bytes: usize) {
        self.count.arrived(bytes);
    }

    /// Checks whether the upload may continue.
    pub(super) fn tick(&mut self) -> Result<(), Problem> {
        self.count.tick(room::is_crowded() || uploads::are_crowded())?;
        self.bell = Bell::new(TICK_MS);
        Ok(())
    }

    /// The number of ticks so far.
    pub(super) const fn ticks(&self) -> u32 {
        self.count.ticks
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.bell.silence();
    }
}

impl Count {
    const fn arrived(&mut self, bytes: usize) {
        self.tick_bytes += bytes;
        self.window_bytes += bytes;
    }

    fn tick(&mut self, is_crowded: bool) -> Result<(), Problem> {
        self.ticks += 1;
        let is_of_window = self.ticks.is_multiple_of(TICKS_OF_WINDOW);
        let is_slow = is_of_window && self.window_bytes < WINDOW_BYTES || self.ticks >= MAX_TICKS;
        if is_slow {
            return Err(Problem::RequestTimeout);
        }
        if is_crowded && self.tick_bytes < CROWDED_TICK_BYTES {
            return Err(Problem::NoRoomForBody);
        }
        self.tick_bytes = 0;
        if is_of_window {
            self.window_bytes = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of ticks that an upload lives if it delivers this much in each, and why it ends.
    fn life(bytes: usize, is_crowded: bool) -> (u32, Problem) {
        let mut count = Count::default();
        loop {
            count.arrived(bytes);
            if let Err(problem) = count.tick(is_crowded) {
                return (count.ticks, problem);
            }
        }
    }

    #[test]
    fn slow_uploads_end_after_10_s_and_all_after_a_minute() {
        for bytes in [0, 2, WINDOW_BYTES / 5] {
            assert_eq!(life(bytes, false), (5, Problem::RequestTimeout), "{bytes}");
        }
        for bytes in [WINDOW_BYTES / 5 + 1, 1 << 20] {
            assert_eq!(life(bytes, false), (30, Problem::RequestTimeout), "{bytes}");
        }
    }

    #[test]
    fn slow_uploads_end_first_when_memory_is_scarce() {
        assert_eq!(life(CROWDED_TICK_BYTES - 1, true), (1, Problem::NoRoomForBody));
        assert_eq!(life(CROWDED_TICK_BYTES, true), (30, Problem::RequestTimeout));
    }

    #[test]
    fn each_window_is_counted_separately() {
        let mut count = Count::default();
        count.arrived(1 << 20);
        assert!((0..5).all(|_| count.tick(false).is_ok()));
        assert!((0..4).all(|_| count.tick(false).is_ok()));
        assert_eq!(count.tick(false), Err(Problem::RequestTimeout));
    }
}
