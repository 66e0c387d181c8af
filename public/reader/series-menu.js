// @ts-check
/** The menu of a series: show only it, leave it out, or group it by another label. */

import { h, setText } from "../chart/dom.mjs";
import { formatMatcher, isNameable } from "./matcher.js";
import { placeUnder } from "./popover.js";

/** @import { Spec } from "./address.js" */
/** @import { Vocabulary } from "./query-line.js" */
/** @import { Line } from "./totals-table.js" */

/** How many labels the menu offers; the field “Group by” has all. */
const MOST_LABELS = 8;

/**
 * @param {object} needs
 * @param {Vocabulary} needs.vocabulary
 * @param {(change: Partial<Spec>) => void} needs.onchange
 */
export function mountSeriesMenu({ vocabulary, onchange }) {
  const title = h("bdi");
  const items = h("div", { role: "menu", class: "items" });
  const el = h("div", { class: "popover menu", popover: "auto" }, h("p", { class: "muted" }, title), items);
  let opener = /** @type {HTMLElement | null} */ (null);

  el.addEventListener("keydown", (event) => {
    const all = [...items.querySelectorAll("button")];
    const at = all.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const next = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined || all.length === 0) return;
    event.preventDefault();
    all[next % all.length].focus();
  });
  el.addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === "closed" && el.contains(document.activeElement)) opener?.focus();
  });

  /**
   * @param {Line} line
   * @param {HTMLElement} button opens it
   * @param {Spec} spec
   */
  async function open(line, button, spec) {
    opener = button;
    const names = spec.by === "*" ? Object.keys(line.labels).sort() : spec.by.split(",").filter(Boolean);
    const only = names.map((label) => formatMatcher({ label, test: "=", value: line.labels[label] ?? "" }));
    const where = [...new Set([...spec.where, ...only])];
    const item = (/** @type {string} */ text, /** @type {Partial<Spec>} */ change) => {
      const one = h("button", { type: "button", role: "menuitem", tabindex: "-1" }, h("bdi", {}, text));
      one.addEventListener("click", () => (el.hidePopover(), opener?.focus(), onchange(change)));
      return one;
    };
    setText(title, line.name.text);
    const [first] = names;
    if (!names.every(isNameable)) {
      items.replaceChildren(h("p", { class: "muted" }, "You can't filter by a label whose name contains = or !."));
      el.showPopover();
      return placeUnder(el, button);
    }
    items.replaceChildren(
      item("Only this one", { where, by: spec.by }),
      ...(names.length === 1 ? [item("All but this one", { where: [...spec.where, formatMatcher({ label: first, test: "!=", value: line.labels[first] ?? "" })] })] : []),
    );
    el.showPopover();
    placeUnder(el, button);
    items.querySelector("button")?.focus();
    const others = (await vocabulary.labels()).map(({ name }) => name).filter((name) => !names.includes(name) && !name.includes(",") && !spec.where.some((one) => one.startsWith(`${name}=`)));
    if (!el.matches(":popover-open") || opener !== button) return;
    items.append(...others.slice(0, MOST_LABELS).map((name) => item(`Only this one, by ${name}`, { where, by: name })));
    placeUnder(el, button);
  }

  return { el, open };
}
