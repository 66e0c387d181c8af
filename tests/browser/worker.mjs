// @ts-check
/** The real Worker for a test: on a free port, with a state of its own, which is deleted afterwards. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SERVE = fileURLToPath(new URL("../../tools/serve.mjs", import.meta.url));
const READY = /^heartbeat ready on (http:\/\/\S+)$/;
const START_DEADLINE_MS = 180_000;
/** Another socket may have the port for a moment. */
const MOST_STARTS = 5;

export const OWNER_TOKEN = "owner-token-of-the-browser-tests";
const SIGNING_KEY = "signing-key-of-the-browser-tests-0123456789";

/** @typedef {Awaited<ReturnType<typeof startWorker>>} Worker */
/** @typedef {{ id: string, name: string, read_key: string, links: Record<string, string> }} Stream */

/** @param {Record<string, string | undefined>} [settings] of the environment; undefined is not set */
export async function startWorker(settings = {}) {
  const state = await mkdtemp(join(tmpdir(), "heartbeat-browser-"));
  let child = serve(state, settings, "0");
  let origin = await originOf(child);

  /** Stops it, and keeps its state. */
  async function goDown() {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  }

  /** Starts it again, perhaps at another address. */
  async function comeUp(port = "0") {
    for (let starts = 1; ; starts++) {
      child = serve(state, settings, port);
      try {
        origin = await originOf(child);
        return;
      } catch (error) {
        if (starts === MOST_STARTS) throw error;
      }
    }
  }

  /**
   * Stops it and starts it again on the same port, with its stored data.
   * @param {() => Promise<void>} [meanwhile] while it is away
   */
  async function restart(meanwhile) {
    await goDown();
    await meanwhile?.();
    await comeUp(new URL(origin).port);
  }

  async function stop() {
    await goDown();
    await rm(state, { recursive: true, force: true });
  }

  /** @param {string} path @param {RequestInit} init */
  async function call(path, init) {
    // A connection that is kept may end as the next request begins.
    const response = await fetch(new URL(path, origin), { ...init, headers: { Connection: "close", ...init.headers } });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** @param {object} [config] @returns {Promise<Stream>} */
  function createStream(name = "visits", config = {}) {
    const headers = { Authorization: `Bearer ${OWNER_TOKEN}`, "Content-Type": "application/json" };
    return call("/v1/streams", { method: "POST", headers, body: JSON.stringify({ name, ...config }) });
  }

  /** @param {Stream} stream @param {object[]} points */
  function write({ id }, points) {
    return call(`/v1/streams/${id}/points`, { method: "POST", body: JSON.stringify(points) });
  }

  /** How many points the last hour holds. @param {Stream} stream @returns {Promise<number>} */
  async function count(stream) {
    const { series } = await rollup(stream, { agg: "count" });
    return series.flatMap((/** @type {any} */ one) => one.count).reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0);
  }

  /**
   * The answer for a reader; docs/api.md has the parameters.
   * @param {Stream} stream
   * @param {Record<string, string> | string} query
   * @returns {Promise<any>}
   */
  function rollup({ id, read_key }, query) {
    const headers = { Authorization: `Bearer ${read_key}` };
    return call(`/v1/streams/${id}/rollup?${new URLSearchParams(query)}`, { headers });
  }

  /** A new write key. @param {{ id: string }} stream @returns {Promise<{ id: string, write_key: string }>} */
  function createWriteKey({ id }, name = "a writer") {
    return call(`/v1/streams/${id}/write-keys`, { method: "POST", headers: { Authorization: `Bearer ${OWNER_TOKEN}`, "Content-Type": "application/json" }, body: JSON.stringify({ name }) });
  }

  /** Replaces the stream's read key. @param {Stream} stream */
  function replaceKey({ id }) {
    return call(`/v1/streams/${id}/read-key`, { method: "POST", headers: { Authorization: `Bearer ${OWNER_TOKEN}` } });
  }

  /** @param {Stream} stream @returns {Promise<any>} */
  function status({ id, read_key }) {
    return call(`/v1/streams/${id}/status`, { headers: { Authorization: `Bearer ${read_key}` } });
  }

  return {
    get origin() {
      return origin;
    },
    createStream,
    write,
    count,
    rollup,
    createWriteKey,
    replaceKey,
    status,
    restart,
    goDown,
    comeUp,
    stop,
  };
}

/** @param {string} state @param {Record<string, string | undefined>} settings @param {string} port */
function serve(state, settings, port) {
  return spawn(process.execPath, [SERVE, "--port", port, "--state", state], {
    env: { ...process.env, OWNER_TOKEN, SIGNING_KEY, ...settings },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/**
 * @param {import("node:child_process").ChildProcessByStdio<null, import("node:stream").Readable, null>} child
 * @returns {Promise<string>}
 */
async function originOf(child) {
  const deadline = setTimeout(() => child.kill("SIGKILL"), START_DEADLINE_MS);
  try {
    for await (const line of createInterface(child.stdout)) {
      const ready = READY.exec(line);
      if (ready) return ready[1];
    }
  } finally {
    clearTimeout(deadline);
    child.stdout.resume();
  }
  throw new Error("the Worker ended before it was ready");
}
