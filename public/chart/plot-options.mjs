// @ts-check
/** A chart as options of uPlot: its series, axes and scales. Colours and words are arguments. */

import uPlot from "../vendor/uplot/uPlot.esm.min.js";
import { isFromZero } from "./aggregates.mjs";
import { lonePoints } from "./lines.mjs";
import { mix, strokeOf } from "./palette.mjs";
import { paintBars } from "./plot-paint.mjs";
import { stack } from "./stack.mjs";

/** @import { Column } from "../live/view.mjs" */
/** @import { Formats } from "./format.mjs" */
/** @import { Chart, Line } from "./lines.mjs" */
/** @import { Theme } from "./attributes.mjs" */
/** @import { Span } from "./plot.mjs" */

/**
 * @typedef {object} Look
 * @property {"line" | "area" | "bars" | "spark"} kind a spark has no axes and no cursor
 * @property {boolean} isStacked
 * @property {Formats} formats
 * @property {string} timeZone empty for the visitor's
 * @property {Theme} theme
 */

/** Closer than this the pointer is on a line. */
const FOCUS_PX = 24;

/** With more lines than this, pointing at one does not dim the others: drawing them again costs a frame. */
const FOCUS_LINES = 12;

/** The opacity of a dimmed line. */
export const FAINT = 0.2;

/**
 * With more lines than this the cursor has no dots, and lines are thin and undashed: dots and dashes are slow to draw.
 */
const FINE_LINES = 24;

/** How far the colour of the previous period's line goes towards the ground's. */
const PREVIOUS = 0.45;

/** Room for one row of time labels, and between two labels. */
const TIME_AXIS_PX = 28;
const TIME_SPACE_PX = 84;

/** The space around the numbers of the value axis. */
const VALUE_AXIS_PX = 18;

/** The space to the right of the plot, for half of the last time label; more where labels are longer. */
const AFTER_PX = 22;

/** A shorter drag is a click. */
export const DRAG_PX = 5;

/** @param {Line[]} lines @param {Look} look @returns {Column[]} */
export function columnsOf(lines, { isStacked }) {
  const columns = lines.map(({ values }) => values);
  return isStacked ? stack(columns) : columns;
}

/**
 * Whether lines have dashes besides colours.
 * @param {number} count of lines
 * @param {Pick<Look, "kind" | "isStacked">} look
 */
export function isDashed(count, { kind, isStacked }) {
  return kind === "line" && !isStacked && count <= FINE_LINES;
}

/**
 * @param {Line[]} lines
 * @param {Look} look
 * @returns {Omit<uPlot.Options, "width" | "height">}
 */
export function optionsOf(lines, look) {
  const { kind, isStacked, formats, timeZone, theme } = look;
  const axis = { stroke: theme.muted, font: `12px ${theme.font}`, ticks: { show: false }, show: kind !== "spark" };
  const count = lines.filter(({ isPrevious }) => !isPrevious).length;
  const series = lines.map((line) => seriesOf(line, count, look));
  return {
    // Room for half of the highest number, and for half of the last time.
    padding: kind === "spark" ? [2, 0, 2, 0] : [8, halfATime, 0, 0],
    legend: { show: false },
    focus: { alpha: lines.length > FOCUS_LINES || isStacked ? 1 : FAINT },
    tzDate: timeZone ? (time_s) => uPlot.tzDate(new Date(time_s * 1000), timeZone) : undefined,
    cursor: {
      show: kind !== "spark",
      y: false,
      drag: { x: true, y: false, setScale: false, dist: DRAG_PX },
      focus: { prox: FOCUS_PX },
      points: { ...(kind === "bars" || lines.length > FINE_LINES ? { show: false } : {}), size: 8, width: 2, stroke: theme.ground },
      // The element itself handles a double click.
      bind: { dblclick: () => null },
    },
    axes: [
      { ...axis, grid: { show: false }, size: TIME_AXIS_PX, space: TIME_SPACE_PX, values: (_, ticks, _axis, _space, increment) => formats.timeTicks(ticks, increment) },
      { ...axis, grid: { stroke: theme.grid, width: 1 }, size: widest, values: (_, ticks, _axis, _space, increment) => formats.numberTicks(ticks, increment) },
    ],
    bands: kind === "bars" || !isStacked ? [] : lines.slice(1).map((line, i) => ({ series: [i + 2, i + 1], fill: fillOf(line, look) })),
    series: [{}, ...series],
  };
}

