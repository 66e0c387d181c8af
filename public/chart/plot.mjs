// @ts-check
/**
 * The plot, drawn by uPlot: keeps it up to date, zooms by a drag, pans by the wheel, and reports what is pointed at.
 */

import uPlot from "../vendor/uplot/uPlot.esm.min.js";
import { DRAG_PX, FAINT, columnsOf, optionsOf, scalesOf } from "./plot-options.mjs";
import { paintStripes } from "./plot-paint.mjs";

/** @import { Chart, Line } from "./lines.mjs" */
/** @import { Look } from "./plot-options.mjs" */

/** @typedef {{ from: number, to: number }} Span Unix seconds */
/** @typedef {{ step: number | null, line: number | null }} Pointed indexes of times and of the lines drawn */

/** Outside the plot, and out of reach of any line. */
const NOWHERE_PX = -100;

/**
 * @param {HTMLElement} el its size does not depend on the plot
 * @param {object} needs
 * @param {(pointed: Pointed) => void} needs.onpoint
 * @param {(span: Span | null) => void} needs.onzoom null for the whole window
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
    // The visible part has left the window.
    if (zoom && zoom.to <= chart.from) onzoom((zoom = null));
    const shape = JSON.stringify([chart.aggs, lines.map(({ id, slot }) => [id, slot]), { ...look, formats: 0 }]);
    const data = /** @type {uPlot.AlignedData} */ (/** @type {unknown} */ ([chart.times, ...columnsOf(lines, look)]));
    if (plot && drawn?.shape === shape) {
      drawn = { chart, lines, shape };
      plot.setData(data);
      return;
    }
    // The new plot has the cursor on the same step.
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
        draw: [(u) => drawn && paintStripes(u, drawn.chart, look)],
      },
      scales: scalesOf(chart, look, () => zoom ?? drawn?.chart ?? chart),
    }, data, el);
  }

  /** The layer of a stack under the pointer. @param {uPlot} u */
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

  /** Shows a part of the window, at least two steps; null shows all of it. @param {Span | null} span */
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

  /** Makes the visible part wider or narrower, around the cursor. @param {number} factor */
  function zoomBy(factor) {
    if (!drawn) return;
    const { from, to } = zoom ?? drawn.chart;
    const middle = pointed.step === null ? (from + to) / 2 : drawn.chart.times[pointed.step];
    zoomTo({ from: middle - (middle - from) * factor, to: middle + (to - middle) * factor });
  }

  /** Moves the visible part, by a share of its width. @param {number} share */
  function panBy(share) {
    if (!zoom) return;
    const by = (zoom.to - zoom.from) * share;
    const { from, to } = /** @type {NonNullable<typeof drawn>} */ (drawn).chart;
    const held = Math.min(Math.max(by, from - zoom.from), to - zoom.to);
    zoomTo({ from: zoom.from + held, to: zoom.to + held });
  }

  /** Puts the cursor on a step, as a pointer would. @param {number | null} step */
  function pointAt(step) {
    if (!plot || !drawn) return;
    const time = step === null ? null : drawn.chart.times[step];
    if (time !== null && zoom && (time < zoom.from || time > zoom.to)) panBy((time - (zoom.from + zoom.to) / 2) / (zoom.to - zoom.from));
    plot.setCursor({ left: time === null ? NOWHERE_PX : plot.valToPos(time, "x"), top: NOWHERE_PX });
  }

  /** Dims all lines but one, however many there are; null dims none. @param {string | null} id */
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
  // uPlot listens only to the mouse.
  el.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" || !plot) return;
    const { left } = plot.over.getBoundingClientRect();
    plot.setCursor({ left: event.clientX - left, top: NOWHERE_PX });
  });

  return { update, zoomTo, zoomBy, panBy, pointAt, highlight, resize, destroy, get zoom() { return zoom; }, get canvas() { return plot?.ctx.canvas ?? null; } };
}

/** @param {HTMLElement} el */
function sizeOf({ clientWidth, clientHeight }) {
  return { width: clientWidth, height: clientHeight };
}
