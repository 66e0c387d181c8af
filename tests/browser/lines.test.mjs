// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { titleOf } from "../../public/chart/aggregates.mjs";
import { chartOf, inRows, lonePoints } from "../../public/chart/lines.mjs";
import { bigOf } from "../../public/chart/numbers.mjs";
import { OTHER, SLOTS } from "../../public/chart/palette.mjs";
import { stack } from "../../public/chart/stack.mjs";
import { viewOf } from "../../public/live/view.mjs";

const WINDOW = { from: 0, to: 180, step: 60, times: [0, 60, 120] };

/** @param {string[]} agg @param {any[]} series */
function view(agg, ...series) {
  return viewOf({ ...WINDOW, agg, series });
}

/** @param {string} country @param {(number | null)[]} sum */
function country(country, sum) {
  return { labels: { country }, sum };
}

const BY_COUNTRY = { by: "country", top: 100 };

test("series without points are left out, and gaps stay gaps", () => {
  const { lines } = chartOf(view(["sum"], country("US", [12, null, 3]), country("DE", [null, null, null])), BY_COUNTRY, null);
  assert.deepEqual(lines.map(({ values }) => values), [[12, null, 3]]);
});

test("names distinguish writers' labels from the page's own words", () => {
  const series = [country("US", [1, 1, 1]), country("", [1, 1, 1]), { labels: {}, sum: [1, 1, 1] }, { labels: {}, other: true, sum: [1, 1, 1] }];
  assert.deepEqual(chartOf(view(["sum"], ...series), BY_COUNTRY, null).lines.map(({ name }) => name), [
    { kind: "value", text: "US" },
    { kind: "empty", text: "empty" },
    { kind: "missing", text: "without country" },
    { kind: "other", text: "all others" },
  ]);
  const one = { labels: { country: "US", city: "x" }, sum: [1, 1, 1], p50: [1, 1, 1] };
  const nameOf = (/** @type {string[]} */ agg, /** @type {string} */ by) => chartOf(view(agg, one), { by, top: 9 }, null).lines.map(({ name }) => name.text);
  assert.deepEqual(nameOf(["sum"], ""), ["all points"]);
  assert.deepEqual(nameOf(["sum"], "country,city,device"), ["US · x · without device"]);
  assert.deepEqual(nameOf(["sum"], "*"), ["city=x · country=US"]);
  assert.deepEqual(nameOf(["sum", "p50"], ""), ["sum", "p50"]);
  assert.deepEqual(nameOf(["sum", "p50"], "country"), ["US · sum", "US · p50"]);
});

test("a label named like a member of Object is an ordinary label", () => {
  const [without] = chartOf(view(["sum"], { labels: {}, sum: [1, 1, 1] }), { by: "constructor", top: 9 }, null).lines;
  assert.equal(without.name.kind, "missing");
});

test("each aggregate has its summary", () => {
  const expected = { sum: ["Total", 9], count: ["Total", 9], rate: ["Average", 3], ratio: ["Highest", 5], max: ["Highest", 5], min: ["Lowest", 4], p50: ["Highest", 5] };
  for (const [agg, [title, summary]] of Object.entries(expected)) {
    const { summaryTitle, lines } = chartOf(view([agg], { labels: {}, [agg]: [5, 4, null] }), { by: "", top: 9 }, null);
    assert.deepEqual([summaryTitle, lines[0].summary, lines[0].latest], [title, summary, 4]);
  }
  const live = { ...view(["ratio"], { labels: {}, ratio: [5, 4, null] }), totals: [{ ratio: 4.5 }] };
  const { summaryTitle, lines } = chartOf(live, { by: "", top: 9 }, null);
  assert.deepEqual([summaryTitle, lines[0].summary], ["Overall", 4.5]);
});

test("a ratio shows no summary where other aggregates show theirs", () => {
  const [known, unknown] = [{ labels: { country: "US" }, ratio: [0.5, 1, null], total: { ratio: 0.75 } }, { labels: { country: "DE" }, ratio: [0.2, 0.4, null] }];
  const { lines, summaryTitle } = chartOf(view(["ratio"], known, unknown), BY_COUNTRY, null);
  assert.deepEqual([lines.map(({ summary }) => summary), summaryTitle], [[0.75, null], "Overall"]);
  const { lines: all } = chartOf(view(["ratio"], unknown), BY_COUNTRY, null);
  assert.deepEqual([all[0].summary, all[0].summaryTitle], [0.4, "Highest"]);
});

