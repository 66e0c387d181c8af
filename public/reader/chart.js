// @ts-check
/** The lines, drawn by uPlot. Colours come from the style sheet, values from `rollup.js`, words from `format.js`. */

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { columnsOf, lonePoints } from "../chart/lines.mjs";

/** @import { Chart, Line } from "../chart/lines.mjs" */
/** @import { Formats } from "../chart/format.mjs" */

/** Closer than this the pointer is on a line, and the others step back. */
const FOCUS_PX = 24;

/** Room for the widest axis number, such as `-12.5K`. */
const VALUE_AXIS_PX = 52;

/** Room for one line of time labels. */
const TIME_AXIS_PX = 30;

/** Top, right, bottom, left: half a number above the highest tick, half a time after the last. */
const PADDING_PX = /** @type {uPlot.Padding} */ ([8, 22, 0, 0]);

/** Off the chart, and off every line's reach. */
const NOWHERE_PX = -100;

/** Room between two time labels, wide enough for `10:30:00 PM`. */
const TIME_SPACE_PX = 84;

/**
 * @typedef {object} Pointed what the cursor points at
 * @property {number | null} step index into `chart.times`
 * @property {number | null} line index into `chart.lines`
 */

/** @type {Pointed} */
export const NOTHING = Object.freeze({ step: null, line: null });

/**
 * @param {HTMLElement} el has a height of its own
 * @param {object} needs
 * @param {Formats} needs.formats
 * @param {(pointed: Pointed) => void} needs.onpoint
 */
export function mountChart(el, { formats, onpoint }) {
  let plot = /** @type {uPlot | null} */ (null);
  let drawn = /** @type {Chart | null} */ (null);
  let pointed = NOTHING;

  /** @param {Partial<Pointed>} change */
  function point(change) {
    pointed = { ...pointed, ...change };
    onpoint(pointed);
  }

  const hooks = {
    setCursor: [(/** @type {uPlot} */ { cursor }) => point({ step: cursor.idx ?? null })],
    setSeries: [(/** @type {uPlot} */ _, /** @type {number | null} */ i) => point({ line: i === null ? null : i - 1 })],
  };

  /** @param {Chart} chart */
  function update(chart) {
    if (chart === drawn) return;
    if (plot && drawn && shapeOf(chart) === shapeOf(drawn)) {
      drawn = chart;
      plot.setData(columnsOf(chart));
    } else {
      plot?.destroy();
      drawn = chart;
      pointed = NOTHING;
      plot = new uPlot({ ...optionsOf(chart, el, formats), hooks, scales: scalesOf(chart, () => drawn ?? chart) }, columnsOf(chart), el);
    }
  }

  /** Puts the cursor on a step, as the pointer would. @param {number | null} step */
  function pointAt(step) {
    if (!plot || !drawn) return;
    const left = step === null ? NOWHERE_PX : plot.valToPos(drawn.times[step], "x");
    plot.setCursor({ left, top: NOWHERE_PX });
  }

  new ResizeObserver(() => plot?.setSize(sizeOf(el))).observe(el);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot?.redraw());

  return { update, pointAt };
}

/** Charts of one shape differ in their values only. @param {Chart} chart */
function shapeOf({ agg, lines }) {
  return [agg, ...lines.map(({ slot }) => slot)].join();
}

/** @param {HTMLElement} el */
function sizeOf({ clientWidth, clientHeight }) {
  return { width: clientWidth, height: clientHeight };
}

/**
 * @param {Chart} chart
 * @param {HTMLElement} el
 * @param {Formats} formats
 */
function optionsOf(chart, el, formats) {
  const colour = (/** @type {string} */ name) => () => getComputedStyle(el).getPropertyValue(name);
  const axis = { stroke: colour("--muted"), font: `12px ${getComputedStyle(el).fontFamily}`, ticks: { show: false } };
  const grid = { stroke: colour("--line"), width: 1 };
  return {
    ...sizeOf(el),
    padding: PADDING_PX,
    legend: { show: false },
    focus: { alpha: 0.25 },
    cursor: { y: false, drag: { x: false, y: false, setScale: false }, focus: { prox: FOCUS_PX } },
    axes: [
      { ...axis, grid: { show: false }, size: TIME_AXIS_PX, space: TIME_SPACE_PX, values: labels(formats.timeTicks) },
      { ...axis, grid, size: VALUE_AXIS_PX, values: labels(formats.numberTicks) },
    ],
    series: [{}, ...chart.lines.map((line) => seriesOf(line, chart.lines.length === 1, colour))],
  };
}

/**
 * An axis' labels, from what uPlot says of its ticks.
 * @param {(ticks: number[], increment: number) => string[]} format
 * @returns {uPlot.Axis.DynamicValues}
 */
function labels(format) {
  return (_plot, ticks, _axis, _space, increment) => format(ticks, increment);
}

/**
 * The whole window is drawn, not only where points are; what adds up or counts is measured from zero.
 * @param {Chart} chart
 * @param {() => Chart} current
 */
function scalesOf({ agg }, current) {
  const isFromZero = agg === "sum" || agg === "count" || agg === "rate";
  const end = { pad: 0.1, soft: 0, mode: /** @type {1 | 3} */ (isFromZero ? 1 : 3) };
  return {
    x: { time: true, range: () => /** @type {[number, number]} */ ([current().from, current().to]) },
    y: { range: { min: end, max: end } },
  };
}

/**
 * @param {Line} line
 * @param {boolean} isOnly
 * @param {(name: string) => () => string} colour
 * @returns {uPlot.Series}
 */
function seriesOf({ slot }, isOnly, colour) {
  const stroke = colour(slot < 0 ? "--series-other" : `--series-${slot}`);
  return {
    stroke,
    width: 1.75,
    dash: slot < 0 ? [4, 4] : undefined,
    fill: isOnly ? colour("--series-area") : undefined,
    points: {
      size: 6,
      fill: stroke,
      filter: (u, i, isShown) => (isShown ? null : lonePoints(u.data[i])),
    },
  };
}
