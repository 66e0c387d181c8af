// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY, viewOf } from "../../public/live/view.mjs";
import { createWindow } from "../../public/live/window.mjs";
import { chance } from "./chance.mjs";
import { STEP, liveModel } from "./live-model.mjs";

const START = 1_792_540_800;

/** @param {Partial<import("../../public/live/window.mjs").Message>} change */
function snapshot(change = {}) {
  return /** @type {any} */ ({ type: "snapshot", cursor: "1", step: STEP, from: START, to: START + 30, agg: ["sum"], times: [START, START + 10, START + 20], series: [], ...change });
}

/** @param {number[]} times @param {any} series */
function delta(times, ...series) {
  return /** @type {any} */ ({ type: "delta", cursor: "2", times, series: series.map((/** @type {any} */ one) => ({ labels: {}, ...one })) });
}

/** The part of a view that a rollup has too. @param {ReturnType<ReturnType<typeof createWindow>["view"]>} view */
const seriesOf = ({ series }) => series;

test("the window equals the rollup, whatever arrives in any order", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { next, whole } = chance(seed);
    const model = liveModel();
    const window = createWindow();
    const steps = whole(1, 40);
    let now = START + whole(0, 10);
    let cursor = "";
    const ends = () => (Math.floor(now / STEP) + 1) * STEP;
    const write = () => {
      // Up to a minute ahead, and late up to twice the window; whole numbers add up exactly in any order.
      const time = Math.floor((now + whole(-steps * 20, 60)) / STEP) * STEP;
      const labels = [{ country: "US" }, { country: "DE", city: "" }, { country: "FR" }, {}][whole(0, 4)];
      model.points.push({ time, labels: /** @type {any} */ (labels), n: whole(-5, 50), d: whole(0, 4), count: whole(0, 3) });
    };
    for (let act = 0; act < 60; act++) {
      for (let i = whole(0, 6); i > 0; i--) write();
      if (next() < 0.6) now += whole(0, next() < 0.05 ? steps * 30 : 15);
      window.slide(now);
      const message = cursor === "" || next() < 0.05 ? model.snapshot(ends() - steps * STEP, ends()) : next() < 0.7 ? model.delta(cursor) : null;
      if (!message) continue;
      window.take(/** @type {any} */ (message));
      cursor = message.cursor;
      const view = window.view();
      assert.deepEqual([view.from, view.to, view.times.length], [ends() - steps * STEP, ends(), steps], `seed ${seed}`);
      const expected = model.rollup(view.from, view.to);
      assert.deepEqual(seriesOf(view).map(({ labels }) => labels), expected.map(({ labels }) => labels), `seed ${seed}`);
      assert.deepEqual(seriesOf(view), expected, `seed ${seed}`);
    }
  }
});

test("a window without a snapshot is empty", () => {
  assert.deepEqual(createWindow().view(), { from: 0, to: 0, step: 0, agg: [], times: [], series: [], totals: [], until: 0 });
});

test("a window that begins before 1970 contains its points", () => {
  const window = createWindow();
  window.take(snapshot({ from: -40, to: 20, times: [-40, -10, 0, 10], series: [{ labels: {}, n: [1, 2, 3, 4], d: [1, 1, 1, 1], count: [1, 1, 1, 1] }] }));
  assert.deepEqual([window.view().series[0].sum, window.view().totals[0].sum], [[1, null, null, 2, 3, 4], 10]);
  window.slide(20);
  window.take(delta([20], { n: [5], d: [1], count: [1] }));
  assert.deepEqual(window.view().series[0].sum, [null, null, 2, 3, 4, 5]);
});

test("increments add up, and other fields replace", () => {
  const window = createWindow();
  const times = [START];
  window.take(snapshot({ agg: ["sum", "ratio", "rate", "count", "p50", "distinct:who"], times, series: [{ labels: {}, n: [3], d: [2], count: [2], p50: [1.5], "distinct:who": [2] }] }));
  window.take(delta(times, { n: [1], d: [2], count: [1], p50: [1], "distinct:who": [3] }));
  window.take(delta(times, { n: [null], d: [null], count: [1], p50: [null], "distinct:who": [null] }));
  const [series] = window.view().series;
  assert.deepEqual(series, { labels: {}, sum: [4, null, null], ratio: [1, null, null], rate: [0.4, null, null], count: [4, null, null], p50: [1, null, null], "distinct:who": [3, null, null] });
  const [totals] = window.view().totals;
  assert.deepEqual(totals, { sum: 4, ratio: 1, rate: 4 / 30, count: 4, p50: null, "distinct:who": null });
});

