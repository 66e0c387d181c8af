// @ts-check
/**
 * Follows a stream from any page: a rolled-up window that stays up to date.
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
    /** Called after each change, once for all changes of a moment. @type {((reader: any) => void) | null} */
    onchange: null,
    /** `connecting`, `live`, `offline`, `paused`, or finally `denied`, `missing`, `refused`, `closed`. */
    get state() { return connection.state; },
    /** The server's reason for the state, if it gave one. */
    get problem() { return connection.problem; },
    /** How messages come: by `websocket` or `events`, or by polls of `deltas` or `rollup`. */
    get way() { return connection.way; },
    /** The whole window; the same object until something changes. */
    get view() { return connection.view; },
    /** Unix seconds; the window is `[from, to)`. */
    get from() { return connection.view.from; },
    get to() { return connection.view.to; },
    /** Seconds. */
    get step() { return connection.view.step; },
    get agg() { return connection.view.agg; },
    /** The start of each step. */
    get times() { return connection.view.times; },
    /** As `rollup` answers them, largest first: `{labels, sum: [12, null, ..]}`, with a column per aggregate. */
    get series() { return connection.view.series; },
    /** The totals of each series over the window (`rate`: its complete steps); null where there is none. */
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
