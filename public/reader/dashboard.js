// @ts-check
/** The page's charts as a file: JSON for people to read, edit and keep. It never has a key. Pure. */

import { MOST_CHARTS, specOf } from "./address.js";
import { rangeOf } from "./range.js";

/** @import { Address } from "./address.js" */

/** Distinguishes the file from other JSON, and from files of later versions. */
const VERSION = 1;

/** @param {Address} address */
export function formatDashboard({ stream, from, to, zone, charts }) {
  return `${JSON.stringify({ heartbeat_dashboard: VERSION, stream, from, to, zone, charts }, null, 2)}\n`;
}

/**
 * @param {string} text
 * @returns {Omit<Address, "key"> | { mistake: string }}
 */
export function parseDashboard(text) {
  const read = parse(text);
  if (read === null || typeof read !== "object") return { mistake: "This file is not JSON." };
  const { heartbeat_dashboard: version, stream, from, to, zone, charts } = read;
  if (version === undefined) return { mistake: "This file is not a dashboard: it has no “heartbeat_dashboard”." };
  if (version !== VERSION) return { mistake: `This dashboard is of version ${String(version)}; this page reads version ${VERSION}.` };
  if (typeof stream !== "string" || stream === "") return { mistake: "The dashboard names no stream." };
  const range = rangeOf(from, to);
  if (!range) return { mistake: "The dashboard's “from” and “to” are not a time range." };
  if (!Array.isArray(charts) || charts.length === 0) return { mistake: "The dashboard has no charts." };
  if (charts.length > MOST_CHARTS) return { mistake: `The dashboard has ${charts.length} charts; at most ${MOST_CHARTS} fit.` };
  return { stream, ...range, zone: zone === "utc" ? "utc" : "local", charts: charts.map((one) => specOf(one ?? {})) };
}

/** @param {string} text @returns {any} */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
