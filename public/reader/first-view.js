// @ts-check
/**
 * The first view of a stream whose address says nothing. A sum over several metrics has no meaning, so a stream with a
 * label `metric` begins with the metric that has the most points.
 */

import { formatMatcher } from "./matcher.js";
import { isLive, lengthOf } from "./range.js";

/** @import { Access, readRollup } from "./api.js" */
/** @import { Range } from "./range.js" */

const LABEL = "metric";

/** Looks back this far where the range has no metric. */
const LONG_AGO = "-7d";

/**
 * @param {typeof readRollup} read
 * @param {Access} access
 * @param {Range} range
 * @returns {Promise<string | null>} a filter; null where none is needed, or the stream can't be read
 */
export async function firstFilter(read, access, range) {
  const spans = isLive(range) ? [[`-${lengthOf(range)}s`, "now"], [LONG_AGO, "now"]] : [[range.from, range.to]];
  for (const [from, to] of spans) {
    // Points without the label are one group: the largest metric is one of the two largest.
    const rollup = await read(access, { from, to, agg: "count", by: LABEL, where: [], top: 2 }).catch(() => null);
    const metric = rollup?.series.find(({ labels }) => Object.hasOwn(labels, LABEL));
    if (metric) return rollup && rollup.series.length > 1 ? formatMatcher({ label: LABEL, test: "=", value: metric.labels[LABEL] }) : null;
  }
  return null;
}

/** Whether an address names only a stream and a time. @param {string} search `location.search` */
export function isBare(search) {
  return [...new URLSearchParams(search).keys()].every((name) => ["stream", "from", "to", "zone"].includes(name));
}
