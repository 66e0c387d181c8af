// @ts-check
/** The writers that cost most, by network, site and write key, with buttons to block them; and the blocked ones. */

import { Problem } from "../live/problem.mjs";
import { find, h, setText } from "../chart/dom.mjs";
import { sentence } from "./fault.js";
import { mountField } from "./field.js";
import { problemIn } from "./problem-view.js";
import { number } from "./words.js";

/** @import { KeyTally, NetworkTally, Stream, Tally, Writers } from "./api.js" */
/** @import { Blocked } from "./config.js" */

/** @typedef {"networks" | "origins"} Kind the kinds of writers that can be blocked */

const COLUMNS = ["Points", "New series", "Rejected", "Cost"];
/** The server's word for writers without an address that it trusts. */
const UNKNOWN = "unknown";

/**
 * @param {HTMLElement} el
 * @param {object} needs
 * @param {typeof import("./api.js")} needs.api
 * @param {() => string} needs.token
 * @param {(problem: Problem) => boolean} needs.onrefused
 * @param {(stream: Stream) => void} needs.onchange
 * @param {(key: KeyTally) => void} needs.onrevoke
 */
export function mountWhoWrites(el, { api, token, onrefused, onchange, onrevoke }) {
  const chips = find(el, ".chips", HTMLElement);
  const since = find(el, ".since", HTMLElement);
  const lists = find(el, ".lists", HTMLElement);
  const barred = find(el, ".barred", HTMLElement);
  const form = find(el, "form", HTMLFormElement);
  const answer = find(el, ".answer", HTMLElement);
  const field = mountField(find(form, ".field", HTMLElement), "block");
  const problem = problemIn(el);
  let id = "";
  let blocked = /** @type {Blocked} */ ({ networks: [], origins: [] });
  let writers = /** @type {Writers | null} */ (null);

  chips.addEventListener("change", load);
  find(el, "[name=refresh]", HTMLButtonElement).addEventListener("click", load);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const entry = field.read();
    if (entry) block(entry.includes("://") ? "origins" : "networks", entry);
  });

  /** Turns to a stream, and clears what is shown of another one. @param {string} next */
  function turn(next) {
    id = next;
    writers = null;
    blocked = { networks: [], origins: [] };
    field.write("");
    field.complain("");
    setText(answer, "");
    setText(since, "");
    problem.update(null);
    render();
  }

  async function load() {
    const mine = id;
    const window = find(chips, "input:checked", HTMLInputElement).value === "1d" ? "1d" : "1h";
    try {
      const listed = await api.readWriters(token(), mine, window);
      if (mine !== id) return;
      writers = listed;
      setText(since, `since ${new Date(listed.since * 1000).toLocaleString()}`);
      problem.update(null);
      render();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (mine === id && !onrefused(error)) problem.update(error);
    }
  }

  /** @param {{ blocked?: Blocked }} stream */
  function describe({ blocked: now = { networks: [], origins: [] } }) {
    if (JSON.stringify(now) === JSON.stringify(blocked)) return;
    blocked = now;
    render();
  }

  /** @param {Kind} kind @param {string} entry */
  async function block(kind, entry) {
    await change(kind, (entries) => [...entries.filter((one) => one !== entry), entry], entry, "is blocked");
  }

  /** @param {Kind} kind @param {string} entry */
  async function unblock(kind, entry) {
    await change(kind, (entries) => entries.filter((one) => one !== entry), entry, "can write again");
  }

  /**
   * @param {Kind} kind
   * @param {(entries: string[]) => string[]} changed
   * @param {string} entry
   * @param {string} outcome
   */
  async function change(kind, changed, entry, outcome) {
    const mine = id;
    field.complain("");
    setText(answer, "");
    try {
      // Reads the list first: somebody else may have changed it meanwhile.
      const { blocked: now } = await api.readStream(token(), mine);
      const next = await api.changeStream(token(), mine, { blocked: { ...now, [kind]: changed(now?.[kind] ?? []) } });
      if (mine !== id) return;
      if (field.read() === entry) field.write("");
      answer.replaceChildren(h("bdi", {}, entry), ` ${outcome}.`);
      onchange(next);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (mine !== id || onrefused(error)) return;
      if (error.status === 400) field.complain(sentence(error.detail));
      else problem.update(error);
    }
  }

  function render() {
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.entry : undefined;
    lists.replaceChildren(...(writers ? tables(writers) : []));
    const entries = [...blocked.networks.map((entry) => bar("networks", entry)), ...blocked.origins.map((entry) => bar("origins", entry))];
    barred.replaceChildren(...(entries.length ? [h("h3", {}, "Blocked"), h("ul", {}, ...entries)] : []));
    // The rows are new; the focus returns to the button that had it.
    if (focused && !el.contains(document.activeElement)) Array.from(el.querySelectorAll("button")).find(({ dataset }) => dataset.entry === focused)?.focus();
  }

  /** @param {Writers} listed */
  function tables({ networks, origins, keys }) {
    const all = [
      table("Networks", networks.map((one) => [place(one), one, one.network === UNKNOWN ? "" : toggle("networks", one.network)])),
      table("Sites", origins.map((one) => [[h("bdi", {}, one.origin)], one, toggle("origins", one.origin)])),
      table("Write keys", keys.map((one) => [[h("bdi", {}, one.name)], one, revoke(one)])),
    ].filter((one) => one !== null);
    return all.length ? all : [h("p", { class: "muted" }, "Nobody has written.")];
  }

  /** @param {KeyTally} key */
  function revoke(key) {
    const button = h("button", { type: "button", class: "quiet" }, "Revoke", h("span", { class: "unseen" }, h("bdi", {}, ` ${key.name}`)), "…");
    button.addEventListener("click", () => onrevoke(key));
    return button;
  }

  /** @param {Kind} kind @param {string} entry */
  function toggle(kind, entry) {
    const isBlocked = blocked[kind].includes(entry);
    const button = h("button", { type: "button", class: "quiet", "data-entry": entry }, isBlocked ? "Unblock" : "Block", h("span", { class: "unseen" }, h("bdi", {}, ` ${entry}`)));
    button.addEventListener("click", () => (isBlocked ? unblock(kind, entry) : block(kind, entry)));
    return button;
  }

  /** @param {Kind} kind @param {string} entry */
  function bar(kind, entry) {
    return h("li", {}, h("code", {}, h("bdi", {}, entry)), toggle(kind, entry));
  }

  return { turn, load, describe };
}

