// @ts-check
/** The page of a stream: puts its panels together, and has its read key, its settings and its deletion. */

import { Problem, isRetried } from "../live/problem.mjs";
import { find, h, isolated, setText } from "../chart/dom.mjs";
import { mountConfigForm } from "./config-form.js";
import { typedOf } from "./config.js";
import { consequences } from "./config-words.js";
import { mountCopy } from "./copy.js";
import { mountKeyCard } from "./key-card.js";
import { problemIn } from "./problem-view.js";
import { mountRemoval } from "./removal.js";
import { WRITE_KEY_PLACE, dashboard } from "./snippets.js";
import { mountSnippets } from "./snippet-view.js";
import { mountCarbon, mountForward, mountStatus } from "./status-view.js";
import { mountWhoWrites } from "./who-writes.js";
import { mountWriteKeys } from "./write-keys.js";

/** @import { Stream } from "./api.js" */
/** @import { Outcome } from "../reader/poll.js" */
/** @import { Question } from "./dialog.js" */

/**
 * @param {HTMLElement} el
 * @param {object} needs
 * @param {typeof import("./api.js")} needs.api
 * @param {string} needs.origin
 * @param {() => string} needs.token
 * @param {() => number} needs.now_s
 * @param {(question: Question) => void} needs.ask
 * @param {(problem: Problem) => boolean} needs.onrefused returns whether the page handles it
 * @param {(stream: Stream) => void} needs.onchange
 * @param {(id: string) => void} needs.ondelete
 */
