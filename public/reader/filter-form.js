// @ts-check
/** Makes a filter from a label of the stream and its values. */

import { h } from "../chart/dom.mjs";
import { mountCombobox } from "./combobox.js";
import { TESTS, WORDS, formatMatcher, isNameable } from "./matcher.js";
import { placeUnder } from "./popover.js";
import { matching, countOf } from "./query-line.js";

/** @import { Vocabulary } from "./query-line.js" */

/**
 * @param {HTMLElement} button opens it
 * @param {object} needs
 * @param {Vocabulary} needs.vocabulary
 * @param {(matcher: string) => void} needs.onadd
 */
export function mountFilterForm(button, { vocabulary, onadd }) {
  const label = h("input", { name: "label", required: "" });
  const test = h("select", { name: "test" }, ...TESTS.map((one) => h("option", { value: one }, WORDS[one])));
  const value = h("input", { name: "value" });
  const hint = h("small", {}, "An empty value stands for points without the label.");
  const form = h("form", { class: "stack", autocomplete: "off" },
    fieldOf("Label", label), fieldOf("Test", test), fieldOf("Value", value), hint,
    h("button", { class: "primary" }, "Add filter"));
  const popover = h("div", { class: "popover", popover: "auto", role: "dialog", "aria-label": "Add a filter" }, form);
  button.after(popover);

  mountCombobox(label, {
    choices: async (typed, signal) => matching((await vocabulary.labels(signal)).filter(({ name }) => isNameable(name)).map(({ name, values }) => ({ value: name, note: countOf(values, "value", "values") })), typed),
    onpick: () => value.focus(),
  });
  mountCombobox(value, {
    async choices(typed, signal) {
      const found = label.value.trim() && !test.value.endsWith("~") ? await vocabulary.values(label.value.trim(), typed, signal) : [];
      return found.map((one) => ({ value: one.value, note: countOf(one.series, "series", "series") }));
    },
    onpick: () => form.requestSubmit(),
  });
  label.addEventListener("input", () => label.setCustomValidity(isNameable(label.value) ? "" : "You can't filter by a label whose name contains = or !."));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const matcher = formatMatcher({ label: label.value.trim(), test: /** @type {any} */ (test.value), value: value.value });
    popover.hidePopover();
    form.reset();
    button.focus();
    onadd(matcher);
  });

  function open() {
    popover.showPopover();
    placeUnder(popover, button);
    label.focus();
  }

  return { open };
}

let fields = 0;

/**
 * A field with its name beside it: a label around it would take the list of choices into the name.
 * @param {string} words
 * @param {HTMLElement} input
 */
function fieldOf(words, input) {
  input.id = `field-${(fields += 1)}`;
  return h("div", { class: "field" }, h("label", { for: input.id }, words), input);
}
