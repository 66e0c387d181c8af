// @ts-check
/**
 * A window of series turned into the lines of a chart: names to show, columns to draw, a summary to read.
 * Pure: no document, no clock, no colours (a line has a slot; the palette says which colour that is).
 */

import { OTHER } from "./palette.mjs";

/** @import { Column, Series, View } from "../live/window.mjs" */

/**
 * How a line is called. Only a `value` is the writer's own text, the others are the page's words.
 * @typedef {{ kind: "value" | "empty" | "missing" | "other" | "all", text: string }} Name
 */

/**
 * @typedef {object} Line
 * @property {string} id the same as long as it is the same group and aggregate
 * @property {Name} name
 * @property {string} agg
 * @property {Record<string, string>} labels
 * @property {number} slot its colour, or OTHER for the folded rest
 * @property {Column} values
 * @property {number | null} latest the last value that is not a gap
 * @property {number | null} summary what `summaryTitle` names, over the whole window
 * @property {boolean} isPrevious whether it is the period before, in the colour of its line and paler
 */

/**
 * @typedef {object} Chart
 * @property {string[]} aggs
 * @property {string} by
 * @property {number} from Unix seconds
 * @property {number} to
 * @property {number} step seconds
 * @property {number[]} times
 * @property {Line[]} lines
 * @property {string} summaryTitle
 * @property {string} note what is not shown; empty if all is
 */

/** Whose steps add up, so that they are drawn from zero, stacked and folded. @type {readonly string[]} */
const ADDS_UP = ["sum", "count", "rate"];

/** What one number says about a whole line. @type {Record<string, string>} */
const SUMMARIES = { sum: "Total", count: "Total", rate: "Average", ratio: "Overall", min: "Lowest", max: "Highest" };

/** @type {Record<string, string>} */
const TITLES = { sum: "Sum of n", ratio: "Ratio n / d", rate: "n per second", count: "Count of points", min: "Minimum of n / d", max: "Maximum of n / d" };

/**
 * @param {View} view
 * @param {{ by: string, top: number }} look
 * @param {Chart | null} following the chart it follows: a line that was in it keeps its colour, and its place among the same lines
 * @returns {Chart}
 */
export function chartOf(view, { by, top }, following) {
  const { from, to, step, times, agg: aggs } = view;
  const most = Math.max(1, Math.floor(top / Math.max(aggs.length, 1)));
  const { series, totals, note } = folded(view, most);
  const before = following?.by === by ? following.lines.filter(({ isPrevious }) => !isPrevious) : [];
  const lines = series.flatMap((one, i) => aggs.map((agg) => lineOf(one, totals[i], agg, aggs.length > 1, by)))
    .filter(({ values }) => values.some((value) => value !== null));
  const ordered = inOrder(lines, before);
  assignSlots(ordered, before);
  const previous = view.series.filter((one) => one.previous).flatMap((one) => aggs.flatMap((agg) => previousOf(one, agg, aggs.length > 1, by, ordered)));
  const isOverall = aggs[0] !== "ratio" || lines.some(({ summary }) => summary !== null);
  if (!isOverall) for (const line of lines) line.summary = highest(line.values);
  return { aggs, by, from, to, step, times, lines: [...ordered, ...previous], note, summaryTitle: (isOverall && SUMMARIES[aggs[0]]) || "Highest" };
}

/**
 * The largest series, and where steps add up one for all others.
 * @param {View} view
 * @param {number} most
 */
function folded({ agg, times, series, totals }, most) {
  const isRest = (/** @type {Series} */ { other }) => other === true;
  const named = series.filter((one) => !isRest(one) && !one.previous);
  const totalsOf = new Map(series.map((one, i) => [one, totals[i]]));
  const shown = named.slice(0, most);
  const beyond = [...named.slice(most), ...series.filter(isRest)];
  const canFold = agg.every((name) => ADDS_UP.includes(name));
  const rest = beyond.length === 0 ? [] : canFold ? [sumOf(beyond, agg, times.length)] : series.filter(isRest);
  if (rest.length && canFold) totalsOf.set(rest[0], Object.fromEntries(agg.map((name) => [name, foldedTotal(beyond, name, totalsOf)])));
  const all = [...shown, ...rest];
  return { series: all, totals: all.map((one) => totalsOf.get(one) ?? {}), note: noteOf(shown.length, named.length, rest.length > 0) };
}

/** @param {Series[]} series @param {string[]} aggs @param {number} length @returns {Series} */
function sumOf(series, aggs, length) {
  const columns = aggs.map((agg) => {
    const sum = /** @type {Column} */ (new Array(length).fill(null));
    for (const one of series) one[agg].forEach((/** @type {number | null} */ value, /** @type {number} */ i) => value !== null && (sum[i] = (sum[i] ?? 0) + value));
    return [agg, sum];
  });
  return { labels: {}, other: true, ...Object.fromEntries(columns) };
}

/** @param {Series[]} series @param {string} agg @param {Map<Series, Record<string, number | null>>} totalsOf */
function foldedTotal(series, agg, totalsOf) {
  return series.reduce((sum, one) => sum + (totalsOf.get(one)?.[agg] ?? 0), 0);
}

/** @param {number} shown @param {number} all @param {boolean} hasRest */
function noteOf(shown, all, hasRest) {
  if (all > shown) return `The ${shown} largest of ${all.toLocaleString()} series${hasRest ? "; the rest is “all others”" : " are shown"}.`;
  return hasRest ? `The ${shown} largest series; the rest is “all others”.` : "";
}