/** @param {NetworkTally} network */
function place({ network, country, asn }) {
  const where = [country, asn && `AS${asn}`].filter(Boolean).join(", ");
  return [h("bdi", {}, network), ...(where ? [h("small", {}, h("bdi", {}, where))] : [])];
}

/** @param {string} title @param {[(Node | string)[], Tally, Node | string][]} rows */
function table(title, rows) {
  if (rows.length === 0) return null;
  const head = h("tr", {}, h("th", { scope: "col" }, title), ...COLUMNS.map((one) => h("th", { scope: "col" }, one)), h("td", {}));
  const body = rows.map(([name, tally, act]) => h("tr", {}, h("th", { scope: "row" }, ...name), ...numbers(tally), h("td", {}, act)));
  const whole = h("table", {}, h("caption", { class: "unseen" }, title), h("thead", {}, head), h("tbody", {}, ...body));
  // The table is wider than the screen of a phone.
  return h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": title }, whole);
}

/** @param {Tally} tally */
function numbers({ points, new_series, rejected, cost, error = 0 }) {
  const costs = error > 0 ? [number(cost), h("small", {}, `at most ${number(error)} less`)] : [number(cost)];
  return [...[points, new_series, rejected].map((count) => h("td", {}, number(count))), h("td", {}, ...costs)];
}
