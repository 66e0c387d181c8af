// @ts-check
/**
 * A chart on the screen: the plot with its cursor, the legend, the big numbers, the table and the words for screen
 * readers. It knows which series are hidden and where the cursor is, and neither attributes nor streams.
 */

import { mountCursor } from "./cursor.mjs";
import { isDisplayed, later, setText } from "./dom.mjs";
import { isStackable } from "./aggregates.mjs";
import { previousId } from "./lines.mjs";
import { mountPlot } from "./plot.mjs";
import { isDashed } from "./plot-options.mjs";
import { momentOf, spoken, summaryOf } from "./words.mjs";

/** @import { Formats } from "./format.mjs" */
/** @import { Frame } from "./frame.mjs" */
/** @import { Chart, Line } from "./lines.mjs" */
/** @import { Kind, Theme } from "./attributes.mjs" */
/** @import { Look } from "./plot-options.mjs" */
/** @import { Pointed, Span } from "./plot.mjs" */

/**
 * @typedef {{ kind: Kind, isStacked: boolean, formats: Formats, timeZone: string, theme: Theme }} Wish `isStacked` says
 *   whether the page asks for it
 */

/** The words for screen readers follow the chart, but a voice that reads them is not interrupted each second. */
const SUMMARY_MS = 10_000;

/**
 * @param {Frame} frame
 * @param {object} needs
 * @param {() => void} needs.redraw calls `update` with what is to be shown now
 * @param {(step: number | null) => void} needs.onpoint
 * @param {(span: Span | null) => void} needs.onzoom
 * @param {(line: Line) => boolean} needs.onselect whether a click on a row of the legend hides or shows its series
 */
export function mountDrawing(frame, { redraw, onpoint, onzoom, onselect }) {
  let shown = /** @type {{ chart: Chart, wish: Wish } | null} */ (null);
  let hidden = /** @type {Set<string>} */ (new Set());
  let pointed = /** @type {Pointed} */ ({ step: null, line: null });
  let summary_ms = -Infinity;

  const plot = mountPlot(frame.plot, { onpoint: point, onzoom: zoomed });
  const cursor = mountCursor(frame.plot, {
    onstep: (step) => plot.pointAt(step),
    onzoom: (factor) => plot.zoomBy(factor),
    onpan: (share) => plot.panBy(share),
    onreset: () => plot.zoomTo(null),
  });
  const legend = later(async () => (await import("./legend.mjs")).mountLegend(frame.legend, { onselect: select, onpoint: plot.highlight }), redraw);
  const numbers = later(async () => (await import("./numbers.mjs")).mountNumbers(frame.numbers), redraw);
  const rows = later(async () => (await import("./rows.mjs")).mountRows(frame.details), redraw);

  frame.plot.addEventListener("dblclick", () => plot.zoomTo(null));
  frame.reset.addEventListener("click", () => plot.zoomTo(null));
  frame.details.addEventListener("toggle", redraw);
  frame.showAll.addEventListener("click", () => (hidden.clear(), redraw()));

  /** @param {Line} line */
  const isHidden = ({ id }) => hidden.has(id);

  /** @param {Chart} chart @param {Wish} wish */
  function update(chart, wish) {
    shown = { chart, wish };
    const isNumber = wish.kind === "number";
    setText(frame.note, chart.note);
    frame.note.hidden = chart.note === "";
    frame.showAll.hidden = !chart.lines.some(isHidden);
    frame.numbers.hidden = !isNumber;
    frame.legend.hidden = isNumber || chart.lines.length === 0;
    frame.details.hidden = chart.lines.length === 0;
    if (isNumber) numbers.need()?.update(chart, wish.formats);
    const lines = chart.lines.filter((line) => !isHidden(line));
    const look = lookOf(chart, lines, wish);
    updatePlot(chart, lines, look);
    if (legend.part || isDisplayed(frame.legend)) {
      legend.need()?.update(chart, { formats: wish.formats, colours: wish.theme.series, isDashed: isDashed(lines.length, look), isHidden });
    }
    if (frame.details.open) rows.need()?.update(chart, wish.formats);
    point(pointed);
  }

  /** @param {Chart} chart @param {Line[]} lines @param {Look} look */
  function updatePlot(chart, lines, look) {
    // Several big numbers need no plot beside them.
    frame.stage.hidden = look.kind === "spark" && chart.lines.length > 1;
    if (frame.plot.clientWidth === 0 || frame.plot.clientHeight === 0) return;
    if (chart.step === 0) return plot.destroy();
    plot.update(chart, lines, look);
    plot.resize();
  }

  /** @param {Pointed} next */
  function point(next) {
    if (!shown) return;
    const isMoved = next.step !== pointed.step;
    pointed = next;
    const { chart, wish: { formats } } = shown;
    const { step, line } = pointed;
    const at = step !== null && step < chart.times.length ? step : null;
    const lines = chart.lines.filter((one) => !isHidden(one));
    legend.part?.point(line === null ? null : lines[line] ?? null, at, at === null ? "" : momentOf(chart, at, formats), formats);
    cursor.update(chart.times.length, at, at === null ? "" : spoken(chart, lines, at, formats));
    if (isMoved) onpoint(at);
    summarize();
  }

  function summarize() {
    if (!shown || shown.chart.step === 0 || performance.now() - summary_ms < SUMMARY_MS) return;
    const { chart, wish: { kind, formats } } = shown;
    summary_ms = performance.now();
    setText(frame.summary, summaryOf(kind, String(frame.title.textContent), chart, formats));
  }

  /** @param {Span | null} span */
  function zoomed(span) {
    frame.reset.hidden = span === null;
    onzoom(span);
  }

  /**
   * A click hides a series or shows it again; with Shift, Ctrl or Alt it hides all others.
   * @param {Line} line
   * @param {MouseEvent} event
   */
  function select(line, { shiftKey, ctrlKey, metaKey, altKey }) {
    if (!onselect(line)) return;
    if (!(shiftKey || ctrlKey || metaKey || altKey)) return toggle(line.id);
    hidden = new Set((shown?.chart.lines ?? []).map(({ id }) => id).filter((id) => id !== line.id));
    redraw();
  }

  /** Hides a series, or shows it again. @param {string} id of a line */
  function toggle(id) {
    const isShown = hidden.has(id);
    for (const one of [id, previousId(id)]) isShown ? hidden.delete(one) : hidden.add(one);
    redraw();
  }

  /**
   * The plot on the page's ground.
   * @param {string} type of the picture
   * @returns {Promise<Blob | null>} null while nothing is drawn
   */
  function toBlob(type) {
    const { canvas } = plot;
    if (!canvas || !shown) return Promise.resolve(null);
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (copy.getContext("2d"));
    context.fillStyle = shown.wish.theme.ground;
    context.fillRect(0, 0, copy.width, copy.height);
    context.drawImage(canvas, 0, 0);
    return copy.convertToBlob({ type });
  }

  /** Another question begins: its summary is due as soon as there is one. */
  function renew() {
    summary_ms = -Infinity;
  }

  return { update, renew, toggle, isHidden, zoomTo: plot.zoomTo, toBlob };
}

/** @param {Chart} chart @param {Line[]} lines those that are shown @param {Wish} wish @returns {Look} */
function lookOf({ aggs }, lines, { kind, isStacked, ...rest }) {
  const isSum = isStackable(aggs) && lines.length > 1 && !lines.some(({ isPrevious }) => isPrevious);
  // Unstacked areas and bars would hide each other.
  return { ...rest, kind: kind === "number" ? "spark" : kind, isStacked: isSum && (isStacked || kind === "bars" || kind === "area") };
}
