// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { formats } from "../../public/chart/format.mjs";

const words = formats("en-GB", "UTC");
const NOON = Date.UTC(2026, 10, 23, 12) / 1000;

test("numbers keep their significant digits, and gaps are dashes", () => {
  const cases = /** @type {const} */ ([[0, "0"], [1234567, "1,234,567"], [12.34567, "12.346"], [0.000123456, "0.0001235"], [-0.5, "-0.5"], [null, "–"], [undefined, "–"]]);
  for (const [value, text] of cases) assert.equal(words.number(value), text);
});

test("neighbours on a value axis never read the same", () => {
  const axes = /** @type {const} */ ([[[0, 0.25, 0.5], 0.25], [[1_000_000, 1_000_500, 1_001_000], 500], [[0, 2e9], 2e9], [[-0.002, -0.001, 0], 0.001]]);
  for (const [values, increment] of axes) {
    const ticks = words.numberTicks([...values], increment);
    assert.equal(new Set(ticks).size, values.length, ticks.join());
  }
  assert.deepEqual(words.numberTicks([0, 0.1, 0.2, 0.30000000000000004], 0.1), ["0", "0.1", "0.2", "0.3"]);
});

test("a time axis names the day where it changes", () => {
  const halfDay = 43_200;
  assert.deepEqual(words.timeTicks([NOON, NOON + halfDay, NOON + 2 * halfDay], halfDay), ["12:00", "24 Nov", "12:00"]);
  assert.deepEqual(words.timeTicks([NOON, NOON + 86_400], 86_400), ["23 Nov", "24 Nov"]);
  assert.deepEqual(words.timeTicks([NOON, NOON + 30], 30), ["12:00:00", "12:00:30"]);
});

test("a step is named as precisely as it is wide", () => {
  assert.equal(words.moment(NOON, { from: NOON, to: NOON + 3600, step: 10 }), "12:00:00");
  assert.equal(words.moment(NOON, { from: NOON, to: NOON + 3600, step: 60 }), "12:00");
  assert.equal(words.moment(NOON, { from: NOON, to: NOON + 7 * 86_400, step: 3600 }), "23 Nov, 12:00");
});

test("an axis has no more digits than a number can hold", () => {
  assert.deepEqual(formats("en").numberTicks([0.1 + 0.7], 1e-16), ["0.8"]);
});
