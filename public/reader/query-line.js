// @ts-check
/** A chart's question as a sentence of fields: an aggregate, the labels to group by, and the filters. */

import { h } from "../chart/dom.mjs";
import { TOPS } from "./address.js";
import { mountCombobox } from "./combobox.js";
import { matcherWords } from "./matcher.js";

/** @import { Spec } from "./address.js" */
/** @import { Choice } from "./combobox.js" */

/** @type {Choice[]} */
const AGGREGATES = [
  { value: "sum", note: "sum of n" },
  { value: "rate", note: "n per second" },
  { value: "count", note: "how many points" },
  { value: "ratio", note: "sum of n / sum of d" },
  { value: "min", note: "least n / d" },
  { value: "max", note: "greatest n / d" },
  { value: "p50", note: "median of n / d" },
  { value: "p95", note: "95 % are below" },
  { value: "p99", note: "99 % are below" },
  { value: "distinct:", note: "different values of a label: add its name" },
];

/** The API's word for all labels. */
const EVERY = { value: "*", note: "every label" };

/**
 * @typedef {{ labels: (signal?: AbortSignal) => Promise<{ name: string, values: number }[]>, values: (label: string,
 *   prefix: string, signal?: AbortSignal) => Promise<{ value: string, series: number }[]> }} Vocabulary the stream's
 *   own; empty where it can't be read
 */

/**
 * @param {object} needs
 * @param {Vocabulary} needs.vocabulary
 * @param {(change: Partial<Spec>) => void} needs.onchange
 */
export function mountQueryLine({ vocabulary, onchange }) {
  let spec = /** @type {Spec | null} */ (null);
  const now = () => /** @type {Spec} */ (spec);

  const agg = h("input", { name: "agg", "aria-label": "Aggregate" });
  const groups = h("span", { class: "chips", role: "list", "aria-label": "Labels to group by" });
  const by = h("input", { name: "by", "aria-label": "Group by", placeholder: "add a label" });
  const filters = h("span", { class: "chips", role: "list", "aria-label": "Filters" });
  const top = h("select", { name: "top", "aria-label": "Series shown" }, ...TOPS.map((one) => h("option", { value: String(one) }, `${one} largest`)));
  const topPart = h("label", { class: "part" }, h("span", {}, "show"), top);
  const add = h("button", { type: "button", class: "add", "aria-haspopup": "dialog" }, "+ filter");
  let filterForm = /** @type {ReturnType<typeof import("./filter-form.js").mountFilterForm> | null} */ (null);
  const el = h("div", { class: "query" },
    h("span", { class: "part" }, h("span", {}, "Show"), agg),
    h("span", { class: "part" }, h("span", {}, "by"), groups, by),
    h("span", { class: "part" }, h("span", {}, "where"), filters, add),
    topPart);

  mountCombobox(agg, { choices: (typed) => matching(AGGREGATES, typed), onpick: (value) => value !== "distinct:" && change({ agg: value }) });
  agg.addEventListener("change", () => agg.value.trim() && agg.value !== "distinct:" && change({ agg: agg.value.trim() }));
  mountCombobox(by, {
    async choices(typed, signal) {
      const chosen = now().by.split(",");
      const labels = await vocabulary.labels(signal);
      const all = labels.filter(({ name }) => !name.includes(",")).map(({ name, values }) => ({ value: name, note: countOf(values, "value", "values") }));
      return matching([...all, ...(labels.length > 1 ? [EVERY] : [])], typed).filter(({ value }) => !chosen.includes(value));
    },
    onpick(value) {
      by.value = "";
      const chosen = now().by === EVERY.value ? "" : now().by;
      change({ by: value === EVERY.value ? value : [...new Set([...chosen.split(","), ...value.split(",").map((one) => one.trim())])].filter(Boolean).join(",") });
    },
  });
  // Few visits need the form: it is loaded at its first use.
  add.addEventListener("click", async () => {
    const { mountFilterForm } = await import("./filter-form.js");
    filterForm ??= mountFilterForm(add, { vocabulary, onadd: addFilter });
    filterForm.open();
  });
  top.addEventListener("change", () => change({ top: Number(top.value) }));

  /** @param {Partial<Spec>} next */
  function change(next) {
    if (Object.entries(next).some(([name, value]) => (/** @type {any} */ (now())[name]) !== value)) onchange(next);
  }

  /** @param {string} matcher */
  function addFilter(matcher) {
    if (!now().where.includes(matcher)) change({ where: [...now().where, matcher] });
  }

  /** @param {Spec} next */
  function update(next) {
    spec = next;
    if (document.activeElement !== agg) agg.value = next.agg;
    const labels = next.by.split(",").filter(Boolean);
    setChips(groups, by, labels, {
      words: (one) => (one === EVERY.value ? "every label" : one),
      title: (one) => `Don't group by ${one}`,
      onremove: (gone) => change({ by: labels.filter((one) => one !== gone).join(",") }),
    });
    setChips(filters, add, [...next.where], {
      words: matcherWords,
      title: (one) => `Remove the filter ${matcherWords(one)}`,
      onremove: (gone) => change({ where: next.where.filter((one) => one !== gone) }),
    });
    top.value = String(next.top);
    topPart.hidden = next.by === "";
  }

  return { el, update };
}

/**
 * @param {HTMLElement} el
 * @param {HTMLElement} next gets the focus of a chip that is gone
 * @param {string[]} all
 * @param {{ words: (one: string) => string, title: (one: string) => string, onremove: (one: string) => void }} look
 */
function setChips(el, next, all, { words, title, onremove }) {
  const text = JSON.stringify(all);
  if (el.dataset.chips === text) return;
  const hadFocus = el.contains(document.activeElement);
  el.dataset.chips = text;
  el.hidden = all.length === 0;
  el.replaceChildren(...all.map((one) => {
    const remove = h("button", { type: "button", "aria-label": title(one) }, "×");
    remove.addEventListener("click", () => onremove(one));
    return h("span", { class: "chip", role: "listitem" }, h("bdi", { title: words(one) }, words(one)), remove);
  }));
  if (hadFocus) next.focus();
}

/** @param {number} count @param {string} one @param {string} many */
export function countOf(count, one, many) {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

/** @param {Choice[]} all @param {string} typed */
export function matching(all, typed) {
  const wanted = typed.toLowerCase();
  return all.filter(({ value }) => value.toLowerCase().includes(wanted)).slice(0, 50);
}
