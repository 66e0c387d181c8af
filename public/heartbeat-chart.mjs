// @ts-check
/**
 * `<heartbeat-chart>`: a live chart of a stream for any page.
 *
 *   <script type="module" src="https://HOST/heartbeat-chart.mjs"></script>
 *   <heartbeat-chart stream="ID" key="rk_..." by="country" window="1h"></heartbeat-chart>
 *
 * Attributes: those of `open` in reader.mjs (stream, key, by, where, agg, step, window, host), and `kind` (line, area,
 * bars, number), `stacked`, `timezone` (local, utc or a name such as Europe/Berlin), `top`, `label`, `theme` (light,
 * dark). A page may set `data`, an answer of the API's `rollup`, in place of a stream.
 *
 * This module is the element: attributes, properties and events. What it draws is in chart/drawing.mjs, where the
 * numbers come from in chart/source.mjs.
 */

import { LOOK, QUESTION, aggregatesOf, createLook, groupingOf, kindOf, questionOf } from "./chart/attributes.mjs";
import { setText } from "./chart/dom.mjs";
import { mountDrawing } from "./chart/drawing.mjs";
import { mountFrame } from "./chart/frame.mjs";
import { titleOf } from "./chart/aggregates.mjs";
import { chartOf } from "./chart/lines.mjs";
import { strokeOf } from "./chart/palette.mjs";
import { createSource } from "./chart/source.mjs";
import { mountState } from "./chart/state.mjs";
import { windowWords } from "./chart/words.mjs";

/** @import { Chart, Line } from "./chart/lines.mjs" */
/** @import { Span } from "./chart/plot.mjs" */
/** @import { View } from "./live/view.mjs" */

export class HeartbeatChart extends HTMLElement {
  static observedAttributes = [...QUESTION, ...LOOK];

  #frame = mountFrame(this.attachShadow({ mode: "open" }));
  #source = createSource(() => this.#schedule());
  #look = createLook(this);
  #chart = /** @type {Chart | null} */ (null);
  #seen = /** @type {View | null} */ (null);
  #isAsking = false;
  #request = 0;
  #resize = new ResizeObserver(() => this.#draw());
  #scheme = matchMedia("(prefers-color-scheme: dark)");
  #onscheme = () => this.#restyle();
  #state = mountState(this.#frame, (state) => this.#fire("heartbeat-state", { state, problem: this.#source.reader?.problem ?? null }));
  #drawing = mountDrawing(this.#frame, {
    redraw: () => this.#draw(),
    onpoint: (step) => this.#fire("heartbeat-point", { step }),
    onzoom: (span) => this.#fire("heartbeat-zoom", span),
    // A page that opens a menu instead prevents the event's default.
    onselect: ({ agg, labels }) => this.dispatchEvent(new CustomEvent("heartbeat-select", { cancelable: true, detail: { agg, labels } })),
  });

  connectedCallback() {
    // A page may set `data` before this module has loaded; then that property hides the accessor.
    if (Object.hasOwn(this, "data")) {
      const { data } = this;
      delete (/** @type {Partial<HeartbeatChart>} */ (this).data);
      this.data = data;
    }
    this.#resize.observe(this.#frame.plot);
    this.#scheme.addEventListener("change", this.#onscheme);
    this.#ask();
  }

  disconnectedCallback() {
    this.#resize.disconnect();
    this.#scheme.removeEventListener("change", this.#onscheme);
    this.#ask();
  }

  /** @param {string} name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (QUESTION.includes(name)) this.#ask();
    else this.#restyle();
  }

  /**
   * An answer of `rollup` to show in place of a stream; null shows the stream again.
   * @type {Omit<View, "totals"> | View | null}
   */
  get data() {
    return this.#source.data;
  }

  set data(data) {
    this.#source.data = data;
    this.#ask();
  }

  /** The reader that `open` in reader.mjs returns; null while there is none. */
  get reader() {
    return this.#source.reader;
  }

  /**
   * The series as they are drawn, for a page with a legend of its own; `heartbeat-draw` follows each change.
   * @returns {(Line & { colour: string, dash: number[], isHidden: boolean })[]}
   */
  get lines() {
    const { series } = this.#look.theme;
    return (this.#chart?.lines ?? []).map((line) => ({ ...line, ...strokeOf(line.slot, series), isHidden: this.#drawing.isHidden(line) }));
  }

  /** The name of each line's summary: `Total`, `Highest` and others. */
  get summaryTitle() {
    return this.#chart?.summaryTitle ?? "";
  }

  /** `line` for any attribute that is none of the kinds. */
  get kind() {
    return kindOf(this);
  }

  /** Hides a series, or shows it again. @param {string} id of a line */
  toggle(id) {
    this.#drawing.toggle(id);
  }

  /** Shows a part of the window, in Unix seconds; null shows all of it. @param {Span | null} span */
  zoom(span) {
    this.#drawing.zoomTo(span);
  }

  /** The picture, without its legend. @returns {Promise<Blob | null>} null while nothing is drawn */
  toBlob(type = "image/png") {
    return this.#drawing.toBlob(type);
  }

  /** Asks once for all changes of a moment: an element that a page only moves is taken out and put in, too. */
  #ask() {
    if (!this.#isAsking) queueMicrotask(() => ((this.#isAsking = false), this.#open()));
    this.#isAsking = true;
  }

  #open() {
    if (!this.#source.ask(this.isConnected ? questionOf(this) : null)) return;
    this.#seen = null;
    this.#drawing.renew();
    this.#schedule();
  }

  #restyle() {
    this.#look.forget();
    this.#draw();
  }

  /** Draws in the next frame all that came until then. */
  #schedule() {
    if (this.#request === 0 && this.isConnected) this.#request = requestAnimationFrame(() => ((this.#request = 0), this.#draw()));
  }

  #draw() {
    if (!this.isConnected) return;
    const { view, state, problem } = this.#source;
    const chart = this.#chartNow(view);
    const aggs = chart.aggs.length ? chart.aggs : aggregatesOf(this);
    setText(this.#frame.title, this.getAttribute("label") ?? titleOf(aggs, chart.by));
    setText(this.#frame.span, chart.step ? windowWords(chart) : "");
    this.#state.update({ state, problem, hasKey: this.hasAttribute("key"), isEmpty: chart.lines.length === 0, isKnown: chart.step > 0 });
    const { formats, timeZone, theme } = this.#look;
    this.#drawing.update(chart, { kind: this.kind, isStacked: this.hasAttribute("stacked"), formats, timeZone, theme });
    this.#fire("heartbeat-draw");
  }

  /** The lines of a view; the same ones while neither view nor grouping change. @param {View} view */
  #chartNow(view) {
    const grouping = groupingOf(this);
    if (view !== this.#seen || this.#chart?.by !== grouping.by) this.#chart = chartOf(view, grouping, this.#chart);
    this.#seen = view;
    return /** @type {Chart} */ (this.#chart);
  }

  /** @param {string} event @param {any} [detail] */
  #fire(event, detail) {
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }
}

if (!customElements.get("heartbeat-chart")) customElements.define("heartbeat-chart", HeartbeatChart);
