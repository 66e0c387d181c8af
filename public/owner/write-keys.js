// @ts-check
/** The write keys of a stream: lists them, makes new ones, which are shown only once, and revokes them. */

import { Problem } from "../live/problem.mjs";
import { find, h, setText } from "../chart/dom.mjs";
import { mountCopy } from "./copy.js";
import { problemIn } from "./problem-view.js";
import { ago } from "./words.js";

/** @import { WriteKey } from "./api.js" */
/** @import { Question } from "./dialog.js" */

/** `last_used` is kept to the hour. */
const USED_WITHIN_S = 3600;

/**
 * @param {HTMLElement} el
 * @param {object} needs
 * @param {typeof import("./api.js")} needs.api
 * @param {() => string} needs.token
 * @param {() => number} needs.now_s
 * @param {(question: Question) => void} needs.ask
 * @param {(problem: Problem) => boolean} needs.onrefused
 * @param {(key: string) => void} needs.onkey a key that was just made
 */
export function mountWriteKeys(el, { api, token, now_s, ask, onrefused, onkey }) {
  const pill = find(el, ".pill", HTMLElement);
  const explain = find(el, ".explain", HTMLElement);
  const fresh = find(el, ".fresh", HTMLElement);
  const title = find(fresh, "h3", HTMLElement);
  const secret = find(fresh, ".secret code", HTMLElement);
  const place = find(el, ".keys", HTMLElement);
  const form = find(el, "form", HTMLFormElement);
  const input = find(form, "input", HTMLInputElement);
  const button = find(form, "button", HTMLButtonElement);
  const answer = find(el, ".answer", HTMLElement);
  const problem = problemIn(el);
  mountCopy(find(fresh, ".copy", HTMLElement), { what: "the write key", text: () => secret.textContent ?? "" });
  let id = "";
  let keys = /** @type {WriteKey[]} */ ([]);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    await attempt(async (mine) => {
      const { write_key, ...key } = await api.createWriteKey(token(), mine, input.value.trim());
      if (mine !== id) return;
      keys = [...keys, { ...key, last_used: null }];
      input.value = "";
      reveal(key.name, write_key);
      render();
      onkey(write_key);
    });
    button.disabled = false;
  });

  /** Turns to a stream, and clears what is shown of another one. @param {string} next */
  function turn(next) {
    id = next;
    keys = [];
    input.value = "";
    reveal("", "");
    setText(answer, "");
    problem.update(null);
    place.replaceChildren();
  }

  async function load() {
    await attempt(async (mine) => {
      const listed = await api.listWriteKeys(token(), mine);
      if (mine !== id) return;
      keys = listed;
      render();
    });
  }

  /** Acts, and shows a problem in this panel. @param {(mine: string) => Promise<void>} act */
  async function attempt(act) {
    const mine = id;
    problem.update(null);
    try {
      await act(mine);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (mine === id && !onrefused(error)) problem.update(error);
    }
  }

  /** @param {{ writers?: string }} stream */
  function describe({ writers }) {
    const isKeyed = writers === "keyed";
    setText(pill, isKeyed ? "Keys only" : "Open");
    pill.dataset.kind = isKeyed ? "busy" : "good";
    setText(explain, isKeyed
      ? "Only holders of one of these keys can write; everybody else gets “unauthorized”. “Who can write and read” in the settings changes that."
      : "Anyone who knows the stream's id can write. A writer with a key has a budget of its own, which strangers can't use up.");
  }

  /** @param {string} name @param {string} key empty hides it */
  function reveal(name, key) {
    fresh.hidden = !key;
    setText(secret, key);
    title.replaceChildren("The key of ", h("bdi", {}, name));
    if (key) title.focus();
  }

  function render() {
    if (keys.length === 0) return place.replaceChildren(h("p", { class: "muted" }, "There are none yet."));
    const head = h("tr", {}, ...["Name", "Created", "Last used"].map((one) => h("th", { scope: "col" }, one)), h("td", {}));
    const table = h("table", {}, h("caption", { class: "unseen" }, "Write keys"), h("thead", {}, head), h("tbody", {}, ...keys.map(row)));
    place.replaceChildren(h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Write keys" }, table));
  }

  /** @param {WriteKey} key */
  function row(key) {
    const end = h("button", { type: "button", class: "quiet" }, "Revoke", h("span", { class: "unseen" }, h("bdi", {}, ` ${key.name}`)), "…");
    end.addEventListener("click", () => ask(revocation(key)));
    return h("tr", {}, h("th", { scope: "row" }, h("bdi", {}, key.name)), h("td", {}, ago(key.created, now_s())), h("td", {}, used(key.last_used)), h("td", {}, end));
  }

  /** @param {number | null} last_s */
  function used(last_s) {
    if (last_s !== null && now_s() - last_s < USED_WITHIN_S) return "within the last hour";
    return ago(last_s, now_s());
  }

  /** @param {{ id: string, name: string }} key @returns {Question} */
  function revocation(key) {
    const mine = id;
    return {
      title: ["Revoke the write key ", h("bdi", {}, key.name), "?"],
      said: ["Its writer gets “unauthorized” from now on, and its points are lost until it has another key. Points that it wrote before stay.", "This can't be undone; a new key is another key."],
      confirm: "Revoke",
      async act() {
        await api.endWriteKey(token(), mine, key.id);
        if (mine !== id) return;
        keys = keys.filter((one) => one.id !== key.id);
        reveal("", "");
        render();
        setText(answer, "The key is revoked.");
        // The button that had the focus is gone with its row.
        setTimeout(() => input.focus());
      },
    };
  }

  return { turn, load, describe, revocation };
}
