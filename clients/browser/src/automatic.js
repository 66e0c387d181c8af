// @ts-check
/**
 * Reports without a call: page views, presence and unhandled errors.
 *
 * A page may come back from the back/forward cache without loading (Firefox since 1.5, Chrome since 86 on Android and
 * 96 elsewhere), and may load hidden: prerendered, or in a tab in the background. So a view begins when the page
 * becomes visible, and ends with `pagehide`. Safari before 14.1 fired no `visibilitychange` when a page was left, and
 * phones that kill a hidden page fire nothing else: so it listens to both.
 */

import { add } from "./add.js";
import { attempt } from "./attempt.js";
import { leave, now_s, random } from "./delivery.js";
import { faultOf } from "./fault.js";
import { options } from "./options.js";

/** The different exceptions so far, for the budget. @type {string[]} */
const reported = [];
/** The id of this tab; storage keeps it over page loads. */
const tab = random();
/** Whether the present view has been counted. */
let isSeen = false;
/** The timer of the next presence; false or undefined while there is none. @type {any} */
let beat;
/** When presence was last reported, or began. */
let beat_s = 0;

/** Starts to report, as the options say. */
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

/** The page was shown or hidden, or is about to go. */
const look = (isHidden = document.hidden) => {
  if (!isHidden && !isSeen && (options.pageViews ?? true)) pageView();
  isSeen ||= !isHidden;
  present(isHidden);
  if (isHidden) leave();
};

/**
 * Reports the seconds since the last report, and sets the timer for the next one.
 * @param {boolean} [isLast] whether the page is hidden now
 */
const present = (isLast) => {
  const BEAT_MS = 10000;
  // Timers stop while a computer sleeps, and the page was not looked at meanwhile.
  const MAX_BEAT_S = 15;
  // The server's shortest period. A millisecond of our clock may be a little less.
  const MIN_BEAT_S = 0.001;
  const p = Math.min(now_s() - beat_s, MAX_BEAT_S);
  if (beat && p >= MIN_BEAT_S) add({ n: p, p }, false, { event: "presence", ...client() });
  clearTimeout(beat);
  beat = (options.presence ?? true) && !isLast && setTimeout(present, BEAT_MS);
  beat_s = now_s();
};

/** The label with the tab's id. A sandboxed frame has no storage: there the id lasts as long as the page. */
const client = () => options.distinct && { [options.distinct]: attempt(() => (sessionStorage.heartbeat ??= tab)) ?? tab };

/** @param {any} [v] labels */
export const pageView = (v) => add({ n: 1, v }, true, { event: "page_view", path: location.pathname, ...client() });

/**
 * Reports an error, unless the page has had its budget of different ones.
 * @param {unknown} reason
 * @param {any} [v] labels
 */
export const exception = (reason, v) => {
  const fault = faultOf(reason);
  const print = fault.exception + fault.message;
  if (reported.includes(print) || (reported.length < options.exceptionBudget && reported.push(print))) add({ n: 1, v }, true, { ...fault, source: "client" });
};
