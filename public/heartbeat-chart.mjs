// @ts-check
/**
 * `<heartbeat-chart>`: a live chart of a stream for any page.
 *
 *   <script type="module" src="https://HOST/heartbeat-chart.mjs"></script>
 *   <heartbeat-chart stream="ID" key="rk_..." by="country" window="1h"></heartbeat-chart>
 *
 * Attributes: those of `open` in reader.mjs (stream, key, by, where, agg, step, window, host), and `kind` (line, area, bars,
 * number), `stacked`, `timezone` (local, utc or a name such as Europe/Berlin), `top`, `label`, `theme` (light, dark).
 * In place of a stream, `data` may be given: an answer of the API's `rollup`.
 */

import { mountCursor } from "./chart/cursor.mjs";
import { h, isDisplayed, later, setText } from "./chart/dom.mjs";
import { formats } from "./chart/format.mjs";
import { beforeOf, chartOf, isStackable, titleOf } from "./chart/lines.mjs";
import { SLOTS, strokeOf } from "./chart/palette.mjs";
import { isDashed, mountPlot } from "./chart/plot.mjs";
import { styleSheet } from "./chart/styles.mjs";
import { STATES, momentOf, noticeOf, spanOf, spoken, summaryOf } from "./chart/words.mjs";
import { EMPTY, viewOf } from "./live/window.mjs";
import { open } from "./reader.mjs";

/** @import { Chart, Line } from "./chart/lines.mjs" */
/** @import { Look, Pointed, Span, Theme } from "./chart/plot.mjs" */
/** @import { View } from "./live/window.mjs" */
/** @import { Reader } from "./reader.mjs" */

/** A change of these is another question; of the others another look. */
const QUESTION = ["stream", "key", "by", "where", "agg", "step", "window", "top", "host"];
const LOOK = ["kind", "stacked", "timezone", "label", "theme"];

/** As many series as a chart shows; the largest of more. */
const TOP = 100;

/** The words for screen readers follow the chart, but a voice that reads them is not interrupted each second. */
const SUMMARY_MS = 10_000;

export class HeartbeatChart extends HTMLElement {
  static observedAttributes = [...QUESTION, ...LOOK];

  #parts = partsOf(this.attachShadow({ mode: "open" }));
  #reader = /** @type {Reader | null} */ (null);
  #data = /** @type {View | null} */ (null);
  #mistake = /** @type {{ title: string, detail: string } | null} */ (null);
  #chart = /** @type {Chart | null} */ (null);
  #seen = /** @type {View | null} */ (null);
  #hidden = /** @type {Set<string>} */ (new Set());
  #pointed = /** @type {Pointed} */ ({ step: null, line: null });
  #theme = /** @type {Theme | null} */ (null);
  #formats = formats();
  #zone = "";
  #summary_ms = -Infinity;
  #isAsked = false;
  #frame = 0;
  #state = "";
  #resize = new ResizeObserver(() => this.#draw());
  #scheme = matchMedia("(prefers-color-scheme: dark)");
  #onscheme = () => this.#restyle();

