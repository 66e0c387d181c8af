// @ts-check
/** Lines, areas and bars, drawn by uPlot; drag to zoom, wheel to pan. Colours and words are arguments. */

import uPlot from "../vendor/uplot/uPlot.esm.min.js";
import { isFromZero, lonePoints } from "./lines.mjs";
import { mix, strokeOf } from "./palette.mjs";
import { stack } from "./stack.mjs";

/** @import { Formats } from "./format.mjs" */
/** @import { Chart, Line } from "./lines.mjs" */
/** @import { Column } from "../live/window.mjs" */

/**
 * @typedef {object} Look
 * @property {"line" | "area" | "bars" | "spark"} kind a spark has no axes and no cursor
 * @property {boolean} isStacked
 * @property {Formats} formats
 * @property {string} timeZone empty for the viewer's
 * @property {Theme} theme
 */

/** @typedef {{ series: string[], muted: string, grid: string, ground: string, font: string }} Theme `series` as the palette wants them */
/** @typedef {{ from: number, to: number }} Span Unix seconds */
/** @typedef {{ step: number | null, line: number | null }} Pointed indexes of times and of the lines drawn */

/** Closer than this the pointer is on a line. */
const FOCUS_PX = 24;

/** With more lines than this the others don't step back from the one that is pointed at: to draw them again costs a frame. */
const FOCUS_LINES = 12;

/** How much is left of a line that steps back. */
const FAINT = 0.2;

/** With more lines than this the cursor has no dots, and lines are thin and without dashes: these are slow to draw. */
const FINE_LINES = 24;

/** How far towards the ground's colour the period before goes. */
const BEFORE = 0.45;

/** Narrower bars have no room between them. */
const ROOM_PX = 4;

/** Room for one line of time labels, and between two of them. */
const TIME_AXIS_PX = 28;
const TIME_SPACE_PX = 84;

/** Around the numbers of the value axis. */
const VALUE_AXIS_PX = 18;

/** Beside the plot, for the half of a last time; more where times are longer. */
const AFTER_PX = 22;

/** What is still open is striped: so wide, and how much of it goes. */
const STRIPE_PX = 3;
const STRIPED = 0.85;

/** Off the chart, and off every line's reach. */
const NOWHERE_PX = -100;

/** Shorter than this is a click. */
const DRAG_PX = 5;

/**
 * @param {HTMLElement} el has a size of its own
 * @param {object} needs
 * @param {(pointed: Pointed) => void} needs.onpoint
 * @param {(span: Span | null) => void} needs.onzoom null: all of it
 */
