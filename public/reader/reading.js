// @ts-check
/** Reads a fixed range, and again while its last steps are open. It does not touch the document. */

import { pause_ms } from "../live/pause.mjs";
import { Problem, isRetried } from "../live/problem.mjs";
import { keptStep } from "../live/step.mjs";
import { EMPTY, viewOf } from "../live/view.mjs";
import { topOf } from "./feed.js";
import { spanOf, chartStep } from "./range.js";

/** @import { View } from "../live/view.mjs" */
/** @import { Rollup } from "./api.js" */
/** @import { Wish } from "./feed.js" */

/** @typedef {{ state: string, problem: Problem | null, view: View }} Reading */

/** The API's status for steps that are no longer kept, and for an answer that would be too large. */
const UNPROCESSABLE = 422;

/** The most series to ask for, as many as of a live reading; the chart picks from them. */
const MOST_SERIES = 1000;

/** When an open step is read again: this long after its end, and at the latest after an hour. */
const AGAIN_MS = 9000;
const LATEST_AGAIN_MS = 3_600_000;

/** Aggregates of a window that don't follow from its steps. */
const RANKED = /^(p\d|distinct:)/;

/**
 * Reads steps as wide as the chart wants them, else the finest that are still kept, as a live reader does.
 * @param {typeof import("./api.js").readRollup} readRollup
 * @param {Wish} wish
 * @param {{ from: number, to: number, step: number }} span
 * @param {AbortSignal} signal
 * @returns {Promise<Rollup>}
 */
export async function readSpan(readRollup, { access, spec }, { from, to, step }, signal) {
  const { agg, by, where } = spec;
  const read = (/** @type {{ step?: number, top?: number }} */ how) => readRollup(access, { from, to, agg, by, where, top: topOf(spec), hasTotals: true, ...how }, signal);
  try {
    // For these the chart ranks series by their highest step, as it does live.
    return await read({ step, ...(RANKED.test(agg) && { top: MOST_SERIES }) });
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== UNPROCESSABLE) throw error;
    const free = await read({});
    const kept = keptStep(free.step, step);
    return kept === free.step ? free : read({ step: kept });
  }
}

/**
 * @param {Wish} wish
 * @param {object} needs
 * @param {typeof import("./api.js").readRollup} needs.readRollup
 * @param {() => number} needs.now_s
 * @param {AbortSignal} needs.signal ends it
 * @param {number | null} needs.step null for the step that suits the length
 * @param {(view: View) => Promise<number>} needs.fit the step that the view should have
 * @param {(reading: Reading) => void} needs.onread
 */
export function readOver(wish, { readRollup, now_s, signal, step, fit, onread }) {
  const { from, to } = spanOf(wish.range, now_s());
  let last = /** @type {View | null} */ (null);
  let wanted = step ?? chartStep(to - from, wish.spec.kind === "bars");
  let failures = 0;
  let timer = 0;
  const again = (/** @type {number} */ delay_ms) => (timer = Number(setTimeout(read, delay_ms)));
  signal.addEventListener("abort", () => clearTimeout(timer));

  /** @returns {Promise<void>} */
  async function read() {
    try {
      const rollup = await readSpan(readRollup, wish, { from, to, step: wanted }, signal);
      const view = viewOf(rollup);
      const fitting = await fit(view);
      if (signal.aborted) return;
      if (fitting !== view.step && fitting !== wanted) {
        wanted = fitting;
        return read();
      }
      last = view;
      failures = 0;
      onread({ state: "over", problem: null, view });
      const wait_ms = Math.max((view.until + view.step - Number(rollup.now)) * 1000, 0) + AGAIN_MS;
      if (view.until < view.to) again(Math.min(wait_ms, LATEST_AGAIN_MS));
    } catch (error) {
      if (!signal.aborted) fail(error);
    }
  }

  /** @param {unknown} problem */
  function fail(problem) {
    if (!(problem instanceof Problem)) throw problem;
    const { status } = problem;
    const end = status === 401 || status === 403 ? "denied" : status === 404 ? "missing" : "refused";
    onread({ state: isRetried(problem) ? "offline" : end, problem, view: last ?? EMPTY });
    if (isRetried(problem)) again(Math.max(pause_ms(++failures, Math.random()), problem.retryAfter_s * 1000));
  }

  read();
}
