// @ts-check
/** The chart in words and numbers: its legend, its values at the cursor, and what a screen reader reads. */

import { h, setText } from "../chart/dom.mjs";

/** @import { Pointed } from "./chart.js" */
/** @import { Chart, Line } from "../chart/lines.mjs" */
/** @import { Formats } from "../chart/format.mjs" */

/**
 * @param {HTMLElement} el
 * @param {{ formats: Formats }} needs
 */
export function mountSeriesTable(el, { formats }) {
  const caption = h("caption", { class: "unseen" }, "Series of the chart");
  const atCursor = h("th", { scope: "col" });
  const summary = h("th", { scope: "col" });
  const head = h("tr", {}, h("th", { scope: "col" }, "Series"), atCursor, h("th", { scope: "col" }, "Latest"), summary);
  const body = h("tbody");
  el.append(h("table", { class: "series" }, caption, h("thead", {}, head), body));

  let shown = /** @type {Chart | null} */ (null);

  /** @param {Chart} chart @param {Pointed} pointed */
  function update(chart, { step, line }) {
    if (chart !== shown) body.replaceChildren(...chart.lines.map((one) => row(one, formats)));
    shown = chart;
    setText(summary, chart.summaryTitle);
    setText(atCursor, step === null ? "At cursor" : formats.moment(chart.times[step], chart));
    chart.lines.forEach(({ values }, i) => {
      body.rows[i].classList.toggle("pointed", i === line);
      setText(body.rows[i].cells[1], step === null ? "" : formats.number(values[step]));
    });
  }

  return { update };
}

/**
 * @param {Line} line
 * @param {Formats} formats
 */
function row({ name, slot, latest, summary }, formats) {
  const swatch = h("span", { class: "swatch", "data-slot": String(slot) });
  const text = h("bdi", { "data-kind": name.kind }, name.text);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("div", {}, swatch, text)),
    h("td"),
    h("td", {}, formats.number(latest)),
    h("td", {}, formats.number(summary)),
  );
}
