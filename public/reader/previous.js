// @ts-check
/** The previous period of a window, on the window's own times, to be compared with it. Pure. */

import { highest, viewOf } from "../live/view.mjs";

export { changeOf } from "../chart/format.mjs";

/** @import { Column, Series, View } from "../live/view.mjs" */
/** @import { Rollup } from "./api.js" */

/** How many steps to ask for beyond the previous period: a window that moves on needs them next. A ratio needs none. */
const MORE_STEPS = 20;

/** @param {string} agg */
export const moreSteps = (agg) => (/\bratio\b/.test(agg) ? 0 : MORE_STEPS);

/** With more series nobody can tell the lines of both periods apart; the table has them all. */
const MOST_DRAWN = 6;

/**
 * @param {View} view
 * @param {Rollup} rollup the answer to the same question, from at least one length of the window earlier
 * @returns {View} with the times of `view`
 */
export function previousView({ from, to, step, agg, times }, rollup) {
  const skipped = Math.round((from - (to - from) - rollup.from) / step);
  const cut = (/** @type {Column} */ column) => times.map((_, i) => column[i + skipped] ?? null);
  // The answer's ratio is for its whole range: that is this period, or was a step ago.
  const isWhole = rollup.to - rollup.from === to - from && skipped <= 1;
  const series = rollup.series.map((one) => ({ ...one, total: isWhole ? one.total : undefined, ...Object.fromEntries(agg.map((name) => [name, cut(one[name])])) }));
  const view = viewOf({ from, to, step, agg, times, series: /** @type {Series[]} */ (series) });
  // As in a chart: the highest step stands for totals that don't follow from the steps, but not for a ratio.
  const totals = view.totals.map((total, i) => Object.fromEntries(agg.map((name) => [name, total[name] ?? (name === "ratio" ? null : highest(view.series[i][name]))])));
  return { ...view, totals };
}

/**
 * The data of a chart: its own series, and where there are few, those of the previous period.
 * @param {View} view
 * @param {View | null} previous
 * @returns {View}
 */
export function comparedView(view, previous) {
  if (!previous || view.series.length > MOST_DRAWN) return view;
  const before = previous.series.filter(({ other }) => !other).map((one) => ({ ...one, previous: true }));
  return { ...view, series: [...view.series, ...before], totals: [...view.totals, ...before.map(() => ({}))] };
}