export function mountPlot(el, { onpoint, onzoom }) {
  let plot = /** @type {uPlot | null} */ (null);
  let drawn = /** @type {{ chart: Chart, lines: Line[], shape: string } | null} */ (null);
  let zoom = /** @type {Span | null} */ (null);
  let pointed = /** @type {Pointed} */ ({ step: null, line: null });
  let panned_px = 0;

  /** @param {Partial<Pointed>} change */
  function point(change) {
    const next = { ...pointed, ...change };
    if (next.step === pointed.step && next.line === pointed.line) return;
    pointed = next;
    onpoint(pointed);
  }

  /**
   * @param {Chart} chart
   * @param {Line[]} lines those that are shown
   * @param {Look} look
   */
  function update(chart, lines, look) {
    // What is looked at has left the window.
    if (zoom && zoom.to <= chart.from) onzoom((zoom = null));
    const shape = JSON.stringify([chart.aggs, lines.map(({ id, slot }) => [id, slot]), { ...look, formats: 0 }]);
    const data = /** @type {uPlot.AlignedData} */ (/** @type {unknown} */ ([chart.times, ...columnsOf(lines, look)]));
    if (plot && drawn?.shape === shape) {
      drawn = { chart, lines, shape };
      plot.setData(data);
      return;
    }
    // The cursor stays where it is.
    const { step } = pointed;
    plot?.destroy();
    pointed = { step: null, line: null };
    drawn = { chart, lines, shape };
    plot = new uPlot({
      ...optionsOf(lines, look),
      ...sizeOf(el),
      hooks: {
        ready: [() => step !== null && step < chart.times.length && pointAt(step)],
        setCursor: [(u) => point({ step: u.cursor.idx ?? null, ...(look.isStacked && { line: layerAt(u) }) })],
        setSeries: [(_, series) => look.isStacked || point({ line: series === null ? null : series - 1 })],
        setSelect: [(u) => select(u)],
        draw: [(u) => drawn && stripe(u, drawn.chart, look)],
      },
      scales: scalesOf(chart, look, () => zoom ?? drawn?.chart ?? chart),
    }, data, el);
  }

  /** The layer of a stack that the pointer is in. @param {uPlot} u */
  function layerAt({ cursor: { idx, top }, posToVal }) {
    if (idx == null || !drawn || top === undefined || top < 0) return null;
    const height = posToVal(top, "y");
    let edge = 0;
    const layer = drawn.lines.findIndex(({ values }) => (edge += values[idx] ?? 0) >= height);
    return layer < 0 || height < 0 ? null : layer;
  }

  /** @param {uPlot} u */
  function select(u) {
    const { left, width } = u.select;
    if (width < DRAG_PX) return;
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    zoomTo({ from: u.posToVal(left, "x"), to: u.posToVal(left + width, "x") });
  }

  /** Shows a part of the window, at least two steps of it; null: all. @param {Span | null} span */
  function zoomTo(span) {
    if (!plot || !drawn) return;
    const { from, to, step } = drawn.chart;
    const width = span ? Math.min(Math.max(span.to - span.from, 2 * step), to - from) : 0;
    const start = span ? Math.min(Math.max((span.from + span.to - width) / 2, from), to - width) : 0;
    zoom = span && width < to - from ? { from: start, to: start + width } : null;
    const { from: min, to: max } = zoom ?? drawn.chart;
    plot.setScale("x", { min, max });
    onzoom(zoom);
  }

  /** Makes the part that is shown wider or narrower, around the cursor. @param {number} factor */
  function zoomBy(factor) {
    if (!drawn) return;
    const { from, to } = zoom ?? drawn.chart;
    const middle = pointed.step === null ? (from + to) / 2 : drawn.chart.times[pointed.step];
    zoomTo({ from: middle - (middle - from) * factor, to: middle + (to - middle) * factor });
  }

  /** Moves the part that is shown, by a share of its width. @param {number} share */
  function panBy(share) {
    if (!zoom) return;
    const by = (zoom.to - zoom.from) * share;
    const { from, to } = /** @type {NonNullable<typeof drawn>} */ (drawn).chart;
    const held = Math.min(Math.max(by, from - zoom.from), to - zoom.to);
    zoomTo({ from: zoom.from + held, to: zoom.to + held });
  }

  /** Puts the cursor on a step, as the pointer would. @param {number | null} step */
  function pointAt(step) {
    if (!plot || !drawn) return;
    const time = step === null ? null : drawn.chart.times[step];
    if (time !== null && zoom && (time < zoom.from || time > zoom.to)) panBy((time - (zoom.from + zoom.to) / 2) / (zoom.to - zoom.from));
    plot.setCursor({ left: time === null ? NOWHERE_PX : plot.valToPos(time, "x"), top: NOWHERE_PX });
  }

  /** Lets all lines but one step back; null: none. However many they are. @param {string | null} id */
  function highlight(id) {
    if (!plot || !drawn) return;
    const line = drawn.lines.findIndex((one) => one.id === id);
    const focus = /** @type {{ alpha: number }} */ (/** @type {any} */ (plot).focus);
    const { alpha } = focus;
    focus.alpha = FAINT;
    plot.setSeries(line < 0 ? null : line + 1, { focus: true });
    focus.alpha = alpha;
  }

  function resize() {
    const { width, height } = sizeOf(el);
    if (plot && width && height && (plot.width !== width || plot.height !== height)) plot.setSize({ width, height });
  }

  function destroy() {
    plot?.destroy();
    plot = drawn = null;
    point({ step: null, line: null });
  }

  el.addEventListener("wheel", (event) => {
    const delta_px = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (!zoom || Math.abs(delta_px) < Math.abs(event.shiftKey ? 0 : event.deltaY)) return;
    event.preventDefault();
    if (panned_px === 0) requestAnimationFrame(() => (panBy(panned_px / el.clientWidth), (panned_px = 0)));
    panned_px += delta_px || Number.MIN_VALUE;
  }, { passive: false });
  // uPlot listens to the mouse only.
  el.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" || !plot) return;
    const { left } = plot.over.getBoundingClientRect();
    plot.setCursor({ left: event.clientX - left, top: NOWHERE_PX });
  });

  return { update, zoomTo, zoomBy, panBy, pointAt, highlight, resize, destroy, get zoom() { return zoom; }, get canvas() { return plot?.ctx.canvas ?? null; } };
}

/** @param {Line[]} lines @param {Look} look @returns {Column[]} */
function columnsOf(lines, { isStacked }) {
  const columns = lines.map(({ values }) => values);
  return isStacked ? stack(columns) : columns;
}

/** Whether dashes tell lines apart, besides colours. @param {number} count of lines @param {Pick<Look, "kind" | "isStacked">} look */
export function isDashed(count, { kind, isStacked }) {
  return kind === "line" && !isStacked && count <= FINE_LINES;
}

/** @param {HTMLElement} el */
function sizeOf({ clientWidth, clientHeight }) {
  return { width: clientWidth, height: clientHeight };
}

/**
 * @param {Line[]} lines
 * @param {Look} look
 * @returns {Omit<uPlot.Options, "width" | "height">}
 */
