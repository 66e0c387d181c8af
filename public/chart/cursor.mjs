// @ts-check
/** The cursor of a chart for the keyboard and for screen readers: a slider over the steps. */

/** How many steps Page Up and Page Down move. */
const PAGE = 10;

/** The factor by which a key zooms, and the share of the visible part by which it pans. */
const ZOOM = 2;
const PAN = 0.25;

/**
 * @param {number | null} step
 * @param {string} key as a keydown event names it
 * @param {number} count of steps
 * @returns {number | null | undefined} the next step, null for none, undefined for a key that does not move the cursor
 */
export function stepAfter(step, key, count) {
  const last = count - 1;
  const move = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -PAGE, PageUp: PAGE }[key];
  if (move !== undefined) return Math.min(Math.max((step ?? last + (move < 0 ? 1 : 0)) + move, 0), last);
  return { Home: 0, End: last, Escape: null }[key];
}

/**
 * @param {HTMLElement} el takes the focus
 * @param {object} needs
 * @param {(step: number | null) => void} needs.onstep
 * @param {(factor: number) => void} needs.onzoom
 * @param {(share: number) => void} needs.onpan
 * @param {() => void} needs.onreset
 */
export function mountCursor(el, { onstep, onzoom, onpan, onreset }) {
  let count = 0;
  let current = /** @type {number | null} */ (null);

  el.tabIndex = 0;
  el.setAttribute("role", "slider");
  el.setAttribute("aria-label", "Time cursor of the chart");
  el.setAttribute("aria-valuemin", "0");
  el.addEventListener("blur", () => onstep(null));
  el.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !press(event)) return;
    event.preventDefault();
    event.stopPropagation();
  });

  /** @param {KeyboardEvent} event @returns {boolean} whether it is a key of the chart */
  function press({ key, shiftKey }) {
    if (key === "+" || key === "=") onzoom(1 / ZOOM);
    else if (key === "-") onzoom(ZOOM);
    else if (key === "0") onreset();
    else if (shiftKey && (key === "ArrowLeft" || key === "ArrowRight")) onpan(key === "ArrowLeft" ? -PAN : PAN);
    else {
      const step = stepAfter(current, key, count);
      if (step === undefined) return false;
      onstep(step);
    }
    return true;
  }

  /**
   * @param {number} steps
   * @param {number | null} step
   * @param {string} words the values there
   */
  function update(steps, step, words) {
    count = steps;
    current = step;
    el.setAttribute("aria-valuemax", String(Math.max(count - 1, 0)));
    el.setAttribute("aria-valuenow", String(step ?? Math.max(count - 1, 0)));
    el.setAttribute("aria-valuetext", step === null ? "no time chosen" : words);
  }

  return { update };
}
