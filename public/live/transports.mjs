// @ts-check
/**
 * The ways that messages come: a WebSocket, server-sent events, and answers to polls. Each is started with an address and
 * tells what came and, once, that and why it ended; whoever closes it is not told.
 */

import { Problem, noAnswer, problemOf } from "./problem.mjs";

/** @import { Message } from "./window.mjs" */

/**
 * How a connection ended: the key is not valid any more, the stream is gone, or anything else.
 * @typedef {"denied" | "missing" | "lost"} End
 */

/**
 * @typedef {object} Needs what a browser has; a test has its own
 * @property {typeof fetch} fetch
 * @property {typeof WebSocket | undefined} WebSocket
 * @property {typeof EventSource | undefined} EventSource
 * @property {(run: () => void, delay_ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

/**
 * @typedef {object} Listener
 * @property {(message: Message) => void} onmessage throws a TypeError if it is none
 * @property {(end: End) => void} onend
 */

/** @typedef {{ close: () => void, check: () => void }} Transport `check` makes sure soon that it is not dead */

/** A connection from which nothing came by then is given up. */
export const FIRST_MESSAGE_MS = 10_000;

/** After so long a silence a WebSocket is asked whether it is there. */
const SILENCE_MS = 30_000;
const PONG_MS = 10_000;

/** The server wants an acknowledgement at least every 20 messages. */
const ACKNOWLEDGE_EVERY = 10;

/** An answer that does not come is given up. */
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
    // One that is not open yet says so in the console when it is closed, so it is closed when it is.
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
 * One answer as JSON.
 * @param {string} url
 * @param {string} key for a header; empty if the URL has it, or there is none
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
    // What a header cannot carry is in no key either, so it may as well arrive as another wrong character.
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

/** @param {any} text @param {Listener["onmessage"]} onmessage @returns {Message | null} null if it is no message */
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
