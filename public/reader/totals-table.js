// @ts-check
/**
 * The table under a chart: each series with its value at the cursor, its latest one, its total and share, and where two
 * periods are compared, its former total. A click on a heading sorts, on a box hides or shows, on a name opens its
 * menu.
 */

import { addsUp } from "../chart/aggregates.mjs";
import { h, setText, svg } from "../chart/dom.mjs";
import { changeOf } from "../chart/format.mjs";
import { inRows } from "../chart/lines.mjs";
import { summaryWords } from "../chart/words.mjs";
import { idOf } from "../live/view.mjs";

/** @import { Formats } from "../chart/format.mjs" */
/** @import { HeartbeatChart } from "../heartbeat-chart.mjs" */
/** @import { View } from "../live/view.mjs" */

/** @typedef {HeartbeatChart["lines"][number]} Line */
/** @typedef {"name" | "at" | "latest" | "summary" | "share" | "before" | "change"} Column */
/** @typedef {{ line: Line, cells: Record<Column, number | string | null> }} Row */

const COLUMNS = /** @type {const} */ (["name", "at", "latest", "summary", "share", "before", "change"]);

/**
 * @param {object} needs
 * @param {(id: string) => void} needs.ontoggle
 * @param {(line: Line, button: HTMLElement) => void} needs.onselect
 */
export function mountTotalsTable({ ontoggle, onselect }) {
  /** The order that somebody chose; null for that of the summary. */
  let sort = /** @type {{ column: Column, isUp: boolean } | null} */ (null);
  let order = /** @type {string[]} */ ([]);
  let shown = /** @type {Parameters<typeof update> | null} */ (null);
  const heads = Object.fromEntries(COLUMNS.map((column) => [column, headOf(column)]));
  const body = h("tbody");
  const foot = h("tfoot");
  const table = h("table", { class: "totals" }, h("caption", { class: "unseen" }, "Series of the chart"), h("thead", {}, h("tr", {}, ...COLUMNS.map((column) => heads[column].th))), body, foot);
  const el = h("div", { class: "totals-frame", role: "region", "aria-label": "Totals", tabindex: "0" }, table);
  const rows = /** @type {Map<string, ReturnType<typeof rowOf>>} */ (new Map());

  /** @param {Column} column */
  function headOf(column) {
    const button = h("button", { type: "button" });
    const th = h("th", { scope: "col", "data-column": column }, button);
    button.addEventListener("click", () => {
      const isUp = sort?.column === column ? !sort.isUp : column === "name";
      sort = { column, isUp };
      if (shown) update(...shown);
    });
    return { th, button };
  }

  /**
   * @param {object} chart
   * @param {Line[]} chart.lines
   * @param {string} chart.summaryTitle
   * @param {number | null} chart.step under the cursor
   * @param {string} chart.moment the time of that step
   * @param {View | null} chart.previous
   * @param {boolean} chart.isCompared
   * @param {Formats} formats
   */
  function update(chart, formats) {
    shown = [chart, formats];
    const { lines, summaryTitle, step, moment, previous, isCompared } = chart;
    const all = rowsOf(lines.filter(({ isPrevious }) => !isPrevious), step, previous);
    const isWhole = all.length > 1 && addsUp(all[0].line.agg) && all.every(({ line }) => line.agg === all[0].line.agg);
    const titles = { name: "Series", at: step === null ? "At cursor" : moment, latest: "Latest", summary: summaryTitle, share: "Share", before: "Before", change: "Change" };
    for (const column of COLUMNS) {
      const { th, button } = heads[column];
      setText(button, titles[column]);
      th.hidden = isAway(column, isCompared, isWhole);
      if ((sort?.column ?? "summary") === column) th.setAttribute("aria-sort", sort?.isUp ? "ascending" : "descending");
      else th.removeAttribute("aria-sort");
    }
    const { column, isUp } = sort ?? { column: "", isUp: true };
    const sorted = column ? all.toSorted((a, b) => (isUp ? 1 : -1) * compare(a.cells[/** @type {Column} */ (column)], b.cells[/** @type {Column} */ (column)])) : inRows(all, ({ line }) => line, order, body.matches(":hover, :focus-within"));
    order = sorted.map(({ line }) => line.id);
    const ids = new Set(all.map(({ line }) => line.id));
    for (const [id, { tr }] of rows) if (!ids.has(id)) (tr.remove(), rows.delete(id));
    sorted.forEach((row, i) => {
      let one = rows.get(row.line.id);
      if (!one) rows.set(row.line.id, (one = rowOf(row.line.id)));
      if (body.children[i] !== one.tr) body.insertBefore(one.tr, body.children[i] ?? null);
      one.show(row, summaryTitle, formats, isCompared, isWhole);
    });
    el.hidden = all.length === 0;
    setFoot(all, formats, isCompared, isWhole);
  }

  /** @param {Row[]} all @param {Formats} formats @param {boolean} isCompared @param {boolean} isWhole */
  function setFoot(all, formats, isCompared, isWhole) {
    foot.hidden = !isWhole;
    if (!isWhole) return;
    const sum = (/** @type {Column} */ column) => all.reduce((/** @type {number | null} */ total, { cells }) => (cells[column] === null ? total : (total ?? 0) + Number(cells[column])), null);
    const cells = { at: sum("at"), latest: null, summary: sum("summary"), share: null, before: sum("before"), change: changeOf(sum("summary"), sum("before")) };
    const texts = { at: cells.at === null ? "" : formats.number(cells.at), latest: "", summary: formats.number(cells.summary), share: "", before: formats.number(cells.before), change: changeText(cells.change) };
    const tds = Object.entries(texts).map(([column, text]) => {
      const td = h("td", { "data-column": column }, text);
      td.hidden = isAway(/** @type {Column} */ (column), isCompared, isWhole);
      return td;
    });
    foot.replaceChildren(h("tr", {}, h("th", { scope: "row" }, "All"), ...tds));
  }

  /** @param {string} id of a line */
  function rowOf(id) {
    let line = /** @type {Line | null} */ (null);
    const stroke = svg("line", { x1: "0", y1: "5", x2: "22", y2: "5" });
    const box = h("button", { type: "button", class: "swatch" }, svg("svg", { viewBox: "0 0 22 10", "aria-hidden": "true" }, stroke));
    const text = h("bdi");
    const name = h("button", { type: "button", class: "name" }, text);
    const tds = Object.fromEntries(COLUMNS.slice(1).map((column) => [column, h("td", { "data-column": column })]));
    const tr = h("tr", {}, h("th", { scope: "row" }, h("span", { class: "who" }, box, name)), ...Object.values(tds));
    box.addEventListener("click", () => ontoggle(id));
    name.addEventListener("click", () => line && onselect(line, name));

    /**
     * @param {Row} row
     * @param {string} summaryTitle
     * @param {Formats} formats
     * @param {boolean} isCompared
     * @param {boolean} isWhole
     */
    function show({ line: next, cells }, summaryTitle, formats, isCompared, isWhole) {
      line = next;
      setText(text, next.name.text);
      text.dataset.kind = next.name.kind;
      name.title = next.name.text;
      name.disabled = next.name.kind === "other" || next.name.kind === "all";
      if (!name.disabled) name.setAttribute("aria-haspopup", "menu");
      box.setAttribute("aria-pressed", String(!next.isHidden));
      box.setAttribute("aria-label", `Show ${next.name.text}`);
      tr.classList.toggle("off", next.isHidden);
      stroke.setAttribute("stroke", next.colour);
      stroke.setAttribute("stroke-dasharray", next.dash.join(" "));
      for (const column of COLUMNS.slice(1)) {
        const value = /** @type {number | null} */ (cells[column]);
        const words = column === "share" ? percent(value) : column === "change" ? changeText(value) : column === "at" && cells.at === null ? "" : column === "summary" ? summaryWords(next, summaryTitle, formats) : formats.number(value);
        setText(tds[column], words);
        tds[column].hidden = isAway(column, isCompared, isWhole);
      }
    }

    return { tr, show };
  }

  return { el, update };
}

