// @ts-check
/** Sends a test point, and shows the answer. */

import { Problem } from "../live/problem.mjs";
import { mountAnswer, problemAnswer } from "./answer.js";
import { find } from "../chart/dom.mjs";
import { parsePoint } from "./point.js";

/** @import { Answer } from "./answer.js" */
/** @import { Receipt } from "./api.js" */

/**
 * @param {HTMLFormElement} el
 * @param {object} needs
 * @param {Pick<typeof import("./api.js"), "sendPoint">} needs.api
 * @param {() => void} needs.onaccept
 */
export function mountPointForm(el, { api, onaccept }) {
  const answer = mountAnswer(find(el, ".answer", HTMLElement));
  let stream = "";

  function typed() {
    const value = (/** @type {string} */ name) => find(el, `[name=${name}]`, HTMLInputElement).value;
    const labels = find(el, "[name=labels]", HTMLTextAreaElement).value;
    return parsePoint({ n: value("n"), d: value("d"), p: value("p"), labels });
  }

  /** @returns {Promise<Answer>} */
  async function send() {
    const attempt = typed();
    if ("mistake" in attempt) return { kind: "bad", text: attempt.mistake };
    answer.update({ kind: "working", text: "Sending…" });
    try {
      const receipt = await api.sendPoint(stream, attempt.point);
      if (receipt.accepted) onaccept();
      return receiptAnswer(receipt);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return problemAnswer(error);
    }
  }

  el.addEventListener("submit", async (event) => {
    event.preventDefault();
    answer.update(await send());
  });

  /** @param {string} next the stream to send to */
  function update(next) {
    if (next !== stream) answer.update({ kind: "good", text: "" });
    stream = next;
  }

  return { update };
}

/**
 * @param {Receipt} receipt
 * @returns {Answer}
 */
function receiptAnswer({ accepted, rejected, overflow, errors }) {
  const text = [accepted && `${accepted} accepted`, rejected && `${rejected} rejected`].filter(Boolean).join(", ");
  const more = overflow ? " It counts without its labels, as the stream has no room for a new series now." : "";
  return { kind: rejected || overflow ? "bad" : "good", text: `${text}.${more}`, faults: errors };
}
