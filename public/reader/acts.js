// @ts-check
/** The menu of a chart: duplicate, move, remove. Loaded when it is first opened. */

import { find, h } from "../chart/dom.mjs";

const ACTS = /** @type {const} */ ({ duplicate: "Duplicate", up: "Move up", down: "Move down", remove: "Remove" });

/** @typedef {keyof typeof ACTS} Act */

/** @param {HTMLDetailsElement} details has its summary @param {(act: Act) => void} onact */
export function mountActs(details, onact) {
  const buttons = Object.entries(ACTS).map(([act, words]) => {
    const button = h("button", { type: "button", "data-act": act }, words);
    button.addEventListener("click", () => (details.removeAttribute("open"), onact(/** @type {Act} */ (act))));
    return button;
  });
  details.append(h("div", { class: "items" }, ...buttons));
  details.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !details.contains(/** @type {Node} */ (relatedTarget))) details.removeAttribute("open");
  });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    details.removeAttribute("open");
    find(details, "summary", HTMLElement).focus();
  });

  /** @param {{ at: number, count: number }} place */
  function update({ at, count }) {
    const isOff = { duplicate: false, up: at === 0, down: at === count - 1, remove: count === 1 };
    for (const button of buttons) button.disabled = isOff[/** @type {Act} */ (button.dataset.act)];
  }

  return { update };
}
