// @ts-check
/** The state of a chart's reader: a word in the header, and a notice in place of what can't be drawn. */

import { setText } from "./dom.mjs";
import { STATES, chartNotice } from "./words.mjs";

/** @import { Frame } from "./frame.mjs" */

/**
 * @param {Pick<Frame, "state" | "notice" | "noticeTitle" | "noticeText" | "plot">} frame
 * @param {(state: string) => void} onchange
 */
export function mountState({ state, notice, noticeTitle, noticeText, plot }, onchange) {
  let before = "";

  /** @param {Parameters<typeof chartNotice>[0]} now */
  function update(now) {
    const shown = chartNotice(now);
    state.hidden = now.state === "data";
    state.dataset.state = now.state;
    setText(state, STATES[now.state] ?? "");
    notice.hidden = shown === null;
    notice.dataset.kind = shown?.kind ?? "";
    setText(noticeTitle, shown?.title ?? "");
    setText(noticeText, shown?.text ?? "");
    plot.classList.toggle("waiting", now.state === "offline" || shown?.kind === "failed");
    if (now.state === before) return;
    before = now.state;
    onchange(before);
  }

  return { update };
}
