// @ts-check
/** The largest series of a window, and one series for all others. Pure. */

import { ratioOf } from "../live/view.mjs";
import { addsUp } from "./aggregates.mjs";

/** @import { Column, Series, View } from "../live/view.mjs" */

/**
 * The largest series, and one for all others where their steps can be merged.
 * @param {View} view
 * @param {number} most series to keep
 */
export function folded({ agg, times, series, totals, parts }, most) {
  const all = series.map((one, i) => ({ one, totals: totals[i], parts: parts?.[i] })).filter(({ one }) => !one.previous);
  const named = all.filter(({ one }) => !one.other);
  const shown = named.slice(0, most);
  const beyond = [...named.slice(most), ...all.filter(({ one }) => one.other)];
  const rest = restOf(beyond, agg, times.length);
  const hasRest = agg.some((name) => rest.one[name].some((/** @type {number | null} */ value) => value !== null));
  const drawn = hasRest ? [...shown, rest] : shown;
  return { series: drawn.map(({ one }) => one), totals: drawn.map(({ totals }) => totals ?? {}), note: noteOf(shown.length, named.length, beyond.length > 0, hasRest) };
}

/** @typedef {{ one: Series, totals: Record<string, number | null>, parts?: { n: Column, d: Column } }} Group */

/** @param {Group[]} groups @param {string[]} aggs @param {number} length @returns {Group} */
function restOf(groups, aggs, length) {
  const rest = /** @type {Group} */ ({ one: { labels: {}, other: true }, totals: {} });
  const none = /** @type {Column} */ (new Array(length).fill(null));
  const put = (/** @type {Column[]} */ columns, how = plus) => columns.reduce((sum, column) => sum.map((value, i) => both(value, column[i], how)), none);
  for (const agg of aggs) {
    const how = addsUp(agg) ? plus : agg === "min" ? Math.min : agg === "max" ? Math.max : null;
    const parts = agg === "ratio" ? groups.flatMap((group) => group.parts ?? []) : [];
    if (how || (agg === "ratio" && groups.length === 1)) {
      rest.one[agg] = put(groups.map(({ one }) => one[agg]), how ?? plus);
      [rest.totals[agg]] = put(groups.map(({ totals }) => [totals[agg] ?? null]), how ?? plus);
    } else if (parts.length > 0 && parts.length === groups.length) {
      const [n, d] = [put(parts.map(({ n }) => n)), put(parts.map(({ d }) => d))];
      rest.one[agg] = none.map((_, i) => ratioOf([{ n: [n[i]], d: [d[i]] }]));
      rest.totals[agg] = ratioOf([{ n, d }]);
    } else rest.one[agg] = none;
  }
  return rest;
}

/** @param {number} a @param {number} b */
const plus = (a, b) => a + b;

/** @param {number | null} a @param {number | null} b @param {(a: number, b: number) => number} put */
function both(a, b, put) {
  return a === null ? b : b === null ? a : put(a, b);
}

/** @param {number} shown @param {number} all @param {boolean} isMore @param {boolean} hasRest */
function noteOf(shown, all, isMore, hasRest) {
  if (all > shown) return `The ${shown} largest of ${all.toLocaleString()} series${hasRest ? "; the rest is “all others”" : " are shown"}.`;
  return isMore ? `The ${shown} largest series${hasRest ? "; the rest is “all others”" : " are shown"}.` : "";
}
