// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePoint } from "../../public/reader/point.js";

const EMPTY = { n: "1", d: "", p: "", labels: "" };

test("a point has only the typed fields", () => {
  assert.deepEqual(parsePoint(EMPTY), { point: { n: 1 } });
  assert.deepEqual(parsePoint({ n: "-2.5e3", d: "0", p: "10", labels: "" }), { point: { n: -2500, d: 0, p: 10 } });
});

test("labels are one per line, split at the first equals sign", () => {
  const { point } = /** @type {any} */ (parsePoint({ ...EMPTY, labels: "country=US\n\n path = /a=b, c \r\nempty=" }));
  assert.deepEqual(point.v, { country: "US", path: "/a=b, c", empty: "" });
});

test("a label named __proto__ is sent as a label", () => {
  assert.equal(JSON.stringify(parsePoint({ ...EMPTY, labels: "__proto__=x" })), '{"point":{"n":1,"v":{"__proto__":"x"}}}');
});

test("text that can't become JSON is named", () => {
  assert.deepEqual(parsePoint({ ...EMPTY, n: " " }), { mistake: "n is not a number." });
  assert.deepEqual(parsePoint({ ...EMPTY, p: "1e999" }), { mistake: "p is not a number." });
  assert.deepEqual(parsePoint({ ...EMPTY, labels: "country" }), { mistake: "A label is written key=value." });
  assert.deepEqual(parsePoint({ ...EMPTY, labels: "a=1\na=2" }), { mistake: "The label a appears twice." });
});

test("the server decides what a point may hold", () => {
  assert.deepEqual(parsePoint({ ...EMPTY, d: "-1" }), { point: { n: 1, d: -1 } });
});
