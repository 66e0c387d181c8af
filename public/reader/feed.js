// @ts-check
/**
 * What one chart shows, kept up to date: followed live with reader.mjs, or read once where the time is over; and, where that
 * is wanted, the period before. It knows no document; network and clock are arguments.
 */

import { Problem, isRetried } from "../live/problem.mjs";
import { pause_ms } from "../live/pause.mjs";
import { keptStep, wholeStep } from "../live/step.mjs";
import { EMPTY, viewOf } from "../live/window.mjs";
import { PREVIOUS_STEPS, previousView } from "./previous.js";
import { isLive, lengthOf, spanOf, stepOf } from "./range.js";

/** @import { View } from "../live/window.mjs" */
/** @import { Reader } from "../reader.mjs" */
/** @import { Spec } from "./address.js" */
/** @import { Access, Rollup } from "./api.js" */
/** @import { Range } from "./range.js" */

/** @typedef {{ access: Access, range: Range, spec: Spec }} Wish */

/**
 * @typedef {object} Shown
 * @property {string} state as of a reader, and `over` for a time that stays
 * @property {Problem | null} problem
 * @property {View} view
 * @property {View | null} previous the period before, on the times of this one
 */

/** The API's status for steps that are not kept for that time, and for what would be too much. */
const UNPROCESSABLE = 422;

/** As many series as are followed live, of which the chart picks; and after how long an open step is read again, at least. */
const MOST_SERIES = 1000;
const AGAIN_MS = 6000;
const LATEST_AGAIN_MS = 3_600_000;

/**
 * @param {object} needs
 * @param {typeof import("../reader.mjs").open} needs.open
 * @param {Pick<typeof import("./api.js"), "readRollup">} needs.api
 * @param {() => number} needs.now_s
 * @param {() => void} needs.onchange
 */