/**
 * @param {Series} series
 * @param {Record<string, number | null>} totals
 * @param {string} agg
 * @param {boolean} isOneOfMany aggregates
 * @param {string} by
 * @returns {Line}
 */
function lineOf(series, totals, agg, isOneOfMany, by) {
  const group = nameOf(series, by);
  const name = !isOneOfMany ? group : group.kind === "all" ? { ...group, text: agg } : { ...group, text: `${group.text} · ${agg}` };
  const values = /** @type {Column} */ (series[agg]);
  const latest = values.findLast((value) => value !== null) ?? null;
  const summary = SUMMARIES[agg] ? totals[agg] ?? null : highest(values);
  const id = JSON.stringify([agg, series.other === true, Object.entries(series.labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
  return { id, name, agg, labels: series.labels, slot: series.other ? OTHER : 0, values, latest, summary, isPrevious: false };
}

/** What a line's period before is called. @param {string} id of the line */
export function beforeOf(id) {
  return `${id} before`;
}

/**
 * The line of the period before, if the line that it belongs to is shown.
 * @param {Series} series
 * @param {string} agg
 * @param {boolean} isOneOfMany
 * @param {string} by
 * @param {Line[]} lines
 * @returns {Line[]}
 */
function previousOf(series, agg, isOneOfMany, by, lines) {
  const line = lineOf(series, {}, agg, isOneOfMany, by);
  const now = lines.find(({ id }) => id === line.id);
  if (!now || line.values.every((value) => value === null)) return [];
  return [{ ...line, id: beforeOf(line.id), name: { ...line.name, text: `${line.name.text}, the period before` }, slot: now.slot, summary: highest(line.values), isPrevious: true }];
}

/**
 * @param {Series} series
 * @param {string} by
 * @returns {Name}
 */
function nameOf({ labels, other }, by) {
  if (other) return { kind: "other", text: "all others" };
  const names = by === "*" ? Object.keys(labels).sort() : by.split(",").filter(Boolean);
  if (names.length === 0) return { kind: "all", text: "all points" };
  const parts = names.map((name) => partOf(labels, name, by === "*"));
  const kind = parts.length === 1 ? parts[0].kind : "value";
  return { kind, text: parts.map(({ text }) => text).join(" · ") };
}

/** @param {Record<string, string>} labels @param {string} name @param {boolean} isNamed @returns {Name} */
function partOf(labels, name, isNamed) {
  if (!Object.hasOwn(labels, name)) return { kind: "missing", text: `without ${name}` };
  const value = labels[name];
  if (value === "") return { kind: "empty", text: "empty" };
  return { kind: "value", text: isNamed ? `${name}=${value}` : value };
}

/**
 * Lines don't change places while they are the same ones: a legend that jumps can't be read.
 * @param {Line[]} lines largest first
 * @param {Line[]} before
 */
function inOrder(lines, before) {
  const places = new Map(before.map(({ id }, i) => [id, i]));
  const isSame = lines.length === before.length && lines.every(({ id }) => places.has(id));
  return isSame ? lines.toSorted((a, b) => Number(places.get(a.id)) - Number(places.get(b.id))) : lines;
}

/**
 * A slot for each line: the one it had, else the first that is free.
 * @param {Line[]} lines
 * @param {Line[]} before
 */
function assignSlots(lines, before) {
  const had = new Map(before.map(({ id, slot }) => [id, slot]));
  const taken = new Set(lines.map(({ id }) => had.get(id)));
  let free = 0;
  for (const line of lines) {
    if (line.slot === OTHER) continue;
    while (taken.has(free)) free += 1;
    line.slot = had.get(line.id) ?? free++;
  }
}

/**
 * What a chart is called, unless its page says.
 * @param {string[]} aggs
 * @param {string} by
 */
export function titleOf(aggs, by) {
  const names = aggs.map((agg) => TITLES[agg] ?? (agg.startsWith("distinct:") ? `Distinct ${agg.slice(9)}` : agg));
  const grouping = by === "*" ? "every label" : by.split(",").filter(Boolean).join(", ");
  const what = names.every((name, i) => name === aggs[i]) ? `${names.join(", ")} of n / d` : names.join(", ");
  return grouping ? `${what} by ${grouping}` : what;
}

/** Whether it is measured from zero. @param {string[]} aggs */
export function isFromZero(aggs) {
  return aggs.every((agg) => ADDS_UP.includes(agg) || agg.startsWith("distinct:"));
}

/** Whether its lines make a sum. @param {string[]} aggs */
export function isStackable(aggs) {
  return aggs.length === 1 && ADDS_UP.includes(aggs[0]);
}

/**
 * Where a value stands between two gaps: no line goes through it, so it needs a dot to be seen.
 * @param {ArrayLike<number | null | undefined>} values
 * @returns {number[]} indexes
 */
export function lonePoints(values) {
  const lone = [];
  for (let i = 0; i < values.length; i++) {
    if (values[i] != null && values[i - 1] == null && values[i + 1] == null) lone.push(i);
  }
  return lone;
}

/** @param {Column} values @returns {number | null} */
function highest(values) {
  return values.reduce((most, value) => (value !== null && (most === null || value > most) ? value : most), null);
}
