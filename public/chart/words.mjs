// @ts-check
/** A chart in words, for screen readers and for notices. Pure. */

import { duration } from "./format.mjs";

/** @import { Problem } from "../live/problem.mjs" */
/** @import { Formats } from "./format.mjs" */
/** @import { Chart, Line } from "./lines.mjs" */

/** How many series the summary for screen readers has; the table has all. */
const SPOKEN = 5;

/** @type {Record<string, string>} */
export const STATES = { connecting: "Connecting", live: "Live", offline: "Offline, trying again", paused: "Paused", denied: "No permission", missing: "Not found", refused: "Refused", closed: "Closed" };

/** Follows the time of a step that is still open. */
export const OPEN = ", still open";

/** @param {Chart} chart @param {number} step @param {Formats} formats */
export function momentOf(chart, step, formats) {
  return formats.moment(chart.times[step], chart) + (step < chart.complete ? "" : OPEN);
}

/** @param {Chart} chart */
export function windowWords({ from, to, step }) {
  const width = duration(step);
  // The server widens a window to whole steps: of both lengths, the one that reads shorter is the one asked for.
  const [shorter] = [to - from, to - from - step].filter((length_s) => length_s > 0).map(duration).sort((a, b) => (parseInt(a) || 1) - (parseInt(b) || 1));
  return `Last ${shorter}, in steps of ${width.includes(" ") ? width : `1 ${width}`}`;
}

/**
 * @param {string} kind
 * @param {string} title
 * @param {Chart} chart
 * @param {Formats} formats
 */
export function summaryOf(kind, title, chart, formats) {
  const { lines, from, to } = chart;
  const what = `${{ line: "Line chart", area: "Area chart", bars: "Bar chart", number: "Number" }[kind] ?? "Chart"}: ${title}.`;
  const when = `From ${formats.moment(from, chart)} to ${formats.moment(to, chart)}, ${lines.length === 1 ? "1 series" : `${lines.length} series`}.`;
  const each = lines.slice(0, SPOKEN).map((line) => `${line.name.text}: ${line.summaryTitle.toLowerCase()} ${formats.number(line.summary)}, latest ${formats.number(line.latest)}${peakOf(line, chart, formats)}.`);
  const more = lines.length > SPOKEN ? [`And ${lines.length - SPOKEN} more in the table below.`] : [];
  return [what, when, ...each, ...more, ...(kind === "number" ? [] : ["Arrow keys move the cursor, plus and minus zoom, 0 shows all."])].join(" ");
}

/**
 * The summary of a line, with its name where the lines have different ones.
 * @param {Line} line
 * @param {string} title of all
 * @param {Formats} formats
 */
export function summaryWords({ summary, summaryTitle }, title, formats) {
  const number = formats.number(summary);
  return title === summaryTitle || summary === null ? number : `${summaryTitle.toLowerCase()} ${number}`;
}

/** @param {Line} line @param {Chart} chart @param {Formats} formats */
function peakOf({ values }, chart, formats) {
  let peak = -1;
  values.forEach((value, i) => value !== null && (peak < 0 || value > Number(values[peak])) && (peak = i));
  return peak < 0 ? "" : `, highest ${formats.number(values[peak])} at ${formats.moment(chart.times[peak], chart)}`;
}

/**
 * The values at a step, for a screen reader.
 * @param {Chart} chart
 * @param {Line[]} lines
 * @param {number} step
 * @param {Formats} formats
 */
export function spoken(chart, lines, step, formats) {
  const values = lines.map(({ name, values }) => `${name.text} ${formats.number(values[step])}`);
  return `${momentOf(chart, step, formats)}: ${values.join(", ")}`;
}

/**
 * The notice in place of the chart; null if it needs none.
 * @param {object} now
 * @param {string} now.state
 * @param {Pick<Problem, "title" | "detail"> | null} now.problem
 * @param {boolean} now.hasKey
 * @param {boolean} now.isEmpty
 * @param {boolean} now.isKnown whether anything has come
 * @returns {{ kind: "quiet" | "failed", title: string, text: string } | null}
 */
export function chartNotice({ state, problem, hasKey, isEmpty, isKnown }) {
  if (state === "denied") return { kind: "failed", title: hasKey ? "This read key does not open the stream" : "This stream needs a read key", text: "Ask the stream's owner for a valid one: an old key ends when a new one is made." };
  if (state === "missing") return { kind: "failed", title: "No such stream", text: "It may have been deleted, or its id was mistyped." };
  if (state === "refused") return { kind: "failed", title: problem?.title ?? "This can't be shown", text: problem?.detail ?? "" };
  if (!isKnown && state === "offline") return { kind: "failed", title: problem?.title ?? "No connection", text: "The chart tries again automatically." };
  if (!isKnown) return { kind: "quiet", title: "Loading…", text: "" };
  if (isEmpty) return { kind: "quiet", title: "No points in this window", text: "They appear here as they come." };
  return null;
}
