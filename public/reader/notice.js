// @ts-check
/**
 * What the page says in place of a chart, or above one: loading, empty, no permission, no such stream, failure.
 * Each says what to do. `noticeOf` decides and is pure; `mountNotice` shows.
 */

import { h, setText } from "../chart/dom.mjs";
import { isRetried } from "../live/problem.mjs";
import { isEmpty } from "./session.js";

/** @import { View } from "./session.js" */

/**
 * @typedef {object} Notice
 * @property {"none" | "loading" | "empty" | "denied" | "missing" | "failed"} kind none when the chart says it all
 * @property {string} title
 * @property {string} [detail] the server's words
 * @property {string} [advice] what to do
 * @property {string} [type] a link to what the problem means
 */

/** @type {Record<View["address"]["from"], string>} */
const RANGE_WORDS = {
  "-15m": "15 minutes", "-1h": "hour", "-6h": "6 hours", "-24h": "24 hours", "-7d": "7 days",
};

/**
 * @param {View} view
 * @returns {Notice}
 */
export function noticeOf({ address, chart, problem }) {
  if (problem) return problemNotice(problem, address.key !== "");
  if (!chart) return { kind: "loading", title: "Loading…" };
  if (!isEmpty(chart)) return { kind: "none", title: "" };
  return {
    kind: "empty",
    title: `No points in the last ${RANGE_WORDS[address.from]}`,
    advice: "Pick a longer range, send a test point below, or write one from a shell:",
  };
}

/**
 * @param {NonNullable<View["problem"]>} problem
 * @param {boolean} hasKey
 * @returns {Notice}
 */
function problemNotice(problem, hasKey) {
  const { status, title, detail, type } = problem;
  if (status === 401) {
    return {
      kind: "denied",
      title: hasKey ? "This read key does not open the stream" : "This stream needs a read key",
      detail: detail || title,
      type,
      advice: "Enter the key, or ask the stream's owner for the dashboard link, which holds it.",
    };
  }
  if (status === 404) {
    return { kind: "missing", title: "No such stream", detail: detail || title, type, advice: "Check the stream id in the address: every character counts." };
  }
  const advice = isRetried(problem) ? "The page tries again by itself; Refresh tries at once." : "Change the range, the aggregate or the grouping, then Refresh.";
  return { kind: "failed", title, detail, type, advice };
}

/**
 * @param {HTMLElement} el a live region: it stays in the page, and its text changes only when the notice does
 * @param {{ origin: string }} page where writers find the API
 */
export function mountNotice(el, { origin }) {
  const title = h("h2");
  const detail = h("bdi");
  const advice = h("p");
  const command = h("pre");
  const more = h("a", {}, "What this means");
  el.append(title, h("p", {}, detail), advice, command, more);

  /** @param {View} view */
  function update(view) {
    const notice = noticeOf(view);
    el.dataset.kind = notice.kind;
    setText(title, notice.title);
    setText(detail, notice.detail ?? "");
    setText(advice, notice.advice ?? "");
    setText(command, notice.kind === "empty" ? `curl -d '{"n":1}' ${origin}/v1/streams/${view.address.stream}/points` : "");
    const link = explanation(notice.type, origin);
    more.hidden = !link;
    more.setAttribute("href", link ?? "");
  }

  return { update };
}

/**
 * A problem's type as a link, if this server explains it.
 * @param {string | undefined} type
 * @param {string} origin
 */
function explanation(type, origin) {
  if (!type || !URL.canParse(type, origin)) return null;
  const url = new URL(type, origin);
  return url.origin === origin ? url.href : null;
}
