// @ts-check
/** The elements of a chart, in its shadow root. Other modules fill them. */

import { h } from "./dom.mjs";
import { adopt } from "./styles.mjs";

/** @typedef {ReturnType<typeof mountFrame>} Frame */

/** @param {ShadowRoot} root */
export function mountFrame(root) {
  adopt(root);
  const title = h("bdi", { "data-kind": "value" });
  const span = h("p");
  const state = h("p", { class: "state", role: "status", part: "state" });
  const numbers = h("dl", { class: "numbers", part: "numbers" });
  const plot = h("div", { class: "plot", "aria-describedby": "summary" });
  const [noticeTitle, noticeText] = [h("p", { class: "title" }), h("p")];
  const notice = h("div", { class: "notice", role: "status" }, noticeTitle, noticeText);
  const reset = h("button", { type: "button" }, "Show the whole window");
  const stage = h("div", { class: "stage", part: "plot" }, plot, h("div", { class: "tools" }, reset), notice);
  const legend = h("div", { class: "legend", part: "legend" });
  const note = h("p");
  const showAll = h("button", { type: "button" }, "Show all series");
  const details = h("details", { part: "data" }, h("summary", {}, "Data as a table"));
  const summary = h("p", { class: "unseen", id: "summary" });
  for (const el of [reset, note, showAll, numbers, legend, details]) el.hidden = true;
  const head = h("div", { class: "head", part: "header" }, h("h2", {}, title), span, state);
  root.append(h("div", { class: "frame" }, head, numbers, stage, summary, legend, h("div", { class: "more" }, note, showAll), details));
  return { title, span, state, numbers, stage, plot, notice, noticeTitle, noticeText, reset, legend, note, showAll, details, summary };
}
