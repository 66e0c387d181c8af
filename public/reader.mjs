// @ts-check
/**
 * Follows a stream from any page: a rolled-up window that stays up to date by itself.
 *
 *   import * as heartbeat from "https://HOST/reader.mjs";
 *   const s = heartbeat.open({ stream, key, by: "country", step: "10s", window: "1h" });
 *   s.onchange = () => draw(s.times, s.series);
 */

import { connect } from "./live/connection.mjs";
import { queryOf } from "./live/query.mjs";

/** @import { Options } from "./live/query.mjs" */

export { Problem } from "./live/problem.mjs";

/** @typedef {ReturnType<typeof open>} Reader */

/**
 * @param {Options} options
 * @throws {TypeError} that names the option
 */
export function open(options) {
  const query = queryOf(options, new URL(import.meta.url).origin);
  const reader = {
    /** Called after every change, at most once for all that changed at the same moment. @type {((reader: any) => void) | null} */
    onchange: null,
    /** `connecting`, `live`, `offline`, `paused`, or for good `denied`, `missing`, `refused`, `closed`. */
    get state() { return connection.state; },
    /** What the server said, in the states that it is the reason of. */
    get problem() { return connection.problem; },
    /** How messages come: `websocket`, `events`, `deltas` or `rollup`. */
    get way() { return connection.way; },
    /** All of the window at once, the same object until something changes. */
    get view() { return connection.view; },
    /** Unix seconds; the window is `[from, to)`. */
    get from() { return connection.view.from; },
    get to() { return connection.view.to; },
    /** Seconds. */
    get step() { return connection.view.step; },
    get agg() { return connection.view.agg; },
    /** The start of each step. */
    get times() { return connection.view.times; },
    /** As `rollup` answers them, largest first: `{labels, sum: [12, null, ..]}`, a column per aggregate. */
    get series() { return connection.view.series; },
    /** Of each series over the whole window, null where steps don't tell it. */
    get totals() { return connection.view.totals; },
    close: () => connection.close(),
  };
  const connection = connect(query, surroundings(), () => reader.onchange?.(reader));
  return reader;
}

function surroundings() {
  return {
    fetch: (/** @type {RequestInfo | URL} */ input, /** @type {RequestInit | undefined} */ init) => fetch(input, init),
    WebSocket: globalThis.WebSocket,
    EventSource: globalThis.EventSource,
    setTimeout: (/** @type {() => void} */ run, /** @type {number} */ delay_ms) => setTimeout(run, delay_ms),
    clearTimeout: (/** @type {any} */ timer) => clearTimeout(timer),
    now_ms: Date.now,
    random: Math.random,
    page: globalThis.document ?? null,
    network: globalThis.window ?? null,
  };
}
