// @ts-check
/** The width of a window's steps, for the page, the chart and the reader. Pure. */

/** Widths that divide hours, days and weeks. */
export const STEPS_S = [10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800];

/** The most steps that a chart of lines can show, and one of bars. */
export const MOST_STEPS = 360;
export const MOST_BARS = 100;

/** The API takes multiples of this, and at most 11,000 steps, with room for widening a window to whole steps. */
const UNIT_S = 10;
const MOST_ALLOWED = 11_000 - 2;

/**
 * The finest width that gives a window at most this many steps, or one more where it was widened to whole steps.
 * @param {number} window_s
 * @param {number} [most]
 * @param {number} [least_s] no finer than this
 */
export function stepOf(window_s, most = MOST_STEPS, least_s = 0) {
  return STEPS_S.find((step) => step >= least_s && window_s / step < most + 1) ?? Math.max(least_s, /** @type {number} */ (STEPS_S.at(-1)));
}

/** The width asked for, or the next wider one that the API allows. @param {number} window_s @param {number} asked_s */
export function allowedStep(window_s, asked_s) {
  const step = Math.ceil(asked_s / UNIT_S) * UNIT_S;
  return window_s / step <= MOST_ALLOWED ? step : stepOf(window_s, MOST_ALLOWED, step);
}

/**
 * A width where finer steps are no longer kept.
 * @param {number} kept_s the API's choice; its multiples are kept too
 * @param {number} asked_s
 */
export function keptStep(kept_s, asked_s) {
  return STEPS_S.find((step) => step >= asked_s && step % kept_s === 0 && step <= 2 * kept_s) ?? kept_s;
}