export function mountStreamPage(el, { api, origin, token, now_s, ask, onrefused, onchange, ondelete }) {
  const name = find(el, "h1 .name", HTMLElement);
  const code = find(el, ".id code", HTMLElement);
  const open = find(el, ".dashboard", HTMLAnchorElement);
  const waiting = find(el, ".waiting", HTMLElement);
  const whole = find(el, ".whole", HTMLElement);
  const updated = find(el, ".updated", HTMLElement);
  const answer = find(el, ".forward .answer", HTMLElement);
  const retry = find(el, "[name=retry]", HTMLButtonElement);
  const problem = problemIn(el);
  const status = mountStatus(find(el, ".status", HTMLElement));
  const forward = mountForward(find(el, ".forward", HTMLElement));
  const carbon = mountCarbon(find(el, ".carbon", HTMLElement));
  const lines = mountSnippets(find(el, ".snippets", HTMLElement));
  const card = mountKeyCard(find(el, ".key", HTMLElement));
  const writeKeys = mountWriteKeys(find(el, ".write-keys", HTMLElement), { api, token, now_s, ask, onrefused, onkey });
  const who = mountWhoWrites(find(el, ".who", HTMLElement), { api, token, onrefused, onchange: adopt, onrevoke: (key) => ask(writeKeys.revocation(key)) });
  const removal = mountRemoval(find(el, ".removal", HTMLElement), { api, token, ask, onrefused });
  const form = mountConfigForm(find(el, ".settings form", HTMLFormElement), { action: "Save", send: save });
  mountCopy(find(el, ".id .copy", HTMLElement), { what: "the stream's id", text: () => code.textContent ?? "" });

  let id = "";
  let stream = /** @type {Stream | null} */ (null);
  /** The keys that this page has been shown, by stream: only in memory. */
  const keys = /** @type {Map<string, string>} */ (new Map());
  const written = /** @type {Map<string, string>} */ (new Map());

  retry.addEventListener("click", retryNow);
  find(el, "[name=rotate]", HTMLButtonElement).addEventListener("click", () => stream && ask(rotation(stream)));
  find(el, "[name=delete]", HTMLButtonElement).addEventListener("click", () => stream && ask(deletion(stream)));

  /** Turns to a stream, and clears what is shown of another one. @param {string} next */
  function turn(next) {
    id = next;
    stream = null;
    document.title = "Stream – Heartbeat";
    setText(name, "Stream");
    setText(code, id);
    whole.hidden = true;
    waiting.hidden = false;
    problem.update(null);
    card.update(null);
    form.fold();
    setText(answer, "");
    for (const panel of [writeKeys, who, removal]) panel.turn(id);
  }

  /** Loads the status, which changes all the time, and the configuration once. @returns {Promise<Outcome>} */
  async function load() {
    const mine = id;
    try {
      const [config, live, counts] = await Promise.all([stream ?? api.readStream(token(), mine), api.readStatus(token(), mine), api.readPace(token(), mine)]);
      if (mine !== id) return { kind: "stop" };
      if (!stream) show(config);
      status.update(live, counts, now_s());
      forward.update(live.forward, now_s());
      carbon.update(live.carbon, now_s());
      setText(updated, `as of ${new Date(now_s() * 1000).toLocaleTimeString()}`);
      problem.update(null);
      return { kind: "done" };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (mine !== id || onrefused(error)) return { kind: "stop" };
      waiting.hidden = true;
      problem.update(error);
      return isRetried(error) ? { kind: "retry", after_s: error.retryAfter_s } : { kind: "stop" };
    }
  }

  /** @param {Stream} next */
  function show(next) {
    const isFirst = !stream;
    stream = next;
    waiting.hidden = true;
    whole.hidden = false;
    if (isFirst) void Promise.all([writeKeys.load(), who.load()]);
    describe();
    form.update(typedOf(next), next);
  }

  /**
   * A change from another panel: the form of the settings stays, as somebody may be typing there.
   * @param {Stream} next
   */
  function adopt(next) {
    if (next.id !== id) return;
    stream = next;
    describe();
  }

  /** A new write key, which goes into the snippets. @param {string} key */
  function onkey(key) {
    written.set(id, key);
    describe();
  }

  /** Shows what depends on the configuration and the keys. */
  function describe() {
    if (!stream) return;
    setText(name, stream.name);
    document.title = `${isolated(stream.name)} – Heartbeat`;
    open.href = dashboard(facts(stream));
    lines.update(facts(stream));
    writeKeys.describe(stream);
    who.describe(stream);
  }

  /** @param {Stream} of */
  function facts(of) {
    const writeKey = written.get(of.id) ?? (of.writers === "keyed" ? WRITE_KEY_PLACE : "");
    return { origin, id: of.id, key: keys.get(of.id) ?? "", writeKey, isPublic: of.public_read, distinct: of.distinct, shards: of.shards };
  }

  /** Shows a stream that was just created. @param {Stream} created @param {string} key */
  function welcome(created, key) {
    keys.set(created.id, key);
    turn(created.id);
    show(created);
    card.update({ title: [h("bdi", {}, created.name), " is created"], said: ONCE, facts: facts(created) });
  }

  /** @param {Record<string, any>} body @returns {Promise<string>} */
  async function save(body) {
    if (!stream) return "";
    if (Object.keys(body).length === 0) return "Nothing was changed.";
    const before = stream;
    const lasting = consequences(before, body);
    if (lasting.length === 0) {
      changed(await api.changeStream(token(), before.id, body));
      return "Saved.";
    }
    ask({ title: ["This can't be undone"], said: lasting, confirm: "Save anyway", act: async () => changed(await api.changeStream(token(), before.id, body)) });
    return "";
  }

  /** @param {Stream} next */
  function changed(next) {
    if (next.id !== id) return;
    show(next);
    onchange(next);
  }

  async function retryNow() {
    const mine = id;
    retry.disabled = true;
    try {
      await api.retryForward(token(), mine);
      if (mine === id) setText(answer, "Trying again now.");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (mine === id && !onrefused(error)) setText(answer, error.detail || error.title);
    } finally {
      retry.disabled = false;
    }
    if (mine === id) await load();
  }

  /** @param {Stream} of @returns {Question} */
  function rotation(of) {
    return {
      title: ["Make a new read key?"],
      said: ["The old key ends at once. Every dashboard, link and program that reads with it gets “unauthorized” until it has the new one.", "Writers are not affected. The new key is shown only once, here."],
      confirm: "Make a new key",
      async act() {
        keys.set(of.id, (await api.newReadKey(token(), of.id)).read_key);
        if (of.id !== id) return;
        describe();
        card.update({ title: ["The new read key"], said: ONCE, facts: facts(of) });
        // The dialog gives the focus back first.
        setTimeout(card.focus);
      },
    };
  }

  /** @param {Stream} of @returns {Question} */
  function deletion(of) {
    const isRight = (/** @type {string} */ typed) => [of.name.trim(), of.id].includes(typed.trim());
    return {
      title: ["Delete ", h("bdi", {}, of.name), "?"],
      said: ["All its points, series and messages are deleted permanently. Writers that still send get “no such stream”.", `Its id is ${of.id}.`],
      ask: "Type the stream's name, or its id",
      isRight,
      confirm: "Delete permanently",
      async act() {
        await api.deleteStream(token(), of.id);
        keys.delete(of.id);
        written.delete(of.id);
        ondelete(of.id);
      },
    };
  }

  function forget() {
    keys.clear();
    written.clear();
    turn("");
  }

  return { turn, load, welcome, forget, focusKey: card.focus, get id() { return id; } };
}

const ONCE = "This is its read key. It is shown only once: keep it where you keep passwords, or bookmark the dashboard's link, which contains it after the #, where no server sees it.";
