// @ts-check
/**
 * A world for a connection: its clock, its timers, and a server with sockets and polls. The test controls all of it.
 */

import { STEP, liveModel } from "./live-model.mjs";

/** @param {number} start_s @param {() => number} random */
export function createWorld(start_s, random = () => 0.5) {
  const model = liveModel();
  const timers = /** @type {Map<number, { at: number, run: () => void }>} */ (new Map());
  const sockets = /** @type {Set<Socket>} */ (new Set());
  const page = Object.assign(new EventTarget(), { visibilityState: /** @type {DocumentVisibilityState} */ ("visible") });
  const network = new EventTarget();
  const window_s = 300;
  let now_ms = start_s * 1000;
  let names = 0;
  /** The state of the server, for a test to change. */
  const server = { isUp: true, hasSockets: true, epoch: 1, deltasStatus: 200, rollupStatus: 200, skew_ms: 0, hasClock: false, sent: 0, breaksDeltas: false, hold: Promise.resolve(), polls: /** @type {string[]} */ ([]), acknowledged: /** @type {string[]} */ ([]) };

  const serverNow_s = () => (now_ms + server.skew_ms) / 1000;
  const end = () => (Math.floor(serverNow_s() / STEP) + 1) * STEP;

  /** @param {string | null} after */
  function messageFor(after) {
    const [epoch, number] = (after ?? "").split("-");
    const message = Number(epoch) === server.epoch && number ? model.delta(number) : model.snapshot(end() - window_s, end());
    return { ...message, cursor: `${server.epoch}-${message.cursor}`, ...(server.hasClock && message.type === "snapshot" && { now: serverNow_s() }) };
  }

  class Socket {
    readyState = 0;
    cursor = "";
    onopen = /** @type {any} */ (null);
    onmessage = /** @type {any} */ (null);
    onclose = /** @type {any} */ (null);
    onerror = /** @type {any} */ (null);
    /** @param {string} url */
    constructor(url) {
      this.url = new URL(url);
      setTimeout(() => this.arrive(), 20);
    }
    arrive() {
      if (this.readyState !== 0) return;
      if (!server.isUp || !server.hasSockets) return this.die(1006);
      this.readyState = 1;
      sockets.add(this);
      this.onopen?.();
      this.push(messageFor(this.url.searchParams.get("after")));
    }
    /** @param {any} message */
    push(message) {
      if (this.readyState !== 1) return;
      server.sent += 1;
      this.cursor = message.cursor;
      this.onmessage?.({ data: server.breaksDeltas && message.type === "delta" ? "{" : JSON.stringify(message) });
    }
    /** @param {string} text */
    send(text) {
      if (text !== "ping") server.acknowledged.push(text);
      else if (server.isUp) setTimeout(() => this.readyState === 1 && this.onmessage?.({ data: "pong" }), 20);
    }
    close() {
      this.readyState = 3;
      sockets.delete(this);
    }
    /** @param {number} code */
    die(code) {
      this.readyState = 3;
      sockets.delete(this);
      this.onclose?.({ code });
    }
  }

  /** @param {() => void} run @param {number} delay_ms */
  function setTimeout(run, delay_ms) {
    timers.set(++names, { at: now_ms + delay_ms, run });
    return names;
  }

  /** @param {string} url @param {RequestInit} init */
  async function fetch(url, init) {
    const { pathname, searchParams } = new URL(url);
    const path = String(pathname.split("/").pop());
    server.polls.push(path);
    await server.hold;
    if (!server.isUp) throw new TypeError("no connection");
    const status = path === "deltas" ? server.deltasStatus : server.rollupStatus;
    if (status !== 200) return Response.json({ title: `T${status}`, status }, { status, headers: { "Content-Type": "application/problem+json" } });
    if (path === "deltas") {
      const message = messageFor(searchParams.get("after"));
      return Response.json(server.breaksDeltas && message.type === "delta" ? { type: "delta" } : message);
    }
    const [from, to] = [end() - window_s, end()];
    const times = Array.from({ length: (to - from) / STEP }, (_, i) => from + i * STEP);
    return Response.json({ from, to, step: STEP, agg: ["sum"], times, series: model.rollup(from, to), key: new Headers(init.headers).get("Authorization") });
  }

  const settle = () => new Promise((done) => setImmediate(done));

  /** Lets time pass: timers run in their order, and the server sends once a second. @param {number} duration_ms */
  async function pass(duration_ms) {
    const until = now_ms + duration_ms;
    for (;;) {
      await settle();
      const due = [...timers].filter(([, { at }]) => at <= until).sort(([, a], [, b]) => a.at - b.at)[0];
      const tick = (Math.floor(now_ms / 1000) + 1) * 1000;
      if (!due && tick > until) break;
      if (due && due[1].at < tick) {
        timers.delete(due[0]);
        now_ms = Math.max(now_ms, due[1].at);
        due[1].run();
      } else {
        now_ms = tick;
        for (const socket of sockets) if (model.points.length > Number(socket.cursor.split("-")[1])) socket.push(messageFor(socket.cursor));
      }
    }
    now_ms = until;
    await settle();
  }

  /** @param {DocumentVisibilityState} visibility */
  function turn(visibility) {
    page.visibilityState = visibility;
    page.dispatchEvent(new Event("visibilitychange"));
  }

  const needs = /** @type {any} */ ({ fetch, WebSocket: Socket, EventSource: undefined, setTimeout, clearTimeout: (/** @type {number} */ name) => timers.delete(name), now_ms: () => now_ms, random, page, network });
  return { model, server, sockets, page, network, needs, pass, turn, timers, serverNow_s, window_s };
}
