// @ts-check
/**
 * A server that speaks the live protocol from a model, and serves the modules of public/ to every origin. A test
 * decides when something happens. Other tests use the real Worker.
 */

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocketServer } from "ws";
import { secondsOf } from "../../public/live/query.mjs";
import { STEP, liveModel } from "./live-model.mjs";

const MOST_TRIES = 50;
const PUBLIC = join(import.meta.dirname, "../../public");
/** @type {Record<string, string>} */
const TYPES = { ".mjs": "text/javascript", ".js": "text/javascript", ".css": "text/css", ".html": "text/html" };

/** @typedef {Awaited<ReturnType<typeof startLiveServer>>} LiveServer */

export async function startLiveServer() {
  const model = liveModel();
  /** For a test to change. */
  const ways = { hasSockets: true, hasEvents: true, deltasStatus: 200, rollupStatus: 200, epoch: 1 };
  const asked = /** @type {string[]} */ ([]);
  const readers = /** @type {Set<{ cursor: string, send: (message: any) => void, end: (code: number) => void }>} */ (new Set());
  let server = createServer();
  let timer = /** @type {any} */ (0);
  let port = 0;

  const end = () => (Math.floor(Date.now() / 1000 / STEP) + 1) * STEP;

  /** @param {URLSearchParams} query @param {string | null} after */
  function messageFor(query, after) {
    const [epoch, number] = (after ?? "").split("-");
    const window_s = secondsOf(query.get("window") ?? "1h");
    const message = Number(epoch) === ways.epoch && number ? model.delta(number) : model.snapshot(end() - window_s, end());
    const agg = (query.get("agg") ?? "sum").split(",");
    return { ...message, ...(message.type === "snapshot" && { agg }), cursor: `${ways.epoch}-${message.cursor}` };
  }

  /**
   * @param {URLSearchParams} query
   * @param {string | null} after
   * @param {(message: any) => void} send
   * @param {(code: number) => void} finish
   */
  function follow(query, after, send, finish) {
    const reader = { cursor: "", send: (/** @type {any} */ message) => ((reader.cursor = message.cursor), send(message)), end: finish, query };
    readers.add(reader);
    reader.send(messageFor(query, after));
    return () => void readers.delete(reader);
  }

  function broadcast() {
    for (const reader of readers) {
      if (model.points.length > Number(reader.cursor.split("-")[1])) reader.send(messageFor(new URLSearchParams(), reader.cursor));
    }
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async function answer(request, response) {
    const { pathname, searchParams } = new URL(String(request.url), "http://host");
    response.setHeader("Access-Control-Allow-Origin", "*").setHeader("Access-Control-Allow-Headers", "Authorization");
    if (request.method === "OPTIONS") return response.writeHead(204).end();
    if (!pathname.startsWith("/v1/")) {
      const body = await readFile(join(PUBLIC, pathname)).catch(() => null);
      return response.writeHead(body ? 200 : 404, { "Content-Type": TYPES[extname(pathname)] ?? "text/plain" }).end(body);
    }
    const path = String(pathname.split("/").pop());
    asked.push(path);
    const status = path === "live" ? (ways.hasEvents ? 200 : 501) : path === "deltas" ? ways.deltasStatus : ways.rollupStatus;
    if (status !== 200) return response.writeHead(status, { "Content-Type": "application/problem+json" }).end(JSON.stringify({ title: `T${status}`, status }));
    if (path === "deltas") return response.end(JSON.stringify(messageFor(searchParams, searchParams.get("after"))));
    if (path === "rollup") return response.end(JSON.stringify(rollup(searchParams)));
    response.writeHead(200, { "Content-Type": "text/event-stream" }).write("retry: 1000\n\n");
    const after = /** @type {string | undefined} */ (request.headers["last-event-id"]) ?? searchParams.get("after");
    const send = (/** @type {any} */ message) => void response.write(`event: ${message.type}\nid: ${message.cursor}\ndata: ${JSON.stringify(message)}\n\n`);
    response.on("close", follow(searchParams, after, send, () => response.end()));
  }

  /** @param {URLSearchParams} query */
  function rollup(query) {
    const window_s = secondsOf((query.get("from") ?? "-1h").slice(1));
    const [from, to] = [end() - window_s, end()];
    const times = Array.from({ length: window_s / STEP }, (_, i) => from + i * STEP);
    return { from, to, step: STEP, agg: (query.get("agg") ?? "sum").split(","), times, series: model.rollup(from, to) };
  }

  async function start() {
    server = createServer((request, response) => void answer(request, response));
    const sockets = new WebSocketServer({ noServer: true });
    server.on("upgrade", (request, socket, head) => {
      asked.push("socket");
      if (!ways.hasSockets) return socket.destroy();
      const { searchParams } = new URL(String(request.url), "http://host");
      sockets.handleUpgrade(request, socket, head, (ws) => {
        ws.on("message", (data) => String(data) === "ping" && ws.send("pong"));
        ws.on("close", follow(searchParams, searchParams.get("after"), (message) => ws.send(JSON.stringify(message)), (code) => ws.close(code)));
      });
    });
    await listening();
    port = /** @type {import("node:net").AddressInfo} */ (server.address()).port;
    // At most one delta a second; a test waits less.
    timer = setInterval(broadcast, 100);
  }

  /** At the port that it had before: another socket may have it for a moment. */
  async function listening() {
    for (let tries = 1; ; tries++) {
      try {
        await once(server.listen(port, "127.0.0.1"), "listening");
        return;
      } catch (error) {
        if (tries === MOST_TRIES) throw error;
        await pause(100);
      }
    }
  }

  async function stop() {
    clearInterval(timer);
    for (const reader of [...readers]) reader.end(1012);
    readers.clear();
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  /** @param {number} n @param {Record<string, string>} labels @param {number} [ago_s] */
  function write(n, labels, ago_s = 0) {
    model.points.push({ time: Math.floor((Date.now() / 1000 - ago_s) / STEP) * STEP, labels, n, d: 1, count: 1 });
  }

  await start();
  return { origin: `http://127.0.0.1:${port}`, model, ways, asked, readers, write, start, stop };
}
