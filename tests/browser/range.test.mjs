// @ts-check
/** The pure parts of the reader page: time ranges, filters, and the previous period. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatMatcher, isNameable, matcherWords, parseMatcher } from "../../public/reader/matcher.js";
import { changeOf, comparedView, previousView } from "../../public/reader/previous.js";
import { fixed, lengthOf, moved, rangeOf, spanOf, chartStep, timeOf, timeFieldOf } from "../../public/reader/range.js";
import { viewOf } from "../../public/live/view.mjs";

const NOW = 1_792_540_800;

test("a chart has a bounded number of steps, which divide a week", () => {
  for (const length_s of [60, 900, 3600, 86_400, 7 * 86_400, 30 * 86_400, 366 * 86_400]) {
    for (const [isBars, most] of /** @type {[boolean, number][]} */ ([[false, 360], [true, 100]])) {
      const step = chartStep(length_s, isBars);
      assert.ok(length_s / step <= most);
      assert.equal(604_800 % step, 0);
    }
  }
});

test("earlier and later move by half the length, never past now", () => {
  const hour = { from: "-1h", to: "" };
  assert.deepEqual(spanOf(moved(hour, -0.5, NOW), NOW), { from: NOW - 5400, to: NOW - 1800 });
  assert.deepEqual(spanOf(moved(moved(hour, -0.5, NOW), 0.5, NOW), NOW), { from: NOW - 3600, to: NOW });
  assert.deepEqual(spanOf(moved(hour, 0.5, NOW), NOW), { from: NOW - 3600, to: NOW });
  assert.equal(lengthOf(moved(hour, -0.5, NOW)), 3600);
});

test("a range begins before it ends, or is refused", () => {
  assert.equal(rangeOf(NOW, NOW), null);
  assert.equal(rangeOf(NaN, NOW), null);
  assert.deepEqual(rangeOf(NOW - 60, NOW), fixed({ from: NOW - 60, to: NOW }));
  assert.deepEqual(rangeOf("-6h", ""), { from: "-6h", to: "" });
});

test("a typed time is shown as typed", () => {
  for (const isUtc of [true, false]) assert.equal(timeOf(timeFieldOf(NOW, isUtc), isUtc), NOW);
  assert.equal(timeFieldOf(0, true), "1970-01-01T00:00:00");
});

test("filters are parsed as the API parses them", () => {
  assert.deepEqual(parseMatcher("a=b=c"), { label: "a", test: "=", value: "b=c" });
  assert.deepEqual(parseMatcher("a!~b"), { label: "a", test: "!~", value: "b" });
  assert.deepEqual(parseMatcher("a="), { label: "a", test: "=", value: "" });
  for (const text of ["", "a", "=b", "!a"]) assert.equal(parseMatcher(text), null);
  for (const text of ["a=b", "a!=b\u202E", "a=~.*", "a!~x=y"]) assert.equal(formatMatcher(/** @type {any} */ (parseMatcher(text))), text);
  assert.deepEqual(["country", "a=b", "a!", "<b>"].map(isNameable), [true, false, false, true]);
  assert.equal(matcherWords("country="), "without country");
  assert.equal(matcherWords("country!="), "with country");
  assert.equal(matcherWords("country!=US"), "country is not US");
});

test("the previous period has the window's times, even after moving", () => {
  const step = 10;
  const rollup = /** @type {any} */ ({ from: 0, to: 60, step, agg: ["sum"], times: [0, 10, 20, 30, 40, 50], series: [{ labels: {}, sum: [1, 2, null, 4, 5, 6] }] });
  const view = (/** @type {number} */ from) => viewOf({ from, to: from + 30, step, agg: ["sum"], times: [from, from + 10, from + 20], series: [{ labels: {}, sum: [7, 8, 9] }] });
  assert.deepEqual(previousView(view(30), rollup).series[0].sum, [1, 2, null]);
  assert.deepEqual(previousView(view(30), rollup).totals, [{ sum: 3 }]);
  assert.deepEqual(previousView(view(50), rollup).series[0].sum, [null, 4, 5]);
  const compared = comparedView(view(30), previousView(view(30), rollup));
  assert.deepEqual(compared.series.map(({ sum, previous }) => [sum, previous === true]), [[[7, 8, 9], false], [[1, 2, null], true]]);
});

test("a change is relative to the size of the former value", () => {
  assert.deepEqual([changeOf(3, 2), changeOf(1, 2), changeOf(1, -2), changeOf(1, 0), changeOf(null, 1)], [0.5, -0.5, 1.5, null, null]);
});

test("a time field uses the local offset of its own date", () => {
  process.env.TZ = "Europe/Berlin";
  const [summer, winter] = [Date.UTC(2026, 9, 10, 10) / 1000, Date.UTC(2026, 9, 30, 10) / 1000];
  assert.deepEqual([summer, winter].map((time) => timeFieldOf(time, false)), ["2026-10-10T12:00:00", "2026-10-30T11:00:00"]);
  assert.equal(timeFieldOf(summer, true), "2026-10-10T10:00:00");
});
