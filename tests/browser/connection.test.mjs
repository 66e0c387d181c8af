// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../public/live/connection.mjs";
import { pause_ms } from "../../public/live/pause.mjs";
import { Problem, isRetried } from "../../public/live/problem.mjs";
import { liveUrl, queryOf, rollupUrl } from "../../public/live/query.mjs";
import { chance } from "./chance.mjs";
import { STEP } from "./live-model.mjs";
import { createWorld } from "./world.mjs";

const START = 1_792_540_800;
const QUERY = queryOf({ stream: "id.mac", key: "rk_1", by: "country", agg: "sum,ratio,count,max", window: "5m" }, "https://heartbeat.example");

/** @param {{ random?: () => number }} [options] */
function open({ random } = {}) {
  const world = createWorld(START, random);
  const told = { changes: 0 };
  const connection = connect(QUERY, world.needs, () => (told.changes += 1));
  return { ...world, connection, told };
}

/** @param {ReturnType<typeof createWorld>} world @param {number} n */
function write({ model, serverNow_s }, n, country = "US", ago_s = 0) {
  model.points.push({ time: Math.floor((serverNow_s() - ago_s) / STEP) * STEP, labels: { country }, n, d: 1, count: 1 });
}

/** @param {any} connection */
const total = ({ view }) => view.totals.reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + one.sum, 0);

test("after any failure a live window equals the rollup", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const { next, whole } = chance(seed);
    const world = open({ random: next });
    world.server.skew_ms = whole(-300_000, 300_000);
    for (let act = 0; act < 60; act++) {
      for (let i = whole(0, 5); i > 0; i--) write(world, whole(1, 100), ["US", "DE", "FR"][whole(0, 3)], whole(-60, 400));
      await world.pass(whole(10, next() < 0.1 ? 90_000 : 3000));
      const disaster = whole(0, 12);
      if (disaster === 0) for (const socket of [...world.sockets]) socket.die([1006, 1012, 4008, 1000][whole(0, 4)]);
      if (disaster === 1) world.server.epoch += 1;
      if (disaster === 2) world.server.isUp = !world.server.isUp;
      if (disaster === 3) world.server.hasSockets = !world.server.hasSockets;
      if (disaster === 4) world.turn(world.page.visibilityState === "visible" ? "hidden" : "visible");
      if (disaster === 5) world.network.dispatchEvent(new Event("online"));
      if (disaster === 6) for (const socket of [...world.sockets]) socket.onmessage?.({ data: "{" });
    }
    world.server.isUp = world.server.hasSockets = true;
    world.turn("visible");
    await world.pass(120_000);
    const { state, view } = world.connection;
    assert.equal(state, "live", `seed ${seed}`);
    const now = world.serverNow_s();
    // A clock that is wrong is known within a step.
    assert.ok(view.to > now - STEP && view.to - STEP <= now + STEP, `seed ${seed}: the window is at ${view.to - now}`);
    assert.deepEqual(view.series, world.model.rollup(view.from, view.to), `seed ${seed}`);
    world.connection.close();
    assert.equal(world.timers.size, 0);
  }
});

test("a snapshot comes first, and deltas follow", async () => {
  const world = open();
  write(world, 5);
  assert.equal(world.connection.state, "connecting");
  await world.pass(100);
  assert.deepEqual([world.connection.state, world.connection.way, total(world.connection)], ["live", "websocket", 5]);
  write(world, 2);
  await world.pass(1000);
  assert.equal(total(world.connection), 7);
  world.connection.close();
});

test("the window moves on even if nothing arrives", async () => {
  const world = open();
  write(world, 5);
  await world.pass(100);
  const { to } = world.connection.view;
  await world.pass(30_000);
  assert.equal(world.connection.view.to, to + 30);
  await world.pass(300_000);
  assert.deepEqual(world.connection.view.series, []);
  assert.equal(world.connection.state, "live");
});

test("messages are acknowledged in time", async () => {
  const world = open();
  for (let i = 0; i < 45; i++) {
    write(world, 1);
    await world.pass(1000);
  }
  assert.ok(world.server.acknowledged.length >= Math.floor(world.server.sent / 20));
  assert.match(world.server.acknowledged[0], /^1-\d+$/);
});

test("a silently dead connection is noticed", async () => {
  const world = open();
  await world.pass(1000);
  for (const socket of world.sockets) socket.send = socket.push = () => {};
  await world.pass(60_000);
  write(world, 3);
  await world.pass(2000);
  assert.equal(total(world.connection), 3);
});

test("an unreadable message makes the reader start over", async () => {
  const world = open();
  write(world, 5);
  await world.pass(15_000);
  world.server.breaksDeltas = true;
  write(world, 2);
  await world.pass(10_000);
  assert.deepEqual([world.connection.state, total(world.connection)], ["live", 7]);
});

test("an answer that arrives after the end changes nothing", async () => {
  const world = open();
  const late = Promise.withResolvers();
  Object.assign(world.server, { hasSockets: false, hold: late.promise });
  await world.pass(1000);
  assert.deepEqual(world.server.polls, ["deltas"]);
  world.connection.close();
  late.resolve(undefined);
  await world.pass(1000);
  assert.deepEqual([world.connection.state, world.connection.view.times.length, world.timers.size], ["closed", 0, 0]);
});

test("polls replace a blocked socket, and nothing counts twice", async () => {
  const world = open();
  world.server.hasSockets = false;
  write(world, 5);
  await world.pass(1000);
  write(world, 2);
  await world.pass(10_000);
  assert.deepEqual([world.connection.state, world.connection.way, total(world.connection)], ["live", "deltas", 7]);
  world.server.hasSockets = true;
  await world.pass(700_000);
  assert.equal(world.connection.way, "websocket");
});

