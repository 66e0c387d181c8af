// @ts-check
/**
 * The page's notice in place of a chart, or above one: loading, empty, no permission, no such stream, failure. Each
 * says what to do. `cardNotice` decides and is pure; `mountNotice` shows it.
 */

import { h, setText } from "../chart/dom.mjs";
import { words } from "./range.js";

/** @import { Problem } from "../live/problem.mjs" */
/** @import { Range } from "./range.js" */

/**
 * @typedef {object} Notice
 * @property {"none" | "loading" | "empty" | "unmatched" | "denied" | "missing" | "failed"} kind `none` where the chart
 *   needs no notice
 * @property {string} title
 * @property {string} [detail] in the server's words
 * @property {string} [advice] what to do
 * @property {string} [type] a link to what the problem means
 */

/**
 * @param {object} now
 * @param {string} now.state
 * @param {Problem | null} now.problem
 * @param {boolean} now.hasKey
 * @param {boolean} now.hasFilters
 * @param {boolean} now.isKnown whether anything has come
 * @param {boolean} now.isEmpty
 * @param {Range} now.range
 * @returns {Notice}
 */
export function cardNotice({ state, problem, hasKey, hasFilters, isKnown, isEmpty, range }) {
  const [detail, type] = [problem?.detail || problem?.title, problem?.type];
  if (state === "denied") {
    return { kind: "denied", title: hasKey ? "This read key does not open the stream" : "This stream needs a read key", detail, type, advice: "Enter the key, or ask the stream's owner for the dashboard link, which contains it. If the owner has made a new key, the old one no longer works." };
  }
  if (state === "missing") return { kind: "missing", title: "No such stream", detail, type, advice: "Check the stream id in the address: every character counts. It may also have been deleted." };
  if (state === "refused") return { kind: "failed", title: problem?.title ?? "This can't be shown", detail: problem?.detail, type, advice: "Change the aggregate, the grouping, the filters or the range." };
  if (state === "offline") {
    return { kind: "failed", title: problem?.title ?? "No connection", detail: problem?.detail, type, advice: isKnown ? "The numbers may be old. The page tries again automatically, and nothing is lost." : "The page tries again automatically." };
  }
  if (!isKnown) return { kind: "loading", title: "Loading…" };
  if (!isEmpty) return { kind: "none", title: "" };
  if (hasFilters) return { kind: "unmatched", title: `No points in ${words(range)} match the filters`, advice: "Remove filters, or pick a longer range." };
  return { kind: "empty", title: `No points in ${words(range)}`, advice: "Pick a longer range, send a test point below, or write one from a shell:" };
}

/**
 * @param {{ origin: string }} page of the API
 */
export function mountNotice({ origin }) {
  const title = h("h3");
  const detail = h("bdi");
  const advice = h("p");
  const command = h("pre", { tabindex: "0" });
  const more = h("a", {}, "What this means");
  // A live region: it stays in the page, and its text changes only when the notice does.
  const el = h("div", { class: "notice", role: "status" }, title, h("p", {}, detail), advice, command, more);

  /** @param {Notice} notice @param {string} stream */
  function update(notice, stream) {
    el.dataset.kind = notice.kind;
    setText(title, notice.title);
    setText(detail, notice.detail ?? "");
    setText(advice, notice.advice ?? "");
    setText(command, notice.kind === "empty" ? `curl -d '{"n":1}' ${origin}/v1/streams/${stream}/points` : "");
    command.hidden = notice.kind !== "empty";
    const link = explanation(notice.type, origin);
    more.hidden = !link;
    more.setAttribute("href", link ?? "");
  }

  return { el, update };
}

/**
 * A link to what a problem means, if this server has one.
 * @param {string | undefined} type
 * @param {string} origin
 */
function explanation(type, origin) {
  if (!type || !URL.canParse(type, origin)) return null;
  const url = new URL(type, origin);
  return url.origin === origin ? url.href : null;
}
