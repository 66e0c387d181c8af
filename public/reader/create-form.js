// @ts-check
/** Creates a stream. The owner token is only in the form's field: in memory, and gone with the page. */

import { Problem } from "../live/problem.mjs";
import { mountAnswer, problemAnswer } from "./answer.js";
import { find } from "../chart/dom.mjs";

/** @import { CreatedStream } from "../owner/api.js" */

/**
 * @param {HTMLFormElement} el
 * @param {object} needs
 * @param {Pick<typeof import("../owner/api.js"), "createStream">} needs.api
 * @param {(stream: CreatedStream) => void} needs.oncreate
 */
export function mountCreateForm(el, { api, oncreate }) {
  const name = find(el, "[name=name]", HTMLInputElement);
  const token = find(el, "[name=token]", HTMLInputElement);
  const answer = mountAnswer(find(el, ".answer", HTMLElement));

  el.addEventListener("submit", async (event) => {
    event.preventDefault();
    answer.update({ kind: "working", text: "Creating…" });
    try {
      const stream = await api.createStream(token.value.trim(), { name: name.value.trim() });
      answer.update({ kind: "good", text: "" });
      oncreate(stream);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      answer.update(problemAnswer(error));
    }
  });
}
