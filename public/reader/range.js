// @ts-check
/**
 * Time ranges: a live one, which moves with the clock, or a fixed one. Pure: the clock is an argument.
 */

import { duration } from "../chart/format.mjs";
import { secondsOf } from "../live/query.mjs";
import { MOST_BARS, MOST_STEPS, stepOf } from "../live/step.mjs";

/** @typedef {{ from: string, to: string }} Range `-1h` and an empty `to` for a live range, else both in Unix seconds */
/** @typedef {{ from: number, to: number }} Span Unix seconds */

export const RANGES = /** @type {const} */ (["-15m", "-1h", "-6h", "-24h", "-7d", "-30d"]);

/** The longest range, and the shortest. */
const LONGEST_S = 10 * 366 * 86_400;
const SHORTEST_S = 60;

/**
 * A range from an address or a file.
 * @param {unknown} from
 * @param {unknown} to
 * @returns {Range | null} null if it is not one
 */
export function rangeOf(from, to) {
  if (!to) {
    const length_s = /^-/.test(String(from)) ? secondsOf(String(from).slice(1)) : NaN;
    return length_s >= SHORTEST_S && length_s <= LONGEST_S ? { from: String(from), to: "" } : null;
  }
  const [start, end] = [from, to].map((time) => Number(/^\d+$/.test(String(time)) ? time : Date.parse(String(time)) / 1000));
  return end - start >= SHORTEST_S && end - start <= LONGEST_S ? { from: String(Math.floor(start)), to: String(Math.floor(end)) } : null;
}

/** Whether a range moves with the clock. @param {Range} range */
export function isLive({ to }) {
  return to === "";
}

/** @param {Range} range */
export function lengthOf({ from, to }) {
  return to === "" ? secondsOf(from.slice(1)) : Number(to) - Number(from);
}

/** @param {Range} range @param {number} now_s @returns {Span} */
export function spanOf(range, now_s) {
  if (!isLive(range)) return { from: Number(range.from), to: Number(range.to) };
  return { from: Math.floor(now_s - lengthOf(range)), to: Math.floor(now_s) };
}

/** @param {Span} span @returns {Range} */
export function fixed({ from, to }) {
  return { from: String(Math.floor(from)), to: String(Math.ceil(to)) };
}

/**
 * A range of the same length, a share of it earlier or later; never beyond now.
 * @param {Range} range
 * @param {number} share
 * @param {number} now_s
 */
export function moved(range, share, now_s) {
  const { from, to } = spanOf(range, now_s);
  const by = Math.min((to - from) * share, Math.max(Math.ceil(now_s) - to, 0));
  return fixed({ from: from + by, to: to + by });
}

/** The width of a chart's steps. @param {number} length_s @param {boolean} isBars */
export function chartStep(length_s, isBars) {
  return stepOf(length_s, isBars ? MOST_BARS : MOST_STEPS);
}

/** A range within a sentence: `the last hour`. @param {Range} range */
export function words(range) {
  const length = duration(lengthOf(range));
  return isLive(range) ? `the last ${length}` : "this time";
}

/** A time as a field of the page has it: `2026-11-23T10:00:00`. @param {number} time_s @param {boolean} isUtc */
export function timeFieldOf(time_s, isUtc) {
  const shift_s = isUtc ? 0 : new Date(time_s * 1000).getTimezoneOffset() * 60;
  return new Date((time_s - shift_s) * 1000).toISOString().slice(0, 19);
}

/** @param {string} typed @param {boolean} isUtc @returns {number} Unix seconds; NaN if it is not a time */
export function timeOf(typed, isUtc) {
  return Date.parse(isUtc ? `${typed}Z` : typed) / 1000;
}
