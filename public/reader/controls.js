// @ts-check
/** What of the stream is shown: range, aggregate, grouping, and when it was last read. */

import { find, h, setText } from "../chart/dom.mjs";

/** @import { Address } from "./address.js" */
/** @import { Formats } from "../chart/format.mjs" */
/** @import { View } from "./session.js" */

/**
 * @param {HTMLElement} el
 * @param {object} needs
 * @param {Formats} needs.formats
 * @param {(change: Partial<Address>) => void} needs.onchange
 * @param {() => void} needs.onrefresh
 */
export function mountControls(el, { formats, onchange, onrefresh }) {
  const by = find(el, "[name=by]", HTMLSelectElement);
  const refresh = find(el, "[name=refresh]", HTMLButtonElement);
  const updated = find(el, ".updated", HTMLElement);

  el.addEventListener("change", ({ target }) => {
    const { name, value } = /** @type {HTMLInputElement | HTMLSelectElement} */ (target);
    onchange({ [name]: value });
  });
  refresh.addEventListener("click", onrefresh);

  /** @param {View} view */
  function update({ address, labels, isLoading, updated_s }) {
    find(el, `[name=from][value="${address.from}"]`, HTMLInputElement).checked = true;
    find(el, "[name=agg]", HTMLSelectElement).value = address.agg;
    setChoices(by, choicesOf(labels, address.by));
    by.value = address.by;
    refresh.classList.toggle("busy", isLoading);
    setText(updated, updated_s === null ? "" : `Updated ${formats.clock(updated_s)}`);
  }

  return { update };
}

/**
 * The labels to group by. The API separates labels by commas and means every label by `*`, so those names cannot be asked for.
 * @param {View["labels"]} labels
 * @param {string} current is always among them
 */
export function choicesOf(labels, current) {
  const names = labels.map(({ name }) => name).filter((name) => name !== "*" && !name.includes(","));
  return current === "" || names.includes(current) ? names : [...names, current];
}

/**
 * Leaves an open list alone unless something changed.
 * @param {HTMLSelectElement} select
 * @param {string[]} names
 */
function setChoices(select, names) {
  const now = Array.from(select.options, ({ value }) => value);
  if (now.length === names.length + 1 && names.every((name, i) => now[i + 1] === name)) return;
  const options = names.map((name) => h("option", { value: name }, name));
  select.replaceChildren(h("option", { value: "" }, "Nothing"), ...options);
}
