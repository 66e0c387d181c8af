// @ts-check
/**
 * Keeps a window up to date: chooses a way to get messages, resumes at the cursor after a loss, rests while the page is
 * hidden, and reports its state. It does not touch the document: page, clock, chance and network are arguments.
 *
 * The ways, best first: a WebSocket; server-sent events where no WebSocket gets through; polls of `deltas` where events
 * don't either; polls of `rollup` where the deployment offers no live readings, or not for that many series.
 */

import { pause_ms } from "./pause.mjs";
import { isRetried } from "./problem.mjs";
import { liveUrl, rollupUrl } from "./query.mjs";
import { keptStep } from "./step.mjs";
import { ask, openWebSocket } from "./transports.mjs";
import { viewOf } from "./view.mjs";
import { createWindow } from "./window.mjs";

/** @import { Problem } from "./problem.mjs" */
/** @import { Query } from "./query.mjs" */
/** @import { End, Needs, Transport } from "./transports.mjs" */
/** @import { Message } from "./window.mjs" */
/** @import { View } from "./view.mjs" */

/**
 * `connecting`: nothing has come yet; `live`; `offline`: it tries again automatically; `paused`: the page is hidden.
 * Final: `denied` (the key), `missing` (no such stream), `refused` (the question; `problem` says why), `closed`.
 * @typedef {"connecting" | "live" | "offline" | "paused" | "denied" | "missing" | "refused" | "closed"} State
 */

/** @typedef {"websocket" | "events" | "deltas" | "rollup"} Way */

/**
 * @typedef {Needs & {
 *   now_ms: () => number,
 *   random: () => number,
 *   page: (EventTarget & { visibilityState: DocumentVisibilityState }) | null,
 *   network: EventTarget | null,
 * }} Surroundings `page` is the document, `network` the window, which fires `online`, `pagehide` and `pageshow`
 */

/** Between two polls of `deltas`. */
const DELTAS_MS = 2000;

/** Between two polls of `rollup`: at least, and as a share of the step. */
const ROLLUP_MS = 5000;
const ROLLUP_MOST_MS = 60_000;

/** A connection that lasts longer has worked: the count of failures starts again. */
const STEADY_MS = 10_000;

/** A hidden page keeps its connection for this long, so that a short look at another tab loses nothing. */
const LINGER_MS = 60_000;

/** The API's status for steps that are no longer kept, and for an answer that would be too large. */
const UNPROCESSABLE = 422;

/** After this long on a lesser way, the next connection tries the best one again. */
const UPGRADE_MS = 600_000;

/** How often a WebSocket that has worked before may miss until the next way is tried. */
const PATIENCE = 2;

/**
 * @param {Query} asked its step is replaced by a wider one where the server does not keep it
 * @param {Surroundings} needs
 * @param {() => void} onchange
 */
