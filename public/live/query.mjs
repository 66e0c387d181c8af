// @ts-check
/** A reader's question, checked, and the URLs that ask it. Pure. */

import { allowedStep, stepOf } from "./step.mjs";

/**
 * @typedef {object} Options
 * @property {string} stream its id
 * @property {string} [key] the read key; none for a public stream
 * @property {string | string[]} [by] labels to group by: a list, or separated by commas; `*` for all
 * @property {string | string[]} [where] matchers that must all hold, such as `country=US`
 * @property {string | string[]} [agg] `sum` and others, as in the API
 * @property {string | number} [step] such as `10s`, or seconds; when absent, the finest that a chart of the window can
 *   show
 * @property {string | number} [window] its length: such as `1h`, or seconds
 * @property {number} [top] how many groups to keep where a stream has too many to follow live, 1 to 10000
 * @property {string} [host] the deployment, such as `https://heartbeat.example`; when absent, the module's own
 */

/**
 * @typedef {{ host: string, stream: string, key: string, parameters: [string, string][], window: string, step_s:
 *   number, top: number }} Query
 */

const UNITS_S = /** @type {Record<string, number>} */ ({ "": 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 });

/** As many groups as a chart shows. */
const TOP = 100;

/**
 * @param {Options} options
 * @param {string} ownHost where the module came from
 * @returns {Query}
 * @throws {TypeError} that names the option
 */
export function queryOf({ stream, key = "", by = "", where = [], agg = "sum", step, window = "1h", top = TOP, host }, ownHost) {
  if (typeof stream !== "string" || stream === "") throw new TypeError("stream: the id of a stream is missing");
  if (!Number.isInteger(top) || top < 1 || top > 10_000) throw new TypeError(`top: ${top} is not a whole number from 1 to 10000`);
  const parameters = /** @type {[string, string][]} */ ([]);
  const labels = listOf(by).join(",");
  if (labels) parameters.push(["by", labels]);
  for (const matcher of listOf(where)) parameters.push(["where", matcher]);
  parameters.push(["agg", listOf(agg).join(",") || "sum"]);
  const length = durationOf("window", window);
  const step_s = step === undefined ? stepOf(secondsOf(length)) : allowedStep(secondsOf(length), secondsOf(durationOf("step", step)));
  return { host: hostOf(host || ownHost), stream, key, parameters, window: length, step_s, top };
}

/**
 * The URL of a live reading, with the key in it: neither a WebSocket nor server-sent events can send headers.
 * @param {Query} query
 * @param {"live" | "deltas"} path
 * @param {string} after a cursor; empty for a snapshot
 */
export function liveUrl({ host, stream, key, parameters, step_s, window }, path, after) {
  const query = new URLSearchParams([...parameters, ["step", `${step_s}s`], ["window", window]]);
  if (key) query.set("key", key);
  if (after) query.set("after", after);
  return `${host}/v1/streams/${encodeURIComponent(stream)}/${path}?${query}`;
}

/**
 * The URL of a rollup. The key goes in a header.
 * @param {Query} query
 * @param {boolean} [isFree] whether the API chooses the step, among those that it still keeps
 */
export function rollupUrl({ host, stream, parameters, step_s, window, top }, isFree = false) {
  const step = /** @type {[string, string][]} */ (isFree ? [] : [["step", `${step_s}s`]]);
  const query = new URLSearchParams([...parameters, ...step, ["from", `-${window}`], ["top", String(top)]]);
  // A ratio's total does not follow from its steps.
  if (/\bratio\b/.test(query.get("agg") ?? "")) query.set("totals", "1");
  return `${host}/v1/streams/${encodeURIComponent(stream)}/rollup?${query}`;
}

/** Seconds of a duration such as `90`, `10s` or `1h`; NaN if it is not one. @param {string} text */
export function secondsOf(text) {
  const [, number, unit] = /^(\d{1,9})([smhdwy]?)$/.exec(text) ?? [];
  return Number(number) * UNITS_S[unit];
}

/** @param {string} name @param {string | number} value */
function durationOf(name, value) {
  const text = typeof value === "number" ? `${value}s` : String(value).trim();
  if (!(secondsOf(text) > 0)) throw new TypeError(`${name}: ${JSON.stringify(value)} is not a duration such as "10s" or "1h"`);
  // The API has no unit for years.
  return /[\dy]$/.test(text) ? `${secondsOf(text)}s` : text;
}

/** @param {string | string[]} value */
function listOf(value) {
  return (Array.isArray(value) ? value : [value]).map(String).filter((one) => one !== "");
}

/** @param {string} host */
function hostOf(host) {
  const url = URL.parse?.(host) ?? (URL.canParse(host) ? new URL(host) : null);
  if (!url || !/^https?:$/.test(url.protocol)) throw new TypeError(`host: ${JSON.stringify(host)} is not an address such as "https://heartbeat.example"`);
  return url.origin;
}