test("a step's numbers leave with it and reach no later step", () => {
  const window = createWindow();
  window.take(snapshot({ series: [{ labels: {}, n: [1, 2, 3], d: [1, 1, 1], count: [1, 1, 1] }] }));
  assert.equal(window.slide(START + 29), false);
  assert.equal(window.slide(START + 30), true);
  assert.deepEqual(window.view().series[0].sum, [2, 3, null]);
  window.slide(START + 10_000);
  assert.deepEqual(window.view().series, []);
  window.slide(START);
  assert.equal(window.view().to, START + 10_010);
});

test("a point ahead of the clock is shown when its step begins", () => {
  const window = createWindow();
  window.take(snapshot());
  window.take(delta([START + 60], { n: [7], d: [1], count: [1] }));
  assert.deepEqual(window.view().series, []);
  window.slide(START + 60);
  assert.deepEqual(window.view().series[0].sum, [null, null, 7]);
});

test("a point two minutes ahead does not move the window", () => {
  const window = createWindow();
  window.take(snapshot());
  window.take(delta([START + 30 + 120], { n: [7], d: [1], count: [1] }));
  assert.equal(window.view().to, START + 30);
  window.slide(START + 150);
  assert.deepEqual(window.view().series[0].sum, [null, null, 7]);
});

test("a clock that is slow loses nothing", () => {
  const window = createWindow();
  window.take(snapshot({ series: [{ labels: {}, n: [1, 2, 3], d: [1, 1, 1], count: [1, 1, 1] }] }));
  window.take(delta([START + 5000], { n: [7], d: [1], count: [1] }));
  window.slide(START + 5000);
  assert.deepEqual(window.view().series[0].sum, [null, null, 7]);
});

test("labels in any order are one group, whatever their names", () => {
  const window = createWindow();
  const [times, one] = [[START], { n: [1], d: [1], count: [1] }];
  window.take(snapshot({ times, series: [{ labels: { a: "1", b: "2" }, ...one }, { labels: { constructor: "x" }, ...one }] }));
  window.take(delta(times, { labels: { b: "2", a: "1" }, ...one }));
  assert.deepEqual(window.view().series.map(({ sum }) => sum[0]), [2, 1]);
});

test("a snapshot has whole steps, at most 11,000 of them", () => {
  const window = createWindow();
  for (const change of [{ from: START + 5 }, { to: START + 35 }, { from: 0, to: 110_010 }]) assert.throws(() => window.take(snapshot(change)), TypeError);
  window.take(snapshot({ from: 0, to: 110_000, times: [] }));
  assert.equal(window.view().times.length, 11_000);
});

test("a view is the same until a step is complete", () => {
  const window = createWindow();
  window.take(snapshot());
  window.tick(START + 25);
  const before = window.view();
  assert.equal(before.until, START + 10);
  assert.equal(window.tick(START + 27), false);
  assert.equal(window.view(), before);
  assert.equal(window.tick(START + 28), true);
  assert.deepEqual([window.view().until, window.view().to], [START + 20, START + 30]);
});

test("anything but a message changes nothing", () => {
  const window = createWindow();
  const series = [{ labels: {}, n: [1], d: [1], count: [1] }];
  const wrong = [null, {}, { type: "delta" }, delta([START]), snapshot({ step: 0 }), snapshot({ step: 7 }), snapshot({ to: START }), snapshot({ to: START + 1e9 }), snapshot({ series }), snapshot({ series: [/** @type {any} */ (null)] })];
  for (const message of wrong) assert.throws(() => window.take(/** @type {any} */ (message)), TypeError);
  assert.equal(window.view(), EMPTY);
  window.take(snapshot({ times: [START], series }));
  const before = window.view();
  assert.throws(() => window.take(delta([START, START + 10], { n: [1], d: [1], count: [1] })), TypeError);
  assert.equal(window.view(), before);
});

test("a view is the same until something changes", () => {
  const window = createWindow();
  window.take(snapshot());
  const before = window.view();
  assert.equal(window.view(), before);
  window.slide(START + 5);
  assert.equal(window.view(), before);
  window.slide(START + 35);
  assert.notEqual(window.view(), before);
});

test("a rollup is a view with the totals that follow from its steps", () => {
  const agg = ["sum", "rate", "ratio", "min", "max", "count"];
  const view = viewOf({ from: START, to: START + 30, step: STEP, agg, times: [START, START + 10, START + 20], series: [{ labels: {}, sum: [10, null, 20], rate: [1, null, 2], ratio: [1, null, 3], min: [4, null, 2], max: [5, null, 6], count: [1, null, 2] }] });
  assert.deepEqual(view.totals, [{ sum: 30, rate: 1, ratio: null, min: 2, max: 6, count: 3 }]);
});
