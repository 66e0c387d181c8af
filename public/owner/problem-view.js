// @ts-check
/** A problem, shown where it happened: what is wrong, in the server's words too, and what to do. */

import { find, h } from "../chart/dom.mjs";
import { adviceOf } from "./fault.js";

/** @import { Problem } from "../live/problem.mjs" */

/** @param {HTMLElement} el a live region, hidden while all is well */
export function mountProblem(el) {
  /** @param {Problem | null} problem */
  function update(problem) {
    el.hidden = !problem;
    el.replaceChildren(...(problem ? parts(problem) : []));
  }

  return { update };
}

/** @param {Problem} problem */
function parts(problem) {
  const { title, detail, advice, command, type } = adviceOf(problem);
  const link = explanation(type);
  return [
    h("h2", {}, h("bdi", {}, title)),
    ...(detail ? [h("p", { class: "detail" }, h("bdi", {}, detail))] : []),
    ...(problem.errors.length ? [h("ul", {}, ...problem.errors.map(({ message }) => h("li", {}, h("bdi", {}, message))))] : []),
    h("p", {}, advice),
    ...(command ? [h("pre", { tabindex: "0" }, command)] : []),
    ...(link ? [h("a", { href: link }, "What this means")] : []),
  ];
}

/** A link to what a problem means, if this server has one. @param {string} type */
function explanation(type) {
  if (!type || !URL.canParse(type, location.origin)) return null;
  const url = new URL(type, location.origin);
  return url.origin === location.origin ? url.pathname + url.hash : null;
}

/**
 * Mounts the problem in the place that the markup of an element must have.
 * @param {ParentNode} root
 */
export function problemIn(root) {
  return mountProblem(find(root, ".problem", HTMLElement));
}
