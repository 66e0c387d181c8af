// @ts-check
/** One chart of the page: its question, the chart, its table, and its files. */

import { h, later, setText } from "../chart/dom.mjs";
import { duration, formats } from "../chart/format.mjs";
import { titleOf } from "../chart/aggregates.mjs";
import { STATES } from "../chart/words.mjs";
import { Problem } from "../live/problem.mjs";
import { EMPTY } from "../live/view.mjs";
import { KINDS } from "./address.js";
import { createFeed } from "./feed.js";
import { mountNotice, cardNotice } from "./notice.js";
import { mountQueryLine } from "./query-line.js";
import { fixed, lengthOf } from "./range.js";
import { mountTotalsTable } from "./totals-table.js";

/** @import { HeartbeatChart } from "../heartbeat-chart.mjs" */
/** @import { Act } from "./acts.js" */
/** @import { Address, Spec } from "./address.js" */
/** @import { Shown } from "./feed.js" */
/** @import { Vocabulary } from "./query-line.js" */
/** @import { Range } from "./range.js" */
/** @import { Line } from "./totals-table.js" */

const KIND_WORDS = { line: "Lines", area: "Stacked", bars: "Bars", number: "Number" };

/** @typedef {ReturnType<typeof mountChartCard>} ChartCard */

let cards = 0;

/**
 * @param {object} needs
 * @param {typeof import("../reader.mjs").open} needs.open
 * @param {Pick<typeof import("./api.js"), "readRollup" | "readFile" | "rollupPath">} needs.api
 * @param {() => number} needs.now_s
 * @param {string} needs.origin
 * @param {Vocabulary} needs.vocabulary
 * @param {(change: Partial<Spec>) => void} needs.onchange
 * @param {(act: Act) => void} needs.onact
 * @param {(range: Range) => void} needs.onrange
 * @param {(shown: Shown) => void} needs.onstate
 */
