// @ts-check
/** Server-sent events: loaded where no WebSocket gets through. */

import { FIRST_MESSAGE_MS, alarm, deliver } from "./transports.mjs";

/** @import { End, Listener, Needs, Transport } from "./transports.mjs" */

/** The server ends a stream of events after 5 minutes: one that lasts longer is dead. */
const LIFETIME_MS = 330_000;

/**
 * @param {string} url of `live`
 * @param {Needs} needs
 * @param {Listener} listener
 * @returns {Transport}
 */
export function openEvents(url, needs, { onmessage, onend }) {
  const source = new /** @type {typeof EventSource} */ (needs.EventSource)(url);
  const deadline = alarm(needs, () => end("lost"));
  deadline.set(FIRST_MESSAGE_MS);

  function close() {
    deadline.clear();
    source.onerror = null;
    source.close();
  }

  /** @param {End} why */
  function end(why) {
    close();
    onend(why);
  }

  let isHeard = false;
  for (const type of ["snapshot", "delta"]) {
    source.addEventListener(type, ({ data }) => {
      if (!isHeard) deadline.set(LIFETIME_MS);
      isHeard = true;
      if (!deliver(data, onmessage)) end("lost");
    });
  }
  // The browser would reconnect automatically, but does not know when to wait longer.
  source.onerror = () => end("lost");
  return { close, check() {} };
}
