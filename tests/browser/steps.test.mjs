// @ts-check
/** The width of steps. Pure. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../public/live/connection.mjs";
import { liveUrl, queryOf } from "../../public/live/query.mjs";
import { allowedStep, keptStep, stepOf } from "../../public/live/step.mjs";
import { wholeStep } from "../../public/live/whole.mjs";
import { isBare } from "../../public/reader/first-view.js";
import { createWorld } from "./world.mjs";

const [HOUR, DAY] = [3600, 86_400];

/** @param {Record<string, unknown>} options */
const asked = (options) => new URL(liveUrl(queryOf(/** @type {any} */ ({ stream: "id", ...options }), "https://a.example"), "live", "")).searchParams;

test("any window has steps that a chart can show", () => {
  for (const [window, step] of [["90s", 10], ["1h", 10], ["6h", 60], ["24h", 300], ["7d", 1800], ["30d", 7200], ["90d", 21_600], ["1y", 604_800], ["2w", 3600], [5400, 20]]) {
    assert.equal(asked({ window }).get("step"), `${step}s`, String(window));
  }
  assert.equal(asked({ window: "1y" }).get("window"), "31536000s");
  assert.equal(asked({ window: "7d" }).get("window"), "7d");
});

test("an invalid step becomes the next wider valid one", () => {
  const cases = /** @type {const} */ ([["1h", "1m", 60], ["7d", "10s", 60], ["30d", "10s", 300], ["1h", "1d", DAY], ["1h", "5s", 10], ["1h", "15s", 20], ["1y", "1m", HOUR], ["30h", "10s", 10]]);
  for (const [window, step, expected] of cases) {
    assert.equal(asked({ window, step }).get("step"), `${expected}s`, `${window} in ${step}`);
  }
  for (let i = 1; i < 400; i++) {
    const [length, step] = [i * 98_765, (i * 7919) % 5000 + 1];
    const allowed = allowedStep(length, step);
    assert.ok(allowed % 10 === 0 && allowed >= step && Math.ceil(length / allowed) + 1 <= 11_000, `${length}, ${step}: ${allowed}`);
    assert.ok(length / stepOf(length, 100) < 101 || stepOf(length, 100) === 604_800);
  }
});

test("if finer steps have expired, the next kept even one is used", () => {
  assert.equal(keptStep(600, 60), 600);
  assert.equal(keptStep(600, 1800), 600);
  assert.equal(keptStep(4200, 3600), 4200);
  assert.equal(keptStep(DAY, 7200), DAY);
});

test("a reader whose steps are not kept follows live with wider ones", async () => {
  const world = createWorld(1_792_540_800);
  world.server.hasSockets = false;
  /** The server's answer to steps finer than a minute. @type {typeof fetch} */
  const ask = world.needs.fetch;
  const urls = /** @type {URL[]} */ ([]);
  world.needs.fetch = async (/** @type {string} */ url, /** @type {RequestInit} */ init) => {
    const { searchParams } = new URL(url);
    urls.push(new URL(url));
    const step = searchParams.get("step");
    if (step && Number.parseInt(step) < 60) return Response.json({ title: "Too large", status: 422 }, { status: 422, headers: { "Content-Type": "application/problem+json" } });
    const response = await ask(url, init);
    return step ? response : Response.json({ ...(await response.json()), step: 60 });
  };
  const connection = connect(queryOf({ stream: "id", window: "5m" }, "https://heartbeat.example"), world.needs, () => {});
  await world.pass(1000);
  world.server.hasSockets = true;
  await world.pass(700_000);
  assert.deepEqual([connection.state, connection.way], ["live", "websocket"]);
  assert.equal([...world.sockets][0].url.searchParams.get("step"), "60s");
  assert.equal(urls.filter(({ searchParams }) => !searchParams.has("step")).length, 1);
  connection.close();
});

/** @param {(number | null)[]} sum @param {number} [from] */
const view = (sum, from = 0) => ({ from, step: 10, until: from + sum.length * 10, series: [{ sum }] });

/**
 * An odd number of points in each minute, spread over its 6 steps, from a second on.
 * @param {number} minutes
 * @param {number} from
 */
const ofMinutes = (minutes, from = 0) => view(Array.from({ length: minutes * 6 }, (_, i) => (5 + 2 * (Math.floor((from + i * 10) / 60) % 100)) / 6), from);

test("whole numbers stay whole in steps that their periods fit in", () => {
  assert.equal(wholeStep(ofMinutes(60)), 60);
  assert.equal(wholeStep(ofMinutes(60, 1_792_540_800 + 30)), 60, "ends that are cut don't matter");
  assert.equal(wholeStep(view(new Array(360).fill(40))), 10);
});

test("fractional values keep their steps, and so do short windows", () => {
  assert.equal(wholeStep(view(Array.from({ length: 360 }, (_, i) => (i % 36 === 0 ? 7.53 : null)))), 10);
  assert.equal(wholeStep(view([...new Array(358).fill(null), 7.5])), 10, "a lone half near the end");
  assert.equal(wholeStep(view(Array.from({ length: 360 }, (_, i) => 3 + Math.sin(i)))), 10);
  assert.equal(wholeStep(ofMinutes(10)), 10);
});

test("an address with a query is not bare, even if it selects all", () => {
  for (const search of ["", "?stream=a", "?stream=a&from=-6h", "?stream=a&from=1&to=2&zone=utc"]) assert.ok(isBare(search), search);
  for (const name of ["where", "by", "agg", "kind", "label", "top", "compare", "chart"]) assert.ok(!isBare(`?stream=a&${name}=`), name);
});
