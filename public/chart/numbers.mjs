// @ts-check
/** A window as big numbers, one for each series. */

import { h, setText } from "./dom.mjs";
import { adopt } from "./styles.mjs";

/** @import { Formats } from "./format.mjs" */
/** @import { Chart, Line } from "./lines.mjs" */

/** The most big numbers: more would not be big. */
const MOST = 12;

const CSS = `
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 9rem), 1fr)); gap: 10px 24px; }
.numbers > div { min-width: 0; display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.numbers dt { color: var(--muted); font-size: 0.86rem; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.numbers dd { margin: 0; font-size: clamp(1.7rem, 12cqw, 2.4rem); line-height: 1.15; font-weight: 680; letter-spacing: -0.03em; font-variant-numeric: tabular-nums; }
.numbers > :only-child dd { font-size: clamp(2.6rem, 17cqw, 4.6rem); }
`;

/** @param {HTMLElement} el a list of terms in a shadow root */
export function mountNumbers(el) {
  adopt(/** @type {ShadowRoot} */ (el.getRootNode()), CSS);

  /** @param {Chart} chart @param {Formats} formats */
  function update(chart, formats) {
    const lines = chart.lines.slice(0, MOST);
    while (el.children.length > lines.length) el.lastElementChild?.remove();
    while (el.children.length < lines.length) el.append(h("div", {}, h("dt", {}, h("bdi")), h("dd")));
    lines.forEach((line, i) => {
      const [dt, dd] = el.children[i].children;
      const bdi = /** @type {HTMLElement} */ (dt.firstElementChild);
      bdi.dataset.kind = line.name.kind;
      setText(bdi, line.name.kind === "all" ? wordOf(line) : line.name.text);
      setText(dd, formats.number(bigOf(line, chart)));
    });
  }

  return { update };
}

/**
 * A series as one number: its summary where that follows from the steps, else the last complete step. Points that come
 * only now and then may be missing in that step, so the one before it counts too: the higher of both for `max` and for
 * distinct counts, which grow within a step.
 * @param {Line} line
 * @param {Chart} chart
 */
export function bigOf({ agg, summary, summaryTitle, values }, { complete }) {
  if (summaryTitle !== "Highest") return summary;
  if (complete === 0) return null;
  const [before, now] = [values[complete - 2] ?? null, values[complete - 1] ?? null];
  if (agg === "max" || agg.startsWith("distinct:")) return before === null && now === null ? (agg === "max" ? null : 0) : Math.max(before ?? 0, now ?? 0);
  return now ?? before;
}

/** @param {Line} line */
function wordOf({ agg, summaryTitle }) {
  if (agg.startsWith("distinct:")) return `${agg.slice(9)} now`;
  return summaryTitle === "Highest" ? "now" : summaryTitle.toLowerCase();
}
