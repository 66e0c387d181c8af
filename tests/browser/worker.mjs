// @ts-check
/** The real Worker for a test: started on a free port with a state of its own, stopped and forgotten afterwards. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SERVE = fileURLToPath(new URL("../../tools/serve.mjs", import.meta.url));
const READY = /^heartbeat ready on (http:\/\/\S+)$/;
const START_DEADLINE_MS = 60_000;

export const OWNER_TOKEN = "owner-token-of-the-browser-tests";
const SIGNING_KEY = "signing-key-of-the-browser-tests-0123456789";

/** @typedef {Awaited<ReturnType<typeof startWorker>>} Worker */
/** @typedef {{ id: string, name: string, read_key: string, links: Record<string, string> }} Stream */

export async function startWorker() {
  const state = await mkdtemp(join(tmpdir(), "heartbeat-browser-"));
  const serve = (/** @type {string} */ port) =>
    spawn(process.execPath, [SERVE, "--port", port, "--state", state], {
      env: { ...process.env, OWNER_TOKEN, SIGNING_KEY },
      stdio: ["ignore", "pipe", "inherit"],
    });
  let child = serve("0");
  const origin = await originOf(child);

  async function end() {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  }

  async function stop() {
    await end();
    await rm(state, { recursive: true, force: true });
  }

  /** Ends it and starts it again in the same place, with what it has stored. @param {() => Promise<void>} [meanwhile] while it is away */
  async function restart(meanwhile) {
    await end();
    await meanwhile?.();
    child = serve(new URL(origin).port);
    await originOf(child);
  }

  /** @param {string} path @param {RequestInit} init */
  async function call(path, init) {
    const response = await fetch(new URL(path, origin), init);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** @returns {Promise<Stream>} */
  function createStream(name = "visits") {
    const headers = { Authorization: `Bearer ${OWNER_TOKEN}`, "Content-Type": "application/json" };
    return call("/v1/streams", { method: "POST", headers, body: JSON.stringify({ name }) });
  }

  /** @param {Stream} stream @param {object[]} points */
  function write({ id }, points) {
    return call(`/v1/streams/${id}/points`, { method: "POST", body: JSON.stringify(points) });
  }

  /** How many points the last hour holds. @param {Stream} stream @returns {Promise<number>} */
  async function count({ id, read_key }) {
    const headers = { Authorization: `Bearer ${read_key}` };
    const { series } = await call(`/v1/streams/${id}/rollup?agg=count`, { headers });
    return series.flatMap((/** @type {any} */ one) => one.count).reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0);
  }

  /** What the stream says to a question. @param {Stream} stream @param {string} query @returns {Promise<any>} */
  function rollup({ id, read_key }, query) {
    return call(`/v1/streams/${id}/rollup?${query}`, { headers: { Authorization: `Bearer ${read_key}` } });
  }

  /** Ends the stream's read key. @param {Stream} stream */
  function replaceKey({ id }) {
    return call(`/v1/streams/${id}/read-key`, { method: "POST", headers: { Authorization: `Bearer ${OWNER_TOKEN}` } });
  }

  return { origin, createStream, write, count, rollup, replaceKey, restart, stop };
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
