// @ts-check
/**
 * What is reported without a call: page views, presence, unhandled errors. Since 2019 a page may come back from the
 * back/forward cache without loading, so a view begins when the page is visible, and ends with `pagehide`.
 */

import { add } from "./add.js";
import { attempt } from "./attempt.js";
import { leave, now_s, random } from "./delivery.js";
import { faultOf } from "./fault.js";
import { options } from "./options.js";

/** The different exceptions so far. @type {string[]} */
const told = [];
const tab = random();
let isSeen = false;
/** @type {any} */
let beat;
let beat_s = 0;

export const startAutomatic = () => {
  if (options.exceptions ?? true) {
    addEventListener("error", ({ error, message }) => exception(error ?? message));
    addEventListener("unhandledrejection", ({ reason }) => exception(reason));
  }
  addEventListener("visibilitychange", () => look());
  addEventListener("pagehide", () => {
    isSeen = false;
    look(true);
  });
  look();
};

/** Shown or hidden, or about to go. */
const look = (isHidden = document.hidden) => {
  if (!isHidden && !isSeen && (options.pageViews ?? true)) pageView();
  isSeen ||= !isHidden;
  present(isHidden);
  if (isHidden) leave();
};

/** @param {boolean} [isLast] */
const present = (isLast) => {
  const BEAT_MS = 10000;
  // A page that slept was not open meanwhile.
  const MAX_BEAT_S = 15;
  // Below this the server takes no period, and a millisecond of our clock may be a little less.
  const MIN_BEAT_S = 0.001;
  const p = Math.min(now_s() - beat_s, MAX_BEAT_S);
  if (beat && p >= MIN_BEAT_S) add({ n: p, p }, false, { event: "presence", ...client() });
  clearTimeout(beat);
  beat = (options.presence ?? true) && !isLast && setTimeout(present, BEAT_MS);
  beat_s = now_s();
};

/** The label for the tab. A sandboxed frame has no storage; then it is the page's. */
const client = () => options.distinct && { [options.distinct]: attempt(() => (sessionStorage.heartbeat ??= tab)) ?? tab };

/** @param {any} [v] */
export const pageView = (v) => add({ n: 1, v }, true, { event: "page_view", path: location.pathname, ...client() });

/** @param {unknown} reason @param {any} [v] */
export const exception = (reason, v) => {
  const fault = faultOf(reason);
  const print = fault.exception + fault.message;
  if (told.includes(print) || (told.length < options.exceptionBudget && told.push(print))) add({ n: 1, v }, true, { ...fault, source: "client" });
};
