// @ts-check
/**
 * A WebSocket, and answers to polls; server-sent events are in events.mjs. A transport passes on each message, and
 * reports once that and why it has ended, unless its owner closed it.
 */

import { Problem, noAnswer, problemOf } from "./problem.mjs";

/** @import { Message } from "./window.mjs" */

/**
 * How a connection ended: the key is no longer valid, the stream is gone, or anything else.
 * @typedef {"denied" | "missing" | "lost"} End
 */

/**
 * @typedef {object} Needs what a browser provides; tests pass their own
 * @property {typeof fetch} fetch
 * @property {typeof WebSocket | undefined} WebSocket
 * @property {typeof EventSource | undefined} EventSource
 * @property {(run: () => void, delay_ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

/**
 * @typedef {object} Listener
 * @property {(message: Message) => void} onmessage throws a TypeError if it is not one
 * @property {(end: End) => void} onend
 */

/** @typedef {{ close: () => void, check: () => void }} Transport `check` finds out soon whether it is dead */

/** A connection that brings nothing within this time is given up. */
export const FIRST_MESSAGE_MS = 10_000;

/** A WebSocket that is silent for this long gets a ping, and must answer. */
const SILENCE_MS = 30_000;
const PONG_MS = 10_000;

/** The server wants an ack at least every 20 messages. */
const ACKNOWLEDGE_EVERY = 10;

/** A poll without an answer is given up after this. */
const ANSWER_MS = 15_000;

/** @type {Record<number, End>} */
const CLOSE_CODES = { 4001: "denied", 4004: "missing" };

/**
 * @param {string} url of `live`, http or https
 * @param {Needs} needs
 * @param {Listener} listener
 * @returns {Transport}
 */
export function openWebSocket(url, needs, { onmessage, onend }) {
  const socket = new /** @type {typeof WebSocket} */ (needs.WebSocket)(url.replace(/^http/, "ws"));
  let messages = 0;
  const deadline = alarm(needs, () => end("lost"));
  const silence = alarm(needs, check);
  deadline.set(FIRST_MESSAGE_MS);

  function close() {
    deadline.clear();
    silence.clear();
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    // Closing one that is not open yet would log an error in the console.
    if (socket.readyState === 0) socket.onopen = () => socket.close();
    else socket.close();
  }

  /** @param {End} why */
  function end(why) {
    close();
    onend(why);
  }

  function check() {
    if (socket.readyState !== 1) return;
    socket.send("ping");
    deadline.set(PONG_MS);
  }

  socket.onmessage = ({ data }) => {
    deadline.clear();
    silence.set(SILENCE_MS);
    if (data === "pong") return;
    const message = deliver(data, onmessage);
    if (!message) return end("lost");
    messages += 1;
    if (messages % ACKNOWLEDGE_EVERY === 0 && socket.readyState === 1) socket.send(message.cursor);
  };
  socket.onclose = ({ code }) => end(CLOSE_CODES[code] ?? "lost");
  return { close, check };
}

/**
 * The JSON of an answer.
 * @param {string} url
 * @param {string} key for a header; empty if the URL has it, or none is needed
 * @param {Needs} needs
 * @param {AbortSignal} signal
 * @returns {Promise<any>}
 * @throws {Problem}
 */
export async function ask(url, key, needs, signal) {
  const controller = new AbortController();
  const timeout = needs.setTimeout(() => controller.abort(), ANSWER_MS);
  const abort = () => controller.abort();
  signal.addEventListener("abort", abort);
  try {
    // No key has characters that a header can't carry: a wrong one may arrive as another wrong one.
    const headers = key ? { Authorization: `Bearer ${key.replace(/[^!-~]/g, "?")}` } : undefined;
    const response = await needs.fetch(url, { headers, signal: controller.signal, credentials: "omit", cache: "no-store" });
    if (!response.ok) throw await problemOf(response);
    return await response.json();
  } catch (error) {
    throw error instanceof Problem ? error : noAnswer();
  } finally {
    needs.clearTimeout(timeout);
    signal.removeEventListener("abort", abort);
  }
}

/** @param {any} text @param {Listener["onmessage"]} onmessage @returns {Message | null} null if it is not a message */
export function deliver(text, onmessage) {
  try {
    const message = JSON.parse(text);
    onmessage(message);
    return message;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}

/** One timer that can be set again. @param {Needs} needs @param {() => void} run */
export function alarm({ setTimeout, clearTimeout }, run) {
  let timer = /** @type {any} */ (undefined);
  const clear = () => clearTimeout(timer);
  const set = (/** @type {number} */ delay_ms) => (clear(), (timer = setTimeout(run, delay_ms)));
  return { set, clear };
}