test("a socket that has worked is tried again before the next way", async () => {
  const world = open();
  await world.pass(20_000);
  world.server.hasSockets = false;
  for (const socket of [...world.sockets]) socket.die(1006);
  await world.pass(1500);
  assert.equal(world.connection.way, "websocket");
  world.server.hasSockets = true;
  await world.pass(10_000);
  assert.deepEqual([world.connection.way, world.sockets.size], ["websocket", 1]);
});

test("rollups are polled if live reads fail or series are too many", async () => {
  for (const status of [400, 404, 405, 422, 501]) {
    const world = open();
    Object.assign(world.server, { hasSockets: false, deltasStatus: status });
    write(world, 5);
    await world.pass(1000);
    assert.deepEqual([world.connection.state, world.connection.way, total(world.connection)], ["live", "rollup", 5], String(status));
    write(world, 1);
    await world.pass(20_000);
    assert.equal(total(world.connection), 6);
    world.connection.close();
  }
});

test("a final refusal is reported and ends the reader", async () => {
  for (const [deltasStatus, rollupStatus, state] of /** @type {const} */ ([[401, 401, "denied"], [403, 200, "denied"], [404, 404, "missing"], [422, 422, "refused"], [400, 400, "refused"]])) {
    const world = open();
    Object.assign(world.server, { hasSockets: false, deltasStatus, rollupStatus });
    await world.pass(100_000);
    assert.deepEqual([world.connection.state, typeof world.connection.problem?.title, world.timers.size], [state, "string", 0]);
    assert.ok(world.server.polls.length <= 2);
  }
});

test("replacing the key or deleting the stream ends the connection", async () => {
  for (const [code, state] of /** @type {const} */ ([[4001, "denied"], [4004, "missing"]])) {
    const world = open();
    await world.pass(1000);
    for (const socket of [...world.sockets]) socket.die(code);
    await world.pass(100_000);
    assert.deepEqual([world.connection.state, world.sockets.size, world.timers.size], [state, 0, 0]);
  }
});

test("an outage keeps the window, slows the tries, and loses nothing", async () => {
  const world = open();
  write(world, 5);
  await world.pass(20_000);
  world.server.isUp = false;
  for (const socket of [...world.sockets]) socket.die(1006);
  await world.pass(120_000);
  assert.deepEqual([world.connection.state, world.connection.problem?.status, total(world.connection)], ["offline", 0, 5]);
  assert.ok(world.server.polls.length < 10, String(world.server.polls.length));
  write(world, 6);
  world.server.isUp = true;
  world.network.dispatchEvent(new Event("online"));
  await world.pass(1000);
  assert.deepEqual([world.connection.state, total(world.connection)], ["live", 11]);
});

test("a hidden page rests after a while, and resumes at its cursor", async () => {
  const world = open();
  write(world, 5);
  await world.pass(1000);
  world.turn("hidden");
  await world.pass(30_000);
  assert.equal(world.sockets.size, 1);
  await world.pass(40_000);
  assert.deepEqual([world.connection.state, world.sockets.size, world.timers.size], ["paused", 0, 0]);
  write(world, 6);
  world.turn("visible");
  await world.pass(100);
  assert.deepEqual([world.connection.state, total(world.connection)], ["live", 11]);
  assert.equal([...world.sockets][0].url.searchParams.get("after"), "1-1");
});

test("changes of one moment are reported once", async () => {
  const world = open();
  assert.equal(world.told.changes, 0);
  await world.pass(100);
  assert.equal(world.told.changes, 1);
  write(world, 4);
  await world.pass(1000);
  assert.equal(world.told.changes, 2);
});

test("the error for an invalid option names the option", () => {
  const cases = /** @type {const} */ ([[{ stream: "" }, "stream"], [{ stream: "x", step: "ten" }, "step"], [{ stream: "x", window: 0 }, "window"], [{ stream: "x", host: "javascript:alert(1)" }, "host"], [{ stream: "x", top: 0 }, "top"]]);
  for (const [options, name] of cases) assert.throws(() => queryOf(/** @type {any} */ (options), "https://a.example"), new RegExp(`^TypeError: ${name}:`));
});

test("URLs hold the whole query, and a rollup's has no key", () => {
  const query = queryOf({ stream: "a/b", key: "rk_1", by: ["country", "city"], where: ["country!=US", "path=~/a&b"], agg: ["sum", "p50"], step: 60, window: "6h", host: "https://b.example/x" }, "https://a.example");
  assert.equal(liveUrl(query, "deltas", "1.2"), "https://b.example/v1/streams/a%2Fb/deltas?by=country%2Ccity&where=country%21%3DUS&where=path%3D%7E%2Fa%26b&agg=sum%2Cp50&step=60s&window=6h&key=rk_1&after=1.2");
  assert.equal(rollupUrl(query), "https://b.example/v1/streams/a%2Fb/rollup?by=country%2Ccity&where=country%21%3DUS&where=path%3D%7E%2Fa%26b&agg=sum%2Cp50&step=60s&from=-6h&top=100");
});

test("pauses double to a limit and are spread", () => {
  assert.deepEqual([0, 1, 2, 3, 20].map((failures) => pause_ms(failures, 0.5)), [500, 1000, 2000, 4000, 60_000]);
  assert.deepEqual([pause_ms(1, 0), pause_ms(0, 0)], [750, 0]);
});

test("only temporary failures are retried", () => {
  const retried = (/** @type {number} */ status) => isRetried(new Problem({ status, title: "" }));
  assert.deepEqual([0, 408, 429, 500, 503, 599].filter((status) => !retried(status)), []);
  assert.deepEqual([400, 401, 404, 407, 422, 430, 499, 501].filter(retried), []);
});