export function mountChartCard({ open, api, now_s, origin, vocabulary, onchange, onact, onrange, onstate }) {
  const name = `kind-${(cards += 1)}`;
  let address = /** @type {Address | null} */ (null);
  let spec = /** @type {Spec | null} */ (null);
  let place = { at: 0, count: 1 };
  let zoomed = /** @type {{ from: number, to: number } | null} */ (null);
  let step = /** @type {number | null} */ (null);
  /** The stream and key whose numbers the chart shows; empty while it shows none. */
  let shownOf = "";
  let menu = /** @type {ReturnType<typeof import("./series-menu.js").mountSeriesMenu> | null} */ (null);

  const heading = h("h2", { class: "unseen" });
  const title = h("input", { class: "chart-title", "aria-label": "Title of the chart", maxlength: "100", spellcheck: "false", autocomplete: "off" });
  const span = h("p", { class: "muted span" });
  const state = h("p", { class: "state", role: "status" });
  const kinds = h("fieldset", { class: "segments" }, h("legend", { class: "unseen" }, "Kind of chart"), ...KINDS.map((kind) => h("label", {}, h("input", { type: "radio", name, value: kind }), h("span", {}, KIND_WORDS[kind]))));
  const compare = h("button", { type: "button", class: "small", "aria-pressed": "false" }, "Compare");
  compare.title = "With the previous period";
  const chart = /** @type {HeartbeatChart} */ (h(/** @type {any} */ ("heartbeat-chart")));
  const [csv, png] = [h("button", { type: "button", class: "small" }, "CSV"), h("button", { type: "button", class: "small" }, "PNG")];
  const json = h("a", { class: "button small", target: "_blank", rel: "noopener" }, "JSON");
  const useZoom = h("button", { type: "button", class: "small" }, "Use this range");
  const said = h("p", { class: "answer", "data-kind": "bad", role: "status" });
  const notice = mountNotice({ origin });
  const queryLine = mountQueryLine({ vocabulary, onchange });
  const table = mountTotalsTable({ ontoggle: (id) => chart.toggle(id), onselect: openMenu });
  const more = h("details", { class: "acts" }, h("summary", { "aria-label": "More for this chart" }, "···"));
  const acts = later(async () => (await import("./acts.js")).mountActs(more, onact), () => acts.part?.update(place));
  more.addEventListener("toggle", acts.need);
  const files = h("div", { class: "files" }, useZoom, said, csv, png, json);
  const el = h("article", { class: "card chart" },
    heading,
    h("div", { class: "chart-head" }, h("div", { class: "named" }, title, h("div", { class: "sub" }, span, state)), h("div", { class: "look" }, kinds, compare, more)),
    queryLine.el, notice.el, chart, table.el, files);

  const feed = createFeed({ open, api, now_s, onchange: draw });

  kinds.addEventListener("change", ({ target }) => onchange({ kind: /** @type {any} */ (/** @type {HTMLInputElement} */ (target).value) }));
  compare.addEventListener("click", () => onchange({ compare: !spec?.compare }));
  title.addEventListener("change", () => onchange({ label: title.value.trim() }));
  title.addEventListener("keydown", (event) => event.key === "Enter" && title.blur());
  useZoom.addEventListener("click", () => zoomed && onrange(fixed(zoomed)));
  chart.addEventListener("heartbeat-zoom", (event) => {
    zoomed = /** @type {CustomEvent} */ (event).detail;
    useZoom.hidden = zoomed === null;
  });
  chart.addEventListener("heartbeat-point", (event) => {
    step = /** @type {CustomEvent} */ (event).detail.step;
    drawTable();
  });
  chart.addEventListener("heartbeat-draw", drawTable);
  csv.addEventListener("click", () => hand(async () => (await import("./download.js")).download(await api.readFile(access(), question(), "csv"), `${named()}.csv`)));
  png.addEventListener("click", () => hand(async () => {
    const [{ pictureOf }, { download }] = await Promise.all([import("./picture.js"), import("./download.js")]);
    const blob = await pictureOf(chart, named());
    if (blob) download(blob, `${named()}.png`);
  }));
  json.addEventListener("click", (event) => {
    // A link must not carry the key. The plain address is enough for a public stream, and for readers that send a key.
    if (!access().key) return;
    event.preventDefault();
    hand(async () => (await import("./download.js")).show(await api.readFile(access(), question(), "json")));
  });

  const access = () => ({ stream: address?.stream ?? "", key: address?.key ?? "" });
  const named = () => `${spec?.label || titleOf([spec?.agg ?? "sum"], spec?.by ?? "")}`;

  /** The question to which the numbers on the screen are the answer, now and later. */
  function question() {
    const { from, to, step } = feed.shown().view;
    const { agg, by, where, top } = /** @type {Spec} */ (spec);
    return { from, to, step, agg, by, where, top };
  }

  /** Few visits need the menu: it is loaded at its first use. @param {Line} line @param {HTMLElement} button */
  async function openMenu(line, button) {
    const { mountSeriesMenu } = await import("./series-menu.js");
    menu ??= mountSeriesMenu({ vocabulary, onchange });
    el.append(menu.el);
    menu.open(line, button, /** @type {Spec} */ (spec));
  }

  /** @param {() => Promise<void>} task */
  async function hand(task) {
    setText(said, "");
    try {
      await task();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setText(said, error.detail ? `${error.title}: ${error.detail}` : error.title);
    }
  }

  /** @param {Address} next @param {Spec} nextSpec @param {{ at: number, count: number }} place */
  function update(next, nextSpec, { at, count }) {
    address = next;
    spec = nextSpec;
    const auto = titleOf([spec.agg], spec.by);
    setText(heading, spec.label || auto);
    if (document.activeElement !== title) title.value = spec.label;
    title.placeholder = auto;
    const radio = /** @type {HTMLInputElement} */ (kinds.querySelector(`[value=${spec.kind}]`));
    radio.checked = true;
    compare.setAttribute("aria-pressed", String(spec.compare));
    place = { at, count };
    acts.part?.update(place);
    queryLine.update(spec);
    feed.ask({ access: access(), range: { from: next.from, to: next.to }, spec });
    draw();
  }

  function draw() {
    if (!address || !spec) return;
    const shown = feed.shown();
    const { state: now, problem, view, compared } = shown;
    const isKnown = view.step > 0;
    const isEmpty = view.series.length === 0;
    const range = { from: address.from, to: address.to };
    const said = cardNotice({ state: now, problem, hasKey: address.key !== "", hasFilters: spec.where.length > 0, isKnown, isEmpty, range });
    notice.update(said.kind === "loading" && shownOf === JSON.stringify(access()) ? { kind: "none", title: "" } : said, address.stream);
    state.dataset.state = now;
    state.hidden = now === "over" || now === "closed";
    setText(state, STATES[now] ?? "");
    setText(span, isKnown ? `in steps of ${spoken(view.step)}${spec.compare ? `, compared with the ${duration(lengthOf(range))} before` : ""}` : "");
    const isShut = now === "denied" || now === "missing";
    const isStale = !isKnown && now === "connecting" && shownOf === JSON.stringify(access());
    el.classList.toggle("stale", isStale);
    // The old numbers stay until the answer comes: nobody can work with a page that jumps.
    if (isStale) return void (files.hidden = true);
    const isShown = isKnown && !isEmpty && !isShut && now !== "refused";
    el.classList.toggle("shut", isShut);
    el.setAttribute("aria-busy", String(!isKnown && said.kind === "loading"));
    chart.hidden = table.el.hidden = files.hidden = !isShown;
    if (!isShown) chart.zoom(null);
    shownOf = isShown ? JSON.stringify(access()) : "";
    for (const [name, value] of Object.entries({ by: spec.by, kind: spec.kind, top: spec.top, label: spec.label || titleOf([spec.agg], spec.by), timezone: address.zone })) chart.setAttribute(name, String(value));
    chart.data = !isShown ? EMPTY : spec.kind === "line" && compared ? compared : view;
    if (isShown) json.href = api.rollupPath(address.stream, question());
    useZoom.hidden = zoomed === null;
    onstate(shown);
  }

  function drawTable() {
    if (chart.hidden || !address || !spec) return;
    const { view, previous } = feed.shown();
    if (view.step === 0) return;
    const words = formats(undefined, address.zone === "utc" ? "UTC" : undefined);
    const moment = step === null || step >= view.times.length ? "" : words.moment(view.times[step], view);
    table.update({ lines: chart.lines, summaryTitle: chart.summaryTitle, step: moment ? step : null, moment, previous, isCompared: spec.compare }, words);
  }

  return { el, update, close: () => (feed.close(), el.remove()) };
}

/** @param {number} step */
function spoken(step) {
  const width = duration(step);
  return width.includes(" ") ? width : `1 ${width}`;
}
