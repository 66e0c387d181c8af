// @ts-check
/**
 * The API's rollup turned into the lines of a chart: names to show, columns to draw, a summary to read.
 * Pure: no document, no clock, no colours (a line has a slot; the style sheet says which colour that is).
 */

/** @import { Aggregate } from "./address.js" */

/**
 * @typedef {object} Rollup the API's answer; each series also holds one column per aggregate, null where no point is
 * @property {number} from Unix seconds
 * @property {number} to
 * @property {number} step seconds
 * @property {number[]} times the start of each step
 * @property {({ labels: Record<string, string>, other?: boolean } & Record<string, any>)[]} series
 */

/**
 * How a line is called. Only a `value` is the writer's own text, the others are the page's words.
 * @typedef {{ kind: "value" | "empty" | "missing" | "other" | "all", text: string }} Name
 */

/** @typedef {(number | null)[]} Column */

/**
 * @typedef {object} Line
 * @property {Name} name
 * @property {number} slot its colour: 0 to SLOTS - 1, or -1 for the folded rest
 * @property {Column} values
 * @property {number | null} latest the last value that is not a gap
 * @property {number | null} summary what `summaryTitle` names, over the whole window
 */

/**
 * @typedef {object} Chart
 * @property {Aggregate} agg
 * @property {string} by
 * @property {number} from
 * @property {number} to
 * @property {number} step
 * @property {number[]} times
 * @property {Line[]} lines
 * @property {string} summaryTitle
 */

/** As many colours as can be told apart; the API is asked to fold what is beyond (`top`). */
export const SLOTS = 8;

/** What one number says about a whole line: totals only where steps add up. @type {Record<Aggregate, { title: string, of: (values: number[]) => number }>} */
const SUMMARIES = {
  sum: { title: "Total", of: total },
  count: { title: "Total", of: total },
  ratio: { title: "Highest", of: highest },
  rate: { title: "Highest", of: highest },
  max: { title: "Highest", of: highest },
  min: { title: "Lowest", of: lowest },
};

/**
 * @param {Rollup} rollup
 * @param {{ agg: Aggregate, by: string }} query what the rollup was asked for
 * @param {Chart | null} previous the chart it follows: a line that was in it keeps its colour
 * @returns {Chart}
 */
export function chartOf(rollup, { agg, by }, previous) {
  const series = rollup.series
    .map((one) => ({ name: nameOf(one, by), values: /** @type {Column} */ (one[agg]) }))
    .filter(({ values }) => values.some((value) => value !== null));
  const slots = slotsOf(series.map(({ name }) => name), previous?.by === by ? previous.lines : []);
  const lines = series.map(({ name, values }, i) => ({ name, values, slot: slots[i], ...summarise(values, agg) }));
  const { from, to, step, times } = rollup;
  return { agg, by, from, to, step, times, lines, summaryTitle: SUMMARIES[agg].title };
}

/**
 * The columns as uPlot wants them: x first, then one per line.
 * @param {Chart} chart
 * @returns {[number[], ...Column[]]}
 */
export function columnsOf(chart) {
  return [chart.times, ...chart.lines.map(({ values }) => values)];
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

/**
 * @param {Rollup["series"][number]} series
 * @param {string} by
 * @returns {Name}
 */
function nameOf(series, by) {
  if (series.other) return { kind: "other", text: "all others" };
  if (!by) return { kind: "all", text: "all points" };
  if (!Object.hasOwn(series.labels, by)) return { kind: "missing", text: `without ${by}` };
  const value = series.labels[by];
  return value === "" ? { kind: "empty", text: "empty" } : { kind: "value", text: value };
}

/**
 * A slot for each name: the one it had, else the first that is free.
 * @param {Name[]} names
 * @param {Line[]} previous
 */
function slotsOf(names, previous) {
  const id = (/** @type {Name} */ { kind, text }) => `${kind} ${text}`;
  const had = new Map(previous.map((line) => [id(line.name), line.slot]));
  const kept = names.map((name) => (name.kind === "other" ? -1 : had.get(id(name))));
  const free = Array.from({ length: SLOTS }, (_, slot) => slot).filter((slot) => !kept.includes(slot));
  return kept.map((slot, i) => slot ?? free.shift() ?? i % SLOTS);
}

/**
 * @param {Column} values
 * @param {Aggregate} agg
 */
function summarise(values, agg) {
  const known = values.filter((value) => value !== null);
  return { latest: known.at(-1) ?? null, summary: known.length ? SUMMARIES[agg].of(known) : null };
}

/** @param {number[]} values */
function total(values) {
  return values.reduce((sum, value) => sum + value, 0);
}

/** @param {number[]} values */
function highest(values) {
  return values.reduce((a, b) => Math.max(a, b));
}

/** @param {number[]} values */
function lowest(values) {
  return values.reduce((a, b) => Math.min(a, b));
}
