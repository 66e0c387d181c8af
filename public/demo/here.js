// @ts-check
/**
 * Says that this page is seen: heartbeat.js does so every 10 seconds, and this module between, so that no step of 10 seconds
 * is without a word, whatever the network does to the one or the other. It is a script of its own, for it to be quick.
 */

import heartbeat from "../heartbeat.mjs";
import { label, stream } from "./address.js";

/** Half a step: one that is late by as much still falls into its step or the next. */
const HERE_MS = 5000;

if (stream) write();

function write() {
  let isLeaving = false;
  // Before heartbeat.js listens: what it writes on leaving tells how long the page was seen, and counts nobody any more.
  addEventListener("pagehide", () => (isLeaving = true));
  addEventListener("pageshow", () => (isLeaving = false));
  addEventListener("visibilitychange", () => {
    isLeaving = document.hidden;
    here();
  });
  heartbeat.init({
    stream,
    distinct: label,
    flushInterval: 1,
    exceptions: false,
    keep: false,
    beforeSend: (/** @type {{ v: Record<string, string> }} */ point) => (isLeaving ? { ...point, v: { ...point.v, [label]: null } } : point),
  });
  heartbeat.flush();
  setInterval(here, HERE_MS);

  function here() {
    if (document.hidden) return;
    heartbeat.pageView({ event: "here" });
    heartbeat.flush();
  }
}