function optionsOf(lines, look) {
  const { kind, isStacked, formats, timeZone, theme } = look;
  const axis = { stroke: theme.muted, font: `12px ${theme.font}`, ticks: { show: false }, show: kind !== "spark" };
  const count = lines.filter(({ isPrevious }) => !isPrevious).length;
  const series = lines.map((line) => seriesOf(line, count, look));
  return {
    // Half a number above the highest tick, half a time after the last.
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
      // A double click means all of it; the element listens to that.
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

/**
 * Makes dashes of lines, and stripes of areas and bars, where steps are still open.
 * @param {uPlot} u
 * @param {Chart} chart
 * @param {Look} look
 */
function stripe({ ctx, bbox, valToPos }, { times, to, step, complete }, { kind, theme }) {
  if (complete === times.length) return;
  // A line comes from the step before.
  const from = times[complete] - (kind === "bars" ? 0 : step);
  const [left, right] = [from, to].map((time) => Math.min(Math.max(valToPos(time, "x", true), bbox.left), bbox.left + bbox.width));
  const width = STRIPE_PX * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.beginPath();
  for (let x = left - bbox.height; x < right; x += 2.8 * width) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.strokeStyle = theme.ground;
  ctx.globalAlpha = STRIPED;
  ctx.lineWidth = width;
  ctx.stroke();
  ctx.restore();
}

/** Times of twelve hours are longer than those of 24. @param {uPlot} u */
function halfATime(u) {
  const times = /** @type {any} */ (u.axes[0])._values ?? [];
  return Math.max(AFTER_PX, textWidth(u, 0, times) / 2 + 1);
}

/** The longest of some texts, in CSS pixels. @param {uPlot} u @param {number} axis whose font they have @param {string[]} texts */
function textWidth(u, axis, texts) {
  u.ctx.font = /** @type {any} */ (u.axes[axis].font)[0];
  return Math.ceil(Math.max(0, ...texts.map((text) => u.ctx.measureText(text).width)) / devicePixelRatio);
}

/** As wide as the longest number. @param {uPlot} u @param {string[] | null} values @param {number} axis @param {number} cycle */
function widest(u, values, axis, cycle) {
  // More than one cycle would go back and forth between two widths.
  if (cycle > 1) return /** @type {any} */ (u.axes[axis])._size;
  if (!values?.length) return VALUE_AXIS_PX;
  return textWidth(u, axis, values) + VALUE_AXIS_PX;
}

/**
 * The whole window is drawn, not only where points are; what adds up or counts is measured from zero.
 * @param {Chart} chart
 * @param {Look} look
 * @param {() => Span} span
 * @returns {uPlot.Scales}
 */
function scalesOf({ aggs }, { kind, isStacked }, span) {
  const mode = /** @type {1 | 3} */ (isFromZero(aggs) || isStacked || kind === "bars" ? 1 : 3);
  const end = { pad: 0.1, soft: 0, mode };
  return {
    x: { time: true, range: () => [span().from, span().to] },
    // Without any value there is still a scale to read.
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
  if (line.isPrevious) return { stroke: mix(colour, theme.ground, BEFORE), width: 1.5, dash: [3, 4], points: { show: () => false } };
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

/**
 * Bars as rectangles: one path of many is far slower. Each is as wide as its step, and in a stack on top of the one below.
 * @param {uPlot} u
 * @param {number} at index of the series
 * @param {string} fill
 * @param {boolean} isStacked
 */
function paintBars(u, at, fill, isStacked) {
  const [times, column, below] = [u.data[0], u.data[at], isStacked && at > 1 ? u.data[at - 1] : null];
  const step = times[1] - times[0] || 1;
  const { ctx, bbox } = u;
  const x = (/** @type {number} */ time) => Math.min(Math.max(Math.round(u.valToPos(time, "x", true)), bbox.left), bbox.left + bbox.width);
  const y = (/** @type {number} */ value) => Math.round(u.valToPos(value, "y", true));
  const room = u.valToPos(times[0] + step, "x") - u.valToPos(times[0], "x") >= ROOM_PX ? devicePixelRatio : 0;
  ctx.fillStyle = fill;
  ctx.globalAlpha = /** @type {any} */ (u.series[at]).alpha ?? 1;
  for (let i = 0; i < times.length; i++) {
    const [value, base] = [column[i], below?.[i] ?? 0];
    const [left, right] = [x(times[i]), x(times[i] + step)];
    if (value == null || value === base || right <= left) continue;
    ctx.fillRect(left, y(value), Math.max(right - left - room, 1), y(base) - y(value));
  }
  ctx.globalAlpha = 1;
  return null;
}

/** @param {Line} line @param {Look} look */
function fillOf({ slot }, { isStacked, theme }) {
  const { colour } = strokeOf(slot, theme.series);
  return isStacked ? mix(colour, theme.ground, 0.3) : `${colour}${/^#.{6}$/.test(colour) ? "1c" : ""}`;
}