/** Room for half of the longest time: times with a.m. and p.m. are longer. @param {uPlot} u */
function halfATime(u) {
  const times = /** @type {any} */ (u.axes[0])._values ?? [];
  return Math.max(AFTER_PX, textWidth(u, 0, times) / 2 + 1);
}

/**
 * The width of the longest of some strings, in CSS pixels.
 * @param {uPlot} u
 * @param {number} axis gives the font
 * @param {string[]} texts
 */
function textWidth(u, axis, texts) {
  u.ctx.font = /** @type {any} */ (u.axes[axis].font)[0];
  return Math.ceil(Math.max(0, ...texts.map((text) => u.ctx.measureText(text).width)) / devicePixelRatio);
}

/**
 * The width of the value axis: that of its longest number.
 * @param {uPlot} u
 * @param {string[] | null} values
 * @param {number} axis
 * @param {number} cycle
 */
function widest(u, values, axis, cycle) {
  // In more cycles the axis would go back and forth between two widths.
  if (cycle > 1) return /** @type {any} */ (u.axes[axis])._size;
  if (!values?.length) return VALUE_AXIS_PX;
  return textWidth(u, axis, values) + VALUE_AXIS_PX;
}

/**
 * The time axis covers the whole window, even where it has no points. Sums and counts begin at zero.
 * @param {Chart} chart
 * @param {Look} look
 * @param {() => Span} span
 * @returns {uPlot.Scales}
 */
export function scalesOf({ aggs }, { kind, isStacked }, span) {
  const mode = /** @type {1 | 3} */ (isFromZero(aggs) || isStacked || kind === "bars" ? 1 : 3);
  const end = { pad: 0.1, soft: 0, mode };
  return {
    x: { time: true, range: () => [span().from, span().to] },
    // A chart without values has a scale too.
    y: { range: (_, min, max) => (min == null ? [0, 1] : uPlot.rangeNum(min, max, { min: end, max: end })) },
  };
}

/**
 * @param {Line} line
 * @param {number} count of lines
 * @param {Look} look
 * @returns {uPlot.Series}
 */
function seriesOf(line, count, look) {
  const { kind, isStacked, theme } = look;
  const { colour, dash } = strokeOf(line.slot, theme.series);
  if (line.isPrevious) return { stroke: mix(colour, theme.ground, PREVIOUS), width: 1.5, dash: [3, 4], points: { show: () => false } };
  const isArea = kind === "area" || kind === "spark" || isStacked || count === 1;
  if (kind === "bars") {
    const fill = isStacked || count === 1 ? colour : `${colour}b0`;
    return { stroke: colour, fill, points: { show: false }, paths: (u, at) => paintBars(u, at, fill, isStacked) };
  }
  return {
    stroke: colour,
    width: isStacked || count > FINE_LINES ? 1 : 1.75,
    dash: isDashed(count, look) ? dash : undefined,
    fill: isArea ? fillOf(line, look) : undefined,
    points: {
      ...(isStacked || count > FINE_LINES ? { show: () => false } : {}),
      size: 5,
      fill: colour,
      filter: (u, i, isShown) => (isShown ? null : lonePoints(/** @type {any} */ (u.data[i]))),
    },
  };
}

/** @param {Line} line @param {Look} look */
function fillOf({ slot }, { isStacked, theme }) {
  const { colour } = strokeOf(slot, theme.series);
  return isStacked ? mix(colour, theme.ground, 0.3) : `${colour}${/^#.{6}$/.test(colour) ? "1c" : ""}`;
}
