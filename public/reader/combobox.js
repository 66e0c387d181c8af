// @ts-check
/**
 * A field that offers matching choices: by pointer, by keyboard (arrows, Enter, Escape) and for screen readers, after
 * the ARIA pattern “editable combobox with list autocomplete”. It accepts any text.
 */

import { h } from "../chart/dom.mjs";

/** @typedef {{ value: string, note?: string }} Choice */

/** Looks for choices once somebody pauses typing. */
const PAUSE_MS = 120;

let names = 0;

/**
 * @param {HTMLInputElement} input
 * @param {object} needs
 * @param {(typed: string, signal: AbortSignal) => Choice[] | Promise<Choice[]>} needs.choices `typed` is empty until
 *   somebody types
 * @param {(value: string) => void} needs.onpick a choice, or a text confirmed with Enter
 */
export function mountCombobox(input, { choices, onpick }) {
  const id = `choices-${(names += 1)}`;
  const list = h("ul", { id, role: "listbox", class: "choices", "aria-label": "Suggestions" });
  list.hidden = true;
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id, autocomplete: "off", autocapitalize: "none", spellcheck: "false" })) input.setAttribute(name, value);
  const box = h("span", { class: "combobox" });
  input.replaceWith(box);
  box.append(input, list);

  let active = -1;
  let search = new AbortController();
  let timer = 0;
  let isTyped = false;

  function close() {
    search.abort();
    clearTimeout(timer);
    list.hidden = true;
    activate(-1);
    input.setAttribute("aria-expanded", "false");
  }

  /** @param {number} i */
  function activate(i) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = i;
    const option = list.children[i];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  async function open() {
    search.abort();
    const { signal } = (search = new AbortController());
    const found = await choices(isTyped ? input.value.trim() : "", signal);
    if (signal.aborted || document.activeElement !== input) return;
    list.replaceChildren(...found.map(optionOf));
    active = -1;
    activate(-1);
    list.hidden = found.length === 0;
    input.setAttribute("aria-expanded", String(found.length > 0));
  }

  /** @param {Choice} choice @param {number} i */
  function optionOf({ value, note = "" }, i) {
    const option = h("li", { id: `${id}-${i}`, role: "option", "aria-selected": "false", title: value }, h("bdi", {}, value), h("small", {}, note));
    option.dataset.value = value;
    return option;
  }

  /** @param {string} value */
  function pick(value) {
    close();
    isTyped = false;
    input.value = value;
    onpick(value);
  }

  input.addEventListener("focus", () => ((isTyped = false), input.select(), open()));
  input.addEventListener("click", () => list.hidden && open());
  input.addEventListener("blur", close);
  input.addEventListener("input", () => {
    isTyped = true;
    clearTimeout(timer);
    timer = Number(setTimeout(open, PAUSE_MS));
  });
  input.addEventListener("keydown", (event) => {
    const count = list.hidden ? 0 : list.children.length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (count === 0) open();
      else activate(event.key === "ArrowDown" ? (active + 1) % count : active <= 0 ? count - 1 : active - 1);
    } else if (event.key === "Enter") {
      const option = /** @type {HTMLElement | undefined} */ (list.children[active]);
      const value = option?.dataset.value ?? input.value.trim();
      // The form decides about an empty field.
      if (!value) return;
      event.preventDefault();
      pick(value);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  // A press on the list must not take the focus from the field.
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", ({ target }) => {
    const option = /** @type {Element} */ (target).closest("li");
    if (option) pick(String(option.dataset.value));
  });

  return { close };
}
