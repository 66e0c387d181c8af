// @ts-check
/**
 * All streams, newest first. The list is one request; the status of each stream on the screen is another, a few at a
 * time.
 */

import { Problem } from "../live/problem.mjs";
import { find, h, setText } from "../chart/dom.mjs";
import { formatPlace } from "./address.js";
import { createLanes } from "./lanes.js";
import { problemIn } from "./problem-view.js";
import { sparkline, sparklineToCome } from "./sparkline.js";
import { ago, forwardWords, number, plural } from "./words.js";

/** @import { Listed } from "./api.js" */

/** How many rows to show at a time: each needs two requests. */
const SHOWN = 25;
/** How many streams to ask at a time: a browser opens six connections, and each stream takes two. */
const LANES = 3;

/**
 * @param {HTMLElement} el
 * @param {object} needs
 * @param {Pick<typeof import("./api.js"), "listStreams" | "readStatus" | "readPace">} needs.api
 * @param {() => string} needs.token
 * @param {() => number} needs.now_s
 * @param {(problem: Problem) => boolean} needs.onrefused returns whether the page handles it
 */
export function mountStreamList(el, { api, token, now_s, onrefused }) {
  const rows = find(el, ".streams", HTMLElement);
  const search = find(el, "[type=search]", HTMLInputElement);
  const tools = find(el, ".tools", HTMLElement);
  const count = find(el, ".count", HTMLElement);
  const waiting = find(el, ".waiting", HTMLElement);
  const nothing = find(el, ".empty", HTMLElement);
  const none = find(el, ".none", HTMLElement);
  const more = find(el, ".more", HTMLButtonElement);
  const problem = problemIn(el);
  const lanes = createLanes(LANES);

  let streams = /** @type {Map<string, Listed>} */ (new Map());
  let isWhole = false;
  let cursor = /** @type {string | null} */ (null);
  let limit = SHOWN;
  /** Counts loads, so that the answer to an earlier one changes nothing. */
  let load = 0;
  let shown = /** @type {Map<string, HTMLElement>} */ (new Map());
  /** Streams that this page has created or deleted: the list may lag by a minute. */
  const made = /** @type {Map<string, Listed>} */ (new Map());
  const gone = /** @type {Set<string>} */ (new Set());

  search.addEventListener("input", () => {
    limit = SHOWN;
    render();
  });
  find(el, "[name=refresh]", HTMLButtonElement).addEventListener("click", refresh);
  more.addEventListener("click", () => {
    limit += SHOWN;
    if (limit > matching().length && !isWhole) void next(load);
    const last = rows.lastElementChild;
    render();
    // The focus continues where the button was.
    last?.nextElementSibling?.querySelector("a")?.focus();
  });

  /** Loads the list anew. */
  async function refresh() {
    const mine = ++load;
    lanes.clear();
    streams = new Map();
    shown = new Map();
    isWhole = false;
    cursor = null;
    await next(mine);
  }

  /** The next page of the list. @param {number} mine */
  async function next(mine) {
    waiting.hidden = streams.size > 0;
    el.setAttribute("aria-busy", "true");
    try {
      const page = await api.listStreams(token(), cursor);
      if (mine !== load) return;
      for (const stream of page.streams) streams.set(stream.id, stream);
      cursor = page.cursor;
      isWhole = cursor === null;
      problem.update(null);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (mine === load && !onrefused(error)) problem.update(error);
    } finally {
      if (mine === load) {
        waiting.hidden = true;
        el.removeAttribute("aria-busy");
        render();
      }
    }
  }

  function matching() {
    const wanted = search.value.trim().toLowerCase();
    const all = [...new Map([...streams, ...made]).values()].filter(({ id }) => !gone.has(id));
    return all.filter(({ id, name }) => name.toLowerCase().includes(wanted) || id.startsWith(wanted)).toSorted((a, b) => b.created - a.created);
  }

  function render() {
    const found = matching();
    const all = new Map([...streams, ...made]).size - gone.size;
    const isEmpty = isWhole && all <= 0;
    const now = now_s();
    const kept = shown;
    shown = new Map(found.slice(0, limit).map((stream) => [stream.id, kept.get(stream.id) ?? row(stream, now)]));
    rows.replaceChildren(...shown.values());
    rows.hidden = shown.size === 0;
    tools.hidden = isEmpty;
    nothing.hidden = !isEmpty;
    none.hidden = isEmpty || found.length > 0 || all === 0;
    more.hidden = found.length <= limit && (isWhole || cursor === null);
    setText(count, all === 0 ? "" : search.value.trim() ? `${number(found.length)} of ${number(all)}${isWhole ? "" : " loaded"}` : `${plural(Math.max(all, 0), "stream")}${isWhole ? "" : " so far"}`);
  }

  /** @param {Listed} stream @param {number} now */
  function row({ id, name, created }, now) {
    const last = h("span", { class: "last muted" }, "…");
    const pace = h("span", { class: "pace-cell" }, sparklineToCome());
    const forward = h("span", { class: "pill", "data-kind": "none" });
    const item = h(
      "li",
      {},
      h("a", { href: formatPlace({ view: "stream", id }) }, h("bdi", {}, name)),
      h("span", { class: "made muted" }, h("code", {}, `${id.slice(0, 10)}…`), ` created ${ago(created, now)}`),
      last,
      pace,
      forward,
    );
    lanes.add(async () => {
      try {
        const [status, counts] = await Promise.all([api.readStatus(token(), id), api.readPace(token(), id)]);
        const word = forwardWords(status.forward);
        last.replaceChildren(h("span", { class: "unseen" }, "Last write "), status.last_write === null ? "no point yet" : ago(status.last_write, now_s()));
        pace.replaceChildren(sparkline(counts), h("span", { class: "muted", "aria-hidden": "true" }, `${number(counts.at(-1) ?? 0)}/min`));
        forward.dataset.kind = word.kind;
        setText(forward, word.kind === "none" ? "" : word.text);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        setText(last, error.status === 404 ? "deleted" : `can't be read: ${error.title}`);
        if (error.status !== 404) onrefused(error);
      }
    });
    return item;
  }

  /** Begins with the list that signing in has loaded. @param {{ streams: Listed[], cursor: string | null }} page */
  function begin(page) {
    load += 1;
    lanes.clear();
    shown = new Map();
    streams = new Map(page.streams.map((stream) => [stream.id, stream]));
    cursor = page.cursor;
    isWhole = cursor === null;
    limit = SHOWN;
    problem.update(null);
    waiting.hidden = true;
    render();
  }

  /** @param {Listed} stream */
  function add(stream) {
    made.set(stream.id, stream);
  }

  /** @param {string} id */
  function remove(id) {
    made.delete(id);
    gone.add(id);
    render();
  }

  /** Removes every trace of the list from the page. */
  function forget() {
    load += 1;
    lanes.clear();
    made.clear();
    gone.clear();
    streams = new Map();
    shown = new Map();
    search.value = "";
    rows.replaceChildren();
  }

  return { begin, refresh, add, remove, forget };
}