/**
 * @param {Line[]} lines
 * @param {number | null} step
 * @param {View | null} previous
 * @returns {Row[]}
 */
function rowsOf(lines, step, previous) {
  const whole = lines.reduce((sum, { summary }) => sum + (summary ?? 0), 0);
  const before = new Map(previous?.series.map((one, i) => [one.other ? "" : idOf(one.labels), previous.totals[i]]));
  const known = new Set(lines.filter(({ slot }) => slot >= 0).map(({ labels }) => idOf(labels)));
  return lines.map((line) => {
    const was = line.slot >= 0 ? before.get(idOf(line.labels))?.[line.agg] ?? null : restOf(before, known, line.agg);
    const cells = { name: line.name.text, at: step === null ? null : line.values[step] ?? null, latest: line.latest, summary: line.summary, share: whole > 0 && line.summary !== null ? line.summary / whole : null, before: was, change: changeOf(line.summary, was) };
    return { line, cells };
  });
}

/**
 * The former total of all series that are not shown.
 * @param {Map<string, Record<string, number | null>>} before
 * @param {Set<string>} known
 * @param {string} agg
 */
function restOf(before, known, agg) {
  if (!addsUp(agg) || before.size === 0) return null;
  return [...before].filter(([id]) => !known.has(id)).reduce((sum, [, totals]) => sum + (totals[agg] ?? 0), 0);
}

/** @param {Column} column @param {boolean} isCompared @param {boolean} isWhole */
function isAway(column, isCompared, isWhole) {
  return ((column === "before" || column === "change") && !isCompared) || (column === "share" && !isWhole);
}

/** A missing number comes last. @param {number | string | null} a @param {number | string | null} b */
function compare(a, b) {
  if (typeof a === "string" && typeof b === "string") return a.localeCompare(b, undefined, { numeric: true });
  return Number(a ?? -Infinity) - Number(b ?? -Infinity) || 0;
}

/** @param {number | null} share */
function percent(share) {
  return share === null ? "–" : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** @param {number | null} change */
function changeText(change) {
  if (change === null) return "–";
  return `${change > 0 ? "+" : change < 0 ? "−" : ""}${percent(Math.abs(change))}`;
}
