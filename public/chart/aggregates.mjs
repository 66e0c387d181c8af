// @ts-check
/** Aggregates in a chart: whether their steps add up, and the names of their numbers. Pure. */

/**
 * The steps of these add up: a chart draws them from zero, stacks them, and folds the smallest series into one.
 * @type {readonly string[]}
 */
const ADDS_UP = ["sum", "count", "rate"];

/**
 * The name of the number that sums up a line; for all other aggregates that is the highest step.
 * @type {Record<string, string>}
 */
const SUMMARIES = { sum: "Total", count: "Total", rate: "Average", ratio: "Overall", min: "Lowest", max: "Highest" };

export const HIGHEST = "Highest";

/** @type {Record<string, string>} */
const TITLES = { sum: "Sum of n", ratio: "Ratio n / d", rate: "n per second", count: "Count of points", min: "Minimum of n / d", max: "Maximum of n / d" };

/** Whether the steps of one aggregate add up. @param {string} agg */
export function addsUp(agg) {
  return ADDS_UP.includes(agg);
}

/**
 * The name of a line's summary; undefined where steps don't give one: then it is the highest step.
 * @param {string} agg
 * @returns {string | undefined}
 */
export function summaryName(agg) {
  return SUMMARIES[agg];
}

/** Whether a chart of these aggregates begins at zero. @param {string[]} aggs */
export function isFromZero(aggs) {
  return aggs.every((agg) => addsUp(agg) || agg.startsWith("distinct:"));
}

/** Whether lines on top of each other show their sum. @param {string[]} aggs */
export function isStackable(aggs) {
  return aggs.length === 1 && addsUp(aggs[0]);
}

/**
 * The title of a chart that has none of its own.
 * @param {string[]} aggs
 * @param {string} by labels with commas between
 */
export function titleOf(aggs, by) {
  const names = aggs.map((agg) => TITLES[agg] ?? (agg.startsWith("distinct:") ? `Distinct ${agg.slice(9)}` : agg));
  const grouping = by === "*" ? "every label" : by.split(",").filter(Boolean).join(", ");
  const what = names.every((name, i) => name === aggs[i]) ? `${names.join(", ")} of n / d` : names.join(", ");
  return grouping ? `${what} by ${grouping}` : what;
}
