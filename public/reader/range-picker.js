// @ts-check
/** The time range of all charts: a length up to now, which moves on, or a fixed one. */

import { find, setText } from "../chart/dom.mjs";
import { RANGES, fixed, isLive, lengthOf, moved, rangeOf, spanOf, timeOf, timeFieldOf } from "./range.js";

/** @import { Address } from "./address.js" */
/** @import { Range } from "./range.js" */

/**
 * @param {HTMLElement} el
 * @param {object} needs
 * @param {() => number} needs.now_s
 * @param {(change: Partial<Address>) => void} needs.onchange
 */
export function mountRangePicker(el, { now_s, onchange }) {
  const live = find(el, "[name=live]", HTMLButtonElement);
  const zone = find(el, "[name=zone]", HTMLSelectElement);
  const custom = find(el, "details", HTMLDetailsElement);
  const form = find(custom, "form", HTMLFormElement);
  const mistake = find(form, ".answer", HTMLElement);
  const [from, to] = ["from", "to"].map((name) => find(form, `input[name=${name}]`, HTMLInputElement));
  let range = /** @type {Range} */ ({ from: "-1h", to: "" });
  let isUtc = false;

  /** The length of the live range to return to. */
  let length = "-1h";

  find(el, "fieldset", HTMLFieldSetElement).addEventListener("change", ({ target }) => {
    const { value } = /** @type {HTMLInputElement} */ (target);
    onchange({ from: value, to: "" });
  });
  zone.addEventListener("change", () => onchange({ zone: /** @type {any} */ (zone.value) }));
  live.addEventListener("click", () => onchange(isLive(range) ? fixed(spanOf(range, now_s())) : { from: length, to: "" }));
  for (const [name, share] of /** @type {const} */ ([["earlier", -0.5], ["later", 0.5]])) {
    find(el, `[name=${name}]`, HTMLButtonElement).addEventListener("click", () => onchange(moved(range, share, now_s())));
  }
  custom.addEventListener("toggle", () => custom.open && fill());
  custom.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    custom.open = false;
    custom.querySelector("summary")?.focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const next = rangeOf(timeOf(from.value, isUtc), timeOf(to.value, isUtc));
    setText(mistake, next ? "" : "The end must be at least a minute after the beginning.");
    if (!next) return;
    custom.open = false;
    onchange(next);
  });

  function fill() {
    const span = spanOf(range, now_s());
    from.value = timeFieldOf(span.from, isUtc);
    to.value = timeFieldOf(span.to, isUtc);
  }

  /** @param {Address} address */
  function update(address) {
    range = { from: address.from, to: address.to };
    isUtc = address.zone === "utc";
    if (isLive(range)) length = range.from;
    for (const one of RANGES) find(el, `[value="${one}"]`, HTMLInputElement).checked = isLive(range) && lengthOf(range) === lengthOf({ from: one, to: "" });
    live.setAttribute("aria-pressed", String(isLive(range)));
    zone.value = address.zone;
    custom.classList.toggle("chosen", !isLive(range));
    setText(find(custom, "summary", HTMLElement), isLive(range) ? "From … to …" : saidOf(spanOf(range, 0), isUtc));
    fill();
  }

  return { update };
}

/** @param {{ from: number, to: number }} span @param {boolean} isUtc */
function saidOf({ from, to }, isUtc) {
  const format = new Intl.DateTimeFormat(undefined, { timeZone: isUtc ? "UTC" : undefined, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return format.formatRange(from * 1000, to * 1000);
}
