// @ts-check
/** Asks for the owner token. The field has no name, so that no form can put the token into an address. */

import { find } from "../chart/dom.mjs";
import { problemIn } from "./problem-view.js";

/** @import { Problem } from "../live/problem.mjs" */

/**
 * @param {HTMLElement} el
 * @param {(token: string, isKept: boolean) => void} onsignin
 */
export function mountSignIn(el, onsignin) {
  const form = find(el, "form", HTMLFormElement);
  const token = find(form, "[type=password]", HTMLInputElement);
  const keep = find(form, "[type=checkbox]", HTMLInputElement);
  const button = find(form, "button", HTMLButtonElement);
  const problem = problemIn(form);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (token.value.trim()) onsignin(token.value.trim(), keep.checked);
    else token.focus();
  });

  /** @param {{ isBusy: boolean, failed: Problem | null }} view */
  function update({ isBusy, failed }) {
    button.textContent = isBusy ? "Signing in…" : "Sign in";
    button.disabled = isBusy;
    problem.update(failed);
    if (failed) token.setAttribute("aria-invalid", "true");
    else token.removeAttribute("aria-invalid");
  }

  /** Forgets what was typed. */
  function clear() {
    form.reset();
    update({ isBusy: false, failed: null });
  }

  return { update, clear };
}
