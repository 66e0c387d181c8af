// @ts-check
/**
 * The numbers of one chart, kept up to date: followed live with reader.mjs, or read once for a fixed range
 * (reading.js); and those of the previous period, where it is compared. It does not touch the document; network and
 * clock are arguments.
 */

import { Problem } from "../live/problem.mjs";
import { EMPTY } from "../live/view.mjs";
import { isLive, lengthOf, chartStep } from "./range.js";

/** @import { View } from "../live/view.mjs" */
/** @import { Reader } from "../reader.mjs" */
/** @import { Spec } from "./address.js" */
/** @import { Access, Rollup } from "./api.js" */
/** @import { Range } from "./range.js" */

/** @typedef {{ access: Access, range: Range, spec: Spec }} Wish */

/**
 * @typedef {object} Shown
 * @property {string} state as of a reader, or `over` for a fixed range
 * @property {Problem | null} problem
 * @property {View} view
 * @property {View | null} previous the previous period, on the times of the present one
 * @property {View | null} compared both, where one chart can show the lines of both
 */

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
  /** The step in which sums are whole numbers; null until it is known. */
  let whole = /** @type {number | null} */ (null);
  let wanted = /** @type {Wish | null} */ (null);
  let reads = new AbortController();
  let isAskingBefore = false;
  let joined = /** @type {{ view: View, rollup: unknown, previous: View, compared: View } | null} */ (null);
  /** Loaded with the first comparison. */
  let periods = /** @type {typeof import("./previous.js") | null} */ (null);

  function stop() {
    reader?.close();
    reader = null;
    reads.abort();
    reads = new AbortController();
    before = null;
    isAskingBefore = false;
  }

  /** Turns to another question; a change of the look alone keeps the numbers. @param {Wish | null} wish */
  function ask(wish) {
    const text = questionOf(wish);
    wanted = wish;
    if (text === asked) return void askBefore();
    asked = text;
    whole = null;
    stop();
    over = { state: wish ? "connecting" : "closed", problem: null, view: EMPTY };
    if (wish && isLive(wish.range)) follow(wish);
    else if (wish) read(wish);
    onchange();
  }

  /** @param {Wish} wish */
  function follow({ access, range, spec }) {
    const { agg, by, where, kind } = spec;
    const length_s = lengthOf(range);
    try {
      reader = open({ ...access, agg, by, where, top: topOf(spec), step: whole ?? chartStep(length_s, kind === "bars"), window: length_s });
      reader.onchange = async ({ view }) => {
        const { signal } = reads;
        if (whole === null && (await fit(view, spec)) !== view.step && !signal.aborted) return (stop(), follow({ access, range, spec }));
        if (!signal.aborted) (onchange(), askBefore());
      };
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      over = { state: "refused", problem: new Problem({ status: 400, title: "This chart can't be drawn", detail: error.message }), view: EMPTY };
    }
  }

  /** The step in which sums are whole numbers; found once. @param {View} view @param {Spec} spec */
  async function fit(view, { agg }) {
    if (whole !== null || view.series.length === 0) return whole ?? view.step;
    const isBroken = agg === "sum" && view.series.some(({ sum }) => sum.some((/** @type {number | null} */ value) => value !== null && !Number.isInteger(value)));
    const step = isBroken ? (await import("../live/whole.mjs")).wholeStep(view) : view.step;
    return (whole ??= step);
  }

  /** @param {Wish} wish */
  async function read(wish) {
    const { signal } = reads;
    const { readOver } = await import("./reading.js");
    if (signal.aborted) return;
    readOver(wish, {
      readRollup: api.readRollup, now_s, signal, step: whole,
      fit: (view) => fit(view, wish.spec),
      onread: (reading) => ((over = reading), askBefore(), onchange()),
    });
  }

  /** Asks for the previous period, and for some more steps: a window that moves on needs them. */
  async function askBefore() {
    if (!wanted?.spec.compare || isAskingBefore) return;
    const [loaded, { readSpan }] = await Promise.all([import("./previous.js"), import("./reading.js")]);
    periods = loaded;
    const { from, to, step } = shown().view;
    if (!wanted?.spec.compare || step === 0 || isAskingBefore) return;
    const more = periods.moreSteps(wanted.spec.agg);
    if (before && from - before.from < Math.max(more, 1) * step && from >= before.from && before.rollup.step === step) return;
    isAskingBefore = true;
    const { signal } = reads;
    try {
      const rollup = await readSpan(api.readRollup, wanted, { from: from - (to - from), to: from + more * step, step }, signal);
      if (signal.aborted) return;
      before = { from, rollup };
      isAskingBefore = false;
      onchange();
    } catch (error) {
      // The present period stays; the next step asks again.
      if (!signal.aborted) isAskingBefore = false;
      if (!(error instanceof Problem)) throw error;
    }
  }

  /** @returns {Shown} */
  function shown() {
    const { state, problem, view } = reader ?? over;
    if (!wanted?.spec.compare || !periods || before?.rollup.step !== view.step) return { state, problem, view, previous: null, compared: null };
    if (joined?.view !== view || joined.rollup !== before.rollup) {
      const previous = periods.previousView(view, before.rollup);
      joined = { view, rollup: before.rollup, previous, compared: periods.comparedView(view, previous) };
    }
    return { state, problem, view, previous: joined.previous, compared: joined.compared };
  }

  return { ask, shown, close: () => ask(null) };
}

/** How many series fit: each has a line per aggregate. @param {Spec} spec */
export function topOf({ agg, top }) {
  return Math.max(1, Math.floor(top / new Set(agg.split(",")).size));
}

/** @param {Wish | null} wish */
function questionOf(wish) {
  if (!wish) return "";
  const { access, range, spec: { agg, by, where, top, kind } } = wish;
  return JSON.stringify([access, range, agg, by, where, top, kind === "bars"]);
}
