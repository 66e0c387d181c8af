// @ts-check
/**
 * "How many people are looking at this page?": the page tells the stream in its address that it is seen, as any page does
 * with heartbeat.js, and follows with reader.mjs how many different pages do.
 */

import heartbeat from "../heartbeat.mjs";
import { HeartbeatChart } from "../heartbeat-chart.mjs";
import { open } from "../reader.mjs";
import { find, setText } from "../chart/dom.mjs";
import { mountCopy } from "../owner/copy.js";
import { noticeOf, viewersNow, viewersWords } from "./viewers.js";

const query = new URLSearchParams(location.search);
const stream = query.get("stream") ?? "";
/** The label that tells one page from another; the stream counts its values and does not keep them. */
const label = query.get("label") || "client_id";

/** Half a step: one that is late by as much still falls into its step or the next. */
const HERE_MS = 5000;

const demo = find(document, "#demo", HTMLElement);
const setup = find(document, "#setup", HTMLElement);
demo.hidden = stream === "";
setup.hidden = !demo.hidden;
if (stream) {
  write();
  read();
} else {
  explain();
}

/** How to come to a stream. */
function explain() {
  setText(find(setup, ".origin", HTMLElement), location.origin);
  find(setup, "form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = find(setup, "input", HTMLInputElement).value.trim();
    if (typed) location.search = String(new URLSearchParams({ stream: typed }));
  });
}

/**
 * Says that this page is seen: heartbeat.js does so every 10 seconds, and this module between, so that no step of 10 seconds
 * is without a word, whatever the network does to the one or the other.
 */
function write() {
  let isLeaving = false;
  // Before heartbeat.js listens: what it writes on leaving tells how long the page was seen, and counts nobody any more.
  addEventListener("pagehide", () => (isLeaving = true));
  addEventListener("pageshow", () => (isLeaving = false));
  addEventListener("visibilitychange", () => {
    isLeaving = document.hidden;
    here();
  });
  heartbeat.init({
    stream,
    distinct: label,
    flushInterval: 1,
    exceptions: false,
    keep: false,
    beforeSend: (/** @type {{ v: Record<string, string> }} */ point) => (isLeaving ? { ...point, v: { ...point.v, [label]: null } } : point),
  });
  heartbeat.flush();
  setInterval(here, HERE_MS);

  function here() {
    if (document.hidden) return;
    heartbeat.pageView({ event: "here" });
    heartbeat.flush();
  }
}

/** Shows how many are. */
function read() {
  const number = find(demo, ".number", HTMLElement);
  const words = find(demo, ".words", HTMLElement);
  const notice = find(demo, ".notice", HTMLElement);
  const chart = find(demo, "heartbeat-chart", HeartbeatChart);
  const way = find(demo, ".way", HTMLElement);
  const aggregate = `distinct:${label}`;
  mountCopy(find(demo, ".copy", HTMLElement), { what: "the link", text: () => location.href, isSeen: true });

  const reader = open({ stream, agg: aggregate, step: "10s", window: "15m" });
  reader.onchange = update;
  update();

  function update() {
    const { kind, title, advice } = noticeOf(reader.state, reader.problem, label);
    const counts = /** @type {(number | null)[]} */ (reader.series[0]?.[aggregate] ?? []);
    const viewers = viewersNow(counts);
    const isCounted = kind === "live" || kind === "lost";
    demo.dataset.kind = kind;
    setText(find(notice, "h2", HTMLElement), title);
    setText(find(notice, "p", HTMLElement), advice);
    notice.hidden = title === "";
    setText(number, isCounted ? String(viewers) : "–");
    setText(words, isCounted ? viewersWords(viewers) : "");
    setText(way, kind === "live" ? WAYS[reader.way] : "");
    // The step that is not over yet is told as it will be, if nobody comes or goes.
    if (isCounted && counts.length) chart.data = { ...reader.view, series: [{ ...reader.series[0], [aggregate]: [...counts.slice(0, -1), viewers] }] };
    document.title = isCounted ? `${viewers} looking – Heartbeat` : "How many people are looking at this page? – Heartbeat";
  }
}

/** @type {Record<string, string>} */
const WAYS = { websocket: "Live", events: "Live", deltas: "Asks every 2 seconds", rollup: "Asks every 5 seconds: this deployment has no live readings" };
