// @ts-check
/** A button that copies a text, and confirms it. */

import { h, setText } from "../chart/dom.mjs";

const SAID_MS = 2500;

/**
 * @param {HTMLElement} el the button's place
 * @param {object} copied
 * @param {string} copied.what names the text, for the button's name
 * @param {() => string} copied.text
 * @param {boolean} [copied.isSeen] whether the button shows its whole name
 */
export function mountCopy(el, { what, text, isSeen = false }) {
  const said = h("span", {}, "Copy");
  const button = h("button", { type: "button", class: "quiet" }, said, h("span", isSeen ? {} : { class: "unseen" }, ` ${what}`));
  const spoken = h("span", { class: "unseen", role: "status" });
  el.append(button, spoken);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  button.addEventListener("click", async () => {
    const outcome = await copy(text());
    setText(said, outcome);
    setText(spoken, outcome);
    clearTimeout(timer);
    timer = setTimeout(() => {
      setText(said, "Copy");
      setText(spoken, "");
    }, SAID_MS);
  });
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    // The page is not served over https, or the browser does not allow it.
    return "Select it by hand";
  }
}
