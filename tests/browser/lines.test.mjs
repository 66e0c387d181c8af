// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { SLOTS, chartOf, columnsOf, lonePoints } from "../../public/chart/lines.mjs";

const WINDOW = { from: 0, to: 180, step: 60, times: [0, 60, 120] };

/** @param {any[]} series */
function rollup(...series) {
  return { ...WINDOW, series };
}

/** @param {string} country @param {(number | null)[]} sum */
function country(country, sum) {
  return { labels: { country }, sum };
}

const BY_COUNTRY = /** @type {const} */ ({ agg: "sum", by: "country" });

test("columns are the times and then each series, gaps included", () => {
  const chart = chartOf(rollup(country("US", [12, null, 3]), country("DE", [null, 1, null])), BY_COUNTRY, null);
  assert.deepEqual(columnsOf(chart), [[0, 60, 120], [12, null, 3], [null, 1, null]]);
});

test("a series without a point in the window is left out", () => {
  const chart = chartOf(rollup(country("US", [null, null, null])), BY_COUNTRY, null);
  assert.deepEqual(chart.lines, []);
});

test("names tell the writer's text from the page's own words", () => {
  const series = [country("US", [1, 1, 1]), country("", [1, 1, 1]), { labels: {}, sum: [1, 1, 1] }, { labels: {}, other: true, sum: [1, 1, 1] }];
  assert.deepEqual(chartOf(rollup(...series), BY_COUNTRY, null).lines.map(({ name }) => name), [
    { kind: "value", text: "US" },
    { kind: "empty", text: "empty" },
    { kind: "missing", text: "without country" },
    { kind: "other", text: "all others" },
  ]);
  const [all] = chartOf(rollup({ labels: {}, sum: [1, 1, 1] }), { agg: "sum", by: "" }, null).lines;
  assert.deepEqual(all.name, { kind: "all", text: "all points" });
});

test("a label named like a member of Object is a label like any other", () => {
  const [without] = chartOf(rollup({ labels: {}, sum: [1, 1, 1] }), { agg: "sum", by: "constructor" }, null).lines;
  assert.equal(without.name.kind, "missing");
});

test("a line is summarised by what its aggregate allows", () => {
  const expected = { sum: ["Total", 9], count: ["Total", 9], rate: ["Highest", 5], ratio: ["Highest", 5], max: ["Highest", 5], min: ["Lowest", 4] };
  for (const agg of /** @type {const} */ (["sum", "count", "rate", "ratio", "max", "min"])) {
    const { summaryTitle, lines } = chartOf(rollup({ labels: {}, [agg]: [5, 4, null] }), { agg, by: "" }, null);
    assert.deepEqual([summaryTitle, lines[0].summary, lines[0].latest], [...expected[agg], 4]);
  }
});

test("a line keeps its colour while others come and go, and the folded rest has its own", () => {
  const one = chartOf(rollup(country("US", [1, 1, 1]), country("DE", [1, 1, 1])), BY_COUNTRY, null);
  assert.deepEqual(one.lines.map(({ slot }) => slot), [0, 1]);

  const rest = { labels: {}, other: true, sum: [1, 1, 1] };
  const next = chartOf(rollup(country("DE", [1, 1, 1]), country("FR", [1, 1, 1]), rest), BY_COUNTRY, one);
  assert.deepEqual(next.lines.map(({ slot }) => slot), [1, 0, -1]);

  const other = chartOf(rollup({ labels: { city: "DE" }, sum: [1, 1, 1] }), { agg: "sum", by: "city" }, next);
  assert.equal(other.lines[0].slot, 0);
});

test("no two lines share a colour as long as there are enough", () => {
  const names = Array.from({ length: SLOTS }, (_, i) => String(i));
  const first = chartOf(rollup(...names.map((name) => country(name, [1, 1, 1]))), BY_COUNTRY, null);
  const second = chartOf(rollup(...names.reverse().map((name) => country(name, [1, 1, 1]))), BY_COUNTRY, first);
  assert.equal(new Set(second.lines.map(({ slot }) => slot)).size, SLOTS);
});

test("a value between gaps is a lone point", () => {
  assert.deepEqual(lonePoints([1, null, 2, 3, null, 4]), [0, 5]);
  assert.deepEqual(lonePoints([null, 0, null]), [1]);
  assert.deepEqual(lonePoints([1, 2]), []);
});
