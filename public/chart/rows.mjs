// @ts-check
/** The numbers of a chart as a table, newest first. It is made when somebody opens it. */

import { h } from "./dom.mjs";
import { adopt } from "./styles.mjs";
import { TABLES } from "./table-styles.mjs";
import { OPEN } from "./words.mjs";

/** @import { Formats } from "./format.mjs" */
/** @import { Chart } from "./lines.mjs" */

/** A longer table would belong in a file. */
const MOST_STEPS = 60;
const MOST_SERIES = 12;

/** An open table follows the chart, slowly enough to be read. */
const REFRESH_MS = 5000;

/** @param {HTMLDetailsElement} el */
export function mountRows(el) {
  adopt(/** @type {ShadowRoot} */ (el.getRootNode()), TABLES);
  const rows = h("div", { class: "rows", tabindex: "0", role: "region", "aria-label": "Data of the chart" });
  el.append(rows);
  let built_ms = -Infinity;
  el.addEventListener("toggle", () => (built_ms = -Infinity));

  /** @param {Chart} chart @param {Formats} formats */
  function update({ lines, times, from, to, step, complete }, formats) {
    if (performance.now() - built_ms < REFRESH_MS) return;
    built_ms = performance.now();
    const shown = lines.slice(0, MOST_SERIES);
    const steps = times.map((_, i) => i).reverse().slice(0, MOST_STEPS);
    const head = h("tr", {}, h("th", { scope: "col" }, "Time"), ...shown.map(({ name }) => h("th", { scope: "col", title: name.text }, h("bdi", { "data-kind": name.kind }, name.text))));
    const body = steps.map((i) => h("tr", i < complete ? {} : { class: "open" }, h("th", { scope: "row" }, `${formats.moment(times[i], { from, to, step })}${i < complete ? "" : OPEN}`), ...shown.map(({ values }) => h("td", {}, formats.number(values[i])))));
    const caption = h("caption", { class: "unseen" }, `The last ${steps.length} steps of ${shown.length} series`);
    rows.replaceChildren(h("table", {}, caption, h("thead", {}, head), h("tbody", {}, ...body)));
  }

  return { update };
}
