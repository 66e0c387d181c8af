// @ts-check
/** A field of a form: its text, its hint, and beside it what is wrong with it. */

import { find, h, setText } from "../chart/dom.mjs";

/**
 * @param {HTMLElement} el has one input, and may have a hint in a `small`
 * @param {string} id unique in the document
 */
export function mountField(el, id) {
  const input = /** @type {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} */ (find(el, "input, textarea, select", HTMLElement));
  const hint = el.querySelector("small");
  const fault = h("p", { class: "fault", id: `${id}-fault` });
  fault.hidden = true;
  el.append(fault);
  if (hint) hint.id = `${id}-hint`;
  const isCheckbox = input instanceof HTMLInputElement && input.type === "checkbox";

  /** @param {string} message empty where nothing is wrong */
  function complain(message) {
    const describes = [message && fault.id, hint?.id].filter(Boolean).join(" ");
    fault.hidden = message === "";
    setText(fault, message);
    if (describes) input.setAttribute("aria-describedby", describes);
    else input.removeAttribute("aria-describedby");
    if (message) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  function read() {
    if (isCheckbox) return input.checked ? "on" : "";
    return input.value.trim();
  }

  /** @param {string} value */
  function write(value) {
    if (isCheckbox) input.checked = value === "on";
    else input.value = value;
  }

  return { input, complain, read, write };
}
