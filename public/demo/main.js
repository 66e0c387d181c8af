// @ts-check
/**
 * "How many people are looking at this page?": here.js reports to the stream in the address that the page is visible,
 * as any page with heartbeat.js does; this module counts with reader.mjs how many different pages do.
 */

import { HeartbeatChart } from "../heartbeat-chart.mjs";
import { open } from "../reader.mjs";
import { find, setText } from "../chart/dom.mjs";
import { mountCopy } from "../owner/copy.js";
import { label, stream } from "./address.js";
import { viewersNotice, viewersNow, viewersWords } from "./viewers.js";

const demo = find(document, "#demo", HTMLElement);
const setup = find(document, "#setup", HTMLElement);
demo.hidden = stream === "";
setup.hidden = !demo.hidden;
if (stream) {
  read();
} else {
  explain();
}

/** Explains how to get a stream. */
function explain() {
  setText(find(setup, ".origin", HTMLElement), location.origin);
  find(setup, "form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = find(setup, "input", HTMLInputElement).value.trim();
    if (typed) location.search = String(new URLSearchParams({ stream: typed }));
  });
}

/** Shows how many people are looking. */
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
    const { kind, title, advice } = viewersNotice(reader.state, reader.problem, label);
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
    // The open step is drawn as it will be if nobody comes or goes.
    if (isCounted && counts.length) chart.data = { ...reader.view, series: [{ ...reader.series[0], [aggregate]: [...counts.slice(0, -1), viewers] }] };
    document.title = isCounted ? `${viewers} looking – Heartbeat` : "How many people are looking at this page? – Heartbeat";
  }
}

/** @type {Record<string, string>} */
const WAYS = { websocket: "Live", events: "Live", deltas: "Updated every 2 seconds", rollup: "Updated every 5 seconds: this deployment has no live readings" };
