// @ts-check
/** A window of series at a moment, and the numbers that follow from its steps: totals, ranks, complete steps. Pure. */

/** How long after its end a step is complete: writers gather points for a few seconds. */
export const LATE_S = 8;

/** @typedef {(number | null)[]} Column a value per step; null is a gap */
/**
 * @typedef {{ labels: Record<string, string>, other?: boolean } & Record<string, any>} Series as in the API's rollup: a
 *   column per aggregate
 */

/**
 * @typedef {object} View a window at a moment; the first six are as in the API's rollup
 * @property {number} from Unix seconds
 * @property {number} to
 * @property {number} step seconds
 * @property {string[]} agg
 * @property {number[]} times
 * @property {Series[]} series largest first
 * @property {Record<string, number | null>[]} totals of each series, over the window (`rate`: its complete steps);
 *   null where a total does not follow from the steps
 * @property {number} until steps that begin here or later are still open: more may come
 * @property {{ n: Column, d: Column }[]} [parts] of each series, where ratios are asked for and known
 */

/** Before anything has come. @type {View} */
export const EMPTY = Object.freeze({ from: 0, to: 0, step: 0, agg: [], times: [], series: [], totals: [], until: 0 });

/**
 * The API's answer to `rollup` as a view, ranked as a live window ranks. A ratio's total does not follow from its
 * steps: it is null unless the answer has it (`totals=1`).
 * @param {Omit<View, "totals" | "until" | "parts"> & { now?: number }} rollup `now` is when the server answered;
 *   absent: long after
 * @returns {View}
 */
export function viewOf({ from, to, step, agg, times, series, now = Infinity }) {
  const until = untilOf({ from, to, step }, now - LATE_S);
  const all = series.map((one) => {
    const totals = Object.fromEntries(agg.map((name) => [name, name === "ratio" ? one.total?.ratio ?? null : totalOf(name, one[name], (until - from) / step)]));
    return { one, totals, rank: one.other ? -Infinity : rankOf(totals[agg[0]], one[agg[0]]) };
  });
  all.sort((a, b) => b.rank - a.rank || 0);
  return { from, to, step, agg, times, series: all.map(({ one }) => one), totals: all.map(({ totals }) => totals), until };
}

/** How many steps are complete, from the first on. @param {Pick<View, "from" | "step" | "until">} view */
export function completeOf({ from, step, until }) {
  return step > 0 ? (until - from) / step : 0;
}

/**
 * The end of the last step that has ended by a clock, within the window.
 * @param {Pick<View, "from" | "to" | "step">} window
 * @param {number} now_s
 */
export function untilOf({ from, to, step }, now_s) {
  return Math.min(to, Math.max(from, Math.floor(now_s / step) * step));
}

/** The ratio over all steps of some series. @param {{ n: Column, d: Column }[]} parts */
export function ratioOf(parts) {
  return over(sumOf(parts.flatMap(({ n }) => sumOf(n))), sumOf(parts.flatMap(({ d }) => sumOf(d))));
}

/** An id for a set of labels, whatever their order. @param {Record<string, string>} labels */
export function idOf(labels) {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * The column of an aggregate, from the fields that the server sends.
 * @param {string} name an aggregate
 * @param {Column} n
 * @param {Column} d
 * @param {number} step
 * @param {(field: string) => Column} read
 * @returns {Column}
 */
export function columnOf(name, n, d, step, read) {
  if (name === "sum") return n;
  if (name === "rate") return n.map((value) => over(value, step));
  if (name === "ratio") return n.map((value, i) => over(value, d[i]));
  return read(name);
}

/**
 * An aggregate over the whole window; null where it does not follow from its steps.
 * @param {string} name
 * @param {Column} column
 * @param {number} complete how many steps are complete, from the first on: an open one would lower a rate
 * @returns {number | null}
 */
export function totalOf(name, column, complete) {
  const known = column.filter((value) => value !== null);
  if (known.length === 0) return null;
  if (name === "sum" || name === "count") return sumOf(column);
  if (name === "rate") return over(sumOf(column.slice(0, complete)), complete);
  if (name === "min") return known.reduce((a, b) => Math.min(a, b));
  if (name === "max") return known.reduce((a, b) => Math.max(a, b));
  return null;
}

/**
 * The number that orders series: the total, else the highest step.
 * @param {number | null} total
 * @param {Column} column
 */
export function rankOf(total, column) {
  return total ?? highest(column) ?? -Infinity;
}

/** The highest value; null where all are gaps. @param {Column} column @returns {number | null} */
export function highest(column) {
  return column.reduce((most, value) => (value !== null && (most === null || value > most) ? value : most), null);
}

/** @param {number | null} a @param {number | null} b */
function over(a, b) {
  return a === null || !b ? null : a / b;
}

/** @param {Column} column */
function sumOf(column) {
  let sum = /** @type {number | null} */ (null);
  for (const value of column) if (value !== null) sum = (sum ?? 0) + value;
  return sum;
}
