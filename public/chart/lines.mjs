// @ts-check
/**
 * A window of series turned into the lines of a chart: names to show, columns to draw, a summary to read.
 * Pure: no document, no clock, no colours (a line has a slot; the palette says which colour that is).
 */

import { completeOf, ratioOf } from "../live/window.mjs";
import { OTHER } from "./palette.mjs";

/** @import { Formats } from "./format.mjs" */
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
 * @property {number | null} latest the last value of a complete step that is not a gap
 * @property {number | null} summary what `summaryTitle` names, over the whole window
 * @property {string} summaryTitle
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
 * @property {number} complete as many steps, from the first on; those after them are still open
 * @property {Line[]} lines
 * @property {string} summaryTitle of all lines, or `Summary` where each has its own
 * @property {string} note what is not shown; empty if all is
 */

/** Whose steps add up, so that they are drawn from zero, stacked and folded. @type {readonly string[]} */
const ADDS_UP = ["sum", "count", "rate"];

/** What one number says about a whole line; of all others it is the highest step. @type {Record<string, string>} */
const SUMMARIES = { sum: "Total", count: "Total", rate: "Average", ratio: "Overall", min: "Lowest", max: "Highest" };
const HIGHEST = "Highest";

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
  const complete = view.until === undefined ? times.length : completeOf(view);
  const lines = series.flatMap((one, i) => aggs.map((agg) => lineOf(one, totals[i], agg, aggs.length > 1, by, complete)))
    .filter(({ values }) => values.some((value) => value !== null));
  const ordered = inOrder(lines, before);
  assignSlots(ordered, before);
  const previous = view.series.filter((one) => one.previous).flatMap((one) => aggs.flatMap((agg) => previousOf(one, agg, aggs.length > 1, by, ordered)));
  // A ratio over all that nobody told.
  for (const agg of aggs) {
    const own = lines.filter((line) => line.agg === agg);
    if (own.every(({ summary }) => summary === null)) for (const line of own) [line.summary, line.summaryTitle] = [highest(line.values), HIGHEST];
  }
  const titles = new Set(lines.map((line) => line.summaryTitle));
  const summaryTitle = titles.size > 1 ? "Summary" : [...titles][0] ?? SUMMARIES[aggs[0]] ?? HIGHEST;
  return { aggs, by, from, to, step, times, complete, lines: [...ordered, ...previous], note, summaryTitle };
}

/**
 * The largest series, and one for all others of what can be put together from steps.
 * @param {View} view
 * @param {number} most
 */
function folded({ agg, times, series, totals, parts }, most) {
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
    const how = ADDS_UP.includes(agg) ? plus : agg === "min" ? Math.min : agg === "max" ? Math.max : null;
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
  const summary = SUMMARIES[agg] ? totals[agg] ?? null : highest(values);
  const id = JSON.stringify([agg, series.other === true, Object.entries(series.labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
  return { id, name, agg, labels: series.labels, slot: series.other ? OTHER : 0, values, latest, summary, summaryTitle: SUMMARIES[agg] ?? HIGHEST, isPrevious: false };
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
  const line = lineOf(series, {}, agg, isOneOfMany, by, Infinity);
  const now = lines.find(({ id }) => id === line.id);
  if (!now || line.values.every((value) => value === null)) return [];
  return [{ ...line, id: beforeOf(line.id), name: { ...line.name, text: `${line.name.text}, the period before` }, slot: now.slot, summary: highest(line.values), summaryTitle: HIGHEST, isPrevious: true }];
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
 * The order of a table's rows: by the summary that it shows, largest first, and what is no series of its own last. Rows that somebody
 * points at stay where they are.
 * @template T
 * @param {T[]} rows
 * @param {(row: T) => Line} lineOf
 * @param {string[]} before ids, in the order that they have
 * @param {boolean} isHeld whether somebody points at them
 */
export function inRows(rows, lineOf, before, isHeld) {
  const rank = (/** @type {Line} */ { summary, slot, isPrevious }) => (isPrevious ? -2 : slot === OTHER || summary === null ? -1 : 0);
  const places = new Map(before.map((id, i) => [id, i]));
  const place = (/** @type {T} */ row) => Number(places.get(lineOf(row).id));
  if (isHeld && rows.length === before.length && rows.every((row) => places.has(lineOf(row).id))) return rows.toSorted((a, b) => place(a) - place(b));
  return rows.toSorted((a, b) => rank(lineOf(b)) - rank(lineOf(a)) || (lineOf(b).summary ?? 0) - (lineOf(a).summary ?? 0));
}

/** The summary of a line; with its name where each line has its own. @param {Line} line @param {string} title of all @param {Formats} formats */
export function summaryWords({ summary, summaryTitle }, title, formats) {
  const number = formats.number(summary);
  return title === summaryTitle || summary === null ? number : `${summaryTitle.toLowerCase()} ${number}`;
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
