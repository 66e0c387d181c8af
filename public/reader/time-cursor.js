// @ts-check
/** The chart's cursor for the keyboard and for screen readers: a slider over the steps. */

/** @import { Chart } from "./rollup.js" */
/** @import { Formats } from "./format.js" */

/** Steps that Page Up and Page Down go. */
const PAGE = 10;

/**
 * @param {number | null} step
 * @param {string} key as a keydown event names it
 * @param {number} count of steps
 * @returns {number | null | undefined} the next step, null for none, undefined when the key is not one of the cursor's
 */
export function stepAfter(step, key, count) {
  const last = count - 1;
  const move = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -PAGE, PageUp: PAGE }[key];
  if (move !== undefined) return Math.min(Math.max((step ?? last + (move < 0 ? 1 : 0)) + move, 0), last);
  return { Home: 0, End: last, Escape: null }[key];
}

/**
 * @param {HTMLElement} el what takes the focus
 * @param {object} needs
 * @param {Formats} needs.formats
 * @param {(step: number | null) => void} needs.onstep
 */
export function mountTimeCursor(el, { formats, onstep }) {
  let count = 0;
  let current = /** @type {number | null} */ (null);

  el.tabIndex = 0;
  el.setAttribute("role", "slider");
  el.setAttribute("aria-label", "Time cursor of the chart");
  el.setAttribute("aria-valuemin", "0");
  el.addEventListener("blur", () => onstep(null));
  el.addEventListener("keydown", (event) => {
    const step = stepAfter(current, event.key, count);
    if (step === undefined) return;
    event.preventDefault();
    onstep(step);
  });

  /** @param {Chart} chart @param {number | null} step */
  function update(chart, step) {
    count = chart.times.length;
    current = step;
    el.setAttribute("aria-valuemax", String(count - 1));
    el.setAttribute("aria-valuenow", String(step ?? count - 1));
    el.setAttribute("aria-valuetext", step === null ? "no time chosen" : spoken(chart, step, formats));
  }

  return { update };
}

/**
 * @param {Chart} chart
 * @param {number} step
 * @param {Formats} formats
 */
function spoken(chart, step, formats) {
  const values = chart.lines.map(({ name, values }) => `${name.text} ${formats.number(values[step])}`);
  return `${formats.moment(chart.times[step], chart)}: ${values.join(", ")}`;
}
