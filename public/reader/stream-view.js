// @ts-check
/** The view of one stream: its time range, its charts, and a form that writes to it. */

import { find, setText } from "../chart/dom.mjs";
import { CHART, MOST_CHARTS, chartPairs } from "./address.js";
import { mountChartCard } from "./chart-card.js";
import { mountFieldsForm } from "./fields-form.js";
import { mountRangePicker } from "./range-picker.js";

/** @import { Address, Spec } from "./address.js" */
/** @import { CreatedStream } from "../owner/api.js" */
/** @import { Act } from "./acts.js" */
/** @import { ChartCard } from "./chart-card.js" */
/** @import { Shown } from "./feed.js" */
/** @import { Vocabulary } from "./query-line.js" */

/**
 * @param {HTMLElement} el
 * @param {object} needs
 * @param {typeof import("./api.js")} needs.api
 * @param {typeof import("../reader.mjs").open} needs.open
 * @param {() => number} needs.now_s
 * @param {string} needs.origin
 * @param {(change: Partial<Address>) => void} needs.onchange
 */
export function mountStreamView(el, { api, open, now_s, origin, onchange }) {
  const heading = find(el, "h1 bdi", HTMLElement);
  const id = find(el, ".stream-id", HTMLElement);
  const banner = find(el, ".banner", HTMLElement);
  const charts = find(el, "#charts", HTMLElement);
  const keyForm = find(el, "#key", HTMLFormElement);
  const tools = find(el, "#tools", HTMLElement);
  const add = find(tools, "[name=add]", HTMLButtonElement);
  const load = find(tools, "[name=load]", HTMLInputElement);
  const said = find(tools, ".answer", HTMLElement);
  const range = mountRangePicker(find(el, "#range", HTMLElement), { now_s, onchange });
  const point = find(el, "#point", HTMLDetailsElement);
  const names = /** @type {Map<string, string>} */ (new Map());

  let address = /** @type {Address | null} */ (null);
  let pointForm = /** @type {ReturnType<typeof import("./point-form.js").mountPointForm> | null} */ (null);
  let created = /** @type {CreatedStream | null} */ (null);
  let cards = /** @type {{ card: ChartCard, text: string, spec: Spec }[]} */ ([]);

  mountFieldsForm(keyForm, onchange);
  add.addEventListener("click", () => {
    onchange({ charts: [...now().charts, CHART] });
    const last = charts.lastElementChild;
    last?.scrollIntoView({ block: "nearest" });
    /** @type {HTMLElement | null | undefined} */ (last?.querySelector("[name=agg]"))?.focus();
  });
  find(tools, "[name=save]", HTMLButtonElement).addEventListener("click", async () => (await import("./files.js")).save(now(), names.get(now().stream) || now().stream));
  find(tools, "[name=pick]", HTMLButtonElement).addEventListener("click", () => load.click());
  load.addEventListener("change", async () => {
    const { mistake, change } = await (await import("./files.js")).read(load, now());
    setText(said, mistake);
    if (change) onchange(change);
  });

  // Few visits need the form: it is loaded at its first use.
  point.addEventListener("toggle", async () => {
    const { mountPointForm } = await import("./point-form.js");
    pointForm ??= mountPointForm(find(point, "form", HTMLFormElement), { api, onaccept: () => {} });
    pointForm.update(now().stream);
  });

  const now = () => /** @type {Address} */ (address);

  /** The labels and values to offer; none where they can't be read: the fields accept any text. @type {Vocabulary} */
  const vocabulary = {
    labels: (signal) => api.readLabels(now(), signal).catch(() => []),
    values: (label, prefix, signal) => api.readValues(now(), label, prefix, signal).catch(() => []),
  };

  /** Greets the stream as new when it is next shown. @param {CreatedStream} stream */
  function welcome(stream) {
    created = stream;
    names.set(stream.id, stream.name);
    setText(find(banner, "bdi", HTMLElement), stream.name);
  }

  /** @param {number} at @param {Partial<Spec>} change */
  function changeChart(at, change) {
    onchange({ charts: now().charts.map((spec, i) => (i === at ? { ...spec, ...change } : spec)) });
  }

  /** @param {number} at @param {Act} act */
  function act(at, act) {
    const all = [...now().charts];
    if (act === "duplicate") all.splice(at + 1, 0, all[at]);
    if (act === "remove") all.splice(at, 1);
    if (act === "up" || act === "down") all.splice(at + (act === "up" ? -1 : 1), 0, ...all.splice(at, 1));
    onchange({ charts: all.slice(0, MOST_CHARTS) });
  }

  function newCard() {
    const at = () => cards.findIndex((one) => one.card === card);
    /** @type {ChartCard} */
    const card = mountChartCard({
      open, api, now_s, origin, vocabulary,
      onchange: (change) => changeChart(at(), change),
      onact: (what) => act(at(), what),
      onrange: onchange,
      onstate: follow,
    });
    return card;
  }

  /**
   * Gives each chart a card: a chart that moves takes its card along, and one that changes keeps it.
   * @param {readonly Spec[]} specs
   */
  function arrange(specs) {
    const texts = specs.map((spec) => String(new URLSearchParams(chartPairs(spec))));
    const free = [...cards];
    const takeIf = (/** @type {(one: typeof cards[number]) => boolean} */ test) => {
      const i = free.findIndex(test);
      return i < 0 ? null : free.splice(i, 1)[0];
    };
    const same = texts.map((text) => takeIf((one) => one.text === text));
    cards = specs.map((spec, i) => {
      const old = same[i] ?? takeIf((one) => cards.indexOf(one) === i) ?? takeIf(() => specs.length === cards.length);
      return { card: old?.card ?? newCard(), text: texts[i], spec };
    });
    for (const { card } of free) card.close();
    cards.forEach(({ card }, i) => charts.children[i] === card.el || charts.insertBefore(card.el, charts.children[i] ?? null));
  }

  /** @param {Address} next */
  function update(next) {
    address = next;
    const isOpen = next.stream !== "";
    setText(id, next.stream);
    call(names.get(next.stream) ?? "");
    banner.hidden = !isOpen || created?.id !== next.stream;
    range.update(next);
    arrange(isOpen ? next.charts : []);
    cards.forEach(({ card, spec }, at) => card.update(next, spec, { at, count: cards.length }));
    charts.classList.toggle("many", cards.length > 1);
    add.disabled = cards.length >= MOST_CHARTS;
    pointForm?.update(next.stream);
    if (!isOpen) keyForm.hidden = true;
  }

  /** A key that one chart is denied with is wrong for all of them. @param {Shown} shown */
  function follow({ state }) {
    if (state === "denied") keyForm.hidden = false;
    else if (state === "live" || state === "over") keyForm.hidden = true;
    if ((state === "live" || state === "over") && now().key && !names.has(now().stream)) readName(now());
  }

  /** @param {Address} of */
  async function readName(of) {
    names.set(of.stream, "");
    const name = await api.readName(of).catch(() => "");
    names.set(of.stream, name);
    if (address?.stream === of.stream) call(name);
  }

  /** @param {string} name of the stream; empty where it is not known */
  function call(name) {
    setText(heading, name || "Stream");
    document.title = name ? `${name} – Heartbeat` : "Heartbeat";
  }

  return { update, welcome };
}