test("a line keeps its colour, and the rest has its own", () => {
  const one = chartOf(view(["sum"], country("US", [1, 1, 1]), country("DE", [1, 1, 1])), BY_COUNTRY, null);
  assert.deepEqual(one.lines.map(({ slot }) => slot), [0, 1]);
  const rest = { labels: {}, other: true, sum: [1, 1, 1] };
  const next = chartOf(view(["sum"], country("DE", [1, 1, 1]), country("FR", [1, 1, 1]), rest), BY_COUNTRY, one);
  assert.deepEqual(next.lines.map(({ slot }) => slot), [1, 0, OTHER]);
  const more = chartOf(view(["sum"], country("FR", [1, 1, 1]), country("US", [1, 1, 1]), country("IT", [1, 1, 1])), BY_COUNTRY, one);
  assert.deepEqual(more.lines.map(({ slot }) => slot), [1, 0, 2]);
  const other = chartOf(view(["sum"], { labels: { city: "DE" }, sum: [1, 1, 1] }), { by: "city", top: 9 }, next);
  assert.equal(other.lines[0].slot, 0);
});

test("no two lines share a slot, and the same lines keep their order", () => {
  const names = Array.from({ length: SLOTS * 3 }, (_, i) => String(i));
  const first = chartOf(view(["sum"], ...names.map((name) => country(name, [1, 1, 1]))), BY_COUNTRY, null);
  const second = chartOf(view(["sum"], ...names.toReversed().map((name) => country(name, [1, 1, 1]))), BY_COUNTRY, first);
  assert.equal(new Set(second.lines.map(({ slot }) => slot)).size, names.length);
  assert.deepEqual(second.lines.map(({ name }) => name.text), names);
});

test("rows are sorted by summary, and do not move under the pointer", () => {
  const row = (/** @type {string} */ id, /** @type {number | null} */ summary, slot = 0) => /** @type {any} */ ({ id, summary, slot, isPrevious: false });
  const rows = [row("low", 1), row("rest", 9, OTHER), row("high", 5), row("gap", null), { ...row("before", 7), isPrevious: true }];
  const ids = (/** @type {string[]} */ before, /** @type {boolean} */ isHeld) => inRows(rows, (line) => line, before, isHeld).map(({ id }) => id);
  assert.deepEqual(ids([], false), ["high", "low", "rest", "gap", "before"]);
  const held = ["low", "high", "gap", "rest", "before"];
  assert.deepEqual([ids(held, true), ids(held, false)[0], ids(held.slice(1), true)[0]], [held, "high", "high"]);
});

test("smaller series are folded where steps add up, always noted", () => {
  const many = Array.from({ length: 10 }, (_, i) => ({ labels: { country: String(i) }, sum: [10 - i, null, i > 8 ? 1 : null], p50: [1, 1, 1] }));
  const { lines, note } = chartOf(view(["sum"], ...many), { by: "country", top: 3 }, null);
  assert.deepEqual(lines.map(({ name, values, summary }) => [name.text, values, summary]).slice(2), [["2", [8, null, null], 8], ["all others", [28, null, 1], 29]]);
  assert.equal(note, "The 3 largest of 10 series; the rest is “all others”.");
  const quantiles = chartOf(view(["p50"], ...many), { by: "country", top: 3 }, null);
  assert.deepEqual([quantiles.lines.length, quantiles.note], [3, "The 3 largest of 10 series are shown."]);
  const fromServer = chartOf(view(["sum"], ...many.slice(0, 5), { labels: {}, other: true, sum: [100, null, null] }), { by: "country", top: 3 }, null);
  assert.deepEqual(fromServer.lines.map(({ summary }) => summary), [10, 9, 8, 113]);
});

test("a value between gaps is a lone point", () => {
  assert.deepEqual(lonePoints([1, null, 2, 3, null, 4]), [0, 5]);
  assert.deepEqual(lonePoints([null, 0, null]), [1]);
  assert.deepEqual(lonePoints([1, 2]), []);
});

test("a stack adds its columns, with a gap only where all have one", () => {
  assert.deepEqual(stack([[1, null, null], [2, 3, null], [null, 4, null]]), [[1, 0, null], [3, 3, null], [3, 7, null]]);
  assert.deepEqual(stack([]), []);
});

test("the big number is the window's total, or else the latest step", () => {
  const big = (/** @type {string} */ agg, /** @type {(number | null)[]} */ values) => {
    const chart = chartOf(view([agg], { labels: {}, [agg]: values }), { by: "", top: 9 }, null);
    return bigOf(chart.lines[0], chart);
  };
  assert.equal(big("sum", [1, 2, 3]), 6);
  assert.equal(big("p50", [9, 2, null]), 2);
  assert.equal(big("distinct:who", [9, 5, 2]), 5);
  assert.equal(big("distinct:who", [9, null, null]), 0);
});

test("a chart's title names its aggregates and labels", () => {
  assert.equal(titleOf(["sum"], ""), "Sum of n");
  assert.equal(titleOf(["p50", "p99"], "country,city"), "p50, p99 of n / d by country, city");
  assert.equal(titleOf(["distinct:client_id"], "*"), "Distinct client_id by every label");
});
