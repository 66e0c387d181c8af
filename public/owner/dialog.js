// @ts-check
/** Asks before an action that can't be undone, and may want a word typed. It stays open until the action has ended. */

import { Problem } from "../live/problem.mjs";
import { find, h, setText } from "../chart/dom.mjs";
import { problemIn } from "./problem-view.js";

/**
 * @typedef {object} Question
 * @property {(Node | string)[]} title
 * @property {string[]} said the consequences, a sentence each
 * @property {string} confirm the button's text
 * @property {string} [ask] what to type
 * @property {(typed: string) => boolean} [isRight] whether the right word is typed
 * @property {() => Promise<void>} act
 */

/** @param {HTMLDialogElement} el */
export function mountDialog(el) {
  const form = find(el, "form", HTMLFormElement);
  const title = find(el, "h2", HTMLElement);
  const said = find(el, ".said", HTMLElement);
  const typed = find(el, ".typed", HTMLElement);
  const input = find(typed, "input", HTMLInputElement);
  const cancel = find(el, "[name=cancel]", HTMLButtonElement);
  const confirm = find(el, "[name=confirm]", HTMLButtonElement);
  const problem = problemIn(el);
  let question = /** @type {Question | null} */ (null);
  let isBusy = false;

  cancel.addEventListener("click", () => el.close());
  // Escape must not close the dialog while the server works: the answer must be seen.
  el.addEventListener("cancel", (event) => isBusy && event.preventDefault());
  el.addEventListener("close", () => (question = null));
  input.addEventListener("input", check);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (question && !confirm.disabled) await run(question);
  });

  /** @param {Question} next */
  function ask(next) {
    question = next;
    title.replaceChildren(...next.title);
    said.replaceChildren(...next.said.map((sentence) => h("p", {}, sentence)));
    setText(confirm, next.confirm);
    typed.hidden = !next.ask;
    setText(find(typed, "span", HTMLElement), next.ask ?? "");
    input.value = "";
    problem.update(null);
    check();
    el.showModal();
    (next.ask ? input : cancel).focus();
  }

  function check() {
    confirm.disabled = isBusy || !(question?.isRight?.(input.value) ?? true);
    cancel.disabled = isBusy;
  }

  /** @param {Question} asked */
  async function run({ act }) {
    isBusy = true;
    check();
    problem.update(null);
    try {
      await act();
      el.close();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem.update(error);
    } finally {
      isBusy = false;
      check();
    }
  }

  return { ask };
}