export function connect(asked, needs, onchange) {
  let query = asked;
  const window = createWindow();
  let state = /** @type {State} */ ("connecting");
  let problem = /** @type {Problem | null} */ (null);
  let rollup = /** @type {View | null} */ (null);
  let cursor = "";
  const best = () => /** @type {Way} */ (needs.WebSocket ? "websocket" : needs.EventSource ? "events" : "deltas");
  let way = best();
  let since_ms = needs.now_ms();
  let failures = 0;
  let misses = 0;
  let hasWorked = false;
  /** Whether to let the API choose a step that it still keeps, and whether it has chosen one. */
  let [isStepAsked, isStepKnown] = [false, false];
  /** How far the server's clock is ahead of this one. */
  let ahead_ms = 0;
  let current = /** @type {Transport | null} */ (null);
  /** Aborts the requests of the present attempt. */
  let attempt = new AbortController();
  const timers = { next: /** @type {any} */ (0), slide: /** @type {any} */ (0), linger: /** @type {any} */ (0) };
  let isNotified = true;

  const isOver = () => state === "denied" || state === "missing" || state === "refused" || state === "closed";
  const now_s = () => (needs.now_ms() + ahead_ms) / 1000;

  /** Calls `onchange` once for all changes of a moment, and in a task of its own: its errors are not ours. */
  function notify() {
    if (isNotified) queueMicrotask(() => ((isNotified = true), onchange()));
    isNotified = false;
  }

  /** @param {State} next @param {Problem | null} [why] */
  function turn(next, why = null) {
    if (state === next && problem === why) return;
    state = next;
    problem = why;
    notify();
  }

  function stop() {
    attempt.abort();
    attempt = new AbortController();
    current?.close();
    current = null;
    needs.clearTimeout(timers.next);
    needs.clearTimeout(timers.slide);
  }

  /** @param {State} end @param {Problem | null} [why] */
  function finish(end, why = null) {
    stop();
    needs.clearTimeout(timers.linger);
    needs.page?.removeEventListener("visibilitychange", look);
    for (const event of ["online", "pageshow"]) needs.network?.removeEventListener(event, hurry);
    needs.network?.removeEventListener("pagehide", rest);
    turn(end, why);
  }

  function start() {
    stop();
    if (isOver()) return;
    scheduleSlide();
    if (way === "websocket") listen(openWebSocket);
    else if (way === "events") listenToEvents();
    else poll();
  }

  async function listenToEvents() {
    const { signal } = attempt;
    const { openEvents } = await import("./events.mjs");
    if (!signal.aborted) listen(openEvents);
  }

  /** @param {typeof openWebSocket} open */
  function listen(open) {
    let began_ms = 0;
    const listener = {
      /** @param {Message} message */
      onmessage(message) {
        take(message, began_ms > 0);
        began_ms ||= needs.now_ms();
        misses = 0;
        hasWorked ||= way === "websocket";
        if (needs.now_ms() - began_ms > STEADY_MS) failures = 0;
      },
      /** @param {End} end */
      onend(end) {
        current = null;
        if (end === "denied" || end === "missing") finish(end);
        else if (began_ms === 0) miss();
        else again(needs.now_ms() - began_ms > STEADY_MS ? 0 : failures + 1);
      },
    };
    try {
      current = open(liveUrl(query, "live", cursor), needs, listener);
    } catch {
      // A page may not be allowed to: an insecure host on a secure page.
      miss();
    }
  }

  /** A connection that brings nothing does not say why. A poll does, and brings what was missed. */
  function miss() {
    misses += 1;
    poll(() => {
      const isEnough = way !== "websocket" || !hasWorked || misses >= PATIENCE;
      if (isEnough) choose(way === "websocket" && needs.EventSource ? "events" : "deltas");
      else failures += 1;
      next(isEnough ? 0 : pause_ms(failures, needs.random()));
    });
  }

  /** @param {Way} next */
  function choose(next) {
    if (way === next) return;
    way = next;
    since_ms = needs.now_ms();
    misses = 0;
  }

  /** @param {() => void} [then] runs after a good answer, in place of the next poll */
  async function poll(then) {
    const { signal } = attempt;
    const isRollup = way === "rollup";
    const isFree = isRollup && isStepAsked;
    try {
      const answer = isRollup ? await ask(rollupUrl(query, isFree), query.key, needs, signal) : await ask(liveUrl(query, "deltas", cursor), "", needs, signal);
      if (signal.aborted) return;
      if (isFree && isWider(answer)) return widen(answer);
      if (isRollup) takeRollup(answer);
      else take(answer, !then && failures === 0);
    } catch (error) {
      if (!signal.aborted) fail(/** @type {Error} */ (error), isRollup);
      return;
    }
    if (then) return then();
    failures = 0;
    const rollup_ms = Math.min(Math.max(query.step_s * 250, ROLLUP_MS), ROLLUP_MOST_MS);
    next(upgrade() ? 0 : isRollup ? rollup_ms : DELTAS_MS);
  }

  /** @param {Error} error @param {boolean} isRollup */
  function fail(error, isRollup) {
    if (!("status" in error)) {
      // What came was not a message: begin anew, after a pause.
      cursor = "";
      return again(failures + 1);
    }
    const why = /** @type {Problem} */ (error);
    if (why.status === 401 || why.status === 403) return finish("denied", why);
    if (isRetried(why)) return again(failures + 1, why);
    if (isRollup) return finish(why.status === 404 ? "missing" : "refused", why);
    isStepAsked = why.status === UNPROCESSABLE && !isStepKnown;
    choose("rollup");
    start();
  }

  /** Whether the API has chosen another step. @param {any} rollup */
  function isWider({ step }) {
    isStepAsked = false;
    isStepKnown = true;
    return step !== query.step_s;
  }

  /** Asks again with the wider step that the API has chosen. @param {any} rollup */
  function widen({ step }) {
    if (step > query.step_s) {
      query = { ...query, step_s: keptStep(step, query.step_s) };
      choose(best());
    }
    start();
  }

  /** @param {number} failed attempts in a row @param {Problem | null} [why] */
  function again(failed, why = null) {
    failures = failed;
    if (failures > 0) turn("offline", why);
    upgrade();
    next(Math.max(pause_ms(failures, needs.random()), (why?.retryAfter_s ?? 0) * 1000));
  }

  /** @param {number} delay_ms */
  function next(delay_ms) {
    needs.clearTimeout(timers.next);
    timers.next = needs.setTimeout(start, delay_ms);
  }

  /** Back to the best way, after long enough on a lesser one. @returns {boolean} whether it is time */
  function upgrade() {
    if (needs.now_ms() - since_ms < UPGRADE_MS) return false;
    choose(best());
    since_ms = needs.now_ms();
    return true;
  }

  /** @param {Message} message @param {boolean} isTimely */
  function take(message, isTimely) {
    if (message?.type === "snapshot") setClock(message);
    window.tick(now_s());
    window.take(message, isTimely);
    window.tick(now_s());
    cursor = message.cursor;
    rollup = null;
    scheduleSlide();
    turn("live");
    notify();
  }

  /** @param {any} answer */
  function takeRollup(answer) {
    if (!Array.isArray(answer?.times) || !Array.isArray(answer.series)) throw new TypeError("not a rollup");
    setClock(answer);
    rollup = viewOf({ ...answer, now: now_s() });
    turn("live");
    notify();
  }

  /**
   * The server's clock, as its answer says. An answer without it ends with the step that is under way; where our clock
   * disagrees, assume the beginning of that step: one that counts as complete too soon looks like a fall.
   * @param {Pick<Message, "to" | "step" | "now">} answer
   */
  function setClock({ to = 0, step = 0, now }) {
    const local_s = needs.now_ms() / 1000;
    const isRight = local_s >= to - step && local_s < to;
    ahead_ms = ((now ?? (isRight ? local_s : to - step)) - local_s) * 1000;
  }

  /** Wakes when a step begins, and when one is complete. */
  function scheduleSlide() {
    needs.clearTimeout(timers.slide);
    const { to } = window.view();
    if (to === 0 || isOver()) return;
    timers.slide = needs.setTimeout(() => {
      if (window.tick(now_s()) && rollup === null) notify();
      scheduleSlide();
    }, Math.max((window.next() - now_s()) * 1000, 20));
  }

  /** The page was hidden, or is visible again. */
  function look(/** @type {Event} */ event) {
    needs.clearTimeout(timers.linger);
    if (needs.page?.visibilityState === "hidden") timers.linger = needs.setTimeout(rest, LINGER_MS);
    else hurry(event);
  }

  function rest() {
    stop();
    turn("paused");
  }

  /** An event suggests that a try succeeds now, or that the connection is dead. */
  function hurry(/** @type {Event} */ event) {
    if (event.type === "pageshow" && state !== "paused") return;
    if (isOver() || needs.page?.visibilityState === "hidden") return;
    if (window.tick(now_s())) notify();
    if (current) return current.check();
    failures = 0;
    if (state === "paused") turn("connecting");
    start();
  }

  needs.page?.addEventListener("visibilitychange", look);
  for (const event of ["online", "pageshow"]) needs.network?.addEventListener(event, hurry);
  needs.network?.addEventListener("pagehide", rest);
  if (needs.page?.visibilityState === "hidden") timers.linger = needs.setTimeout(rest, LINGER_MS);
  start();

  return {
    /** Ends the connection. */
    close() {
      if (state !== "closed") finish("closed");
    },
    get state() { return state; },
    get problem() { return problem; },
    get way() { return way; },
    get view() { return rollup ?? window.view(); },
  };
}
