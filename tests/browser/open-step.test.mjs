// @ts-check
/** Complete steps and open ones. Pure. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { formats } from "../../public/chart/format.mjs";
import { chartOf } from "../../public/chart/lines.mjs";
import { bigOf } from "../../public/chart/numbers.mjs";
import { momentOf, spoken } from "../../public/chart/words.mjs";
import { connect } from "../../public/live/connection.mjs";
import { queryOf } from "../../public/live/query.mjs";
import { viewOf } from "../../public/live/view.mjs";
import { createWindow } from "../../public/live/window.mjs";
import { STEP } from "./live-model.mjs";
import { createWorld } from "./world.mjs";

const START = 1_792_540_800;
const LOOK = { by: "", top: 9 };

/** Three steps, of which the last has begun. @param {number[]} n @param {Record<string, unknown>} [change] */
function snapshot(n, change = {}) {
  const times = n.map((_, i) => START + i * STEP);
  return /** @type {any} */ ({ type: "snapshot", cursor: "1", step: STEP, from: START, to: START + n.length * STEP, agg: ["sum", "rate"], times, series: [{ labels: {}, n, d: n, count: n }], ...change });
}

/** @param {number} time @param {number} n */
const delta = (time, n) => /** @type {any} */ ({ type: "delta", cursor: "2", times: [time], series: [{ labels: {}, n: [n], d: [n], count: [1] }] });

/** The latest sum and rate, and the average rate. @param {ReturnType<ReturnType<typeof createWindow>["view"]>} view */
function said(view) {
  const [sum, rate] = chartOf(view, LOOK, null).lines;
  return [sum.latest, rate.latest, rate.summary];
}

test("the latest value and the average exclude the open step", () => {
  const window = createWindow();
  window.take(snapshot([40, 40, 11.487]));
  window.tick(START + 2 * STEP + 8.5);
  assert.deepEqual(said(window.view()), [40, 4, 4]);
  assert.equal(window.view().totals[0].sum, 91.487);
  assert.equal(window.view().until, START + 2 * STEP);
});

test("a step counts as complete a few seconds after its end", () => {
  const window = createWindow();
  window.take(snapshot([40, 40, 30]));
  assert.equal(window.tick(START + 3 * STEP + 1), true);
  assert.equal(window.view().until, START + 2 * STEP);
  assert.deepEqual(said(window.view()).slice(0, 2), [40, 4]);
  window.take(delta(START + 2 * STEP, 10));
  assert.ok(window.next() > START + 3 * STEP + 1 && window.next() <= START + 4 * STEP);
  assert.equal(window.tick(window.next()), true);
  assert.equal(window.view().until, START + 3 * STEP);
  assert.deepEqual(said(window.view()).slice(0, 2), [40, 4]);
});

test("late writers delay the completion of steps; stragglers do not", () => {
  const [many, late] = [new Array(40).fill(40), START + 400 - STEP];
  const window = createWindow();
  window.take(snapshot(many));
  window.tick(late + STEP + 25);
  window.take(delta(late, 10), true);
  window.tick(late + STEP + 29);
  assert.equal(window.view().until, late + STEP, "a fifth of a step came 25 s late");
  window.tick(late + 700);
  window.take(delta(late + 690, 5), true);
  assert.equal(window.view().until, late + 690, "nobody is late any more");

  const other = createWindow();
  other.take(snapshot(many));
  other.tick(late + STEP + 25);
  other.take(delta(late, 1), true);
  assert.equal(other.view().until, late + 2 * STEP, "a fortieth is a straggler's");
  other.take(delta(late, 100));
  assert.equal(other.view().until, late + 2 * STEP, "what was missed without a connection was not written late");
});

test("a window of one open step has a total and no latest value", () => {
  const view = viewOf({ from: START, to: START + 3600, step: 3600, agg: ["sum"], times: [START], series: [{ labels: {}, sum: [7] }], now: START + 1800 });
  const chart = chartOf(view, LOOK, null);
  assert.deepEqual([chart.complete, chart.lines[0].latest, chart.lines[0].summary, bigOf(chart.lines[0], chart)], [0, null, 7, 7]);
  const quantile = chartOf(viewOf({ ...view, agg: ["p50"], series: [{ labels: {}, p50: [7] }], now: START + 1800 }), LOOK, null);
  assert.equal(bigOf(quantile.lines[0], quantile), null);
});

test("only steps that are not complete are open", () => {
  const rollup = { from: START, to: START + 40, step: STEP, agg: ["sum"], times: [0, 1, 2, 3].map((i) => START + i * STEP), series: [{ labels: {}, sum: [1, 2, 3, null] }] };
  const until = (/** @type {number | undefined} */ now) => viewOf({ ...rollup, now }).until - START;
  assert.deepEqual([undefined, START + 1000, START + 48, START + 47, START + 29, START, START - 9999].map(until), [40, 40, 40, 30, 20, 0, 0]);
  assert.equal(chartOf(viewOf({ ...rollup, now: START + 25 }), LOOK, null).lines[0].latest, 1);
});

test("an open step's time is marked, on screen and in speech", () => {
  const words = formats("en-GB", "UTC");
  const view = viewOf({ from: START, to: START + 20, step: STEP, agg: ["sum"], times: [START, START + 10], series: [{ labels: {}, sum: [5, 1] }], now: START + 19 });
  const chart = chartOf(view, LOOK, null);
  assert.deepEqual([momentOf(chart, 0, words), momentOf(chart, 1, words)], ["00:00:00", "00:00:10, still open"]);
  assert.equal(spoken(chart, chart.lines, 1, words), "00:00:10, still open: all points 1");
});

test("the server's clock alone completes steps", async () => {
  for (const hasClock of [false, true]) {
    for (const skew_ms of [-3_600_000, -7000, -300, 0, 300, 7000, 3_600_000]) {
      const world = createWorld(START);
      Object.assign(world.server, { skew_ms, hasClock });
      const connection = connect(queryOf({ stream: "id", window: "5m" }, "https://heartbeat.example"), world.needs, () => {});
      for (let i = 0; i < 120; i++) {
        await world.pass(700);
        const ahead = connection.view.until - world.serverNow_s();
        assert.ok(connection.state === "live" && ahead <= 0 && ahead > -4 * STEP, `${skew_ms}: ${ahead}`);
      }
      connection.close();
    }
  }
});