export function createFeed({ open, api, now_s, onchange }) {
  let asked = "";
  let reader = /** @type {Reader | null} */ (null);
  let over = /** @type {{ state: string, problem: Problem | null, view: View }} */ ({ state: "closed", problem: null, view: EMPTY });
  let before = /** @type {{ from: number, rollup: Rollup } | null} */ (null);
  /** The step in which sums are whole; null until that is known. */
  let whole = /** @type {number | null} */ (null);
  let wanted = /** @type {Wish | null} */ (null);
  let reads = new AbortController();
  let isAskingBefore = false;
  let timer = 0;
  let failures = 0;
  let joined = /** @type {{ view: View, rollup: unknown, previous: View } | null} */ (null);

  function stop() {
    reader?.close();
    reader = null;
    reads.abort();
    reads = new AbortController();
    clearTimeout(timer);
    before = null;
    isAskingBefore = false;
    failures = 0;
  }

  /** Turns to another question; the same one goes on as it is, however it is looked at. @param {Wish | null} wish */
  function ask(wish) {
    const text = questionOf(wish);
    wanted = wish;
    if (text === asked) return void askBefore();
    asked = text;
    whole = null;
    stop();
    over = { state: wish ? "connecting" : "closed", problem: null, view: EMPTY };
    if (wish && isLive(wish.range)) follow(wish);
    else if (wish) readOver(wish);
    onchange();
  }

  /** @param {Wish} wish */
  function follow({ access, range, spec }) {
    const { agg, by, where, kind } = spec;
    const length_s = lengthOf(range);
    try {
      reader = open({ ...access, agg, by, where, top: topOf(spec), step: whole ?? stepOf(length_s, kind === "bars"), window: length_s });
      reader.onchange = ({ view }) => {
        if (isFitted(view, spec)) return void (onchange(), askBefore());
        stop();
        follow({ access, range, spec });
      };
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      over = { state: "refused", problem: new Problem({ status: 400, title: "This chart can't be drawn", detail: error.message }), view: EMPTY };
    }
  }

  /** Whether its steps are those in which sums are whole; looked at once. @param {View} view @param {Spec} spec */
  function isFitted(view, { agg }) {
    if (whole !== null || view.series.length === 0) return true;
    whole = agg === "sum" ? wholeStep(view) : view.step;
    return whole === view.step;
  }

  /** @param {Wish} wish @returns {Promise<void>} */
  async function readOver(wish) {
    const { signal } = reads;
    const { from, to } = spanOf(wish.range, now_s());
    try {
      const rollup = await readSpan(wish, { from, to, step: whole ?? stepOf(to - from, wish.spec.kind === "bars") }, signal);
      if (signal.aborted) return;
      const view = viewOf(rollup);
      if (!isFitted(view, wish.spec)) return readOver(wish);
      over = { state: "over", problem: null, view };
      failures = 0;
      // What is open still is read again when it should be complete.
      if (view.until < view.to) timer = Number(setTimeout(() => readOver(wish), Math.min(Math.max((view.until + view.step - Number(rollup.now)) * 1000, 0) + AGAIN_MS, LATEST_AGAIN_MS)));
      askBefore();
    } catch (error) {
      if (signal.aborted) return;
      fail(/** @type {Problem} */ (error), wish);
    }
    onchange();
  }

  /** @param {Problem} problem @param {Wish} wish */
  function fail(problem, wish) {
    if (!(problem instanceof Problem)) throw problem;
    const { status } = problem;
    const end = status === 401 || status === 403 ? "denied" : status === 404 ? "missing" : "refused";
    over = { ...over, state: isRetried(problem) ? "offline" : end, problem };
    if (isRetried(problem)) timer = Number(setTimeout(() => readOver(wish), Math.max(pause_ms(++failures, Math.random()), problem.retryAfter_s * 1000)));
  }

  /**
   * Steps as wide as the chart wants them, else as wide as they are kept for that time, as a reader would.
   * @param {Wish} wish
   * @param {{ from: number, to: number, step: number }} span
   * @param {AbortSignal} signal
   */
  async function readSpan({ access, spec }, { from, to, step }, signal) {
    const { agg, by, where } = spec;
    const read = (/** @type {{ step?: number, top?: number }} */ how) => api.readRollup(access, { from, to, agg, by, where, top: topOf(spec), hasTotals: HAS_RATIO.test(agg), ...how }, signal);
    try {
      // Where steps don't tell, the chart ranks series as it does live: by their highest step.
      return await read({ step, ...(RANKED.test(agg) && { top: MOST_SERIES }) });
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== UNPROCESSABLE) throw error;
      const free = await read({});
      const kept = keptStep(free.step, step);
      return kept === free.step ? free : read({ step: kept });
    }
  }

  /** Asks for the period before, with some steps of what follows it: then a window that moves on has them. */
  async function askBefore() {
    const { view } = shown();
    const { from, to, step } = view;
    if (!wanted?.spec.compare || step === 0 || isAskingBefore) return;
    if (before && from - before.from < PREVIOUS_STEPS * step && from >= before.from && before.rollup.step === step) return;
    isAskingBefore = true;
    const { signal } = reads;
    try {
      const rollup = await readSpan(wanted, { from: from - (to - from), to: from + PREVIOUS_STEPS * step, step }, signal);
      if (signal.aborted) return;
      before = { from, rollup };
      isAskingBefore = false;
      onchange();
    } catch (error) {
      // The chart itself is there; the next step asks again.
      if (!signal.aborted) isAskingBefore = false;
      if (!(error instanceof Problem)) throw error;
    }
  }

  /** @returns {Shown} */
  function shown() {
    const { state, problem, view } = reader ?? over;
    if (!wanted?.spec.compare || !before || before.rollup.step !== view.step) return { state, problem, view, previous: null };
    if (joined?.view !== view || joined.rollup !== before.rollup) joined = { view, rollup: before.rollup, previous: previousView(view, before.rollup) };
    return { state, problem, view, previous: joined.previous };
  }

  return { ask, shown, close: () => ask(null) };
}

/** What is over the window what its steps are not. */
const HAS_RATIO = /\bratio\b/;
const RANKED = /^(p\d|distinct:)/;

/** Each series has a line for each aggregate. @param {Spec} spec */
function topOf({ agg, top }) {
  return Math.max(1, Math.floor(top / new Set(agg.split(",")).size));
}

/** @param {Wish | null} wish */
function questionOf(wish) {
  if (!wish) return "";
  const { access, range, spec: { agg, by, where, top, kind } } = wish;
  return JSON.stringify([access, range, agg, by, where, top, kind === "bars"]);
}
