// @ts-check
/**
 * One open stream: what is asked for, what came, what went wrong. It knows no document; every change is one new
 * immutable view, handed to `onchange`.
 */

import { Problem, isRetried } from "../live/problem.mjs";
import { START, STEPS } from "./address.js";
import { SLOTS } from "../chart/palette.mjs";
import { viewOf } from "../live/window.mjs";

/** @import { Address } from "./address.js" */
/** @import { Label } from "./api.js" */
/** @import { Outcome } from "./poll.js" */
/** @import { View as Window } from "../live/window.mjs" */

/**
 * @typedef {object} View
 * @property {Address} address
 * @property {boolean} isLoading
 * @property {Window | null} chart the last that came, null until then; after a failure it may be older than `problem`
 * @property {Label[]} labels
 * @property {Problem | null} problem why the last load failed
 * @property {number | null} updated_s when `chart` came
 */

/** @type {View} */
const NOTHING = { address: START, isLoading: false, chart: null, labels: [], problem: null, updated_s: null };

/**
 * @param {object} needs
 * @param {Pick<typeof import("./api.js"), "readRollup" | "readLabels">} needs.api
 * @param {() => number} needs.now_s
 * @param {(view: View) => void} needs.onchange
 */
export function createSession({ api, now_s, onchange }) {
  let view = NOTHING;
  let areLabelsStale = true;
  let inFlight = new AbortController();

  /** @param {Partial<View>} change */
  function show(change) {
    view = { ...view, ...change };
    onchange(view);
  }

  /**
   * Turns to another address; what was loaded of the same stream with the same key stays until new data comes.
   * @param {Address} address
   */
  function open(address) {
    inFlight.abort();
    const isSame = address.stream === view.address.stream && address.key === view.address.key;
    if (!isSame) areLabelsStale = true;
    show(isSame ? { address, problem: null } : { ...NOTHING, address });
  }

  /** @returns {Promise<Outcome>} */
  async function load() {
    inFlight.abort();
    const { signal } = (inFlight = new AbortController());
    show({ isLoading: true });
    try {
      const loaded = await fetchAll(signal);
      if (signal.aborted) return { kind: "stop" };
      show({ ...loaded, isLoading: false, problem: null, updated_s: now_s() });
      areLabelsStale = isEmpty(loaded.chart);
      return { kind: "done" };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (signal.aborted) return { kind: "stop" };
      show({ isLoading: false, problem: error, ...(isRetried(error) ? {} : { chart: null }) });
      return isRetried(error) ? { kind: "retry", after_s: error.retryAfter_s } : { kind: "stop" };
    }
  }

  /** @param {AbortSignal} signal */
  async function fetchAll(signal) {
    const { address } = view;
    const [rollup, labels] = await Promise.all([
      api.readRollup(address, { ...address, step: STEPS[address.from], top: SLOTS }, signal),
      areLabelsStale ? api.readLabels(address, signal) : view.labels,
    ]);
    return { labels, chart: viewOf(rollup) };
  }

  /** The next load asks for the labels again: by hand, and after a write. */
  function expectLabels() {
    areLabelsStale = true;
  }

  return { open, load, expectLabels, get view() { return view; } };
}

/** Whether no point is in a window. @param {Window} chart */
export function isEmpty({ agg, series }) {
  return series.every((one) => agg.every((name) => one[name].every((/** @type {number | null} */ value) => value === null)));
}
