// @ts-check
/** The legend: each series with its value at the cursor, its latest one and its summary. A click hides or shows it. */

import { h, svg, setText } from "./dom.mjs";
import { inRows } from "./lines.mjs";
import { adopt } from "./styles.mjs";
import { TABLES } from "./table-styles.mjs";
import { summaryWords } from "./words.mjs";
import { strokeOf } from "./palette.mjs";

/** @import { Formats } from "./format.mjs" */
/** @import { Chart, Line, Name } from "./lines.mjs" */

/**
 * @param {HTMLElement} el
 * @param {object} needs
 * @param {(line: Line, event: MouseEvent) => void} needs.onselect
 * @param {(id: string | null) => void} needs.onpoint the line whose row has the pointer or the focus; null for none
 */
export function mountLegend(el, { onselect, onpoint }) {
  adopt(/** @type {ShadowRoot} */ (el.getRootNode()), TABLES);
  const head = ["Series", "", "Latest", ""].map((title) => h("th", { scope: "col" }, title));
  head[3].setAttribute("aria-sort", "descending");
  const body = h("tbody");
  el.append(h("table", { class: "series" }, h("caption", { class: "unseen" }, "Series of the chart"), h("thead", {}, h("tr", {}, ...head)), body));
  const rows = /** @type {Map<string, ReturnType<typeof row>>} */ (new Map());
  const ids = /** @type {WeakMap<Element, string>} */ (new WeakMap());
  let shown = /** @type {Line[]} */ ([]);

  /**
   * @param {Chart} chart
   * @param {object} now
   * @param {Formats} now.formats
   * @param {string[]} now.colours of the theme
   * @param {boolean} now.isDashed whether lines have dashes
   * @param {(line: Line) => boolean} now.isHidden
   */
  function update({ lines, summaryTitle }, { formats, colours, isDashed, isHidden }) {
    const order = Array.from(body.children, (tr) => ids.get(tr) ?? "");
    shown = inRows(lines, (line) => line, order, body.matches(":hover, :focus-within"));
    const known = new Set(lines.map(({ id }) => id));
    for (const [id, { tr }] of rows) if (!known.has(id)) (tr.remove(), rows.delete(id));
    shown.forEach((line, i) => {
      let one = rows.get(line.id);
      if (!one) {
        const { id } = line;
        rows.set(id, (one = row((event) => onselect(/** @type {Line} */ (shown.find((other) => other.id === id)), event))));
        ids.set(one.tr, id);
        for (const type of ["pointerenter", "focusin"]) one.tr.addEventListener(type, () => onpoint(id));
        for (const type of ["pointerleave", "focusout"]) one.tr.addEventListener(type, () => onpoint(null));
      }
      // Moves only rows that are out of place: a row that moves loses the focus.
      if (body.children[i] !== one.tr) body.insertBefore(one.tr, body.children[i] ?? null);
      one.call(line.name);
      one.paint(strokeOf(line.slot, colours), isDashed);
      one.button.setAttribute("aria-pressed", String(!isHidden(line)));
      setText(one.latest, formats.number(line.latest));
      setText(one.summary, summaryWords(line, summaryTitle, formats));
    });
    setText(head[3], summaryTitle);
  }

  /**
   * @param {Line | null} line the one under the pointer
   * @param {number | null} step
   * @param {string} moment of the step
   * @param {Formats} formats
   */
  function point(line, step, moment, formats) {
    setText(head[1], step === null ? "At cursor" : moment);
    head[1].classList.toggle("at", step !== null);
    for (const { id, values } of shown) {
      const { tr, atCursor } = /** @type {ReturnType<typeof row>} */ (rows.get(id));
      tr.classList.toggle("pointed", id === line?.id);
      setText(atCursor, step === null ? "" : formats.number(values[step]));
    }
  }

  return { update, point };
}

/**
 * @param {(event: MouseEvent) => void} onclick
 */
function row(onclick) {
  const stroke = svg("line", { x1: "0", y1: "5", x2: "22", y2: "5" });
  const text = h("bdi");
  const button = h("button", { type: "button" }, svg("svg", { viewBox: "0 0 22 10", "aria-hidden": "true" }, stroke), text);
  button.addEventListener("click", onclick);
  const [atCursor, latest, summary] = [h("td"), h("td"), h("td")];
  const tr = h("tr", {}, h("th", { scope: "row" }, button), atCursor, latest, summary);

  /** @param {Name} name */
  function call({ kind, text: words }) {
    text.dataset.kind = kind;
    setText(text, words);
    if (button.title !== words) button.title = words;
  }

  /** @param {{ colour: string, dash: number[] }} look @param {boolean} isDashed */
  function paint({ colour, dash }, isDashed) {
    stroke.setAttribute("stroke", colour);
    stroke.setAttribute("stroke-dasharray", isDashed ? dash.join(" ") : "");
  }

  return { tr, button, atCursor, latest, summary, call, paint };
}
