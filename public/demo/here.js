// @ts-check
/**
 * Reports that this page is visible: heartbeat.js does so every 10 seconds, and this module between, so that each step
 * of 10 seconds has a report even if the network loses one. It is a script of its own, so that it starts soon.
 */

import heartbeat from "../heartbeat.mjs";
import { label, stream } from "./address.js";

/** Half a step: a report that is late by as much still falls into its step or the next. */
const HERE_MS = 5000;

if (stream) write();

function write() {
  let isLeaving = false;
  // Registered before heartbeat.js listens: its last report, on leaving, must not count this page as present.
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