  #plot = mountPlot(this.#parts.plot, {
    onpoint: (pointed) => this.#point(pointed),
    onzoom: (span) => this.#zoomed(span),
  });
  #cursor = mountCursor(this.#parts.plot, {
    onstep: (step) => this.#plot.pointAt(step),
    onzoom: (factor) => this.#plot.zoomBy(factor),
    onpan: (share) => this.#plot.panBy(share),
    onreset: () => this.zoom(null),
  });
  #legend = this.#later(async () => (await import("./chart/legend.mjs")).mountLegend(this.#parts.legend, {
    onselect: (line, event) => this.#select(line, event),
    onpoint: (id) => this.#plot.highlight(id),
  }));
  #numbers = this.#later(async () => (await import("./chart/numbers.mjs")).mountNumbers(this.#parts.numbers));
  #rows = this.#later(async () => (await import("./chart/rows.mjs")).mountRows(this.#parts.details));

  constructor() {
    super();
    this.#parts.plot.addEventListener("dblclick", () => this.zoom(null));
    this.#parts.reset.addEventListener("click", () => this.zoom(null));
    this.#parts.details.addEventListener("toggle", () => this.#draw());
    this.#parts.showAll.addEventListener("click", () => (this.#hidden.clear(), this.#draw()));
  }

  connectedCallback() {
    // A page may have set it before this module was there; then it hides the accessor.
    if (Object.hasOwn(this, "data")) {
      const { data } = this;
      delete (/** @type {Partial<HeartbeatChart>} */ (this).data);
      this.data = data;
    }
    this.#resize.observe(this.#parts.plot);
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

  /** What is shown in place of a stream: an answer of `rollup`; null for the stream again. @type {Omit<View, "totals"> | View | null} */
  get data() {
    return this.#data;
  }

  set data(data) {
    this.#data = data && "totals" in data ? data : data && viewOf({ now: Date.now() / 1000, ...data });
    this.#ask();
  }

  /** The reader, as `open` in reader.mjs gives it; null while there is none. */
  get reader() {
    return this.#reader;
  }

  /**
   * The series as they are drawn, for a page that has a legend of its own; `heartbeat-draw` tells when they are others.
   * @returns {(Line & { colour: string, dash: number[], isHidden: boolean })[]}
   */
  get lines() {
    const { series } = this.#themeNow();
    return (this.#chart?.lines ?? []).map((line) => ({ ...line, ...strokeOf(line.slot, series), isHidden: this.#hidden.has(line.id) }));
  }

  /** What the largest number of a series is called: `Total`, `Highest`, .. */
  get summaryTitle() {
    return this.#chart?.summaryTitle ?? "";
  }

  /** Hides a series, or shows it again. @param {string} id of a line */
  toggle(id) {
    const isShown = this.#hidden.has(id);
    for (const one of [id, beforeOf(id)]) isShown ? this.#hidden.delete(one) : this.#hidden.add(one);
    this.#draw();
  }

  /** Shows a part of the window, in Unix seconds; null: all of it. @param {Span | null} span */
  zoom(span) {
    this.#plot.zoomTo(span);
  }

  /** The picture, without its legend. @returns {Promise<Blob | null>} */
  toBlob(type = "image/png") {
    const canvas = this.#plot.canvas;
    if (!canvas) return Promise.resolve(null);
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (copy.getContext("2d"));
    context.fillStyle = this.#themeNow().ground;
    context.fillRect(0, 0, copy.width, copy.height);
    context.drawImage(canvas, 0, 0);
    return copy.convertToBlob({ type });
  }

  /** Asks anew, once for all changes of a moment: also an element that is only moved is taken out and put in. */
  #ask() {
    if (!this.#isAsked) queueMicrotask(() => ((this.#isAsked = false), this.#open()));
    this.#isAsked = true;
  }

  #open() {
    const value = (/** @type {string} */ name) => this.getAttribute(name)?.trim() || undefined;
    const wanted = this.isConnected && !this.#data ? Object.fromEntries(QUESTION.map((name) => [name, value(name)])) : null;
    const asked = JSON.stringify(wanted);
    if (this.#reader && this.#question === asked) return;
    this.#reader?.close();
    this.#reader = this.#mistake = this.#seen = null;
    this.#question = asked;
    this.#summary_ms = -Infinity;
    if (wanted) this.#start(/** @type {any} */ ({ ...wanted, where: wheresOf(wanted.where), top: wanted.top && Number(wanted.top) }));
    this.#schedule();
  }

  #question = "null";

  /** @param {import("./live/query.mjs").Options} options */
  #start(options) {
    try {
      this.#reader = open(options);
      this.#reader.onchange = () => this.#schedule();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.#mistake = { title: "This chart can't be drawn", detail: error.message };
    }
  }

  /** @template T @param {() => Promise<T>} load */
  #later(load) {
    return later(load, () => this.#draw());
  }

  #restyle() {
    this.#theme = null;
    this.#draw();
  }

  /** Draws with the next frame what came until then. */
  #schedule() {
    if (this.#frame === 0 && this.isConnected) this.#frame = requestAnimationFrame(() => ((this.#frame = 0), this.#draw()));
  }

  #draw() {
    if (!this.isConnected) return;
    const { title, span, note, showAll, legend, details, numbers } = this.#parts;
    const view = this.#data ?? this.#reader?.view ?? EMPTY;
    const by = (this.getAttribute("by") ?? "").split(",").map((one) => one.trim()).filter(Boolean).join(",");
    const top = Number(this.getAttribute("top")) || TOP;
    if (view !== this.#seen || this.#chart === null || this.#chart.by !== by) this.#chart = chartOf(view, { by, top }, this.#chart);
    this.#seen = view;
    const chart = this.#chart;
    const aggs = chart.aggs.length ? chart.aggs : (this.getAttribute("agg") ?? "sum").split(",");
    const words = this.#words();
    setText(title, this.getAttribute("label") ?? titleOf(aggs, by));
    setText(span, chart.step ? spanOf(chart) : "");
    setText(note, chart.note);
    note.hidden = chart.note === "";
    showAll.hidden = !chart.lines.some(({ id }) => this.#hidden.has(id));
    this.#tellState(chart);

    const isNumber = this.kind === "number";
    numbers.hidden = !isNumber;
    legend.hidden = isNumber || chart.lines.length === 0;
    details.hidden = chart.lines.length === 0;
    if (isNumber) this.#numbers.need()?.update(chart, words);
    const lines = chart.lines.filter(({ id }) => !this.#hidden.has(id));
    const look = this.#look(chart, lines);
    this.#drawPlot(chart, lines, look);
    if (this.#legend.part || isDisplayed(legend)) this.#legend.need()?.update(chart, { formats: words, colours: look.theme.series, isDashed: isDashed(lines.length, look), isHidden: ({ id }) => this.#hidden.has(id) });
    if (details.open) this.#rows.need()?.update(chart, words);
    this.#point(this.#pointed);
    this.dispatchEvent(new CustomEvent("heartbeat-draw"));
  }

  /** @param {Chart} chart @param {Line[]} lines those that are shown @returns {Look} */
  #look({ aggs }, lines) {
    const kind = this.kind;
    // Areas and bars would hide each other.
    const isStacked = isStackable(aggs) && lines.length > 1 && !lines.some(({ isPrevious }) => isPrevious) && (this.hasAttribute("stacked") || kind === "bars" || kind === "area");
    return { kind: kind === "number" ? "spark" : kind, isStacked, formats: this.#words(), timeZone: this.#zone, theme: this.#themeNow() };
  }

  /** @param {Chart} chart @param {Line[]} lines @param {Look} look */
  #drawPlot(chart, lines, look) {
    const { plot, stage } = this.#parts;
    // Several numbers stand for themselves.
    stage.hidden = look.kind === "spark" && chart.lines.length > 1;
    if (plot.clientWidth === 0 || plot.clientHeight === 0) return;
    if (chart.step === 0) return this.#plot.destroy();
    this.#plot.update(chart, lines, look);
    this.#plot.resize();
  }

  /** @param {Chart} chart */
  #tellState(chart) {
    const { state, notice, noticeTitle, noticeText, plot } = this.#parts;
    const now = this.#mistake ? "refused" : this.#data ? "data" : this.#reader?.state ?? "closed";
    const said = noticeOf({
      state: now,
      problem: this.#mistake ?? this.#reader?.problem ?? null,
      hasKey: this.hasAttribute("key"),
      isEmpty: chart.lines.length === 0,
      isKnown: chart.step > 0,
    });
    state.hidden = now === "data";
    state.dataset.state = now;
    setText(state, STATES[now] ?? "");
    notice.hidden = said === null;
    notice.dataset.kind = said?.kind ?? "";
    setText(noticeTitle, said?.title ?? "");
    setText(noticeText, said?.text ?? "");
    plot.classList.toggle("waiting", now === "offline" || said?.kind === "failed");
    if (now !== this.#state) this.dispatchEvent(new CustomEvent("heartbeat-state", { detail: { state: now, problem: this.#reader?.problem ?? null } }));
    this.#state = now;
  }

  /** @param {Pointed} pointed */
  #point(pointed) {
    const chart = this.#chart;
    if (!chart) return;
    const isMoved = pointed.step !== this.#pointed.step;
    this.#pointed = pointed;
    const { step, line } = pointed;
    const [at, words] = [step !== null && step < chart.times.length ? step : null, this.#words()];
    const drawn = chart.lines.filter(({ id }) => !this.#hidden.has(id));
    this.#legend.part?.point(line === null ? null : drawn[line] ?? null, at, at === null ? "" : momentOf(chart, at, words), words);
    this.#cursor.update(chart.times.length, at, at === null ? "" : spoken(chart, drawn, at, words));
    if (isMoved) this.dispatchEvent(new CustomEvent("heartbeat-point", { detail: { step: at } }));
    if (performance.now() - this.#summary_ms < SUMMARY_MS || chart.step === 0) return;
    this.#summary_ms = performance.now();
    setText(this.#parts.summary, summaryOf(this.kind, String(this.#parts.title.textContent), chart, words));
  }

  /** @param {Span | null} span */
  #zoomed(span) {
    this.#parts.reset.hidden = span === null;
    this.dispatchEvent(new CustomEvent("heartbeat-zoom", { detail: span }));
  }

  /**
   * A click hides a series or shows it again; with Shift, Ctrl or Alt only this one is shown. A page that has better to
   * do with it prevents the event's default.
   * @param {Line} line
   * @param {MouseEvent} event
   */
  #select(line, { shiftKey, ctrlKey, metaKey, altKey }) {
    const { id, agg, labels } = line;
    if (!this.dispatchEvent(new CustomEvent("heartbeat-select", { cancelable: true, detail: { agg, labels } }))) return;
    const others = (this.#chart?.lines ?? []).filter((one) => one.id !== id).map((one) => one.id);
    if (shiftKey || ctrlKey || metaKey || altKey) this.#hidden = new Set(others);
    else return this.toggle(id);
    this.#draw();
  }

  /** @returns {"line" | "area" | "bars" | "number"} */
  get kind() {
    const kind = this.getAttribute("kind");
    return kind === "area" || kind === "bars" || kind === "number" ? kind : "line";
  }

  /** Numbers and times in the time zone that is asked for. */
  #words() {
    const asked = this.getAttribute("timezone") ?? "local";
    const zone = asked === "local" ? "" : asked === "utc" ? "UTC" : asked;
    if (zone !== this.#zone) {
      this.#zone = isZone(zone) ? zone : "";
      this.#formats = formats(undefined, this.#zone || undefined);
    }
    return this.#formats;
  }

  /** The colours as the page and the scheme have them. @returns {Theme} */
  #themeNow() {
    if (this.#theme) return this.#theme;
    const style = getComputedStyle(this);
    const colour = (/** @type {string} */ name) => hexOf(style.getPropertyValue(`--${name}`).trim());
    const slots = Array.from({ length: SLOTS }, (_, i) => colour(`series-${i}`));
    const [other, text, ground] = ["other", "text", "background"].map(colour);
    return (this.#theme = { series: [...slots, other, text, ground], muted: colour("muted"), grid: colour("line"), ground, font: style.fontFamily });
  }
}

/** @param {ShadowRoot} root */
function partsOf(root) {
  root.adoptedStyleSheets = [styleSheet()];
  const title = h("bdi", { "data-kind": "value" });
  const span = h("p");
  const state = h("p", { class: "state", role: "status", part: "state" });
  const numbers = h("dl", { class: "numbers", part: "numbers" });
  const plot = h("div", { class: "plot", "aria-describedby": "summary" });
  const [noticeTitle, noticeText] = [h("p", { class: "title" }), h("p")];
  const notice = h("div", { class: "notice", role: "status" }, noticeTitle, noticeText);
  const reset = h("button", { type: "button" }, "Show all of the time");
  const stage = h("div", { class: "stage", part: "plot" }, plot, h("div", { class: "tools" }, reset), notice);
  const legend = h("div", { class: "legend", part: "legend" });
  const note = h("p");
  const showAll = h("button", { type: "button" }, "Show all series");
  const details = h("details", { part: "data" }, h("summary", {}, "Data as a table"));
  const summary = h("p", { class: "unseen", id: "summary" });
  for (const el of [reset, note, showAll, numbers, legend, details]) el.hidden = true;
  const head = h("div", { class: "head", part: "header" }, h("h2", {}, title), span, state);
  root.append(h("div", { class: "frame" }, head, numbers, stage, summary, legend, h("div", { class: "more" }, note, showAll), details));
  return { title, span, state, numbers, stage, plot, notice, noticeTitle, noticeText, reset, legend, note, showAll, details, summary };
}

/** Several matchers stand on lines of their own: they may have commas in them. @param {string} [where] */
function wheresOf(where = "") {
  return where.split("\n").map((one) => one.trim()).filter(Boolean);
}

/** @param {string} zone */
function isZone(zone) {
  try {
    return Boolean(new Intl.DateTimeFormat(undefined, { timeZone: zone || undefined }));
  } catch {
    return false;
  }
}

/** A colour as #rrggbb where it is opaque and known; else as it is. @param {string} colour */
function hexOf(colour) {
  const context = document.createElement("canvas").getContext("2d");
  if (!context || colour === "") return colour;
  context.fillStyle = colour;
  return String(context.fillStyle);
}

if (!customElements.get("heartbeat-chart")) customElements.define("heartbeat-chart", HeartbeatChart);
