// @ts-check
/**
 * The lines of a chart, from a window of series: names to show, columns to draw, summaries to read, in a steady order.
 * Pure: no document, no clock, no colours (a line has a slot; the palette gives slots their colours).
 */

import { completeOf, highest } from "../live/view.mjs";
import { HIGHEST, summaryName } from "./aggregates.mjs";
import { folded } from "./fold.mjs";
import { OTHER } from "./palette.mjs";

/** @import { Column, Series, View } from "../live/view.mjs" */

/**
 * The name of a line. A `value` is the writer's own string, the others are words of the page.
 * @typedef {{ kind: "value" | "empty" | "missing" | "other" | "all", text: string }} Name
 */

/**
 * @typedef {object} Line
 * @property {string} id the same for the same group and aggregate
 * @property {Name} name
 * @property {string} agg
 * @property {Record<string, string>} labels
 * @property {number} slot its colour in the palette; OTHER for the folded rest
 * @property {Column} values
 * @property {number | null} latest the last value of a complete step that is not a gap
 * @property {number | null} summary the number that `summaryTitle` names, over the whole window
 * @property {string} summaryTitle
 * @property {boolean} isPrevious whether it shows the previous period, in a paler colour of its line
 */

/**
 * @typedef {object} Chart
 * @property {string[]} aggs
 * @property {string} by
 * @property {number} from Unix seconds
 * @property {number} to
 * @property {number} step seconds
 * @property {number[]} times
 * @property {number} complete how many steps are complete, from the first on; the others are still open
 * @property {Line[]} lines
 * @property {string} summaryTitle of all lines, or `Summary` where each has its own
 * @property {string} note says what the chart leaves out; empty if nothing
 */

/**
 * @param {View} view
 * @param {{ by: string, top: number }} look
 * @param {Chart | null} following the chart before: a line that was in it keeps its colour, and the same lines keep
 *   their order
 * @returns {Chart}
 */
export function chartOf(view, { by, top }, following) {
  const { from, to, step, times, agg: aggs } = view;
  const most = Math.max(1, Math.floor(top / Math.max(aggs.length, 1)));
  const { series, totals, note } = folded(view, most);
  const before = following?.by === by ? following.lines.filter(({ isPrevious }) => !isPrevious) : [];
  const complete = view.until === undefined ? times.length : completeOf(view);
  const lines = series.flatMap((one, i) => aggs.map((agg) => lineOf(one, totals[i], agg, aggs.length > 1, by, complete)))
    .filter(({ values }) => values.some((value) => value !== null));
  const ordered = inOrder(lines, before);
  assignSlots(ordered, before);
  const previous = view.series.filter((one) => one.previous).flatMap((one) => aggs.flatMap((agg) => previousOf(one, agg, aggs.length > 1, by, ordered)));
  // Where no answer has a ratio over the whole window, the highest step stands in.
  for (const agg of aggs) {
    const own = lines.filter((line) => line.agg === agg);
    if (own.every(({ summary }) => summary === null)) for (const line of own) [line.summary, line.summaryTitle] = [highest(line.values), HIGHEST];
  }
  const titles = new Set(lines.map((line) => line.summaryTitle));
  const summaryTitle = titles.size > 1 ? "Summary" : [...titles][0] ?? summaryName(aggs[0]) ?? HIGHEST;
  return { aggs, by, from, to, step, times, complete, lines: [...ordered, ...previous], note, summaryTitle };
}

/**
 * @param {Series} series
 * @param {Record<string, number | null>} totals
 * @param {string} agg
 * @param {boolean} isOneOfMany aggregates
 * @param {string} by
 * @param {number} complete
 * @returns {Line}
 */
function lineOf(series, totals, agg, isOneOfMany, by, complete) {
  const group = nameOf(series, by);
  const name = !isOneOfMany ? group : group.kind === "all" ? { ...group, text: agg } : { ...group, text: `${group.text} · ${agg}` };
  const values = /** @type {Column} */ (series[agg]);
  const latest = values.findLast((value, i) => i < complete && value !== null) ?? null;
  const summary = summaryName(agg) ? totals[agg] ?? null : highest(values);
  const id = JSON.stringify([agg, series.other === true, Object.entries(series.labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
  return { id, name, agg, labels: series.labels, slot: series.other ? OTHER : 0, values, latest, summary, summaryTitle: summaryName(agg) ?? HIGHEST, isPrevious: false };
}

/** The id of the line that shows the previous period of a line. @param {string} id of the line */
export function previousId(id) {
  return `${id} before`;
}

/**
 * The line of the previous period, if its line of the present one is shown.
 * @param {Series} series
 * @param {string} agg
 * @param {boolean} isOneOfMany
 * @param {string} by
 * @param {Line[]} lines
 * @returns {Line[]}
 */
function previousOf(series, agg, isOneOfMany, by, lines) {
  const line = lineOf(series, {}, agg, isOneOfMany, by, Infinity);
  const now = lines.find(({ id }) => id === line.id);
  if (!now || line.values.every((value) => value === null)) return [];
  return [{ ...line, id: previousId(line.id), name: { ...line.name, text: `${line.name.text}, previous period` }, slot: now.slot, summary: highest(line.values), summaryTitle: HIGHEST, isPrevious: true }];
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
 * The lines in their order: that of before while they are the same ones, as nobody can read a legend that jumps.
 * @param {Line[]} lines largest first
 * @param {Line[]} before
 */
function inOrder(lines, before) {
  const places = new Map(before.map(({ id }, i) => [id, i]));
  const isSame = lines.length === before.length && lines.every(({ id }) => places.has(id));
  return isSame ? lines.toSorted((a, b) => Number(places.get(a.id)) - Number(places.get(b.id))) : lines;
}

/**
 * The rows of a table in their order: by the summary that it shows, largest first; the rest and previous periods last.
 * Rows stay in place while somebody points at them.
 * @template T
 * @param {T[]} rows
 * @param {(row: T) => Line} lineOf
 * @param {string[]} before ids, in their order until now
 * @param {boolean} isHeld whether somebody points at them
 */
export function inRows(rows, lineOf, before, isHeld) {
  const rank = (/** @type {Line} */ { summary, slot, isPrevious }) => (isPrevious ? -2 : slot === OTHER || summary === null ? -1 : 0);
  const places = new Map(before.map((id, i) => [id, i]));
  const place = (/** @type {T} */ row) => Number(places.get(lineOf(row).id));
  if (isHeld && rows.length === before.length && rows.every((row) => places.has(lineOf(row).id))) return rows.toSorted((a, b) => place(a) - place(b));
  return rows.toSorted((a, b) => rank(lineOf(b)) - rank(lineOf(a)) || (lineOf(b).summary ?? 0) - (lineOf(a).summary ?? 0));
}

/**
 * Gives each line a slot: the one that it had, else the first free one.
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
 * Values between two gaps: no line goes through them, so they need dots.
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
