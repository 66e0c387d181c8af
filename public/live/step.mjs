// @ts-check
/** How wide the steps of a window are: for the page, the chart and the reader alike. Pure. */

/** Widths that divide hours, days and weeks. */
const STEPS_S = [10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800];

/** Steps of a chart: as many as lines can show, and as bars can. */
export const MOST_STEPS = 360;
export const MOST_BARS = 100;

/** With fewer there is no course to be seen. */
const FEWEST_STEPS = 12;

/** The API takes multiples of this, and so many steps; a window that is widened to whole steps has one more. */
const UNIT_S = 10;
const MOST_ALLOWED = 11_000 - 1;

/**
 * The finest width that gives a window at most so many steps.
 * @param {number} window_s
 * @param {number} [most]
 * @param {number} [least_s] no finer than this
 */
export function stepOf(window_s, most = MOST_STEPS, least_s = 0) {
  return STEPS_S.find((step) => step >= least_s && window_s / step <= most) ?? Math.max(least_s, /** @type {number} */ (STEPS_S.at(-1)));
}

/** The width that was asked for, or where the API has no such steps the next wider one that it has. @param {number} window_s @param {number} asked_s */
export function allowedStep(window_s, asked_s) {
  const step = Math.ceil(asked_s / UNIT_S) * UNIT_S;
  return window_s / step <= MOST_ALLOWED ? step : stepOf(window_s, MOST_ALLOWED, step);
}

/**
 * A width for a time of which finer steps are not kept.
 * @param {number} kept_s what the API chose; its multiples are kept too
 * @param {number} asked_s
 */
export function keptStep(kept_s, asked_s) {
  return STEPS_S.find((step) => step >= asked_s && step % kept_s === 0 && step <= 2 * kept_s) ?? kept_s;
}

/**
 * The step in which sums are whole numbers, where there is one: points with a period are spread over the steps that it covers, so
 * whole points come in pieces where steps are narrower. What is not whole in itself stays as it is.
 * @param {{ from: number, step: number, until: number, series: Record<string, any>[] }} view of sums
 */
export function wholeStep({ from, step, until, series }) {
  const columns = series.map(({ sum }) => /** @type {(number | null)[]} */ (sum.slice(0, (until - from) / step)));
  const pieces = columns.flatMap((column) => column.filter((value) => value !== null && !isWhole(value))).length;
  if (pieces === 0) return step;

  /** Whether the whole groups of steps have whole sums, and most of the pieces. @param {number} width */
  const fits = (width) => {
    const [first, last] = [Math.ceil(from / width) * width, Math.floor(until / width) * width];
    let put = 0;
    for (const column of columns) {
      for (let at = (first - from) / step; at < (last - from) / step; at += width / step) {
        const group = column.slice(at, at + width / step);
        if (!isWhole(group.reduce((sum, value) => Number(sum) + Number(value), 0))) return false;
        put += group.filter((value) => !isWhole(value)).length;
      }
    }
    return put * 2 > pieces;
  };
  return STEPS_S.find((width) => width > step && width % step === 0 && (until - from) / width >= FEWEST_STEPS && fits(width)) ?? step;
}

/** But for what adding up pieces loses. @param {number | null} value */
function isWhole(value) {
  const number = Number(value);
  return Math.abs(number - Math.round(number)) <= 1e-9 * Math.max(1, Math.abs(number));
}
