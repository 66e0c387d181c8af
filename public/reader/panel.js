// @ts-check
/** One chart with its heading, cursor and table. It knows nothing of streams or addresses: a page may hold many. */

import { h, setText } from "../chart/dom.mjs";
import { NOTHING, mountChart } from "./chart.js";
import { mountSeriesTable } from "./series-table.js";
import { mountTimeCursor } from "./time-cursor.js";

/** @import { Pointed } from "./chart.js" */
/** @import { Chart } from "../chart/lines.mjs" */
/** @import { Formats } from "../chart/format.mjs" */

/** @type {Record<Chart["agg"], string>} */
const TITLES = {
  sum: "Sum of n", ratio: "Ratio n / d", rate: "n per second", count: "Count of points", min: "Minimum of n / d", max: "Maximum of n / d",
};

/**
 * @param {HTMLElement} el
 * @param {{ formats: Formats }} needs
 */
export function mountPanel(el, { formats }) {
  const title = h("bdi");
  const step = h("p", { class: "muted" });
  const plot = h("div", { class: "plot" });
  const rows = h("div");
  el.append(h("div", { class: "panel-head", role: "status" }, h("h2", {}, title), step), plot, rows);

  let shown = /** @type {Chart | null} */ (null);
  const chart = mountChart(plot, { formats, onpoint: point });
  const cursor = mountTimeCursor(plot, { formats, onstep: chart.pointAt });
  const table = mountSeriesTable(rows, { formats });

  /** @param {Pointed} pointed */
  function point(pointed) {
    if (!shown) return;
    cursor.update(shown, pointed.step);
    table.update(shown, pointed);
  }

  /** @param {Chart | null} next null, or without lines: nothing to show */
  function update(next) {
    el.hidden = !next?.lines.length;
    if (!next || el.hidden || next === shown) return;
    shown = next;
    setText(title, next.by ? `${TITLES[next.agg]} by ${next.by}` : TITLES[next.agg]);
    setText(step, `in steps of ${duration(next.step)}`);
    point(NOTHING);
    chart.update(next);
  }

  return { update };
}

/** @param {number} seconds */
function duration(seconds) {
  const units = /** @type {const} */ ([[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]]);
  const [width_s, unit] = units.find(([width_s]) => seconds % width_s === 0) ?? [1, "s"];
  return `${seconds / width_s} ${unit}`;
}
