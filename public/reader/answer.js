// @ts-check
/** The answer to a form, beside the form: a sentence, and the reason for each refused point. */

import { h } from "../chart/dom.mjs";

/** @import { Fault, Problem } from "../live/problem.mjs" */

/**
 * @typedef {object} Answer
 * @property {"working" | "good" | "bad"} kind
 * @property {string} text
 * @property {Fault[]} [faults]
 */

/**
 * @param {HTMLElement} el a live region
 */
export function mountAnswer(el) {
  /** @param {Answer} answer */
  function update({ kind, text, faults = [] }) {
    const reasons = faults.map(({ field, message }) => h("li", {}, h("bdi", {}, field ? `${field}: ${message}` : message)));
    el.dataset.kind = kind;
    el.replaceChildren(h("p", {}, h("bdi", {}, text)), ...(reasons.length ? [h("ul", {}, ...reasons)] : []));
  }

  return { update };
}

/**
 * @param {Problem} problem
 * @returns {Answer}
 */
export function problemAnswer({ title, detail, errors }) {
  return { kind: "bad", text: detail ? `${title}: ${detail}` : title, faults: errors };
}
