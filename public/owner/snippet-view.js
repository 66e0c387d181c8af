// @ts-check
/** One snippet at a time, with a button that copies it. */

import { find, h, setText } from "../chart/dom.mjs";
import { mountCopy } from "./copy.js";
import { snippets } from "./snippets.js";

/** @import { Facts } from "./snippets.js" */

/** @param {HTMLElement} el */
export function mountSnippets(el) {
  const chips = find(el, ".chips", HTMLElement);
  const when = find(el, ".when", HTMLElement);
  const code = find(el, "pre code", HTMLElement);
  const note = find(el, ".note", HTMLElement);
  let chosen = "curl";
  let all = /** @type {import("./snippets.js").Snippet[]} */ ([]);
  mountCopy(find(el, ".copy", HTMLElement), { what: "these lines", text: () => code.textContent ?? "" });

  chips.addEventListener("change", (event) => {
    chosen = /** @type {HTMLInputElement} */ (event.target).value;
    show();
  });

  function show() {
    const snippet = all.find(({ id }) => id === chosen) ?? all[0];
    setText(when, snippet.when);
    setText(code, snippet.text);
    setText(note, snippet.note ?? "");
    find(el, "pre", HTMLElement).setAttribute("aria-label", snippet.title);
  }

  /** @param {Facts} facts */
  function update(facts) {
    all = snippets(facts);
    // Replaces the chips only when they differ: a chip that has the focus keeps it.
    const ids = all.map(({ id }) => id).join();
    if (ids !== chips.dataset.ids) {
      for (const label of chips.querySelectorAll("label")) label.remove();
      chips.append(...all.map(chip));
    }
    chips.dataset.ids = ids;
    show();
  }

  /** @param {import("./snippets.js").Snippet} snippet */
  function chip({ id, title }) {
    const input = h("input", { type: "radio", name: "snippet", value: id });
    input.checked = id === chosen;
    return h("label", {}, input, h("span", {}, title));
  }

  return { update };
}
