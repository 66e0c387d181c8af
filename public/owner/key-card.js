// @ts-check
/** A new read key, shown only once: the server keeps no copy to show again. */

import { find, setText } from "../chart/dom.mjs";
import { mountCopy } from "./copy.js";
import { dashboard } from "./snippets.js";

/** @import { Facts } from "./snippets.js" */

/** @param {HTMLElement} el */
export function mountKeyCard(el) {
  const title = find(el, "h2", HTMLElement);
  const said = find(el, "h2 + p", HTMLElement);
  const secret = find(el, ".secret code", HTMLElement);
  const link = find(el, ".dashboard-link", HTMLAnchorElement);
  const demo = find(el, ".demo-link", HTMLAnchorElement);
  mountCopy(find(el, ".secret .copy", HTMLElement), { what: "the read key", text: () => secret.textContent ?? "" });
  mountCopy(find(el, ".copy-link", HTMLElement), { what: "this link", text: () => link.href, isSeen: true });

  /** @param {{ title: (Node | string)[], said: string, facts: Facts } | null} shown */
  function update(shown) {
    el.hidden = !shown;
    setText(secret, shown?.facts.key ?? "");
    link.href = shown ? dashboard(shown.facts) : "";
    if (!shown) return;
    const { facts } = shown;
    title.replaceChildren(...shown.title);
    setText(said, shown.said);
    demo.hidden = !facts.isPublic || facts.distinct.length === 0;
    demo.href = demoLink(facts);
  }

  return { update, focus: () => title.focus() };
}

/** @param {Facts} facts */
export function demoLink({ id, distinct }) {
  const query = new URLSearchParams({ stream: id, ...(distinct[0] !== "client_id" && { label: distinct[0] ?? "" }) });
  return `/demo?${query}`;
}
